"""Deadlines are local policy: set by SASAC, counted in working days, paused while the other side acts."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_many, make_transfer, staff_of
from transfers import deadlines, reminders, workflow
from transfers.limit_views import write
from transfers.models import StepLimit, TransferStep
from xianning import demo, walk
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db
D = date.fromisoformat
WHY = {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}


def at(day: str) -> AbstractContextManager[Any]:
    """Everything within the block happens at ten in the morning of DAY."""
    moment = timezone.make_aware(datetime.combine(D(day), time(10)))
    return mock.patch("django.utils.timezone.now", return_value=moment)


def limit(step: str, days: int, authority: str = demo.CITY, by: str = "gzw") -> None:
    setter = User.objects.get(username=by)
    area = setter.offices.get().area
    assert area is not None
    assert area.pk == authority
    own = {each.step: each.days for each in StepLimit.objects.filter(authority=area)}
    write(area, own | {step: days, "warn": 1, "basis": "测试文号"}, by=setter)


def row(case: Transfer, step: str) -> TransferStep:
    return TransferStep.objects.get(transfer=case, step=step)


def due(case: Transfer, step: str, today: str) -> deadlines.Due:
    found = deadlines.Clock(D(today)).due(row(case, step), case)
    assert found is not None
    return found


@pytest.fixture
def filed() -> Iterator[Transfer]:
    """Filed on Monday 2026-11-02; HR has five working days: until Monday 2026-11-09."""
    limit("verify", 5)
    with at("2026-11-02"):
        yield make_transfer(at="verify")


# today → the working days that are left, whether it is soon, in words
LEFT = {
    "2026-11-02": (5, False, "还剩 5 个工作日"),
    "2026-11-06": (1, True, "还剩 1 个工作日"),
    "2026-11-08": (1, True, "还剩 1 个工作日"),  # a Sunday
    "2026-11-09": (0, True, "今天到期"),
    "2026-11-10": (-1, False, "超期 1 个工作日"),
    "2026-11-14": (-4, False, "超期 4 个工作日"),
}


@pytest.mark.parametrize("today", LEFT)
def test_what_is_left_is_counted_in_working_days(filed: Transfer, today: str) -> None:
    found = due(filed, "verify", today)
    assert found.on == D("2026-11-09")
    assert (found.left, found.soon, found.words) == LEFT[today]
    rows = TransferStep.objects.filter(step="verify", state="open")
    clock = deadlines.Clock(D(today))
    assert clock.overdue(rows, "verify").exists() == found.over
    assert clock.soon(rows, "verify").exists() == found.soon


def test_the_clock_rests_while_the_other_side_acts(filed: Transfer) -> None:
    staff = staff_of("qiye")
    with at("2026-11-04"):  # HR used two of its five days
        workflow.send_back(filed, "verify", by=staff["hr"], **WHY)
    with at("2026-11-16"):  # the enterprise took eight
        workflow.complete(filed, "declare", by=staff["enterprise"])
    again = row(filed, "verify")
    assert again.used == 2
    assert due(filed, "verify", "2026-11-16").on == D("2026-11-19")  # three are left
    clock = deadlines.Clock(D("2026-11-19"))
    rows = TransferStep.objects.filter(step="verify", state="open")
    assert not clock.overdue(rows, "verify").exists()
    assert deadlines.Clock(D("2026-11-20")).overdue(rows, "verify").exists()


def test_what_is_taken_back_goes_on_where_it_was(filed: Transfer) -> None:
    staff = staff_of("qiye")
    with at("2026-11-05"):
        walk.take(filed, "verify", staff["hr"])
    with at("2026-11-12"):
        workflow.withdraw(filed, "verify", by=staff["hr"], **WHY)
    assert row(filed, "verify").used == 3  # the days between were nobody's


def test_a_county_goes_by_the_city_until_it_sets_its_own() -> None:
    limit("verify", 5)
    with at("2026-11-02"):
        case = make_transfer(at="verify", clerk="qiye_chibi")
    assert due(case, "verify", "2026-11-02").limit.authority_id == demo.CITY
    limit("verify", 3, demo.CHIBI, "gzw_chibi")
    found = due(case, "verify", "2026-11-06")
    assert (found.on, found.over) == (D("2026-11-05"), True)
    rows = TransferStep.objects.filter(step="verify", state="open")
    assert deadlines.Clock(D("2026-11-06")).overdue(rows, "verify").count() == 1


def test_only_the_sasac_office_sets_days_and_it_is_on_record(
    sign_in: Callable[..., Any],
) -> None:
    wanted = {"verify": "5", "archives": "10", "warn": "2", "basis": "咸国资发〔2026〕3号"}
    assert sign_in("rs").post(reverse("transfers:limits"), wanted).status_code == 403
    office = sign_in("gzw")
    assert office.post(reverse("transfers:limits"), wanted).status_code == 302
    page = office.get(reverse("transfers:limits")).content.decode()
    assert "5 个工作日（本地规定）" in page
    assert "咸国资发〔2026〕3号" in page
    found = StepLimit.objects.get(step="verify")
    assert (found.set_by.username, found.authority_id) == ("gzw", demo.CITY)
    office.post(reverse("transfers:limits"), wanted | {"verify": ""})
    assert not StepLimit.objects.filter(step="verify").exists()
    assert [each.history_type for each in StepLimit.history.filter(step="verify")] == ["-", "+"]
    assert AuditEvent.objects.filter(action="deleted", object_kind="transfers.StepLimit").exists()


WRONG = {
    "期限须长于提前提醒的 2 个工作日": {"verify": "2"},
    "小于或等于": {"verify": "121"},
    "这个字段是必填项": {"verify": "5", "basis": ""},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_days_are_refused_and_stay_in_the_form(
    sign_in: Callable[..., Any], sentence: str
) -> None:
    typed = {"warn": "2", "basis": "某号文"} | WRONG[sentence]
    answer = sign_in("gzw").post(reverse("transfers:limits"), typed)
    assert answer.status_code == 422
    assert f'value="{typed["verify"]}"' in answer.content.decode()
    assert not StepLimit.objects.exists()


def test_lists_and_home_say_what_is_over(filed: Transfer, sign_in: Callable[..., Any]) -> None:
    with at("2026-11-10"):
        office = sign_in("rs")
        assert "已超期 1 件（本地规定）" in office.get(reverse("home")).content.decode()
        for query in ("?waiting=verify", ""):
            page = office.get(reverse("transfers:list") + query).content.decode()
            assert "超期 1 个工作日" in page


def test_the_digest_goes_to_the_desk_and_to_the_office_above_once_a_day() -> None:
    limit("verify", 5)
    with at("2026-11-02"):
        make_many(2)
    with at("2026-11-06"):
        make_many(3)
    Notice.objects.all().delete()
    assert reminders.remind(D("2026-11-08")) == 0  # a Sunday
    assert reminders.remind(D("2026-11-13")) == 2
    assert reminders.remind(D("2026-11-13")) == 0
    told = {(each.role, each.area_id): each.text for each in Notice.objects.all()}
    assert told == {
        ("hr", demo.CITY): "期限提醒（本地规定）：“核定退休待遇”2 件已超期、3 件即将到期。",
        ("sasac", demo.CITY): "超期上报（本地规定）：“核定退休待遇”2 件，请督促办理。",
    }


def test_a_county_sees_its_own_days_in_the_form(sign_in: Callable[..., Any]) -> None:
    limit("verify", 5)
    limit("archives", 7, demo.CHIBI, "gzw_chibi")
    form = sign_in("gzw_chibi").get(reverse("transfers:limits")).context["form"]
    assert form.initial == {"archives": 7, "warn": 1, "basis": "测试文号"}
