"""How fast papers are: a pile of forms, and rosters beside the mere reading of their rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from pypdf import PdfReader

from communities.models import Area
from enterprises.models import Enterprise
from transfers import piles
from transfers.documents import basic_information_form
from transfers.imports import sessions
from transfers.models import ImportBatch, Transfer
from transfers.papers import PAPERS
from transfers.rosters import TRANSFERS
from xianning import jobs, vault
from xianning.bench import Clock, peak_mb, scratch_database, table, workbooks, workplace
from xianning.bench.imports import work
from xianning.models import Job, User
from xianning.roster import Made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


def _imported(count: int, folder: Path, clerk: User) -> ImportBatch:
    path = folder / "people.xlsx"
    workbooks.write(path, workbooks.people(count, list(Area.objects.receiving())))
    enterprise = Enterprise.objects.get(offices__users=clerk)
    batch = sessions.upload(path.read_bytes(), path.name, enterprise, clerk)
    work(batch)
    batch.refresh_from_db()
    sessions.confirm(batch, by=clerk)
    work(batch)
    return batch


def _measure(count: int, folder: Path) -> list[str]:
    clerk = User.objects.get(username="qiye")
    batch = _imported(count, folder, clerk)
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


ROSTER_HEADING = ["rows × columns", "reading the rows alone", "PDF", "Excel", "PDF file", "memory"]


def rosters(counts: list[int], say: Callable[[str], Any]) -> None:
    """Make 移交人员名册 of so many made-up people each, every value in clear."""
    with workplace(say) as folder:
        found = []
        for count in counts:
            with scratch_database():
                found.append(_roster(count, folder))
        say(table(ROSTER_HEADING, found))


def _roster(count: int, folder: Path) -> list[str]:
    clerk = User.objects.get(username="qiye")
    batch = _imported(count, folder, clerk)
    made = Made(clerk.full_name, "演示", timezone.now(), "0A1B-2C3D", clear=True)

    def rows() -> Iterator[Any]:
        of_batch = TRANSFERS.rows(clerk).filter(batch=batch).order_by("pk")
        return of_batch.iterator(chunk_size=1000)

    with Clock() as reading:
        for _ in TRANSFERS.lines(rows(), clear=True):
            pass
    with Clock() as paper:
        data = TRANSFERS.to_pdf(rows(), made, lambda _: None)
    memory = peak_mb()
    with Clock() as sheet:
        TRANSFERS.to_xlsx(rows(), made, lambda _: None)
    return [
        f"{count:,} × {len(TRANSFERS.headings)}", f"{reading.seconds:.1f} s",
        f"{paper.seconds:.1f} s", f"{sheet.seconds:.1f} s", f"{len(data) / 1e6:.1f} MB",
        f"{memory} MB",
    ]  # fmt: skip
