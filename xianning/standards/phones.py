"""Telephone numbers of the mainland."""

from __future__ import annotations

import re

from .text import DASHES, NotValid, fold, refuse_number_format, without_quote

_LONGEST_CELL = 200
_MOBILE = re.compile("1[3-9][0-9]{9}")
_LANDLINE = re.compile("(0(?:10|2[0-9]))([1-9][0-9]{7})|(0[3-9][0-9]{2})([1-9][0-9]{6,7})")
_COUNTRY = re.compile(r"(?:\+|00)?86")
_BETWEEN_DIGITS = re.compile(f"[ (){DASHES}]+")
_BETWEEN_NUMBERS = re.compile("[、,/;|。和或及]")
_EXPECTED = "电话号码应为11位手机号，或带区号的固定电话（如0715-8255555）。"


def parse_phone(text: str) -> str:
    """Return one number: ``13812345678``, or a landline as ``0715-8255555``.

    Blanks, dashes, brackets, full-width digits and the prefix +86, 0086 or 86 are put right.

    Raises NotValid: empty, no such number (short numbers and landlines without area code too).
    """
    digits = _BETWEEN_DIGITS.sub("", without_quote(fold(text)))
    if not digits:
        raise NotValid("请填写电话号码。")
    refuse_number_format(digits, "电话号码")
    candidates = [digits]
    if prefix := _COUNTRY.match(digits):
        # After +86 the area code is written without its zero.
        candidates += [digits[prefix.end() :], "0" + digits[prefix.end() :]]
    for candidate in candidates:
        if _MOBILE.fullmatch(candidate):
            return candidate
        if landline := _LANDLINE.fullmatch(candidate):
            return "-".join(part for part in landline.groups() if part)
    raise NotValid(_EXPECTED)


def parse_phones(text: str) -> list[str]:
    """Return the numbers of one cell in their order, each once.

    They may be divided by 、 ， ； / or a blank; a blank inside a number is understood as well.

    Raises NotValid: none, too long a text, or any part that is no number.
    """
    if _MOBILE.fullmatch(text):
        return [text]
    cell = fold(text)
    if len(cell) > _LONGEST_CELL:
        raise NotValid("电话号码一栏内容过长，请只填写电话号码。")
    numbers: list[str] = []
    for part in _BETWEEN_NUMBERS.split(cell):
        numbers += _divided_by_blanks(part)
    if not numbers:
        raise NotValid("请填写电话号码。")
    return list(dict.fromkeys(numbers))


def _divided_by_blanks(part: str) -> list[str]:
    """Join the pieces of ``part`` from the left until they make a number, then start anew."""
    numbers, collected = [], ""
    for piece in part.split():
        collected += piece
        try:
            numbers.append(parse_phone(collected))
        except NotValid:
            continue
        collected = ""
    if collected:
        parse_phone(collected)  # raises the sentence for what is left over
    return numbers
