"""How many ID numbers fit what a page shows of a person beside the mask.

The arithmetic is that of GB 11643: six digits of a division, eight of the birth date, three in
order (odd for men), a check character over all of them. Nothing is enumerated: the seventeen digits
meet only in their weighted sum modulo 11, so the remainders of the three parts are counted and
combined.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfers.models import Retiree

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"
# Where retirees of Xianning got their numbers: six divisions of today, seven of the former 咸宁地区.
DISTRICTS = (
    "421202", "421221", "421222", "421223", "421224", "421281", "422301", "422302", "422322",
    "422323", "422324", "422325", "422326",
)  # fmt: skip
FIRST, LAST = date(1945, 1, 1), date(1964, 12, 31)  # births of those who retire now


@dataclass(frozen=True)
class Known:
    """What somebody reads about one person. MASK has 18 characters, a star for a hidden one."""

    mask: str = "*" * 18
    sex: str = ""  # "1" or "2"
    age: int | None = None  # on TODAY
    month: tuple[int, int] | None = None
    day: date | None = None


@cache
def candidates(known: Known, today: date, districts: tuple[str, ...] = DISTRICTS) -> int:
    """How many valid numbers agree with everything KNOWN."""
    mask = known.mask
    parts = (
        (0, [d for d in districts if _fits(d, mask[:6])]),
        (6, [d for d in (f"{b:%Y%m%d}" for b in _births(known, today)) if _fits(d, mask[6:14])]),
        (14, [s for s in _orders(known.sex) if _fits(s, mask[14:17])]),
    )
    sums = Counter({0: 1})
    for place, texts in parts:
        weights = WEIGHTS[place:]
        mine = Counter(
            sum(int(c) * w for c, w in zip(text, weights, strict=False)) % 11 for text in texts
        )
        sums = Counter() if not mine else _combined(sums, mine)
    return sum(n for total, n in sums.items() if mask[17] in ("*", CHECKS[total]))


def _combined(one: Counter[int], other: Counter[int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for a, n in one.items():
        for b, m in other.items():
            found[(a + b) % 11] += n * m
    return found


def _fits(text: str, mask: str) -> bool:
    return all(m in ("*", c) for c, m in zip(text, mask, strict=True))


def _births(known: Known, today: date) -> Iterator[date]:
    if known.day:
        yield known.day
        return
    first, last = FIRST, LAST
    if known.month:
        first = date(*known.month, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    day = first
    while day <= last:
        age = today.year - day.year - ((today.month, today.day) < (day.month, day.day))
        if known.age in (None, age):
            yield day
        day += timedelta(days=1)


def _orders(sex: str) -> list[str]:
    return [f"{n:03d}" for n in range(1000) if not sex or n % 2 == int(sex) % 2]


# --- what a page shows --------------------------------------------------------------------------

MASK = re.compile(r"(?<![\w*])(?=[\dX*]{18}(?![\w*]))[\d*]*\*{2,}[\dX*]*")


class _Rows(HTMLParser):
    """The texts of the rows of tables, and the text of everything else, values of inputs too."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.rest: list[str] = []
        self._row: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._row = []
        self._take(*(value or "" for name, value in attrs if name in ("value", "title")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._row is not None:
            self.rows.append(self._row)
            self._row = None

    def handle_data(self, data: str) -> None:
        self._take(data.strip())

    def _take(self, *texts: str) -> None:
        (self.rest if self._row is None else self._row).extend(t for t in texts if t)


def records(page: str) -> list[str]:
    """The parts of a page that are about one person and show a mask: a row, or all but the rows."""
    parser = _Rows()
    parser.feed(page)
    parts = [" ".join(row) for row in parser.rows]
    return [text for text in (*parts, " ".join(parser.rest)) if MASK.search(text)]


def read(text: str, person: Retiree, today: date) -> list[Known]:
    """What TEXT tells of PERSON, for each mask in it that is his.

    The reader is given every doubt: a date counts when the text holds it in any spelling, whether
    or not it is labelled.
    """
    b, number = person.birth_date, person.id_number
    days = (f"{b:%Y-%m-%d}", f"{b:%Y%m%d}", f"{b:%Y.%m.%d}", f"{b:%Y/%m/%d}",
            f"{b.year}年{b.month}月{b.day}日", f"{b.year}年{b.month:02d}月{b.day:02d}日")  # fmt: skip
    months = (f"{b:%Y-%m}", f"{b.year}年{b.month}月", f"{b:%Y.%m}", f"{b:%Y/%m}", f"{b:%Y%m}")
    age = today.year - b.year - ((today.month, today.day) < (b.month, b.day))
    words = re.split(r"[\s，,；;（）()、]+", text)
    found = Known(
        sex=person.sex if {"1": "男", "2": "女"}[person.sex] in words else "",
        age=age if {str(age), f"{age}岁"} & set(words) else None,
        month=(b.year, b.month) if any(month in text for month in months) else None,
        day=b if any(day in text for day in days) else None,
    )
    masks = {m[0] for m in MASK.finditer(text)}
    return [
        Known(mask, found.sex, found.age, found.month, found.day)
        for mask in masks if _fits(number, mask)
    ]  # fmt: skip
