"""Many press one button at once: one succeeds, the others read who did it; nothing is done twice.

64 threads on PostgreSQL, 8 on SQLite (whose writers stand in a line), 50 races on each;
LONG=1: 256 threads and 500 races on PostgreSQL.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from tests.factories import make_transfer, staff_of, values_for
from transfers import workflow
from transfers.models import Retiree, StepEvent, Transfer, TransferStep
from transfers.workflow import STEPS
from xianning import walk
from xianning.models import Notice, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from xianning.models import User

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
LONG = bool(os.environ.get("LONG"))
FEW = 8
WHY = {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}


def many() -> tuple[int, int]:
    """Threads and races that this database is asked for."""
    if connection.vendor == "postgresql":
        return (256, 500) if LONG else (64, 50)
    return 8, 500 if LONG else 50


def race(deeds: list[Callable[[], object]]) -> list[object]:
    """What each thread got for its deed, all let go at the same moment."""
    gate, results = threading.Barrier(len(deeds)), []

    def run(deed: Callable[[], object]) -> None:
        try:
            gate.wait(60)
            results.append(deed())
        except Exception as problem:
            results.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == len(deeds)
    return results


def answers_of(case: Transfer, key: str, by: User) -> dict[str, Any]:
    """What the form of step KEY hands to the deed, typed once for all threads."""
    form_class = STEPS[key].form
    assert form_class
    scan = SimpleUploadedFile("签字表.png", walk.picture_of_a_form(case.number))
    files = {"scan": scan} if key == "confirm" else {}
    form = form_class(walk.answers(case, key), files, transfer=case, by=by)
    assert form.is_valid(), form.errors
    return form.cleaned_data


# In the order in which one case meets them; a race for each.
RACED = ("verify", "confirm", "deliver", "archives", "community", "letter", "party")


def test_one_of_many_does_the_step_and_the_others_read_who_did_it() -> None:
    threads, races = many()
    staff, done = staff_of("qiye"), 0
    while done < races:
        case = make_transfer(party_member=True)
        for key in RACED:
            by = staff[STEPS[key].role]
            data = answers_of(case, key, by)

            def press(case: Any = case, key: str = key, by: Any = by, data: Any = data) -> object:
                return workflow.complete(case, key, by=by, **data)

            results = race([press] * threads)
            refusals = [r for r in results if isinstance(r, Exception)]
            assert len(refusals) == threads - 1, results
            for refusal in refusals:
                assert isinstance(refusal, workflow.Refused), repr(refusal)
                assert f"已由{by}于" in str(refusal)
                assert "不能重复办理" in str(refusal)
            events = StepEvent.objects.filter(transfer=case, step=key, verb="complete")
            assert events.count() == 1
            case, done = Transfer.objects.get(pk=case.pk), done + 1
        assert case.state == "done"
    told = Notice.objects.filter(transfer__isnull=False).values_list("transfer", "text")
    assert len(told) == len(set(told))


def test_of_accepting_and_returning_at_once_one_is_done() -> None:
    threads, races = many()
    staff = staff_of("qiye")
    for _ in range(max(races // 10, 5)):
        case = make_transfer(at="community")
        by = staff["community"]
        data = answers_of(case, "community", by)

        def accept(case: Any = case, by: Any = by, data: Any = data) -> str:
            workflow.complete(case, "community", by=by, **data)
            return "complete"

        def refuse(case: Any = case, by: Any = by) -> str:
            workflow.send_back(case, "community", by=by, **WHY)
            return "send_back"

        results = race([accept, refuse] * (threads // 2))
        won = [r for r in results if isinstance(r, str)]
        assert len(won) == 1, results
        assert all(isinstance(r, workflow.Refused) for r in results if r != won[0]), results
        verbs = StepEvent.objects.filter(transfer=case, step="community").values_list("verb")
        assert [verb for (verb,) in verbs] == won
        row = TransferStep.objects.get(transfer=case, step="community")
        assert row.state == ("done" if won == ["complete"] else "blocked")


def test_numbers_have_no_gap_and_no_repeat() -> None:
    from django.db import transaction

    def draw() -> int:
        with transaction.atomic():
            return Sequence.next("letter/test")

    threads, _races = many()
    assert sorted(race([draw] * threads)) == list(range(1, threads + 1))  # type: ignore[type-var]


def test_two_offices_act_on_one_case_at_once_and_both_are_kept() -> None:
    case = make_transfer(at="archives", party_member=True)
    staff = staff_of("qiye")

    def take(key: str, role: str) -> object:
        return walk.take(Transfer.objects.get(pk=case.pk), key, staff[role])

    three = (("archives", "insurance"), ("community", "community"), ("letter", "enterprise"))
    deeds: list[Callable[[], object]] = [partial(take, key, role) for key, role in three]
    results = race(deeds)
    assert not [r for r in results if isinstance(r, Exception)], results
    done = {key for key, row in workflow.rows_of(case).items() if row.state == "done"}
    assert {"archives", "community", "letter"} <= done


# --- the same form twice ------------------------------------------------------------------------


def _posts(client: Client, path: str, data: dict[str, Any]) -> list[tuple[int, str]]:
    """(status, sentences) of eight equal POSTs of one browser at once."""

    def browser() -> Any:
        from django.test import Client as Browser

        copy = Browser()
        copy.cookies = client.cookies.copy()  # type: ignore[assignment]
        return copy

    def post(copy: Any) -> tuple[int, str]:
        response = copy.post(path, data, follow=True)
        return response.status_code, response.content.decode()

    results = race([partial(post, browser()) for _ in range(FEW)])
    assert all(isinstance(r, tuple) for r in results), results
    return results  # type: ignore[return-value]


def test_a_button_pressed_eight_times_does_it_once(sign_in: Callable[[str], Client]) -> None:
    case, client = make_transfer(at="verify"), sign_in("rs")
    typed = {name: str(value) for name, value in walk.answers(case, "verify").items()}
    path = reverse("transfers:act", args=[case.pk, "verify"])
    pages = _posts(client, path, typed | {"confirmed": "1"})
    assert {status for status, _page in pages} == {200}
    assert sum("“核定退休待遇”已办理。" in page for _status, page in pages) >= 1
    assert StepEvent.objects.filter(transfer=case, step="verify", verb="complete").count() == 1


def test_a_person_filed_eight_times_is_one_person_and_one_case(
    sign_in: Callable[[str], Client],
) -> None:
    typed = values_for() | {"insurances": "", "special_groups": ""}
    pages = _posts(sign_in("qiye"), reverse("transfers:add"), typed)
    assert {status for status, _page in pages} <= {200, 422}
    case = Transfer.objects.get()
    assert Retiree.objects.count() == 1
    filed = [page for _status, page in pages if f"已登记，案卷编号 {case.number}" in page]
    known = [page for _status, page in pages if "此人已有案卷" in page or "刚由" in page]
    assert filed
    assert len(filed) + len(known) >= FEW - 1


def test_two_enterprises_file_one_person_at_once_and_one_is_told(
    sign_in: Callable[[str], Client],
) -> None:
    typed = values_for() | {"insurances": "", "special_groups": ""}
    clients = [sign_in("qiye"), sign_in("qiye_chibi")]
    path = reverse("transfers:add")
    results = race([lambda c=c: c.post(path, typed).status_code for c in clients])  # type: ignore[misc]
    assert sorted(map(str, results)) == ["302", "422"], results
    assert Transfer.objects.count() == Retiree.objects.count() == 1
