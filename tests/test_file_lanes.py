"""第六条第4项: people without a file, with the file at the agency already, or with another body."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from archives.models import FileLoan, PersonnelFile
from archives.rosters import ARCHIVES
from tests.factories import make_transfer
from tests.test_archive_batches import user
from transfers import workflow
from transfers.models.handovers import Handover
from xianning import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

TODAY = timezone.localdate
# As a browser sends the form when nothing but the situation is chosen.
BLANK = {"volumes": 1, "duplicates": 0, "pieces": "", "pages": "", "missing": "", "carrier": "",
         "means": "person"}  # fmt: skip
STATED: dict[str, dict[str, Any]] = {
    "held": {"evidence": "档案保管凭证〔2019〕8号"},
    "elsewhere": {"evidence": "存档证明〔2026〕12号", "holder": "武汉市人才服务中心"},
    "none": {"evidence": "档案遗失情况说明〔2026〕3号"},
}
FOUND: dict[str, dict[str, Any]] = {
    "held": {"volumes": 1, "duplicates": 0, "pieces": 30, "pages": 90, "location": "1库/2柜/3层"},
    "elsewhere": {"volumes": 2, "duplicates": 1, "pieces": 12, "pages": 40, "location": ""},
    "none": {},
}
LANES = list(STATED)


def act(case: Transfer, key: str) -> str:
    return reverse("transfers:act", args=[case.pk, key])


def stated(lane: str, **more: Any) -> dict[str, Any]:
    day = TODAY() - timedelta(days=3)
    return BLANK | {"lane": lane, "handed_on": TODAY(), "evidence_on": day} | STATED[lane] | more


def answered(case: Transfer, lane: str, **more: Any) -> dict[str, Any]:
    return {"accepted_on": TODAY(), "accepted_by": "陶社保", "archive_number": f"D{case.number}",
            "remarks": "", "confirmed": "1"} | FOUND[lane] | more  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("lane", LANES)
def test_where_no_file_goes_a_statement_with_evidence_goes_and_is_answered(
    lane: str, sign_in: Callable[[str], Client]
) -> None:
    case, clerk, agency = make_transfer(at="deliver"), sign_in("qiye"), sign_in("shebao")
    typed = stated(lane)
    check = clerk.post(act(case, "deliver"), typed).content.decode()
    assert STATED[lane]["evidence"] in check
    assert "送档人" not in check.split("<main")[1].split("<form")[0]  # only what belongs to it
    assert clerk.post(act(case, "deliver"), typed | {"confirmed": "1"}).status_code == 302
    file = PersonnelFile.of(case)
    assert (file.lane, file.item.kind, file.item.state) == (lane, "statement", "waiting")
    assert str(file.item.handover) == f"档说字〔{TODAY().year}〕第1号"
    asked = agency.get(act(case, "archives")).content.decode()
    assert file.statement in asked
    assert ("实收正本" in asked) is (lane != "none")
    assert agency.post(act(case, "archives"), answered(case, lane)).status_code == 302
    file = PersonnelFile.of(case)
    assert file.item.state == ("accepted" if lane == "none" else "noted")
    assert file.item.got_volumes == FOUND[lane].get("volumes", 0)
    assert file.archive_number == f"D{case.number}"
    assert file.item.handover.state == Handover.State.CLOSED
    assert workflow.rows_of(case)["archives"].state == "done"
    page = clerk.get(case.get_absolute_url()).content.decode()
    assert STATED[lane]["evidence"] in page
    # No delivery note: nothing was delivered; the roster says why; lent is only what is there.
    note = clerk.post(reverse("transfers:paper", args=[case.pk, "delivery"]), follow=True)
    assert "移交人事档案后才能打印" in note.content.decode()
    row = next(ARCHIVES.lines(ARCHIVES.rows(user("shebao")), clear=False))
    assert file.statement in row
    assert bool(FileLoan.why_not(file, user("shebao"))) is (lane == "none")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lane", "typed", "says"),
    [
        ("none", {"evidence": ""}, "请写明证明或说明的名称和文号"),
        ("held", {"evidence_on": ""}, "请填写证明或说明的日期"),
        ("held", {"evidence_on": TODAY() + timedelta(days=1)}, "依据日期不能晚于今天"),
        ("elsewhere", {"holder": ""}, "请填写档案现在存放的机构"),
        ("none", {"holder": "某机构"}, "只有档案存放在其他机构时才填写"),
        ("none", {"pieces": 3}, "没有档案移交的，不填写档案材料"),
        ("none", {"carrier": "许档员"}, "没有档案移交的，不填写档案材料"),
        ("none", {"lane": ""}, "请选择档案情况"),
        ("none", {"lane": "lost"}, "field-error"),
    ],
)
def test_a_statement_without_its_evidence_is_refused_and_what_was_typed_stays(
    lane: str, typed: dict[str, Any], says: str, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="deliver")
    data = stated(lane) | typed | {"confirmed": "1"}
    page = sign_in("qiye").post(act(case, "deliver"), data)
    assert page.status_code == 422
    assert says in page.content.decode()
    assert str(data["evidence"] or data["evidence_on"]) in page.content.decode()
    assert not PersonnelFile.objects.exists()
    assert not Handover.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lane", "typed", "says"),
    [
        ("held", {"volumes": 0}, "请填写在库的卷数"),
        ("elsewhere", {"volumes": 0, "duplicates": 0, "pieces": 0, "pages": 0}, "仍由该机构保管"),
    ],
)
def test_the_agency_says_what_it_found(
    lane: str, typed: dict[str, Any], says: str, sign_in: Callable[[str], Client]
) -> None:
    case, agency = make_transfer(at="deliver"), sign_in("shebao")
    sign_in("qiye").post(act(case, "deliver"), stated(lane) | {"confirmed": "1"})
    page = agency.post(act(case, "archives"), answered(case, lane, **typed))
    assert page.status_code == 422
    assert says in page.content.decode()
    if lane == "elsewhere":  # it stays there, by this proof
        proved = answered(case, lane, remarks="代保管协议〔2026〕5号", **typed)
        assert agency.post(act(case, "archives"), proved).status_code == 302
        assert "没有在库的档案" in str(FileLoan.why_not(PersonnelFile.of(case), user("shebao")))


@pytest.mark.django_db
def test_a_statement_that_is_returned_gives_way_to_the_file_itself(
    sign_in: Callable[[str], Client],
) -> None:
    """No file in two places: one row, and only what is on its way now."""
    case, clerk, agency = make_transfer(at="deliver"), sign_in("qiye"), sign_in("shebao")
    clerk.post(act(case, "deliver"), stated("elsewhere") | {"confirmed": "1"})
    back = reverse("transfers:send_back", args=[case.pk, "archives"])
    agency.post(back, {"code": "wrong_facts", "reason": "该中心称已转回企业"})
    file = PersonnelFile.of(case)
    assert (file.item.state, file.item.handover.state) == ("returned", "closed")
    usual = walk.answers(case, "deliver") | {"lane": "delivered", "confirmed": "1"}
    assert clerk.post(act(case, "deliver"), usual).status_code == 302
    file = PersonnelFile.of(case)
    assert (file.lane, file.holder, file.evidence, file.evidence_on) == ("delivered", "", "", None)
    assert (file.item.kind, file.item.pieces, file.statement) == ("personnel", 26, "")
    assert case.handover_items.filter(state="waiting").count() == 1
    assert [old.lane for old in file.history.all()][-1] == "elsewhere"
    assert clerk.post(reverse("transfers:paper", args=[case.pk, "delivery"])).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [
        {"lane": "none"},
        {"lane": "none", "evidence": "说明"},
        {"lane": "elsewhere", "evidence": "说明", "evidence_on": "2026-01-01"},
        {"lane": "held", "evidence": "说明", "evidence_on": "2026-01-01", "holder": "某中心"},
        {"evidence": "说明"},
    ],
)
def test_the_database_keeps_no_statement_without_evidence(facts: dict[str, str]) -> None:
    file = make_transfer(at="archives").personnel_file
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonnelFile.objects.filter(pk=file.pk).update(**facts)
