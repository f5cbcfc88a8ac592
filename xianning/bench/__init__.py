"""Benchmarks: figures beside a floor of the same run, on a scratch database made and removed here."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from xianning import jobs
from xianning.accounts import sessions
from xianning.models import SignInSession, TotpDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xianning.models import User


@contextmanager
def workplace(say: Callable[[str], Any]) -> Iterator[Path]:
    """A folder that holds all files of the run; work is done when the run says so, not in a queue."""
    with tempfile.TemporaryDirectory() as folder:
        settings.MEDIA_ROOT = folder
        settings.AUDIT_ANCHORS = Path(folder) / "anchors"
        jobs._enqueue = lambda waiting: None
        say(machine())
        yield Path(folder)


@contextmanager
def scratch_database() -> Iterator[None]:
    """An empty demo beside the configured database, removed at the end."""
    name = connection.settings_dict["NAME"]
    connection.close()
    if (close_pool := getattr(connection, "close_pool", None)) is not None:
        close_pool()  # it would go on with the database it knows
    ContentType.objects.clear_cache()  # of the scratch database before this one
    connection.creation.create_test_db(verbosity=0, serialize=False, autoclobber=True)
    try:
        with open(os.devnull, "w") as quiet:
            call_command("load_demo", people=0, stdout=quiet)
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def url_of_database() -> str:
    """DATABASE_URL of the database that is connected now, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


class Clock:
    """Wall time of a block in seconds, and the largest memory of this process so far in MB."""

    def __enter__(self) -> Clock:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began


def peak_mb() -> int:
    """The largest memory of this process or of any child that has ended, in MB."""
    return max(
        resource.getrusage(who).ru_maxrss // 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def machine() -> str:
    """What the figures were measured on, in one line."""
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    database = connection.vendor
    if database == "postgresql":
        database += f" {connection.cursor().connection.info.server_version // 10_000}"
    return (
        f"{os.cpu_count()} × {model}, Python {platform.python_version()}, {database}, "
        f"load before {os.getloadavg()[0]:.1f}"
    )


def table(heading: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- pages ---------------------------------------------------------------------------------------

HOST = {"host": "127.0.0.1"}


def signed_in(user: User) -> Client:
    """A browser of USER, with both factors and a fresh proof."""
    client = Client(headers=HOST)
    client.force_login(user, sessions.BACKEND)
    session = client.session
    device = TotpDevice.objects.create(user=user, name="测量", secret="5a" * 20)
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session["proved_at"] = timezone.now().timestamp()
    session.save()
    digest = sessions.digest(session.session_key)
    SignInSession.objects.create(user=user, key_digest=digest)
    return client


def timed(deeds: Iterable[Callable[[], Any]]) -> list[float]:
    """Milliseconds of each, after one that is not counted."""
    deeds = list(deeds)
    deeds[0]()
    took = []
    for deed in deeds:
        began = time.perf_counter()
        deed()
        took.append(1000 * (time.perf_counter() - began))
    return sorted(took)


def row(name: str, took: list[float], floor: list[float]) -> list[str]:
    middle, slow = statistics.median(took), took[int(0.95 * len(took))]
    times = middle / statistics.median(floor)
    return [name, f"{middle:.1f} ms", f"{slow:.1f} ms", f"{times:.0f}"]
