"""10,000 generated cells of all columns: what the form would store is what was typed, or an error.

Half of the cells hold what people type into such a column, with the value that must be stored; the
other half hold anything at all: text of all scripts, numbers, dates, answers, errors, formulas. Of
these each is an error of its cell, or what is stored says the same by the written rule below.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from django.core.exceptions import ValidationError

from communities.models import Area
from tests.factories import enterprise_of
from tests.test_value_fidelity import (
    Spelled,
    Strings,
    random_text,
    sheet_of,
    spell_any,
    spell_date,
    spell_text,
)
from tests.xlsx_parts import row, text_cell
from transfers.imports import matching, reading
from transfers.imports.columns import COLUMNS, Column
from transfers.retiree_form import RetireeForm
from xianning import demo, standards, workbook
from xianning.workbook import Cell

ROWS = 180  # of 57 cells
FIELDS = RetireeForm.base_fields
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
PHONES = ("13912345678", "13800001111", "0715-8255555", "027-87654321")
MONTHS = ("{y}.{m}", "{y}-{m:02}", "{y}年{m}月", "{y}/{m}", "{y}{m:02}", "{y}-{m:02}-07", "{y}{m:02}07",
          "{y}年{m}月7日", " {y} 年 {m} 月 ")  # fmt: skip
DAYS = (
    "{d:%Y-%m-%d}",
    "{d:%Y%m%d}",
    "{d.year}年{d.month}月{d.day}日",
    "{d.year}.{d.month}.{d.day}",
)
BEFORE, AFTER = ("", "", " ", "\u3000", "\u200b"), ("", "", " ", "\n", "\u200b")
NAMES = {
    "张 三": "张三",
    "王㛃\u200b": "王㛃",
    "阿依古丽•买买提": "阿依古丽·买买提",
    "𠅤 𬭎": "𠅤𬭎",
}
# What people write for nothing, as far as the cell holds nothing else.
NOTHING = frozenset(
    ["无", "暂无", "没有", "不详", "未知", "不清楚", "否", "不是", "未评级", "未评定", "0"]
)


class Filled(NamedTuple):
    """A cell of a column, and what must be stored when it holds what belongs there."""

    column: Column
    cell: Spelled
    is_meant: bool
    stored: Any = None


# --- what people type ---------------------------------------------------------------------------


def meant_phone(rnd: random.Random) -> tuple[str, Any]:
    chosen = rnd.sample(PHONES, rnd.choice((1, 1, 2)))
    spelled = [
        rnd.choice(BEFORE) + rnd.choice((n, n.replace("-", ""), n.translate(WIDE), f"+86 {n}"))
        for n in chosen
    ]
    return rnd.choice(("、", "/", "，", "; ")).join(spelled) + rnd.choice(AFTER), "、".join(chosen)


def meant_month(rnd: random.Random) -> tuple[str, date]:
    year, month = rnd.randrange(1930, 2026), rnd.randrange(1, 13)
    text = rnd.choice(MONTHS).format(y=year, m=month)
    return rnd.choice((text, text.translate(WIDE))), date(year, month, 1)


def meant_id(rnd: random.Random) -> tuple[str, Any]:
    day = date(1930, 1, 1) + timedelta(days=rnd.randrange(12_000))
    number = standards.make_id_number(demo.REGION, day, rnd.randrange(500), rnd.choice("12"))
    spaced, short = f"{number[:6]} {number[6:14]}-{number[14:]}", number[:6] + number[8:17]
    text = rnd.choice((number, number.lower(), number.translate(WIDE), spaced, short))
    return rnd.choice((*BEFORE, "'")) + text + rnd.choice(AFTER), number


def meant_words(rnd: random.Random, field: Any) -> tuple[str, Any]:
    """Words of a code list; several, with separators or ticks, where several may be chosen."""
    pairs = [(code, str(word)) for code, word in field.choices if code]
    if not hasattr(field, "_split"):
        code, word = rnd.choice(pairs)
        return rnd.choice((word, f" {word}\n", f"\u200b{word}", f"☑{word}")), code
    chosen = sorted(rnd.sample(pairs, rnd.randrange(1, 3)), key=pairs.index)
    codes = [code for code, _ in chosen]
    if rnd.random() < 0.5:
        return rnd.choice(("、", "，", " ", ";")).join(word for _, word in chosen), codes
    mark = rnd.choice("☑√✓■")
    return " ".join(f"{mark if pair in chosen else '□'}{pair[1]}" for pair in pairs), codes


def meant(column: Column, rnd: random.Random, areas: dict[str, list[Area]]) -> tuple[str, Any]:
    """A text as somebody types it into COLUMN, and what must be stored for it."""
    if column.field == "id_number":
        return meant_id(rnd)
    if column.field == "name":
        return rnd.choice(list(NAMES.items()))
    if column.field == "spouse_born":
        text, month = meant_month(rnd)
        return text, f"{month:%Y-%m}"
    if column.kind == "area":
        area = rnd.choice(areas["county" if column.field == "archive_area" else "community"])
        return area.full_name, area
    if column.kind == "choice":
        return meant_words(rnd, FIELDS[column.field])
    if column.kind == "day":
        day = date(1990, 1, 1) + timedelta(days=rnd.randrange(13_000))
        return rnd.choice(DAYS).format(d=day), day
    if column.kind == "text":
        text = random_text(rnd, 12) + "号"
        return text, plain(text)
    return meant_phone(rnd) if column.kind == "number" else meant_month(rnd)


def fill(
    column: Column, rnd: random.Random, strings: Strings, areas: dict[str, list[Area]]
) -> Filled:
    if rnd.random() < 0.5:
        return Filled(column, spell_any(rnd, strings), False)
    if column.kind in ("month", "day") and rnd.random() < 0.2:
        day = date(1990, 1, 1) + timedelta(days=rnd.randrange(13_000))
        stored: Any = day if column.kind == "day" else day.replace(day=1)
        stored = f"{day:%Y-%m}" if column.field == "spouse_born" else stored
        return Filled(column, spell_date(rnd, day), True, stored)
    text, stored = meant(column, rnd, areas)
    return Filled(column, spell_text(rnd, text, strings), True, stored)


# --- the written rule ---------------------------------------------------------------------------


def plain(text: str) -> str:
    """Of a text: what nobody sees goes, blanks of any kind become one, the ends are trimmed."""
    hidden = {"Cf", "Cc", "Cs"}
    kept = (c for c in text if c.isspace() or unicodedata.category(c) not in hidden)
    return " ".join("".join(kept).split())


def digits(text: str) -> str:
    return re.sub("[^0-9]", "", standards.fold(text))


def is_same(column: Column, cell: Cell, value: Any) -> bool:
    """Whether VALUE says what stands in CELL, which may be anything."""
    typed = standards.fold(cell.text)
    if value in ("", None, []):
        unticked = column.kind == "choice" and "□" in typed and not re.search("[☑√✓■✔☒]", typed)
        return unticked or typed in NOTHING or not any(c.isalnum() for c in typed)
    if cell.kind in ("bool", "error", "formula-without-value"):
        return False
    if column.field == "spouse_born" and not re.fullmatch("[0-9]{4}-[0-9]{2}", value):
        return bool(value == plain(cell.text))  # what is no month is kept as it was typed
    if column.kind in ("month", "day"):
        stored = digits(value if isinstance(value, str) else value.isoformat())
        numbers = list(map(int, re.findall("[0-9]+", typed)))
        return numbers[:2] == [int(stored[:4]), int(stored[4:6])] or digits(typed)[:6] == stored[:6]
    if cell.kind == "date":
        return False
    if column.kind == "number":
        rest, wanted = digits(typed), "".join(map(digits, value.split("、")))
        return rest in (wanted, f"86{wanted}", f"0086{wanted}", wanted[:6] + wanted[8:17])
    if column.kind == "choice":
        return says(column, typed, value if isinstance(value, list) else [value])
    if column.kind == "area":
        return typed in value.full_name or typed == value.pk
    if column.field == "name":
        return without_joints(value) == without_joints(typed)
    return bool(value == plain(cell.text))


def without_joints(name: str) -> str:
    return re.sub("[ ·•‧・⋅∙･]", "", name)


def says(column: Column, typed: str, codes: list[str]) -> bool:
    """Whether the words of TYPED are those of CODES in the list of the column."""
    field: Any = FIELDS[column.field]
    words = {standards.fold(str(word)).casefold(): code for code, word in field.choices}
    words |= {code: code for code, _ in field.choices} | field.aliases
    parts = [part.casefold() for part in re.split(r"[□☑√✓■✔☒、,;/+\s]+", typed) if part]
    return {words.get(part, words.get(f"0{part}")) for part in parts} == set(codes)


# --- the test -----------------------------------------------------------------------------------

ERROR = object()


@pytest.mark.django_db
def test_ten_thousand_typed_values_are_stored_as_typed_or_are_errors() -> None:
    rnd, strings = random.Random(57), Strings()
    areas = {"community": list(Area.objects.receiving()[:200]),
             "county": list(Area.objects.filter(level="county"))}  # fmt: skip
    rows = {n: [fill(c, rnd, strings, areas) for c in COLUMNS] for n in range(2, ROWS + 2)}
    assert sum(map(len, rows.values())) >= 10_000
    letters = [f"{workbook._letters(n)}1" for n in range(1, len(COLUMNS) + 1)]
    top = row(1, "".join(map(text_cell, letters, map(matching.full_heading, COLUMNS))))
    cells = [(n, [filled.cell.xml for filled in line]) for n, line in rows.items()]
    form, seen = RetireeForm({}, enterprise=enterprise_of("qiye"), known={}), Counter[str]()
    for table in reading.read(sheet_of(cells, strings, top)):
        assert isinstance(table, reading.Table)
        assert [c.field for c in table.layout.columns.values()] == [c.field for c in COLUMNS]
        for line in table.lines():
            form.next_row(dict(line.texts))
            for filled in rows.pop(line.row):
                found = outcome(filled.column, line)
                seen[judge(filled, found, line)] += 1
                agree(filled.column, found, form)
    assert not rows  # every person was read
    assert min(seen["meant"], seen["error"], seen["anything"], seen["blank"]) > 150, seen


def outcome(column: Column, line: reading.Line) -> Any:
    """What a cell comes to by itself: a value, or ERROR."""
    if column.field in line.wrong:
        return ERROR
    try:
        return FIELDS[column.field].clean(line.texts.get(column.field, ""))
    except ValidationError:
        return ERROR


def judge(filled: Filled, found: Any, line: reading.Line) -> str:
    """How the cell came out; fails when it was changed silently."""
    column, cell = filled.column, filled.cell.read
    told = (column.field, cell, found, line.texts.get(column.field))
    if filled.is_meant:
        assert found == filled.stored, told
        return "meant"
    if found is ERROR:
        return "error"
    if cell is None:
        # The sheet 全民 tells the employment of its people.
        assert found in ("", None, [], "public"), told
        return "blank"
    if found == "public" and column.field == "employment_kind":
        found = "" if line.texts[column.field] == "全民" else found
    assert is_same(column, cell, found), told
    return "anything"


def agree(column: Column, found: Any, form: RetireeForm) -> None:
    """The form of many rows, which reads each text once, finds the same as the field alone."""
    name = column.field
    if name not in form.data:
        return
    if found is ERROR:
        assert name in form.errors
    elif found not in ("", None, []) and name not in form.errors and name != "party_area":
        assert form.cleaned_data[name] == found, (name, found)
