"""Months and days as people write them, and ages."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

from .text import DASHES, NotValid, fold

# Spreadsheets count an impossible 29 February 1900: what lies before is a damaged zero date.
_EARLIEST = date(1900, 3, 1)
_LATEST = date(2100, 12, 31)
_OUT_OF_RANGE = "日期应在1900年3月至2100年12月之间。"

_MARK = f"[/.。、,·{DASHES}]"
_WRITTEN = re.compile(
    f"([0-9]{{4}}) ?(?:年|{_MARK}) ?([0-9]{{1,2}})"
    f"(?: ?(?:月份?|{_MARK}) ?(?:([0-9]{{1,2}}) ?[日号]?|[….]*))?"
    "(?:[ T]0?0:00(?::00(?:[.]0+)?)?)?"  # a date cell that was turned into text
)
_DIGITS_ONLY = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})?")


def parse_month(text: str) -> date:
    """Return the first day of the month written in ``text``; a day written behind it is dropped.

    Read are 1965.3, 1965-03, 1965/3, 1965年3月, 196503 and each of them with a day. Text only: a
    numeric cell 1965.1 may have been 1965.10, which nobody can tell any more.

    Raises NotValid: another shape, no such month or day, before 1900-03 or after 2100.
    """
    parts = _parts(text)
    if parts is None:
        raise NotValid("年月应写成“1965-03”“1965.3”或“1965年3月”的样式。")
    return _checked(parts).replace(day=1)


def parse_date(text: str) -> date:
    """Return the day written in ``text``: the shapes of :func:`parse_month` with a day.

    Raises NotValid: another shape, no such day, before 1900-03 or after 2100.
    """
    parts = _parts(text)
    if parts is None or parts[2] is None:
        raise NotValid("日期应写成“1965-03-12”“1965.3.12”或“1965年3月12日”的样式。")
    return _checked(parts)


def _parts(text: str) -> tuple[int, int, int | None] | None:
    """Year, month and day (if written) of ``text``, unchecked; None for another shape."""
    folded = fold(text)
    match = _WRITTEN.fullmatch(folded) or _DIGITS_ONLY.fullmatch(folded)
    if match is None:
        return None
    year, month, day = match.groups()
    return int(year), int(month), int(day) if day else None


def _checked(parts: tuple[int, int, int | None]) -> date:
    year, month, day = parts
    if not _EARLIEST.year <= year <= _LATEST.year:
        raise NotValid(_OUT_OF_RANGE)
    if not 1 <= month <= 12:
        raise NotValid("月份应在1至12之间。")
    try:
        written = date(year, month, 1 if day is None else day)
    except ValueError:
        raise NotValid("没有这一天，请核对日期。") from None
    if written < _EARLIEST:
        raise NotValid(_OUT_OF_RANGE)
    return written


def age_on(birth: date, day: date) -> int:
    """Return the completed years (周岁) on ``day``: one more from each birthday on.

    Who was born on 29 February completes the year on 1 March of a common year.

    Raises ValueError: ``day`` lies before ``birth``.
    """
    if day < birth:
        raise NotValid("出生日期不能晚于计算年龄的日期。")
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def months_before(day: date, months: int = 1) -> date:
    """The day so many MONTHS before DAY (after it for less than none).

    The last of that month when it has no such day.
    """
    number = day.year * 12 + day.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
