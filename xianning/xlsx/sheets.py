"""A worksheet in pieces, row by row, so that 100,000 rows never stand in memory at once.

A row that is changed keeps the bytes of every cell that is not. ECMA-376 part 1, §18.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from xianning.uploads import SHEET_COLUMNS, SHEET_ROWS, column_number
from xianning.workbook import ESCAPED
from xianning.xlsx.notes import letters, reference
from xianning.xlsx.styles import Level, Styles
from xianning.xlsx.tags import (
    ATTRIBUTES,
    PREFIX,
    TAG,
    Damaged,
    Element,
    attributes,
    ending,
    escape,
    inside,
    is_empty,
    opening,
    siblings,
    unescape,
    with_attributes,
)

_DATA = opening(b"sheetData")
_ROW_OR_END = re.compile(
    rb"<" + PREFIX + rb"row(?=[\s/>])" + ATTRIBUTES + rb">|</" + PREFIX + rb"sheetData\s*>"
)
_ROW_END, _CELL, _CELL_END = ending(b"row"), opening(b"c"), ending(b"c")
_PLACE = re.compile(rb"""(?:^|\s)r\s*=\s*["']([A-Z]{1,3})[0-9]{1,7}["']""")
_STYLE = re.compile(rb"""(?:^|\s)s\s*=\s*["']([0-9]{1,7})["']""")
_TYPE = re.compile(rb"""(?:^|\s)t\s*=\s*["'](\w+)["']""")
_HAS_VALUE = re.compile(
    rb"<" + PREFIX + rb"(?:v|t|f)(?:\s[^>]*)?(?<!/)>[^<]|<" + PREFIX + rb"f[\s/]"
)
_VALUE = re.compile(rb"<" + PREFIX + rb"v(?:\s[^>]*)?>([^<]*)<")
_TEXT = re.compile(rb"<(" + PREFIX + rb")(t|rPh)(?:\s[^>]*)?(?<!/)>([^<]*)")
_STRING_END = re.compile(rb"</" + PREFIX + rb"si\s*>|<" + PREFIX + rb"si\s*/>")

MARKS_COLUMN_WIDTH = "10"


class Piece(NamedTuple):
    """HEAD ends with <sheetData>, TAIL begins with its end tag; ROW has white space before it."""

    kind: Literal["head", "row", "tail"]
    xml: bytes
    number: int = 0


def pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """A sheet's XML, all of it. Raises Damaged when the rows are not in their order."""
    source = iter(chunks)
    window = b""

    def more() -> bool:
        nonlocal window
        chunk = next(source, None)
        window += chunk or b""
        return chunk is not None

    while not (data := _DATA.search(window)):
        if not more():
            raise Damaged("no sheet data")
    if is_empty(data):
        start = data[0][:-2].rstrip()
        name = start[1:].split(None, 1)[0]
        yield Piece("head", window[: data.start()] + start + b">")
        yield Piece("tail", b"</" + name + b">" + window[data.end() :] + b"".join(source))
        return
    yield Piece("head", window[: data.end()])
    number, at = 0, data.end()
    while True:
        start_tag = _ROW_OR_END.search(window, at)
        end = _end_of_row(window, start_tag)
        if start_tag is None or end is None:
            window, at = window[at:], 0
            if not more():
                raise Damaged("no end of a row")
        elif start_tag[1] is None:
            yield Piece("tail", window[at:] + b"".join(source))
            return
        else:
            number = _number_of_row(start_tag[1], number)
            yield Piece("row", window[at:end], number)
            at = end


def _end_of_row(window: bytes, start: re.Match[bytes] | None) -> int | None:
    if start is None or start[1] is None or is_empty(start):
        return start and start.end()
    found = _ROW_END.search(window, start.end())
    return found and found.end()


_ROW_NUMBER = re.compile(rb"""(?:^|\s)r\s*=\s*["']([0-9]{1,7})["']""")


def _number_of_row(tag: bytes, before: int) -> int:
    found = _ROW_NUMBER.search(tag)
    number = int(found[1]) if found else before + 1
    if not before < number <= SHEET_ROWS:
        raise Damaged("row")
    return number


# --- a row


class Row:
    """The cells of a row, found but not read; their columns are counted only when asked for."""

    def __init__(self, piece: Piece) -> None:
        self.xml, self.number = piece.xml, piece.number
        start = TAG.search(self.xml)
        assert start is not None
        self.start = start
        self.is_closed = is_empty(start)
        self.prefix = start[2][:-3]
        self.cells = list(_CELL.finditer(self.xml, start.end()))
        self.end = self._end()

    def _end(self) -> int:
        """Where the last cell ends."""
        if not self.cells:
            return self.start.end()
        last = self.cells[-1]
        if is_empty(last):
            return last.end()
        found = _CELL_END.search(self.xml, last.end())
        if found is None:
            raise Damaged("no end of a cell")
        return found.end()

    def column(self, index: int) -> int:
        """The column of a cell, from 1; a cell without a place follows the one before."""
        index %= len(self.cells)
        passed = 0
        while index - passed >= 0:
            found = _PLACE.search(self.cells[index - passed][1])
            if found:
                column = column_number(found[1].decode()) + passed
                if column > SHEET_COLUMNS:
                    raise Damaged("column")
                return column
            passed += 1
        return passed

    def written(self, index: int) -> bytes:
        """The bytes of a cell, with white space behind it."""
        following = index + 1
        end = self.cells[following].start() if following < len(self.cells) else self.end
        return self.xml[self.cells[index].start() : end]

    def has_value(self, index: int) -> bool:
        """Whether a cell holds something."""
        return not is_empty(self.cells[index]) and bool(_HAS_VALUE.search(self.written(index)))

    def last_with_value(self) -> int:
        """The column of the last cell that holds something; 0 when none does."""
        for index in range(len(self.cells) - 1, -1, -1):
            if self.has_value(index):
                return self.column(index)
        return 0

    def at(self, column: int) -> int | None:
        """The index of the cell in COLUMN; looked for from the right."""
        for index in range(len(self.cells) - 1, -1, -1):
            found = self.column(index)
            if found <= column:
                return index if found == column else None
        return None

    def style(self, index: int) -> int:
        """The number of a cell's format."""
        found = _STYLE.search(self.cells[index][1])
        return int(found[1]) if found else 0

    def own_style(self) -> int | None:
        """The format of the cells that the row does not list, if it has one for them."""
        values = attributes(self.start[0])
        if values.get("customFormat") in ("1", "true") and values.get("s", "").isdigit():
            return int(values["s"])
        return None

    def text(self, index: int, shared: Mapping[int, str]) -> str:
        """The text of a cell as far as SHARED knows it; nothing for a number."""
        cell = self.written(index)
        kind = _TYPE.search(self.cells[index][1])
        if kind is None or kind[1] not in (b"s", b"str", b"inlineStr"):
            return ""
        if kind[1] == b"inlineStr":
            return text_in(cell)
        value = _VALUE.search(cell)
        if value is None:
            return ""
        if kind[1] == b"str":
            return unescape(value[1].decode("utf-8"))
        return shared.get(int(value[1]), "") if value[1].strip().isdigit() else ""


def text_in(xml: bytes) -> str:
    """The text of <is> or <si>, without how it is pronounced."""
    words, is_spoken = [], False
    for match in _TEXT.finditer(xml):
        if match[2] == b"rPh":
            is_spoken = True
        elif is_spoken:
            is_spoken = False
        else:
            words.append(match[3])
    return unescape(b"".join(words).decode("utf-8"))


def shared_texts(chunks: Iterable[bytes], words: Iterable[str]) -> dict[int, str]:
    """The numbers of those shared strings that are one of WORDS."""
    wanted = set(words)
    # Some programs write every letter as a reference.
    pattern = re.compile(b"|".join([b"&#", *(re.escape(escape(word)) for word in wanted)]))
    found: dict[int, str] = {}
    number, rest = 0, b""
    for chunk in chunks:
        window = rest + chunk
        at = 0
        if not pattern.search(window):
            for match in _STRING_END.finditer(window):
                number, at = number + 1, match.end()
        else:
            for match in _STRING_END.finditer(window):
                text = window[at : match.start()]
                if pattern.search(text) and (word := text_in(text)) in wanted:
                    found[number] = word
                number, at = number + 1, match.end()
        rest = window[at:]
    return found


# --- changes


@dataclass
class Changes:
    """What is changed in a sheet, by row and column, from 1. A text "" empties the cell."""

    levels: dict[int, dict[int, Level]] = field(default_factory=dict)
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    columns: list[tuple[int, int, int]] = field(default_factory=list)  # see column_formats

    def rows(self) -> set[int]:
        """The rows that are changed."""
        return self.levels.keys() | self.texts.keys()


def changed(source: Iterable[Piece], changes: Changes, styles: Styles) -> Iterator[Piece]:
    """The pieces of a sheet with CHANGES; cells that we coloured before get their format back."""
    waiting = sorted(changes.rows(), reverse=True)
    coloured = quotes_any(styles.ours)
    for piece in source:
        while waiting and piece.kind != "head" and (
            piece.kind == "tail" or waiting[-1] < piece.number
        ):  # fmt: skip
            number = waiting.pop()
            new = Piece("row", b'<%srow r="%d"/>' % (prefix_of(piece), number), number)
            yield Piece("row", _changed_row(Row(new), changes, styles, False), number)
        is_wanted = piece.kind == "row" and bool(waiting) and waiting[-1] == piece.number
        if is_wanted:
            waiting.pop()
        is_coloured = piece.kind == "row" and bool(coloured and coloured.search(piece.xml))
        if is_coloured or is_wanted:
            piece = Piece(
                "row", _changed_row(Row(piece), changes, styles, is_coloured), piece.number
            )
        yield piece


def prefix_of(piece: Piece) -> bytes:
    """The prefix ("x:") of its first tag."""
    found = TAG.search(piece.xml)
    assert found is not None
    return found[2][: found[2].rfind(b":") + 1]


def quotes_any(styles: set[int]) -> re.Pattern[bytes] | None:
    """What finds a cell with one of these formats; text may look like it, so look again."""
    if not styles:
        return None
    numbers = b"|".join(str(n).encode() for n in sorted(styles))
    return re.compile(rb"""\ss\s*=\s*["'](?:""" + numbers + rb""")["']""")


def _changed_row(row: Row, changes: Changes, styles: Styles, is_coloured: bool) -> bytes:
    levels = changes.levels.get(row.number, {})
    texts = changes.texts.get(row.number, {})
    waiting = sorted(levels.keys() | texts.keys(), reverse=True)
    out: list[bytes] = []
    passed, left = 0, 0  # the last column, and its format without our colour

    def add_blank(column: int) -> None:
        """A cell that the row does not list yet; a text takes the format of the cell beside it."""
        is_beside = column in texts and column == passed + 1 and passed
        style = left if is_beside else _style_of_blank(row, column, changes)
        cell = b'<%sc r="%s"/>' % (row.prefix, reference(row.number, column))
        add(column, cell if not style else with_attributes(cell, s=str(style)), style)

    def add(column: int, cell: bytes, style: int) -> None:
        nonlocal passed, left
        passed, left = column, styles.base(style) if style in styles.ours else style
        level = levels.get(column)
        style = styles.marked(style, level) if level else left
        if column in texts:
            out.append(_text_instead(cell, row.prefix, style, texts[column]))
        else:
            out.append(_with_style(cell, style))

    first = 0
    if row.cells and not levels and not is_coloured:
        last = row.column(-1)
        if last < min(texts):  # by far the most rows: only a word behind the last cell
            first = len(row.cells)
            out.append(row.xml[row.cells[0].start() : row.end])
            passed, left = last, row.style(-1)
    for index in range(first, len(row.cells)):
        column = row.column(index)
        if column <= passed:
            raise Damaged("column")
        while waiting and waiting[-1] <= column:
            if waiting[-1] < column:
                add_blank(waiting[-1])
            waiting.pop()
        add(column, row.written(index), row.style(index))
    is_wider = bool(waiting)
    while waiting:
        add_blank(waiting.pop())
    return _around(row, b"".join(out), is_wider)


def _around(row: Row, cells: bytes, is_wider: bool) -> bytes:
    start = row.start[0]
    if is_wider:
        start = with_attributes(start, spans=None)
    before = row.xml[: row.start.start()]
    if not row.is_closed:
        return before + start + _gap(row) + cells + row.xml[row.end :]
    if not cells:
        return before + start
    name = row.prefix + b"row"
    return before + start[:-2].rstrip() + b">" + cells + b"</" + name + b">"


def _gap(row: Row) -> bytes:
    """White space between the start of a row and its first cell."""
    return row.xml[row.start.end() : row.cells[0].start()] if row.cells else b""


def _style_of_blank(row: Row, column: int, changes: Changes) -> int:
    own = row.own_style()
    if own is not None:
        return own
    return next((style for first, last, style in changes.columns if first <= column <= last), 0)


def _text_instead(cell: bytes, prefix: bytes, style: int, text: str) -> bytes:
    start = TAG.match(cell)
    assert start is not None
    return text_cell(prefix, attributes(start[3]).get("r", "").encode(), style, text)


def _with_style(cell: bytes, style: int) -> bytes:
    start = TAG.match(cell)
    assert start is not None
    found = _STYLE.search(start[3])
    if (int(found[1]) if found else 0) == style:
        return cell
    return with_attributes(start[0], s=str(style)) + cell[start.end() :]


def text_cell(prefix: bytes, place: bytes, style: int, text: str) -> bytes:
    """A cell with a text that no program takes for a formula; without text an empty one."""
    p = prefix
    start = b"<%sc" % p
    start += b' r="%s"' % place if place else b""
    start += b' s="%d"' % style if style else b""
    if not text:
        return start + b"/>"
    written = escape(ESCAPED.sub(r"_x005F_x\1_", text).replace("\r", "_x000D_"))
    space = b"" if text == text.strip() else b' xml:space="preserve"'
    return start + b' t="inlineStr"><%sis><%st%s>%s</%st></%sis></%sc>' % (
        p, p, space, written, p, p, p
    )  # fmt: skip


# --- head and tail


def _behind_first_tag(xml: bytes) -> list[Element]:
    """The elements that follow the first tag of XML, as far as their parent goes."""
    first = TAG.search(xml)
    if first is None:
        raise Damaged("no element")
    return list(siblings(xml, first.end()))


def column_formats(head: bytes) -> list[tuple[int, int, int]]:
    """First and last column with the format of their empty cells."""
    found = []
    for element in _behind_first_tag(head):
        if element.name == "cols":
            for column in inside(head, element):
                values = attributes(column.tag(head))
                if values.get("style", "0") != "0":
                    found.append((int(values["min"]), int(values["max"]), int(values["style"])))
    return found


def wider_head(head: bytes, last_row: int, last_column: int, shown: int | None) -> bytes:
    """The head with a dimension that reaches so far, and the column SHOWN not hidden."""
    for element in reversed(_behind_first_tag(head)):
        if element.name == "dimension":
            tag = _wider(element.tag(head), last_row, last_column)
            head = head[: element.start] + tag + head[element.inner :]
        elif element.name == "cols" and shown:
            inner = b"".join(
                _uncovered(head[e.start : e.end], shown) for e in inside(head, element)
            )
            head = head[: element.inner] + inner + head[element.closing :]
    return head


_DIMENSION = re.compile(r"([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?")


def _wider(tag: bytes, last_row: int, last_column: int) -> bytes:
    found = _DIMENSION.fullmatch(attributes(tag).get("ref", ""))
    if found is None:
        return tag
    column = max(column_number(found[3] or found[1]), last_column)
    row = max(int(found[4] or found[2]), last_row)
    return with_attributes(tag, ref=f"{found[1]}{found[2]}:{letters(column)}{row}")


def _uncovered(column: bytes, shown: int) -> bytes:
    """A <col> that hides SHOWN, cut so that it does not."""
    values = attributes(column)
    first, last = int(values["min"]), int(values["max"])
    if not first <= shown <= last or values.get("hidden") not in ("1", "true"):
        return column
    parts = []
    if first < shown:
        parts.append(with_attributes(column, max=str(shown - 1)))
    parts.append(
        with_attributes(
            column,
            min=str(shown),
            max=str(shown),
            hidden=None,
            width=MARKS_COLUMN_WIDTH,
            customWidth="1",
        )
    )
    if shown < last:
        parts.append(with_attributes(column, min=str(shown + 1)))
    return b"".join(parts)


_BEHIND_DRAWING = (  # what may follow <legacyDrawing> (§18.3.1.99); a choice is one of controls
    "legacyDrawingHF", "drawingHF", "picture", "oleObjects", "controls", "AlternateContent",
    "webPublishItems", "tableParts", "extLst",
)  # fmt: skip


def legacy_drawing(tail: bytes) -> str:
    """The relation to the shapes of the notes; nothing when there are none."""
    for element in _behind_first_tag(tail):
        if element.name == "legacyDrawing":
            values = attributes(element.tag(tail))
            return next((value for name, value in values.items() if name.endswith(":id")), "")
    return ""


def with_legacy_drawing(tail: bytes, relation: str, office: str) -> bytes:
    """The tail with this relation to the shapes of the notes, or with none."""
    if legacy_drawing(tail) == relation:
        return tail
    for element in _behind_first_tag(tail):
        if element.name == "legacyDrawing":
            tail = tail[: element.start] + tail[element.end :]
            break
    if not relation:
        return tail
    elements = _behind_first_tag(tail)
    end = elements[-1].end if elements else _end_of_data(tail)
    at = next((e.start for e in elements if e.name in _BEHIND_DRAWING), end)
    found = b'<%slegacyDrawing xmlns:r="%s" r:id="%s"/>'
    return (
        tail[:at]
        + found % (prefix_of(Piece("tail", tail)), office.encode(), relation.encode())
        + tail[at:]
    )


def _end_of_data(tail: bytes) -> int:
    found = TAG.search(tail)
    return found.end() if found else 0


def merged(tail: bytes) -> Iterator[tuple[int, int, int, int]]:
    """First row and column, last row and column of the merged cells."""
    for element in _behind_first_tag(tail):
        if element.name != "mergeCells":
            continue
        for cell in inside(tail, element):
            found = _DIMENSION.fullmatch(attributes(cell.tag(tail)).get("ref", ""))
            if found is None:
                raise Damaged("merged range")
            row, column = int(found[2]), column_number(found[1])
            yield row, column, int(found[4] or row), column_number(found[3] or found[1])
