"""National standards: tables typed by hand from the standards and laws, and properties."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Callable
from datetime import date

import pytest
import time_machine
from hypothesis import assume, example, given
from hypothesis import strategies as st

from xianning import standards
from xianning.standards import (
    NotValid,
    RetirementKind,
    age_on,
    bigrams,
    fold,
    fold_name,
    id_birth_date,
    id_sex,
    in_capitals,
    lookup,
    make_id_number,
    mask_id,
    minimum_contribution_months,
    month_in_capitals,
    old_registration_number,
    parse_credit_code,
    parse_date,
    parse_id_number,
    parse_month,
    parse_phone,
    parse_phones,
    statutory_retirement,
)

ID = "11010519491231002X"  # the example of GB 11643
CREDIT = "91350100M000100Y43"  # the example of GB 32100
RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽𰻝"


# --- text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("　ＡＢＣ　１２３　", "ABC 123"),
        ("温泉\r\n街道\t１号", "温泉 街道 1号"),
        ("a\u200bb\u202ec\ufeffd\x00e\x1bf\u2066g", "abcdefg"),
        ("（咸宁）～", "(咸宁)~"),
        ("⽅⼀", "方一"),  # radicals, as text copied out of a PDF file has them
        ("葛\U000e0101", "葛"),
        ("\ufb01\u2460\u338f", "\ufb01\u2460\u338f"),  # what a blanket NFKC would rewrite
        (RARE, RARE),
        ("", ""),
        (" \u3000\n", ""),
    ],
)
def test_fold_makes_half_width_and_visible(typed: str, folded: str) -> None:
    assert fold(typed) == folded


def test_fold_keeps_compatibility_ideographs_that_nfkc_would_replace() -> None:
    ideographs = "".join(map(chr, [*range(0xF900, 0xFA6E), *range(0x2F800, 0x2FA1E)]))
    assert fold(ideographs) == ideographs
    assert unicodedata.normalize("NFKC", ideographs) != ideographs


def test_fold_removes_every_control_format_and_surrogate_of_unicode() -> None:
    invisible = {
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cc", "Cf", "Cs")
    }
    assert {c for c in invisible if fold(f"张{c}三") not in ("张三", "张 三")} == set()


@given(st.text())
def test_fold_is_stable_and_leaves_one_blank(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert once == once.strip()
    assert "  " not in once


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("张 三", "张三"),
        ("　王　小\n明 ", "王小明"),
        ("欧阳娜娜", "欧阳娜娜"),
        ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("阿依古丽 ‧ 买买提", "阿依古丽·买买提"),
        ("阿依古丽・买买提", "阿依古丽·买买提"),
        ("阿依古丽·买买提", "阿依古丽·买买提"),
        ("阿依古丽··买买提", "阿依古丽·买买提"),
        (RARE, RARE),
        ("\U00031350\U0002ebf0\U000323af", "\U00031350\U0002ebf0\U000323af"),  # newer than 3.11
        ("李\uf9d1\ue816", "李\uf9d1\ue816"),
        ("李〇", "李〇"),
        ("Ｊｏｈｎ  Ｓｍｉｔｈ", "John Smith"),
        ("Anne-Marie O'Neil Jr.", "Anne-Marie O'Neil Jr."),
        ("张\u200b三\u202e", "张三"),
        ("王" * 50, "王" * 50),
    ],
)
def test_names_keep_every_character_and_lose_only_blanks(typed: str, name: str) -> None:
    assert fold_name(typed) == name
    assert fold_name(name) == name


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "请填写姓名"),
        (" \u3000\u200b", "请填写姓名"),
        ("王" * 51, "50"),
        ("张三2", "数字"),
        ("张三２", "数字"),
        ("张٣", "数字"),
        ("0", "数字"),
        ("张?三", "生僻字"),
        ("张□", "生僻字"),
        ("张*", "生僻字"),
        ("张\ufffd", "生僻字"),
        ("阿依古丽.买买提", "间隔号"),
        ("<script>", "符号"),
        ("张三(已故)", "符号"),
        ("=cmd", "符号"),
        ("张三、李四", "符号"),
        ("张😀", "符号"),
        ("·张三", "开头"),
        ("张三·", "结尾"),
        ("·", "开头"),
        ("-", "开头"),
        ("\u0301a", "开头"),
    ],
)
def test_names_that_cannot_be_are_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        fold_name(typed)


def test_bigrams_are_all_substrings_of_one_and_two_characters() -> None:
    assert bigrams("张三丰") == {"张", "三", "丰", "张三", "三丰"}
    assert bigrams("𬭎𠅤") == {"𬭎", "𠅤", "𬭎𠅤"}
    assert bigrams("王") == {"王"}
    assert bigrams("") == set()


# --- ID numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (ID, ID),
        ("11010519491231002x", ID),
        ("１１０１０５１９４９１２３１００２Ｘ", ID),
        (" 110105 19491231 002X\n", ID),
        ("110105-19491231-002X", ID),
        ("110105－19491231—002X\u200b", ID),
        ("110105491231002", ID),  # 15 digits: the century 19 and the check character are added
    ],
)
def test_id_numbers_are_read_in_every_spelling(typed: str, number: str) -> None:
    assert parse_id_number(typed) == number


@time_machine.travel("2026-11-23 12:00:00+08:00", tick=False)
@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "请填写"),
        ("1101051949123100", "现为16位"),
        ("11010519491231002X0", "只能是数字"),
        ("1101051949123100211", "现为19位"),
        ("身份证遗失", "只能是数字"),
        ("11O10519491231002X", "只能是数字"),
        ("1101054912310Z2", "只能是数字"),
        ("11010549123100X", "只能是数字"),
        ("1****************X", "只能是数字"),
        ("١١٠١٠٥١٩٤٩١٢٣١٠٠٢X", "只能是数字"),
        ("11010519490230002X", "不存在"),
        ("110105194913310021", "不存在"),
        ("110105490230002", "不存在"),
        ("11010518991231002X", "早于1900年"),
        ("110105202611240021", "晚于今天"),
        ("110105194912310021", "校验码"),
        ("110105194912310000", "Excel"),
        ("4.22E+17", "Excel"),
        ("4.22301E+17", "Excel"),
        ("４．２２Ｅ＋１７", "Excel"),
        ("1.10105194912310e+17", "Excel"),
        ("110105194912310000.0", "Excel"),
    ],
)
def test_wrong_id_numbers_are_refused_with_the_rule(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        parse_id_number(typed)


@time_machine.travel("2026-11-23 12:00:00+08:00", tick=False)
def test_the_day_of_today_is_a_possible_birth_date() -> None:
    number = make_id_number("421299", date(2026, 11, 23), 0, "1")
    assert id_birth_date(parse_id_number(number)) == date(2026, 11, 23)


def test_the_right_check_character_is_not_told() -> None:
    for wrong in "0123456789":
        with pytest.raises(NotValid) as refusal:
            parse_id_number(ID[:17] + wrong)
        assert "X" not in str(refusal.value)
        assert ID[:17] not in str(refusal.value)


def test_a_true_number_that_ends_in_three_zeros_is_not_taken_for_damage() -> None:
    # 4 2 1 2 9 9 | 1 9 5 0 0 1 0 5 | 9 0 0: 28+18+10+10+36+72+2+9+30+0+0+9+0+25+72+0+0 = 321,
    # 321 = 29 * 11 + 2: the third of 1 0 X 9 8 7 6 5 4 3 2 is X; 1950-01-08 adds 3 * 5 = 15:
    # 336 = 30 * 11 + 6: 6; 1950-01-07 makes 331 = 30 * 11 + 1: 0.
    assert parse_id_number("421299195001079000") == "421299195001079000"
    with pytest.raises(NotValid, match="Excel"):
        parse_id_number("421299195001089000")


def test_birth_date_sex_and_mask_are_read_from_the_number() -> None:
    assert id_birth_date(ID) == date(1949, 12, 31)
    assert id_sex(ID) == "2"
    assert id_sex("421299195001079010") == "1"
    assert mask_id(ID) == "1****************X"
    assert len(mask_id(ID)) == 18
    assert mask_id("13812345678") == "***********"
    assert mask_id("") == ""


DEMO_NUMBERS = st.builds(
    make_id_number,
    region=st.just("421299"),
    birth=st.dates(date(1900, 1, 1), date(2020, 12, 31)),
    sequence=st.integers(0, 499),
    sex=st.sampled_from("12"),
)


def test_made_numbers_agree_with_the_standard_example() -> None:
    assert make_id_number("110105", date(1949, 12, 31), 1, "2") == ID


@given(st.dates(date(1900, 1, 1), date(2020, 12, 31)), st.integers(0, 499), st.sampled_from("12"))
def test_made_numbers_are_valid_and_say_what_they_were_made_of(
    birth: date, sequence: int, sex: str
) -> None:
    number = make_id_number("421299", birth, sequence, sex)
    assert parse_id_number(number) == number
    assert (id_birth_date(number), id_sex(number)) == (birth, sex)


def test_made_numbers_never_repeat_on_one_day() -> None:
    day = date(1960, 2, 29)
    numbers = {make_id_number("421299", day, n, sex) for n in range(500) for sex in "12"}
    assert len(numbers) == 1000


@pytest.mark.parametrize(
    ("region", "sequence", "sex"),
    [
        ("42129", 0, "1"),
        ("42129X", 0, "1"),
        ("421299", 500, "1"),
        ("421299", -1, "2"),
        ("421299", 0, "0"),
    ],
)
def test_numbers_are_not_made_of_impossible_parts(region: str, sequence: int, sex: str) -> None:
    with pytest.raises(ValueError, match="region"):
        make_id_number(region, date(1960, 1, 1), sequence, sex)


@given(DEMO_NUMBERS, st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_in_an_id_number_is_always_noticed(
    number: str, place: int, wrong: str
) -> None:
    assume(number[place] != wrong)
    with pytest.raises(NotValid):
        parse_id_number(number[:place] + wrong + number[place + 1 :])


@given(DEMO_NUMBERS, st.integers(0, 16))
def test_two_neighbours_swapped_in_an_id_number_are_always_noticed(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])
    with pytest.raises(NotValid):
        parse_id_number(_swapped(number, place))


def _swapped(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


# --- organisations --------------------------------------------------------------------------

CREDIT_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _credit_check_by_congruence(body: str) -> str:
    """The character that makes the weighted sum, with weights 3^i mod 31, a multiple of 31."""
    total = sum(CREDIT_CHARACTERS.index(c) * 3**place for place, c in enumerate(body))
    return next(c for n, c in enumerate(CREDIT_CHARACTERS) if (total + n) % 31 == 0)


CREDIT_CODES = st.from_regex(
    r"\A[1-9AY][1239][0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}\Z", alphabet=CREDIT_CHARACTERS
).map(lambda body: body + _credit_check_by_congruence(body))


@pytest.mark.parametrize(
    "typed",
    [CREDIT, CREDIT.lower(), "９１３５０１００Ｍ０００１００Ｙ４３", " 91350100-M000100Y4-3 "],
)
def test_credit_codes_are_read_in_every_spelling(typed: str) -> None:
    assert parse_credit_code(typed) == CREDIT


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "请填写"),
        ("91350100M000100Y4", "现为17位"),
        ("91350100M000100Y4O", "I、O、S、V、Z"),
        ("91350100M000100Y4*", "只能由数字和英文字母"),
        ("91350100Ｍ000100Ｙ４３号", "只能由数字和英文字母"),
        ("9135010AM000100Y43", "第3至8位"),
        ("91350100M000100Y44", "校验码"),
        ("0" * 18, "真实"),
        ("9.1421E+17", "Excel"),
        ("914212001234567000", "Excel"),
    ],
)
def test_wrong_credit_codes_are_refused_with_the_rule(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        parse_credit_code(typed)


@given(CREDIT_CODES)
def test_every_code_that_satisfies_the_congruence_is_accepted(code: str) -> None:
    assert parse_credit_code(code) == code


@given(CREDIT_CODES, st.integers(0, 17), st.sampled_from(CREDIT_CHARACTERS))
def test_one_wrong_character_in_a_credit_code_is_always_noticed(
    code: str, place: int, wrong: str
) -> None:
    assume(code[place] != wrong)
    with pytest.raises(NotValid):
        parse_credit_code(code[:place] + wrong + code[place + 1 :])


@given(CREDIT_CODES, st.integers(0, 16))
def test_two_neighbours_swapped_in_a_credit_code_are_always_noticed(code: str, place: int) -> None:
    assume(code[place] != code[place + 1])
    with pytest.raises(NotValid):
        parse_credit_code(_swapped(code, place))


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("421200000012345", "421200000012345"),
        ("４２１２００ ０００ ０１２３４５", "421200000012345"),
        # M000100Y: 22*3 + 1*5 + 34*2 = 139, 11 - 139 % 11 = 4
        ("M000100Y-4", "M000100Y4"),
        # 10000003: 1*3 + 3*2 = 9, 11 - 9 = 2
        ("10000003-2", "100000032"),
        # 10000004: 1*3 + 4*2 = 11, 11 - 0 = 11 -> 0
        ("10000004-0", "100000040"),
        # 00000005: 5*2 = 10, 11 - 10 = 1;  00000006: 12, 11 - 1 = 10 -> X
        ("000000051", "000000051"),
        ("00000006-x", "00000006X"),
    ],
)
def test_numbers_of_firms_closed_before_the_unified_code(typed: str, number: str) -> None:
    assert old_registration_number(typed) == number


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "请填写"),
        ("M000100Y-5", "校验码"),
        ("42120000001234", "15位"),
        ("000000000", "15位"),
        ("0" * 15, "15位"),
        (CREDIT, "15位"),
        ("4.212E+14", "Excel"),
    ],
)
def test_wrong_old_numbers_are_refused(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        old_registration_number(typed)


# --- telephones -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("13812345678", "13812345678"),
        (" 138 1234 5678 ", "13812345678"),
        ("138-1234-5678", "13812345678"),
        ("１３８１２３４５６７８", "13812345678"),
        ("+86 138 1234 5678", "13812345678"),
        ("＋８６－13812345678", "13812345678"),
        ("8613812345678", "13812345678"),
        ("008613812345678", "13812345678"),
        ("19912345678", "19912345678"),
        ("0715-8255555", "0715-8255555"),
        ("07158255555", "0715-8255555"),
        ("(0715)8255555", "0715-8255555"),
        ("（０７１５）８２５５５５５", "0715-8255555"),
        ("0715－8255555", "0715-8255555"),
        ("0715—8255555", "0715-8255555"),
        ("027 8712 3456", "027-87123456"),
        ("010-62345678", "010-62345678"),
        ("0755-82345678", "0755-82345678"),
        ("+86 715 8255555", "0715-8255555"),
        ("+86 0715 8255555", "0715-8255555"),
        ("+86-27-87123456", "027-87123456"),
    ],
)
def test_telephones_are_read_in_every_spelling(typed: str, number: str) -> None:
    assert parse_phone(typed) == number
    assert parse_phone(number) == number


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "请填写"),
        ("--", "请填写"),
        ("1381234567", "11位手机号"),
        ("138123456789", "11位手机号"),
        ("12812345678", "11位手机号"),
        ("8255555", "区号"),
        ("86255555", "区号"),
        ("027-8255555", "区号"),
        ("0715-825555", "区号"),
        ("0000-0000000", "区号"),
        ("13812345678 女儿", "11位手机号"),
        ("13812345678、13912345678", "11位手机号"),
        ("١٣٨١٢٣٤٥٦٧٨", "11位手机号"),
        ("1.38E+10", "Excel"),
        ("13812345678.0", "Excel"),
    ],
)
def test_what_is_no_telephone_is_refused(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        parse_phone(typed)


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("13812345678", ["13812345678"]),
        ("13812345678、0715-8255555", ["13812345678", "0715-8255555"]),
        ("13812345678/13912345678", ["13812345678", "13912345678"]),
        ("13812345678，13912345678", ["13812345678", "13912345678"]),
        ("13812345678；13912345678;", ["13812345678", "13912345678"]),
        ("13812345678 13912345678", ["13812345678", "13912345678"]),
        ("13812345678\n0715 8255555", ["13812345678", "0715-8255555"]),
        ("138 1234 5678 139 1234 5678", ["13812345678", "13912345678"]),
        ("0715 - 8255555 +86 13812345678", ["0715-8255555", "13812345678"]),
        ("13812345678、138 1234 5678", ["13812345678"]),
    ],
)
def test_several_telephones_in_one_cell(typed: str, numbers: list[str]) -> None:
    assert parse_phones(typed) == numbers


@pytest.mark.parametrize("typed", ["", "、", "13812345678、123", "13812345678 转 2", "1 " * 500])
def test_a_cell_with_anything_else_than_telephones_is_refused(typed: str) -> None:
    with pytest.raises(NotValid):
        parse_phones(typed)


# --- dates ----------------------------------------------------------------------------------

MARCH = date(1965, 3, 1)


@pytest.mark.parametrize(
    ("typed", "month"),
    [
        ("1965.3", MARCH),
        ("1965.03", MARCH),
        ("1965年3月", MARCH),
        ("1965 年 3 月", MARCH),
        ("1965年03月份", MARCH),
        ("1965-03", MARCH),
        ("１９６５－０３", MARCH),
        ("1965—3", MARCH),
        ("1965。3", MARCH),
        ("196503", MARCH),
        ("1965/3", MARCH),
        ("1965/3/…", MARCH),
        ("1965/3/", MARCH),
        ("1965/3/12", MARCH),
        ("1965-03-01", MARCH),
        ("1965-03-01 00:00:00", MARCH),
        ("19650301", MARCH),
        ("1965.03.12", MARCH),
        ("1965年3月12日", MARCH),
        ("1965.12", date(1965, 12, 1)),
        ("1900.3", date(1900, 3, 1)),
        ("2100年12月", date(2100, 12, 1)),
    ],
)
def test_months_are_read_in_every_spelling(typed: str, month: date) -> None:
    assert parse_month(typed) == month


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "样式"),
        ("1965", "样式"),
        ("1965年", "样式"),
        ("65.3", "样式"),
        ("1965.123", "样式"),
        ("23802", "样式"),
        ("三月", "样式"),
        ("1965-03-01 08:30:00", "样式"),
        ("١٩٦٥.٣", "样式"),
        ("1965.30", "1至12"),
        ("1965.13", "1至12"),
        ("1965.0", "1至12"),
        ("196500", "1至12"),
        ("1965.2.30", "没有这一天"),
        ("1965.3.0", "没有这一天"),
        ("1900-02", "1900年3月"),
        ("1900-01-01", "1900年3月"),
        ("1899.12", "1900年3月"),
        ("0000-00", "1900年3月"),
        ("2101.1", "2100年"),
    ],
)
def test_what_is_no_month_is_refused(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        parse_month(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "1965-03-12",
        "1965.3.12",
        "1965/3/12",
        "1965年3月12日",
        "1965 年 3 月 12 日",
        "19650312",
        "１９６５．３．１２",
        "1965-03-12 00:00:00",
        "1965-03-12T00:00:00.000",
    ],
)
def test_days_are_read_in_every_spelling(typed: str) -> None:
    assert parse_date(typed) == date(1965, 3, 12)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("1965-03", "样式"),
        ("196503", "样式"),
        ("1965/3/…", "样式"),
        ("1965-02-29", "没有这一天"),
        ("1965-13-01", "1至12"),
        ("1900-02-28", "1900年3月"),
        ("2101-01-01", "2100年"),
    ],
)
def test_what_is_no_day_is_refused(typed: str, reason: str) -> None:
    with pytest.raises(NotValid, match=reason):
        parse_date(typed)


@given(st.dates(date(1900, 3, 1), date(2100, 12, 31)))
def test_every_day_is_read_back_from_what_was_written(day: date) -> None:
    for written in (f"{day:%Y%m%d}", str(day), f"{day.year}年{day.month}月{day.day}日"):
        assert parse_date(written) == day
        assert parse_month(written) == day.replace(day=1)


@pytest.mark.parametrize(
    ("birth", "day", "years"),
    [
        (date(1945, 6, 15), date(2025, 6, 14), 79),
        (date(1945, 6, 15), date(2025, 6, 15), 80),
        (date(1944, 2, 29), date(2025, 2, 28), 80),
        (date(1944, 2, 29), date(2025, 3, 1), 81),
        (date(1944, 2, 29), date(2024, 2, 29), 80),
        (date(2026, 1, 1), date(2026, 1, 1), 0),
    ],
)
def test_age_changes_on_the_birthday(birth: date, day: date, years: int) -> None:
    assert age_on(birth, day) == years


def test_nobody_has_an_age_before_birth() -> None:
    with pytest.raises(NotValid, match="出生日期"):
        age_on(date(2026, 1, 2), date(2026, 1, 1))


# --- retirement -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "birth", "delay", "age", "month"),
    [
        ("MALE", (1964, 12), 0, (60, 0), (2024, 12)),
        ("MALE", (1965, 1), 1, (60, 1), (2025, 2)),
        ("MALE", (1965, 5), 2, (60, 2), (2025, 7)),
        ("MALE", (1965, 10), 3, (60, 3), (2026, 1)),
        ("MALE", (1965, 12), 3, (60, 3), (2026, 3)),
        ("MALE", (1967, 5), 8, (60, 8), (2028, 1)),
        ("MALE", (1970, 1), 16, (61, 4), (2031, 5)),
        ("MALE", (1976, 8), 35, (62, 11), (2039, 7)),
        ("MALE", (1976, 9), 36, (63, 0), (2039, 9)),
        ("MALE", (1995, 12), 36, (63, 0), (2058, 12)),
        ("FEMALE_55", (1963, 4), 0, (55, 0), (2018, 4)),
        ("FEMALE_55", (1970, 1), 1, (55, 1), (2025, 2)),
        ("FEMALE_55", (1971, 4), 4, (55, 4), (2026, 8)),
        ("FEMALE_55", (1981, 9), 36, (58, 0), (2039, 9)),
        ("FEMALE_55", (2000, 12), 36, (58, 0), (2058, 12)),
        ("FEMALE_50", (1975, 1), 1, (50, 1), (2025, 2)),
        ("FEMALE_50", (1975, 3), 2, (50, 2), (2025, 5)),
        ("FEMALE_50", (1984, 11), 60, (55, 0), (2039, 11)),
        ("FEMALE_50", (1995, 12), 60, (55, 0), (2050, 12)),
    ],
)
def test_statutory_retirement_by_the_official_table(
    kind: str,
    birth: tuple[int, int],
    delay: int,
    age: tuple[int, int],
    month: tuple[int, int],
) -> None:
    retirement = statutory_retirement(RetirementKind[kind], date(*birth, 28))
    assert retirement.month == date(*month, 1)
    assert (retirement.age_years, retirement.age_months) == age
    assert retirement.delay_months == delay
    assert statutory_retirement(RetirementKind[kind], date(*birth, 1)) == retirement


@given(st.sampled_from(RetirementKind), st.dates(date(1920, 1, 1), date(2020, 11, 30)))
def test_who_is_born_a_month_later_never_retires_earlier(kind: RetirementKind, birth: date) -> None:
    following = date(birth.year + birth.month // 12, birth.month % 12 + 1, 1)
    first, second = statutory_retirement(kind, birth), statutory_retirement(kind, following)
    assert first.month < second.month
    assert 0 <= second.delay_months - first.delay_months <= 1
    assert first.month.day == 1


def test_kinds_are_plain_text_with_a_chinese_name() -> None:
    assert {kind.value for kind in RetirementKind} == {"male", "female_55", "female_50"}
    assert RetirementKind("female_50") is RetirementKind.FEMALE_50
    assert [kind.label for kind in RetirementKind] == [
        "男职工",
        "原法定退休年龄55周岁女职工",
        "原法定退休年龄50周岁女职工",
    ]


@pytest.mark.parametrize(
    ("year", "years", "months"),
    [
        (2010, 15, 0),
        (2025, 15, 0),
        (2029, 15, 0),
        (2030, 15, 6),
        (2031, 16, 0),
        (2032, 16, 6),
        (2033, 17, 0),
        (2034, 17, 6),
        (2035, 18, 0),
        (2036, 18, 6),
        (2037, 19, 0),
        (2038, 19, 6),
        (2039, 20, 0),
        (2060, 20, 0),
    ],
)
def test_minimum_contributions_by_the_official_table(year: int, years: int, months: int) -> None:
    assert minimum_contribution_months(year) == years * 12 + months


# --- capitals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "零"),
        (1, "壹"),
        (10, "壹拾"),
        (11, "壹拾壹"),
        (30, "叁拾"),
        (90, "玖拾"),
        (100, "壹佰"),
        (105, "壹佰零伍"),
        (110, "壹佰壹拾"),
        (1005, "壹仟零伍"),
        (1050, "壹仟零伍拾"),
        (2468, "贰仟肆佰陆拾捌"),
        (10000, "壹万"),
        (10001, "壹万零壹"),
        (107000, "壹拾万柒仟"),
        (100105, "壹拾万零壹佰零伍"),
        (20010000, "贰仟零壹万"),
        (100000001, "壹亿零壹"),
        (100010000, "壹亿零壹万"),
        (999999999999, "玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖"),
    ],
)
def test_numbers_in_capitals(number: int, written: str) -> None:
    assert in_capitals(number) == written


@pytest.mark.parametrize("number", [-1, 10**12])
def test_numbers_out_of_range_are_not_written(number: int) -> None:
    with pytest.raises(ValueError, match="number"):
        in_capitals(number)


@given(st.integers(0, 10**12 - 1))
@example(10**8)
def test_capitals_can_be_read_back(number: int) -> None:
    assert _read_capitals(in_capitals(number)) == number


def _read_capitals(written: str) -> int:
    total = group = digit = 0
    for character in written:
        if character in "零壹贰叁肆伍陆柒捌玖":
            digit = "零壹贰叁肆伍陆柒捌玖".index(character)
        elif character in "拾佰仟":
            group += digit * {"拾": 10, "佰": 100, "仟": 1000}[character]
            digit = 0
        else:
            total += (group + digit) * {"万": 10**4, "亿": 10**8}[character]
            group = digit = 0
    return total + group + digit


def test_months_in_capitals_by_the_rule_of_cheques() -> None:
    names = ["零壹", "零贰", *"叁肆伍陆柒捌玖", "零壹拾", "拾壹", "拾贰"]
    for month, name in enumerate(names, 1):
        assert month_in_capitals(date(2026, month, 9)) == f"贰零贰陆年{name}月"
    assert month_in_capitals(date(1999, 5, 1)) == "壹玖玖玖年伍月"


# --- code lists -----------------------------------------------------------------------------


def test_code_lists_are_complete() -> None:
    assert _codes_of("SEX") == "0 1 2 9"
    assert _codes_of("POLITICAL_STATUS") == "01 02 03 04 05 06 07 08 09 10 11 12 13"
    assert _codes_of("EDUCATION") == "10 11 14 20 30 40 41 44 47 60 70 80 90"
    assert _codes_of("MARRIAGE") == "10 20 21 22 23 30 40 90"
    assert _codes_of("HEALTH") == (
        "1 2 3 6 10 20 30 31 32 33 34 35 36 37 38 41 49 60 61 62 63 64 65 66 67 69"
    )


def _codes_of(listed: str) -> str:
    return " ".join(getattr(standards, listed))


def test_the_56_ethnic_groups_stand_in_the_order_of_the_standard() -> None:
    groups = (
        "汉 蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 "
        "高山 拉祜 水 东乡 纳西 景颇 柯尔克孜 土 达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 "
        "普米 塔吉克 怒 乌孜别克 俄罗斯 鄂温克 德昂 保安 裕固 京 塔塔尔 独龙 鄂伦春 赫哲 门巴 "
        "珞巴 基诺 "
    )
    numbers = [f"{number:02d}" for number in range(1, 57)]
    assert list(standards.ETHNICITY) == [*numbers, "97", "98"]
    assert "".join(standards.ETHNICITY[number] for number in numbers) == groups.replace(" ", "族")


LISTS = ("SEX", "ETHNICITY", "POLITICAL_STATUS", "EDUCATION", "HEALTH", "MARRIAGE", "KINSHIP")


@pytest.mark.parametrize("listed", LISTS)
def test_every_code_name_and_alias_is_found_and_no_alias_hides_a_name(listed: str) -> None:
    codes = getattr(standards, listed)
    aliases = getattr(standards, f"{listed}_ALIASES")
    for code, name in codes.items():
        assert lookup(codes, code) == code
        assert codes[lookup(codes, name)] == name
    for alias, code in aliases.items():
        assert lookup(codes, alias, aliases) == code
        assert code in codes
    assert not set(aliases) & (set(codes) | set(codes.values()))


@pytest.mark.parametrize(
    ("listed", "text", "name"),
    [
        ("SEX", "男", "男"),
        ("SEX", " 男 性 ", "男"),
        ("SEX", "M", "男"),
        ("SEX", "male", "男"),
        ("SEX", "Ｆ", "女"),
        ("SEX", "FEMALE", "女"),
        ("ETHNICITY", "汉", "汉族"),
        ("ETHNICITY", "汉 族", "汉族"),
        ("ETHNICITY", "1", "汉族"),
        ("ETHNICITY", "０１", "汉族"),
        ("ETHNICITY", "土", "土族"),
        ("ETHNICITY", "土家", "土家族"),
        ("ETHNICITY", "入籍", "外国血统中国籍人士"),
        ("POLITICAL_STATUS", "党员", "中共党员"),
        ("POLITICAL_STATUS", "中共党员", "中共党员"),
        ("POLITICAL_STATUS", "预备党员", "中共预备党员"),
        ("POLITICAL_STATUS", "预备", "中共预备党员"),
        ("POLITICAL_STATUS", "中共党员（预备）", "中共预备党员"),
        ("POLITICAL_STATUS", "群众", "群众"),
        ("POLITICAL_STATUS", "无党派", "无党派人士"),
        ("POLITICAL_STATUS", "民革", "民革党员"),
        ("POLITICAL_STATUS", "1", "中共党员"),
        ("EDUCATION", "大学", "大学本科"),
        ("EDUCATION", "本科", "大学本科"),
        ("EDUCATION", "21", "大学本科"),
        ("EDUCATION", "大专", "大学专科"),
        ("EDUCATION", "专科", "大学专科"),
        ("EDUCATION", "中专", "中等专科"),
        ("EDUCATION", "高中", "普通高中"),
        ("EDUCATION", "初中", "初中"),
        ("EDUCATION", "小学", "小学"),
        ("EDUCATION", "技校", "技工学校"),
        ("HEALTH", "良好", "健康或良好"),
        ("HEALTH", "慢性病", "有慢性病"),
        ("HEALTH", "糖尿病", "糖尿病"),
        ("MARRIAGE", "离异", "离婚"),
        ("KINSHIP", "老伴", "配偶"),
        ("KINSHIP", "儿子", "子"),
        ("KINSHIP", "女儿", "女"),
    ],
)
def test_the_words_people_write_are_understood(listed: str, text: str, name: str) -> None:
    codes = getattr(standards, listed)
    assert codes[lookup(codes, text, getattr(standards, f"{listed}_ALIASES"))] == name


def test_an_unknown_word_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(NotValid, match="可填写：未知、男、女、未说明"):
        lookup(standards.SEX, "雄", standards.SEX_ALIASES)
    with pytest.raises(NotValid, match="内容为空"):
        lookup(standards.SEX, " ")
    with pytest.raises(NotValid) as refusal:
        lookup(standards.HEALTH, "?")
    assert str(refusal.value).count("健康或良好") == 1


# --- hostile input --------------------------------------------------------------------------


def _lookup_health(text: str) -> str:
    return lookup(standards.HEALTH, text, standards.HEALTH_ALIASES)


READERS: list[Callable[[str], object]] = [
    fold_name,
    parse_id_number,
    parse_credit_code,
    old_registration_number,
    parse_phone,
    parse_phones,
    parse_month,
    parse_date,
    _lookup_health,
]

NASTY_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("0123456789１２Ｘx-—+.eE /年月·、\u200b\ud800\x00")),
    max_size=40,
)


@given(NASTY_TEXT)
def test_any_text_is_read_or_refused_with_a_chinese_sentence(text: str) -> None:
    for read in READERS:
        try:
            read(text)
        except NotValid as refusal:
            sentence = str(refusal)
            assert "\u4e00" <= sentence[0] <= "\u9fff"
            assert sentence.endswith("。")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("unit", ["1", "１ ", "<a>", "张 ", "1965.", "\u202e", "86", "…", "0715 "])
def test_enormous_text_is_refused_fast_and_never_repeated(
    read: Callable[[str], object], unit: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(NotValid) as refusal:
        read(unit * 20_000)
    assert time.perf_counter() - started < 1
    assert len(str(refusal.value)) < 250
    assert unit * 3 not in str(refusal.value)
