"""Rows of long rosters as a workbook: openpyxl makes everything but them, which takes it 0.4 ms each.

The workbook it saves holds one row of each kind; here its sheet is written anew with all rows, in the
styles of those, straight into the compressed file: memory does not grow with the rows.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from openpyxl.utils import get_column_letter
from openpyxl.worksheet._writer import WorksheetWriter

from xianning import workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from openpyxl import Workbook

REMEMBERED = 50_000  # texts
LINE_POINTS = 15
_SHEET = "xl/worksheets/sheet1.xml"
_ROW = re.compile(rb'<row r="(\d+)".*?</row>', re.DOTALL)
_STYLE = re.compile(rb' s="(\d+)"')
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
    """Cells as XML, by text; most texts of a roster come again and again."""

    def __init__(self, plain: str, quoted: str) -> None:
        self.plain, self.quoted = plain, quoted
        self._known: dict[str, Said] = {}

    def of(self, text: str) -> Said:
        if (known := self._known.get(text)) is None:
            known = self._of(text)
            if len(self._known) < REMEMBERED:
                self._known[text] = known
        return known

    def _of(self, text: str) -> Said:
        words, is_formula_like = workbook.cell_text(text)
        style = self.quoted if is_formula_like else self.plain
        found = (
            f'" s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(words)}</t></is></c>'
        )
        narrow = len(text.encode("ascii", "ignore"))
        return found, 2 * len(text) - narrow


def filled(
    book: Workbook,
    lines: Iterable[Sequence[str]],
    widths: Sequence[int],
    foot: Callable[[int], Sequence[str]],
    tell: Callable[[int], None],
) -> bytes:
    """BOOK with LINES in place of the last three rows of its only sheet.

    Those are patterns: a row with a plain cell and one whose text looks like a formula, the first
    row of the foot, the others of the foot. WIDTHS are those of the columns, in half-width
    characters; FOOT gives the rows below for the number of lines; TELL hears that number now and
    then.
    """
    saved = io.BytesIO()
    book.save(saved)
    target = io.BytesIO()
    with (
        zipfile.ZipFile(saved) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as made,
    ):
        for name in source.namelist():
            if name != _SHEET:
                made.writestr(name, source.read(name))
        with made.open(_SHEET, "w") as out:
            for part in _sheet(source.read(_SHEET), lines, widths, foot, tell):
                out.write(part)
    return target.getvalue()


def _sheet(
    pattern: bytes, lines: Iterable[Sequence[str]], widths: Sequence[int],
    foot: Callable[[int], Sequence[str]], tell: Callable[[int], None],
) -> Iterator[bytes]:  # fmt: skip
    body, first_of_foot, other = list(_ROW.finditer(pattern))[-3:]
    yield pattern[: body.start()]
    plain, quoted = (style.decode() for style in _STYLE.findall(body[0]))
    cells, columns = _Cells(plain, quoted), [get_column_letter(n + 1) for n in range(len(widths))]
    number, done = int(body[1]), 0
    parts: list[str] = []
    for line in lines:
        parts.append(_row(number, line, columns, widths, cells))
        number += 1
        done += 1
        if done % 200 == 0:
            yield "".join(parts).encode()
            parts = []
            tell(done)
    for at, text in enumerate(foot(done)):
        style = _STYLE.findall((other if at else first_of_foot)[0])[0].decode()
        cell, _ = _Cells(style, style).of(text)
        parts.append(f'<row r="{number}"><c r="A{number}{cell}</row>')
        number += 1
    yield "".join(parts).encode()
    yield pattern[other.end() :]


def _row(
    number: int, line: Sequence[str], columns: Sequence[str], widths: Sequence[int], cells: _Cells
) -> str:
    """A row as high as its fullest cell: not every program works that out by itself."""
    parts, most = [], 1
    for text, column, width in zip(line, columns, widths, strict=True):
        cell, used = cells.of(text)
        if used > width:
            most = max(most, -(-used // width))
        parts.append(f'<c r="{column}{number}{cell}')
    height = LINE_POINTS * most
    return f'<row r="{number}" ht="{height}" customHeight="1">{"".join(parts)}</row>'
