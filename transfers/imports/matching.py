"""Which column of a sheet is which: headings found by their text, wherever they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transfers.imports.columns import (
    BY_FIELD,
    COLUMNS,
    GROUPS,
    IGNORED,
    REQUIRED,
    STRONG_GROUPS,
    Column,
)
from xianning import standards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xianning.workbook import Sheet

SEARCHED = 40  # rows from the top in which the headings are looked for
_HINT = re.compile(r"[(\[【].*?[)\]】]")
_NUMBERED = re.compile(r"^[0-9]{1,2}[.、]")
_MARKS = re.compile(r"[\s*:/\\_\-—.·]+")


def normal(text: str) -> str:
    """A heading as it is compared: no blanks, line breaks, stars, or hints in brackets."""
    folded = _NUMBERED.sub("", standards.fold(text).replace(" ", ""))
    return _MARKS.sub("", _HINT.sub("", folded)).lower()


def _normals(words: Iterable[str]) -> frozenset[str]:
    return frozenset(normal(word) for word in words)


def _plain_words(column: Column) -> frozenset[str]:
    """Headings that name the column without a merged heading above it."""
    if column.group in {"spouse", "contact1", "contact2"}:
        return frozenset()
    own = () if column.group == "social" or column.field.endswith("_phone") else (column.heading,)
    return _normals((*own, *column.aliases))


PLAIN: dict[str, Column] = {word: c for c in reversed(COLUMNS) for word in _plain_words(c)}
GROUP_OF: dict[str, str] = {
    word: group for group, words in reversed(GROUPS.items()) for word in _normals(words)
}
LEAVES: dict[str, dict[str, Column]] = {
    group: {word: c for c in COLUMNS if c.group == group for word in _normals(c.leaves)}
    for group in GROUPS
}
_NAMES, _NUMBERS = _plain_words(BY_FIELD["name"]), _plain_words(BY_FIELD["id_number"])
_SKIPPED = _normals(IGNORED)
_KNOWN = PLAIN.keys() | GROUP_OF.keys() | {word for leaves in LEAVES.values() for word in leaves}
_LONGEST_FIRST = sorted(GROUP_OF, key=len, reverse=True)


@dataclass
class Layout:
    """Where the headings of a sheet end, and what its columns are."""

    last_row: int
    columns: dict[int, Column] = field(default_factory=dict)  # by place, from 0
    headings: dict[str, str] = field(default_factory=dict)  # by field, the user's own words
    unknown: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Headings of required columns that are not there."""
        return [BY_FIELD[name].heading for name in REQUIRED if name not in self.headings]

    def heading(self, name: str) -> str:
        """What the user calls the column of field NAME (our word when he has none)."""
        return self.headings.get(name) or _full_heading(BY_FIELD[name])


def _full_heading(column: Column) -> str:
    group = GROUPS[column.group][0] if column.group else ""
    return column.heading if not group or column.heading == group else f"{group}/{column.heading}"


def find(sheet: Sheet) -> Layout | None:
    """The layout of SHEET, or None when it has no headings 姓名 and 身份证号."""
    grid = _top(sheet)
    anchor = _first(grid, _NUMBERS)
    if anchor is None:
        return None
    bottom = _bottom(grid, *anchor)
    _spread_groups(grid, bottom)
    paths = {place: _path(grid, place, bottom) for place in sorted({c for _, c in grid})}
    layout = Layout(bottom)
    _match(layout, {place: path for place, path in paths.items() if path})
    return layout if "id_number" in layout.headings else None


def has_names(sheet: Sheet) -> bool:
    """Whether a sheet without numbers looks like a list of people all the same."""
    grid = _top(sheet)
    anchor = _first(grid, _NAMES)
    if anchor is None:
        return False
    row = [normal(text) for (number, _), text in grid.items() if number == anchor[0]]
    return sum(word in _KNOWN for word in row) >= 3


# --- the headings -------------------------------------------------------------------------------

Grid = dict[tuple[int, int], str]


def _top(sheet: Sheet) -> Grid:
    """Text of the first rows by row (from 1) and place (from 0); merged cells repeat theirs."""
    grid: Grid = {}
    for row in sheet.rows:
        if row.number > SEARCHED:
            break
        for place, cell in enumerate(row.cells()):
            if cell is not None and (text := standards.fold(cell.text)):
                grid[row.number, place] = text
    for first, left, last, right in sheet.merged:
        text = grid.get((first, left - 1), "")
        if text and first <= SEARCHED:
            for row_number in range(first, min(last, SEARCHED) + 1):
                for place in range(left - 1, right):
                    grid[row_number, place] = text
    return grid


def _first(grid: Grid, words: frozenset[str]) -> tuple[int, int] | None:
    return min((at for at, text in grid.items() if normal(text) in words), default=None)


def _bottom(grid: Grid, row: int, place: int) -> int:
    """The last row of the headings: below merged cells, second lines and numbers of columns."""
    word = grid[row, place]
    while grid.get((row + 1, place)) == word:
        row += 1
    while row < SEARCHED and (_is_second_line(grid, row + 1, place) or _is_count(grid, row + 1)):
        row += 1
    return row


def _line(grid: Grid, row: int) -> list[str]:
    return [text for (number, _), text in sorted(grid.items()) if number == row]


def _is_second_line(grid: Grid, row: int, place: int) -> bool:
    """A row of known words with nothing in the column of numbers."""
    words = [normal(text) for text in _line(grid, row)]
    known = sum(word in _KNOWN for word in words)
    return (row, place) not in grid and known >= 2 and known >= 0.6 * len(words)


def _is_count(grid: Grid, row: int) -> bool:
    """A row that only numbers the columns: 1 2 3 …"""
    texts = _line(grid, row)
    numbers = [int(text.strip("()")) for text in texts if text.strip("()").isdecimal()]
    return len(texts) >= 3 and len(numbers) == len(texts) and numbers == list(
        range(numbers[0], numbers[0] + len(numbers))
    )  # fmt: skip


def _spread_groups(grid: Grid, bottom: int) -> None:
    """A group's heading reaches over the empty cells on its right, merged or not."""
    width = max(place for _, place in grid)
    for (row, place), text in sorted(grid.items()):
        if row >= bottom or normal(text) not in GROUP_OF:
            continue
        for right in range(place + 1, width + 1):
            if (row, right) in grid:
                break
            grid[row, right] = text


def _path(grid: Grid, place: int, bottom: int) -> list[str]:
    """What stands above the data of a column, from the top, each text once."""
    texts = [grid[row, place] for row in range(1, bottom + 1) if (row, place) in grid]
    texts = [text for text in texts if not text.strip("()").isdecimal()]
    return [text for n, text in enumerate(texts) if n == 0 or text != texts[n - 1]]


# --- matching -----------------------------------------------------------------------------------


def _match(layout: Layout, paths: dict[int, list[str]]) -> None:
    group, before = "", -1
    for place, path in paths.items():
        column = _column(path, group if before == place - 1 else "", layout.headings)
        before = place
        if column is None:
            group = ""
            if normal(path[-1]) not in _SKIPPED:
                layout.unknown.append(path[-1])
            continue
        group = column.group
        if column.field in layout.headings:
            layout.doubled.append(path[-1])
            continue
        layout.columns[place] = column
        layout.headings[column.field] = _shown(path, column)
    _tell_apart(layout.headings)


def _tell_apart(headings: dict[str, str]) -> None:
    """A heading that stands above several columns is told with what it belongs to: 常住地/电话."""
    shown = list(headings.values())
    for name, heading in headings.items():
        group = BY_FIELD[name].group
        if group and shown.count(heading) > 1:
            owner = headings.get(f"{group}_address") or GROUPS[group][0]
            headings[name] = f"{owner}/{heading}"


def _column(path: list[str], neighbour: str, taken: dict[str, str]) -> Column | None:
    """The column that a path of headings means; NEIGHBOUR is the group of the column on its left."""
    *above, leaf = [normal(text) for text in path]
    for word in reversed(above):
        if (group := GROUP_OF.get(word)) and (column := LEAVES[group].get(leaf)):
            return column
    if column := _joined(leaf):
        return column
    plain = PLAIN.get(leaf)
    beside = LEAVES[neighbour].get(leaf) if neighbour and leaf not in _NAMES else None
    if beside and (neighbour in STRONG_GROUPS or plain is None or plain.field in taken):
        return beside
    return plain


def _joined(leaf: str) -> Column | None:
    """配偶姓名, 户口所在地电话, 第一联系人: a group and its word in one heading."""
    for word in _LONGEST_FIRST:
        if leaf.startswith(word) and leaf not in PLAIN:
            group, rest = GROUP_OF[word], leaf[len(word) :].removeprefix("的")
            if column := LEAVES[group].get(rest or "姓名"):
                return column
    return None


def _shown(path: list[str], column: Column) -> str:
    """The user's own heading, with the merged one above it when that one tells whose it is."""
    leaf = path[-1]
    for text in reversed(path[:-1]):
        if column.group and GROUP_OF.get(normal(text)) == column.group:
            return f"{text}/{leaf}"
    return leaf
