"""An import session is one deed: written as a whole or not at all, and undone as a whole."""

from __future__ import annotations

import io
import itertools
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, models
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from tests.factories import enterprise_of, make_transfer, staff_of, values_for
from tests.killing import workers
from tests.workbooks import made_up_people, make_workbook
from transfers import workflow
from transfers.imports import checking, sessions, spool, writing
from transfers.models import (
    ImportBatch,
    ImportChange,
    NameGram,
    Retiree,
    StepEvent,
    Transfer,
    TransferStep,
)
from transfers.records import BEING_IMPORTED
from xianning import bulk, exports, jobs, vault, walk
from xianning.models import AuditEvent, Job, Notice, User
from xianning.roster import Made

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from enterprises.models import Enterprise

pytestmark = pytest.mark.django_db
State = ImportBatch.State
BLOCK = 4  # rows of a block in these tests


@pytest.fixture
def clerk() -> User:
    return User.objects.get(username="qiye")


@pytest.fixture
def enterprise() -> Enterprise:
    return enterprise_of("qiye")


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BLOCK", BLOCK)
    monkeypatch.setattr(sessions, "_let_others_write", lambda: None)


@pytest.fixture
def run(django_capture_on_commit_callbacks: Any) -> Callable[..., Any]:
    """Do something and let the background work happen."""

    def do(deed: Callable[..., Any], *args: Any, **more: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return deed(*args, **more)

    return do


def upload(run: Callable[..., Any], people: list[dict[str, Any]]) -> ImportBatch:
    clerk = User.objects.get(username="qiye")
    data = make_workbook(people, footer=False)
    batch = run(sessions.upload, data, "名单.xlsx", enterprise_of("qiye"), clerk)
    return ImportBatch.objects.get(pk=batch.pk)


def now(batch: ImportBatch) -> ImportBatch:
    return ImportBatch.objects.get(pk=batch.pk)


def counts() -> dict[str, int]:
    kept: tuple[Any, ...] = (
        Retiree, Retiree.history.model, Transfer, Transfer.history.model, TransferStep, StepEvent,
        NameGram, Notice, ImportChange,
    )  # fmt: skip
    return {model.__name__: model.objects.count() for model in kept}


# --- the fast way writes what the slow way writes -----------------------------------------------

# What differs from one writing to the next: keys, times, the number of the case.
_OWN = {
    "id", "history_id", "history_date", "number", "retiree", "transfer", "filed_at", "at",
    "opened_at", "done_at", "id_index", "facts_index",
    "tail_index", "phone_index",
}  # fmt: skip


def content(rows: Any) -> Counter[tuple[Any, ...]]:
    """ROWS as plain values, decrypted, without what is different each time."""
    fields = [f.name for f in rows.model._meta.concrete_fields if f.name not in _OWN]
    return Counter(tuple(str(getattr(row, name)) for name in fields) for row in rows)


def everything_of(cases: list[Transfer]) -> dict[str, Counter[tuple[Any, ...]]]:
    people = [case.retiree_id for case in cases]
    return {
        "people": content(Retiree.objects.filter(pk__in=people)),
        "their history": content(Retiree.history.filter(id__in=people)),
        "cases": content(Transfer.objects.filter(retiree__in=people)),
        "the cases' history": content(Transfer.history.filter(retiree__in=people)),
        "steps": content(TransferStep.objects.filter(transfer__in=cases)),
        "events": content(StepEvent.objects.filter(transfer__in=cases)),
        "pieces of names": content(NameGram.objects.filter(retiree__in=people)),
    }


def test_the_fast_way_writes_what_the_slow_way_writes(
    run: Callable[..., Any], clerk: User, enterprise: Enterprise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Column by column and row by row: people, history, cases, steps, events, pieces of names."""
    people = made_up_people(40, seed=5)
    people[3] |= {"home_address": "不详", "household_address": ""}  # no community: not filed yet
    report = checking.check(make_workbook(people, footer=False), enterprise, clerk)
    assert report.new == 40
    writing.write(report, by=clerk)
    fast = list(Transfer.objects.filter(enterprise=enterprise))
    written = everything_of(fast)
    writing_by_hand = [(row.data, row.number) for row in report.to_write]
    for case in fast:
        case.retiree.grams.all().delete()
    _forget(fast)

    def one_by_one(instances: Any, *, by: User, reason: str) -> list[Any]:
        def save() -> None:
            for instance in instances:
                instance.__dict__["_change_reason"] = reason
                instance.__dict__["_history_user"] = by
                instance.save(force_insert=True)

        return [(save, b"rows")]

    def rows_one_by_one(model: Any, columns: Any, rows: Any) -> Any:
        made = [model(**dict(zip(columns, row, strict=True))) for row in rows]

        def save() -> None:
            for row in made if model is not NameGram else ():  # saving a person wrote those
                row.save(force_insert=True)

        return save, b"rows"

    monkeypatch.setattr(bulk, "pack_with_history", one_by_one)
    monkeypatch.setattr(bulk, "pack", rows_one_by_one)
    monkeypatch.setattr(bulk, "insert_packed", lambda save, _rows: save())
    writing.write(report, by=clerk)
    slow = list(Transfer.objects.filter(enterprise=enterprise))
    assert len(slow) == len(writing_by_hand) == 40
    assert everything_of(slow) == written
    states = Counter(TransferStep.objects.values_list("step", "state"))
    assert states["declare", "open"] == 1
    assert states["verify", "open"] == 39
    assert states["letter", "skipped"] == sum(p["political_status"] == "群众" for p in people)


def _forget(cases: list[Transfer]) -> None:
    keys, people = [case.pk for case in cases], [case.retiree_id for case in cases]
    for rows in (
        TransferStep.objects.filter(transfer__in=keys), StepEvent.objects.filter(transfer__in=keys),
        Transfer.objects.filter(pk__in=keys), Transfer.history.filter(id__in=keys),
        Retiree.objects.filter(pk__in=people), Retiree.history.filter(id__in=people),
    ):  # fmt: skip
        rows._raw_delete(connection.alias)


def test_each_value_is_sealed_for_its_own_row(run: Callable[..., Any]) -> None:
    batch = upload(run, made_up_people(3))
    run(sessions.confirm, batch, by=batch.uploaded_by)
    raw: Any = models.QuerySet(Retiree).order_by("pk")
    with connection.cursor() as cursor:
        cursor.execute("SELECT home_address FROM transfers_retiree ORDER BY id")
        stored = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT home_address FROM transfers_historicalretiree")
        stored += [row[0] for row in cursor.fetchall()]
    assert len(set(stored)) == 6
    assert all(text.startswith("v2:aes:") for text in stored)
    assert all(person.home_address.startswith("湖北省") or person.home_address for person in raw)
    assert all(person.history.get().home_address == person.home_address for person in raw)


# --- a session under way ------------------------------------------------------------------------


class PowerCut(BaseException):
    """Stands for the end of a process: nothing of ours runs after it."""


def cut_after(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the worker when so many blocks are written."""
    plain, done = writing.Writer.write_new, itertools.count()

    def write_new(self: writing.Writer, *given: Any) -> None:
        if next(done) == blocks:
            raise PowerCut
        plain(self, *given)

    monkeypatch.setattr(writing.Writer, "write_new", write_new)


def interrupted(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, blocks: int = 2
) -> ImportBatch:
    batch = upload(run, made_up_people(11, seed=3))
    with monkeypatch.context() as patch:
        cut_after(blocks, patch)
        run(sessions.confirm, batch, by=batch.uploaded_by)  # the queue looks after its worker
    batch = now(batch)
    assert (batch.state, batch.written) == (State.WRITING, blocks)
    assert Transfer.objects.filter(batch=batch).count() == blocks * BLOCK
    return batch


def worker_comes_back(batch: ImportBatch) -> None:
    """What the reaper and the next worker do."""
    Job.objects.filter(pk=str(batch.job_id)).update(state="queued")
    jobs.run_job.func(str(batch.job_id))


def test_half_a_session_is_seen_by_nobody_and_the_next_worker_goes_on(
    run: Callable[..., Any],
    sign_in: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
    clerk: User,
) -> None:
    told = Notice.objects.count()
    batch = interrupted(run, monkeypatch)
    hr = User.objects.get(username="rs")
    half = Transfer.objects.filter(batch=batch).first()
    assert half is not None
    for user in (clerk, hr, *staff_of("qiye").values()):
        assert not Transfer.objects.visible_to(user).exists()
        assert not Retiree.objects.visible_to(user).exists()
    assert not workflow.waiting(hr, "verify").exists()
    assert sign_in("qiye").get(half.get_absolute_url()).status_code == 404
    assert Notice.objects.count() == told
    with pytest.raises(workflow.Refused, match="正在写入或撤销"):
        workflow.complete(half, "verify", by=hr)
    again = checking.check(make_workbook(made_up_people(11, seed=3)), enterprise_of("qiye"), clerk)
    assert [p.message for p in again.errors] == [BEING_IMPORTED] * 2 * BLOCK
    worker_comes_back(batch)
    assert (now(batch).state, now(batch).blocks) == (State.DONE, [])
    assert Transfer.objects.visible_to(clerk).count() == 11
    assert workflow.waiting(hr, "verify").count() == 11
    [notice] = Notice.objects.order_by("-pk")[: Notice.objects.count() - told]
    assert notice.text == f"{enterprise_of('qiye')}申报 11 人，“核定退休待遇”待办理。"
    imported = AuditEvent.objects.get(action="imported")
    assert imported.facts["new"] == 11


def test_a_cancelled_session_leaves_nothing(
    run: Callable[..., Any], sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts()
    batch = interrupted(run, monkeypatch)
    page = sign_in("qiye").get(batch.get_absolute_url()).content.decode()
    assert 'name="cancel"' in page
    run(sign_in("qiye").post, batch.get_absolute_url(), {"cancel": "1"})
    assert now(batch).state == State.RETREATING
    worker_comes_back(batch)
    batch = now(batch)
    assert (batch.state, batch.message) == (State.CHECKED, "导入已取消，没有写入任何内容。")
    assert counts() == before
    run(sessions.confirm, batch, by=batch.uploaded_by)  # and it can still be written
    assert Transfer.objects.filter(batch=batch).count() == 11


def test_a_row_that_cannot_be_written_takes_the_others_back(
    run: Callable[..., Any], clerk: User
) -> None:
    people = made_up_people(11, seed=3)
    batch = upload(run, people)
    report = checking.check(make_workbook(people[9:10]), enterprise_of("qiye"), clerk)
    writing.write(report, by=clerk)  # somebody files the tenth in the meantime
    before = counts()
    run(sessions.confirm, batch, by=clerk)
    assert (now(batch).state, now(batch).message) == (State.CHECKED, writing.MEANWHILE)
    assert counts() == before


def test_work_that_was_interrupted_too_often_is_gone_on_with_by_hand(
    run: Callable[..., Any], sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = interrupted(run, monkeypatch)
    Job.objects.filter(pk=str(batch.job_id)).update(state="failed", message="多次中断")
    client = sign_in("qiye")
    page = client.get(batch.get_absolute_url()).content.decode()
    assert "继续完成" in page
    assert "任何人都看不到此次导入的人员" in page
    for press in ("drop", "again", "undo"):
        client.post(batch.get_absolute_url(), {press: "1"})
        assert now(batch).state == State.WRITING
    run(client.post, batch.get_absolute_url(), {"go_on": "1"})
    assert now(batch).state == State.DONE
    assert Transfer.objects.filter(batch=batch).count() == 11


def test_a_check_that_is_cancelled_or_dies_leaves_no_file(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sign_in: Callable[[str], Client]
) -> None:
    def ends(*_: Any) -> None:
        raise jobs.Superseded

    with monkeypatch.context() as patch:
        patch.setattr(jobs.Progress, "step", ends)
        batch = upload(run, made_up_people(11))
    assert batch.state == State.READING
    assert [name for name in vault.names() if name.startswith("rows/")] == []
    run(sign_in("qiye").post, batch.get_absolute_url(), {"cancel": "1"})
    batch = now(batch)
    assert (batch.state, batch.job and batch.job.state) == (State.FAILED, "failed")
    run(sessions.check_again, batch, by=batch.uploaded_by)
    assert now(batch).state == State.CHECKED
    assert [name for name in vault.names() if name.startswith("rows/")]
    monkeypatch.setattr(
        vault, "older_than", lambda *_: [n for n in vault.names() if n.startswith("rows/")]
    )
    lost = vault.put(b"a check that died", "rows")
    assert sessions.sweep_blocks() == 1
    assert lost not in set(vault.names())
    assert set(now(batch).blocks) <= set(vault.names())


# --- undoing ------------------------------------------------------------------------------------


def changed_and_new(run: Callable[..., Any]) -> tuple[ImportBatch, Transfer, Transfer]:
    """A written session: nine new people, one changed case, one who was known from an ended case."""
    people = made_up_people(9, seed=4)
    changed, ended = make_transfer(), make_transfer()
    clerk = User.objects.get(username="qiye")
    workflow.end(ended, by=clerk, code="other", reason="重复")
    for case, hobby in ((changed, "垂钓"), (ended, "下棋")):
        values = values_for()
        values |= {
            "name": case.retiree.name, "id_number": case.retiree.id_number, "hobbies": hobby,
            "sex": case.retiree.words("sex"), "born": f"{case.retiree.birth_date:%Y-%m}",
            "retired": f"{case.retiree.retired:%Y-%m}",
            "work_started": f"{case.retiree.work_started:%Y-%m}",
        }  # fmt: skip
        people.append(values)
    batch = upload(run, people)
    assert batch.message == "共 11 人：新增 10，更新 1，不变 0，有误 0。"
    return batch, changed, ended


def test_an_import_is_undone_and_everything_is_as_before(
    run: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    batch, changed, ended = changed_and_new(run)
    client, before = sign_in("qiye"), counts()
    page = client.get(batch.get_absolute_url()).content.decode()
    assert "将更新 1 人" in page
    assert "垂钓" in page
    people = [Retiree.objects.get(pk=case.retiree_id) for case in (changed, ended)]
    run(client.post, batch.get_absolute_url(), {"confirm": "1"})
    assert now(batch).state == State.DONE
    assert Transfer.objects.filter(batch=batch).count() == 10
    assert {p.hobbies for p in Retiree.objects.filter(pk__in=[p.pk for p in people])} == {
        "垂钓", "下棋"
    }  # fmt: skip
    assert "撤销此次导入" in client.get(batch.get_absolute_url()).content.decode()
    run(client.post, batch.get_absolute_url(), {"undo": "1"})
    batch = now(batch)
    assert (batch.state, batch.file) == (State.UNDONE, "")
    assert batch.message == "已撤销：收回新增的 10 人，恢复更新的 1 人。"
    after = counts()
    # Of the two who were known the history goes on: changed, and changed back.
    known = {name for name in before if before[name] != after[name]}
    assert known == {
        "HistoricalRetiree",
        "HistoricalTransfer",
        "StepEvent",
        "ImportChange",
        "Notice",
    }
    for person in people:
        fresh = Retiree.objects.get(pk=person.pk)
        facts = {f.name: getattr(fresh, f.name) for f in Retiree._meta.concrete_fields}
        assert facts == {f.name: getattr(person, f.name) for f in Retiree._meta.concrete_fields}
    assert Transfer.objects.get(pk=changed.pk).state == "open"
    taken_back = AuditEvent.objects.filter(action="import_taken_back")
    assert sum(event.facts["count"] for event in taken_back) == 10
    assert AuditEvent.objects.filter(action="import_undone").count() == 1


def test_what_was_done_since_stands_against_undoing_and_is_listed(
    run: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    batch, _, _ = changed_and_new(run)
    client = sign_in("qiye")
    run(client.post, batch.get_absolute_url(), {"confirm": "1"})
    case = Transfer.objects.filter(batch=batch).order_by("pk")[5]
    walk.take(case, "verify", User.objects.get(username="rs"))
    before = counts()
    answer = run(client.post, batch.get_absolute_url(), {"undo": "1"})
    assert answer.status_code == 409
    assert f"{case.retiree.name}（{case.number}）：核定退休待遇，办结" in answer.content.decode()
    assert (now(batch).state, counts()) == (State.DONE, before)


def test_an_act_between_asking_and_undoing_stops_the_undoing(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, clerk: User
) -> None:
    batch, changed, _ = changed_and_new(run)
    run(sessions.confirm, batch, by=clerk)
    monkeypatch.setattr(jobs, "_enqueue", lambda _: None)
    sessions.undo(now(batch), by=clerk)
    walk.take(changed, "verify", User.objects.get(username="rs"))  # not hidden: it was there before
    before = counts()
    worker_comes_back(now(batch))
    batch = now(batch)
    assert (batch.state, batch.message) == (State.DONE, sessions.NOT_UNDONE)
    assert counts() == before


def test_an_import_is_undone_by_its_enterprise_only(
    run: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    batch = upload(run, made_up_people(3))
    run(sessions.confirm, batch, by=batch.uploaded_by)
    stranger = sign_in("qiye_chibi").post(batch.get_absolute_url(), {"undo": "1"})
    assert stranger.status_code == 404
    with pytest.raises(workflow.Refused):
        sessions.undo(now(batch), by=User.objects.get(username="qiye_chibi"))
    assert now(batch).state == State.DONE


# --- kill -9 ------------------------------------------------------------------------------------

KILLS = 20


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_worker_killed_twenty_times_leaves_all_of_a_session_or_nothing(
    clerk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import and undo a list again and again, and look after each kill what anybody can see."""
    monkeypatch.setattr(jobs, "_enqueue", lambda _: None)
    people, chance = made_up_people(60, seed=9), random.Random(20)
    data, hr = make_workbook(people, footer=False), User.objects.get(username="rs")
    batch: ImportBatch | None = None
    killed, seen, took = 0, Counter[tuple[str, int]](), dict[str, float]()
    with workers() as work:
        for _ in range(400):
            if killed >= KILLS and batch and batch.state == State.DONE:
                break
            if batch is None or batch.state == State.UNDONE:
                batch = sessions.upload(data, "名单.xlsx", enterprise_of("qiye"), clerk)
            elif batch.state == State.CHECKED:
                sessions.confirm(batch, by=clerk)
            elif batch.state == State.DONE:
                sessions.undo(batch, by=clerk)
            elif sessions.is_stuck(batch):
                again = sessions.check_again if batch.state == State.READING else sessions.go_on
                again(batch, by=clerk)
            batch = now(batch)
            assert batch.job
            began, state = time.monotonic(), batch.state
            # Each kind of work once to its end, to know how long it takes on this machine.
            moment = chance.uniform(0.01, took[state]) if state in took and killed < KILLS else None
            killed += not work(batch.job, moment)
            took.setdefault(state, time.monotonic() - began)
            batch = now(batch)
            visible = Transfer.objects.visible_to(clerk).count()
            waiting = workflow.waiting(hr, "verify").count()
            assert visible == waiting == (60 if batch.state == State.DONE else 0), batch.state
            seen[batch.state, visible] += 1
    assert killed >= KILLS
    assert now(batch).state == State.DONE if batch else False
    assert {state for state, _ in seen} >= {State.WRITING, State.UNDOING, State.DONE}
    assert Retiree.objects.count() == Retiree.history.count() == 60


def test_the_page_of_sessions_lists_earlier_ones(
    run: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    first = upload(run, made_up_people(3, seed=1))
    run(sessions.confirm, first, by=first.uploaded_by)
    run(sessions.undo, now(first), by=first.uploaded_by)
    upload(run, made_up_people(4, seed=2))
    page = sign_in("qiye").get(reverse("transfers:import_list")).content.decode()
    for words in ("已撤销：收回新增的 3 人", "共 4 人：新增 4", "待确认", "名单.xlsx", "华经办"):
        assert words in page


# --- an exported roster -------------------------------------------------------------------------


def exported(clerk: User) -> bytes:
    """The whole roster of the clerk as a workbook, as the export writes it."""
    sheet = exports.ROSTERS["transfers"]
    made = Made("华经办", "退管科", timezone.now(), "X", clear=True)
    return sheet.to_xlsx(sheet.rows(clerk), made, lambda _: None)


def edited(data: bytes, heading: str, value: str) -> bytes:
    """The workbook with VALUE in the column HEADING of the first person."""
    book = load_workbook(io.BytesIO(data))
    sheet = book.active
    top = next(row for row in sheet.iter_rows() if any(cell.value == "姓名" for cell in row))
    column = next(cell.column for cell in top if cell.value == heading)
    sheet.cell(top[0].row + 1, column).value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_an_exported_roster_is_imported_again_and_overwrites_nobody_s_work(
    run: Callable[..., Any], clerk: User, enterprise: Enterprise
) -> None:
    batch = upload(run, made_up_people(5))
    run(sessions.confirm, batch, by=clerk)
    data = exported(clerk)
    same = checking.check(data, enterprise, clerk)
    assert (same.unchanged, same.errors, same.new, same.updated) == (5, [], 0, 0)
    mended = edited(data, "常住地", "湖北省咸宁市咸安区温泉街道桂花路社区长安大道18号")
    report = checking.check(mended, enterprise, clerk)
    assert (report.updated, report.errors) == (1, [])
    [row] = report.to_write
    person = Retiree.objects.get(pk=str(row.person))
    person.hobbies = "垂钓"
    person.__dict__["_history_user"] = User.objects.get(username="qiye")
    person.save()  # somebody else's work, after the roster was made
    late = checking.check(mended, enterprise, clerk)
    [problem] = late.errors
    assert (late.updated, late.unchanged) == (0, 4)
    assert "更改过此人的信息。为免覆盖，本行没有采用" in problem.message
    assert "华经办" in problem.message
    fresh = edited(exported(clerk), "常住地", "湖北省咸宁市咸安区温泉街道桂花路社区长安大道18号")
    assert checking.check(fresh, enterprise, clerk).updated == 1
