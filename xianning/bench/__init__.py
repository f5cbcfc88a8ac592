"""Benchmarks: figures beside a floor of the same run, on a scratch database made and removed here."""

from __future__ import annotations

import os
import platform
import resource
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

from xianning import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
