"""Working days: the notice of the State Council, make-up days, the turn of the year, an estimate."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import workbooks
from xianning.models import AuditEvent, CalendarDay
from xianning.workdays import Calendar

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
D = date.fromisoformat

# By hand from the notice for 2026 (春节 02-15 to 02-23, worked 02-14 and 02-28; 国庆节 10-01 to
# 10-07, worked 09-20 and 10-10) and the calendar on the wall.
ADDED = {
    ("2026-11-23", 0): "2026-11-23",
    ("2026-11-23", 1): "2026-11-24",
    ("2026-11-27", 1): "2026-11-30",  # over a weekend
    ("2026-02-13", 1): "2026-02-14",  # a Saturday that is worked
    ("2026-02-14", 1): "2026-02-24",  # over 春节
    ("2026-02-27", 1): "2026-02-28",
    ("2026-09-30", 1): "2026-10-08",
    ("2026-09-30", 3): "2026-10-10",
    ("2026-02-24", -1): "2026-02-14",
    ("2026-12-31", 1): "2027-01-04",  # over New Year into a year without a notice
}


@pytest.mark.parametrize(("start", "days"), ADDED)
def test_working_days_are_added_by_the_notice(start: str, days: int) -> None:
    assert Calendar.read().add(D(start), days) == D(ADDED[start, days])


def test_working_days_are_counted_from_the_day_after() -> None:
    calendar = Calendar.read()
    assert calendar.count(D("2026-02-13"), D("2026-02-28")) == 6
    assert calendar.count(D("2026-10-01"), D("2026-10-07")) == 0
    assert calendar.count(D("2026-12-31"), D("2027-12-31")) == 261 - 7  # no 调休 known


def test_a_year_without_a_notice_is_an_estimate() -> None:
    calendar = Calendar.read()
    assert not calendar.is_estimate(D("2026-01-01"), D("2026-12-31"))
    assert calendar.is_estimate(D("2026-12-30"), D("2027-01-05"))
    assert calendar.is_estimate(D("2041-01-01"), D("2041-01-02"))


DAYS = st.dates(D("2019-01-01"), D("2033-12-31"))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), start=DAYS, length=st.integers(0, 800))
def test_counting_agrees_with_looking_at_every_day(data: Any, start: date, length: int) -> None:
    works = data.draw(st.dictionaries(st.dates(start, start + timedelta(800)), st.booleans()))
    calendar, end = Calendar(works), start + timedelta(length)
    every = [start + timedelta(n) for n in range(1, length + 1)]
    count = sum(map(calendar.is_worked, every))
    assert calendar.count(start, end) == count
    assert calendar.count(end, start) == -count
    if 0 < count <= 400:
        assert calendar.add(start, count) == [day for day in every if calendar.is_worked(day)][-1]


def _notice(*rows: list[str]) -> dict[str, Any]:
    book = workbooks.table(["日期", "安排", "节日"], *rows)
    return {"notice": "国办发明电〔2026〕7号", "file": SimpleUploadedFile("2027.xlsx", book)}


WEEK = [[f"2027-10-0{day}", "放假", "国庆节"] for day in range(1, 8)]


def test_a_notice_takes_the_place_of_the_estimate(sign_in: Callable[..., Any]) -> None:
    answer = sign_in("guanli").post(
        reverse("calendar"), _notice(*WEEK, ["2027-10-09", "上班", "国庆节"])
    )
    assert answer.status_code == 302
    calendar = Calendar.read()
    assert not calendar.is_estimate(D("2027-03-01"), D("2027-12-31"))
    assert calendar.add(D("2027-09-30"), 2) == D("2027-10-09")
    assert calendar.is_worked(D("2027-01-01"))  # the notice is all that counts
    day = CalendarDay.objects.get(day=D("2027-10-09"))
    assert (day.set_by and day.set_by.username, day.notice) == ("guanli", "国办发明电〔2026〕7号")
    event = AuditEvent.objects.filter(action="calendar_set").latest("pk")
    assert event.facts == {"year": 2027, "days": 8, "notice": "国办发明电〔2026〕7号"}


WRONG = {
    "第 3 行：“安排”须填放假或上班": [WEEK[0], ["2027-10-02", "也许", "国庆节"]],
    "第 3 行：2027-10-01 重复": [WEEK[0], WEEK[0]],
    "须只填一个年度": [*WEEK, ["2028-01-01", "放假", "元旦"]],
    "放假不足 7 天": WEEK[:3],
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_notice_changes_nothing_and_says_why(
    sign_in: Callable[..., Any], sentence: str
) -> None:
    before = list(CalendarDay.objects.values())
    answer = sign_in("guanli").post(reverse("calendar"), _notice(*WRONG[sentence]))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert list(CalendarDay.objects.values()) == before


@pytest.mark.parametrize("year", ["abcd", "20260", "2019", "2061"])
def test_no_page_beyond_the_calendar(sign_in: Callable[..., Any], year: str) -> None:
    assert sign_in("guanli").get(f"{reverse('calendar')}?year={year}").status_code == 404
