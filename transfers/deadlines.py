"""When an open step is due: the limit of its authority, in working days of its stays at the desk.

A step that waits for the other side does not run: `TransferStep.used` holds the working days of
its former stays, and on return only what is left of the limit counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import cached_property

from enterprises.models import Agreement
from transfers.models.limits import StepLimit
from xianning import access
from xianning.workdays import ONE, Calendar

if TYPE_CHECKING:
    from transfers.models import Transfer, TransferStep


@dataclass(frozen=True)
class Due:
    """The last day of an open step; `left` working days from today, negative when it is over."""

    on: date
    left: int
    soon: bool
    estimate: bool
    limit: StepLimit

    @property
    def over(self) -> bool:
        return self.left < 0

    @property
    def source(self) -> str:
        """Who set the limit: an office, or an agreement (第五条)."""
        limit = self.limit
        if limit._state.adding:
            return f"{limit.basis}：{limit.days} 个工作日"
        by = f"{limit.authority.name}国资部门 {timezone.localtime(limit.set_at):%Y-%m-%d} 设定"
        return f"本地规定：{limit.days} 个工作日（{by}）"

    @property
    def words(self) -> str:
        """超期 3 个工作日; 今天到期; 还剩 2 个工作日."""
        if self.over:
            return f"超期 {-self.left} 个工作日"
        return f"还剩 {self.left} 个工作日" if self.left else "今天到期"


class Clock:
    """The limits and the calendar of one page: two queries for any number of rows."""

    def __init__(self, today: date | None = None) -> None:
        self.today = today or timezone.localdate()
        self.limits = {
            (limit.authority_id, limit.step): limit
            for limit in StepLimit.objects.select_related("authority", "set_by")
        }
        self.agreed = {
            (each.enterprise_id, each.limit_step): _limit_of(each)
            for each in Agreement.objects.with_clauses_on(self.today)
            .exclude(limit_step="")
            .select_related("county", "answered_by")
        }
        self.calendar = Calendar.read() if self.steps else Calendar()

    @cached_property
    def steps(self) -> set[str]:
        """Steps for which a limit holds anywhere."""
        return {key for _whose, key in (*self.limits, *self.agreed)}

    def limit(self, authority: str, step: str) -> StepLimit | None:
        """What holds for the cases of AUTHORITY: its own limit, else that of the level above."""
        for place in access.ancestors_of(authority):
            if found := self.limits.get((place, step)):
                return found
        return None

    def due(self, row: TransferStep, case: Transfer) -> Due | None:
        """When the open ROW of CASE is due; None without a limit. An agreement goes first (第五条)."""
        limit = self.agreed.get((case.enterprise_id, row.step))
        limit = limit or self.limit(case.authority_id, row.step)
        if limit is None or row.opened_at is None:
            return None
        came = timezone.localdate(row.opened_at)
        on = self.calendar.add(came, limit.days - row.used)
        left = self.calendar.count(self.today, on)
        if on < self.today and not left:
            left = -1  # it ended, and no day since then was worked
        return Due(on, left, 0 <= left <= limit.warn, self.calendar.is_estimate(came, on), limit)

    def overdue(self, rows: QuerySet[TransferStep], step: str) -> QuerySet[TransferStep]:
        """Those of ROWS, open rows of STEP, whose last day is over."""
        return rows.filter(self._beyond(step, 0))

    def soon(self, rows: QuerySet[TransferStep], step: str) -> QuerySet[TransferStep]:
        """Those of ROWS that are due within the days of the reminder."""
        return rows.filter(self._beyond(step, None)).exclude(self._beyond(step, 0))

    def has_limit(self, step: str) -> bool:
        return step in self.steps

    def _beyond(self, step: str, ahead: int | None) -> Q:
        """Rows due before today, or, with AHEAD None, by the end of the reminder."""
        found = Q(pk__in=[])
        own = {place: limit for (place, key), limit in self.limits.items() if key == step}
        agreed = {whose: limit for (whose, key), limit in self.agreed.items() if key == step}
        for whose, limit in agreed.items():
            found |= Q(transfer__enterprise=whose) & self._late(limit, ahead)
        for place, limit in own.items():
            covered = access.within("transfer__authority_id", [place], deepest=6)
            for below in own:
                if below != place and access.inside(below, [place]):
                    covered &= ~Q(transfer__authority_id=below)
            if agreed:
                covered &= ~Q(transfer__enterprise__in=agreed)
            found |= covered & self._late(limit, ahead)
        return found

    def _late(self, limit: StepLimit, ahead: int | None) -> Q:
        reach = limit.warn if ahead is None else -1
        late = Q(pk__in=[])
        for used in range(limit.days + 1):
            late |= Q(opened_at__lt=self._cutoff(limit.days - used, reach)) & (
                Q(used=used) if used < limit.days else Q(used__gte=used)
            )
        return late

    def _cutoff(self, days: int, reach: int) -> datetime:
        """The first moment that is too young: what came earlier is due REACH days from today."""
        # The youngest day D with add(D, days) <= the last day that counts.
        last = self.today - ONE if reach < 0 else self.calendar.add(self.today, reach)
        day = last
        while self.calendar.add(day, days) > last:
            day -= ONE
        return timezone.make_aware(datetime.combine(day + ONE, time.min))


def _limit_of(agreement: Agreement) -> StepLimit:
    """The deadline that an agreement settles, as a limit that is not stored."""
    days = agreement.limit_days or 1
    return StepLimit(
        authority=agreement.county, step=agreement.limit_step, days=days, warn=min(2, days - 1),
        basis=f"按{agreement}约定（第五条）", set_by=agreement.answered_by,
    )  # fmt: skip


def spend(row: TransferStep) -> None:
    """Add the working days of the stay that is over to `used` of ROW (saved by the workflow)."""
    if row.opened_at is None:
        return
    came, went = timezone.localdate(row.opened_at), timezone.localdate(row.done_at)
    if came < went:
        row.used += Calendar.read().count(came, went)
