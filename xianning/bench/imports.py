"""How fast an import is, and whom it disturbs; beside it the same rows by COPY alone."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.test import RequestFactory, override_settings

from communities.models import Area
from enterprises.models import Enterprise
from transfers import views
from transfers.imports import sessions, spool, writing
from transfers.models import ImportBatch
from xianning import bulk, jobs, workbook
from xianning.bench import (
    Clock,
    peak_mb,
    scratch_database,
    table,
    url_of_database,
    workbooks,
    workplace,
)
from xianning.models import Job, User
from xianning.models import Sequence as Numbers

if TYPE_CHECKING:
    from collections.abc import Callable

HEADING = ["rows", "reading alone", "check", "same file again", "write", "rows by COPY alone",
           "check + write ÷ COPY", "undo", "memory", "list of another user, p95",
           "longest wait of a writer"]  # fmt: skip


def run(counts: list[int], say: Callable[[str], Any]) -> None:
    """Import made-up workbooks of so many rows each, every check on, as an ordinary clerk."""
    with workplace(say) as folder:
        rows = []
        for count in counts:
            with scratch_database():
                rows.append(_measure(count, folder, say))
        say(table(HEADING, rows))


def _measure(count: int, folder: Path, say: Callable[[str], Any]) -> list[str]:
    path = folder / "people.xlsx"
    workbooks.write(path, workbooks.people(count, list(Area.objects.receiving())))
    data = path.read_bytes()
    clerk = User.objects.get(username="qiye")
    enterprise = Enterprise.objects.get(offices__users=clerk)
    with Clock() as reading:
        for sheet in workbook.stream(data):
            for row in sheet.rows:
                row.cells()
    say(f"{count} rows, {len(data) / 1e6:.1f} MB")
    batch = sessions.upload(data, path.name, enterprise, clerk)
    with Clock() as check:
        work(batch)
    sessions.confirm(_now(batch), by=clerk)
    with _Watch() as watch, Clock() as write:
        work(batch)
    say(_now(batch).message)
    memory = peak_mb()
    again = sessions.upload(data, path.name, enterprise, clerk)
    with Clock() as unchanged:
        work(again)
    say(_now(again).message)
    sessions.drop(_now(again))
    sessions.undo(_now(batch), by=clerk)
    with Clock() as undo:
        work(batch)
    copy = _copy_alone(data, enterprise, clerk)
    took = check.seconds + write.seconds
    return [
        f"{count:,}", f"{reading.seconds:.1f} s", f"{check.seconds:.1f} s",
        f"{unchanged.seconds:.1f} s", f"{write.seconds:.1f} s", f"{copy:.1f} s",
        f"{took / copy:.1f}", f"{undo.seconds:.1f} s", f"{memory} MB", watch.list_p95,
        watch.longest_write,
    ]  # fmt: skip


def _now(batch: ImportBatch) -> ImportBatch:
    return ImportBatch.objects.get(pk=batch.pk)


def work(batch: ImportBatch) -> None:
    """Do what is asked for BATCH, here and now."""
    job = Job.objects.get(pk=str(_now(batch).job_id))
    jobs.run_job.func(str(job.pk))
    job.refresh_from_db()
    if job.state != Job.State.DONE:
        raise SystemExit(_now(batch).message)


def _copy_alone(data: bytes, enterprise: Enterprise, clerk: User) -> float:
    """Seconds in which the database takes in the same rows, packed beforehand, and nothing else."""
    batch = sessions.upload(data, "copy.xlsx", enterprise, clerk)
    work(batch)
    batch, seconds = _now(batch), 0.0
    writer = writing.Writer(enterprise, clerk, batch)
    number = 1 + 10 * len(batch.blocks) * spool.BLOCK
    for name in batch.blocks:
        rows = spool.read(name, writer.form.directory)
        block = writer.pack_strangers(rows, number)
        number += block.size
        with Clock() as insert, transaction.atomic():
            for target, packed in block.tables:
                bulk.insert_packed(target, packed)
        seconds += insert.seconds
    return seconds


class _Watch:
    """Another process that looks at its list and writes a row, again and again, until told."""

    list_p95 = longest_write = ""

    def __enter__(self) -> _Watch:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "bench", "watch"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": url_of_database()},
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun
        return self

    def __exit__(self, *_: object) -> None:
        answer = self._process.communicate("", timeout=60)[0]
        self.list_p95, self.longest_write = answer.strip().split("\t")


def watch(say: Callable[[str], Any], is_over: Callable[[], bool]) -> None:
    """Time the case list of HR and a small write until IS_OVER; tell the p95 and the longest."""
    officer = User.objects.get(username="rs")
    lists: list[float] = []
    writes: list[float] = []
    say("begun")
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        while not is_over():
            lists.append(_timed(lambda: _look(officer)))
            writes.append(_timed(_write))
            time.sleep(0.05)
    p95 = statistics.quantiles(lists, n=20)[-1] if len(lists) > 1 else lists[0]
    say(f"{p95 * 1000:.0f} ms\t{max(writes) * 1000:.0f} ms")


def _look(officer: User) -> None:
    request = RequestFactory().get("/transfers/")
    request.user = User.objects.get(pk=officer.pk)
    views.case_list(request).content  # noqa: B018


def _write() -> None:
    with transaction.atomic():
        Numbers.next("bench", 1)


def _timed(deed: Callable[[], Any]) -> float:
    with Clock() as clock:
        deed()
    return clock.seconds
