"""Remove each guard in turn: the matrix, a nested reference or a question must notice it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import resolve

from tests.cells import Asker
from tests.matrix import Cell, cells, expected
from tests.mutants import Mutant, Switches, all_mutants
from tests.nested import Ask, all_asks
from tests.questions import QUESTIONS
from tests.test_nested import judged
from tests.world import ACTORS, World, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

LONG = bool(os.environ.get("LONG"))
IN_SHORT = 40
NOTICED = 0.98


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
        for actor in ACTORS:
            asker.client(actor)
        yield asker
    logging.disable(logging.NOTSET)


@pytest.fixture
def switches(asker: Asker) -> Iterator[Switches]:
    with Switches().built_in() as switches:
        yield switches


@dataclass(frozen=True)
class Probe:
    """Something that is asked, and what is wrong with the answer."""

    name: str
    run: Callable[[Asker], list[str]]

    def wrong(self, asker: Asker) -> list[str]:
        with asker.undone():
            try:
                return self.run(asker)
            except Exception as problem:  # what breaks the program is noticed too
                return [f"{self.name}: {problem!r}"]


def of_cell(cell: Cell) -> Probe:
    return Probe(str(cell), lambda asker: asker.judge(cell, asker.ask(cell, page=False)))


def of_ask(ask: Ask) -> Probe:
    return Probe(str(ask), lambda asker: judged(asker, ask, {}))


def of_question(question: Callable[[Asker], bool]) -> Probe:
    name = question.__name__
    return Probe(name, lambda asker: [] if question(asker) else [name])


def guards_before(cell: Cell, asker: Asker) -> set[str]:
    """Guards without a switch that decide the cell."""
    if expected(cell) == "403":
        return {f"rule {cell.name}"}
    view = resolve(asker.path(cell.name, cell.key)).func
    return {f"method {view.__module__}.{view.__qualname__}"} if expected(cell) == "405" else set()


Reach = dict[str, list[Probe]]


def reach_of(asker: Asker, switches: Switches, every: int) -> Reach:
    """Guard → the probes that it decides. Of cells and references EVERY n-th is asked."""
    found: Reach = {}

    def note(probe: Probe, more: set[str]) -> None:
        switches.decided.clear()
        wrong = probe.wrong(asker)
        assert not wrong, wrong
        for guard in switches.decided | more:
            found.setdefault(guard, []).append(probe)

    for cell in list(cells())[::every]:
        note(of_cell(cell), guards_before(cell, asker))
    for ask in all_asks(asker.world)[::every]:
        note(of_ask(ask), set())
    for question in QUESTIONS:
        note(of_question(question), set())
    return found


def noticed_by(asker: Asker, switches: Switches, mutant: Mutant, reach: Reach) -> str:
    """What gives the mutant away, or nothing; afterwards the guard is there again."""
    questions = [of_question(question) for question in QUESTIONS]
    with mutant.removed(switches):
        asker.load_middleware()
        wrong = ""
        for probe in reach.get(mutant.name, questions):
            if found := probe.wrong(asker):
                wrong = found[0]
                break
    asker.load_middleware()
    return wrong


def test_long(asker: Asker, switches: Switches) -> None:
    import time
    t=time.time()
    reach = reach_of(asker, switches, int(os.environ.get("EVERY","8")))
    print("reach", time.time()-t)
    taken = all_mutants(switches)
    out=[]
    for m in taken:
        t=time.time()
        w=noticed_by(asker, switches, m, reach)
        print(f"{'+' if w else '-'} {m.name} | {len(reach.get(m.name,[]))} {time.time()-t:.1f} | {w[:150]!r}", flush=True)
        out.append((m.name,w))
    print(len(out), sum(1 for _,w in out if w))
