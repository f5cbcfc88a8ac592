"""From an uploaded workbook to lines of text by field; nothing is guessed or converted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from transfers.choices import EmploymentKind
from transfers.imports import marking, matching
from transfers.imports.columns import HELP_SHEET, Column
from xianning import standards, workbook
from xianning.sandbox import Rejected
from xianning.workbook import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from transfers.imports.matching import Layout
    from xianning.workbook import Cell, OpenSheet, Row

NO_HEADINGS = (
    "没有找到“姓名”和“身份证号”两列。请确认表头中有这两列（上面可以有标题），也可以下载模板对照。"
)
ONLY_HIDDEN = "名单只在隐藏的工作表中。请取消隐藏（在工作表标签上按右键）后重新上传。"
NAMED_OTHERWISE = (
    "没有认出“姓名”和“身份证号”两列。如果表头用的是别的叫法，请在“核对表头”中指明各列是什么，"
    "再重新检查；也可以下载模板对照。"
)
NUMERIC_ID = "身份证号是数字格式，Excel 会丢失后几位，请把该列设为文本后重新填写。"
NUMERIC_PHONE = "电话是数字格式，区号前的 0 会丢失，请把该列设为文本后重新填写。"
LONG_NUMBER = "单元格是数字格式的长号码，Excel 会丢失后几位，请把该列设为文本后重新填写。"
NOT_A_DATE = "单元格是日期格式，请把该列设为文本后重新填写。"
FORMULA_ERROR = "单元格是公式错误或无法读取的日期，请改填文字。"
NO_RESULT = "单元格是没有计算结果的公式，请在 Excel 或 WPS 中打开、保存后再上传，或改填文字。"
NOT_A_WORD = "单元格是逻辑值，请改填文字。"
JANUARY_OR_OCTOBER = (
    "单元格是数字格式，无法分清是 1 月还是 10 月，请设为文本后写成“1965-01”或“1965-10”的样式。"
)
# What people write for nothing; 0 is what a formula makes of an empty cell.
_BLANK = frozenset({"", "0", "/", "\\", "-", "--", "—", "——", "、", "."})
_LONGEST_BLANK = 12  # with white space around it
_NOTHING = frozenset({"无", "暂无", "没有", "不详", "未知", "不清楚"})
_FOOTER = re.compile(
    r"合计|总计|小计|共计|共[0-9]+人|填表|填报|制表|审核|复核|经办|负责人|单位负责|单位\(|移交单位|"
    r"接收单位|监交|签字|签名|盖章|退休人员签字|日期:|注:|备注:|说明:|联系人:|第[0-9]+页"
)
_AMBIGUOUS = re.compile(r"[0-9]{4}\.1")
_LONG = 12  # digits


class Line(NamedTuple):
    """One person of a sheet: text by field, and of cells that cannot be taken why, and their text."""

    row: int
    texts: dict[str, str]
    wrong: dict[str, str]
    typed: dict[str, str]


@dataclass
class Table:
    """A sheet with people; `faults` and `notes` are sentences about it for the user.

    The rows come from a file that is still being read: `lines` can be taken once, and the rows that
    were left out are known after that.
    """

    name: str
    layout: Layout
    top: list[Row]  # the first rows, those of the headings included
    rows: Iterable[Row]
    row_count: int  # at most so many people
    employment: str
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)  # rows of totals, signatures, remarks
    hidden: list[int] = field(default_factory=list)

    def lines(self) -> Iterator[Line]:
        """The people, in the user's order; blank rows, totals and signatures are left out."""
        for row in self.rows:
            if row.number <= self.layout.last_row:
                continue
            if row.hidden:
                self.hidden.append(row.number)
            cells = row.cells()
            line = self._line(row.number, cells)
            if line is None:
                if _says_something(cells):
                    self.skipped.append(row.number)
            elif _has_nobody(line) and _is_footer(cells):
                self.skipped.append(row.number)
            elif not self._is_heading_again(line):
                yield line

    def _line(self, number: int, cells: list[Cell | None]) -> Line | None:
        line = Line(number, {}, {}, {})
        for place, column in self.layout.columns.items():
            cell = cells[place] if place < len(cells) else None
            if cell is None or _is_blank(cell, column):
                continue
            if cell.kind == "text":
                line.texts[column.field] = cell.text.strip()
            elif sentence := _why_wrong(cell, column):
                line.wrong[column.field] = sentence
                line.typed[column.field] = cell.text
            else:
                line.texts[column.field] = _text(cell, column)
        if not line.texts and not line.wrong:
            return None
        _settle_month(line)
        if self.employment and "employment_kind" not in line.texts | line.wrong:
            line.texts["employment_kind"] = self.employment
        return line

    def last_notes(self) -> list[str]:
        """What is known after all rows were taken."""
        found = []
        if self.hidden:
            found.append(f"{rows_in_words(self.hidden)}是隐藏的行，也已读取。")
        if self.skipped:
            found.append(f"{rows_in_words(self.skipped)}是合计、签字或说明，没有读取。")
        return found

    def _is_heading_again(self, line: Line) -> bool:
        """Headings repeated for each printed page."""
        return matching.normal(line.texts.get("id_number", "")) == matching.normal(
            self.layout.headings["id_number"].rpartition("/")[2]
        )


class LeftOut(NamedTuple):
    """A sheet that is not read, and why; IS_FAULT: nothing of the file can be taken then.

    LAYOUT is what may be its headings, with which somebody can say by hand what its columns are.
    """

    name: str
    sentence: str
    is_fault: bool = False
    layout: Layout | None = None
    top: tuple[Row, ...] = ()


def read(
    data: bytes,
    file_name: str | None = None,
    chosen: Mapping[str, str] = matching.NOTHING_CHOSEN,
) -> Iterator[Table | LeftOut]:
    """The sheets of a workbook, read in the sandbox, each as its people or why it is left out.

    CHOSEN: what headings mean by a choice made by hand (`choices.of`). Take the lines of a table
    before the next sheet. Raises sandbox.Rejected or sandbox.SandboxError with a sentence when the
    file cannot be read (possibly after many rows), and when no sheet has the headings 姓名 and
    身份证号 nor others that somebody could explain.
    """
    useful, explainable, hidden = False, "", ""
    for sheet in workbook.stream(data, file_name):
        found = _take(sheet, chosen)
        if found is None:
            continue
        useful = useful or isinstance(found, Table) or found.is_fault
        if isinstance(found, LeftOut):
            hidden = hidden or (found.name if sheet.hidden else "")
            explainable = explainable or (found.name if found.layout else "")
        yield found
    if useful:
        return
    if not hidden and not explainable:
        raise Rejected(NO_HEADINGS)
    yield LeftOut(hidden or explainable, ONLY_HIDDEN if hidden else NAMED_OTHERWISE, is_fault=True)


def _take(sheet: OpenSheet, chosen: Mapping[str, str]) -> Table | LeftOut | None:
    top = list(islice(sheet.rows, matching.SEARCHED))
    if sheet.name == HELP_SHEET or not top or marking.is_problem_sheet(sheet.name, top):
        return None
    head = Sheet(sheet.name, sheet.hidden, top, sheet.merged)
    layout = matching.find(head, chosen)
    if sheet.hidden:
        words = "这是隐藏的工作表，没有读取；如需导入请取消隐藏。"
        return LeftOut(sheet.name, words) if layout else None
    if layout is not None:
        return _table(sheet, top, layout)
    explained = matching.headings_only(head, chosen)
    if matching.has_names(head):
        words = "有“姓名”列，但没有“身份证号”列，无法导入这张工作表。"
        return LeftOut(sheet.name, words, True, explained, tuple(top))
    words = "没有“姓名”和“身份证号”列，没有读取。"
    return LeftOut(sheet.name, words, False, explained, tuple(top))


def _table(sheet: OpenSheet, top: list[Row], layout: Layout) -> Table:
    count = max(sheet.row_count - layout.last_row, 0)
    rows = chain(top, sheet.rows)
    table = Table(sheet.name, layout, top, rows, count, _employment(sheet.name))
    table.faults += [f"缺少“{heading}”列。" for heading in layout.missing]
    table.faults += [f"“{text}”与另一列重复，请只保留一列。" for text in layout.texts("doubled")]
    if unknown := layout.texts("unknown"):
        table.notes.append(f"以下列没有对应的内容，没有读取：{_some(unknown)}。")
    if left_out := layout.texts("left out"):
        table.notes.append(f"以下列已在“核对表头”中指明不读取：{_some(left_out)}。")
    return table


def _some(headings: list[str]) -> str:
    more = f"等 {len(headings)} 列" if len(headings) > 10 else ""
    return "、".join(headings[:10]) + more


def rows_in_words(numbers: list[int]) -> str:
    """第 5、8 行, or 第 5、8 … 等 30 行."""
    shown = "、".join(map(str, numbers[:8]))
    return f"第 {shown} 行" if len(numbers) <= 8 else f"第 {shown} 等 {len(numbers)} 行"


def _employment(sheet: str) -> str:
    """全民 or 大集体, by which the sheets are split."""
    if "集体" in sheet:
        return str(EmploymentKind.COLLECTIVE.label)
    return str(EmploymentKind.PUBLIC.label) if "全民" in sheet else ""


# --- cells --------------------------------------------------------------------------------------


def _is_blank(cell: Cell, column: Column) -> bool:
    return len(cell.text) < _LONGEST_BLANK and _says_nothing(cell.text, column.kind)


@lru_cache(maxsize=4096)
def _says_nothing(text: str, kind: str) -> bool:
    text = standards.fold(text.strip())
    if text in _BLANK:
        return True
    return kind in {"number", "month", "day", "area"} and text in _NOTHING


def _why_wrong(cell: Cell, column: Column) -> str | None:
    """Why a cell that holds no text cannot be taken as it is, as a sentence; None when it can."""
    if cell.kind == "number":
        return _why_wrong_number(cell.text, column)
    if cell.kind == "date":
        return None if column.kind in {"month", "day"} else NOT_A_DATE
    return {"error": FORMULA_ERROR, "bool": NOT_A_WORD}.get(cell.kind, NO_RESULT)


def _why_wrong_number(text: str, column: Column) -> str | None:
    if column.kind == "number":
        return NUMERIC_ID if column.field == "id_number" else NUMERIC_PHONE
    if column.kind == "month" and column.field != "born" and _AMBIGUOUS.fullmatch(text):
        return JANUARY_OR_OCTOBER
    if column.kind == "text" and len(text) >= _LONG:
        return LONG_NUMBER
    return None


def _text(cell: Cell, column: Column) -> str:
    if cell.kind == "date":
        return cell.text[:10]
    if cell.kind == "number" and column.field == "born" and _AMBIGUOUS.fullmatch(cell.text):
        return f"{cell.text}?"  # settled by the number of the same row
    return cell.text.strip()


def _settle_month(line: Line) -> None:
    """1965.1 in a number cell is January or October: of a birth the ID number tells which."""
    born = line.texts.get("born", "")
    if not born.endswith("?"):
        return
    year = born[:4]
    digits = standards.fold(line.texts.get("id_number", "")).replace(" ", "")
    written = digits[6:12] if len(digits) == 18 else f"19{digits[6:10]}"
    if written in {f"{year}01", f"{year}10"}:
        line.texts["born"] = written
    else:
        line.typed["born"] = line.texts.pop("born")
        line.wrong["born"] = JANUARY_OR_OCTOBER


# --- rows that are nobody -----------------------------------------------------------------------


def _has_nobody(line: Line) -> bool:
    """Neither a number nor a name of its own."""
    if "id_number" in line.texts or "id_number" in line.wrong:
        return False
    name = standards.fold(line.texts.get("name", "")).replace(" ", "")
    return not name or _FOOTER.match(name) is not None


def _says_something(cells: list[Cell | None]) -> bool:
    """Whether a row without a person holds more than a running number."""
    texts = [standards.fold(cell.text) for cell in cells if cell is not None]
    return any(text not in _BLANK and not text.isdecimal() for text in texts)


def _is_footer(cells: list[Cell | None]) -> bool:
    """Whether a row holds totals, signatures or remarks."""
    return any(
        cell is not None and _FOOTER.match(standards.fold(cell.text).replace(" ", ""))
        for cell in cells
    )
