"""What the worker lets go by itself, and when (register.RETENTION; 个人信息保护法 19)."""

from __future__ import annotations

import importlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessLog as SignInLog
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, models

from tests.test_audit_tamper import empty_log
from xianning import audit, audit_seals, jobs, retention
from xianning.management.commands import worker
from xianning.models import AccessLog, AuditEvent, Notice, SignInSession, User

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
# Kind → days it is kept, by hand: AUDIT_DAYS is 400, a session lasts half a day at most.
KEPT: dict[str, tuple[type[models.Model], float]] = {
    "notice": (Notice, 400),
    "sign-in session": (SignInSession, 400.5),
    "sign-in noted by axes": (SignInLog, 400),
    "session of a browser": (Session, 0.5),
}


@pytest.fixture(autouse=True)
def clean() -> None:
    empty_log()


def _make(kind: str, days_ago: float, user: User, number: int = 0) -> Any:
    with time_machine.travel(NOW - timedelta(days=days_ago), tick=False):
        if kind == "notice":
            return Notice.objects.create(role="hr", area_id="421200000000", text="待核定")
        if kind == "sign-in session":
            return SignInSession.objects.create(user=user, key_digest=f"{days_ago} {number}")
        if kind == "sign-in noted by axes":
            return SignInLog.objects.create(username="rs", ip_address="10.0.0.1")
        ends = datetime.now(UTC) + timedelta(hours=12)
        return Session.objects.create(session_key=f"{days_ago} {number}", expire_date=ends)


@pytest.mark.parametrize("kind", KEPT)
def test_each_kind_goes_when_its_days_are_over_and_not_before(
    kind: str, people: dict[str, User]
) -> None:
    model, days = KEPT[kind]
    rows = {ago: _make(kind, ago, people["rs"]) for ago in (days + 0.01, days - 0.01, 0.1)}
    with time_machine.travel(NOW, tick=False):
        assert retention.let_go() == 1
        assert retention.let_go() == 0
    left = set(model._default_manager.values_list("pk", flat=True))
    assert {ago for ago, row in rows.items() if row.pk in left} == {days - 0.01, 0.1}
    told = [event.facts for event in AuditEvent.objects.filter(action="let_go")]
    words = {"notice": "通知", "sign-in session": "登录会话"}
    assert told == ([{"kind": words[kind], "count": 1}] if kind in words else [])


def test_a_batch_is_bounded_and_the_oldest_go_first(people: dict[str, User]) -> None:
    for kind in KEPT:
        for number in range(5):
            _make(kind, 500 - number, people["rs"], number)
    with time_machine.travel(NOW, tick=False):
        assert [retention.let_go(most=2) for _ in range(4)] == [8, 8, 4, 0]
    counts = AuditEvent.objects.filter(action="let_go").values_list("facts", flat=True)
    assert sorted(facts["count"] for facts in counts) == [1, 1, 2, 2, 2, 2]


def test_the_worker_purges_the_audit_and_the_chain_stays_whole(people: dict[str, User]) -> None:
    with time_machine.travel(NOW - timedelta(days=1100), tick=False):
        AccessLog.write(people["rs"], "reveal", "身份证号")  # itself an event
        audit_seals.seal()
    with time_machine.travel(NOW - timedelta(days=1097), tick=False):
        AccessLog.write(people["rs"], "reveal", "身份证号")
    for days in (402, 401, 399):
        with time_machine.travel(NOW - timedelta(days=days), tick=False):
            audit.write("changed", object=("x", 1))
            audit_seals.seal()
    with time_machine.travel(NOW, tick=False):
        assert retention.let_go() == 5  # events of 1100, 1097, 402 and 401 days ago, one entry
        assert AccessLog.objects.count() == 1
        purged = AuditEvent.objects.get(action="audit_purged")
        assert purged.facts == {"through": 3, "events": 4}
        assert AuditEvent.objects.filter(action="access_log_purged", facts__rows=1).exists()
        audit_seals.seal()
        report = audit_seals.verify()
    assert (report.good, report.seals, report.purged) == (True, 5, 3)
    assert AuditEvent.objects.filter(at__lt=NOW - timedelta(days=400)).count() == 0


def test_so_many_seals_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SEALS", 2)
    for days in (405, 404, 403, 402, 401):
        with time_machine.travel(NOW - timedelta(days=days), tick=False):
            audit.write("changed", object=("x", 1))
            audit_seals.seal()
    with time_machine.travel(NOW, tick=False):
        assert [retention.let_go() for _ in range(4)] == [2, 2, 1, 0]


def test_the_worker_goes_on_at_each_call_until_nothing_is_left_and_then_rests_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, calls, left = [1000.0], list[float](), [7, 3, 0, 0]
    monkeypatch.setattr(retention.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(retention, "_rests_until", 0.0)

    def let_go() -> int:
        calls.append(clock[0])
        return left.pop(0)

    monkeypatch.setattr(retention, "let_go", let_go)
    for clock[0] in (1000.0, 1030.0, 1060.0, 1090.0, 4659.0, 4660.0):
        retention.let_go_in_turn()
    assert calls == [1000.0, 1030.0, 1060.0, 4660.0]


def test_the_worker_loads_it_and_calls_it_beside_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return importlib.import_module(name)

    monkeypatch.setattr(worker, "import_module", load)
    monkeypatch.setattr(worker, "_worked_off", lambda: True)
    monkeypatch.setattr(jobs, "look_after", lambda stop: isinstance(stop, threading.Event))
    call_command("worker")
    assert {"xianning.quarantine", "xianning.retention"} <= set(loaded)
    assert retention.let_go_in_turn in jobs._CHORES


@pytest.mark.only("sqlite")
def test_what_is_old_is_found_by_an_index() -> None:
    """No batch reads a table from end to end, however long it is."""
    limit = NOW - timedelta(days=400)
    for model in (Notice, SignInSession):
        rows = model._default_manager.filter(retention._made_before(limit)).order_by("pk")
        assert "USING INDEX" in rows.explain(), model
    assert "USING INDEX" in Session.objects.filter(expire_date__lt=limit).explain()
    assert connection.vendor == "sqlite"
