"""What an enterprise has said by hand that the headings of its workbooks mean."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, TypedDict

from django.db import transaction
from django.utils import timezone

from enterprises.models import Enterprise
from transfers.imports import matching
from transfers.imports.columns import BY_FIELD, REQUIRED
from transfers.models import ColumnChoice
from transfers.workflow import Refused
from xianning import audit, standards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transfers.imports.reading import LeftOut, Table
    from xianning.models import User
    from xianning.workbook import Cell, Row

EXAMPLES = 2
_BETWEEN_DIGITS = re.compile(r"[ ()+\-]+")
_NUMBER = re.compile(r"[0-9]+[Xx]?")
_NUMBER_OF_SOMEBODY = re.compile(r"[0-9]{7,}")
NO_LIST = (
    "请指明哪一列是“身份证号”，哪一列是“姓名”，哪一列是“退休年月”；文件中没有的列请补上后重新上传。"
)


class SheetColumn(TypedDict):
    """A column of an uploaded workbook as the page of columns shows it; part of a stored report.

    `key` is the heading as choices are remembered by, `field` what is read from the column and
    `automatic` what would be without a choice by hand (each may be ""), `how` as in
    `matching.Heading`. `examples` tell the shape of cells below the heading, never their content.
    """

    sheet: str
    place: int  # from 0
    heading: str
    key: str
    field: str
    automatic: str
    how: str
    examples: list[str]


def of(enterprise: Enterprise) -> dict[str, str]:
    """Key of a heading → field of the form, or "" for a column that is not to be read."""
    rows = ColumnChoice.objects.filter(enterprise=enterprise).values_list("heading", "field")
    return {heading: name for heading, name in rows if not name or name in BY_FIELD}


def columns_of(sheet: Table | LeftOut) -> list[SheetColumn]:
    """The columns of a sheet that was read, or that could be if its headings were explained."""
    layout = sheet.layout
    if layout is None:
        return []
    below = [row for row in sheet.top if row.number > layout.last_row]
    shapes = _shapes(below)
    return [
        SheetColumn(
            sheet=sheet.name, place=heading.place, heading=heading.text, key=heading.key,
            field=heading.field, automatic=heading.automatic, how=heading.how,
            examples=shapes.get(heading.place, []),
        )
        for heading in layout.all
    ]  # fmt: skip


def _shapes(rows: Iterable[Row]) -> dict[int, list[str]]:
    """Place → different shapes of the cells of ROWS, so many as are shown."""
    found: dict[int, list[str]] = {}
    for row in rows:
        for place, cell in enumerate(row.cells()):
            known = found.setdefault(place, [])
            if cell and len(known) < EXAMPLES and (words := shape(cell)) not in known:
                known.append(words)
    return found


def shape(cell: Cell) -> str:
    """What sort of thing stands in a cell, in words that tell nothing about the person (第十一条)."""
    if cell.kind != "text":
        return {
            "number": f"{sum(c.isdigit() for c in cell.text)} 位数字", "date": "日期",
            "bool": "逻辑值", "error": "错误值",
        }.get(cell.kind, "公式")  # fmt: skip
    text = standards.fold(cell.text)
    try:
        standards.parse_month(text)
    except standards.NotValid:
        pass
    else:
        return "年月或日期"
    number = _BETWEEN_DIGITS.sub("", text)
    return f"{len(number)} 位号码" if _NUMBER.fullmatch(number) else f"文字（{len(text)} 字）"


# --- choosing -----------------------------------------------------------------------------------


def why_not(columns: Iterable[SheetColumn], chosen: Mapping[str, str]) -> str | None:
    """Why a file with these COLUMNS cannot be read by CHOSEN, as a sentence; None when it can.

    In a sheet with 身份证号 no two columns may be read for the same, and none that is required may
    be missing; one sheet must be such.
    """
    lists = 0
    for sheet, group in groupby(columns, key=lambda column: column["sheet"]):
        read: dict[str, str] = {}
        twice = ""
        for column in group:
            name = chosen.get(column["key"], column["automatic"])
            if name and name in read:
                twice = twice or (
                    f"工作表“{sheet}”的“{read[name]}”和“{column['heading']}”都指明为"
                    f"“{_words(name)}”。请只保留一列，另一列选“不读取”。"
                )
            read.setdefault(name, column["heading"])
        if "id_number" not in read:
            continue
        lists += 1
        if twice:
            return twice
        if missing := [_words(name) for name in REQUIRED if name not in read]:
            return (
                f"工作表“{sheet}”没有“{'”“'.join(missing)}”列，不能导入。"
                "请指明哪一列是；文件中没有的，请补上后重新上传。"
            )
    return None if lists else NO_LIST


def _words(name: str) -> str:
    return matching.full_heading(BY_FIELD[name])


@transaction.atomic
def save(
    enterprise: Enterprise, chosen: Mapping[str, str], by: User, columns: list[SheetColumn]
) -> None:
    """Remember what the headings of a file with these COLUMNS mean, for all files of ENTERPRISE.

    CHOSEN: key of a heading → field, or "" for a column that is not to be read. What the matching
    finds by itself is not remembered. Raises workflow.Refused with a sentence (see `why_not`).
    """
    offered = {column["key"]: column["automatic"] for column in columns}
    if not chosen.keys() <= offered.keys() or not set(chosen.values()) <= {"", *BY_FIELD}:
        raise Refused("文件的表头已有变化，请刷新页面后重新指明。")
    if any(_NUMBER_OF_SOMEBODY.search(key) for key, name in chosen.items() if name):
        raise Refused("表头中有一串号码，像是人员资料而不是表头，不能作为表头记住。")
    locked = Enterprise.objects.select_for_update(of=("self",)).get(pk=enterprise.pk)
    before = of(locked)
    if reason := why_not(columns, before | dict(chosen)):
        raise Refused(reason)
    # An unknown column is "not to be read" only after somebody has said so.
    found = {column["key"] for column in columns if column["automatic"]}
    usual = {key for key, name in chosen.items() if key in found and name == offered[key]}
    ColumnChoice.objects.filter(enterprise=locked, heading__in=usual).delete()
    changed = {
        key: name
        for key, name in chosen.items()
        if key not in usual and before.get(key) != name and not _NUMBER_OF_SOMEBODY.search(key)
    }
    for key, name in changed.items():
        ColumnChoice.objects.update_or_create(
            enterprise=locked, heading=key,
            defaults={"field": name, "chosen_by": by, "chosen_at": timezone.now()},
        )  # fmt: skip
    if changed or usual & before.keys():
        audit.write(
            "columns_chosen", user=by, object=locked,
            facts={
                "fields": sorted({name for name in changed.values() if name}),
                "not_read": sum(not name for name in changed.values()),
                "forgotten": len(usual & before.keys()),
            },
        )  # fmt: skip
