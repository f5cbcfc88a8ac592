"""告知、同意、查阅、更正、删除 (个人信息保护法 15–17, 23, 45–49)."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from tests.factories import make_transfer
from transfers import notice, subject, workflow
from transfers.models import Consent, NameGram, Retiree, RightsRequest, Scan, Transfer
from xianning import vault
from xianning.models import AccessLog, Export, Office

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model
    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db


def ask(case: Transfer, people: People, kind: str, by: str = "shequ") -> RightsRequest:
    return RightsRequest.objects.create(
        transfer=case, kind=kind, applicant="self", text="请办理", recorded_by=people[by],
        asked_on=timezone.localdate(),
    )  # fmt: skip


def close(case: Transfer, years: float) -> Transfer:
    closed = timezone.now() - timedelta(days=years * 366 + 1)
    Transfer.objects.filter(pk=case.pk).update(state="done", closed_at=closed)
    return Transfer.objects.get(pk=case.pk)


def test_signing_records_what_was_told_and_agreed_with_version_and_date() -> None:
    case = make_transfer(at="community")
    given = {c.kind: (c.version, c.given_on) for c in case.consents.all()}
    assert given == {
        "told": (notice.VERSION, timezone.localdate()),
        "agreed": (notice.VERSION, timezone.localdate()),
    }
    assert {c.recorded_by.username for c in case.consents.all()} == {"qiye"}


def test_the_notice_tells_what_the_law_asks_for() -> None:
    """第十七条: who, why, what, how long, which rights; 第三十条: why sensitive data."""
    words = "".join(title + text for title, text in notice.sections())
    for needed in (
        "移交单位",
        "第六条",
        "敏感个人信息",
        "保存",
        "查阅",
        "更正",
        "删除",
        "撤回",
        "近亲属",
    ):
        assert needed in words


def test_a_withdrawn_consent_stays_on_record(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    agreed = case.consents.get(kind="agreed")
    path = reverse("transfers:consent_withdraw", args=[agreed.pk])
    assert sign_in("shequ_chibi").post(path).status_code == 404
    assert sign_in("shequ").post(path).status_code == 302
    agreed.refresh_from_db()
    assert agreed.withdrawn_on == timezone.localdate()
    assert not Consent.objects.standing().filter(transfer=case, kind="agreed").exists()
    assert sign_in("shequ").post(path).status_code == 404


def test_a_copy_holds_every_table_that_names_the_person(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="done", party_member=True)
    client = sign_in("shequ")
    path = reverse("transfers:rights_copy", args=[case.pk])
    assert client.post(path).status_code == 403  # nobody asked for it
    client.post(
        reverse("transfers:rights", args=[case.pk]),
        {
            "kind": "copy",
            "applicant": "self",
            "asked_on": str(timezone.localdate()),
            "text": "要副本",
        },
    )
    assert sign_in("dangzu").post(path).status_code == 403  # he came to the community
    response = client.post(path)
    assert response.status_code == 200
    trace = AccessLog.objects.latest("pk")
    assert (trace.kind, trace.transfer) == ("export", case)
    book = load_workbook(io.BytesIO(response.content))
    cells = {str(c.value) for sheet in book for row in sheet.iter_rows() for c in row}
    assert case.retiree.id_number in cells
    assert case.retiree.home_phone in cells
    assert case.reception.ledger_number in cells
    found = {model for model, _rows in subject.tables_about(case.retiree)}
    leads_to_him: set[type[Model]] = {Retiree, Transfer}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.remote_field and field.remote_field.model in (Retiree, Transfer):
                leads_to_him.add(model)
    assert leads_to_him - {m for m in leads_to_him if hasattr(m, "instance_type")} <= found
    assert Retiree.history.model in found


def test_who_asks_for_another_says_who_he_is(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    given = {"kind": "copy", "applicant": "family", "asked_on": "2026-11-01", "text": "查阅"}
    response = sign_in("shequ").post(reverse("transfers:rights", args=[case.pk]), given)
    assert response.status_code == 422
    assert "关系证明" in response.content.decode()
    assert not RightsRequest.objects.exists()


def test_the_text_of_a_request_is_shown_only_with_a_trace(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="community")
    asked = ask(case, people, "correct")
    asked.text = "电话改为 13900001111"
    asked.save()
    client, path = sign_in("shequ"), reverse("transfers:rights_answer", args=[asked.pk])
    assert "13900001111" not in client.get(path).content.decode()
    assert not AccessLog.objects.filter(what="个人信息权利申请内容").exists()
    assert "13900001111" in client.post(path, {"open": "1"}).content.decode()
    assert AccessLog.objects.filter(what="个人信息权利申请内容", transfer=case).count() == 1


REFUSED = [
    ("open", None, "正在办理"),
    ("done", 1, "期满才能删除"),
]


@pytest.mark.parametrize(("state", "years", "words"), REFUSED)
def test_what_the_law_keeps_is_not_erased(
    state: str, years: float | None, words: str, people: People
) -> None:
    case = make_transfer(at="community")
    if years:
        case = close(case, years)
    asked = ask(case, people, "erase")
    with pytest.raises(subject.NotErasable, match=words):
        subject.answer(asked, state="done", text="同意删除", by=people["rs"])
    case.refresh_from_db()
    assert case.retiree.erased_at is None


def test_who_has_another_open_case_is_not_erased(people: People) -> None:
    case, other = make_transfer(), make_transfer()
    workflow.end(case, by=people["qiye"], code="other", reason="重复登记。")
    Transfer.objects.filter(pk=other.pk).update(retiree=case.retiree)
    asked = ask(case, people, "erase")
    with pytest.raises(subject.NotErasable, match="另有案卷正在办理"):
        subject.answer(asked, state="done", text="同意删除", by=people["rs"])


def test_a_request_is_answered_once_and_an_erasure_not_by_who_recorded_it(people: People) -> None:
    """Said by the rule itself, whichever page or command asks."""
    case = close(make_transfer(at="done"), 11)
    asked = ask(case, people, "erase", by="rs")
    with pytest.raises(subject.NotErasable, match="受理人以外的另一人"):
        subject.answer(asked, state="done", text="同意删除", by=people["rs"])
    subject.answer(asked, state="refused", text="依法保存", by=people["gzw"])
    with pytest.raises(subject.NotErasable, match="无须再办"):
        subject.answer(asked, state="done", text="同意删除", by=people["gzw"])


def test_a_destroyed_or_unchecked_scan_is_opened_by_nobody(
    sign_in: Callable[[str], Client],
) -> None:
    scan = make_transfer(at="community").scans.get()
    path = reverse("transfers:scan", args=[scan.pk])
    client = sign_in("qiye")
    assert client.post(path).status_code == 200
    for facts, words in (
        ({"quarantined": True}, "待查杀"),
        ({"destroyed_at": timezone.now(), "destroyed_why": "到期"}, "销毁：到期"),
    ):
        Scan.objects.filter(pk=scan.pk).update(**facts)
        assert words in str(Scan.objects.get(pk=scan.pk).why_not_open())
        answer = client.post(path, follow=True)
        assert words in answer.content.decode()
        assert answer["Content-Type"].startswith("text/html")


def test_erasure_needs_the_second_person_of_hr(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = close(make_transfer(at="done"), 11)
    asked = ask(case, people, "erase", by="rs")
    path = reverse("transfers:rights_answer", args=[asked.pk])
    given = {"state": "done", "answer": "保存期满，同意删除"}
    assert sign_in("rs").post(path, given).status_code == 403  # he recorded it
    assert sign_in("shequ").post(path, given).status_code == 403
    assert sign_in("rs_chibi").post(path, given).status_code == 404
    Office.objects.get(users=people["rs"]).admit(people["rs_xianan"])
    assert sign_in("rs_xianan").post(path, given).status_code == 302
    case.refresh_from_db()
    assert case.retiree.erased_at
    assert case.tombstone.approved_by == people["rs_xianan"]


def test_after_erasure_no_value_is_left_in_any_table_or_file(people: People) -> None:
    case = close(make_transfer(at="done", party_member=True, name="欧阳可删"), 11)
    person, scan = case.retiree, case.scans.get()
    values = {
        str(getattr(person, name)) for name in Retiree.Privacy.private
        if name not in ("id_index", "low_income", "special_groups") and getattr(person, name)
        and len(str(getattr(person, name))) > 3
    } | {"欧阳可删", person.id_index}  # fmt: skip
    asked = ask(case, people, "erase")
    with connection.cursor() as cursor:  # on_commit runs at once outside a test
        cursor.execute("SELECT 1")
    subject.answer(asked, state="done", text="保存期满，同意删除", by=people["rs"])
    for hook in connection.run_on_commit:
        hook[1]()
    left = {}
    for model in apps.get_models():
        if model._meta.app_label in ("transfers", "communities", "archives", "party", "xianning"):
            for row in model._default_manager.all() if model not in (Export,) else ():
                for field in model._meta.concrete_fields:
                    text = str(getattr(row, field.attname))
                    for value in values:
                        if value in text and model._meta.model_name != "area":
                            left[model._meta.label, field.name] = value
    assert not left
    assert not NameGram.objects.filter(retiree=person).exists()
    assert not Retiree.objects.with_id_number(person.id_number).exists()
    with pytest.raises(FileNotFoundError):
        vault.get(scan.file)
    assert Scan.objects.get(pk=scan.pk).destroyed_at
    person = Retiree.objects.get(pk=person.pk)
    assert (person.name, person.id_number, person.special_groups) == ("（已删除）", "", [])
    assert case.tombstone.counts["histories"] > 0
    assert Transfer.objects.get(pk=case.pk).number == case.number
    with pytest.raises(subject.NotErasable, match="已删除"):
        subject.erase(
            case, reason="再来", basis="", asked_by=people["rs"], approved_by=people["gzw"]
        )


def test_cases_whose_time_is_over_are_found(people: People) -> None:
    old, young = close(make_transfer(at="done"), 11), close(make_transfer(at="done"), 9)
    make_transfer(at="community")
    assert list(subject.due()) == [old]
    assert young not in subject.due()
