"""统计月报: what is reported upward each month, by 央/省/市/县 and county, and kept as it was signed.

The words are those of the reports that offices of the field send (企业数、协议、应移交、已报到、档案、
党员、完成率). The figures of a month that is over are those of its last day, counted from the events;
those of the month that runs are those of now.
"""

from __future__ import annotations

import hashlib
import io
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce, Substr
from django.utils import timezone
from openpyxl import Workbook

from communities.models import Area
from enterprises.models import Enterprise, Venue
from party.models import PartyMove
from transfers import waterfall
from transfers.models import PARTY_MEMBER, ImportBatch, MonthlyReport, Transfer
from transfers.refusal import Refused
from xianning import access, audit, pdf, standards
from xianning.workbook import write_text

if TYPE_CHECKING:
    from xianning.models import User

FIRST = date(2021, 11, 1)  # the month of the regulation
OUTSIDE = "其他（未定或市外）"
# What an office types when there is none of 社会保障统筹外待遇.
NO_BENEFITS = ("", "无", "没有", "否", "-", "—", "/")


@dataclass(frozen=True)
class Column:
    """A figure of a line; with `of`, the share of the figure `part` in that one."""

    key: str
    heading: str
    of: str = ""
    part: str = ""


ENTERPRISES = (
    Column("listed", "列入名单企业"),
    Column("agreed", "已签协议企业"),
    Column("agreed_rate", "签订率", "listed", "agreed"),
    Column("retirees", "退休人员底数"),
)
PEOPLE = (
    Column("filed", "应移交人数"),
    Column("verify", "已核定待遇"),
    Column("confirm", "已签字盖章"),
    Column("community", "已报到"),
    Column("community_rate", "报到率", "filed", "community"),
    Column("card", "已发联系卡"),
    Column("archives", "档案已接收"),
    Column("archives_rate", "档案接收率", "filed", "archives"),
    Column("members", "党员应转"),
    Column("party", "党员已转"),
    Column("receipts", "已收回执"),
    Column("party_rate", "转接率", "members", "party"),
    Column("extra", "有统筹外待遇"),
)

VENUES = (
    Column("count", "场所设施（处）"),
    Column("received", "已接收（处）"),
    Column("received_rate", "接收率", "count", "received"),
    Column("square_metres", "已接收面积（平方米）"),
    Column("yuan", "已接收账面价值（元）"),
)

Line = dict[str, Any]  # place, level, and a number for each column that is no share


@dataclass(frozen=True)
class Table:
    """One table of the report: its columns, its lines with their shares, and the sum of all."""

    title: str
    columns: tuple[Column, ...]
    lines: list[Line]

    @property
    def total(self) -> Line:
        """The sum of all lines."""
        keys = [column.key for column in self.columns if not column.of]
        return {key: sum(line[key] for line in self.lines) for key in keys}

    def cells(self, line: Line) -> list[tuple[str, str]]:
        """Heading and words of each column of LINE."""
        return [(column.heading, self._word(column, line)) for column in self.columns]

    @property
    def rows(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Place, level and cells of each line, the sum last."""
        found = [(line["place"], line["level"], self.cells(line)) for line in self.lines]
        return [*found, ("合计", "", self.cells(self.total))]

    def _word(self, column: Column, line: Line) -> str:
        if not column.of:
            return str(line[column.key])
        part, whole = line[column.part], line[column.of]
        return share(part, whole)


def share(part: int, whole: int) -> str:
    """PART of WHOLE in percent, to a tenth, never rounded up to 100 %; a dash for none of nothing."""
    if not whole:
        return "–"
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10}%"


def last_day(month: date) -> date:
    """The last day of the month that begins with MONTH."""
    return month.replace(day=monthrange(month.year, month.month)[1])


def figures(area: Area, month: date) -> dict[str, Any]:
    """What a report of AREA for MONTH would say now: `day`, and the lines of its two tables."""
    today = timezone.localdate()
    day = min(last_day(month), today)
    on = None if day == today else day
    inside = access.within("authority_id", [area.pk], deepest=6)
    return {
        "day": day.isoformat(),
        "enterprises": _enterprises(inside, day),
        "venues": _venues(inside, day),
        "people": _people(Transfer.objects.filter(inside, ~_unfinished()), on, day),
    }


def _unfinished() -> Q:
    """Cases of an import that is not written to its end: nobody sees them yet."""
    return Q(batch__in=ImportBatch.objects.hidden().values("pk"))


def _enterprises(inside: Q, day: date) -> list[Line]:
    after = waterfall.end_of(day)
    entries = Enterprise.objects.filter(inside, confirmed_at__lt=after).filter(
        Q(removed_on=None) | Q(removed_on__gt=day)
    )
    counted = entries.order_by().values_list("authority_id", "level").annotate(
        listed=Count("pk"), agreed=Count("pk", filter=Q(agreement_on__lte=day)),
        retirees=Coalesce(Sum("retiree_count"), 0),
    )  # fmt: skip
    lines = {
        (place, level): {"listed": listed, "agreed": agreed, "retirees": retirees}
        for place, level, listed, agreed, retirees in counted
    }
    return _in_order(lines)


def _people(rows: Any, on: date | None, day: date) -> list[Line]:
    lines: dict[tuple[str, str], dict[str, int]] = {}
    level_of = dict(Enterprise.objects.values_list("pk", "level"))
    for (entry, county), counts in waterfall.by_county(rows, on).items():
        line = lines.setdefault(
            (county.ljust(12, "0") if county else "", level_of[entry]), _zeros()
        )
        for key in set(line) & set(counts):
            line[key] += counts[key]
    kept = waterfall.cases_on(rows, on)
    receipts = PartyMove.objects.filter(
        Q(voided_at=None) | Q(voided_at__gte=waterfall.end_of(day)),
        transfer=OuterRef("pk"), receipt_on__lte=day,
    )  # fmt: skip
    place_of = Substr(waterfall.RECEIVED_BY, 1, 6)
    for key, those in (
        ("members", kept.filter(retiree__political_status__in=PARTY_MEMBER)),
        ("receipts", kept.filter(Exists(receipts))),
        ("extra", kept.exclude(retiree__extra_benefits__in=NO_BENEFITS)),
    ):
        found = those.order_by().values_list("enterprise__level", place_of).annotate(n=Count("pk"))
        for level, place, count in found:
            lines[(place.ljust(12, "0") if place else "", level)][key] += count
    return _in_order(lines)


def _venues(inside: Q, day: date) -> list[Line]:
    """Those filed by DAY, and of them what the communities had by then; whole metres and yuan."""
    rows = Venue.objects.filter(
        enterprise__in=Enterprise.objects.filter(inside).values("pk"),
        filed_at__lt=waterfall.end_of(day),
    ).exclude(state=Venue.State.WITHDRAWN)  # fmt: skip
    there = Q(state=Venue.State.RECEIVED, answered_on__lte=day)
    county = Substr("community_id", 1, 6)
    lines: dict[tuple[str, str], dict[str, int]] = {}
    for level, place, count, received, metres, yuan in (
        rows.order_by().values_list("enterprise__level", county).annotate(
            n=Count("pk"), received=Count("pk", filter=there), metres=Sum("area", filter=there),
            yuan=Sum("value", filter=there),
        )
    ):  # fmt: skip
        lines[place.ljust(12, "0"), level] = {
            "count": count, "received": received, "square_metres": int(metres or 0),
            "yuan": int(yuan or 0),
        }  # fmt: skip
    return _in_order(lines)


def _zeros() -> dict[str, int]:
    return {column.key: 0 for column in PEOPLE if not column.of}


def _in_order(lines: dict[tuple[str, str], dict[str, int]]) -> list[Line]:
    """By the codes of the divisions, then 央, 省, 市, 县; named in words."""
    levels = [str(level) for level in Enterprise.Level]
    names = {area.pk: area.name for area in Area.objects.filter(level__in=("city", "county"))}
    order = sorted(lines, key=lambda key: (not key[0], key[0], levels.index(key[1])))
    return [
        {"place": names.get(place, OUTSIDE), "level": str(Enterprise.Level(level).label)}
        | lines[(place, level)]
        for place, level in order
    ]  # fmt: skip


def tables(content: dict[str, Any]) -> list[Table]:
    """The tables of what `figures` found or a report kept."""
    return [
        Table("企业和协议", ENTERPRISES, content["enterprises"]),
        Table("人员、档案、党组织关系", PEOPLE, content["people"]),
        Table("活动场所设施", VENUES, content["venues"]),
    ]


def compared(
    content: dict[str, Any], before: dict[str, Any] | None
) -> list[tuple[str, int, int, int]]:
    """Heading, this month's sum, that of the month BEFORE and the difference; none without one."""
    if before is None:
        return []
    found = []
    for now, then in zip(tables(content), tables(before), strict=True):
        totals = now.total, then.total
        for column in now.columns:
            if not column.of:
                new, old = (total.get(column.key, 0) for total in totals)
                found.append((column.heading, new, old, new - old))
    return found


def report_before(area: Area, month: date) -> MonthlyReport | None:
    """What was signed for the month before MONTH, in its last revision."""
    rows = MonthlyReport.objects.filter(area=area, month=standards.months_before(month))
    return rows.order_by("-revision").first()


def why_not_sign(area: Area, month: date, reason: str) -> str | None:
    """Why the report of MONTH cannot be signed off now, or None."""
    if month > timezone.localdate():
        return "不能为以后的月份定稿。"
    if month < FIRST:
        return "办法自 2021 年 11 月起施行，此前没有月报。"
    if not reason and MonthlyReport.objects.filter(area=area, month=month).exists():
        return "本月报表已经定稿；确需更正的，请写明原因，另出一版。"
    return None


def sign(area: Area, month: date, *, by: User, leader: str, reason: str = "") -> MonthlyReport:
    """Keep the figures of MONTH with the files made of them. Raises Refused."""
    if why := why_not_sign(area, month, reason):
        raise Refused(why)
    content = figures(area, month)
    before = MonthlyReport.objects.filter(area=area, month=month).count()
    report = MonthlyReport(
        area=area, month=month, revision=before + 1, day=date.fromisoformat(content.pop("day")),
        content=content, leader=leader, reason=reason if before else "", made_by=by,
    )  # fmt: skip
    # The files are made before anything is locked: they take a second.
    report.paper = _paper(report)
    report.workbook = _workbook(report)
    report.digest = hashlib.sha256(report.paper).hexdigest()
    try:
        with transaction.atomic():
            report.save(force_insert=True)
            audit.write(
                "monthly_report", user=by, object=report, area=area.pk,
                facts={"month": f"{month:%Y-%m}", "revision": report.revision},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("刚刚已有人为本月定稿，请刷新后查看。") from None
    return report


def _paper(report: MonthlyReport) -> bytes:
    """A4 landscape with places for leader and seal."""
    before = report_before(report.area, report.month)
    return bytes(pdf.render("print/monthly_report.html", {
        "report": report, "tables": tables(report.content),
        "compared": compared(report.content, before.content if before else None),
    }))  # fmt: skip


def _workbook(report: MonthlyReport) -> bytes:
    """A sheet for each table, numbers as numbers."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in tables(report.content):
        page: Any = book.create_sheet(table.title)
        write_text(page.cell(1, 1), f"{report}：{table.title}（截至 {report.day:%Y-%m-%d}）")
        headings = ["地区", "企业层级", *(column.heading for column in table.columns)]
        for column, heading in enumerate(headings, start=1):
            write_text(page.cell(2, column), heading)
            page.column_dimensions[page.cell(2, column).column_letter].width = 14
        for row, (place, level, cells) in enumerate(table.rows, start=3):
            write_text(page.cell(row, 1), place)
            write_text(page.cell(row, 2), level)
            for column, (_heading, word) in enumerate(cells, start=3):
                if word.isdigit():
                    page.cell(row, column, int(word))
                else:
                    write_text(page.cell(row, column), word)
        page.freeze_panes = "C3"
        page.page_setup.orientation, page.page_setup.paperSize = "landscape", 9
        page.page_setup.fitToHeight = 0
        page.sheet_properties.pageSetUpPr.fitToPage = True
        page.print_title_rows = "1:2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def months(count: int = 24) -> Sequence[date]:
    """The months that can be reported, the newest first."""
    month = timezone.localdate().replace(day=1)
    found: list[date] = []
    while month >= FIRST and len(found) < count:
        found.append(month)
        month = standards.months_before(month)
    return found
