"""One check-in day: those whom an enterprise announced, who came, who did not, and its print."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader

from communities import day as days
from communities.models import Area
from tests.factories import make_transfer, staff_of
from transfers import handover_letters
from transfers.models import Transfer
from xianning import demo, walk
from xianning.models import AccessLog, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
DAY, PRINT = "/check-in/day/", "/check-in/day/print/"


def worker() -> User:
    return User.objects.get(username="shequ")


def announce() -> None:
    clerk = User.objects.get(username="qiye")
    street = Area.objects.get(pk=f"{demo.GUIHUA[:9]}000")
    enterprise = clerk.offices.get(role="enterprise").enterprise
    assert enterprise
    handover_letters.issue(clerk, enterprise, street, "once")


def take_in(case: Transfer) -> None:
    walk.take(case, "community", staff_of("qiye")["community"])


def names(client: Client, **query: Any) -> str:
    return client.get(DAY, query).content.decode()


def test_who_came_and_who_did_not_stand_apart(sign_in: Callable[[str], Client]) -> None:
    came, waits = make_transfer(at="community"), make_transfer(at="community")
    announce()
    late = make_transfer(at="community")  # signed after the letter went
    early = make_transfer(at="confirm")  # nothing to come for yet
    take_in(came)
    client = sign_in("shequ")
    shown = {show: names(client, show=show) for show in ("came", "announced", "awaited")}
    wanted = {"came": {came}, "announced": {waits}, "awaited": {waits, late}}
    for show, page in shown.items():
        for case in (came, waits, late, early):
            assert (f">{case.retiree.name}</a>" in page) is (case in wanted[show]), show
    assert came.reception.ledger_number in shown["came"]
    assert came.reception.cards.get().number in shown["came"]
    assert "还没有通知书" in shown["awaited"]
    assert client.get(DAY, {"show": "x"}).status_code == 404
    assert client.get(DAY, {"on": "2026-13-01"}).status_code == 404
    stranger = sign_in("shequ_wannian")
    assert not any(case.retiree.name in names(stranger, show="awaited") for case in (waits, late))


def test_who_serves_another_office_too_sees_the_day_of_his_own_desk_only() -> None:
    case, user = make_transfer(at="community"), User.objects.get(username="shequ_wannian")
    Office.objects.get(users__username="rs").admit(user)  # HR of the city sees all cases there
    user = User.objects.get(pk=user.pk)
    assert Transfer.objects.visible_to(user).contains(case)
    assert not days.awaited(user, timezone.localdate()).exists()


def test_a_past_day_is_told_as_it_was() -> None:
    today = timezone.localdate()
    then = today - timedelta(days=5)
    with time_machine.travel(timezone.make_aware(datetime(then.year, then.month, then.day, 9))):
        case = make_transfer(at="community")
    take_in(case)
    user = worker()
    for back, is_awaited in ((6, False), (5, True), (1, True), (0, False)):
        day = today - timedelta(days=back)
        assert days.awaited(user, day).contains(case) is is_awaited, back
        assert days.came(user, day).exists() is (back == 0)


def test_the_print_holds_both_parts_and_is_on_record_for_each(
    sign_in: Callable[[str], Client],
) -> None:
    came, waits = make_transfer(at="community"), make_transfer(at="community")
    announce()
    take_in(came)
    client = sign_in("shequ")
    answer = client.post(PRINT, {"on": timezone.localdate().isoformat()})
    assert answer["Content-Disposition"].startswith("attachment")
    words = "".join(
        page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages
    ).replace("\n", "")
    for text in ("已来报到（1 人）", "没有来报到（1 人）", came.retiree.name, waits.retiree.name):
        assert text.replace(" ", "") in words.replace(" ", "")
    for case in (came, waits):
        assert case.retiree.id_number not in words
        assert AccessLog.objects.filter(transfer=case, what=days.TITLE).count() == 1
    tomorrow = timezone.localdate() + timedelta(days=1)
    for on in ("", "x", tomorrow.isoformat()):
        assert client.post(PRINT, {"on": on}).status_code == 404


def test_more_people_are_no_more_queries(sign_in: Callable[[str], Client]) -> None:
    client, counts = sign_in("shequ"), {}
    for show in ("came", "awaited"):
        for size in (3, 9):
            while days.awaited(worker(), timezone.localdate()).count() < size:
                make_transfer(at="community")
            if show == "came":
                for case in days.awaited(worker(), timezone.localdate())[:size]:
                    take_in(case)
            with CaptureQueriesContext(connection) as seen:
                names(client, show=show)
            counts[show, size] = len(seen)
        assert counts[show, 3] == counts[show, 9], show
