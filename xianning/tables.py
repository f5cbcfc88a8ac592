"""Workbooks with one kind of row under one line of headings: read, written, and made empty."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from xianning import standards, workbook
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xianning.workbook import Cell, Row


def rows_under(
    data: bytes, file_name: str, headings: Sequence[str], *, needed: int,
    aliases: Mapping[str, str],
) -> Iterator[tuple[int, dict[str, str]]]:  # fmt: skip
    """(number of the row, text by heading) of each row that is not empty, in the first sheet.

    The line of headings is the first that has the NEEDED first of HEADINGS. Raises Rejected with a
    sentence when there is none, or nothing below it.
    """
    columns: dict[str, int] = {}
    empty = True
    for row in workbook.read(data, file_name)[0].rows:
        if not columns:
            columns = _columns(row, headings, needed, aliases)
            continue
        cells = row.cells()
        texts = {name: _text(cells, at) for name, at in columns.items()}
        if any(texts.values()):
            empty = False
            yield row.number, texts
    if not columns:
        raise Rejected(f"没有找到表头，须有：{'、'.join(headings[:needed])}。")
    if empty:
        raise Rejected("表头下面没有内容，没有可导入的。")


def _columns(
    row: Row, headings: Sequence[str], needed: int, aliases: Mapping[str, str]
) -> dict[str, int]:
    named = {}
    for at, cell in enumerate(row.cells()):
        text = standards.fold(cell.text).replace(" ", "") if cell else ""
        named[aliases.get(text, text)] = at
    if not set(headings[:needed]) <= named.keys():
        return {}
    return {name: named[name] for name in headings if name in named}


def _text(cells: list[Cell | None], at: int) -> str:
    cell = cells[at] if at < len(cells) else None
    return cell.text.strip() if cell else ""


def template(title: str, headings: Sequence[str], words: Sequence[Sequence[str]]) -> bytes:
    """An empty workbook: HEADINGS, and on a second sheet the WORDS that may be used."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for column, heading in enumerate(headings, start=1):
        workbook.write_text(sheet.cell(1, column), heading)
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = 18
        for number in range(2, 500):
            sheet.cell(number, column).number_format = "@"
    sheet.freeze_panes = "A2"
    listed = book.create_sheet("可选内容")
    for number, line in enumerate(words, start=1):
        for column, word in enumerate(line, start=1):
            workbook.write_text(listed.cell(number, column), word)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def written(title: str, lines: Sequence[Sequence[str]], widths: Sequence[int]) -> bytes:
    """A workbook of LINES as text, the headings first; WIDTHS of its columns in characters."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row, words in enumerate(lines, start=1):
        for column, text in enumerate(words, start=1):
            cell = sheet.cell(row, column)
            workbook.write_text(cell, text)
            cell.number_format = "@"
            cell.font = Font(bold=row == 1)
    for column, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
