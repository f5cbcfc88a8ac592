"""The life of an introduction letter: valid, expired, received, its receipt, void (第六条第6项)."""

from __future__ import annotations

import re
import threading
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from party import codes, letters
from party.documents import introduction_letter
from party.forms import OutsideReceiptForm, ReceiptForm
from party.models import POCKET, LetterReminder, PartyMove, Stage
from tests.factories import make_transfer
from transfers import workflow
from transfers.models import Transfer, TransferStep
from transfers.refusal import Refused
from xianning import pdf, standards, walk
from xianning.models import Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

pytestmark = pytest.mark.django_db
FAR = "中共武汉市演示街道工作委员会"


def later(days: int) -> Any:
    return time_machine.travel(timezone.now() + timedelta(days=days), tick=False)


def issued(people: dict[str, User], *, far: bool = False, **given: Any) -> PartyMove:
    """A letter on its way, to the street here or to another city."""
    case = make_transfer(at="letter", party_member=True)
    if far:
        given |= {"receiver": "", "to_organization": FAR}
    walk.take(case, "letter", people["qiye"], **given)
    return PartyMove.objects.select_related("transfer").get(transfer=case)


def again(letter: PartyMove) -> PartyMove:
    return PartyMove.objects.get(pk=letter.pk)


def step_of(letter: PartyMove, key: str) -> str:
    return TransferStep.objects.get(transfer=letter.transfer, step=key).state


# --- stages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "stage", "pocket"),
    [
        ({}, Stage.ISSUED, False),
        ({"expires_on": date(2026, 11, 23)}, Stage.ISSUED, False),  # the last day
        ({"expires_on": date(2026, 11, 22)}, Stage.EXPIRED, True),
        ({"accepted_on": date(2026, 10, 23)}, Stage.ACCEPTED, False),  # one month to the day
        ({"accepted_on": date(2026, 10, 22)}, Stage.ACCEPTED, True),
        ({"accepted_on": date(2026, 9, 1), "receipt_on": date(2026, 11, 1)}, Stage.SETTLED, False),
        ({"voided_at": timezone.now(), "expires_on": date(2026, 1, 1)}, Stage.VOID, False),
    ],
)
@time_machine.travel("2026-11-23 10:00+08:00", tick=False)
def test_where_a_letter_stands_is_told_by_its_dates(
    given: dict[str, Any], stage: Stage, pocket: bool, people: dict[str, User]
) -> None:
    letter = issued(people)
    PartyMove.objects.filter(pk=letter.pk).update(**given)
    assert again(letter).stage is stage
    found = {each for each in Stage if PartyMove.objects.in_life(each).exists()}
    assert found == {stage}
    assert PartyMove.objects.in_life(POCKET).exists() is pocket
    sender = again(letter).responsible == again(letter).from_committee
    assert sender is (stage is not Stage.SETTLED)


@pytest.mark.parametrize(
    ("day", "before"),
    [("2026-03-31", "2026-02-28"), ("2024-03-30", "2024-02-29"), ("2026-01-15", "2025-12-15")],
)
def test_a_month_before(day: str, before: str) -> None:
    assert standards.months_before(date.fromisoformat(day)) == date.fromisoformat(before)


# --- expiry and issuing again -------------------------------------------------------------------


def test_an_expired_letter_is_issued_again_and_its_number_stays_void(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    old = issued(people)
    with pytest.raises(Refused, match="尚未过期"):
        letters.reissue(old, by=people["qiye"], valid_days=30, dues_until=old.dues_until)
    with later(31):
        with pytest.raises(ValueError, match="已过期；请由移交单位重新开具"):
            walk.take(old.transfer, "party", people["dangzu"])
        client = sign_in("qiye")
        url = reverse("party:letter_reissue", args=[old.pk])
        bad = client.post(url, {"valid_days": "91", "dues_until": "2026-11"})
        assert (bad.status_code, "91" in bad.content.decode()) == (422, True)
        assert client.post(url, {"valid_days": "60", "dues_until": "2026-11"}).status_code == 302
        again_url = client.post(url, {"valid_days": "60", "dues_until": "2026-11"}, follow=True)
        assert "作废，不能重新开具" in again_url.content.decode()
        new = PartyMove.objects.get(transfer=old.transfer, voided_at=None)
        assert (again(old).stage, new.stage) == (Stage.VOID, Stage.ISSUED)
        assert "已过期" in again(old).void_reason
        assert (new.serial, old.serial) == (2, 1)
        assert new.expires_on == timezone.localdate() + timedelta(days=60)
        assert new.issuer == old.issuer
        walk.take(old.transfer, "party", people["dangzu"])


# --- the receipt --------------------------------------------------------------------------------


def test_a_receipt_may_come_after_the_acceptance_and_once(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    letter = issued(people)
    client, url = sign_in("dangzu"), reverse("party:letter_receipt", args=[letter.pk])
    data = {"receipt_number": "温回1", "receipt_on": timezone.localdate()}
    assert "尚未接收" in client.get(url, follow=True).content.decode()
    walk.take(letter.transfer, "party", people["dangzu"], receipt_number="", receipt_on="")
    assert (again(letter).stage, step_of(letter, "party")) == (Stage.ACCEPTED, "done")
    early = data | {"receipt_on": timezone.localdate() - timedelta(days=1)}
    assert client.post(url, early).status_code == 422
    assert sign_in("qiye").post(url, data).status_code == 403
    assert sign_in("dangzu_chibi").post(url, data).status_code == 404
    assert client.post(url, data).status_code == 302
    assert again(letter).stage is Stage.SETTLED
    assert "不能重复登记" in client.post(url, data, follow=True).content.decode()
    assert Notice.objects.filter(role="enterprise", text__contains="转接办结").count() == 1


def test_half_a_receipt_is_none(people: dict[str, User]) -> None:
    letter = issued(people)
    with pytest.raises(ValueError, match="一起填写"):
        walk.take(letter.transfer, "party", people["dangzu"], receipt_number="")


def test_a_member_who_goes_to_another_city_is_not_received_here(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    letter = issued(people, far=True)
    with pytest.raises(ValueError, match=f"介绍信开往{FAR}"):
        walk.take(letter.transfer, "party", people["dangzu"])
    today = timezone.localdate()
    data = {"accepted_on": today, "accepted_by": "外地经办", "receipt_number": "武回9",
            "receipt_on": today}  # fmt: skip
    url = reverse("party:letter_receipt", args=[letter.pk])
    assert sign_in("dangzu").post(url, data).status_code == 403
    assert sign_in("qiye").post(url, data).status_code == 302
    assert (again(letter).stage, step_of(letter, "party")) == (Stage.SETTLED, "done")
    with pytest.raises(Refused, match="咸宁市外"):
        workflow.withdraw(letter.transfer, "party", by=people["dangzu"], code="other", reason="错")
    assert again(letter).stage is Stage.SETTLED


# --- the one-time page --------------------------------------------------------------------------


def page(letter: PartyMove) -> str:
    return reverse("party:receipt", args=[letter.pk])


def answers(letter: PartyMove, **given: Any) -> dict[str, Any]:
    return {"code": codes.code_of(letter), "answered": "1", "accepted_on": timezone.localdate(),
            "accepted_by": "外地经办"} | given  # fmt: skip


def test_the_receiver_elsewhere_answers_once_with_the_code_from_the_paper(
    people: dict[str, User],
) -> None:
    letter, client = issued(people, far=True), Client()
    person = letter.transfer.retiree
    empty = client.get(page(letter)).content.decode()
    assert person.name not in empty
    assert letter.number not in empty
    shown = client.post(page(letter), {"code": codes.code_of(letter).lower().replace("-", " ")})
    text = shown.content.decode()
    assert (shown.status_code, shown["Cache-Control"]) == (200, "no-store")
    for word in (person.name, letter.number, FAR):
        assert word in text
    for hidden in (
        person.id_number,
        person.home_phone,
        person.home_address,
        letter.transfer.number,
    ):
        assert hidden not in text
    assert again(letter).stage is Stage.ISSUED  # looking is not answering
    bad = client.post(page(letter), answers(letter, accepted_by=""))
    assert (bad.status_code, again(letter).stage) == (422, Stage.ISSUED)
    done = client.post(page(letter), answers(letter))
    assert (done.status_code, "已登记" in done.content.decode()) == (200, True)
    found = again(letter)
    assert (found.stage, found.receipt_way, found.accepted_by) == (
        Stage.SETTLED,
        "page",
        "外地经办",
    )
    assert (step_of(letter, "party"), found.responsible) == ("done", FAR)
    used = client.post(page(letter), answers(letter))
    assert (used.status_code, "不能重复登记" in used.content.decode()) == (409, True)
    assert person.name not in used.content.decode()


def test_no_code_but_that_of_the_letter_says_anything(people: dict[str, User]) -> None:
    letter, other, here = issued(people, far=True), issued(people, far=True), issued(people)
    gone = issued(people, far=True)
    workflow.withdraw(gone.transfer, "letter", by=people["qiye"], code="other", reason="写错")
    tries = {
        "wrong": (letter.pk, "7KQ2-M9XT-PA4CR"),
        "another letter's": (letter.pk, codes.code_of(other)),
        "of a letter that stays here": (here.pk, codes.code_of(here)),
        "of a void letter": (gone.pk, codes.code_of(gone)),
        "of no letter": (letter.transfer_id, codes.code_of(letter)),
        "long": (letter.pk, "2" * 40),
    }
    bodies = set()
    for what, (pk, code) in tries.items():
        client = Client()
        answer = client.post(reverse("party:receipt", args=[pk]), answers(letter) | {"code": code})
        assert answer.status_code == 422, what
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
        bodies.add(text.replace(code, "").replace(str(pk), ""))
    assert len(bodies) == 1, "the answers differ"
    assert {again(each).receipt_on for each in (letter, other, here, gone)} == {None}


def test_an_expired_letter_takes_no_receipt_on_the_page(people: dict[str, User]) -> None:
    letter = issued(people, far=True)
    with later(31):
        answer = Client().post(page(letter), answers(letter))
        assert (answer.status_code, "已过期" in answer.content.decode()) == (409, True)
    assert again(letter).stage is Stage.ISSUED


def test_guessing_is_bounded_and_the_right_code_costs_nothing(people: dict[str, User]) -> None:
    letter, client = issued(people, far=True), Client()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(8):
            assert client.post(page(letter), {"code": codes.code_of(letter)}).status_code == 200
        for _ in range(5):
            assert client.post(page(letter), {"code": "7KQ2-M9XT-PA4CR"}).status_code == 422
        assert client.post(page(letter), {"code": codes.code_of(letter)}).status_code == 429
        clock.shift(timedelta(minutes=16))
        assert client.post(page(letter), {"code": codes.code_of(letter)}).status_code == 200


def test_the_code_stands_on_the_slip_of_a_letter_that_leaves_only(people: dict[str, User]) -> None:
    html: list[str] = []
    far, here = issued(people, far=True), issued(people)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "write", lambda text, _copies: html.append(text))
        introduction_letter(far, receipt_url="https://x.invalid/")
        introduction_letter(here, receipt_url="https://x.invalid/")
    assert [codes.code_of(each) in text for each, text in zip((far, here), html, strict=True)] == [
        True, False,
    ]  # fmt: skip
    assert "扫码" not in html[1]


# --- reminders and the list ---------------------------------------------------------------------


def test_both_sides_are_reminded_once_a_week(people: dict[str, User]) -> None:
    letter = issued(people)
    assert letters.remind() == 0
    with later(31):
        before = Notice.objects.count()
        assert [letters.remind(), letters.remind()] == [1, 0]
        told = Notice.objects.order_by("-id")[: Notice.objects.count() - before]
        assert {notice.role for notice in told} == {"enterprise", "party"}
    with later(38):
        assert letters.remind() == 1
    assert LetterReminder.objects.filter(letter=letter).count() == 2
    with later(39):
        far = issued(people, far=True)
    with later(80):
        LetterReminder.objects.create(letter=letter, on=timezone.localdate())
        before = Notice.objects.count()
        assert letters.remind() == 1
        assert Notice.objects.count() == before + 1  # the receiver has no account
        assert LetterReminder.objects.filter(letter=far).exists()


def test_the_list_costs_the_same_however_long_it_is(
    people: dict[str, User], sign_in: Callable[[str], Client], django_assert_max_num_queries: Any
) -> None:
    client, counts = sign_in("qiye"), []
    for size in (2, 3):
        for _ in range(size):
            issued(people)
        with django_assert_max_num_queries(60) as queries:
            text = client.get(reverse("party:letters"), {"stage": "issued"}).content.decode()
        assert text.count("第六条") >= 1
        assert text.count("/party/letters/0") == PartyMove.objects.count()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert client.get(reverse("party:letters"), {"stage": "nonsense"}).status_code == 404
    assert (
        "没有这样的介绍信"
        in client.get(reverse("party:letters"), {"stage": POCKET}).content.decode()
    )


# --- races --------------------------------------------------------------------------------------


def at_once(deeds: list[Callable[[], Any]]) -> list[Any]:
    """What each deed gave or refused, all started together."""
    start = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(n: int) -> None:
        try:
            start.wait(30)
            results[n] = deeds[n]()
        except Refused as reason:
            results[n] = reason
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def take_letter(pk: UUID, clerk: User) -> None:
    walk.take(Transfer.objects.get(pk=pk), "letter", clerk)


needs_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


@needs_postgres
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_eight_writers_number_letters_without_gaps_or_repeats(people: dict[str, User]) -> None:
    cases = [make_transfer(at="letter", party_member=True) for _ in range(8)]
    clerk = people["qiye"]
    at_once([partial(take_letter, case.pk, clerk) for case in cases])
    serials = PartyMove.objects.filter(transfer__in=cases).values_list("serial", flat=True)
    assert sorted(serials) == list(range(1, 9))


@needs_postgres
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_receipts_at_once_are_one(people: dict[str, User]) -> None:
    letter, today = issued(people, far=True), timezone.localdate()

    def enter(name: str) -> str:
        letters.receipt(again(letter), by=people["qiye"], accepted_on=today, accepted_by=name,
                        receipt_number=name, receipt_on=today)  # fmt: skip
        return name

    results = at_once([lambda: enter("甲"), lambda: enter("乙")])
    [winner] = [each for each in results if isinstance(each, str)]
    assert again(letter).accepted_by == winner
    assert sum(isinstance(each, Refused) for each in results) == 1


def test_what_is_refused_leaves_no_number_behind(people: dict[str, User]) -> None:
    first = issued(people)
    with pytest.raises(Refused, match="尚未过期"):
        letters.reissue(first, by=people["qiye"], valid_days=30, dues_until=first.dues_until)
    assert issued(people).serial == first.serial + 1


# --- what is refused under the lock and in the form ---------------------------------------------


def test_only_who_issued_a_letter_issues_it_again(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    letter = issued(people)
    url = reverse("party:letter_reissue", args=[letter.pk])
    shown = reverse("party:letter", args=[letter.pk])
    assert sign_in("dangzu").get(url).status_code == 403
    answer = sign_in("qiye").get(url)  # too early: no form, but the reason
    assert (answer.status_code, answer["Location"]) == (302, shown)
    with later(31):
        for user, offered in (("qiye", True), ("dangzu", False)):
            assert (url in sign_in(user).get(shown).content.decode()) is offered, user


@pytest.mark.parametrize(("days", "reason"), [(-1, "不能早于介绍信开具日期"), (31, "已过期")])
@pytest.mark.parametrize("door", ["page", "hand", "deed"])
def test_nobody_is_received_before_the_letter_or_after_its_end(
    door: str, days: int, reason: str, people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    """The letter was issued 40 days ago for 30; the receipt is dated before or after."""
    letter = issued(people, far=True)
    start = timezone.localdate()
    day = start + timedelta(days=days)
    with later(40):
        facts: dict[str, Any] = {
            "accepted_on": day, "accepted_by": "外地经办", "receipt_number": "武回9",
            "receipt_on": timezone.localdate(),
        }  # fmt: skip
        found = again(letter)
        if door == "page":
            form: Any = OutsideReceiptForm(facts, letter=found)
            assert reason in str(form.errors["accepted_on"])
        elif door == "hand":
            form = ReceiptForm(facts, letter=found)
            assert reason in str(form.errors["accepted_on"])
        else:
            with pytest.raises(Refused, match=reason):
                PartyMove.accept(letter.transfer, by=people["qiye"], remarks="", elsewhere=True,
                                 **facts)  # fmt: skip
    assert again(letter).accepted_on is None


def test_a_void_letter_takes_no_receipt(people: dict[str, User]) -> None:
    letter, today = issued(people, far=True), timezone.localdate()
    workflow.withdraw(letter.transfer, "letter", by=people["qiye"], code="other", reason="写错")
    facts: dict[str, Any] = {
        "accepted_on": today, "accepted_by": "外地经办", "receipt_number": "武回9",
        "receipt_on": today,
    }  # fmt: skip
    with pytest.raises(Refused, match=f"{letter.number}已作废"):
        letters.receipt(again(letter), by=people["qiye"], **facts)
    with pytest.raises(Refused, match="已退回转出党组织"):
        letters.issuer_of(again(letter))


def test_a_member_of_an_ended_case_is_not_received_elsewhere(people: dict[str, User]) -> None:
    letter, today = issued(people, far=True), timezone.localdate()
    workflow.end(letter.transfer, by=people["qiye"], code="other", reason="去世")
    with pytest.raises(Refused):
        workflow.complete_elsewhere(
            letter.transfer, by=people["qiye"], accepted_on=today, accepted_by="外地经办",
            receipt_number="武回9", receipt_on=today, remarks="",
        )  # fmt: skip
    assert again(letter).accepted_on is None


def test_a_stranger_s_letters_are_not_listed(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    letter = issued(people)
    for user, seen in (("qiye", True), ("dangzu", True), ("dangzu_chibi", False)):
        text = sign_in(user).get(reverse("party:letters")).content.decode()
        assert (letter.number in text) is seen, user
