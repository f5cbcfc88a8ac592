"""Text as people type and paste it: widths, blanks, invisible characters, names."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 50

# Full-width ASCII -> half-width. Kangxi radicals come from text copied out of PDF files and look
# exactly like the ideograph they stand for; compatibility ideographs (U+F900..) are other
# characters, people are named with them, and they stay: hence no NFKC of the whole text.
_FOLDED: dict[int, str] = {
    **{0xFF01 + offset: chr(0x21 + offset) for offset in range(94)},
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)},
}

# Written out because scanning all of Unicode at import is slow; a test compares it with Python's
# tables. Controls that are white space (tab, line breaks) are not here: they become a blank.
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # formats: joiners, direction, byte order mark
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0"  # fillers
    "\ufe00-\ufe0f\U000e0000-\U000e0fff"  # variation selectors choose a drawing, no character
    "\ud800-\udfff"  # half of a pair: no database stores it
    "\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)

# By range, not by unicodedata: the newest extensions are unknown to an older Python. Private use
# is included, because systems before GB 18030-2022 kept rare characters of names there.
_HAN = (
    "々〇\u3400-\u4dbf\u4e00-\u9fff\ue000-\uf8ff\uf900-\ufaff"
    "\U00020000-\U0003fffd\U000f0000-\U0010fffd"
)
_IS_HAN = re.compile(f"[{_HAN}]")
_BLANK_BESIDE_HAN = re.compile(f"(?<=[{_HAN}·]) | (?=[{_HAN}·])")
_MIDDLE_DOTS = re.compile("[·\u0387\u02d9\u16eb\u2022\u2027\u2219\u22c5\u2e31\u2e33\u30fb\uff65]+")
_STANDS_FOR_A_LOST_CHARACTER = frozenset("?*#_□■〓◇△○\ufffd")

DASHES = r"\-\u2010-\u2015\u2212\u2043\ufe58\ufe63"  # for use inside a character class
_BLANKS_AND_DASHES = re.compile(f"[ {DASHES}]+")
_NUMBER_FORMAT = re.compile(r"[0-9]\.[0-9]+E\+?[0-9]+|[0-9]E\+[0-9]+|[0-9]{10,}\.0*", re.I)


class NotValid(ValueError):
    """What was typed breaks a rule; ``str()`` is a Chinese sentence that says which one."""


def fold(text: str) -> str:
    """Return ``text`` in half-width form, without invisible characters, blanks collapsed.

    Han characters of every plane survive unchanged, compatibility ideographs included. Applying
    it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():  # most cells: nothing in them to fold
        return " ".join(text.split())
    return " ".join(_INVISIBLE.sub("", text.translate(_FOLDED)).split())


def plain(text: str) -> str:
    """Return ``text`` as written, without invisible characters, blanks collapsed.

    For words that are kept as they are, such as addresses: （） stays （）.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(_INVISIBLE.sub("", text).split())


def without_blanks_and_dashes(text: str) -> str:
    """Return the folded text as numbers are compared: no blanks, no dashes of any kind."""
    return _BLANKS_AND_DASHES.sub("", fold(text))


def without_quote(folded: str) -> str:
    """Return the text without the quote before it, with which people tell a program: no number."""
    return folded.lstrip("'‘’`")


def refuse_number_format(text: str, what: str) -> None:
    """Raise NotValid when ``text`` is a long number that a spreadsheet turned into a float."""
    if _NUMBER_FORMAT.fullmatch(text):
        raise NotValid(number_format_damage(what))


def number_format_damage(what: str) -> str:
    """Return the sentence for a number whose last digits a spreadsheet has thrown away."""
    return (
        f"{what}疑似被 Excel 改成数字，末几位已经丢失，"
        "请把该列单元格格式设为“文本”后，按证件重新填写。"
    )


def fold_name(text: str) -> str:
    """Return a person's name as it is stored and searched.

    Blanks beside Han characters go (张 三 -> 张三), every kind of middle dot becomes U+00B7.
    Between the words of a Latin name one blank, ``.``, ``'`` or ``-`` may stand.

    Raises NotValid: empty, longer than 50 characters, or with digits, punctuation or symbols.
    """
    name = _BLANK_BESIDE_HAN.sub("", _MIDDLE_DOTS.sub("·", fold(text)))
    if not name:
        raise NotValid("请填写姓名。")
    if len(name) > LONGEST_NAME:
        raise NotValid(f"姓名不能超过{LONGEST_NAME}个字。")
    joints = " ·" if _IS_HAN.search(name) else " ·.'’-"
    for character in name:
        if not _is_letter(character) and character not in joints:
            raise NotValid(_why_not_in_a_name(character))
    if name[0] in joints or unicodedata.category(name[0])[0] == "M" or name[-1] in " ·'’-":
        raise NotValid("姓名的开头和结尾不能是间隔号或标点。")
    return name


def _is_letter(character: str) -> bool:
    return bool(_IS_HAN.match(character)) or unicodedata.category(character)[0] in "LM"


def _why_not_in_a_name(character: str) -> str:
    if unicodedata.category(character)[0] == "N":
        return "姓名中不能有数字。"
    if character in _STANDS_FOR_A_LOST_CHARACTER:
        return "姓名中有“？”“□”“*”一类的符号，疑似生僻字丢失或已脱敏，请按身份证填写原字。"
    if character == ".":
        return "姓名中的间隔号请用“·”，不要用“.”。"
    return "姓名中不能有括号、标点等符号。"


def bigrams(name: str) -> set[str]:
    """Return every substring of one or two characters (code points) of ``name``."""
    return set(name) | {name[start : start + 2] for start in range(len(name) - 1)}
