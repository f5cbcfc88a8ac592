"""Numbers in capital characters (大写), as letters of introduction and cheques demand."""

from __future__ import annotations

from datetime import date

_CAPITALS = "零壹贰叁肆伍陆柒捌玖"


def in_capitals(number: int) -> str:
    """Return a whole number from 0 to below 10^12: 30 -> 叁拾, 105 -> 壹佰零伍.

    Raises ValueError: outside that range.
    """
    if not 0 <= number < 10**12:
        raise ValueError("number must be at least 0 and below 10**12")
    if number == 0:
        return _CAPITALS[0]
    written, gap = "", False
    for unit, size in (("亿", 10**8), ("万", 10**4), ("", 1)):
        group, number = divmod(number, size)
        if group == 0:
            gap = bool(written)
            continue
        if written and (gap or group < 1000):
            written += _CAPITALS[0]
        written += _four_digits(group) + unit
        gap = False
    return written


def _four_digits(number: int) -> str:
    written, gap = "", False
    for unit, size in (("仟", 1000), ("佰", 100), ("拾", 10), ("", 1)):
        digit = number // size % 10
        if digit == 0:
            gap = bool(written)
            continue
        written += (_CAPITALS[0] if gap else "") + _CAPITALS[digit] + unit
        gap = False
    return written


def month_in_capitals(month: date) -> str:
    """Return year and month in capitals: 2026-11 -> 贰零贰陆年拾壹月.

    The rule of cheques (支付结算办法, annex 1): the year digit by digit; 零 before the months 壹,
    贰 and 壹拾, so that nothing can be written before them; it asks nothing of 拾壹 and 拾贰.
    """
    year = "".join(_CAPITALS[int(digit)] for digit in f"{month.year:04d}")
    name = in_capitals(month.month)
    if month.month in (1, 2, 10):
        name = _CAPITALS[0] + name
    elif month.month > 10:
        name = name.removeprefix("壹")
    return f"{year}年{name}月"
