"""Whoever alters the audit past the triggers is found out (T4, T5)."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection, transaction

from xianning import audit, audit_seals, jobs, triggers
from xianning.models import (
    AccessLog,
    AuditEvent,
    AuditSeal,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

EVENTS, SEALS, LOG = (m._meta.db_table for m in (AuditEvent, AuditSeal, AccessLog))
ON_POSTGRESQL = connection.vendor == "postgresql"
TAMPERINGS = 1000


def run(sql: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def switch_triggers_off() -> None:
    """As who owns the whole database can."""
    if ON_POSTGRESQL:
        run("SET LOCAL session_replication_role = replica")
    else:
        triggers.remove(connection)


def empty_log() -> None:
    with transaction.atomic():
        for sql in (*triggers.statements(connection)[0], f'DELETE FROM "{EVENTS}"',
                    f'DELETE FROM "{SEALS}"', *triggers.statements(connection)[1]):  # fmt: skip
            run(sql)


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)
        if ON_POSTGRESQL:
            run("SET LOCAL session_replication_role = origin")


@pytest.fixture
def log(people: dict[str, User]) -> list[AuditEvent]:
    """Sixty events of six people under six seals, anchored."""
    empty_log()
    names = ["qiye", "rs", "shebao", "shequ", "guanli", "shenji"]
    for n in range(60):
        audit.write(
            ["reveal", "changed", "refused"][n % 3], user=people[names[n % 6]],
            object=("transfers.Transfer", uuid.UUID(int=n // 2)), area="421202000000",
            facts={"fields": ["phone"], "n": n},
        )  # fmt: skip
        if n % 10 == 9:
            audit_seals.seal()
    return list(AuditEvent.objects.order_by("id"))


# --- what the check finds -------------------------------------------------------------------------


def flipped(column: str, old: Any, chance: random.Random) -> Any:
    """Another value for a column that somebody alters by hand."""
    if column in ("id", "first", "last"):
        return uuid.UUID(int=chance.getrandbits(128)).hex if not ON_POSTGRESQL else uuid.uuid4()
    if column == "at":
        moment = old if isinstance(old, datetime) else datetime.fromisoformat(old)
        return str(moment + timedelta(seconds=chance.choice([-3600, -0.001, 0.001, 1])))
    if column == "facts":
        return json.dumps({"fields": [], "n": chance.randrange(1000, 9999)})
    if column == "user_id":
        others = [pk for pk in User.objects.values_list("pk", flat=True)[:20]]
        return next(_raw(pk) for pk in chance.sample(others, 20) if _raw(pk) != str(old))
    if column == "area_id":
        return chance.choice([code for code in ("421200000000", "421281000000", None)])
    if column in ("seal_id", "number", "count"):
        return chance.choice([n for n in range(1, 70) if n != old])
    if column == "result":
        return {"ok": "refused"}.get(old, "ok")
    text = str(old)
    if column in ("mac", "digest", "previous") and text:
        place = chance.randrange(64)
        digit = chance.choice([d for d in "0123456789abcdef" if d != text[place]])
        return text[:place] + digit + text[place + 1 :]
    return (text[:-1] or "") + chance.choice("甲乙丙丁") if len(text) < 60 else text[:-1]


def _raw(pk: uuid.UUID) -> str:
    return str(pk) if ON_POSTGRESQL else pk.hex


EVENT_COLUMNS = (*audit.COLUMNS, "mac", "seal_id")
SEAL_COLUMNS = ("number", "at", "count", "first", "last", "digest", "previous")


class Tamperer:
    """Ways to alter the log by SQL with the triggers off; each returns the event it touched."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT id, seal_id FROM "{EVENTS}" ORDER BY id')
            self.ids = cursor.fetchall()
            cursor.execute(f'SELECT number FROM "{SEALS}" ORDER BY number')
            self.seals = [number for (number,) in cursor.fetchall()]

    def flip_event(self) -> Any:
        pk, column = self.chance.choice(self.ids)[0], self.chance.choice(EVENT_COLUMNS)
        self._flip(EVENTS, "id", pk, column)
        return None if column in ("id", "seal_id") else pk

    def flip_seal(self) -> None:
        self._flip(
            SEALS, "number", self.chance.choice(self.seals), self.chance.choice(SEAL_COLUMNS)
        )

    def _flip(self, table: str, key: str, pk: Any, column: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT "{column}" FROM "{table}" WHERE {key} = %s', [pk])
            old = cursor.fetchone()[0]
        while (value := flipped(column, old, self.chance)) in (old, ""):
            old = "1" * 64 if old == "" else old
        if column == "number":
            value = value + 100  # a number that is taken would not even be written
        assert run(f'UPDATE "{table}" SET "{column}" = %s WHERE {key} = %s', value, pk) == 1

    def delete(self) -> None:
        pk, seal = self.chance.choice(self.ids)
        run(f'DELETE FROM "{EVENTS}" WHERE id = %s', pk)
        if self.chance.random() < 0.5:  # and lets the seal count one less
            run(f'UPDATE "{SEALS}" SET count = count - 1 WHERE number = %s', seal)

    def insert(self) -> None:
        """An event that never happened, with a digest made without the key or taken elsewhere."""
        event = AuditEvent.objects.order_by("?").first()
        assert event
        taken, seal_id = event.mac, event.seal_id
        event.pk, event._state.adding = uuid.UUID(int=self.chance.getrandbits(128)), True
        event.seal_id = self.chance.choice([None, seal_id])
        message = audit.message_of(getattr(event, name) for name in audit.COLUMNS)
        event.mac = self.chance.choice([taken, hashlib.sha256(message).hexdigest(), "0" * 64])
        event.save(force_insert=True)

    def swap_events(self) -> None:
        """Two events change users, objects, times, digests or seals."""
        column = self.chance.choice(["user_id", "object_id", "at", "mac", "seal_id"])
        while True:
            (one, _), (two, _) = self.chance.sample(self.ids, 2)
            values = self._values(EVENTS, column, "id", one, two)
            if len(set(values)) == 2:
                break
        run(f'UPDATE "{EVENTS}" SET "{column}" = %s WHERE id = %s', values[0], two)
        run(f'UPDATE "{EVENTS}" SET "{column}" = %s WHERE id = %s', values[1], one)

    def _values(self, table: str, column: str, key: str, *ids: Any) -> list[Any]:
        with connection.cursor() as cursor:
            found = []
            for pk in ids:
                cursor.execute(f'SELECT "{column}" FROM "{table}" WHERE {key} = %s', [pk])
                found.append(cursor.fetchone()[0])
            return found

    def reorder_seals(self) -> None:
        """Two seals change places, with or without their events."""
        one, two = self.chance.sample(self.seals, 2)
        tables = [(SEALS, "number")] + [(EVENTS, "seal_id")] * self.chance.randrange(2)
        for table, key in tables:
            for old, new in ((one, 900), (two, one), (900, two)):
                run(f'UPDATE "{table}" SET {key} = %s WHERE {key} = %s', new, old)

    def unseal(self) -> None:
        """Events go back to those that wait: all of a seal, or one."""
        pk, seal = self.chance.choice(self.ids)
        run(f'UPDATE "{EVENTS}" SET seal_id = NULL WHERE id = %s', pk)
        if self.chance.random() < 0.5:
            run(f'UPDATE "{EVENTS}" SET seal_id = NULL WHERE seal_id = %s', seal)

    def cut_out(self) -> None:
        """A seal goes with its events, and the rest is linked and numbered anew."""
        gone = self.chance.choice(self.seals[:-1])
        [previous] = self._values(SEALS, "previous", "number", gone)
        run(f'DELETE FROM "{EVENTS}" WHERE seal_id = %s', gone)
        run(f'DELETE FROM "{SEALS}" WHERE number = %s', gone)
        run(f'UPDATE "{SEALS}" SET previous = %s WHERE number = %s', previous, gone + 1)
        for number in range(gone + 1, self.seals[-1] + 1):
            run(f'UPDATE "{SEALS}" SET number = %s WHERE number = %s', number - 1, number)
            run(f'UPDATE "{EVENTS}" SET seal_id = %s WHERE seal_id = %s', number - 1, number)

    def cut_tail(self) -> None:
        first = self.chance.choice(self.seals)
        run(f'DELETE FROM "{EVENTS}" WHERE seal_id >= %s', first)
        run(f'DELETE FROM "{SEALS}" WHERE number >= %s', first)


WAYS = ("flip_event", "flip_event", "flip_event", "flip_seal", "delete", "insert", "swap_events",
        "reorder_seals", "unseal", "cut_out", "cut_tail")  # fmt: skip


def test_a_thousand_tamperings_are_found_and_the_altered_event_is_named(
    log: list[AuditEvent],
) -> None:
    with undone():
        switch_triggers_off()
        assert audit_seals.verify().good
    chance = random.Random(3)
    tamperer, missed = Tamperer(chance), []
    for n in range(TAMPERINGS):
        way = WAYS[n % len(WAYS)]
        with undone():
            switch_triggers_off()
            touched = getattr(tamperer, way)()
            report = audit_seals.verify()
        if report.good or (touched and report.first_bad != str(uuid.UUID(str(touched)))):
            missed.append((n, way, report))
    assert not missed, missed[:3]
    assert audit_seals.verify().good


def test_only_the_anchors_show_a_tail_that_was_cut_off(
    log: list[AuditEvent], tmp_path: Path
) -> None:
    [file] = Path(project.AUDIT_ANCHORS).glob("*.jsonl")
    lines = file.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert json.loads(lines[-1])["digest"] == AuditSeal.objects.get(number=6).digest
    (tmp_path / "2020-01.jsonl").write_text("\n".join(lines[:4]) + '\n{"numb')
    with undone():
        switch_triggers_off()
        run(f'DELETE FROM "{EVENTS}" WHERE seal_id >= 5')
        run(f'DELETE FROM "{SEALS}" WHERE number >= 5')
        report = audit_seals.verify()
        assert "被截断" in report.sentence()
        assert audit_seals.verify(tmp_path).good  # whose anchors end there cannot know
        assert not audit_seals.verify(tmp_path / "none").good  # nor may they be missing
        # A second seal 5 over other events does not pass for the first.
        audit.write("changed", object=("x", 1))
        audit_seals.seal()
        assert "锚点不符" in audit_seals.verify().sentence()
    answer = StringIO()
    call_command("audit", "anchor", stdout=answer)
    assert json.loads(answer.getvalue()) == json.loads(lines[-1])


def test_half_a_line_of_a_crash_costs_no_anchor(log: list[AuditEvent]) -> None:
    [file] = Path(project.AUDIT_ANCHORS).glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert audit_seals.anchor() == 1
    report = audit_seals.verify()
    assert (report.good, report.anchors, len(report.notes)) == (True, 6, 1)


def test_what_waits_too_long_for_its_seal_is_told(log: list[AuditEvent]) -> None:
    audit.write("changed", object=("x", 1))
    assert audit_seals.verify().good
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11), tick=False):
        assert "没有封存" in audit_seals.verify().sentence()
        audit_seals.seal()
        assert audit_seals.verify().good


@pytest.mark.parametrize(("before", "after"), [("aes", "sm"), ("sm", "aes")])
def test_another_algorithm_or_data_key_leaves_old_events_genuine(
    before: str, after: str, settings: Any
) -> None:
    empty_log()
    for algorithm in (before, after):
        settings.FIELD_ALGORITHM = algorithm
        audit.write("changed", object=("x", 1))
        audit_seals.seal()
        ring = json.loads(settings.PRIVACY_KEYS)
        ring["keys"]["t2"], ring["active"] = "c2Vjb25kLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=", "t2"
        settings.PRIVACY_KEYS = json.dumps(ring)
    report = audit_seals.verify()
    assert (report.good, report.events, report.seals) == (True, 2, 2)
    ring["index"] = "YW5vdGhlci1pbmRleC1rZXktb2YtdGhlLXRlc3RzLi4="
    settings.PRIVACY_KEYS = json.dumps(ring)
    assert audit_seals.verify().count >= 4  # without the key nothing is genuine


def test_old_seals_are_purged_whole_and_the_chain_stays(people: dict[str, User]) -> None:
    empty_log()
    now = datetime.now(UTC)
    with time_machine.travel(now - timedelta(days=1200), tick=False):
        AccessLog.write(people["qiye"], "reveal", "身份证号")
    for days in (500, 401, 399, 1):
        with time_machine.travel(now - timedelta(days=days), tick=False):
            for n in range(3):
                audit.write("changed", object=("x", n))
            audit_seals.seal()
    answer = StringIO()
    call_command("audit", "purge", stdout=answer)
    assert answer.getvalue() == "已清理审计记录 7 条、访问记录 1 条。\n"
    audit_seals.seal()
    report = audit_seals.verify()
    assert (report.good, report.seals, report.purged) == (True, 5, 2)
    assert (
        list(AuditEvent.objects.filter(seal__lt=5).values_list("seal", flat=True))
        == [4] * 3 + [3] * 3
    )
    event = AuditEvent.objects.get(action="audit_purged")
    assert (event.facts, event.user_name) == ({"through": 2, "events": 7}, "命令 audit purge")
    with undone():  # the same without the event of the purge is a hole
        switch_triggers_off()
        run(f"DELETE FROM {EVENTS} WHERE seal_id = 3")
        assert not audit_seals.verify().good


# --- many writers -----------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_writers_that_seal_at_once_make_one_chain(settings: Any) -> None:
    threads, rounds = (32, 6) if ON_POSTGRESQL else (8, 6)
    user = User.objects.get(username="qiye")
    gate, problems = threading.Barrier(threads), []

    def work() -> None:
        try:
            gate.wait(30)
            for n in range(rounds):
                audit.write("changed", user=user, object=("x", n))
                audit_seals.seal()
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    if ON_POSTGRESQL:
        connection.pool.resize(1, threads + 2)  # type: ignore[attr-defined]
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    if ON_POSTGRESQL:
        connection.pool.resize(1, 4)  # type: ignore[attr-defined]
    assert not problems
    audit_seals.seal()
    report = audit_seals.verify()
    assert report.good, report
    assert AuditEvent.objects.filter(object_kind="x").count() == threads * rounds
    numbers = AuditSeal.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))
    links = AuditSeal.objects.values_list("previous", flat=True)
    assert len(set(links)) == len(links)  # no two seals follow the same one
    # The worker does the same by itself.
    audit.write("changed", user=user, object=("x", "last"))
    settings.JOB_LEASE, stop = 0.2, threading.Event()
    keeper = threading.Thread(target=jobs.look_after, args=(stop,))
    keeper.start()
    deadline = time.monotonic() + 20
    while AuditEvent.objects.filter(seal=None).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    keeper.join(20)
    assert not AuditEvent.objects.filter(seal=None).exists()
    assert audit_seals.verify().good
