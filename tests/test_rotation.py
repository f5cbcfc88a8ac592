"""`manage.py rotate_keys`: online, resumable, complete; nothing is lost and nothing stays behind."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from datetime import date
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.sealed_rows import History, encrypted, raw, retiree
from transfers.models import Retiree
from xianning import privacy, rotation, sealing, standards, vault
from xianning.models import AuditEvent, Installation, TotpDevice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.conftest import People

PEOPLE = 5
FILES = {b"scan": "scans", b"list": "imports", b"": "jobs"}


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


K1, K2, I1, I2 = key(), key(), key(), key()
BEFORE = {"active": "k1", "keys": {"k1": K1}, "index": I1}
BOTH = {"active": "k2", "keys": {"k1": K1, "k2": K2}, "index": I1}
AFTER = {"active": "k2", "keys": {"k2": K2}, "index": I1}
INDEX_TOO = {**BOTH, "index": I2, "index_previous": [I1]}
# What is changed: algorithm before, ring and algorithm while it is done, ring when it is done.
CHANGES = {
    "rows are bound": ("aes", BEFORE, "aes", BEFORE),
    "aes to aes": ("aes", BOTH, "aes", AFTER),
    "aes to sm": ("aes", BEFORE, "sm", BEFORE),
    "sm to aes": ("sm", BEFORE, "aes", BEFORE),
    "aes to sm, key and index key": (
        "aes", INDEX_TOO, "sm", {**INDEX_TOO, "keys": {"k2": K2}},
    ),
}  # fmt: skip
ALL = [pytest.param(*change, id=name) for name, change in CHANGES.items()]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "PAUSE", 0)


def number(n: int) -> str:
    return standards.make_id_number("421299", date(1950, 3, 15), n, "1")


def use(settings: Settings, ring: dict[str, Any], algorithm: str) -> None:
    settings.PRIVACY_KEYS, settings.FIELD_ALGORITHM = json.dumps(ring), algorithm


class World:
    """Rows and files written with the ring BEFORE, some of them before rows were bound."""

    def __init__(self, owner: Any) -> None:
        Installation.objects.update_or_create(
            id=1, defaults={"is_demo": False, "key_check": privacy.make_key_check()}
        )
        self.people = [
            retiree(id_number=number(n), health=f"良好{n}", special_groups=["disabled"] * (n % 2))
            for n in range(PEOPLE)
        ]
        for person in self.people:
            person.save()
            person.home_phone = f"1380000000{person.id_number[-1].replace('X', '0')}"
            person.save()
        TotpDevice.objects.create(user=owner, secret="ab" * 20)
        self.files = {vault.put(data, folder): data for data, folder in FILES.items()}
        self._unbind()
        self.histories = History.objects.count()

    def _unbind(self) -> None:
        """One column goes back to what it was before rows were bound."""
        for table in (Retiree, History):
            rows: Any = table._base_manager.all()
            with connection.cursor() as cursor:
                for row in rows:
                    text = privacy.seal(row.health, "transfers.Retiree.health")
                    cursor.execute(
                        f"UPDATE {table._meta.db_table} SET health = %s"
                        f" WHERE {table._meta.pk.column} = %s",
                        [text, table._meta.pk.get_db_prep_value(row.pk, connection)],
                    )

    def check(self) -> None:
        """Everything is read and found as it was, and no history was made."""
        for n, person in enumerate(self.people):
            [found] = Retiree.objects.with_id_number(number(n))
            assert found == person
            for row in (found, *History.objects.filter(id=person.pk).order_by("-history_id")[:1]):
                assert (row.id_number, row.health) == (number(n), f"良好{n}")
                assert (row.home_phone, row.special_groups) == (
                    person.home_phone, person.special_groups
                )  # fmt: skip
        assert TotpDevice.objects.get().secret == "ab" * 20
        assert {name: vault.get(name) for name in self.files} == self.files
        assert History.objects.count() == self.histories
        for row in History.objects.all():
            for model, column in encrypted():
                if model is History:
                    getattr(row, column.name)


def stored_values() -> Iterator[str]:
    """Every encrypted value of the database, as it is kept."""
    for model, column in encrypted():
        yield from (value for (value,) in raw(model, str(column.column)) if value)


def rotate(batch: int = 2) -> str:
    out = StringIO()
    call_command("rotate_keys", batch=batch, stdout=out)
    return out.getvalue()


@pytest.fixture
def world(people: People, settings: Settings, request: pytest.FixtureRequest) -> World:
    """With the algorithm of the test's change."""
    change = getattr(request.node, "callspec", None)
    use(settings, BEFORE, change.params.get("first", "aes") if change else "aes")
    return World(people["rs"])


@pytest.mark.parametrize(("first", "ring", "algorithm", "left"), ALL)
def test_every_value_goes_under_the_new_key_and_nothing_else_changes(
    world: World, settings: Settings, first: str, ring: Any, algorithm: str, left: Any
) -> None:
    use(settings, ring, algorithm)
    world.check()  # before the rotation
    said = rotate()
    use(settings, left, algorithm)  # the former data key is gone
    world.check()
    values = list(stored_values())
    assert len(values) >= 8 * PEOPLE
    assert {value.rsplit(":", 1)[0] for value in values} == {f"v2:{algorithm}:{ring['active']}"}
    indexes = {index for table in (Retiree, History) for (index,) in raw(table, "id_index")}
    assert indexes == {privacy.blind_index(number(n), "id_number") for n in range(PEOPLE)}
    check = Installation.objects.get().key_check
    assert privacy.key_check_fits(check)
    assert privacy.indexes_are_current(check)
    assert "旧密钥下的值 0 个" in said
    event = AuditEvent.objects.filter(action="keys_rotated").get()
    changed_index = first != algorithm or ring["index"] != I1
    # Of each person number, its end, phone and all facts, and the number in both versions.
    assert event.facts["indexes"] == (6 * PEOPLE if changed_index else 0)
    for person in Retiree.objects.all():
        assert person.facts_index == privacy.blind_index(person.facts_text, "facts_text")
    assert event.facts["files"] == (0 if (first, ring) == (algorithm, BEFORE) else len(FILES))
    before = list(stored_values())
    rotate()
    assert list(stored_values()) == before


class Killed(BaseException):
    """As `kill -9` leaves the data: the transaction is rolled back, nothing is tidied up."""


@pytest.mark.parametrize("place", ["before the batch", "after the batch", "file"])
@pytest.mark.parametrize(("first", "ring", "algorithm", "left"), [ALL[1], ALL[4]])
def test_killed_at_every_batch_everything_is_readable_and_the_next_run_goes_on(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, place: str,
    first: str, ring: Any, algorithm: str, left: Any,
) -> None:  # fmt: skip
    use(settings, ring, algorithm)
    write, fsync = rotation._write, os.fsync
    calls = files = kills = 0

    def killing_write(table: Any, rows: Any) -> None:
        nonlocal calls
        calls += bool(rows)
        if place == "after the batch":
            write(table, rows)
        if calls == 2 and place != "file":
            raise Killed
        if place != "after the batch":
            write(table, rows)

    def killing_fsync(descriptor: int) -> None:
        nonlocal files
        files += 1
        fsync(descriptor)
        if files == 2 and place == "file":
            raise Killed

    monkeypatch.setattr(rotation, "_write", killing_write)
    monkeypatch.setattr(os, "fsync", killing_fsync)
    # Each run gets one batch further than the one before; the last one finishes.
    while kills < 50:
        calls = files = 0
        try:
            rotate()
        except Killed:
            kills += 1
            world.check()
        else:
            break
    assert (2 if place == "file" else 8) <= kills < 50
    monkeypatch.undo()
    monkeypatch.setattr(rotation, "PAUSE", 0)
    rotate()
    use(settings, left, algorithm)
    world.check()
    assert all(vault.is_current(name) for name in vault.names())


def test_a_value_edited_meanwhile_is_not_overwritten(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock prevents it where the database has them; the comparison holds everywhere."""
    use(settings, BOTH, "aes")
    write = rotation._write

    def edited_between(table: Any, rows: Any) -> None:
        if table.model is Retiree:
            Retiree.objects.filter(pk=world.people[0].pk).update(health="已更改")
        write(table, rows)

    monkeypatch.setattr(rotation, "_write", edited_between)
    rotate()
    person = Retiree.objects.get(pk=world.people[0].pk)
    assert (person.health, person.id_number) == ("已更改", number(0))
    use(settings, AFTER, "aes")
    assert Retiree.objects.get(pk=person.pk).health == "已更改"


def test_a_process_that_still_writes_with_the_old_key_is_noticed(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, BOTH, "aes")
    check, files = Installation.objects.get().key_check, rotation._files

    def old_writer(*words: Any) -> None:
        files(*words)
        use(settings, BEFORE, "aes")
        Retiree.objects.filter(pk=world.people[0].pk).update(health="旧")
        use(settings, BOTH, "aes")

    monkeypatch.setattr(rotation, "_files", old_writer)
    with pytest.raises(CommandError, match="仍有 1 个值使用旧密钥"):
        rotate()
    assert Installation.objects.get().key_check == check
    monkeypatch.setattr(rotation, "_files", files)
    assert "旧密钥下的值 0 个" in rotate()


def test_what_cannot_be_read_is_named_and_left_and_the_key_stays_needed(
    world: World, settings: Settings
) -> None:
    table, person = Retiree._meta.db_table, world.people[1]
    check, name = Installation.objects.get().key_check, next(iter(world.files))
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET home_phone = health WHERE home_phone <> ''")
    path = vault._path(name)
    path.write_bytes(path.read_bytes()[:-1])
    broken = path.read_bytes(), raw(Retiree, "home_phone")
    use(settings, BOTH, "aes")
    with pytest.raises(CommandError, match=f"有 {PEOPLE + 1} 处无法解密") as caught:
        rotate()
    assert "transfers.Retiree.home_phone" in str(caught.value)
    assert name in str(caught.value)
    assert "1380000" not in str(caught.value)
    assert (path.read_bytes(), raw(Retiree, "home_phone")) == broken
    assert Installation.objects.get().key_check == check
    assert Retiree.objects.get(pk=person.pk).health == "良好1"
    assert not AuditEvent.objects.filter(action="keys_rotated").exists()


def test_the_index_of_an_erased_person_is_not_made_anew(world: World, settings: Settings) -> None:
    pk, nothing = world.people[0].pk, secrets.token_hex(32)
    Retiree.objects.filter(pk=pk).update(id_number="", id_index=nothing)
    use(settings, INDEX_TOO, "aes")
    rotate()
    assert Retiree.objects.get(pk=pk).id_index == nothing


@pytest.mark.parametrize(
    "ring",
    [
        {"active": "k2", "keys": {"k2": K2}, "index": I1},
        {"active": "k1", "keys": {"k1": K2}, "index": I1},
        {"active": "k1", "keys": {"k1": K1}, "index": I2},
        {"active": "k1", "keys": {"k1": K1}, "index": I2, "index_previous": [K2]},
    ],
    ids=["no old key", "another key of the name", "another index key", "another former index key"],
)
def test_a_wrong_ring_is_refused_before_anything_is_written(
    world: World, settings: Settings, ring: Any
) -> None:
    use(settings, ring, "aes")
    before = list(stored_values()), raw(Retiree, "id_index")
    with pytest.raises(CommandError, match="FIELD_KEYS 与此数据库不符"):
        rotate()
    assert (list(stored_values()), raw(Retiree, "id_index")) == before
    with pytest.raises(CommandError, match="--batch"):
        rotate(0)


def test_rewriting_a_file_keeps_its_age_and_leaves_nothing_beside_it(
    world: World, settings: Settings
) -> None:
    name = next(iter(world.files))
    path = vault._path(name)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    (path.parents[1] / ".resealed").write_bytes(b"of a killed run")
    use(settings, BOTH, "aes")
    assert (vault.is_current(name), vault.reseal(name)) == (False, True)
    assert (vault.is_current(name), vault.reseal(name)) == (True, False)
    assert vault.get(name) == world.files[name]
    assert path.stat().st_mtime == 1_700_000_000
    assert path.stat().st_mode & 0o777 == 0o600
    assert {each.name for each in path.parents[1].iterdir()} == {*FILES.values()}
    vault.remove(name)
    assert vault.is_current(name)
    assert name not in vault.names()


@pytest.mark.only("sqlite")  # copies the file of the database
def test_killed_for_good_a_real_run_is_finished_by_the_next(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    """kill -9 in the middle of a run of its own process; the file and its WAL hold no plain text."""
    copy = tmp_path / "copy.sqlite3"
    people = [retiree(id_number=number(n), health=f"暗号甲{n}") for n in range(PEOPLE, 200)]
    for person in people:
        person.set_index()
    Retiree.objects.bulk_create(people)
    target = sqlite3.connect(copy)
    target.executescript("\n".join(connection.connection.iterdump()))
    target.close()
    surroundings = os.environ | {
        "DATABASE_URL": f"sqlite:///{copy}", "FIELD_KEYS": json.dumps(BOTH), "DEMO": "1",
        "FIELD_ALGORITHM": "sm", "VAR_DIR": str(tmp_path), "SECRET_KEY": "for this test" * 5,
    }  # fmt: skip
    command = [sys.executable, "manage.py", "rotate_keys", "--batch", "5"]

    def run() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, env=surroundings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=settings.BASE_DIR,
        )  # fmt: skip

    killed = run()
    assert killed.stdout
    for line in killed.stdout:
        if "retiree" in line and int("".join(filter(str.isdigit, line))) > 100:
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    plain = {str(person.pk): person.health for person in (*world.people, *people)}

    def heads() -> set[str]:
        with sqlite3.connect(copy) as database:
            rows = database.execute("SELECT id, health FROM transfers_retiree").fetchall()
        assert len(rows) == 200
        settings.PRIVACY_KEYS = json.dumps(BOTH)
        for pk, text in rows:
            row = f"{pk[:8]}-{pk[8:12]}-{pk[12:16]}-{pk[16:20]}-{pk[20:]}"
            assert sealing.unseal(text, "transfers.Retiree.health", row) == plain[row]
        return {text.rsplit(":", 1)[0] for _pk, text in rows}

    assert heads() > {"v2:sm:k2"}
    finished = run()
    said, _ = finished.communicate(timeout=60)
    assert finished.returncode == 0, said
    assert heads() == {"v2:sm:k2"}
    for path in tmp_path.glob("copy.sqlite3*"):
        content = path.read_bytes()
        for secret in ("暗号甲", number(7)):
            assert secret.encode() not in content
