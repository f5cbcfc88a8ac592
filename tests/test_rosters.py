"""One column list, every sheet: masked by default, text stays text, each export leaves its trace."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from pypdf import PdfReader

from tests.factories import make_many, make_transfer
from tests.test_documents import pages
from tests.workbooks import as_shown
from transfers.models import Transfer
from xianning import exports, pdf, sheets_xlsx
from xianning.models import AccessLog, Export, Job, Notice, User
from xianning.roster import ROWS_A_PAGE, Column, Made, Roster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

pytestmark = pytest.mark.django_db
NAMES = {
    "enterprises": "国有企业名单", "transfers": "国有企业退休人员移交名册",
    "archives": "国有企业退休人员档案移交名册",
    "ledger": "国有企业退休人员社会化管理服务管理台账",
    "party": "国有企业退休人员党员组织关系转接名册",
}  # fmt: skip


def _quiet(*_: int) -> None:
    return None


def _made(
    name: str, username: str, format_: str = "xlsx", *, clear: bool = False, reason: str = ""
) -> tuple[Export, bytes]:
    """An export without the queue, and its file."""
    user = User.objects.get(username=username)
    wish = exports.Wish(exports.ROSTERS[name], format_, clear, reason)
    export = exports.ask(user, wish, queue=False)
    return export, exports.make(export, _quiet).data


def _sheet(
    name: str, username: str, *, clear: bool = False, reason: str = ""
) -> list[list[object]]:
    _export, data = _made(name, username, clear=clear, reason=reason)
    sheet = load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    return [[as_shown(cell) for cell in row] for row in sheet.iter_rows()]


@pytest.mark.parametrize("name", NAMES)
def test_each_roster_carries_its_title_and_headings(name: str) -> None:
    make_transfer(at="done", party_member=True)
    lines = _sheet(name, "shenji")
    assert lines[0][0] == NAMES[name] == exports.ROSTERS[name].title
    assert lines[2] == exports.ROSTERS[name].headings
    assert lines[3][0] == "1"


def test_a_roster_masks_unless_a_reason_is_given() -> None:
    case = make_transfer(at="done", party_member=True)
    number, phone = case.retiree.id_number, case.retiree.phone
    masked = str(_sheet("ledger", "shequ"))
    assert number not in masked
    assert phone not in masked
    assert f"{number[0]}{'*' * 16}{number[-1]}" in masked
    clear = str(_sheet("ledger", "shequ", clear=True, reason="年度核对台账"))
    assert number in clear
    assert phone in clear
    trace = AccessLog.objects.order_by("id").last()
    assert trace is not None
    assert (trace.kind, trace.rows, trace.reason) == ("export", 1, "年度核对台账")


@pytest.mark.parametrize(
    ("username", "name", "clear", "reason", "sentence"),
    [
        ("shequ", "party", False, "", "您的岗位不使用"),
        ("yibao", "transfers", False, "", "您的岗位不使用"),
        ("shenji", "ledger", True, "审计抽查", "只能导出脱敏"),
        ("shequ", "ledger", True, "", "须填写理由"),
    ],
)
def test_an_export_is_refused_with_a_sentence(
    username: str, name: str, clear: bool, reason: str, sentence: str, tmp_path: Path
) -> None:
    user = User.objects.get(username=username)
    refusal = exports.why_not(user, exports.ROSTERS[name], clear=clear, reason=reason)
    assert refusal is not None
    assert sentence in refusal
    options = {"format": "xlsx", "username": username, "out": tmp_path / "x.xlsx", "clear": clear,
               "reason": reason}  # fmt: skip
    with pytest.raises(CommandError, match=sentence):
        call_command("export_roster", name, **options)
    assert not AccessLog.objects.exists()
    assert not (tmp_path / "x.xlsx").exists()


# What a program may sort, sum and filter; everything else is text.
KINDS = {
    "enterprises": {"退休人员底数": "0", "确认日期": "d", "人社签收日期": "d"},
    "transfers": {"出生年月": "m", "退休年月": "m", "建案日期": "d"},
    "archives": {"出生年月": "m", "参加工作时间": "m", "退休年月": "m", "正本（卷）": "0",
                 "副本（卷）": "0", "材料（份）": "0", "页数": "0", "接收日期": "d"},
    "ledger": {"出生年月": "m", "年龄": "0", "退休年月": "m", "报到日期": "d",
               "信息核实日期": "d", "组织关系接收日期": "d"},
    "party": {"出生年月": "m", "入党时间": "m", "转正时间": "m", "退休时间": "m", "开具日期": "d",
              "有效期（天）": "0", "党费交至": "m", "月党费标准": "0.00", "接收日期": "d"},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_days_and_counts_are_what_they_are_and_read_back_as_they_were(name: str) -> None:
    make_transfer(at="done", party_member=True)
    user = User.objects.get(username="shenji")
    roster = exports.ROSTERS[name]
    _export, data = _made(name, user.username)
    sheet = load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    cells = dict(zip(roster.headings, sheet[4], strict=True))
    [shown] = list(roster.lines(roster.rows(user).order_by("pk")[:1], clear=False))
    assert [as_shown(cell) or "" for cell in sheet[4]] == shown
    formats = {"0": "0", "0.00": "0.00", "yyyy\\-mm": "m", "yyyy\\-mm\\-dd": "d"}
    found = {
        heading: formats[cell.number_format]
        for heading, cell in cells.items()
        if cell.data_type in {"n", "d"} and cell.value is not None
    }
    assert found.pop("序号") == "0"
    assert found.items() <= KINDS[name].items()
    assert all(heading in found or not cells[heading].value for heading in KINDS[name])


def test_days_before_those_of_excel_and_masked_words_stay_text() -> None:
    cells = sheets_xlsx._Cells("date", "5", "1", "2")
    assert cells.of("1900-03-01")[0] == '" s="5"><v>61</v></c>'
    for words in ("1900-02-28", "****-**-**", "2026-13-01 ", "=1"):
        assert 't="inlineStr"' in cells.of(words)[0]
    numbers = sheets_xlsx._Cells("number", "5", "1", "2")
    assert numbers.of("12")[0] == '" s="5"><v>12</v></c>'
    for words in ("012", "4212991950", "１２", "-3", "1e5", "1234567890123456"):
        assert ('t="inlineStr"' in numbers.of(words)[0]) == (words != "4212991950")


def test_a_name_that_begins_like_a_formula_stays_text() -> None:
    case = make_transfer(at="done")
    case.retiree.former_employer = '=HYPERLINK("x","y")'
    case.retiree.save()
    assert '=HYPERLINK("x","y")' in str(_sheet("ledger", "shequ"))


def test_the_pdf_numbers_its_pages_and_signs_on_the_last() -> None:
    names = [case.retiree.name for case in make_many(ROWS_A_PAGE + 1)]
    export, data = _made("transfers", "qiye", "pdf")
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    assert len(pages) == 2
    for number, text in enumerate(pages, start=1):
        assert f"第 {number} 页 共 2 页" in text
        assert "公民身份号码" in text
        assert export.serial in text
    listed = "".join("".join(pages).split())  # a long name takes two lines
    assert all(name in listed for name in names if "·" not in name)
    assert "移交单位（盖章）" not in pages[0]
    assert "移交单位（盖章）" in pages[1]


@dataclass
class Somebody:
    """A row of a made-up roster."""

    name: str
    address: str = "咸安区温泉街道桂花路社区（演示）12号"
    number: str = "421299195003150018"


PLAIN = Roster(
    "plain", "演示名册", "第六条",
    (Column("姓名", "name", 9), Column("号码", "number", 13), Column("住址", "address", 14),
     Column("备注", lambda _: "", 60)),
    rows=lambda _user: Transfer.objects.none(), roles=frozenset(),
    signatures=("移交单位（盖章）：", "经办人："), note="附注",
)  # fmt: skip


def paper(people: list[Somebody]) -> list[str]:
    """The pages of PLAIN with PEOPLE, as text without blanks."""
    made = Made("王社区", "桂花路社区", timezone.now(), "0A1B-2C3D", clear=True)
    return pages(PLAIN.to_pdf(people, made, lambda _: None))


@pytest.mark.parametrize("count", [0, 1, ROWS_A_PAGE - 1, ROWS_A_PAGE, ROWS_A_PAGE + 1, 100])
def test_each_page_counts_its_rows_and_only_the_last_is_signed(count: int) -> None:
    found = paper([Somebody(f"第{number}人") for number in range(count)])
    assert len(found) == max(1, -(-count // ROWS_A_PAGE))
    counted = []
    for number, text in enumerate(found, start=1):
        here = re.search(r"本页(\d+)人，合计(\d+)人", text)
        assert here
        counted.append(int(here[1]))
        assert here[1] == str(text.count("（演示）"))
        assert int(here[2]) == count
        assert f"第{number}页共{len(found)}页" in text
        assert "演示名册" in text
        assert "序号姓名号码住址备注" in text
        is_last = number == len(found)
        assert (text.count("移交单位（盖章）"), text.count("附注")) == (is_last, is_last)
    assert sum(counted) == count


def test_rare_characters_long_words_and_numbers_come_out_whole() -> None:
    rare = "欧阳㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽"
    long = "湖北省咸宁市嘉鱼县簰洲湾镇中堡社区银泉大道北段第二棉纺织印染总厂职工家属院十七栋" * 3
    [text] = paper([Somebody(rare), Somebody("李四", address=long[:120])])
    assert text.count("421299195003150018") == 2  # never divided between two lines
    assert rare in text
    assert long[:120] in text


def test_a_character_no_font_has_is_named() -> None:
    with pytest.raises(pdf.MissingGlyph, match="U\\+E7C7"):
        paper([Somebody("王\ue7c7")])


def test_a_character_no_font_has_stands_on_record_of_a_roster(settings: Any) -> None:
    settings.TESTING = False
    case = make_transfer(at="done")
    case.retiree.name = f"王{chr(0xE7C7)}明"
    case.retiree.save()
    user = User.objects.get(username="qiye")
    export = exports.ask(user, exports.Wish(exports.ROSTERS["transfers"], "pdf"), queue=False)
    file = exports.make(export, _quiet)
    assert file.missing == (chr(0xE7C7),)
    exports.keep(export, file)
    [noted] = AccessLog.objects.filter(what__contains="U+E7C7")
    assert export.serial in noted.what
    assert Notice.objects.filter(text__contains="U+E7C7", enterprise=case.enterprise).exists()


def test_an_export_for_a_reason_that_is_missing_keeps_what_was_typed(
    sign_in: Callable[[str], Client],
) -> None:
    response = sign_in("shequ").post(
        reverse("roster_export", args=["ledger"]), {"format": "pdf", "clear": "1"}
    )
    assert response.status_code == 422
    page = response.content.decode()
    assert "须填写理由" in page
    assert '<option value="1" selected>' in page
    assert not Job.objects.exists()
    assert not Export.objects.exists()


def test_who_made_a_sheet_stands_on_it() -> None:
    made = Made("王社区", "桂花路社区", AccessLog().at, "0A1B2C3D", clear=True)
    assert "王社区" in made.line
    assert "0A1B2C3D" in made.line
    assert "注意保密" in made.line
