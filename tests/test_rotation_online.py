"""Keys are changed while people read and write: nobody waits for long, no edit is lost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from tests.test_concurrency import race
from tests.test_rotation import AFTER, BEFORE, BOTH, World, number, rotate, use
from transfers.models import Retiree
from xianning import rotation
from xianning.models import User
from xianning.privacy import head

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import Settings

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
EDITS = 15


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(rotation, "PAUSE", 0.2)
    use(settings, BEFORE, "aes")
    made = World(User.objects.get(username="rs"))
    use(settings, BOTH, "aes")
    return made


def test_people_read_and_write_while_it_runs(world: World, settings: Settings) -> None:
    def edit(n: int) -> None:
        for turn in range(EDITS):
            with transaction.atomic():
                person = Retiree.objects.select_for_update().get(pk=world.people[n].pk)
                assert person.away_phone == (f"1390000{turn:04d}" if turn else "")
                person.away_phone = f"1390000{turn + 1:04d}"
                person.save()

    def read() -> None:
        for _ in range(EDITS):
            people = {p.pk: (p.id_number, p.health) for p in Retiree.objects.all()}
            assert people == {p.pk: (number(n), f"良好{n}") for n, p in enumerate(world.people)}

    deeds: list[Callable[[], object]] = [lambda: rotate(1), lambda: edit(0), lambda: edit(3), read]
    assert [each for each in race(deeds) if isinstance(each, Exception)] == []
    use(settings, AFTER, "aes")
    for n in (0, 3):
        person = Retiree.objects.get(pk=world.people[n].pk)
        assert person.away_phone == f"1390000{EDITS:04d}"
        assert {row.health for row in person.history.all()} == {f"良好{n}"}
        assert person.history.count() == 2 + EDITS


@pytest.mark.only("postgresql")  # SQLite locks the whole file
def test_a_row_somebody_holds_is_passed_over_and_taken_later(
    world: World, settings: Settings
) -> None:
    held, start = threading.Event(), head(of_row=True)

    def current() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM transfers_retiree WHERE health LIKE %s",
                           [f"{start}%"])  # fmt: skip
            return int(cursor.fetchone()[0])

    def hold() -> int:
        with transaction.atomic():
            person = Retiree.objects.select_for_update().get(pk=world.people[0].pk)
            held.set()
            until = time.monotonic() + 10
            while current() < len(world.people) - 1 and time.monotonic() < until:
                time.sleep(0.02)
            done = current()
            person.away_phone = "13900000000"
            person.save()
        return done

    def work() -> str:
        held.wait(10)
        return rotate(2)

    results = race([hold, work])
    assert len(world.people) - 1 in results
    use(settings, AFTER, "aes")
    person = Retiree.objects.get(pk=world.people[0].pk)
    assert (person.health, person.away_phone) == ("良好0", "13900000000")
