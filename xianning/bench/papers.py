"""How fast a pile of forms is; beside it one form and the merging of its blocks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pypdf import PdfReader

from communities.models import Area
from enterprises.models import Enterprise
from transfers import piles
from transfers.documents import basic_information_form
from transfers.imports import sessions
from transfers.models import Transfer
from transfers.papers import PAPERS
from xianning import jobs, vault
from xianning.bench import Clock, peak_mb, scratch_database, table, workbooks, workplace
from xianning.bench.imports import work
from xianning.models import Job, User

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADING = ["people × 3 copies", "one form, warm", "pile", "ms a person", "file", "memory"]


def run(counts: list[int], say: Callable[[str], Any]) -> None:
    """Print the forms of so many made-up people each, as an ordinary clerk."""
    with workplace(say) as folder:
        rows = []
        for count in counts:
            with scratch_database():
                rows.append(_measure(count, folder))
        say(table(HEADING, rows))


def _measure(count: int, folder: Path) -> list[str]:
    path = folder / "people.xlsx"
    workbooks.write(path, workbooks.people(count, list(Area.objects.receiving())))
    clerk = User.objects.get(username="qiye")
    enterprise = Enterprise.objects.get(offices__users=clerk)
    batch = sessions.upload(path.read_bytes(), path.name, enterprise, clerk)
    work(batch)
    batch.refresh_from_db()
    sessions.confirm(batch, by=clerk)
    work(batch)
    basic_information_form(Transfer.objects.all()[0])
    with Clock() as one:
        basic_information_form(Transfer.objects.all()[1])
    plan = piles.plan(PAPERS["form"], piles.Choice(batch=batch.pk), clerk, again=False)
    job = piles.ask(clerk, PAPERS["form"], plan.cases, "bench")
    with Clock() as pile:
        jobs.run_job.func(str(job.pk))
    job = Job.objects.get(pk=str(job.pk))
    if job.state != Job.State.DONE:
        raise SystemExit(job.message)
    data = vault.get(job.result_file)
    assert len(PdfReader(io.BytesIO(data)).pages) == 3 * len(plan.cases)
    return [
        f"{len(plan.cases):,}", f"{one.seconds:.2f} s", f"{pile.seconds:.1f} s",
        f"{1000 * pile.seconds / len(plan.cases):.0f}", f"{len(data) / 1e6:.1f} MB",
        f"{peak_mb()} MB",
    ]  # fmt: skip
