"""工作经费测算: people under management on a day, by division, times the standard of the year.

纳入同级财政预算管理: each division's line goes by the standard of its county, else of the city. The
number of a past day is counted from `Management`; what was signed for stays as a `FundSheet`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Substr
from django.utils import timezone
from openpyxl import Workbook

from communities.models import Area, FundSheet, FundStandard, Management
from transfers.refusal import Refused
from xianning import access, audit, pdf
from xianning.models import Sequence as Numbers
from xianning.workbook import write_text

if TYPE_CHECKING:
    from xianning.models import User

_BELOW = {2: 4, 4: 6, 6: 9, 9: 12}  # significant digits of a code → of those right below it
FIRST_YEAR = 2020
HEADINGS = ("地区", "管理服务人数", "人均标准（元/年）", "经费（元）", "标准依据")


@dataclass(frozen=True)
class Line:
    """One division: its people, the standard that holds there (None: none is set) and the sum."""

    code: str
    name: str
    people: int
    standard: Decimal | None
    source: str

    @property
    def amount(self) -> Decimal | None:
        return None if self.standard is None else self.people * self.standard


def lines_of(place: Area, day: date) -> list[Line]:
    """The divisions right below PLACE (PLACE itself when it is a community) on DAY."""
    digits = len(access.prefix(place.code))
    width = _BELOW.get(digits, digits)
    rows = Management.objects.on(day).filter(access.within("community_id", [place.code]))
    counted = rows.order_by().values_list(Substr("community_id", 1, width)).annotate(n=Count("pk"))
    people = {part.ljust(12, "0"): count for part, count in counted}
    known = {
        standard.area_id: standard
        for standard in FundStandard.objects.filter(year=day.year).select_related("area")
    }
    lines = []
    below = Area.objects.filter(parent=place) if digits < 12 else Area.objects.filter(pk=place.pk)
    for area in below.order_by("code"):
        if area.closed_on and area.code not in people:
            continue
        above = access.ancestors_of(area.code)
        standard = next((known[code] for code in above if code in known), None)
        lines.append(
            Line(area.code, area.name, people.get(area.code, 0),
                 standard.amount if standard else None, _words(standard))
        )  # fmt: skip
    return lines


def _words(standard: FundStandard | None) -> str:
    return f"{standard.area.name}：{standard.source}" if standard else ""


def total(lines: Sequence[Line]) -> tuple[int, Decimal | None]:
    """People and yuan of all LINES; no sum of money as long as somebody has no standard."""
    people = sum(line.people for line in lines)
    if any(line.people and line.amount is None for line in lines):
        return people, None
    return people, sum((line.amount or Decimal(0) for line in lines), Decimal(0))


@transaction.atomic
def set_standard(
    area: Area, *, by: User, years: Sequence[int], amount: Decimal, source: str
) -> None:
    """The standard of AREA for YEARS; an earlier one is changed and stays in its history."""
    old = {
        standard.year: standard
        for standard in FundStandard.objects.select_for_update(of=("self",)).filter(
            area=area, year__in=years
        )
    }
    for year in years:
        standard = old.get(year) or FundStandard(area=area, year=year)
        standard.amount, standard.source = amount, source
        standard.set_by, standard.set_at = by, timezone.now()
        standard.save()
    audit.write("fund_standard", user=by, object=area, area=area.pk,
                facts={"years": [*years], "amount": str(amount)})  # fmt: skip


@transaction.atomic
def fix(place: Area, *, by: User, day: date) -> FundSheet:
    """Keep the figures of DAY under a number, for signing. Raises Refused for a day to come."""
    if day > timezone.localdate():
        raise Refused("不能为以后的日期定稿。")
    lines = lines_of(place, day)
    people, amount = total(lines)
    kept = [asdict(line) | {"standard": str(line.standard or "")} for line in lines]
    sheet = FundSheet.objects.create(
        area=place, serial=Numbers.next(f"funds/{place.code}"), day=day, lines=kept,
        people=people, amount=amount, made_by=by,
    )  # fmt: skip
    audit.write("fund_sheet", user=by, object=sheet, area=place.pk,
                facts={"people": people, "amount": str(amount or "")})  # fmt: skip
    return sheet


def kept_lines(sheet: FundSheet) -> list[Line]:
    """The lines of SHEET as they were when it was made."""
    return [
        Line(row["code"], row["name"], row["people"],
             Decimal(row["standard"]) if row["standard"] else None, row["source"])
        for row in sheet.lines
    ]  # fmt: skip


# --- paper and workbook: always of a sheet that was kept -------------------------------------------


def to_pdf(sheet: FundSheet) -> pdf.Pdf:
    """A4 with places for three seals; the same bytes for the same sheet but for the time of making."""
    return pdf.render("print/fund_sheet.html", {"sheet": sheet, "lines": kept_lines(sheet)})


def to_xlsx(sheet: FundSheet) -> bytes:
    """One sheet: title, headings, a line a division, the sum."""
    book = Workbook()
    page: Any = book.active
    page.title = "经费测算表"
    write_text(page.cell(1, 1), f"{sheet}（人数截至 {sheet.day:%Y-%m-%d}）")
    for column, heading in enumerate(HEADINGS, start=1):
        write_text(page.cell(2, column), heading)
    row = 3
    for row, line in enumerate(kept_lines(sheet), start=3):
        write_text(page.cell(row, 1), line.name)
        page.cell(row, 2, line.people)
        if line.standard is not None:
            page.cell(row, 3, line.standard).number_format = "0.00"
            page.cell(row, 4, line.amount).number_format = "0.00"
        write_text(page.cell(row, 5), line.source or "未设定标准")
    write_text(page.cell(row + 1, 1), "合计")
    page.cell(row + 1, 2, sheet.people)
    if sheet.amount is not None:
        page.cell(row + 1, 4, sheet.amount).number_format = "0.00"
    for letter, width in zip("ABCDE", (24, 14, 18, 18, 44), strict=True):
        page.column_dimensions[letter].width = width
    page.freeze_panes = "A3"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
