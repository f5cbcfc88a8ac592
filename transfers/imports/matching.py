"""Which column of a sheet is which: headings found by their text, wherever they stand."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from transfers.imports.columns import (
    BY_FIELD,
    COLUMNS,
    GROUPS,
    IGNORED,
    READ,
    REQUIRED,
    STRONG_GROUPS,
    Column,
)
from xianning import standards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from xianning.workbook import Row, Sheet

SEARCHED = 40  # rows from the top in which the headings are looked for
_HINT = re.compile(r"[(\[【].*?[)\]】]")
_NUMBERED = re.compile(r"^[0-9]{1,2}[.、]")
_MARKS = re.compile(r"[\s*:/\\_\-—.·]+")
LONGEST = 120  # characters of a heading that are shown and compared
NOTHING_CHOSEN: Mapping[str, str] = MappingProxyType({})


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


PLAIN: dict[str, Column] = {word: c for c in reversed(READ) for word in _plain_words(c)}
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


How = Literal["found", "chosen", "left out", "ignored", "unknown", "doubled"]


class Heading(NamedTuple):
    """One column of a sheet as its user headed it.

    KEY tells it from the others of its sheet; a choice made by hand is remembered by it. FIELD is
    what is read from the column, AUTOMATIC what would be without a choice; each may be nothing.
    HOW: found by its words; chosen by hand; left out by hand; ignored, because such a column never
    carries anything; unknown; or doubled, because another column is read for the same.
    """

    place: int  # from 0
    text: str  # the user's own words
    key: str
    field: str
    automatic: str
    how: How


@dataclass
class Layout:
    """Where the headings of a sheet end, and what its columns are."""

    last_row: int
    columns: dict[int, Column] = field(default_factory=dict)  # by place, from 0
    headings: dict[str, str] = field(default_factory=dict)  # by field, the user's own words
    all: list[Heading] = field(default_factory=list)  # every column with a heading, by place

    def texts(self, how: How) -> list[str]:
        """The user's own words over the columns that came out as HOW."""
        return [heading.text for heading in self.all if heading.how == how]

    @property
    def missing(self) -> list[str]:
        """Headings of required columns that are not there."""
        return [BY_FIELD[name].heading for name in REQUIRED if name not in self.headings]

    def heading(self, name: str) -> str:
        """What the user calls the column of field NAME (our word when he has none)."""
        return self.headings.get(name) or full_heading(BY_FIELD[name])


def full_heading(column: Column) -> str:
    group = GROUPS[column.group][0] if column.group else ""
    return column.heading if not group or column.heading == group else f"{group}/{column.heading}"


def find(sheet: Sheet, chosen: Mapping[str, str] = NOTHING_CHOSEN) -> Layout | None:
    """The layout of SHEET, or None when no column of it is 身份证号.

    CHOSEN: what somebody said by hand that a heading means, by its key (see `Heading`); it goes
    before the matching by words. Nothing ("") is a column that is not to be read.
    """
    grid = _top(sheet)
    numbers = _NUMBERS | {key for key, name in chosen.items() if name == "id_number"}
    anchor = _first(grid, numbers) or _likely(sheet, chosen)
    layout = _lay_out(grid, anchor, chosen) if anchor else None
    return layout if layout and "id_number" in layout.headings else None


def headings_only(sheet: Sheet, chosen: Mapping[str, str] = NOTHING_CHOSEN) -> Layout | None:
    """What could be the headings of a sheet without 身份证号, so that somebody can say it by hand."""
    grid = _top(sheet)
    anchor = _first(grid, _NAMES) or _likely(sheet, chosen)
    layout = _lay_out(grid, anchor, chosen) if anchor else None
    return layout if layout and len(layout.all) >= len(REQUIRED) else None


def _lay_out(grid: Grid, anchor: tuple[int, int], chosen: Mapping[str, str]) -> Layout:
    bottom = _bottom(grid, *anchor)
    _spread_groups(grid, bottom)
    paths = {place: _path(grid, place, bottom) for place in sorted({c for _, c in grid})}
    layout = Layout(bottom)
    _match(layout, {place: path for place, path in paths.items() if path}, chosen)
    return layout


def has_names(sheet: Sheet) -> bool:
    """Whether a sheet without numbers looks like a list of people all the same."""
    grid = _top(sheet)
    anchor = _first(grid, _NAMES)
    if anchor is None:
        return False
    row = [normal(text) for (number, _), text in grid.items() if number == anchor[0]]
    return sum(word in _KNOWN for word in row) >= 3


_FACT = re.compile(r"[0-9]{5,}|[0-9]{4}[.年/\-][0-9]")
_ANSWERS = _normals(("男", "女", "是", "否", "有", "无", "汉", "汉族", "群众", "党员", "中共党员"))


def _likely(sheet: Sheet, chosen: Mapping[str, str]) -> tuple[int, int] | None:
    """Where headings in words of their own may stand: a row of words with something below it.

    A row with a number of a person, a date or an answer such as 男 is a person, not headings.
    """
    best: tuple[int, tuple[int, int]] | None = None
    for row in sheet.rows[:-1]:
        if row.number > SEARCHED:
            break
        words = _words_only(row)
        if len(set(words.values())) < 3:
            continue
        known = sum(word in _KNOWN or bool(chosen.get(word)) for word in words.values())
        if best is None or known > max(best[0], 1):
            best = known, (row.number, min(words))
    return best[1] if best else None


def _words_only(row: Row) -> dict[int, str]:
    """The words of a row by place; nothing when it holds anything but words."""
    texts = {n: standards.fold(cell.text) for n, cell in enumerate(row.cells()) if cell}
    words = {place: normal(text) for place, text in texts.items()}
    plain = all(kind in "tT." for kind in row.kinds) and not any(
        len(text) > LONGEST or _FACT.search(text) or words[place] in _ANSWERS
        for place, text in texts.items()
    )
    return {place: word for place, word in words.items() if word} if plain else {}


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


def _match(layout: Layout, paths: dict[int, list[str]], chosen: Mapping[str, str]) -> None:
    names = _names(paths)
    by_hand = {chosen.get(key, "") for key, _ in names.values()}
    group, before = "", -1
    for place, path in paths.items():
        key, words = names[place]
        found = _column(path, group if before == place - 1 else "", layout.headings)
        wanted = chosen.get(key)
        column = found if wanted is None else BY_FIELD.get(wanted)
        before, group = place, column.group if column else ""
        if column is None:
            ignored = wanted is None and normal(path[-1]) in _SKIPPED
            how: How = "ignored" if ignored else "unknown" if wanted is None else "left out"
        elif column.field in layout.headings or (wanted is None and column.field in by_hand):
            how = "doubled"
        else:
            how = "found" if wanted is None else "chosen"
            layout.columns[place] = column
            layout.headings[column.field] = _cut(_shown(path, column))
        read = column.field if column and place in layout.columns else ""
        layout.all.append(Heading(place, words, key, read, found.field if found else "", how))
    _tell_apart(layout.headings)


# --- what tells a column from the others --------------------------------------------------------

Named = tuple[str, str]  # key, the user's own words


def _names(paths: dict[int, list[str]]) -> dict[int, Named]:
    """Key and words of each column: its heading alone if no other has the same.

    Else the one above it belongs to it, a hint in brackets, the heading on its left, or a count.
    """
    names: dict[int, Named] = {}

    def leaf(place: int) -> Named:
        return normal(paths[place][-1]), paths[place][-1]

    def below_another(place: int) -> Named:
        path = paths[place][-2:]
        return ("".join(map(normal, path)), "/".join(path)) if len(path) == 2 else ("", "")

    def with_hint(place: int) -> Named:
        text = paths[place][-1]
        return _MARKS.sub("", text).lower(), text

    def beside_another(place: int) -> Named:
        left = max((other for other in names if other < place), default=None)
        if left is None:
            return "", ""
        return names[left][0] + normal(paths[place][-1]), f"{names[left][1]}/{paths[place][-1]}"

    for spelling in (leaf, below_another, with_hint, beside_another):
        _take_unique(names, [place for place in paths if place not in names], spelling)
    for place in paths:
        if place not in names:
            taken = {key for key, _ in names.values()}
            start = _cut(normal(paths[place][-1]), LONGEST - 4)
            names[place] = next(
                (f"{start}{n}", _cut(f"{paths[place][-1]}（第 {n} 列）"))
                for n in count(1)
                if f"{start}{n}" not in taken
            )
    return dict(sorted(names.items()))


def _take_unique(
    names: dict[int, Named], places: list[int], spelling: Callable[[int], Named]
) -> None:
    """Name those of PLACES whose SPELLING nobody else has."""
    spelled = {place: tuple(map(_cut, spelling(place))) for place in places}
    often = Counter(key for key, _ in spelled.values())
    taken = {key for key, _ in names.values()}
    for place, (key, words) in spelled.items():
        if key and often[key] == 1 and key not in taken:
            names[place] = key, words


def _cut(text: str, longest: int = LONGEST) -> str:
    return text[:longest]


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
