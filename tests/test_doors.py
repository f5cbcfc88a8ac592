"""Each door to private values writes its trace before it shows them, or shows nothing (P4)."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.urls import reverse

from tests.canaries import others, person, request_of, values_in
from tests.doors import DOORS, REASON, Door, ask_for_copy, open_door
from tests.factories import make_transfer, staff_of
from transfers import views
from transfers.workflow import STEPS
from xianning import walk
from xianning.models import AccessLog, Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db
TRACE = 'INSERT INTO "xianning_accesslog"'


@pytest.fixture
def case() -> Transfer:
    """A case that every office has acted on and that is still open."""
    found = make_transfer(at="party", party_member=True, **person(0), **others(0))
    staff = staff_of("qiye")
    for key in ("deliver", "archives", "community"):
        found = walk.take(found, key, staff[STEPS[key].role])
    ask_for_copy(found, staff["community"], request_of(0))
    return found


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door_shows_its_fields_and_leaves_one_trace(
    door: Door, case: Transfer, sign_in: Callable[[str], Client],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    client = sign_in(door.username)
    shown = open_door(door, client, case, django_capture_on_commit_callbacks)
    values = person(0) | {"request": request_of(0)}
    assert values_in(shown) == {value for name, value in values.items() if name in door.fields}
    trace = AccessLog.objects.get()
    assert (trace.user.username, trace.rows) == (door.username, 1)
    assert trace.transfer == (None if door.roster else case)
    if any(name in ("reason", "why") for name, _value in door.data):
        assert trace.reason == REASON


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door_stays_closed_when_the_trace_cannot_be_written(
    door: Door, case: Transfer, sign_in: Callable[[str], Client],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    client = sign_in(door.username)
    client.raise_request_exception = False
    tried: list[str] = []

    def full(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(TRACE):
            tried.append(sql)
            raise DatabaseError("disk full")
        return execute(sql, params, many, context)

    with (
        connection.execute_wrapper(full),
        django_capture_on_commit_callbacks(execute=True),
        transaction.atomic(),  # the failed statement ends it
    ):
        response = door.knock(client, case)
    assert tried
    assert response.status_code == 500
    assert not values_in(response.content.decode())
    assert response["Content-Type"].startswith("text/html")
    assert not Job.objects.exists()
    assert not AccessLog.objects.exists()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_the_trace_is_there_before_anything_is_read(
    door: Door, case: Transfer, sign_in: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whatever makes the answer fails: the trace is there all the same."""
    client = sign_in(door.username)
    client.raise_request_exception = False

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("no page, no paper, no file")

    for target in (
        "transfers.views.render", "transfers.views.RetireeForm.__init__", "xianning.pdf.render",
        "transfers.views.download", "xianning.exports.make", "transfers.subject.copy_of",
        "transfers.rights_views.render",
    ):  # fmt: skip
        monkeypatch.setattr(target, crash)
    response = door.knock(client, case)
    assert response.status_code == (302 if door.roster else 500)
    assert AccessLog.objects.count() == 1


# --- a thousand ---------------------------------------------------------------------------------

REVEALERS = ("qiye", "rs", "gzw", "shebao", "shequ", "jiedao", "dangzu")
GROUPS = {"identity": "id_number", "contact": "home_phone", "family": "contact1_name",
          "health": "health"}  # fmt: skip
EACH_HOUR = 29  # the thirtieth is followed by a new question for the password


def _facts_only(_request: Any, _template: str, context: dict[str, Any], **_: Any) -> HttpResponse:
    """The values of the page without its frame, which takes most of the time."""
    return HttpResponse(" ".join(f.value for block in context["facts"] for f in block.rows))


def test_a_thousand_reveals_are_a_thousand_traces(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        make_transfer(at="party", party_member=True, **person(n), **others(n)) for n in range(4)
    ]
    monkeypatch.setattr(views, "render", _facts_only)
    seen: Counter[tuple[str, Any, str]] = Counter()
    with time_machine.travel(dt.datetime(2026, 11, 23, 1, tzinfo=dt.UTC), tick=False) as clock:
        while seen.total() < 1000:
            clock.shift(dt.timedelta(hours=1, minutes=1))
            for username in REVEALERS:
                client = sign_in(username)
                for turn in range(EACH_HOUR):
                    group, case = list(GROUPS)[turn % 4], cases[turn // 4 % 4]
                    path = reverse("transfers:reveal", args=[case.pk])
                    page = client.post(path, {"group": group, "reason": REASON}).content.decode()
                    assert getattr(case.retiree, GROUPS[group]) in page
                    assert not values_in(page) - set(person(cases.index(case)).values())
                    seen[username, case.pk, group] += 1
    titles = {"身份证号": "identity", "住址与电话": "contact", "家庭情况": "family",
              "健康与困难情况": "health"}  # fmt: skip
    written = Counter(
        (log.user.username, log.transfer_id, titles[log.what])
        for log in AccessLog.objects.filter(kind="reveal", reason=REASON).select_related("user")
    )
    assert seen.total() >= 1000
    assert written == seen
