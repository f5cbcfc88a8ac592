"""工作经费纳入同级财政预算: people of a day × the standard of the year; what was signed for stays."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from pypdf import PdfReader

from communities import events, funds, rehandovers
from communities.models import Area, FundSheet, FundStandard
from tests.factories import make_transfer
from transfers.refusal import Refused
from xianning import demo
from xianning.models import AuditEvent, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
STREET = f"{demo.GUIHUA[:9]}000"
FUNDS = "/funds/"


def place(code: str) -> Area:
    return Area.objects.get(pk=code)


def people(code: str, day: date) -> dict[str, int]:
    return {line.code: line.people for line in funds.lines_of(place(code), day) if line.people}


def standard(code: str, amount: str, *years: int) -> None:
    funds.set_standard(place(code), by=User.objects.get(username="gzw"), years=years,
                       amount=Decimal(amount), source="咸财行（测试）8号")  # fmt: skip


def _at(day: date) -> Any:
    return time_machine.travel(timezone.make_aware(datetime(day.year, day.month, day.day, 10)))


def test_the_people_of_a_day_are_told_as_it_was_whatever_came_later() -> None:
    first, moved, died = (date(2026, month, 2) for month in (3, 5, 7))
    with _at(first):
        cases = [make_transfer(at="done") for _ in range(3)]
    shequ = User.objects.get(username="shequ")
    with _at(moved):
        onward = rehandovers.propose(cases[0], by=shequ, community=place(demo.BEIJIE),
                                     moved_on=moved, card="keep")  # fmt: skip
        rehandovers.accept(onward, by=User.objects.get(username="shequ_chibi"), officer="甲",
                           officer_phone="0715-8000001")  # fmt: skip
    with _at(died):
        events.report(cases[1], by=shequ, kind="died", happened_on=died)
    one = timedelta(days=1)
    for day, wanted in (
        (first - one, {}),
        (first, {demo.XIANAN: 3}),
        (moved - one, {demo.XIANAN: 3}),
        (moved, {demo.XIANAN: 2, demo.CHIBI: 1}),
        (died - one, {demo.XIANAN: 2, demo.CHIBI: 1}),
        (died, {demo.XIANAN: 1, demo.CHIBI: 1}),
    ):
        assert people(demo.CITY, day) == wanted, day
    # The same people on every level: county, street, community.
    assert people(demo.XIANAN, moved) == {STREET: 2}
    assert people(STREET, moved) == people(demo.GUIHUA, moved) == {demo.GUIHUA: 2}


def test_each_line_goes_by_the_nearest_standard_of_its_year_and_none_is_built_in() -> None:
    make_transfer(at="done")
    make_transfer(at="done", clerk="qiye_chibi")
    today = timezone.localdate()
    assert {line.standard for line in funds.lines_of(place(demo.CITY), today)} == {None}
    assert funds.total(funds.lines_of(place(demo.CITY), today)) == (2, None)  # no sum of guesses
    standard(demo.CITY, "100.50", today.year)
    standard(demo.CHIBI, "80", today.year, today.year + 1)
    lines = {line.code: line for line in funds.lines_of(place(demo.CITY), today)}
    assert (lines[demo.XIANAN].amount, lines[demo.CHIBI].amount) == (Decimal("100.50"), 80)
    assert lines[demo.XIANAN].source == "咸宁市：咸财行（测试）8号"
    assert funds.total(list(lines.values())) == (2, Decimal("180.50"))
    assert funds.lines_of(place(demo.CHIBI), today.replace(year=today.year + 1))[0].standard == 80
    standard(demo.CHIBI, "90", today.year)
    assert FundStandard.objects.get(area=demo.CHIBI, year=today.year).history.count() == 2


def test_a_sheet_that_was_signed_for_stays(sign_in: Callable[[str], Client]) -> None:
    make_transfer(at="done")
    today, client = timezone.localdate(), sign_in("gzw")
    standard(demo.CITY, "100", today.year)
    answer = client.post(reverse("communities:fund_fix", args=[demo.XIANAN]), {"day": today})
    sheet = FundSheet.objects.get()
    assert answer["Location"] == reverse("communities:fund_sheet", args=[sheet.pk])
    assert (sheet.serial, sheet.people, sheet.amount) == (1, 1, 100)
    standard(demo.CITY, "200", today.year)
    make_transfer(at="done")
    for change in (lambda: FundSheet.objects.update(people=9), sheet.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    page = client.get(answer["Location"]).content.decode()
    assert "100.00" in page
    assert "200.00" not in page
    book = load_workbook(io.BytesIO(client.get(f"{answer['Location']}?format=xlsx").content))
    rows = {row[0].value: [cell.value for cell in row[1:4]] for row in book.active}
    assert rows["合计"] == [1, None, 100]
    assert rows[place(STREET).name] == [1, 100, 100]
    paper = client.get(f"{answer['Location']}?format=pdf").content
    words = PdfReader(io.BytesIO(paper)).pages[0].extract_text()
    assert "工作经费测算表" in words
    assert {"fund_standard", "fund_sheet"} <= set(
        AuditEvent.objects.values_list("action", flat=True)
    )
    again = client.post(reverse("communities:fund_fix", args=[demo.XIANAN]), {"day": today})
    assert again.status_code == 302
    assert FundSheet.objects.latest("serial").serial == 2


def test_what_cannot_be_is_said(sign_in: Callable[[str], Client]) -> None:
    client, tomorrow = sign_in("gzw"), timezone.localdate() + timedelta(days=1)
    with pytest.raises(Refused, match="以后的日期"):
        funds.fix(place(demo.XIANAN), by=User.objects.get(username="gzw"), day=tomorrow)
    for day in (tomorrow, "x"):
        client.post(reverse("communities:fund_fix", args=[demo.XIANAN]), {"day": day})
    assert not FundSheet.objects.exists()
    url = reverse("communities:fund_standard", args=[demo.CITY])
    good = {"amount": "10", "first": 2026, "last": 2027, "source": "测试"}
    for change, words in (({"amount": "0"}, "大于或等于"), ({"last": 2025}, "不能早于起始年"),
                          ({"last": 2040}, "最多设定 10 年"), ({"source": ""}, "依据")):  # fmt: skip
        answer = client.post(url, good | change)
        assert (answer.status_code, words in answer.content.decode()) == (422, True), words
    assert client.get(FUNDS, {"in": demo.CITY, "on": "x"}).status_code == 404
    assert sign_in("jiedao").get(FUNDS, {"in": demo.XIANAN}).status_code == 404
    assert sign_in("jiedao").get(FUNDS).status_code == 200


def test_a_closed_division_is_shown_only_for_days_on_which_it_had_people() -> None:
    make_transfer(at="done")
    area, today = place(demo.WANNIAN), timezone.localdate()
    area.closed_on, area.receives = today, False
    area.save()
    codes = {line.code for line in funds.lines_of(place(STREET), today)}
    assert demo.WANNIAN not in codes
    assert demo.GUIHUA in codes
