"""Workbooks (.xlsx): read what a clerk's file says, cell by cell, and write text that stays text.

Reading streams the XML with expat in the sandbox: no table is built outside the grid, values are
never converted on the way (an ID in a number cell comes out as a number, so that it can be
refused), and merged headings are kept. ECMA-376 part 1, §18.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from xml.parsers import expat

from xianning.sandbox import MB, Rejected
from xianning.uploads import (
    BROKEN_WORKBOOK,
    MAX_COLUMNS,
    MAX_ROWS,
    SHEET_COLUMNS,
    SHEET_ROWS,
    check_container,
    column_number,
    kind_of,
    outside_grid,
    scan_members,
    stream_in_sandbox,
)

if TYPE_CHECKING:
    from openpyxl.cell import Cell as OpenpyxlCell

CellKind = Literal["text", "number", "date", "bool", "error", "formula-without-value"]
Range = tuple[int, int, int, int]  # first row, first column, last row, last column

CELL_TEXT = 32_767  # Excel's own limit
MAX_SHEETS = 100
MAX_MERGED = 20_000
MAX_ANSWER = 128 * MB
FIRST_DATE = date(1900, 3, 1)  # before it Excel counts a 29 February that never was
LAST_DATE = date(2100, 12, 31)

# 100,000 rows × 50 columns take 15 s here; a slower machine gets three times as long, and whoever
# works on the rows while they come, longer.
READ_LIMITS = {"cpu_seconds": 45, "wall_seconds": 300, "result_mb": MAX_ANSWER // MB}


class Cell(NamedTuple):
    """A cell with a value.

    ``text`` by kind: text as written; number as plain decimal digits; date as ISO 8601, with the
    time only if it is not midnight; bool TRUE or FALSE; error Excel's error or the number that
    is no date between 1900-03-01 and 2100-12-31; formula-without-value the formula.
    ``formula``: the value is the result of a formula as the last program stored it.
    """

    kind: CellKind
    text: str
    formula: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row with at least one value; ``number`` is the user's own, from 1."""

    number: int
    hidden: bool
    kinds: str
    packed: bytes

    def cells(self) -> list[Cell | None]:
        """Cells from column 1 to the last with a value; None is blank.

        Unpacked at each call, so that 100,000 rows stay small: take it once.
        """
        texts = iter(json.loads(self.packed))
        found: list[Cell | None] = []
        for letter in self.kinds:
            kind = KINDS.get(letter)
            found.append(kind and Cell(kind[0], next(texts), kind[1]))
        return found


@dataclass(slots=True)
class Sheet:
    """A worksheet: only rows with values, in the user's order, and what is merged.

    ``row_count`` is how many rows the file lists, blank ones included.
    """

    name: str
    hidden: bool
    rows: list[Row]
    merged: list[Range]
    row_count: int = 0


@dataclass(slots=True)
class OpenSheet:
    """A worksheet whose rows are still being read: ``rows`` gives each once."""

    name: str
    hidden: bool
    rows: Iterator[Row]
    merged: list[Range]
    row_count: int


def read(data: bytes, name: str | None = None) -> list[Sheet]:
    """All worksheets of an uploaded workbook in their order, hidden ones included.

    ``name`` is the uploaded file's name, if there is one: it must agree with the content.
    Blank cells, rows and columns are left out, whatever their style. Raises Rejected.
    """
    return [
        Sheet(sheet.name, sheet.hidden, list(sheet.rows), sheet.merged, sheet.row_count)
        for sheet in stream(data, name)
    ]


def stream(data: bytes, name: str | None = None) -> Iterator[OpenSheet]:
    """The worksheets as `read` gives them, while the file is still being read.

    The rows of a sheet are taken before the next sheet is asked for; those left are passed over.
    Raises Rejected, possibly after many rows.
    """
    check_container(data)
    if name is not None:
        kind_of(data, name)
    lines = _Lines(stream_in_sandbox(_emit_packed, data, BROKEN_WORKBOOK, **READ_LIMITS))
    try:
        while sheet := lines.next_sheet():
            yield sheet
            for _ in sheet.rows:
                pass
    except (ValueError, TypeError, IndexError, RecursionError):
        raise Rejected(BROKEN_WORKBOOK) from None
    finally:
        lines.close()


# The way from the child to the parent: one line per sheet and row, JSON where text may stand.

BLANK = "."
LINES = 200  # rows that come together
KINDS: dict[str, tuple[CellKind, bool]] = {
    "t": ("text", False),
    "n": ("number", False),
    "d": ("date", False),
    "b": ("bool", False),
    "e": ("error", False),
    "T": ("text", True),
    "N": ("number", True),
    "D": ("date", True),
    "B": ("bool", True),
    "E": ("error", True),
    "F": ("formula-without-value", True),
}
dumps = json.JSONEncoder(ensure_ascii=False).encode


class _Lines:
    """The child's answer line by line; ValueError or the like if it is not of the agreed form."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts = parts
        self.lines: Iterator[bytes] = iter(())
        self.waiting: bytes | None = None  # the line of the next sheet

    def close(self) -> None:
        """End the child."""
        self.parts.close()  # type: ignore[attr-defined]

    def _next(self) -> bytes | None:
        line = self.waiting
        if line is not None:
            self.waiting = None
            return line
        while (line := next(self.lines, None)) is None:
            part = next(self.parts, None)
            if part is None:
                return None
            self.lines = iter(part.split(b"\n"))
        return line

    def next_sheet(self) -> OpenSheet | None:
        line = self._next()
        if line is None:
            return None
        tag, packed = line.split(b"\t")
        if tag != b"sheet":
            raise ValueError
        name, hidden, merged, row_count = json.loads(packed)
        ranges = [(int(a), int(b), int(c), int(d)) for a, b, c, d in merged]
        return OpenSheet(str(name), bool(hidden), self._rows(), ranges, int(row_count))

    def _rows(self) -> Iterator[Row]:
        while (line := self._next()) is not None:
            if line.startswith(b"sheet"):
                self.waiting = line
                return
            number, hidden, kinds, packed = line.split(b"\t")
            yield Row(int(number), hidden == b"1", kinds.decode("ascii"), packed)


# In the sandbox


class Damaged(Exception):
    """The file does not follow the standard: BROKEN_WORKBOOK for the user, the place in the log."""


def _emit_packed(emit: Callable[[bytes], None], data: bytes) -> None:
    """Each sheet as a line that names it and what is merged, then a line for each row.

    What is merged stands behind the rows in the file, but is needed before them: a first look finds
    it, and the reader must find the same.
    """
    scan_members(data)
    room = MAX_ANSWER
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        book = _Book(archive)
        for name, hidden, part in book.sheets:
            reader = _SheetReader(name, book, room, emit)
            scout = _SheetReader(name, book, 0, emit)
            count = book.look_ahead(part, scout)
            emit(b"sheet\t" + dumps([name, hidden, scout.merged, count]).encode())
            book.parse(part, reader)
            reader.flush()
            if reader.merged != scout.merged:
                raise Damaged("merged ranges")
            room = reader.room


class _LocalNames(dict[str, str]):
    """x:row → row: which prefix a program gives to the one namespace does not matter."""

    def __missing__(self, name: str) -> str:
        self[name] = local = name.rpartition(":")[2]
        return local


class _Reader:
    """Takes the events of one XML part."""

    def __init__(self) -> None:
        self.local = _LocalNames()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def characters(self, text: str) -> None:
        """Text, possibly in pieces."""


class _Book:
    """The parts of a workbook and what the sheets share: strings, date styles, the calendar."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.parts = {member.filename.casefold(): member for member in archive.infolist()}
        roots = [r for r in self._relations("") if r.kind == "officeDocument"]
        if len(roots) != 1:
            raise Damaged("not one main part")
        related = self._relations(roots[0].target)
        main = self._elements(roots[0].target)
        self.is_1904 = any(
            tag == "workbookPr" and attributes.get("date1904") in TRUE
            for _, tag, attributes in main
        )
        self.sheets = _listed_sheets(main, related)
        self.strings = self._read_strings(related)
        self.date_styles = self._read_date_styles(related)

    def parse(self, part: str, reader: _Reader) -> None:
        """Stream one part through expat, read as UTF-8 whatever it says of itself."""
        member = self.parts.get(part.casefold())
        if member is None:
            raise Damaged("part missing")
        parser = expat.ParserCreate("UTF-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.characters
        with self.archive.open(member) as stream:
            while chunk := stream.read(CHUNK):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)

    def look_ahead(self, part: str, scout: _SheetReader) -> int:
        """Show SCOUT the merged ranges of a sheet; how many rows the sheet lists."""
        member = self.parts.get(part.casefold())
        if member is None:
            raise Damaged("part missing")
        count, rest = 0, b""
        with self.archive.open(member) as stream:
            while chunk := stream.read(CHUNK):
                window = rest + chunk
                end = window.rfind(b">") + 1
                rest = window[end:]
                if len(rest) > LONGEST_TAG:
                    raise Damaged("no end of a tag")
                count += sum(1 for _ in ROW_TAG.finditer(window, 0, end))
                if b"mergeCell" in window:
                    for match in MERGED_TAG.finditer(window, 0, end):
                        scout.merge(match[1].decode("ascii", "replace"))
        return count

    def _elements(self, part: str) -> list[tuple[str, str, dict[str, str]]]:
        """(parent, tag, attributes) of every element of a small part."""
        reader = _ElementReader()
        self.parse(part, reader)
        return reader.elements

    def _relations(self, part: str) -> list[_Relation]:
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        if listed.casefold() not in self.parts:
            return []
        return [
            _Relation(
                attributes["Id"],
                attributes["Type"].rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/"),
            )
            for _, tag, attributes in self._elements(listed)
            if tag == "Relationship" and attributes.get("TargetMode") != "External"
        ]

    def _read_strings(self, related: list[_Relation]) -> list[str]:
        reader = _StringReader()
        for relation in related:
            if relation.kind == "sharedStrings":
                self.parse(relation.target, reader)
        return reader.strings

    def _read_date_styles(self, related: list[_Relation]) -> set[str]:
        """Numbers of the cell styles (as the cells quote them) that show a number as a date."""
        codes: dict[str, str] = {}
        formats: list[str] = []
        for relation in related:
            if relation.kind != "styles":
                continue
            for parent, tag, attributes in self._elements(relation.target):
                if tag == "numFmt" and parent == "numFmts":
                    codes[attributes["numFmtId"]] = attributes["formatCode"]
                elif tag == "xf" and parent == "cellXfs":
                    formats.append(attributes.get("numFmtId", "0"))
        dates = {number for number, code in codes.items() if shows_date(code)}
        dates |= {number for number in BUILTIN_DATES if number not in codes}
        return {str(style) for style, number in enumerate(formats) if number in dates}


class _Relation(NamedTuple):
    id: str
    kind: str
    target: str


CHUNK = 256 * 1024
LONGEST_TAG = 1024 * 1024  # text counts as part of the tag behind it
ROW_TAG = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")
MERGED_TAG = re.compile(rb"""<(?:[\w.-]+:)?mergeCell\s[^<>]*?\bref\s*=\s*["']([^"'<>]*)["']""")
TRUE = ("1", "true")


def _refuse_doctype(*_: object) -> None:
    raise Rejected(BROKEN_WORKBOOK)


def _listed_sheets(
    main: list[tuple[str, str, dict[str, str]]], related: list[_Relation]
) -> list[tuple[str, bool, str]]:
    """(name, hidden, part) of the worksheets; charts and dialogues are left out."""
    targets = {r.id: r.target for r in related if r.kind == "worksheet"}
    sheets = []
    for parent, tag, attributes in main:
        if tag != "sheet" or parent != "sheets":
            continue
        [relation] = [value for key, value in attributes.items() if key.endswith(":id")]
        if relation in targets:
            hidden = attributes.get("state", "visible") != "visible"
            sheets.append((attributes["name"], hidden, targets.pop(relation)))
    if not sheets:
        raise Rejected("工作簿里没有可以读取的工作表。请确认名单所在的工作表已经保存。")
    if len(sheets) > MAX_SHEETS:
        raise Rejected(f"工作簿超过 {MAX_SHEETS} 个工作表。请只保留名单所在的工作表后再上传。")
    if len({part.casefold() for _, _, part in sheets}) < len(sheets):
        raise Damaged("two sheets in one part")
    return sheets


class _ElementReader(_Reader):
    """Collects the elements of a small part with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, str, dict[str, str]]] = []
        self.path = [""]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self.local[name]
        self.elements.append((self.path[-1], tag, attributes))
        self.path.append(tag)

    def end(self, name: str) -> None:
        self.path.pop()


class _StringReader(_Reader):
    """Collects the shared strings; how a word is pronounced (rPh) is not part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.strings: list[str] = []
        self.text = ""
        self.takes = False
        self.phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self.local[name]
        if tag == "t":
            self.takes = not self.phonetic
        elif tag == "si":
            self.text = ""
        elif tag == "rPh":
            self.phonetic = True

    def end(self, name: str) -> None:
        tag = self.local[name]
        if tag == "t":
            self.takes = False
        elif tag == "si":
            self.strings.append(_written(self.text))
        elif tag == "rPh":
            self.phonetic = False

    def characters(self, text: str) -> None:
        if self.takes:
            self.text += text


ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _written(text: str) -> str:
    """Text with Excel's escapes (_x000D_) resolved, as far as XML could hold the character."""
    if len(text) > 7 * CELL_TEXT:
        raise Rejected(TOO_LONG)
    if "_x" in text:
        text = ESCAPED.sub(_unescaped, text)
    if len(text) > CELL_TEXT:
        raise Rejected(TOO_LONG)
    return text


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if FORBIDDEN.match(character) else character


TOO_LONG = f"工作簿里有单元格超过 {CELL_TEXT} 个字。请删减后再上传。"
DIGITS = "0123456789"


class _Columns(dict[str, int]):
    """Letters → number of a column; each is checked once."""

    def __missing__(self, letters: str) -> int:
        if not re.fullmatch(r"[A-Z]{1,3}", letters) or column_number(letters) > SHEET_COLUMNS:
            raise Damaged("column")
        self[letters] = number = column_number(letters)
        return number


class _SheetReader(_Reader):
    """Turns one worksheet into packed rows and emits them. Attributes instead of objects: it is called for each
    cell."""

    def __init__(self, name: str, book: _Book, room: int, emit: Callable[[bytes], None]) -> None:
        super().__init__()
        self.name, self.book, self.room, self.emit = name, book, room, emit
        self.lines: list[bytes] = []
        self.merged: list[Range] = []
        self.merged_area = 0
        self.columns = _Columns()
        self.in_data = self.in_row = self.in_cell = self.phonetic = self.takes = False
        self.row = 0
        self.by_type: dict[str, Callable[[str], tuple[str, str]]] = {
            "s": self._shared,
            "n": self._number,
            "str": _string,
            "inlineStr": _string,
            "b": _boolean,
            "e": _error,
            "d": _iso_date,
        }

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self.local[name]
        if self.in_cell:
            self._start_in_cell(tag)
        elif self.in_row:
            if tag == "c":
                self._start_cell(attributes)
        elif self.in_data:
            if tag == "row":
                self._start_row(attributes)
        elif tag == "sheetData":
            self.in_data = True
        elif tag == "mergeCell":
            self.merge(attributes["ref"])

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r")
        before, self.row = self.row, int(number) if number else self.row + 1
        if not before < self.row <= SHEET_ROWS:
            raise Damaged("row")
        self.row_digits = str(self.row)
        self.row_hidden = attributes.get("hidden") in TRUE
        self.column = self.last_value = 0
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.in_row = True

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        before = self.column
        if reference is None:
            self.column += 1
        else:
            letters = reference.rstrip(DIGITS)
            if reference[len(letters) :] != self.row_digits:
                raise Damaged("cell in another row")
            self.column = self.columns[letters]
        if not before < self.column <= SHEET_COLUMNS:
            raise Damaged("column")
        self.type = attributes.get("t", "n")
        self.style = attributes.get("s", "0")
        self.value: str | None = None
        self.formula: str | None = None
        self.in_cell = True

    def _start_in_cell(self, tag: str) -> None:
        if tag == "v" or (tag == "t" and not self.phonetic):
            self.text = "" if tag == "v" or self.value is None else self.value
            self.takes = True
        elif tag == "f":
            self.text = ""
            self.takes = True
        elif tag == "rPh":
            self.phonetic = True
        elif tag == "c":
            raise Damaged("cell in a cell")

    def end(self, name: str) -> None:
        tag = self.local[name]
        if self.in_cell:
            self._end_in_cell(tag)
        elif tag == "row":
            self.in_row = False
            if self.texts:
                self._pack()
        elif tag == "sheetData":
            self.in_data = False

    def _end_in_cell(self, tag: str) -> None:
        if tag == "c":
            self.in_cell = False
            self._end_cell()
        elif tag == "rPh":
            self.phonetic = False
        elif self.takes:
            self.takes = False
            if tag == "f":
                self.formula = self.text
            else:
                self.value = self.text

    def characters(self, text: str) -> None:
        if self.takes:
            self.text += text

    def _end_cell(self) -> None:
        value = self.value
        if value:
            kind, text = self.by_type[self.type](value)
            if not text or text.isspace():
                return
            if self.formula is not None:
                kind = kind.upper()
        elif self.formula is not None and (value is None or self.type != "str"):
            kind, text = "F", f"={self.formula[:200]}"
        else:
            return
        if self.row > MAX_ROWS or self.column > MAX_COLUMNS:
            raise Rejected(outside_grid(f"{_letters(self.column)}{self.row}", self.name))
        self.kinds.append(BLANK * (self.column - self.last_value - 1) + kind)
        self.texts.append(text)
        self.last_value = self.column

    def _pack(self) -> None:
        kinds = "".join(self.kinds)
        line = f"{self.row}\t{self.row_hidden:d}\t{kinds}\t{dumps(self.texts)}".encode()
        self.room -= len(line)
        if self.room < 0:
            raise Rejected(
                f"工作簿的文字合计超过 {MAX_ANSWER // MB} MB。请拆分成几个文件后再上传。"
            )
        self.lines.append(line)
        if len(self.lines) >= LINES:
            self.flush()

    def flush(self) -> None:
        """Hand over the rows that are packed."""
        if self.lines:
            self.emit(b"\n".join(self.lines))
            self.lines = []

    def _shared(self, value: str) -> tuple[str, str]:
        index = int(value)
        if not 0 <= index < len(self.book.strings):
            raise Damaged("shared string")
        return "t", self.book.strings[index]

    def _number(self, value: str) -> tuple[str, str]:
        if self.style in self.book.date_styles:
            return date_of_number(value, self.book.is_1904)
        return number_text(value)

    def merge(self, reference: str) -> None:
        """Note a merged range, as far as it lies within the grid."""
        first, _, last = reference.partition(":")
        row, column = self._place(first)
        last_row, last_column = self._place(last or first)
        if row > last_row or column > last_column:
            raise Damaged("merged range")
        if row > MAX_ROWS or column > MAX_COLUMNS:
            return
        last_row, last_column = min(last_row, MAX_ROWS), min(last_column, MAX_COLUMNS)
        self.merged.append((row, column, last_row, last_column))
        self.merged_area += (last_row - row + 1) * (last_column - column + 1)
        if self.merged_area > MAX_ROWS * MAX_COLUMNS:
            raise Damaged("merged ranges overlap")
        if len(self.merged) > MAX_MERGED:
            raise Rejected(
                f"工作表“{self.name}”的合并单元格超过 {MAX_MERGED} 处。请取消数据行的合并后再上传。"
            )

    def _place(self, reference: str) -> tuple[int, int]:
        letters = reference.rstrip(DIGITS)
        row = int(reference[len(letters) :])
        if not 0 < row <= SHEET_ROWS:
            raise Damaged("row")
        return row, self.columns[letters]


def _letters(column: int) -> str:
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


# Values


def _string(value: str) -> tuple[str, str]:
    return "t", _written(value)


def _error(value: str) -> tuple[str, str]:
    return "e", value[:40]


def _boolean(value: str) -> tuple[str, str]:
    if value not in ("0", "1", "true", "false"):
        raise Damaged("boolean")
    return "b", "TRUE" if value in TRUE else "FALSE"


def _iso_date(value: str) -> tuple[str, str]:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return "e", value[:40]
    return _date(moment.replace(tzinfo=None), value)


def _date(moment: datetime, otherwise: str) -> tuple[str, str]:
    if not FIRST_DATE <= moment.date() <= LAST_DATE:
        return "e", otherwise[:40]
    midnight = not (moment.hour or moment.minute or moment.second)
    return "d", moment.date().isoformat() if midnight else moment.isoformat(timespec="seconds")


NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,20})", re.ASCII)


@lru_cache(maxsize=65_536)
def number_text(value: str) -> tuple[str, str]:
    """("n", plain decimal digits) of a stored number; ("e", …) when it is none.

    The digits are the shortest that stand for the same stored number: 36.600000000000001 is 36.6
    as on the screen, 4.2E+17 is 420000000000000000; a number from 1E+21 keeps its exponent.
    """
    if WHOLE.fullmatch(value):
        return "n", value
    value = value.strip(" \t\r\n")
    if len(value) > 60 or not NUMBER.fullmatch(value):
        return "e", value[:40]
    if re.fullmatch(r"[+-]?\d{1,21}", value, re.ASCII):
        return "n", str(int(value))
    number = float(value)
    if abs(number) == float("inf"):
        return "e", value
    if abs(number) >= 1e21 or 0 < abs(number) < 1e-15:
        return "n", repr(number)
    text = f"{Decimal(repr(number)):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "n", "0" if text == "-0" else text


@lru_cache(maxsize=65_536)
def date_of_number(value: str, is_1904: bool) -> tuple[str, str]:
    """("d", ISO 8601) of a day count; ("e", the number) outside FIRST_DATE … LAST_DATE."""
    kind, text = number_text(value)
    if kind == "e":
        return kind, text
    serial = float(text)
    if not 0 <= serial < 100_000:
        return "e", text
    start = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)
    return _date(start + timedelta(seconds=round(serial * 86_400)), text)


# Formats that show a date without saying how (§18.8.30); 27–36 and 50–58 are those of China.
BUILTIN_DATES = {str(n) for n in (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))}
LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!\s*[hmsHMS]+\s*\])[^\]]*\]')


def shows_date(code: str) -> bool:
    """Does this number format show a date or a time?"""
    return re.search(r"[ymdhs]|aaa", LITERAL.sub("", code[:255]).lower()) is not None


# Writing

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def safe_text(value: str) -> str:
    """``value`` without the characters XML 1.0 cannot hold (controls, lone surrogates).

    Raises ValueError above 32,767 characters: Excel would cut the rest without a word.
    """
    text = FORBIDDEN.sub("", value)
    _limit_text(text)
    return text


def write_text(cell: OpenpyxlCell, value: str) -> None:
    """Write ``value`` into an openpyxl cell as text that no program takes for a formula.

    Excel reads it as it stands; the quote prefix keeps it text when somebody edits the cell.
    Raises ValueError above 32,767 characters.
    """
    cell.value, is_formula_like = cell_text(value)
    cell.data_type = "s"
    if is_formula_like:
        cell.quotePrefix = True


def cell_text(value: str) -> tuple[str, bool]:
    """``value`` as the text of a cell, and whether a program might take it for a formula.

    Raises ValueError above 32,767 characters.
    """
    text = safe_text(value)
    # What looks like an escape must be read back as itself, and XML would turn CR into LF.
    escaped = ESCAPED.sub(r"_x005F_x\1_", text).replace("\r", "_x000D_")
    _limit_text(escaped)
    return escaped, text.startswith(FORMULA_STARTS)


def _limit_text(text: str) -> None:
    # Excel counts UTF-16 units: a rare character outside the basic plane is two.
    length = len(text.encode("utf-16-le")) // 2
    if length > CELL_TEXT:
        raise ValueError(f"单元格最多容纳 {CELL_TEXT} 个字，这里有 {length} 个。")
