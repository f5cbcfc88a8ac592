"""Cells are read as the file says them, and text written is text read."""

from __future__ import annotations

import io
import random
import time
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font

from tests.xlsx_parts import book, first_row, merged, only_cell, row, saved, text_cell
from xianning import uploads, workbook
from xianning.sandbox import MB
from xianning.workbook import Cell

# Values, cell by cell


def value(text: str, kind: str = "n", style: int = 0) -> str:
    return f'<c r="A1" s="{style}" t="{kind}"><v>{text}</v></c>'


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (value("19650301"), Cell("number", "19650301")),
        (value("4.2129919650301E+17"), Cell("number", "421299196503010000")),
        (value("421299196503010013"), Cell("number", "421299196503010013")),
        (value("36.600000000000001"), Cell("number", "36.6")),
        (value("1965.3"), Cell("number", "1965.3")),
        (value("1.50"), Cell("number", "1.5")),
        (value("-0.5"), Cell("number", "-0.5")),
        (value("1E-3"), Cell("number", "0.001")),
        (value("-0.0"), Cell("number", "0")),
        (value("007"), Cell("number", "7")),
        (value("1e300"), Cell("number", "1e+300")),
        (value("NaN"), Cell("error", "NaN")),
        (value("INF"), Cell("error", "INF")),
        (value("1e999"), Cell("error", "1e999")),
        (value("1_000"), Cell("error", "1_000")),
        (value("１２"), Cell("error", "１２")),
        (value("1", "b"), Cell("bool", "TRUE")),
        (value("0", "b"), Cell("bool", "FALSE")),
        (value("#N/A", "e"), Cell("error", "#N/A")),
        (value("61", style=1), Cell("date", "1900-03-01")),
        (value("23802", style=1), Cell("date", "1965-03-01")),
        (value("23802.5", style=1), Cell("date", "1965-03-01T12:00:00")),
        (value("23801.999999999", style=1), Cell("date", "1965-03-01")),
        (value("73415", style=1), Cell("date", "2100-12-31")),
        (value("73415.75", style=1), Cell("date", "2100-12-31T18:00:00")),
        (value("60", style=1), Cell("error", "60")),
        (value("73416", style=1), Cell("error", "73416")),
        (value("-5", style=1), Cell("error", "-5")),
        (value("2995000", style=1), Cell("error", "2995000")),
        (value("NaN", style=1), Cell("error", "NaN")),
        (value("INF", style=1), Cell("error", "INF")),
        (value("1e300", style=1), Cell("error", "1e+300")),
        (value("1965-03-01", "d"), Cell("date", "1965-03-01")),
        (value("1965-03-01T08:30:00Z", "d"), Cell("date", "1965-03-01T08:30:00")),
        (value("1065-03-01", "d"), Cell("error", "1065-03-01")),
        (value("谁知道", "d"), Cell("error", "谁知道")),
        (value("007", "str"), Cell("text", "007")),
        (text_cell("A1", " 张三 "), Cell("text", " 张三 ")),
        (text_cell("A1", "a_x000D_&#10;b_x005F_x0041_"), Cell("text", "a\r\nb_x0041_")),
        (text_cell("A1", "_x0000__xD800_"), Cell("text", "_x0000__xD800_")),
        (text_cell("A1", "<![CDATA[<b>]]>&lt;&#x20164;"), Cell("text", "<b><𠅤")),
        (text_cell("A1", "　 \n"), None),
        ('<c r="A1" s="1"/>', None),
        (value("", "str"), None),
        ('<c r="A1"><f>1+1</f><v>2</v></c>', Cell("number", "2", True)),
        ('<c r="A1" s="1"><f>TODAY()</f><v>23802</v></c>', Cell("date", "1965-03-01", True)),
        ('<c r="A1" t="str"><f>B1&amp;""</f><v>张三</v></c>', Cell("text", "张三", True)),
        ('<c r="A1" t="str"><f>IF(1,"")</f><v></v></c>', None),
        ('<c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c>', Cell("error", "#DIV/0!", True)),
        ('<c r="A1"><f>1+1</f></c>', Cell("formula-without-value", "=1+1", True)),
        ('<c r="A1"><f>1+1</f><v/></c>', Cell("formula-without-value", "=1+1", True)),
        (
            '<c r="A1" t="inlineStr"><is><r><t>张</t></r><r><rPr/><t>三</t></r>'
            '<rPh sb="0" eb="1"><t>zhang</t></rPh></is></c>',
            Cell("text", "张三"),
        ),
    ],
)
def test_a_cell_is_read_as_the_file_says_it(cell: str, expected: Cell | None) -> None:
    assert only_cell(cell) == expected


def test_shared_strings_are_read_without_their_pronunciation() -> None:
    strings = (
        "<si><t>退休</t></si><si><r><t>张</t></r><r><rPr><b/></rPr><t> 三</t></r>"
        "<rPh><t>ピン</t></rPh></si><si><t/></si>"
    )
    cells = "".join(
        f'<c r="{c}1" t="s"><v>{n}</v></c>' for c, n in zip("ABC", (1, 0, 2), strict=True)
    )
    assert first_row(book(row(1, cells), strings=strings)) == [
        Cell("text", "张 三"),
        Cell("text", "退休"),
    ]


@pytest.mark.parametrize(
    ("code", "is_date"),
    [
        ("yyyy&quot;年&quot;m&quot;月&quot;", True),
        ("[$-804]yyyy/m/d;@", True),
        ("[DBNum1][$-804]yyyy&quot;年&quot;m&quot;月&quot;;@", True),
        ("[h]:mm:ss", True),
        ("yyyy\\-mm", True),
        ("G/通用格式", False),
        ("General", False),
        ("0.00&quot; m&quot;", False),
        ("0_ ;[Red]\\-0\\ ", False),
        ("#,##0.00\\d", False),
        ("[$USD-409]0.00", False),
        ("0.00E+00", False),
        ("@", False),
    ],
)
def test_only_a_date_format_makes_a_date(code: str, is_date: bool) -> None:
    found = only_cell(
        value("23802", style=1),
        formats=f'<numFmt numFmtId="176" formatCode="{code}"/>',
        styles='<xf numFmtId="0"/><xf numFmtId="176"/>',
    )
    assert found == (Cell("date", "1965-03-01") if is_date else Cell("number", "23802"))


@pytest.mark.parametrize("number", [14, 22, 27, 31, 36, 50, 57, 58])
def test_the_built_in_chinese_date_formats_are_known(number: int) -> None:
    styles = f'<xf numFmtId="0"/><xf numFmtId="{number}"/>'
    assert only_cell(value("23802", style=1), styles=styles) == Cell("date", "1965-03-01")


def test_the_calendar_of_1904_is_honoured() -> None:
    properties = '<workbookPr date1904="1"/>'
    assert only_cell(value("22340", style=1), properties=properties) == Cell("date", "1965-03-01")


# Workbooks as offices make them


def test_a_workbook_with_merged_headings_hidden_parts_and_phantom_cells_is_read() -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "全民"
    sheet["A1"] = "退休人员信息汇总表"
    sheet.merge_cells("A1:D1")
    sheet["A3"] = "姓名"
    sheet.merge_cells("A3:A4")
    sheet["B3"] = "第一联系人"
    sheet.merge_cells("B3:C3")
    sheet["B4"], sheet["C4"] = "姓名", "联系电话"
    sheet.append([CellRichText("张", TextBlock(InlineFont(b=True), "㛃")), True, 13900000000, None])
    sheet.append(["=A5", date(1965, 3, 1), datetime(2020, 1, 2, 3, 4, 5), 36.6])
    sheet.row_dimensions[6].hidden = True
    sheet["A5"].comment = Comment("备注", "经办人")
    sheet["B5"].hyperlink = "https://example.invalid/"
    sheet["CZ7"].font = Font(bold=True)
    sheet["A200000"].font = Font(bold=True)
    made.create_sheet("大集体").sheet_state = "hidden"
    made.create_chartsheet("图")
    people, collective = workbook.read(saved(made), "名单.xlsx")

    assert (people.name, people.hidden) == ("全民", False)
    assert (collective.name, collective.hidden, collective.rows) == ("大集体", True, [])
    assert sorted(people.merged) == [(1, 1, 1, 4), (3, 1, 4, 1), (3, 2, 3, 3)]
    assert [(r.number, r.hidden) for r in people.rows] == [
        (1, False), (3, False), (4, False), (5, False), (6, True),
    ]  # fmt: skip
    cells = {r.number: r.cells() for r in people.rows}
    assert cells[1] == [Cell("text", "退休人员信息汇总表")]
    assert cells[3] == [Cell("text", "姓名"), Cell("text", "第一联系人")]
    assert cells[4] == [None, Cell("text", "姓名"), Cell("text", "联系电话")]
    assert cells[5] == [
        Cell("text", "张㛃"), Cell("bool", "TRUE"), Cell("number", "13900000000"),
    ]  # fmt: skip
    assert cells[6] == [
        Cell("formula-without-value", "=A5", True),
        Cell("date", "1965-03-01"),
        Cell("date", "2020-01-02T03:04:05"),
        Cell("number", "36.6"),
    ]


def test_a_merged_title_over_the_whole_row_is_cut_to_the_grid() -> None:
    [sheet] = workbook.read(merged(["A1:XFD1", "A200000:B200000"]))
    assert sheet.merged == [(1, 1, 1, uploads.MAX_COLUMNS)]


def test_a_full_sheet_is_read_within_seconds_and_stays_small() -> None:
    made = Workbook(write_only=True)
    sheet = made.create_sheet("全民")
    for number in range(2_000):
        sheet.append([f"第{number}人", *["常住地"] * 48, number])
    data = saved(made)
    started = time.monotonic()
    [read] = workbook.read(data)
    assert time.monotonic() - started < 10
    assert [r.number for r in read.rows] == list(range(1, 2_001))
    assert read.rows[-1].cells()[49] == Cell("number", "1999")
    assert sum(len(r.packed) for r in read.rows) < 2 * MB


# What we write comes back


@given(
    st.lists(
        st.text(st.characters(codec=None), max_size=40)
        | st.sampled_from(
            ["=1+1", "＝A1", "@x", "-1", "\t=1", "_x0041_", "\r\n", "#N/A", "007", "TRUE"]
        )
        | st.from_regex(r"_x[0-9A-F]{4}_", fullmatch=True),
        min_size=20,
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_text_written_is_text_read(texts: list[str]) -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for number, text in enumerate(texts, 1):
        workbook.write_text(sheet.cell(number, 1), text)
    found = {r.number: r.cells() for r in workbook.read(saved(made))[0].rows}
    for number, text in enumerate(texts, 1):
        kept = workbook.safe_text(text)
        expected = [Cell("text", kept)] if kept and not kept.isspace() else None
        assert found.get(number) == expected


ALPHABETS = (
    "0123456789", "0123456789Xx", "０１２３４５６７８９", "甲乙丙丁㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽·", "□☑√",
    "a\u200b\u200d\u202e\u2066\ufeff", " \u3000\u00a0", "=+-@＝＋－＠", "\t\n\r", "<>&\"'",
    "_x0041D",
)  # fmt: skip


def test_ten_thousand_generated_values_come_back_equal() -> None:
    rnd = random.Random(6)
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    written: list[list[str]] = []
    for number in range(1, 201):
        texts = [
            "".join(rnd.choice(rnd.choice(ALPHABETS)) for _ in range(rnd.randrange(1, 20))) + "。"
            for _ in range(50)
        ]
        written.append(texts)
        for column, text in enumerate(texts, 1):
            workbook.write_text(sheet.cell(number, column), text)
    [read] = workbook.read(saved(made))
    assert [[c and c.text for c in r.cells()] for r in read.rows] == written
    assert {c.kind for r in read.rows for c in r.cells() if c} == {"text"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_text_that_looks_like_a_formula_is_kept_as_quoted_text(start: str) -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    workbook.write_text(sheet["A1"], start + "HYPERLINK(1)")
    workbook.write_text(sheet["A2"], "张三")
    again = load_workbook(io.BytesIO(saved(made))).active
    assert again is not None
    assert (again["A1"].data_type, again["A1"].quotePrefix) == ("s", True)
    assert (again["A2"].data_type, bool(again["A2"].quotePrefix)) == ("s", False)


def test_safe_text_drops_what_xml_cannot_hold_and_cuts_nothing() -> None:
    assert workbook.safe_text("a\x00\x0b\x1fb\ud800\ufffe\tc\n𬭎") == "ab\tc\n𬭎"
    assert len(workbook.safe_text("长" * 32_767)) == 32_767
    for too_long in ("长" * 32_768, "𬭎" * 16_384):
        with pytest.raises(ValueError, match="最多容纳 32767 个字"):
            workbook.safe_text(too_long)
    with pytest.raises(ValueError, match="最多容纳 32767 个字"):
        workbook.write_text(Workbook().create_sheet()["A1"], "\r" * 20_000)
