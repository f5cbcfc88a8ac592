"""Statutory retirement age and minimum contributions.

Decision of the Standing Committee of the National People's Congress of 2024-09-13 on raising the
statutory retirement age step by step, in force since 2025-01-01. Special kinds of work and
historical policies differ: a difference is a reason to ask, never to refuse.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple


class RetirementKind(StrEnum):
    """Whom the decision tells apart: men, and women by their former retirement age."""

    MALE = "male"
    FEMALE_55 = "female_55"
    FEMALE_50 = "female_50"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _RULES[self].label


class _Rule(NamedTuple):
    label: str
    former_age: int  # years
    step: int  # months of birth that add one month of delay
    longest_delay: int  # months


_RULES = {
    RetirementKind.MALE: _Rule("男职工", 60, 4, 36),
    RetirementKind.FEMALE_55: _Rule("原法定退休年龄55周岁女职工", 55, 4, 36),
    RetirementKind.FEMALE_50: _Rule("原法定退休年龄50周岁女职工", 50, 2, 60),
}


class Retirement(NamedTuple):
    """Result of :func:`statutory_retirement`."""

    month: date  # first day of the month of retirement
    age_years: int
    age_months: int  # beyond age_years, 0..11
    delay_months: int  # against the former age


def statutory_retirement(kind: RetirementKind, birth: date) -> Retirement:
    """Return month and age of statutory retirement; only year and month of ``birth`` count.

    Article 1: who would have retired from January 2025 on waits one month, and one month more for
    each further four months of birth (two months: women formerly retiring at 50), up to 63, 58
    and 55 years.
    """
    rule = _RULES[kind]
    birth_month = birth.year * 12 + birth.month - 1
    months_after_start = birth_month - (2025 - rule.former_age) * 12
    steps = months_after_start // rule.step + 1  # 0 or less: born before the change
    delay = max(0, min(steps, rule.longest_delay))
    year, month = divmod(birth_month + rule.former_age * 12 + delay, 12)
    return Retirement(
        month=date(year, month + 1, 1),
        age_years=rule.former_age + delay // 12,
        age_months=delay % 12,
        delay_months=delay,
    )


def minimum_contribution_months(year: int) -> int:
    """Return the months of contributions needed to draw a pension from ``year`` on.

    Article 2: 15 years until 2029, then six months more every year, 20 years from 2039.
    """
    return min(max(180, 180 + 6 * (year - 2029)), 240)
