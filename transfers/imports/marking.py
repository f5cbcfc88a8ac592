"""The user's own workbook back, with what was found in it; he mends it and uploads it as it is.

Only what says something is changed: bad cells get a fill and a note, people a word in the column
结果, and all of it is listed in the sheet 问题. A later round takes the marks of the earlier off.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from transfers.imports.columns import PROBLEM_SHEET
from xianning.sandbox import MB
from xianning.uploads import (
    BROKEN_WORKBOOK,
    MAX_COLUMNS,
    SHEET_COLUMNS,
    SHEET_ROWS,
    WORKBOOK_BYTES,
    check_container,
    column_number,
    in_sandbox,
    scan_members,
)
from xianning.workbook import FORMULA_STARTS, safe_text
from xianning.xlsx import notes, sheets
from xianning.xlsx.package import DECLARATION, Package
from xianning.xlsx.styles import COLOURS, Level, Styles
from xianning.xlsx.tags import ATTRIBUTE, Damaged, Document, attributes, escape

if TYPE_CHECKING:
    from transfers.imports.matching import Layout
    from xianning.workbook import Row

RESULT = "结果"
STATES = frozenset({"新增", "更新", "不变", "有误"})
NOTE = (
    "以下问题由系统检查得出。请在原表中改正后直接上传本文件，本表和“结果”列不会被读取，无需删除。"
)
HEADINGS = ("工作表", "行", "列", "填写内容", "类别", "问题", "修改办法")
_WIDTHS = (12, 7, 18, 26, 7, 60, 44)
LEVELS: dict[Level, str] = {"error": "错误", "warning": "提醒"}
MOST_PROBLEMS = 50_000
_LONGEST_NOTE, _LONGEST_TEXT = 1000, 2000
_MORE = "另有 {} 个问题没有列出，请先改正以上问题，再重新上传。"
_NAMES = (
    PROBLEM_SHEET,
    f"{PROBLEM_SHEET}（系统）",
    *(f"{PROBLEM_SHEET}（系统{n}）" for n in range(2, 99)),
)

# 10,000 rows × 50 columns take 3 s here, 100,000 half a minute.
LIMITS = {
    "memory_mb": 400,
    "cpu_seconds": 90,
    "wall_seconds": 300,
    "result_mb": 2 * WORKBOOK_BYTES // MB,
}


class Mark(NamedTuple):
    """A cell to be coloured: COLUMN is its letters or its number from 1. Several are one note."""

    sheet: str
    row: int
    column: int | str
    message: str
    level: Level = "error"


class Problem(NamedTuple):
    """A row of the sheet 问题; COLUMN the user's heading, VALUE as he typed it or masked.

    PLACE: the column (letters or number from 1) to which the row's number is a link.
    """

    sheet: str
    row: int | None
    column: str
    value: str
    rule: str
    mending: str
    level: Level = "error"
    place: int | str | None = None


def mark(
    data: bytes,
    marks: Iterable[Mark],
    states: Mapping[tuple[str, int], str],
    problems: Iterable[Problem],
    *,
    headings: Mapping[str, int] | None = None,
) -> bytes:
    """The workbook DATA (.xlsx) with marks; worked on in the sandbox.

    STATES: one of STATES by sheet and row. HEADINGS: in which row of a sheet 结果 is written (see
    `heading_row`); without it, above the first state. Whatever is not concerned keeps its bytes.
    A sheet that fills all columns that are read gets no 结果. Raises Rejected when the file cannot
    be read, and ValueError for a place outside the grid.
    """
    listed = list(problems)
    job = _Job(problems=[_cleaned(problem) for problem in listed[:MOST_PROBLEMS]])
    job.left_out = len(listed) - len(job.problems)
    for one in marks:
        job.sheet(one.sheet).add(one.row, _number(one.column), one.message, one.level)
    for (sheet, row), state in states.items():
        if state not in STATES or not 0 < row <= SHEET_ROWS:
            raise ValueError(f"{state} {row}")
        job.sheet(sheet).states[row] = state
    for sheet, row in (headings or {}).items():
        if sheet in job.sheets:
            job.sheets[sheet].heading = row
    check_container(data)
    return bytes(in_sandbox(partial(_marked, job), data, BROKEN_WORKBOOK, **LIMITS))


def heading_row(layout: Layout, top: Iterable[Row]) -> int:
    """The row for the heading 结果: the lowest of the headings that does not only count columns."""
    words = [
        row.number
        for row in top
        if row.number <= layout.last_row
        and any(cell and not cell.text.strip("()（） ").isdecimal() for cell in row.cells())
    ]
    return max(words, default=layout.last_row)


def is_problem_sheet(name: str, top: list[Row]) -> bool:
    """Whether a sheet is the list of problems that an earlier round has added."""
    cells = top[0].cells() if name.startswith(PROBLEM_SHEET) and top else []
    return bool(cells) and cells[0] is not None and cells[0].text == NOTE


def _number(column: int | str) -> int:
    number = column if isinstance(column, int) else column_number(column)
    if not 0 < number <= SHEET_COLUMNS:
        raise ValueError(f"column {column}")
    return number


def _cleaned(problem: Problem) -> Problem:
    sheet, column, value, rule, mending = (
        _cut(text, _LONGEST_TEXT)
        for text in (problem.sheet, problem.column, problem.value, problem.rule, problem.mending)
    )
    return Problem(sheet, problem.row, column, value, rule, mending, problem.level, problem.place)


def _cut(text: str, longest: int) -> str:
    return safe_text(text if len(text) <= longest else text[: longest - 1] + "…")


@dataclass
class _SheetJob:
    """What is to be marked in a sheet."""

    messages: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    levels: dict[tuple[int, int], Level] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    heading: int | None = None

    def add(self, row: int, column: int, message: str, level: Level) -> None:
        if not 0 < row <= SHEET_ROWS or level not in COLOURS:
            raise ValueError(f"{level} {row}")
        texts = self.messages.setdefault((row, column), [])
        if message not in texts:
            texts.append(message)
        if self.levels.get((row, column)) != "error":
            self.levels[row, column] = level


@dataclass
class _Job:
    sheets: dict[str, _SheetJob] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0

    def sheet(self, name: str) -> _SheetJob:
        return self.sheets.setdefault(name, _SheetJob())


# --- in the sandbox -----------------------------------------------------------------------------


def _marked(job: _Job, data: bytes) -> bytes:
    scan_members(data)
    book = _Book(Package(data))
    if missing := job.sheets.keys() - book.sheets.keys():
        raise Damaged(f"{len(missing)} sheets missing")
    earlier = next((name for name in book.sheets if book.is_problem_sheet(name)), None)
    for name, part in book.sheets.items():
        if name != earlier:
            _mark_sheet(book, part, job.sheets.get(name, _SheetJob()))
    if job.problems or earlier is not None:
        _write_problems(book, job, earlier)
    book.styles.save()
    return book.package.save()


class _Book:
    """The workbook that is changed: its sheets by name, what they share."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.main = Document(package.read(package.main))
        spaces = dict(ATTRIBUTE.findall(self.main.tag))
        prefix = self.main.prefix.rstrip(b":")
        self.namespace = spaces[b"xmlns:" + prefix if prefix else b"xmlns"][1:-1]
        related = package.relations(package.main)
        parts = {r.id: r.target for r in related if r.kind == "worksheet"}
        self.sheets: dict[str, str] = {}
        self.ids: set[int] = set()
        self.taken: set[str] = set()  # names, of charts, too
        for element in self.main.listed("sheets"):
            values = attributes(element.tag(self.main.xml))
            self.taken.add(values["name"].casefold())
            self.ids.add(int(values["sheetId"]))
            [key] = [value for name, value in values.items() if name.endswith(":id")]
            if key in parts:
                self.sheets[values["name"]] = parts[key]
        self.styles = Styles(package, self.namespace)
        self.shared: dict[int, str] = {}
        for relation in related:
            if relation.kind == "sharedStrings" and package.has(relation.target):
                chunks = package.chunks(relation.target)
                self.shared = sheets.shared_texts(chunks, {NOTE, RESULT, *STATES})

    def is_problem_sheet(self, name: str) -> bool:
        """See the function of this name."""
        if not name.startswith(PROBLEM_SHEET):
            return False
        pieces = sheets.pieces(self.package.chunks(self.sheets[name]))
        for piece in islice(pieces, 1, 2):
            if piece.kind == "row":
                row = sheets.Row(piece)
                return bool(row.cells) and row.text(0, self.shared) == NOTE
        return False


@dataclass
class _Look:
    """What a first look at a sheet finds; columns from 1, 0 for none."""

    columns: list[tuple[int, int, int]] = field(default_factory=list)
    width: int = 0  # last column with a value, from the headings on
    result: int = 0  # the column 结果 of an earlier round
    results: list[int] = field(default_factory=list)  # its rows
    is_coloured: bool = False
    tail: bytes = b""


def _mark_sheet(book: _Book, part: str, job: _SheetJob) -> None:
    package, styles = book.package, book.styles
    has_job = bool(job.levels or job.states)
    comments = [r.target for r in package.relations(part) if r.kind == "comments"]
    has_notes = notes.may_have_ours(package, filter(package.has, comments))
    if not has_job and not has_notes and not styles.ours:
        return
    heading = job.heading if job.heading is not None else min(job.states, default=1) - 1
    look = _look(book, part, heading, {*job.states})
    anchors = _anchors(look.tail, {*job.levels})
    changes = sheets.Changes(columns=look.columns)
    for place, level in sorted(job.levels.items(), key=lambda item: item[1] == "error"):
        row, column = anchors.get(place, place)
        changes.levels.setdefault(row, {})[column] = level
    look.width = max([look.width, *(column for _, column in job.levels)])
    shown = _add_results(changes, job.states, look, heading)
    drawn = sheets.legacy_drawing(look.tail)
    drawing = _write_notes(book, part, drawn, job, anchors)
    if changes.rows() or look.is_coloured or drawing != drawn:
        package.write_chunks(part, _rewritten(book, part, changes, drawing, shown))


def _look(book: _Book, part: str, heading: int, states: set[int]) -> _Look:
    look = _Look()
    coloured = sheets.quotes_any(book.styles.ours)
    found: dict[int, list[int]] = {}  # rows by column that may be 结果
    for piece in sheets.pieces(book.package.chunks(part)):
        if piece.kind == "head":
            look.columns = sheets.column_formats(piece.xml)
        elif piece.kind == "tail":
            look.tail = piece.xml
        else:
            look.is_coloured = look.is_coloured or bool(coloured and coloured.search(piece.xml))
            row = sheets.Row(piece)
            if row.number >= heading:
                look.width = max(look.width, row.last_with_value())
            if row.number <= heading:
                _note_headings(found, row, book.shared)
            elif found:
                _follow(found, row, book.shared)
    if states:
        look.result = max(found, default=0)
        look.results = found.get(look.result, [])
        for first, _, last, last_column in sheets.merged(look.tail):
            if first <= max(states) and last >= heading:
                look.width = max(look.width, last_column)
    return look


def _note_headings(found: dict[int, list[int]], row: sheets.Row, shared: Mapping[int, str]) -> None:
    for index in range(len(row.cells)):
        if row.text(index, shared) == RESULT:
            found[row.column(index)] = []


def _follow(found: dict[int, list[int]], row: sheets.Row, shared: Mapping[int, str]) -> None:
    """A column with other words than ours is the user's own."""
    for column in list(found):
        index = row.at(column)
        if index is None or not row.has_value(index):
            continue
        if row.text(index, shared) in STATES:
            found[column].append(row.number)
        else:
            del found[column]


def _anchors(tail: bytes, places: set[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int]]:
    """For places inside merged cells the one that is shown: the first."""
    ordered = sorted(places)
    found = {}
    for first, left, last, right in sheets.merged(tail):
        if (first, left) == (last, right):
            continue
        start, end = bisect_left(ordered, (first, 0)), bisect_right(ordered, (last, SHEET_COLUMNS))
        for row, column in ordered[start:end]:
            if left <= column <= right:
                found[row, column] = first, left
    return found


def _add_results(
    changes: sheets.Changes, states: Mapping[int, str], look: _Look, heading: int
) -> int | None:
    """Write 结果 into CHANGES; its column, None when there is none or no room."""
    column = look.result or look.width + 1
    if not states or column > MAX_COLUMNS:
        return None
    for row in look.results:
        changes.texts.setdefault(row, {})[column] = ""
    for row, state in states.items():
        changes.texts.setdefault(row, {})[column] = state
    if not look.result and heading > 0:
        changes.texts.setdefault(heading, {})[column] = RESULT
    return column


def _write_notes(
    book: _Book,
    part: str,
    drawn: str,
    job: _SheetJob,
    anchors: Mapping[tuple[int, int], tuple[int, int]],
) -> str:
    """Write the notes; the relation to their shapes that the sheet has to name."""
    messages: dict[tuple[int, int], list[str]] = {}
    for place, texts in sorted(job.messages.items()):
        own = messages.setdefault(anchors.get(place, place), [])
        own += [text for text in texts if text not in own]
    comments = notes.Notes(book.package, part, book.namespace, drawn)
    if not messages and not comments.has_ours:
        return drawn
    return comments.replace(
        {place: _cut("\n".join(texts), _LONGEST_NOTE) for place, texts in messages.items()}
    )


def _rewritten(
    book: _Book, part: str, changes: sheets.Changes, drawing: str, shown: int | None
) -> Iterator[bytes]:
    """The sheet anew, in pieces of a handy size."""
    rows = changes.rows()
    last_row = max(rows, default=0)
    last_column = max(
        (c for listed in (changes.levels, changes.texts) for r in listed.values() for c in r),
        default=0,
    )
    waiting, size = [], 0
    source = sheets.pieces(book.package.chunks(part))
    for piece in sheets.changed(source, changes, book.styles):
        xml = piece.xml
        if piece.kind == "head":
            xml = sheets.wider_head(xml, last_row, last_column, shown)
        elif piece.kind == "tail":
            xml = sheets.with_legacy_drawing(xml, drawing, book.package.office)
        waiting.append(xml)
        size += len(xml)
        if size > MB:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


# --- the sheet 问题 ------------------------------------------------------------------------------


def _write_problems(book: _Book, job: _Job, earlier: str | None) -> None:
    package = book.package
    xml = _problem_xml(book, job)
    if earlier is not None:
        part = book.sheets[earlier]
        for relation in package.relations(part):
            package.unrelate(part, relation.id)
        package.write_chunks(part, xml)
        return
    folder = posixpath.dirname(package.main)
    part = package.free_name(posixpath.join(folder, "worksheets/sheet{}.xml"))
    package.write_chunks(part, xml)
    package.declare(part, "spreadsheetml.worksheet+xml")
    related = package.relate(package.main, "worksheet", part)
    prefix = book.main.prefix_of(b"/relationships")
    declared = b"" if prefix else b' xmlns:r="%s"' % package.office.encode()
    title = next(name for name in _NAMES if name.casefold() not in book.taken)
    book.main.append(
        b'<%ssheet%s name="%s" sheetId="%d" %sid="%s"/>'
        % (
            book.main.prefix, declared, escape(title), max(book.ids, default=0) + 1,
            prefix or b"r:", related.encode(),
        ),
        "sheets",
    )  # fmt: skip
    package.write(package.main, book.main.xml)


def _problem_xml(book: _Book, job: _Job) -> Iterator[bytes]:
    yield DECLARATION + b'<worksheet xmlns="%s"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>' % (
        book.namespace
    )
    if book.main.child("bookViews"):
        yield (
            b'<sheetViews><sheetView workbookViewId="0"><pane ySplit="2" topLeftCell="A3" '
            b'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        )
    columns = (
        b'<col min="%d" max="%d" width="%d" customWidth="1"/>' % (n, n, width)
        for n, width in enumerate(_WIDTHS, start=1)
    )
    yield b"<cols>%s</cols><sheetData>" % b"".join(columns)
    styles = book.styles
    bold = styles.text(bold=True)
    formats = styles.text(wrapped=True), styles.text(wrapped=True, quoted=True)
    yield _row(1, [NOTE], (styles.text(), 0))
    yield _row(2, HEADINGS, (bold, bold))
    for number, problem in enumerate(job.problems, start=3):
        texts = (
            problem.sheet, problem.row, problem.column, problem.value, LEVELS[problem.level],
            problem.rule, problem.mending,
        )  # fmt: skip
        yield _row(number, texts, formats)
    if job.left_out:
        more = _MORE.format(job.left_out)
        yield _row(3 + len(job.problems), [more], (styles.text(), 0))
    yield b"</sheetData>"
    links = b"".join(_links(job))
    if links:
        yield b"<hyperlinks>%s</hyperlinks>" % links
    yield b'<pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/></worksheet>'


def _row(number: int, texts: Iterable[str | int | None], formats: tuple[int, int]) -> bytes:
    """FORMATS: of a text, and of one that would be taken for a formula when it is edited."""
    cells = []
    for column, text in enumerate(texts, start=1):
        place = notes.reference(number, column)
        if isinstance(text, int):
            cells.append(b'<c r="%s" s="%d"><v>%d</v></c>' % (place, formats[0], text))
        elif text:
            style = formats[text.startswith(FORMULA_STARTS)]
            cells.append(sheets.text_cell(b"", place, style, text))
    return b'<row r="%d">%s</row>' % (number, b"".join(cells))


def _links(job: _Job) -> Iterator[bytes]:
    for number, problem in enumerate(job.problems, start=3):
        if problem.row is not None and problem.sheet in job.sheets:
            column = notes.letters(_number(problem.place or 1))
            target = f"'{problem.sheet.replace(chr(39), chr(39) * 2)}'!{column}{problem.row}"
            yield b'<hyperlink ref="B%d" location="%s"/>' % (number, escape(target))
