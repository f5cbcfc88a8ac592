"""总览: how far a city, county or street is, week by week, and where work lies too long.

All of it is counted when the page is asked for. People are counted at the place that receives them
(第五条); of the whole city also those whose community is not decided yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q, Value
from django.db.models.functions import Coalesce, Substr
from django.utils import timezone

from communities.models import Area, Management
from enterprises.models import Enterprise
from transfers import waterfall
from transfers.deadlines import Clock
from transfers.models import ImportBatch, Transfer, TransferStep
from transfers.workflow import STEPS
from xianning import access

if TYPE_CHECKING:
    from django.db.models import QuerySet

WEEKS = 26
AGES = ((7, "7 天以内"), (30, "8–30 天"), (90, "31–90 天"), (None, "90 天以上"))
DESKS = 10  # shown of those where most is overdue
# Where a county lies on the schematic map, as column and row; Xianning has six.
TILES = {
    "421221": (1, 0), "421202": (2, 0), "421281": (0, 1), "421223": (1, 1), "421224": (2, 1),
    "421222": (0, 2),
}  # fmt: skip
_BELOW = {4: 6, 6: 9, 9: 12}  # significant digits of a code → of those right below it

Counts = waterfall.Counts


@dataclass(frozen=True)
class Division:
    """One division right below the place: its counts."""

    code: str
    name: str
    counts: Counts

    @property
    def share(self) -> int:
        """Checked in, of all who are to be received there, in percent; never rounded up to 100."""
        return share(self.counts["community"], self.counts["filed"])


def share(part: int, whole: int) -> int:
    return part * 100 // whole if whole else 0


def divisions(place: Area) -> tuple[Counts, list[Division]]:
    """The sum of PLACE, and the divisions right below it; one pass over the cases."""
    digits = len(access.prefix(place.code))
    width = _BELOW[digits]
    hidden = ImportBatch.objects.hidden().values("pk")
    rows = waterfall.cases_on(Transfer.objects.exclude(batch__in=hidden), None)
    if digits == 4:
        rows = rows.filter(access.within("authority_id", [place.pk], deepest=6))
    else:
        rows = waterfall.inside_area(rows, place.pk)
    part = Coalesce(Substr(waterfall.RECEIVED_BY, 1, width), Value(""))
    found: dict[str, Counts] = {}
    total = waterfall.none()
    for (code,), bits, count in waterfall.groups_now(rows, part):
        for counts in (total, found.setdefault(code, waterfall.none())):
            waterfall.add(counts, bits, count)
    below = Area.objects.filter(parent=place).order_by("code")
    lines = [
        Division(area.code, area.name, found.get(area.code[:width], waterfall.none()))
        for area in below
        if not area.closed_on or area.code[:width] in found
    ]
    return total, lines


# --- charts ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tile:
    """A county on the map: where its square stands, its class of colour (0 to 4), its line."""

    x: int
    y: int
    shade: int
    line: Division

    @property
    def middle(self) -> int:
        return self.x + 60


def tiles(lines: list[Division]) -> list[Tile]:
    """The counties of LINES on the schematic map; none when they are no counties of Xianning."""
    return [
        Tile(TILES[line.code[:6]][0] * 124 + 2, TILES[line.code[:6]][1] * 84 + 2,
             min(line.share // 25, 4), line)
        for line in lines
        if line.code[:6] in TILES and access.prefix(line.code) == line.code[:6]
    ]  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """One week of the trend: its first day, how many, and the bar (of a height of 100)."""

    monday: date
    count: int
    x: int
    height: int

    @property
    def y(self) -> int:
        return 100 - self.height


def trend(place: Area, today: date) -> list[Bar]:
    """Who checked in, for each of the last weeks; the week that runs is the last."""
    monday = today - timedelta(days=today.weekday())
    first = monday - timedelta(weeks=WEEKS - 1)
    rows = Management.objects.filter(
        access.within("community_id", [place.pk]), since__gte=first,
        began=Management.Began.CHECK_IN,
    ).exclude(ended=Management.Ended.WITHDRAWN)  # fmt: skip
    weeks = [0] * WEEKS
    for day, count in rows.order_by().values_list("since").annotate(n=Count("pk")):
        if first <= day <= today:
            weeks[(day - first).days // 7] += count
    most = max(weeks) or 1
    return [
        Bar(first + timedelta(weeks=week), count, week * 20, -(-count * 100 // most))
        for week, count in enumerate(weeks)
    ]


# --- what waits -----------------------------------------------------------------------------------


def waiting(place: Area, key: str) -> QuerySet[TransferStep]:
    """The open rows of the step KEY at desks of PLACE, or at enterprises that lie there.

    Each step has one kind of desk, so each is counted by one index.
    """
    rows = TransferStep.objects.filter(step=key, state=TransferStep.State.OPEN)
    if STEPS[key].role != "enterprise":
        return rows.filter(access.within("area_id", [place.pk]), area__isnull=False)
    entries = Enterprise.objects.filter(access.within("county_id", [place.pk], deepest=6))
    return rows.filter(enterprise__in=entries.values("pk"), enterprise__isnull=False)


@dataclass(frozen=True)
class Age:
    """The open rows of one step by how long they have been open."""

    title: str
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def parts(self) -> list[tuple[str, int]]:
        """The words and the number of each part."""
        return [(words, count) for (_days, words), count in zip(AGES, self.counts, strict=True)]

    @property
    def bars(self) -> list[tuple[int, int, int]]:
        """Shade, start and length of each part, of a whole of 400."""
        found, x = [], 0
        for shade, count in enumerate(self.counts):
            length = count * 400 // self.total if self.total else 0
            found.append((shade, x, length))
            x += length
        return found


def ages(place: Area, today: date) -> list[Age]:
    """For each step that waits somewhere, how long: `AGES` says the parts."""
    counted, older = {}, Q()
    for number, (days, _words) in enumerate(AGES):
        here = older
        if days is not None:
            edge = timezone.make_aware(datetime.combine(today - timedelta(days=days), time.min))
            here = older & Q(opened_at__gte=edge)
            older = older & Q(opened_at__lt=edge)
        # A column of the index, and not the key: the rows themselves are then never read.
        counted[f"n{number}"] = Count("opened_at", filter=here)
    found = {key: list(waiting(place, key).aggregate(**counted).values()) for key in STEPS}
    return [Age(STEPS[key].title, counts) for key, counts in found.items() if any(counts)]


@dataclass(frozen=True)
class SlowDesk:
    """A desk where steps are over their limit: how many, and the oldest one's day."""

    step: str
    desk: str
    count: int
    since: date


def slow_desks(place: Area, clock: Clock) -> list[SlowDesk]:
    """The desks where most is over the limits of the offices (本地规定); none without limits."""
    found = []
    for key in STEPS:
        if not clock.has_limit(key):
            continue
        late = clock.overdue(waiting(place, key), key).order_by()
        counted = late.values_list("area_id", "enterprise_id").annotate(
            n=Count("opened_at"), since=Min("opened_at")
        )
        found += [(key, *line) for line in counted.order_by("-n")[:DESKS]]
    found = sorted(found, key=lambda line: (-line[3], line[4]))[:DESKS]
    areas = Area.objects.in_bulk([line[1] for line in found if line[1]])
    entries = Enterprise.objects.in_bulk([line[2] for line in found if line[2]])
    return [
        SlowDesk(
            STEPS[key].title, areas[area].full_name if area else entries[entry].name, count,
            timezone.localdate(since),
        )
        for key, area, entry, count, since in found
    ]  # fmt: skip
