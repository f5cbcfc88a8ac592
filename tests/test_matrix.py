"""Every URL, by every actor, about every object, by every method: as the table of matrix.py says."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.urls import URLPattern, get_resolver, reverse

from tests.cells import Asker
from tests.fingerprint import SESSIONS, changed, fingerprint
from tests.matrix import EVERYBODY, ROWS, cells, expected
from tests.world import ACTORS, NOBODY, World, standing
from xianning.access import REGISTRY
from xianning.checks import url_names
from xianning.models import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

CELLS = tuple(cells())
# What a refused request may leave behind: its session, the count of guesses, and its audit row.
LEFT = SESSIONS | {
    "xianning_auditevent", "xianning_auditseal", "xianning_signinsession", "xianning_totpdevice",
    "xianning_guessbucket",
}  # fmt: skip
# Nothing that anybody could dispute: words to look for, a notice read, a card looked up, a browser
# that is signed in already, no other session to end, a workbook that was only looked at.
UNAUDITED = {
    "transfers:search", "notice_read", "communities:card_check", "sign_in", "sign_in_code",
    "sessions_end", "enterprises:import",
}  # fmt: skip


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for the module, undone at its end."""
    with django_db_blocker.unblock(), standing() as world:
        yield world


@pytest.fixture
def asker(
    db: World, settings: Any, sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asker]:
    settings.MEDIA_ROOT = db.media
    logging.disable(logging.CRITICAL)
    with Asker(db, sign_in).without_printing(monkeypatch).watching() as asker:
        yield asker
    logging.disable(logging.NOTSET)


def test_every_url_has_a_row() -> None:
    names = set(url_names())
    assert not names - set(ROWS), "add a row to tests/matrix.py ROWS, with its article"
    assert not set(ROWS) - names, "the URL is gone: take its row out of tests/matrix.py"
    assert names == set(REGISTRY)


def test_there_are_twelve_thousand_cells_over_all_urls() -> None:
    assert len(CELLS) == len(set(CELLS)) >= 12_000
    assert {cell.name for cell in CELLS} == set(url_names())
    assert {cell.actor for cell in CELLS} == set(ACTORS)
    for name, row in ROWS.items():
        verdicts = Counter(expected(cell) for cell in CELLS if cell.name == name)
        assert verdicts["405"], name
        if not row.gone and row.ready != frozenset():
            assert verdicts["ok"], f"nobody may do {name}"
        if row.who != EVERYBODY:
            assert verdicts["sign-in"], name


@pytest.mark.parametrize("actor", ACTORS)
def test_each_actor_gets_what_the_table_says_and_leaves_nothing_where_he_is_refused(
    actor: str, asker: Asker
) -> None:
    asker.client(actor)
    before = fingerprint(exclude=LEFT)
    wrong: list[str] = []
    asked: set[tuple[str, ...]] = set()  # of each kind of refusal one whole page is looked at
    for cell in CELLS:
        if cell.actor == actor and expected(cell) != "ok":
            kind = (expected(cell), cell.name.partition(":")[0], cell.method)
            answer = asker.ask(cell, page=kind not in asked, keep=True)
            asked.add(kind)
            wrong += asker.judge(cell, answer)
            refused = answer.status in (403, 404) and not ROWS[cell.name].gone
            if refused and actor not in NOBODY and not answer.audited:
                wrong.append(f"{cell}: refused without an audit row")
    assert not wrong, "\n".join(wrong[:30])
    assert changed(before, fingerprint(exclude=LEFT)) == []
    for cell in CELLS:
        if cell.actor == actor and expected(cell) == "ok":
            answer = asker.ask(cell)
            wrong += asker.judge(cell, answer)
            must = cell.method == "POST" and actor not in NOBODY and cell.name not in UNAUDITED
            if must and not answer.audited:
                wrong.append(f"{cell}: done without an audit row")
    assert not wrong, "\n".join(wrong[:30])


# --- A10: what stands in an address cannot be counted through ------------------------------------


def test_no_address_holds_a_number_that_counts() -> None:
    """Ids are UUIDs; what else stands in an address is a public word (a code, a step, a roster)."""
    kinds = {
        (name, type(converter).__name__)
        for pattern in _patterns(get_resolver().url_patterns)
        for name, converter in pattern.pattern.converters.items()
    }
    words = {("name", "SlugConverter"), ("key", "StepConverter"), ("pk", "StringConverter")}
    assert kinds - words == {("pk", "UUIDConverter")}


def _patterns(entries: Any) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLPattern):
            yield entry
        else:
            yield from _patterns(entry.url_patterns)


def test_ten_thousand_neighbours_and_random_ids_find_nothing(db: World, asker: Asker) -> None:
    rng = random.Random(10)
    known = [row.pk for kind in db.objects.values() for row in kind.values() if hasattr(row, "pk")]
    ids = {
        UUID(int=(pk.int + step) % (1 << 128))
        for pk in known
        for step in (*range(-50, 0), *range(1, 51))
    }
    while len(ids) < 12_000:  # the same moment, other random bits; and anything at all
        pk = rng.choice(known)
        ids |= {UUID(int=pk.int & ~((1 << 62) - 1) | rng.getrandbits(62)), uuid4()}
    ids -= set(known)
    assert len(ids) >= 10_000
    wanted = sorted(ids)
    for model in apps.get_models():
        if issubclass(model, Record):
            for at in range(0, len(wanted), 500):
                part = wanted[at : at + 500]
                assert not model._default_manager.filter(pk__in=part).exists(), model
    client = asker.client("clerk")
    for pk in rng.sample(wanted, 100):
        assert client.get(reverse("transfers:detail", args=[pk])).status_code == 404
