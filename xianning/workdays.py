"""Working days: weekends, holidays, make-up working days, and what is only an estimate.

The days of a period are counted from the day after its beginning, as 民法典 第二百零一条 does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from xianning.models import CalendarDay

ONE = timedelta(days=1)
LONGEST = 400  # working days; a longer period is a slip of the keyboard


@dataclass(frozen=True)
class Calendar:
    """The days that differ from their week, and the years of which a notice is known."""

    works: dict[date, bool] = field(default_factory=dict)
    known: frozenset[int] = frozenset()

    @classmethod
    def read(cls) -> Calendar:
        """The calendar of the database, in one query."""
        return cls.of(CalendarDay.objects.values_list("day", "works", "notice"))

    @classmethod
    def of(cls, rows: Iterable[tuple[date, bool, str]]) -> Calendar:
        found = list(rows)
        return cls(
            {day: works for day, works, _notice in found},
            frozenset(day.year for day, _works, notice in found if notice),
        )

    def is_worked(self, day: date) -> bool:
        return self.works.get(day, day.weekday() < 5)

    def add(self, start: date, days: int) -> date:
        """The DAYS-th working day after START (before it, when DAYS is negative); START for none."""
        if abs(days) > LONGEST:
            raise ValueError(f"{days} working days")
        step, left = (ONE if days > 0 else -ONE), abs(days)
        day = start
        while left:
            day += step
            left -= self.is_worked(day)
        return day

    def count(self, start: date, end: date) -> int:
        """Working days after START up to END, both in the calendar; negative when END is earlier."""
        if end < start:
            return -self.count(end, start)
        whole, rest = divmod((end - start).days, 7)
        tail = (start + ONE * n for n in range(1, rest + 1))
        usual = 5 * whole + sum(day.weekday() < 5 for day in tail)
        low, high = bisect_right(self._days, start), bisect_right(self._days, end)
        return usual + sum(self._differs[low:high])

    @cached_property
    def _days(self) -> list[date]:
        return sorted(self.works)

    @cached_property
    def _differs(self) -> list[int]:
        """By how much each of `_days` changes the count of a plain week."""
        return [self.works[day] - (day.weekday() < 5) for day in self._days]

    def is_estimate(self, start: date, end: date) -> bool:
        """Whether a year of the period has no notice yet (暂估)."""
        return any(year not in self.known for year in range(start.year, end.year + 1))
