"""第六条第5项 at the desk: finding a person, green, yellow and red in words, one form, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from communities.check_in import Colour, Question, check_in, standing, today
from communities.models import ContactCard, Reception
from tests.factories import make_many, make_transfer, staff_of
from transfers import workflow
from transfers.models import Retiree, StepEvent, TransferStep
from transfers.refusal import Refused
from transfers.subject import _blank_person
from xianning import walk
from xianning.models import AuditEvent, User
from xianning.privacy import blind_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db

DESK = "/check-in/"


def desk_of(case: Transfer, version: int | None = None) -> str:
    path = reverse("communities:check_in", args=[case.pk])
    return f"{path}?version={version}" if version else path


def answers(**changed: str) -> dict[str, str]:
    """Everything the worker ticks and types when nothing is wrong."""
    ticks = ("identity_checked", "form_received", "address_confirmed", "phone_confirmed",
             "contacts_confirmed", "living_confirmed")  # fmt: skip
    return dict.fromkeys(ticks, "on") | {
        "checked_in_on": f"{timezone.localdate():%Y-%m-%d}", "officer": "田甜",
        "officer_phone": "0715-8123456", "remarks": "",
    } | changed  # fmt: skip


# --- what was typed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        ("鄢寒", "name", "鄢寒"),
        (" 鄢 寒 ", "name", "鄢 寒"),
        ("0123", "tail", "0123"),
        ("012x", "tail", "012X"),
        ("０１２３", "tail", "0123"),
        ("42129919580101004X", "id", "42129919580101004X"),
        ("138 1234 5678", "phone", "13812345678"),
        ("0715-8123456", "phone", "0715-8123456"),
        ("xn:form:0193" + "0" * 28 + ":2:3", "code", "XN:FORM:0193" + "0" * 28 + ":2:3"),
    ],
)
def test_what_is_typed_is_a_name_four_digits_a_number_a_phone_or_a_code(
    typed: str, kind: str, text: str
) -> None:
    question = Question.read(typed)
    assert (question.kind, question.text) == (kind, text)


@pytest.mark.parametrize("typed", ["寒", "01234", "123", "XN:NOTE:" + "0" * 32 + ":1:1", "X"])
def test_anything_else_is_refused_with_a_sentence(
    typed: str, sign_in: Callable[[str], Client]
) -> None:
    answer = sign_in("shequ").post(DESK, {"q": typed})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert typed in page  # the typing stays
    if typed.isdecimal():  # too few digits for a telephone: says what may be typed at all
        assert "身份证号末四位或完整号码、电话号码。" in page


def test_one_hit_leads_to_the_person_and_nothing_private_stands_in_the_address(
    sign_in: Callable[[str], Client],
) -> None:
    case, browser = (
        make_transfer("community", name="鄢寒舟", home_phone="13877776666"),
        sign_in("shequ"),
    )
    person = case.retiree
    for kind, typed in {
        "name": "鄢寒", "tail": person.id_number[-4:], "id": person.id_number,
        "phone": "138-7777-6666",
        "code": f"XN:FORM:{case.pk.hex.upper()}:{case.form_version}:3",
    }.items():  # fmt: skip
        answer = browser.post(DESK, {"q": typed})
        version = case.form_version if kind == "code" else None
        assert (answer.status_code, answer["Location"]) == (302, desk_of(case, version))
        event = AuditEvent.objects.filter(action="desk_search").latest("pk")
        assert (event.object_id, event.facts) == (str(case.pk), {"by": kind, "found": 1})


def test_a_search_finds_nobody_of_another_community(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer("community", clerk="qiye_chibi", home_phone="13877776666")
    for typed in (case.retiree.name, case.retiree.id_number[-4:], "13877776666"):
        answer = sign_in("shequ").post(DESK, {"q": typed})
        assert "没有找到此人" in answer.content.decode()
        assert case.retiree.name not in answer.content.decode().replace(typed, "")


def test_the_code_of_a_form_tells_the_right_community(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer("community", clerk="qiye_chibi")
    answer = sign_in("shequ").post(DESK, {"q": f"XN:FORM:{case.pk.hex.upper()}:1:3"})
    said = answer.content.decode()
    assert answer.status_code == 200
    assert f"此人的接收社区是{case.community.full_name}，不是本社区" in said  # type: ignore[union-attr]
    assert case.retiree.name not in said


def test_several_of_one_name_are_listed_with_how_they_stand(
    sign_in: Callable[[str], Client],
) -> None:
    ready, waiting = make_transfer("community", name="鄢寒"), make_transfer("confirm", name="鄢寒")
    said = sign_in("shequ").post(DESK, {"q": "鄢寒"}).content.decode()
    assert desk_of(ready) in said
    assert desk_of(waiting) in said
    assert "不能报到：须先完成“基本信息确认”" in said
    assert ready.retiree.id_number not in said


# --- green, yellow, red ---------------------------------------------------------------------------


def test_green_when_the_signed_form_is_the_present_one(people: dict[str, User]) -> None:
    case = make_transfer("community")
    state = standing(case, people["shequ"], case.form_version)
    assert (state.colour, state.word, state.is_open) == (Colour.GREEN, "可以报到", True)


def test_red_until_the_form_is_signed(people: dict[str, User]) -> None:
    state = standing(make_transfer("confirm"), people["shequ"])
    assert (state.colour, state.is_open) == (Colour.RED, False)
    assert state.reasons == ["须先完成“基本信息确认”（第六条第5项）。"]


def test_red_when_the_form_in_the_hand_is_outdated(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer("community")
    state = standing(case, people["shequ"], case.form_version + 1)
    assert (state.colour, state.is_open) == (Colour.RED, False)
    assert f"现行为第 {case.form_version} 版" in state.reasons[0]
    answer = sign_in("shequ").post(desk_of(case), answers(version=str(case.form_version + 1)))
    assert answer.status_code == 409
    assert not Reception.objects.exists()


def test_the_deed_itself_refuses_an_outdated_form(people: dict[str, User]) -> None:
    case = make_transfer("community")
    given = {"checked_in_on": timezone.localdate(), "form_received": True, "officer": "田甜",
             "officer_phone": "0715-8123456", "remarks": ""}  # fmt: skip
    with pytest.raises(Refused, match="现行为第"):
        check_in(case, by=people["shequ"], version=case.form_version + 1, **given)
    assert not Reception.objects.exists()


def test_the_list_of_today_is_that_of_my_communities(
    sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    case = make_transfer("community", name="鄢寒舟")
    sign_in("shequ").post(desk_of(case), answers())
    assert [entry.transfer for entry in today(people["shequ"])] == [case]
    assert [entry.transfer for entry in today(people["jiedao"])] == [case]
    assert not today(people["shequ_chibi"]).exists()


def test_red_at_another_community_with_the_right_one(people: dict[str, User]) -> None:
    case = make_transfer("community")
    state = standing(case, people["shequ_chibi"])
    assert (state.colour, state.word) == (Colour.RED, "不是本社区")
    assert case.community.full_name in state.reasons[0]  # type: ignore[union-attr]


def test_yellow_for_people_who_live_elsewhere_and_for_party_members(
    people: dict[str, User],
) -> None:
    away = make_transfer("community", residence="elsewhere", away_address="武汉市测试路1号")
    member = make_transfer("community", party_member=True)
    for case, words in ((away, "异地居住人员"), (member, "中共党员")):
        state = standing(case, people["shequ"])
        assert (state.colour, state.is_open) == (Colour.YELLOW, True)
        assert any(words in reason for reason in state.reasons)


# --- one form, once -------------------------------------------------------------------------------


def test_one_form_files_the_person_issues_the_card_and_says_who_verified(
    sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    case = make_transfer("community")
    browser = sign_in("shequ")
    answer = browser.post(desk_of(case), answers(version=str(case.form_version)), follow=True)
    entry = Reception.objects.get(transfer=case)
    assert answer.redirect_chain == [(DESK, 302)]
    assert f"台账号 {entry.ledger_number}，联系卡 {entry.card}" in answer.content.decode()
    assert (entry.verified_by, entry.verified_on) == (people["shequ"], timezone.localdate())
    assert "今天已报到 1 人" in answer.content.decode()
    row = case.steps.get(step=workflow.COMMUNITY)
    assert (row.state, row.done_by) == (TransferStep.State.DONE, people["shequ"])


def test_nothing_is_filed_before_everything_was_read_over(
    sign_in: Callable[[str], Client],
) -> None:
    case, browser = make_transfer("community"), sign_in("shequ")
    for left_out in (
        "identity_checked", "form_received", "address_confirmed", "phone_confirmed",
        "contacts_confirmed", "living_confirmed",
    ):  # fmt: skip
        given = answers(remarks="住在三楼")
        del given[left_out]
        answer = browser.post(desk_of(case), given)
        assert answer.status_code == 422, left_out
        assert "住在三楼" in answer.content.decode()
        assert not Reception.objects.exists()


def test_twice_is_harmless_and_says_when_and_by_whom(
    sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    case = make_transfer("community")
    browser = sign_in("shequ")
    browser.post(desk_of(case), answers())
    again = browser.post(desk_of(case), answers())
    assert again.status_code == 409
    assert f"由{people['shequ']}办理报到" in again.content.decode()
    shown = browser.get(desk_of(case))
    assert "已经报到" in shown.content.decode()
    assert (Reception.objects.count(), ContactCard.objects.count()) == (1, 1)
    done = StepEvent.objects.filter(step=workflow.COMMUNITY, verb=StepEvent.Verb.COMPLETE)
    assert done.count() == 1


def test_the_person_at_the_desk_stays_masked(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer("community", home_phone="13877776666")
    said = sign_in("shequ").get(desk_of(case)).content.decode()
    assert case.retiree.id_number not in said
    assert "13877776666" not in said
    assert case.retiree.address not in said


def test_only_streets_and_communities_have_the_desk(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer("community")
    assert sign_in("qiye").get(DESK).status_code == 403
    assert sign_in("shequ_chibi").get(desk_of(case)).status_code == 404
    assert sign_in("shequ_chibi").post(desk_of(case), answers()).status_code == 404


# --- the indexes of the desk ----------------------------------------------------------------------


def test_the_indexes_follow_the_person_and_go_with_him() -> None:
    case = make_transfer("verify", home_phone="13877776666、13855554444")
    person = case.retiree
    assert person.tail_index == blind_index(person.id_number[-4:], "id_tail")
    assert person.phone_index == blind_index("13877776666", "phone_text")
    person.home_phone = "13811112222"
    person.save()
    assert Retiree.objects.get().phone_index == blind_index("13811112222", "phone_text")
    _blank_person(person)
    gone = Retiree.objects.get()
    assert (gone.tail_index, gone.phone_index) == ("", "")


def test_the_indexes_of_the_desk_are_in_no_history() -> None:
    columns = {field.name for field in Retiree.history.model._meta.concrete_fields}
    assert not columns & {"tail_index", "phone_index"}


def test_people_filed_before_are_found_too() -> None:
    from importlib import import_module

    from django.apps import apps

    case = make_transfer("verify", home_phone="13877776666")
    person = Retiree.objects.get()
    Retiree.objects.filter(pk=person.pk).update(tail_index="", phone_index="")
    import_module("transfers.migrations.0013_fill_desk_indexes").fill(apps, None)
    assert Retiree.objects.get(pk=case.retiree_id).tail_index == person.tail_index
    assert Retiree.objects.get(pk=case.retiree_id).phone_index == person.phone_index


def test_two_without_a_phone_have_nothing_in_common() -> None:
    first, second = Retiree(id_number="42129919580101004X"), Retiree(id_number="x")
    assert first.phone_text != second.phone_text


# --- no more work for more people -----------------------------------------------------------------


def questions(browser: Client, deed: Callable[[Client], Any]) -> int:
    with CaptureQueriesContext(connection) as seen:
        deed(browser)
    return len(seen)


def test_the_desk_asks_as_much_for_twelve_as_for_three(sign_in: Callable[[str], Client]) -> None:
    staff, browser = staff_of("qiye"), sign_in("shequ")
    for _ in range(3):
        walk.to(make_transfer("community"), "archives", staff)
    few = questions(browser, lambda b: b.get(DESK))
    for _ in range(9):
        walk.to(make_transfer("community"), "archives", staff)
    assert questions(browser, lambda b: b.get(DESK)) == few


def test_finding_asks_as_much_among_twelve_as_among_three(
    sign_in: Callable[[str], Client],
) -> None:
    case, browser = make_transfer("community", name="鄢寒舟"), sign_in("shequ")
    tail = case.retiree.id_number[-4:]
    make_many(2)
    few = [questions(browser, lambda b, q=q: b.post(DESK, {"q": q})) for q in ("鄢寒", tail)]  # type: ignore[misc]
    make_many(9)
    many = [questions(browser, lambda b, q=q: b.post(DESK, {"q": q})) for q in ("鄢寒", tail)]  # type: ignore[misc]
    assert many == few
