"""Eight threads press one button: one succeeds, seven read a sentence."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.factories import make_transfer, staff_of
from transfers import workflow
from transfers.models import StepEvent, Transfer
from xianning import walk
from xianning.models import Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
THREADS = 8


def race(deed: Callable[[], object]) -> list[object]:
    """What each of eight threads got, all let go at the same moment."""
    gate, results = threading.Barrier(THREADS), []

    def run() -> None:
        try:
            gate.wait(30)
            results.append(deed())
        except Exception as problem:
            results.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("step", ["verify", "community", "party"])
def test_eight_threads_press_one_button_and_one_succeeds(step: str) -> None:
    case = make_transfer(at=step, party_member=True)
    by = staff_of("qiye")[workflow.STEPS[step].role]
    form = workflow.STEPS[step].form
    assert form
    results = race(lambda: walk.take(Transfer.objects.get(pk=case.pk), step, by))
    refusals = [r for r in results if isinstance(r, Exception)]
    assert len(refusals) == THREADS - 1, results
    for refusal in refusals:
        assert isinstance(refusal, workflow.Refused), results
        assert "不能重复办理" in str(refusal)
    assert StepEvent.objects.filter(transfer=case, step=step, verb="complete").count() == 1


def test_numbers_have_no_gap_and_no_repeat() -> None:
    from django.db import transaction

    def draw() -> int:
        with transaction.atomic():
            return Sequence.next("letter/test")

    assert sorted(race(draw)) == list(range(1, THREADS + 1))  # type: ignore[type-var]


def test_two_offices_act_on_one_case_at_once_and_both_are_kept() -> None:
    case = make_transfer(at="archives", party_member=True)
    staff = staff_of("qiye")
    todo = iter([("archives", "insurance"), ("community", "community"), ("letter", "enterprise")])
    lock = threading.Lock()

    def next_deed() -> object:
        with lock:
            step, role = next(todo, ("", ""))
        return walk.take(Transfer.objects.get(pk=case.pk), step, staff[role]) if step else None

    results = race(next_deed)
    assert not [r for r in results if isinstance(r, Exception)], results
    done = {key for key, row in workflow.rows_of(case).items() if row.state == "done"}
    assert {"archives", "community", "letter"} <= done
