"""Rows of long rosters as a workbook: openpyxl makes everything but them, which takes it 0.4 ms each.

The workbook it saves holds one row of each kind; here its sheet is written anew with all rows, in the
styles of those, straight into the compressed file: memory does not grow with the rows.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape

from openpyxl.utils import get_column_letter
from openpyxl.worksheet._writer import WorksheetWriter

from xianning import workbook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openpyxl import Workbook

REMEMBERED = 50_000  # texts
LINE_POINTS = 15
_SHEET = "xl/worksheets/sheet{}.xml"
_ROW = re.compile(rb'<row r="(\d+)".*?</row>', re.DOTALL)
_NUMBER = re.compile(r"(?:0|[1-9]\d{0,14})(?:\.\d{1,4})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_STYLE = re.compile(rb' s="(\d+)"')
Kind = Literal["text", "number", "amount", "month", "date"]
# How a program shows a cell of each kind.
FORMATS: dict[Kind, str] = {
    "text": "@", "number": "0", "amount": "0.00", "month": "yyyy\\-mm", "date": "yyyy\\-mm\\-dd",
}  # fmt: skip
# Days are counted from 1899-12-30; before that day Excel knows a 29 February 1900 that never was.
_DAY_0, _FIRST_DAY = date(1899, 12, 30), "1900-03-01"
Said = tuple[str, int]  # a cell behind its place, and its width in half-width characters


class InMemory(WorksheetWriter):
    """Keeps the rows of a write-only sheet in memory.

    openpyxl lays them readable in a file of the temporary folder, where they stay when the worker
    is killed. Linux only, like the sandbox.
    """

    def __init__(self, sheet: Any) -> None:
        self._memory: int | None = os.memfd_create("sheet")
        super().__init__(sheet, out=f"/proc/self/fd/{self._memory}")
        sheet._writer = self
        self.write_top()

    def __enter__(self) -> InMemory:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ws.closed:  # it failed half way
            self.ws.close()
        self.cleanup()

    def cleanup(self) -> None:
        if self._memory is not None:
            os.close(self._memory)
        self._memory = None


class _Cells:
    """Cells of one kind as XML, by text; most texts of a roster come again and again.

    A text that is no day or number (masked, empty, older than Excel's days) stays text.
    """

    def __init__(self, kind: Kind, style: str, plain: str, quoted: str) -> None:
        self.kind, self.style, self.plain, self.quoted = kind, style, plain, quoted
        self._known: dict[str, Said] = {}

    def of(self, text: str) -> Said:
        if (known := self._known.get(text)) is None:
            known = self._of(text)
            if len(self._known) < REMEMBERED:
                self._known[text] = known
        return known

    def _of(self, text: str) -> Said:
        if not text:
            return f'" s="{self.plain}"/>', 0
        if (number := self._number(text)) is not None:
            return f'" s="{self.style}"><v>{number}</v></c>', len(text)
        words, is_formula_like = workbook.cell_text(text)
        style = self.quoted if is_formula_like else self.plain
        found = (
            f'" s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(words)}</t></is></c>'
        )
        narrow = len(text.encode("ascii", "ignore"))
        return found, 2 * len(text) - narrow

    def _number(self, text: str) -> str | None:
        if self.kind == "text":
            return None
        if self.kind in {"number", "amount"}:
            return text if _NUMBER.fullmatch(text) else None
        day = f"{text}-01" if self.kind == "month" else text
        if not _DAY.fullmatch(day) or day < _FIRST_DAY:
            return None
        return str((date.fromisoformat(day) - _DAY_0).days)


@dataclass(frozen=True)
class Fill:
    """What a sheet holds: LINES in COLUMNS (kind, width in half-width characters) and below them
    the rows that FOOT gives for the number of lines."""

    lines: Iterable[Sequence[str]]
    columns: Sequence[tuple[Kind, int]]
    foot: Callable[[int], Sequence[str]]


def filled(book: Workbook, fills: Sequence[Fill], tell: Callable[[int], None]) -> bytes:
    """BOOK with the lines of FILLS in place of the last three rows of its sheets.

    Those are patterns: a row with a cell of each of FORMATS and a text that looks like a formula,
    the first row of the foot, the others of the foot. TELL hears the number of lines now and then.
    """
    saved = io.BytesIO()
    book.save(saved)
    target = io.BytesIO()
    sheets = {_SHEET.format(number): fill for number, fill in enumerate(fills, start=1)}
    with (
        zipfile.ZipFile(saved) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as made,
    ):
        for name in source.namelist():
            if name not in sheets:
                made.writestr(name, source.read(name))
        for name, fill in sheets.items():
            with made.open(name, "w") as out:
                for part in _sheet(source.read(name), fill, tell):
                    out.write(part)
    return target.getvalue()


def _sheet(pattern: bytes, fill: Fill, tell: Callable[[int], None]) -> Iterator[bytes]:
    body, first_of_foot, other = list(_ROW.finditer(pattern))[-3:]
    yield pattern[: body.start()]
    *patterns, quoted = (style.decode() for style in _STYLE.findall(body[0]))
    styles = dict(zip(FORMATS, patterns, strict=True))
    of_kind = {kind: _Cells(kind, styles[kind], styles["text"], quoted) for kind in FORMATS}
    places = [
        (get_column_letter(number), of_kind[kind], width)
        for number, (kind, width) in enumerate(fill.columns, start=1)
    ]
    number, done = int(body[1]), 0
    parts: list[str] = []
    for line in fill.lines:
        parts.append(_row(number, line, places))
        number += 1
        done += 1
        if done % 200 == 0:
            yield "".join(parts).encode()
            parts = []
            tell(done)
    for at, text in enumerate(fill.foot(done)):
        style = _STYLE.findall((other if at else first_of_foot)[0])[0].decode()
        cell, _ = _Cells("text", style, style, style).of(text)
        parts.append(f'<row r="{number}"><c r="A{number}{cell}</row>')
        number += 1
    yield "".join(parts).encode()
    yield pattern[other.end() :]


def _row(number: int, line: Sequence[str], places: Sequence[tuple[str, _Cells, int]]) -> str:
    """A row as high as its fullest cell: not every program works that out by itself."""
    parts, most = [], 1
    for text, (column, cells, width) in zip(line, places, strict=True):
        cell, used = cells.of(text)
        if used > width:
            most = max(most, -(-used // width))
        parts.append(f'<c r="{column}{number}{cell}')
    height = LINE_POINTS * most
    return f'<row r="{number}" ht="{height}" customHeight="1">{"".join(parts)}</row>'
