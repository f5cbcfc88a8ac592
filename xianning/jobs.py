"""Long work outside the request: an owner, progress, a lease, and a result that goes away again.

The queue is django-tasks with its database backend; it does not take back the work of a worker
that was killed, so each job holds a lease, renewed while it runs. `reap` gives a job whose lease
ran out to another worker. `Job.attempt` is a fencing number: a worker that wakes up late finds
another number in the row and can write nothing.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from xianning import audit, audit_seals, vault
from xianning.models import Job
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xianning.models import JobQuerySet, User

log = logging.getLogger("xianning.jobs")

ATTEMPTS = 3
FOLDER = "jobs"
KEPT = timedelta(hours=24)
SEALED_EVERY = 55  # seconds between two seals of the audit, at least
TOLD_EVERY = 0.5  # seconds between two writes of the progress
State = Job.State
Work = TypeVar("Work", bound="Callable[..., Result | None]")


def lease() -> timedelta:
    """How long a silent worker keeps its job (setting JOB_LEASE, seconds).

    It is renewed four times in that span, and `look_after` looks twice, so that a killed worker's
    job is taken back after one and a half leases at the latest.
    """
    return timedelta(seconds=getattr(settings, "JOB_LEASE", 60))


class Superseded(Exception):
    """The job was given to another worker: this one must stop and write nothing."""


@dataclass(frozen=True)
class Result:
    """A file for the owner; NAME is what his browser calls it."""

    data: bytes
    name: str


class Progress:
    """What a job's function tells while it works.

    A thread with a connection of its own writes the row, so that nothing of it is undone, hidden
    or locked by a transaction of the function.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.attempt = job, job.attempt
        self.numbers: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._looked = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self, done: int, total: int | None = None) -> None:
        """DONE of TOTAL; looked after at most twice a second. Raises Superseded."""
        self.numbers = self.numbers | {"done": done} | ({} if total is None else {"total": total})
        now = time.monotonic()
        if now - self._looked < TOLD_EVERY:
            return
        self._looked = now
        held = self.mine().exists() if self._thread else self._renew()
        if not held:
            raise Superseded

    def hold(self) -> None:
        """Call it last in a transaction: what it wrote counts only while the job is still mine.

        Locks the row until the commit, so that nobody takes the job over in between. Raises
        Superseded, which undoes the transaction.
        """
        if self.mine().select_for_update(of=("self",)).first() is None:
            raise Superseded

    def mine(self) -> JobQuerySet:
        """The row, while the attempt is still this one."""
        return Job.objects.filter(pk=self.job.pk, attempt=self.attempt, state=State.RUNNING)

    def __enter__(self) -> Progress:
        if not connection.in_atomic_block:  # what a test has not committed no thread can see
            self._thread = threading.Thread(target=self._keep, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(5)

    def _keep(self) -> None:
        """Write new numbers, and renew the lease, until the work is over or no longer mine."""
        pause, renewed = lease().total_seconds() / 4, time.monotonic()
        try:
            while not self._stop.wait(min(TOLD_EVERY, pause)):
                if self.numbers == self._written and time.monotonic() - renewed < pause:
                    continue
                try:
                    if not self._renew():
                        return
                    renewed = time.monotonic()
                except DatabaseError:  # locked by the function's own transaction, or away: again
                    connection.close()
        finally:
            connection.close()

    def _renew(self) -> bool:
        """Write the numbers and a new lease; whether the job is still mine."""
        numbers = self.numbers
        held = self.mine().update(lease_until=timezone.now() + lease(), **numbers)
        self._written = numbers
        return bool(held)


_WORK: dict[str, Callable[..., Result | None]] = {}
_REFUSALS: dict[str, Callable[[Job], str | None]] = {}
_CHORES: list[Callable[[], object]] = []


def job(
    kind: str, refusal: Callable[[Job], str | None] = lambda _job: None
) -> Callable[[Work], Work]:
    """Register a function `f(progress, **params) -> Result | None` as the work of KIND.

    REFUSAL says why its owner may not fetch the result any more, as a sentence.

    It may run again after a worker died, so it must be idempotent: either one transaction that
    ends with `progress.hold()`, or steps that find out what is done already. On SQLite one
    transaction must not take longer than the lease. What it raises is told to the owner when it is
    a Rejected, a SandboxError or a ValidationError; the text of any other exception may hold
    personal data and goes to the log only.
    """

    def register(function: Work) -> Work:
        _WORK[kind], _REFUSALS[kind] = function, refusal
        return function

    return register


def chore(function: Callable[[], object]) -> Callable[[], object]:
    """Register a function that the worker calls twice a lease; it decides whether it is due."""
    _CHORES.append(function)
    return function


@transaction.atomic
def submit(kind: str, title: str, owner: User, params: dict[str, Any], back_url: str = "") -> Job:
    """Ask for the work; it is queued when the present transaction commits.

    PARAMS are ids and options, never personal data. In a test that never commits, wrap the call in
    pytest-django's `django_capture_on_commit_callbacks(execute=True)`: the job is over after it.
    """
    made = Job.objects.create(kind=kind, title=title, owner=owner, params=params, back_url=back_url)
    audit.write("job_asked", user=owner, object=made, facts={"kind": kind})
    _enqueue(made)
    return made


def _enqueue(waiting: Job) -> None:
    transaction.on_commit(lambda: run_job.enqueue(str(waiting.pk)))


@task()
def run_job(pk: str) -> None:
    """Do one job: claim it, work, and write how it ended (called by the queue)."""
    claimed = _claim(pk)
    if claimed is None:
        return
    with Progress(claimed) as progress:
        try:
            _work(progress)
        except Superseded:
            log.warning("job %s was given to another worker", pk)
        except DatabaseError:  # the end could not be written: the lease runs out, and it is redone
            log.exception("job %s has no end", pk)


def _claim(pk: str) -> Job | None:
    """Take a queued job; None when somebody else has it or it is over."""
    with transaction.atomic():
        found = (
            Job.objects.select_for_update(of=("self",)).filter(pk=pk, state=State.QUEUED).first()
        )
        if found is None:
            return None
        found.state, found.attempt = State.RUNNING, found.attempt + 1
        found.lease_until = timezone.now() + lease()
        found.save(update_fields=["state", "attempt", "lease_until"])
        return found


def _work(progress: Progress) -> None:
    """Call the function and write the end. Raises Superseded, and DatabaseError from the end."""
    file = ""
    try:
        with audit.acting(progress.job.owner, request_id=f"job{progress.job.pk.hex[-12:]}"):
            result = _WORK[progress.job.kind](progress, **progress.job.params)
        if result is not None:
            file = vault.put(result.data, FOLDER)
    except Superseded:
        raise
    except (Rejected, SandboxError, ValidationError) as reason:
        _end(progress, State.FAILED, message=_sentence(reason))
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("job %s failed, reference %s", progress.job.pk, reference)
        message = f"未能完成，请稍后再试；如仍不行，请告知编号 {reference}。"
        _end(progress, State.FAILED, message=message)
    else:
        name = result.name[-120:] if result else ""
        try:
            _end(progress, State.DONE, message="", result_file=file, result_name=name)
        except BaseException:
            if file:
                vault.remove(file)
            raise


def _sentence(reason: Exception) -> str:
    words = "；".join(reason.messages) if isinstance(reason, ValidationError) else str(reason)
    return words[:300]


def _end(progress: Progress, state: str, **facts: Any) -> None:
    """Write the end with the last numbers. Raises Superseded when another attempt has taken over."""
    with transaction.atomic():
        row = progress.mine().select_for_update(of=("self",)).first()
        if row is None:
            raise Superseded
        for name, value in (progress.numbers | facts).items():
            setattr(row, name, value)
        if state == State.DONE:
            row.done = row.total or row.done
        row.state, row.finished_at, row.lease_until = state, timezone.now(), None
        row.save()


def cancel(asked: Job) -> None:
    """Take a job away from whoever does it: he stops when he next tells how far he is."""
    with transaction.atomic():
        row = Job.objects.select_for_update(of=("self",)).get(pk=asked.pk)
        if row.is_over:
            return
        row.state, row.attempt, row.message = State.FAILED, row.attempt + 1, "已取消。"
        row.finished_at, row.lease_until = timezone.now(), None
        row.save()


def reap() -> int:
    """Give the jobs that a dead worker left to another; the count of those moved.

    After ATTEMPTS runs a job fails. Also queued anew is a job whose worker died between taking it
    from the queue and claiming it, or whose asker died between the commit and the queue.
    """
    late = Job.objects.filter(state=State.RUNNING, lease_until__lt=timezone.now())
    moved = sum(_take_back(pk) for pk in list(late.values_list("pk", flat=True)))
    return moved + _queue_again()


def _take_back(pk: Any) -> bool:
    """Free one job whose lease ran out; False when it was renewed or taken in the meantime."""
    with transaction.atomic():
        stuck = (
            Job.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(pk=pk, state=State.RUNNING, lease_until__lt=timezone.now())
            .first()
        )
        if stuck is None:
            return False
        stuck.lease_until, stuck.done = None, 0
        if stuck.attempt >= ATTEMPTS:
            stuck.state, stuck.finished_at = State.FAILED, timezone.now()
            stuck.message = "多次中断，未能完成，请重新提交。"
        else:  # the next claim raises the number; until then nobody's attempt is running
            stuck.state = State.QUEUED
            _enqueue(stuck)
        stuck.save()
        return True


def _queue_again() -> int:
    """Queue the jobs that wait although the queue does not know them (twice does no harm)."""
    waiting = Job.objects.filter(state=State.QUEUED, created_at__lt=timezone.now() - lease())
    if not waiting:
        return 0
    ready = DBTaskResult.objects.ready().values_list("args_kwargs", flat=True)
    known = {str(word) for call in ready for word in call["args"]}
    lost = [each for each in waiting if str(each.pk) not in known]
    for each in lost:
        _enqueue(each)
    return len(lost)


def why_not_give(finished: Job) -> str | None:
    """Why the result may not be given to its owner as he is now; None when it may."""
    return _REFUSALS[finished.kind](finished) if finished.kind in _REFUSALS else None


def is_kept(finished: Job) -> bool:
    """Whether the result of a job may still be fetched."""
    ended = finished.finished_at
    return bool(finished.result_file and ended and ended > timezone.now() - KEPT)


def cleanup() -> int:
    """Remove the files of results older than a day, and the queue's old rows. How many files went."""
    limit = timezone.now() - KEPT
    gone = 0
    for finished in Job.objects.filter(finished_at__lt=limit).exclude(result_file="")[:500]:
        vault.remove(finished.result_file)
        Job.objects.filter(pk=finished.pk).update(result_file="")
        gone += 1
    # No row names a file when the worker died between writing it and writing the end.
    for name in vault.older_than(FOLDER, KEPT + timedelta(hours=1)):
        vault.remove(name)
        gone += 1
    DBTaskResult.objects.finished().filter(finished_at__lt=limit).delete()
    DBTaskResult.objects.running().filter(started_at__lt=limit - timedelta(days=7)).delete()
    return gone


def look_after(stop: threading.Event) -> None:
    """Reap, clean, and seal the audit, until STOP is set (a thread of the worker)."""
    sealed = 0.0
    while not stop.wait(lease().total_seconds() / 2):
        close_old_connections()
        due = time.monotonic() - sealed >= SEALED_EVERY
        sealed = time.monotonic() if due else sealed
        for deed in (reap, cleanup, *_CHORES, *((audit_seals.seal,) if due else ())):
            try:
                deed()
            except Exception:
                log.exception("looking after the jobs failed: %s", deed.__name__)
        connection.close()
