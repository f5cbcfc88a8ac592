"""From an uploaded workbook to lines of text by field; nothing is guessed or converted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from transfers.choices import EmploymentKind
from transfers.imports import matching
from transfers.imports.columns import HELP_SHEET, Column
from xianning import standards, workbook
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfers.imports.matching import Layout
    from xianning.workbook import Cell, Row, Sheet

NO_HEADINGS = (
    "没有找到“姓名”和“身份证号”两列。请确认表头中有这两列（上面可以有标题），也可以下载模板对照。"
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
_NOTHING = frozenset({"无", "暂无", "没有", "不详", "未知", "不清楚"})
_FOOTER = re.compile(
    r"合计|总计|小计|共计|共[0-9]+人|填表|填报|制表|审核|复核|经办|负责人|单位负责|单位\(|移交单位|"
    r"接收单位|监交|签字|签名|盖章|退休人员签字|日期:|注:|备注:|说明:|联系人:|第[0-9]+页"
)
_AMBIGUOUS = re.compile(r"[0-9]{4}\.1")
_LONG = 12  # digits


class Line(NamedTuple):
    """One person of a sheet: text by field, and cells that cannot be taken, by field."""

    row: int
    texts: dict[str, str]
    wrong: dict[str, str]


@dataclass
class Table:
    """A sheet with people. `notes`: what the user should know of what was left out."""

    name: str
    layout: Layout
    rows: list[Row]
    employment: str
    notes: list[str] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)  # rows of totals, signatures, remarks

    def lines(self) -> Iterator[Line]:
        """The people, in the user's order; blank rows, totals and signatures are left out."""
        for row in self.rows:
            if row.number <= self.layout.last_row:
                continue
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
        line = Line(number, {}, {})
        for place, column in self.layout.columns.items():
            cell = cells[place] if place < len(cells) else None
            if cell is None or _is_blank(cell, column):
                continue
            if sentence := _why_wrong(cell, column):
                line.wrong[column.field] = sentence
            else:
                line.texts[column.field] = _text(cell, column)
        if not line.texts and not line.wrong:
            return None
        _settle_month(line)
        if self.employment and "employment_kind" not in line.texts | line.wrong:
            line.texts["employment_kind"] = self.employment
        return line

    def _is_heading_again(self, line: Line) -> bool:
        """Headings repeated for each printed page."""
        return matching.normal(line.texts.get("id_number", "")) == matching.normal(
            self.layout.headings["id_number"].rpartition("/")[2]
        )


@dataclass
class Content:
    """What a workbook holds: sheets with people, remarks on others, and sheets that lack columns."""

    tables: list[Table]
    notes: list[tuple[str, str]]  # sheet, sentence
    faults: list[tuple[str, str]]

    @property
    def row_count(self) -> int:
        """At most so many people."""
        return sum(
            row.number > table.layout.last_row for table in self.tables for row in table.rows
        )


def read(data: bytes, file_name: str | None = None) -> Content:
    """Read a workbook in the sandbox and find its people.

    Raises sandbox.Rejected or sandbox.SandboxError with a sentence when it cannot be read, and
    when no sheet has the headings 姓名 and 身份证号.
    """
    content = Content([], [], [])
    for sheet in workbook.read(data, file_name):
        _take(sheet, content)
    if not content.tables and not content.faults:
        raise Rejected(NO_HEADINGS)
    return content


def _take(sheet: Sheet, content: Content) -> None:
    if sheet.name == HELP_SHEET or not sheet.rows:
        return
    layout = matching.find(sheet)
    if sheet.hidden:
        if layout:
            content.notes.append((sheet.name, "这是隐藏的工作表，没有读取；如需导入请取消隐藏。"))
    elif layout is None and matching.has_names(sheet):
        content.faults.append((sheet.name, "有“姓名”列，但没有“身份证号”列，无法导入这张工作表。"))
    elif layout is None:
        content.notes.append((sheet.name, "没有“姓名”和“身份证号”列，没有读取。"))
    else:
        content.tables.append(_table(sheet, layout, content))


def _table(sheet: Sheet, layout: Layout, content: Content) -> Table:
    for heading in layout.missing:
        content.faults.append((sheet.name, f"缺少“{heading}”列。"))
    for heading in layout.doubled:
        content.faults.append((sheet.name, f"“{heading}”与另一列重复，请只保留一列。"))
    if layout.unknown:
        words = "、".join(layout.unknown[:10])
        more = f"等 {len(layout.unknown)} 列" if len(layout.unknown) > 10 else ""
        content.notes.append((sheet.name, f"以下列没有对应的内容，没有读取：{words}{more}。"))
    hidden = [row.number for row in sheet.rows if row.hidden and row.number > layout.last_row]
    if hidden:
        content.notes.append((sheet.name, f"{rows_in_words(hidden)}是隐藏的行，也已读取。"))
    return Table(sheet.name, layout, sheet.rows, _employment(sheet.name))


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
    text = cell.text.strip()
    if len(text) > 4:
        return False
    text = standards.fold(text)
    if text in _BLANK:
        return True
    return column.kind in {"number", "month", "day", "area"} and text in _NOTHING


def _why_wrong(cell: Cell, column: Column) -> str | None:
    """Why the cell cannot be taken as it is, as a sentence; None when it can."""
    if cell.kind == "text":
        return None
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
        del line.texts["born"]
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
