"""One column list for every sheet: page, Excel and PDF come from the same declaration."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from pypdf import PdfReader, PdfWriter

from xianning import pdf, sheets_pdf, sheets_xlsx, workbook
from xianning.privacy import mask

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.options import Options

    from xianning.models import User

ROWS_A_PAGE = 15
POINTS, MARGIN_INCHES = 10, 0.32  # of a workbook
# Millimetres on A4 landscape.
LEFT_MM, TABLE_MM, HEADINGS_MM, ROW_MM, FOOT_MM = 8.0, 281.0, 21.5, 9.4, 176.5


@dataclass(frozen=True)
class Column:
    """One column: where its value comes from, how wide it is (characters), whether it is private."""

    heading: str
    value: str | Callable[[Any], Any]
    width: int = 10
    private: str = ""  # kind of mask
    kind: sheets_xlsx.Kind = "text"  # of its cells in a workbook

    def text(self, row: Any, *, clear: bool) -> str:
        """The cell in words; private ones masked unless CLEAR."""
        found = self.value(row) if callable(self.value) else _follow(row, self.value)
        words = self._words(found)
        return mask(words, self.private) if self.private and not clear else words

    def _words(self, value: Any) -> str:
        if value is None or value == "":
            return ""
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bool):
            return "是" if value else "否"
        if isinstance(value, datetime):
            value = timezone.localtime(value).date()
        if isinstance(value, date):
            return value.isoformat()[: 7 if self.kind == "month" else 10]
        return str(value)


def _follow(row: Any, path: str) -> Any:
    """The value at a dotted PATH; an empty link on the way gives None."""
    for name, labelled in _steps(path):
        if labelled:
            value = getattr(row, labelled)
            return _labels(row._meta, labelled).get(value, value)
        row = getattr(row, name, None)
        if row is None:
            return None
        if callable(row):
            row = row()
    return row


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """The names in PATH, each with the field whose label it asks for, if it does."""
    shown = re.compile(r"get_(\w+)_display")
    return tuple(
        (name, found[1] if (found := shown.fullmatch(name)) else "") for name in path.split(".")
    )


@lru_cache(maxsize=256)
def _labels(meta: Options[Any], name: str) -> dict[Any, Any]:
    """What the choices of the field NAME are called.

    Django makes this list anew for every value, which took half the time of a long roster.
    """
    choices = cast("Any", meta.get_field(name)).flatchoices
    return {key: str(label) for key, label in choices}


@dataclass(frozen=True)
class Made:
    """By whom, for which office and when a sheet was made, and the serial of its trace.

    They stand in words on every page and sheet, as a watermark behind the rows of a page, and in
    the properties of the file.
    """

    by: str
    office: str
    at: datetime
    serial: str
    clear: bool

    @property
    def line(self) -> str:
        state = "含完整个人信息，注意保密" if self.clear else "个人信息已脱敏"
        when = timezone.localtime(self.at)
        return f"{self.office} {self.by}　{when:%Y-%m-%d %H:%M} 导出　编号 {self.serial}　{state}"

    @property
    def mark(self) -> str:
        """The words of the watermark."""
        when = timezone.localtime(self.at)
        return f"{self.office} {self.by} {when:%Y-%m-%d %H:%M} {self.serial}"

    def footer(self) -> str:
        """A line for the foot of a printed sheet; `&` begins a code there, 255 signs are the most."""
        words = f"{self.by} {self.serial}".replace("&", "&&")
        return f"{words[:120]}　第 &P 页 共 &N 页"


@dataclass(frozen=True)
class Roster:
    """A named list of the regulation with its columns and who signs at its foot."""

    name: str
    title: str
    article: str
    columns: tuple[Column, ...]
    rows: Callable[[User], QuerySet[Any]]
    roles: frozenset[str]
    signatures: tuple[str, ...] = ()
    note: str = ""
    unit: str = "人"
    # What a file of it holds for one enterprise, when that is more than the roster itself.
    parts: Callable[[User, UUID, Iterable[Any]], list[Part]] | None = None
    # What a page of it was narrowed to, when there is such a page: rows, user and query.
    narrow: Callable[[QuerySet[Any], User, str], QuerySet[Any]] | None = None
    headings: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headings", ["序号", *(c.heading for c in self.columns)])

    def cells(self, number: int, row: Any, *, clear: bool) -> list[str]:
        """The texts of one line, the running number first."""
        return [str(number), *(column.text(row, clear=clear) for column in self.columns)]

    def lines(self, rows: Iterable[Any], *, clear: bool) -> Iterator[list[str]]:
        for number, row in enumerate(rows, start=1):
            yield self.cells(number, row, clear=clear)

    # --- Excel ---

    def to_xlsx(self, rows: Iterable[Any], made: Made, tell: Callable[[int], None]) -> bytes:
        """The roster as a workbook of one sheet."""
        return workbook_of([(self, rows)], made, tell)

    def _fill(self, rows: Iterable[Any], made: Made) -> sheets_xlsx.Fill:
        return sheets_xlsx.Fill(
            self.lines(rows, clear=made.clear),
            [("number", 6), *((c.kind, c.width) for c in self.columns)],
            lambda count: [f"合计 {count} {self.unit}　编号 {made.serial}", *self.signatures],
        )

    def _begin(self, sheet: Any, made: Made) -> None:
        """The rows above the lines, and the patterns of what follows."""
        thin = Side(style="thin", color="808080")
        border = Border(left=thin, right=thin, top=thin, bottom=thin)
        head, body = Font(bold=True, size=POINTS), Font(size=POINTS)
        wrap = Alignment(wrap_text=True, vertical="center")
        middle = Alignment(wrap_text=True, vertical="center", horizontal="center")
        across = Alignment(horizontal="centerContinuous")  # no merged cells: rows stay sortable
        title = [self.title, *("" for _ in self.columns)]
        sheet.row_dimensions[1].height = 26
        sheet.append([self._cell(sheet, t, Font(bold=True, size=16), None, across) for t in title])
        sheet.append([self._cell(sheet, made.line, Font(size=9, color="555555"))])
        sheet.row_dimensions[3].height = 30
        heads = [self._cell(sheet, text, head, border, middle) for text in self.headings]
        for cell in heads:
            cell.fill = PatternFill("solid", fgColor="EEEEEE")
        sheet.append(heads)
        # A line (a cell of each kind, a text that looks like a formula), the total, the signatures.
        sheet.append(
            [self._pattern(sheet, kind, border) for kind in sheets_xlsx.FORMATS]
            + [self._cell(sheet, "=", body, border, wrap)]
        )
        sheet.append([self._cell(sheet, "合计", head)])
        sheet.append([self._cell(sheet, "签字", body)])

    def _set_up(self, sheet: Any, made: Made) -> None:
        for index, width in enumerate([6, *(c.width for c in self.columns)], start=1):
            sheet.column_dimensions[get_column_letter(index)].width = width + 1.5
        sheet.freeze_panes = "C4"
        sheet.print_title_rows = "1:3"
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.paperSize = 9
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        for side in ("left", "right", "top"):
            setattr(sheet.page_margins, side, MARGIN_INCHES)
        sheet.print_options.horizontalCentered = True
        sheet.oddFooter.center.text = made.footer()

    @staticmethod
    def _pattern(sheet: Any, kind: sheets_xlsx.Kind, border: Border) -> Any:
        cell = WriteOnlyCell(sheet)
        workbook.write_text(cell, "1")
        cell.font, cell.border = Font(size=POINTS), border
        cell.alignment = Alignment(
            wrap_text=True, vertical="center", horizontal=None if kind == "text" else "center"
        )
        cell.number_format = sheets_xlsx.FORMATS[kind]
        return cell

    @staticmethod
    def _cell(
        sheet: Any, text: str, font: Font, border: Border | None = None,
        alignment: Alignment | None = None,
    ) -> Any:  # fmt: skip
        cell = WriteOnlyCell(sheet)
        workbook.write_text(cell, text)
        cell.font = font
        if border is not None:
            cell.border = border
        if alignment is not None:
            cell.alignment = alignment
        return cell

    # --- PDF ---

    def to_pdf(self, rows: Iterable[Any], made: Made, tell: Callable[[int], None]) -> pdf.Pdf:
        """A4 landscape, ROWS_A_PAGE rows on each page; the places to sign are on the last."""
        ground = pdf.render("print/roster.html", self._ground(made))
        lines: list[list[str]] = []
        for line in self.lines(rows, clear=made.clear):
            lines.append(line)
            if len(lines) % 1000 == 0:
                tell(len(lines))
        pages = [lines[at : at + ROWS_A_PAGE] for at in range(0, len(lines), ROWS_A_PAGE)] or [[]]
        sheets = [
            sheets_pdf.Sheet(some, self._foot(number, len(pages), len(some), len(lines)))
            for number, some in enumerate(pages, start=1)
        ]
        which = [int(number == len(pages)) for number in range(1, len(pages) + 1)]
        words = sheets_pdf.words(self._grid(), sheets)
        return pdf.on_grounds(
            words, [ground], which,
            facts={"/Title": self.title, "/Author": f"{made.office} {made.by}",
                   "/Subject": made.line, "/Keywords": made.serial},
        )  # fmt: skip

    def _grid(self) -> sheets_pdf.Grid:
        widths = [4, *(c.width for c in self.columns)]
        millimetres = tuple(TABLE_MM * width / sum(widths) for width in widths)
        return sheets_pdf.Grid(LEFT_MM, HEADINGS_MM + ROW_MM, millimetres, ROW_MM)

    def _foot(
        self, page: int, pages: int, here: int, count: int
    ) -> list[tuple[str, float, float, float, str]]:
        """What the foot of a page counts: those on it, all, and the pages."""
        counted = f"本页 {here} {self.unit}，合计 {count} {self.unit}"
        place = FOOT_MM
        return [
            (
                f"{counted}　{self.note if page == pages else ''}".strip(),
                LEFT_MM,
                place,
                8.0,
                "left",
            ),
            (f"第 {page} 页 共 {pages} 页", LEFT_MM + TABLE_MM, place, 8.0, "right"),
        ]

    def _ground(self, made: Made) -> dict[str, Any]:
        heads, left = [], LEFT_MM
        for words, width in zip(self.headings, self._grid().widths, strict=True):
            heads.append((words, f"left: {left:.2f}mm; width: {width:.2f}mm"))
            left += width
        return {
            "roster": self, "made": made, "heads": heads, "top": HEADINGS_MM, "height": ROW_MM,
            "foot": FOOT_MM + 3,
        }  # fmt: skip


Part = tuple[Roster, Iterable[Any]]  # a roster and its rows


def workbook_of(
    parts: Sequence[Part], made: Made, tell: Callable[[int], None], title: str = ""
) -> bytes:
    """PARTS as a workbook, a sheet each.

    Days, months and counts are what they are, numbers of people and cards are text: no program
    rounds them or takes them for a formula.
    """
    book = Workbook(write_only=True)
    facts = book.properties
    facts.title, facts.creator, facts.lastModifiedBy = title or parts[0][0].title, made.by, made.by
    facts.subject, facts.keywords, facts.identifier = made.office, made.serial, made.serial
    facts.description = made.line
    fills = []
    with ExitStack() as sheets:
        for roster, rows in parts:
            sheet = book.create_sheet(roster.title[:31])
            roster._set_up(sheet, made)
            sheets.enter_context(sheets_xlsx.InMemory(sheet))
            roster._begin(sheet, made)
            fills.append(roster._fill(rows, made))
        return sheets_xlsx.filled(book, fills, tell)


def pages_of(
    parts: Sequence[Part], made: Made, tell: Callable[[int], None], title: str = ""
) -> pdf.Pdf:
    """PARTS one behind the other, with a bookmark each; a single one as it is."""
    if len(parts) == 1:
        [(roster, rows)] = parts
        return roster.to_pdf(rows, made, tell)
    writer, missing = PdfWriter(), dict[str, None]()
    for roster, rows in parts:
        part = roster.to_pdf(rows, made, tell)
        missing |= dict.fromkeys(part.missing)
        pages = PdfReader(io.BytesIO(part))
        writer.append(pages, outline_item=roster.title, import_outline=False)
    writer.metadata = {"/Title": title, "/Author": f"{made.office} {made.by}",
                       "/Subject": made.line, "/Keywords": made.serial}  # fmt: skip
    target = io.BytesIO()
    writer.write(target)
    whole = pdf.Pdf(target.getvalue())
    whole.missing = tuple(missing)
    return whole
