"""Workers that are killed at random moments: real processes on the database of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from xianning import jobs
from xianning.bench import url_of_database
from xianning.models import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Forks a worker for each job it is told, so that a kill costs no start of Python.
_SERVER = """
import os, sys
import django
django.setup()
from django.conf import settings
settings.MEDIA_ROOT = sys.argv[1]
from pathlib import Path
settings.AUDIT_ANCHORS = Path(sys.argv[1]) / "anchors"
from transfers.imports import sessions  # registers the work
from xianning import jobs
for line in sys.stdin:
    worker = os.fork()
    if worker == 0:
        jobs.run_job.func(line.strip())
        os._exit(0)
    print(worker, flush=True)
    print(os.waitpid(worker, 0)[1], flush=True)
"""


@contextmanager
def workers() -> Iterator[Callable[[Job, float | None], bool]]:
    """A function that has a job done by a process, killed after so many seconds.

    It tells whether the process came to its own end; then its job is free for the next.
    """
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, settings.MEDIA_ROOT], env=_surroundings(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    orders, answers = server.stdin, server.stdout

    def work(job: Job, seconds: float | None) -> bool:
        orders.write(f"{job.pk}\n")
        orders.flush()
        worker = int(answers.readline())
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        ended = int(answers.readline()) == 0
        if not ended:
            past = timezone.now() - timedelta(hours=1)
            Job.objects.filter(pk=job.pk, state="running").update(lease_until=past)
            jobs.reap()
        return ended

    try:
        yield work
    finally:
        orders.close()
        server.wait(30)
        answers.close()


def _surroundings() -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "xianning.settings", "DATABASE_URL": url_of_database(), "DEMO": "1",
        "SECRET_KEY": "x" * 60, "FIELD_KEYS": settings.PRIVACY_KEYS, "PYTHONPATH": os.getcwd(),
    }  # fmt: skip
