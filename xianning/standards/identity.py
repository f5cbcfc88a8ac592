"""Numbers of persons (GB 11643-1999) and of organisations (GB 32100-2015, GB 11714-1997)."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from .text import (
    NotValid,
    number_format_damage,
    refuse_number_format,
    without_blanks_and_dashes,
    without_quote,
)

_ID = "公民身份号码"
_LOOKS_LIKE_X = re.compile("(?<=[0-9]{17})[×ⅩⅹΧХ✕✖╳]$")  # the check says whether it is one
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_EARLIEST_BIRTH_YEAR = 1900

_CREDIT = "统一社会信用代码"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

_OLD_NUMBER = "注册号或组织机构代码"
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def parse_id_number(text: str) -> str:
    """Return the 18-character citizen ID number written in ``text``.

    Blanks, dashes and full-width digits are put right, ``x`` and what looks like it at the end
    (the signs of ten, of multiplication and of chi) become ``X``, a number of 15 digits
    (issued before 1999) gets its century and check character. The region prefix is not looked up:
    regions are renamed and dissolved, the number stays.

    Raises NotValid: characters, length, birth date, check character, or spreadsheet damage. Which
    check character would be right is not told: that would help to invent numbers.
    """
    number = _LOOKS_LIKE_X.sub("X", without_quote(without_blanks_and_dashes(text)).upper())
    if not number:
        raise NotValid(f"请填写{_ID}。")
    refuse_number_format(number, _ID)
    if not re.fullmatch("[0-9]*X?", number) or (len(number) == 15 and number[-1] == "X"):
        raise NotValid(f"{_ID}只能是数字，仅18位号码的末位可以是字母X。")
    if len(number) not in (15, 18):
        raise NotValid(f"{_ID}应为18位（旧号码为15位），现为{len(number)}位。")
    if len(number) == 15:
        number = number[:6] + "19" + number[6:]
        number += _id_check(number)
    _refuse_impossible_birth(number)
    if number[17] != _id_check(number):
        if number.endswith("000"):
            raise NotValid(number_format_damage(_ID))
        raise NotValid(f"{_ID}的校验码不符，请逐位核对。")
    return number


def _id_check(number: str) -> str:
    """Check character of the first 17 digits: ISO 7064 MOD 11-2."""
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return _ID_CHECKS[total % 11]


def _refuse_impossible_birth(number: str) -> None:
    try:
        birth = id_birth_date(number)
    except ValueError:
        raise NotValid(f"{_ID}中的出生日期（第7至14位）不存在。") from None
    if birth.year < _EARLIEST_BIRTH_YEAR:
        raise NotValid(f"{_ID}中的出生日期早于{_EARLIEST_BIRTH_YEAR}年。")
    if birth > date.today():
        raise NotValid(f"{_ID}中的出生日期晚于今天。")


def id_birth_date(id18: str) -> date:
    """Return the birth date in a parsed ID number (positions 7-14)."""
    return date(int(id18[6:10]), int(id18[10:12]), int(id18[12:14]))


def id_sex(id18: str) -> Literal["1", "2"]:
    """Return the GB/T 2261.1 code (1 男, 2 女) in a parsed ID number (position 17, odd = male)."""
    return "1" if int(id18[16]) % 2 else "2"


def mask_id(id18: str) -> str:
    """Return the first and the last character with stars between; nothing of any other text."""
    if len(id18) != 18:
        return "*" * len(id18)
    return f"{id18[0]}{'*' * 16}{id18[-1]}"


def is_whole_number(text: str) -> bool:
    """Whether TEXT has the shape of a whole ID number, checked or not."""
    return len(text) == 18 and text[:17].isdigit()


def make_id_number(region: str, birth: date, sequence: int, sex: str) -> str:
    """Return a valid number for made-up people.

    ``sequence`` counts the persons of that sex, region and day, 0..499: equal arguments give the
    same number, different ones never do. Real regions must not be used; 421299 is unassigned.

    Raises ValueError: region is not six digits, sequence out of range, sex is neither 1 nor 2.
    """
    if not re.fullmatch("[0-9]{6}", region) or sex not in ("1", "2") or not 0 <= sequence <= 499:
        raise ValueError("region: six digits; sequence: 0..499; sex: '1' or '2'")
    order = sequence * 2 + (sex == "1")
    number = f"{region}{birth:%Y%m%d}{order:03d}"
    return number + _id_check(number)


def parse_credit_code(text: str) -> str:
    """Return the 18-character unified social credit code (GB 32100-2015) written in ``text``.

    Raises NotValid: characters, length, region digits, check character, or spreadsheet damage.
    """
    code = without_blanks_and_dashes(text).upper()
    if not code:
        raise NotValid(f"请填写{_CREDIT}。")
    refuse_number_format(code, _CREDIT)
    if not re.fullmatch("[0-9A-Z]+", code):
        raise NotValid(f"{_CREDIT}只能由数字和英文字母组成。")
    if re.search("[IOSVZ]", code):
        raise NotValid(f"{_CREDIT}不使用字母I、O、S、V、Z，请核对是否应为数字1、0、5、2等。")
    if len(code) != 18:
        raise NotValid(f"{_CREDIT}应为18位，现为{len(code)}位。")
    if not re.fullmatch("[0-9]{6}", code[2:8]):
        raise NotValid(f"{_CREDIT}第3至8位是登记机关行政区划码，应为6位数字。")
    if len(set(code)) == 1:  # eighteen zeros satisfy the check
        raise NotValid(f"请填写真实的{_CREDIT}。")
    if code[17] != _credit_check(code):
        if code.endswith("000") and code.isdigit():
            raise NotValid(number_format_damage(_CREDIT))
        raise NotValid(f"{_CREDIT}的校验码不符，请逐位核对。")
    return code


def make_credit_code(body: str) -> str:
    """BODY (17 characters) with its check character; for demo data and tests."""
    return body + _credit_check(body)


def _credit_check(code: str) -> str:
    total = sum(
        _CREDIT_ALPHABET.index(character) * weight
        for character, weight in zip(code, _CREDIT_WEIGHTS, strict=False)
    )
    return _CREDIT_ALPHABET[-total % 31]


def old_registration_number(text: str) -> str:
    """Return a 15-digit registration number or a 9-character organisation code, without dash.

    Enterprises that were closed before the unified code existed have only one of these. The check
    character of the organisation code (GB 11714-1997) is compared; that of the registration number
    is not, because registrars used it only from 2007.

    Raises NotValid: neither shape, wrong check character, or spreadsheet damage.
    """
    number = without_blanks_and_dashes(text).upper()
    if not number:
        raise NotValid(f"请填写{_OLD_NUMBER}。")
    refuse_number_format(number, _OLD_NUMBER)
    if len(set(number)) > 1:
        if re.fullmatch("[0-9]{15}", number):
            return number
        if re.fullmatch("[0-9A-Z]{8}[0-9X]", number):
            if number[8] != _organisation_check(number):
                raise NotValid("组织机构代码的校验码不符，请逐位核对。")
            return number
    raise NotValid("应为15位数字的工商注册号，或9位的组织机构代码（如12345678-9的样式）。")


def _organisation_check(code: str) -> str:
    total = sum(
        _ORGANISATION_ALPHABET.index(character) * weight
        for character, weight in zip(code, _ORGANISATION_WEIGHTS, strict=False)
    )
    return "0X987654321"[total % 11]
