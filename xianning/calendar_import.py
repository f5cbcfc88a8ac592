"""The State Council's notice as a workbook: 日期, 安排 (放假 or 上班), 节日."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import transaction
from django.utils import timezone

from xianning import audit, standards, workbook
from xianning.fields import StandardField, WorkbookField
from xianning.models import CalendarDay
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from xianning.models import User
    from xianning.workbook import Row

HEADINGS = ("日期", "安排", "节日")
ARRANGED = {"放假": False, "休": False, "休息": False, "上班": True, "班": True, "补班": True}
FIRST_YEAR, LAST_YEAR = 2020, 2060
FEWEST = 7  # 元旦, 春节 … 国庆节: a notice with fewer holidays is not whole


class CalendarForm(forms.Form):
    """The notice of one year."""

    notice = StandardField(
        label="通知文号或名称", max_length=80, help_text="例如 国办发明电〔2026〕7号"
    )
    file = WorkbookField(
        label="放假安排工作簿",
        help_text="只接受 .xlsx；列名为日期、安排、节日，安排填放假或上班，一行一天，只填一个年度",
    )  # fmt: skip


def read(data: bytes, name: str) -> dict[date, tuple[bool, str]]:
    """Day → whether it is worked, and its name. Raises Rejected with all wrong rows in a sentence."""
    sheets = [sheet for sheet in workbook.read(data, name) if sheet.rows and not sheet.hidden]
    if not sheets:
        raise Rejected("工作簿中没有内容。")
    heading, *rows = sheets[0].rows
    found = [cell.text.strip() if cell else "" for cell in heading.cells()]
    if missing := [each for each in HEADINGS if each not in found]:
        raise Rejected(f"第一行没有列名{'、'.join(missing)}。")
    places = [found.index(each) for each in HEADINGS]
    days: dict[date, tuple[bool, str]] = {}
    wrong = []
    for row in rows:
        try:
            day, works, title = _day(row, places)
            if day in days:
                raise ValueError(f"{day} 重复")
            days[day] = works, title
        except ValueError as reason:
            wrong.append(f"第 {row.number} 行：{reason}")
    if wrong:
        raise Rejected("；".join(wrong[:10]) + "。")
    _one_whole_year(days)
    return days


def _day(row: Row, places: list[int]) -> tuple[date, bool, str]:
    cells = row.cells()
    texts = [
        cell.text.strip() if place < len(cells) and (cell := cells[place]) else ""
        for place in places
    ]
    day = standards.parse_date(texts[0])
    if not day:
        raise ValueError("没有日期")
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{day.year} 年不在 {FIRST_YEAR} 至 {LAST_YEAR} 年之间")
    if texts[1] not in ARRANGED:
        raise ValueError("“安排”须填放假或上班")
    if not texts[2]:
        raise ValueError("没有节日名称")
    return day, ARRANGED[texts[1]], texts[2][:20]


def _one_whole_year(days: dict[date, tuple[bool, str]]) -> None:
    years = sorted({day.year for day in days})
    if len(years) != 1:
        raise Rejected(f"须只填一个年度，现有 {'、'.join(map(str, years)) or '0'} 年。")
    if sum(not works for works, _name in days.values()) < FEWEST:
        raise Rejected(f"{years[0]} 年放假不足 {FEWEST} 天，通知没有填全。")


@transaction.atomic
def write(days: dict[date, tuple[bool, str]], *, notice: str, by: User) -> int:
    """Put the days of the notice in the place of what the year had; returns the year."""
    year = min(days).year
    old = CalendarDay.objects.select_for_update().filter(day__year=year)
    list(old.values_list("pk"))
    old.delete()
    facts: dict[str, Any] = {"notice": notice, "set_by": by, "set_at": timezone.now()}
    CalendarDay.objects.bulk_create(
        CalendarDay(day=day, works=works, name=name, **facts)
        for day, (works, name) in sorted(days.items())
    )
    audit.write("calendar_set", user=by, facts={"year": year, "days": len(days), "notice": notice})
    return year
