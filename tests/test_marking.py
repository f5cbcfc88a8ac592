"""The user's own workbook with its wrong cells marked: nothing else of it changes."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.datavalidation import DataValidation
from PIL import Image as Picture

from tests.workbooks import make_workbook, saved
from tests.xlsx_parts import DECLARATION, MAIN, OFFICE, PACKAGE, packed, parts_of
from transfers.imports import reading
from transfers.imports.marking import Mark, Problem, mark
from xianning import standards, workbook
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transfers.imports.reading import Table
    from xianning.workbook import Cell

LIST = "全民"
RED, YELLOW = "FFFF9C9D", "FFFFEE9E"
STATES = {(LIST, 5): "有误", (LIST, 6): "新增", (LIST, 7): "更新"}
MARKS = [
    Mark(LIST, 5, 2, "身份证号的校验码不对。"),
    Mark(LIST, 5, 3, "出生年月与身份证号不符。", "warning"),
    Mark(LIST, 7, 4, "电话没有填写。"),
]
PROBLEMS = [
    Problem(LIST, 5, "身份证号", "=1+1", "身份证号的校验码不对。", "请核对身份证。", place=2),
    Problem(LIST, None, "", "", "缺少“性别”列。", ""),
]
# The parts that say what was added; every other part keeps its bytes.
CONCERNED = {
    "[Content_Types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml",
    "xl/worksheets/sheet1.xml", "xl/worksheets/_rels/sheet1.xml.rels",
}  # fmt: skip


def styled_book() -> Workbook:
    """Merged headings, formats, a note, validation, a picture, a second sheet; 5 columns, 3 people."""
    book = Workbook()
    sheet = book.active
    sheet.title = LIST
    sheet["A1"] = "退休人员名单"
    sheet.merge_cells("A1:E2")
    for column, heading in enumerate(("姓名", "身份证号", "出生年月", "电话", "金额"), start=1):
        sheet.cell(3, column, heading).font = Font(bold=True, name="宋体")
        sheet.merge_cells(start_row=3, end_row=4, start_column=column, end_column=column)
    thin = Side(style="thin", color="FF0000FF")
    for row, name in enumerate(("张一", "李二", "王三"), start=5):
        cells = (name, f"42129919560101{row:04d}", date(1956, 1, row), None, 1234.5)
        for column, value in enumerate(cells, start=1):
            sheet.cell(row, column, value)
        number = sheet.cell(row, 2)
        number.border, number.number_format = Border(left=thin, bottom=thin), "@"
        number.font, number.alignment = Font(name="仿宋", sz=14), Alignment(horizontal="right")
        sheet.cell(row, 3).number_format = "yyyy-mm"
        sheet.cell(row, 3).fill = PatternFill("solid", fgColor="FFCCFFCC")
        sheet.cell(row, 5).number_format = "#,##0.00"
    sheet["A5"].comment = Comment("本人来电", "张科长")
    sheet["B5"].comment = Comment("已核对", "张科长")
    sheet["E8"] = "=SUM(E5:E7)"
    sheet.freeze_panes, sheet.column_dimensions["B"].width = "B5", 31
    rule = DataValidation(type="list", formula1='"男,女"')
    rule.add("D5:D7")
    sheet.add_data_validation(rule)
    sheet.conditional_formatting.add("E5:E7", CellIsRule(operator="lessThan", formula=["0"]))
    drawn = io.BytesIO()
    Picture.new("RGB", (8, 8), "red").save(drawn, "PNG")
    sheet.add_image(Image(drawn), "G2")
    other = book.create_sheet("说明")
    other["A1"], other["A1"].fill = "请勿修改", PatternFill("solid", fgColor="FFFFFF00")
    return book


def marked(
    data: bytes,
    marks: Iterable[Mark] = MARKS,
    states: Mapping[tuple[str, int], str] = STATES,
    problems: Iterable[Problem] = PROBLEMS,
    heading: int = 4,
) -> bytes:
    return mark(data, marks, states, problems, headings={LIST: heading})


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(archive.namelist())
        return {name: archive.read(name) for name in archive.namelist()}


def opened(data: bytes) -> Any:
    return load_workbook(io.BytesIO(data))


def values(data: bytes) -> dict[tuple[str, int, int], Cell]:
    """Every cell with a value by sheet, row and column, as our own reader sees it."""
    return {
        (sheet.name, row.number, column): cell
        for sheet in workbook.read(data)
        for row in sheet.rows
        for column, cell in enumerate(row.cells(), start=1)
        if cell is not None
    }


def fills(data: bytes, sheet: str = LIST) -> dict[str, str]:
    """The cells in our colours."""
    found = {
        cell.coordinate: cell.fill.fgColor.rgb
        for row in opened(data)[sheet].iter_rows()
        for cell in row
        if cell.fill.fill_type == "solid"
    }
    return {place: colour for place, colour in found.items() if colour in {RED, YELLOW}}


def comments(data: bytes, sheet: str = LIST) -> dict[str, tuple[str, str]]:
    return {
        cell.coordinate: (cell.comment.author, cell.comment.text)
        for row in opened(data)[sheet].iter_rows()
        for cell in row
        if cell.comment
    }


def column(data: bytes, letter: str, sheet: str = LIST) -> dict[int, str]:
    """The texts of a column by row."""
    number = ord(letter) - 64
    return {r: c.text for (name, r, n), c in values(data).items() if (name, n) == (sheet, number)}


def test_only_what_is_marked_changes_and_every_other_part_keeps_its_bytes() -> None:
    before = saved(styled_book())
    after = marked(before)
    old, new = parts(before), parts(after)
    notes = {name for name in old if "comment" in name.lower()}
    assert set(old) <= set(new)
    for name in set(old) - CONCERNED - notes:
        assert new[name] == old[name], name
    assert {name for name in old if "media/" in name} <= set(old) - CONCERNED
    was, now = values(before), values(after)
    added = {place: cell.text for place, cell in now.items() if place not in was}
    assert {place: now[place] for place in was} == was
    assert {place: text for place, text in added.items() if place[0] == LIST} == {
        (LIST, 4, 6): "结果", (LIST, 5, 6): "有误", (LIST, 6, 6): "新增", (LIST, 7, 6): "更新",
    }  # fmt: skip
    assert {place[0] for place in added} == {LIST, "问题"}
    assert all(cell.kind in {"text", "number"} and not cell.formula for place, cell in now.items()
               if place in added)  # fmt: skip


def test_the_look_of_the_sheet_stays_and_a_bad_cell_differs_by_its_fill_alone() -> None:
    before, after = saved(styled_book()), marked(saved(styled_book()))
    assert fills(after) == {"B5": RED, "C5": YELLOW, "D7": RED}
    old, new = opened(before), opened(after)
    assert new.sheetnames == [LIST, "说明", "问题"]
    for sheet in (LIST, "说明"):
        for row in old[sheet].iter_rows():
            for cell in row:
                mine = new[sheet][cell.coordinate]
                assert mine.value == cell.value
                for look in ("font", "border", "number_format", "alignment", "protection"):
                    assert repr(getattr(mine, look)) == repr(getattr(cell, look)), cell.coordinate
                if cell.coordinate not in {"B5", "C5", "D7"} or sheet != LIST:
                    assert repr(mine.fill) == repr(cell.fill), cell.coordinate
    was, now = old[LIST], new[LIST]
    assert now.freeze_panes == was.freeze_panes == "B5"
    assert sorted(map(str, now.merged_cells.ranges)) == sorted(map(str, was.merged_cells.ranges))
    assert now.column_dimensions["B"].width == 31
    assert str(now.data_validations.dataValidation[0].sqref) == "D5:D7"
    assert [str(r.sqref) for r in now.conditional_formatting] == ["E5:E7"]
    assert len(now._images) == 1


def test_notes_of_the_user_survive_and_ours_are_of_the_author_system() -> None:
    found = comments(marked(saved(styled_book())))
    assert set(found) == {"A5", "B5", "C5", "D7"}
    assert found["A5"] == ("张科长", "本人来电")
    assert found["B5"][0] == "张科长"
    assert found["B5"][1].startswith("已核对")
    assert "校验码不对" in found["B5"][1]
    for place, words in (("C5", "出生年月与身份证号不符。"), ("D7", "电话没有填写。")):
        assert found[place][0] == "系统"
        assert found[place][1].endswith(words)


def test_each_note_has_its_shape_and_the_sheet_names_the_drawing_once() -> None:
    new = parts(marked(saved(styled_book())))
    sheet = new["xl/worksheets/sheet1.xml"]
    assert sheet.count(b"<legacyDrawing ") == 1
    # CT_Worksheet is a sequence: the notes' shapes come behind the picture (§18.3.1.99).
    assert sheet.index(b"<drawing ") < sheet.index(b"<legacyDrawing ")
    shapes = b"".join(content for name, content in new.items() if name.endswith(".vml"))
    assert shapes.count(b'ObjectType="Note"') == 4
    assert b"vml" in new["[Content_Types].xml"]


def test_a_second_round_changes_nothing_and_a_mended_file_loses_its_marks() -> None:
    original = saved(styled_book())
    once = marked(original)
    twice = marked(once)
    assert parts(twice) == parts(once)
    mended = marked(once, [], dict.fromkeys(STATES, "不变"), [])
    assert fills(mended) == {}
    assert comments(mended) == comments(original)
    assert opened(mended)[LIST]["C5"].fill.fgColor.rgb == "FFCCFFCC"
    assert column(mended, "F") == {4: "结果", 5: "不变", 6: "不变", 7: "不变"}
    assert column(mended, "G") == {}
    styles = parts(once)["xl/styles.xml"]
    rounds = once
    for number in range(4):
        rounds = marked(rounds, MARKS[number % 3 :], STATES, PROBLEMS)
    assert len(parts(rounds)["xl/styles.xml"]) <= len(styles) + 600  # formats do not pile up
    assert opened(rounds).sheetnames == [LIST, "说明", "问题"]


def test_the_sheet_of_problems_is_text_and_an_earlier_one_is_replaced() -> None:
    once = marked(saved(styled_book()))
    sheet = opened(once)["问题"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert rows[0] == ["工作表", "行", "列", "填写内容", "类别", "问题", "修改办法"]
    assert rows[1] == [
        LIST, 5, "身份证号", "=1+1", "错误", "身份证号的校验码不对。", "请核对身份证。",
    ]  # fmt: skip
    assert rows[2][5] == "缺少“性别”列。"
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    again = marked(once, problems=[PROBLEMS[1]])
    texts = {cell.text for (name, _, _), cell in values(again).items() if name == "问题"}
    assert "缺少“性别”列。" in texts
    assert "请核对身份证。" not in texts


def prefixed() -> dict[str, str | bytes]:
    """A sheet as some programs write it: x: before each name, no places, a gap in the rows."""
    made = parts_of()
    made["xl/styles.xml"] = (
        f'{DECLARATION}<x:styleSheet xmlns:x="{MAIN}"><x:fonts><x:font/></x:fonts><x:fills>'
        '<x:fill><x:patternFill patternType="none"/></x:fill></x:fills><x:borders><x:border/>'
        "</x:borders><x:cellStyleXfs><x:xf/></x:cellStyleXfs>"
        '<x:cellXfs><x:xf numFmtId="0"/><x:xf numFmtId="49"/></x:cellXfs>'
        '<x:cellStyles><x:cellStyle name="Normal" xfId="0" builtinId="0"/></x:cellStyles>'
        "</x:styleSheet>"
    )
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    made["[Content_Types].xml"] = f'{DECLARATION}<Types xmlns="{PACKAGE}/content-types">' + "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{kind}.{name}+xml"/>'
        for part, name in (
            ("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"), ("styles", "styles"),
            ("sharedStrings", "sharedStrings"),
        )
    ) + "</Types>"  # fmt: skip
    text = '<x:c s="1" t="inlineStr"><x:is><x:t>{}</x:t></x:is></x:c>'
    head = "".join(text.format(word) for word in ("姓名", "身份证号"))
    person = "".join(text.format(word) for word in ("张一", "421299195601010000"))
    made["xl/worksheets/sheet1.xml"] = (
        f'{DECLARATION}<x:worksheet xmlns:x="{MAIN}" xmlns:q="{OFFICE}"><x:sheetData>'
        f'<x:row r="1">{head}</x:row>\n<x:row r="3" spans="1:2">{person}</x:row>'
        '<x:row r="4"/><x:row r="6"><x:c r="A6" t="b"><x:v>1</x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    )
    return made


@pytest.mark.parametrize("is_prefixed", [True, False])
def test_cells_and_rows_that_do_not_exist_are_made_in_their_place(is_prefixed: bool) -> None:
    made = prefixed()
    if not is_prefixed:
        xml = str(made["xl/worksheets/sheet1.xml"])
        made["xl/worksheets/sheet1.xml"] = (
            xml.replace("<x:", "<").replace("</x:", "</").replace("xmlns:x=", "xmlns=")
        )
    before = packed(made)
    places = ((3, 2), (4, 1), (5, 2), (6, 2), (8, 1))
    marks = [Mark(LIST, row, place, "没有填写。") for row, place in places]
    after = marked(before, marks, {(LIST, 3): "有误", (LIST, 5): "有误"}, PROBLEMS, heading=1)
    assert fills(after) == dict.fromkeys(("B3", "A4", "B5", "B6", "A8"), RED)
    assert set(comments(after)) == {"B3", "A4", "B5", "B6", "A8"}
    assert column(after, "C") == {1: "结果", 3: "有误", 5: "有误"}
    was, now = values(before), values(after)
    assert {place: now[place] for place in was} == was
    assert parts(after)["xl/sharedStrings.xml"] == parts(before)["xl/sharedStrings.xml"]
    assert parts(marked(after, marks, {(LIST, 3): "有误", (LIST, 5): "有误"}, PROBLEMS, 1)) == (
        parts(after)
    )


ODD_TEXTS = (
    "=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "＝1", "_x0041_", '<&>"', "第一行\n第二行",
    " 前后有空 ", "𠮷",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_whatever_was_typed_comes_back_as_the_same_text(odd: str) -> None:
    problem = Problem(LIST, 5, odd, odd, odd, odd, place=2)
    after = marked(saved(styled_book()), [Mark(LIST, 6, 1, odd)], STATES, [problem])
    texts = [cell for (name, row, _), cell in values(after).items() if (name, row) == ("问题", 3)]
    assert [c.text for c in texts if c.kind == "text"] == [LIST, odd, odd, "错误", odd, odd]
    assert not any(cell.formula for cell in texts)
    part = next(xml for name, xml in parts(after).items() if name.endswith("sheet3.xml"))
    assert b"<f" not in part.replace(b"<font", b"")
    assert opened(after)["问题"]["D3"].data_type != "f"


def people() -> list[dict[str, str]]:
    ids = [standards.make_id_number("421299", date(1956, 1, n), n, "1") for n in range(1, 6)]
    kinds = ["全民", "全民", "全民", "大集体", "大集体"]
    return [
        {"name": f"测试{'甲乙丙丁戊'[n]}", "id_number": ids[n], "employment_kind": kinds[n]}
        for n in range(5)
    ]


def tables(data: bytes) -> list[tuple[str, list[str], list[reading.Line]]]:
    found: list[tuple[str, list[str], list[reading.Line]]] = []
    for table in reading.read(data):
        assert not isinstance(table, reading.LeftOut), table
        kept: Table = table
        found.append((kept.name, kept.faults, list(kept.lines())))
    return found


def test_the_marked_form_of_fifty_columns_gives_the_same_people_again() -> None:
    before = make_workbook(people())
    states = {("全民", row): "有误" for row in (9, 10, 11)} | {("大集体", 9): "新增"}
    marks = [Mark("全民", 9, 6, "校验码不对。"), Mark("全民", 10, 2, "没有填写。")]
    headings = {"全民": 7, "大集体": 7}
    after = mark(before, marks, states, PROBLEMS, headings=headings)
    assert len(tables(before)[0][2]) == 3
    assert tables(after) == tables(before)
    assert opened(after)["全民"]["AY9"].value == "有误"
    assert opened(after)["全民"]["AY7"].value == "结果"
    assert opened(after).sheetnames == ["全民", "大集体", "问题"]


def test_a_column_of_the_user_with_our_heading_is_not_written_over() -> None:
    book = styled_book()
    book[LIST]["F4"], book[LIST]["F5"] = "结果", "体检合格"
    after = marked(saved(book))
    assert opened(after)[LIST]["F5"].value == "体检合格"
    assert column(after, "G") == {4: "结果", 5: "有误", 6: "新增", 7: "更新"}


@pytest.mark.parametrize(("row", "place"), [(0, 1), (1_048_577, 1), (1, 0), (1, 16_385)], ids=str)
def test_a_place_outside_the_grid_is_an_error_of_the_program(row: int, place: int) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        marked(saved(styled_book()), [Mark(LIST, row, place, "x")])


def test_what_is_no_workbook_is_refused() -> None:
    with pytest.raises(Rejected):
        marked(b"PK\x03\x04 no zip")
    with pytest.raises(Rejected):
        marked(saved(styled_book()), [Mark("没有这张表", 1, 1, "x")])
