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
from typing import TYPE_CHECKING, Any

from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from django_tasks import task

from xianning import vault
from xianning.models import Job
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xianning.models import User

log = logging.getLogger("xianning.jobs")

LEASE = timedelta(seconds=60)
HEARTBEAT = 15.0  # seconds between renewals while the work runs
ATTEMPTS = 3
KEPT = timedelta(hours=24)
State = Job.State


class Superseded(Exception):
    """The job was given to another worker: this one must stop and write nothing."""


@dataclass(frozen=True)
class Result:
    """A file for the owner."""

    data: bytes
    name: str


class Progress:
    """What a job's function tells while it works."""

    def __init__(self, job: Job) -> None:
        self.job, self.attempt, self._told = job, job.attempt, 0.0

    def mine(self) -> Any:
        """The row, while the attempt is still this one."""
        return Job.objects.filter(pk=self.job.pk, attempt=self.attempt, state=State.RUNNING)

    def step(self, done: int, total: int | None = None) -> None:
        """DONE of TOTAL; written at most twice a second. Raises Superseded."""
        now = time.monotonic()
        if now - self._told < 0.5:
            return
        self._told = now
        facts: dict[str, Any] = {"done": done, "lease_until": timezone.now() + LEASE}
        if total is not None:
            facts["total"] = total
        if not self.mine().update(**facts):
            raise Superseded


Work = "Callable[..., Result | None]"
_WORK: dict[str, Any] = {}


def job(kind: str) -> Callable[[Any], Any]:
    """Register a function `f(progress, **params) -> Result | None` as the work of KIND."""

    def register(function: Any) -> Any:
        _WORK[kind] = function
        return function

    return register


def submit(kind: str, title: str, owner: User, params: dict[str, Any], back_url: str = "") -> Job:
    """Ask for the work; it is queued when the present transaction commits."""
    made = Job.objects.create(kind=kind, title=title, owner=owner, params=params, back_url=back_url)
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
    progress = Progress(claimed)
    stop = threading.Event()
    beat = threading.Thread(target=_keep_alive, args=(progress, stop), daemon=True)
    if not connection.in_atomic_block:  # inside a test's transaction another thread sees nothing
        beat.start()
    try:
        result = _WORK[claimed.kind](progress, **claimed.params)
    except Superseded:
        log.warning("job %s was given to another worker", pk)
    except (Rejected, SandboxError) as reason:
        _end(progress, State.FAILED, message=str(reason)[:300])
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("job %s failed, reference %s", pk, reference)
        _end(
            progress,
            State.FAILED,
            message=f"未能完成，请稍后再试；如仍不行，请告知编号 {reference}。",
        )
    else:
        _finish(progress, result)
    finally:
        stop.set()
        if beat.is_alive():
            beat.join(5)


def _claim(pk: str) -> Job | None:
    """Take a queued job; None when somebody else has it or it is over."""
    with transaction.atomic():
        found = (
            Job.objects.select_for_update(of=("self",)).filter(pk=pk, state=State.QUEUED).first()
        )
        if found is None:
            return None
        found.state, found.attempt = State.RUNNING, found.attempt + 1
        found.lease_until = timezone.now() + LEASE
        found.save(update_fields=["state", "attempt", "lease_until"])
        return found


def _keep_alive(progress: Progress, stop: threading.Event) -> None:
    """Renew the lease from a connection of its own while the work runs."""
    try:
        while not stop.wait(HEARTBEAT):
            progress.mine().update(lease_until=timezone.now() + LEASE)
    finally:
        connection.close()


def _finish(progress: Progress, result: Result | None) -> None:
    facts: dict[str, Any] = {"message": ""}
    if result is not None:
        facts |= {"result_file": vault.put(result.data, "jobs"), "result_name": result.name}
    total = Job.objects.values_list("total", flat=True).get(pk=progress.job.pk)
    if not _end(progress, State.DONE, done=total, **facts) and result is not None:
        vault.remove(facts["result_file"])


def _end(progress: Progress, state: str, **facts: Any) -> bool:
    """Write the end, unless another attempt has taken over."""
    ended = progress.mine().update(
        state=state, finished_at=timezone.now(), lease_until=None, **facts
    )
    return bool(ended)


def reap() -> int:
    """Give jobs whose worker died to another; after three attempts they fail. How many were moved."""
    moved = 0
    late = Job.objects.filter(state=State.RUNNING, lease_until__lt=timezone.now())
    for pk in list(late.values_list("pk", flat=True)):
        with transaction.atomic():
            stuck = Job.objects.select_for_update(of=("self",)).get(pk=pk)
            if stuck.state != State.RUNNING or (
                stuck.lease_until and stuck.lease_until > timezone.now()
            ):
                continue
            if stuck.attempt >= ATTEMPTS:
                stuck.state, stuck.finished_at = State.FAILED, timezone.now()
                stuck.message = "多次中断，未能完成，请重新提交。"
            else:
                stuck.state = State.QUEUED
                _enqueue(stuck)
            stuck.attempt += 1  # whoever still works on it is superseded from here on
            stuck.lease_until = None
            stuck.save()
            moved += 1
    return moved


def cleanup() -> int:
    """Remove the files of results older than a day. How many went."""
    old = Job.objects.filter(finished_at__lt=timezone.now() - KEPT).exclude(result_file="")
    gone = 0
    for finished in old[:500]:
        vault.remove(finished.result_file)
        Job.objects.filter(pk=finished.pk).update(result_file="")
        gone += 1
    return gone


def look_after(stop: threading.Event, every: float = 30.0) -> None:
    """Reap and clean until STOP is set (a thread of the worker)."""
    while not stop.wait(every):
        close_old_connections()
        try:
            reap()
            cleanup()
        except Exception:
            log.exception("looking after the jobs failed")
        finally:
            connection.close()
