"""移交完成证明材料: one file of an enterprise, every sum a recount, nobody's rows but his own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from openpyxl import load_workbook
from pypdf import PdfReader

from enterprises.models import Enterprise
from tests.factories import make_transfer
from transfers import handover_letters
from transfers.models import Transfer, TransferStep
from transfers.proof import PROOF, sums
from xianning import exports
from xianning.models import Export, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
# Each office: which rosters lie in its file, behind the cover (第六条; who keeps or receives each).
SHEETS = {
    "qiye": ["移交完成证明材料", "移交情况汇总表", "移交办理情况表", "未了事项",
             "国有企业退休人员移交名册", "国有企业退休人员档案移交名册",
             "国有企业退休人员党员组织关系转接名册", "移交通知书目录"],
    "shenji": ["移交完成证明材料", "移交情况汇总表", "移交办理情况表", "未了事项",
               "国有企业退休人员移交名册", "国有企业退休人员档案移交名册",
               "国有企业退休人员社会化管理服务管理台账", "国有企业退休人员党员组织关系转接名册",
               "移交通知书目录"],
    "rs": ["移交完成证明材料", "移交情况汇总表", "移交办理情况表", "未了事项",
               "国有企业退休人员移交名册", "国有企业退休人员档案移交名册",
               "国有企业退休人员社会化管理服务管理台账", "移交通知书目录"],
}  # fmt: skip


@pytest.fixture
def firm(people: dict[str, User]) -> Enterprise:
    """An enterprise with people in five states; another one beside it."""
    for at, member in (("done", True), ("done", False), ("community", True), ("verify", False)):
        make_transfer(at=at, party_member=member)
    waiting = Transfer.objects.filter(steps__step="community", steps__state="open").get()
    make_transfer(at="done", clerk="qiye_chibi")
    clerk = User.objects.get(username="qiye")
    assert waiting.community is not None
    assert waiting.community.parent is not None
    handover_letters.issue(clerk, waiting.enterprise, waiting.community.parent, "x")
    return waiting.enterprise


def made(firm: Enterprise, username: str, format_: str) -> bytes:
    wish = exports.Wish(PROOF, format_, enterprise=firm.pk)
    export = exports.ask(User.objects.get(username=username), wish, queue=False)
    return exports.make(export, lambda *_: None).data


def sheets_of(data: bytes) -> dict[str, list[list[Any]]]:
    book = load_workbook(io.BytesIO(data))
    return {sheet.title: [[c.value for c in row] for row in sheet.iter_rows()] for sheet in book}


@pytest.mark.parametrize("username", SHEETS)
def test_the_file_holds_what_each_office_keeps_or_receives(firm: Enterprise, username: str) -> None:
    book = sheets_of(made(firm, username, "xlsx"))
    assert list(book) == SHEETS[username]
    reader = PdfReader(io.BytesIO(made(firm, username, "pdf")))
    assert [str(each["/Title"]) for each in reader.outline] == SHEETS[username]  # type: ignore[call-overload]
    assert firm.name in str(reader.metadata and reader.metadata.title)


def test_the_sums_are_those_of_a_recount_and_the_other_enterprise_is_not_there(
    firm: Enterprise,
) -> None:
    book = sheets_of(made(firm, "qiye", "xlsx"))
    cases = list(Transfer.objects.filter(enterprise=firm).order_by("pk"))
    lines = {row[1]: row[3:7] for row in book["移交情况汇总表"][3:] if row[1]}
    for step, title in (("verify", "核定退休待遇"), ("confirm", "基本信息确认"),
                        ("archives", "接收人事档案"), ("community", "街道社区接收"),
                        ("party", "接收党员组织关系")):  # fmt: skip
        states = [TransferStep.objects.get(transfer=case, step=step).state for case in cases]
        done, skipped = states.count("done"), states.count("skipped")
        assert lines[title] == [4 - skipped, done, 4 - skipped - done, skipped], title
    listed = [row[1] for row in book["移交办理情况表"][3:7]]
    assert listed == [case.number for case in cases]
    unsettled = [row[1] for row in book["未了事项"][3:] if row[1]]
    assert unsettled == [case.number for case in cases if case.state == "open"]
    words = " ".join(str(row) for row in book["未了事项"])
    assert "街道社区接收：咸安区温泉街道桂花路社区" in words
    facts = {row[1]: row[2] for row in book["移交完成证明材料"][3:] if row[1]}
    assert facts["企业名称"] == firm.name
    assert facts["统一社会信用代码"] == firm.credit_code
    assert facts["国资部门确认日期（第六条第1项）"] != "（无记录）"
    assert len([row for row in book["移交通知书目录"][3:] if row[1]]) == 1
    other = Enterprise.objects.get(offices__users__username="qiye_chibi")
    assert other.name not in str(book)


def test_the_page_asks_for_the_enterprise_and_gives_nobody_else_s(
    firm: Enterprise, press: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    page = sign_in("qiye").get(reverse("roster", args=["proof"])).content.decode()
    assert firm.name in page
    other = Enterprise.objects.get(offices__users__username="qiye_chibi")
    assert other.name not in page
    asked = {"format": "xlsx", "clear": "0", "reason": ""}
    for wrong in ("", str(other.pk)):
        answer = press("qiye", "roster_export", "proof", enterprise=wrong, **asked)
        assert answer.status_code == 422
        assert not Export.objects.exists()
    answer = press("qiye", "roster_export", "proof", enterprise=str(firm.pk), **asked)
    assert answer.status_code == 302
    export = Export.objects.get()
    assert (export.rows, export.filters["enterprise"]) == (4, str(firm.pk))
    shown = sign_in("qiye").get(answer["Location"]).content.decode()
    assert firm.name in shown
    client = sign_in("gzw")
    here = client.get(reverse("roster", args=["proof"]) + f"?enterprise={firm.pk}").content.decode()
    assert Transfer.objects.filter(enterprise=firm)[0].number in here
    assert Transfer.objects.filter(enterprise=other)[0].number not in here


def test_who_does_not_see_the_cases_counts_none(firm: Enterprise) -> None:
    for username, due in (("qiye", 4), ("gzw", 4), ("rs_chibi", 0), ("shequ", 4)):
        found = sums(User.objects.get(username=username), firm.pk)
        verified = next(each for each in found if each.step == "核定退休待遇")
        assert verified.due == due, username


def test_a_proof_without_an_enterprise_is_refused(firm: Enterprise) -> None:
    with pytest.raises(exports.Refused, match="请选择移交单位"):
        exports.ask(User.objects.get(username="qiye"), exports.Wish(PROOF, "xlsx"), queue=False)
    assert not Export.objects.exists()
