"""Every bad file through the real door: taken, wrong rows, or one clear sentence, and nothing else.

Upload, job and report are those of the page; the parser runs in its own process. Whatever the file
does, the process that took it lives on, no larger than 50 MB above what it was; at the same time it
never holds more than that besides the file in clear, encrypted, and on the way between.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bad_workbooks import NO_WORKBOOKS, ODD_LISTS, listed, person
from tests.factories import enterprise_of
from tests.test_workbook_threats import HARMLESS, HOSTILE
from transfers.imports import sessions
from transfers.models import ImportBatch, Retiree
from xianning import vault
from xianning.models import Job, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bad_workbooks import Kind

pytestmark = pytest.mark.django_db

GROWTH = 50 * 1024  # kB
SECONDS = 60
KINDS: dict[str, Kind] = {
    **NO_WORKBOOKS, **HOSTILE, **ODD_LISTS,
    # They hold one cell with "x": read without harm, and no list.
    **{f"harmless: {name}": (make, "没有找到“姓名”") for name, make in HARMLESS.items()},
}  # fmt: skip


def test_there_are_many_kinds() -> None:
    assert len(KINDS) == len(NO_WORKBOOKS) + len(HOSTILE) + len(ODD_LISTS) + len(HARMLESS)
    assert len(KINDS) >= 150


def memory(name: str) -> int:
    """VmRSS or VmHWM of this process in kB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1])


class Watch:
    """What a block adds to the size of this process, at most and for good, and how long it takes."""

    def __enter__(self) -> Watch:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the largest size starts anew
        self.before, self.started = memory("VmRSS"), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.peak = memory("VmHWM") - self.before
        self.seconds = time.monotonic() - self.started
        gc.collect()
        self.growth = memory("VmRSS") - self.before


@pytest.fixture
def door(django_capture_on_commit_callbacks: Any) -> Callable[[bytes, str], str]:
    """Takes a file as the page does and says how it ended; the job is over then."""
    clerk, enterprise = User.objects.get(username="qiye"), enterprise_of("qiye")

    def take(data: bytes, name: str = "名单.xlsx") -> str:
        try:
            with django_capture_on_commit_callbacks(execute=True):
                batch = sessions.upload(data, name, enterprise, clerk)
        except Rejected as refusal:
            assert not ImportBatch.objects.exists()
            assert not list(vault.names())
            return str(refusal)
        batch.refresh_from_db()
        assert batch.job
        assert batch.job.is_over
        if batch.state == ImportBatch.State.FAILED:
            return batch.message
        assert batch.state == ImportBatch.State.CHECKED, batch.state
        report = sessions.report_of(batch)
        errors = report["errors"]
        assert all(error["message"].endswith(("。", "？")) for error in errors)
        if report["whole_file_is_wrong"]:
            return next(error["message"] for error in reversed(errors) if error["row"] is None)
        if errors:
            [words] = {f"wrong: {error['column']} {error['message']}" for error in errors}
            return words
        assert report["new"] == report["rows"] >= 1
        return "ok"

    return take


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_taken_told_by_row_or_refused_in_one_sentence(
    kind: str, door: Callable[[bytes], str]
) -> None:
    make, expected = KINDS[kind]
    data, me = make(), os.getpid()
    with Watch() as watch:
        ended = door(data)
    # What must come of it, in the words that the user reads.
    start, _, part = expected.rpartition(": ")
    assert ended.startswith(start), ended
    assert part in ended
    assert ended == "ok" or ended.endswith("。")
    assert not Retiree.objects.exists()
    # The process that took it lives on as it was; no child is left.
    assert os.getpid() == me
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert watch.peak < GROWTH + 3 * len(data) // 1024
    assert watch.growth < GROWTH
    assert watch.seconds < SECONDS


NAMES = ("../../etc/passwd.xlsx", "名" * 300 + ".xlsx", "名单.XLSX", "a\r\nSet-Cookie: x.xlsx",
         "<script>alert(1)</script>.xlsx", "\u202exslx.xlsx", "名单 (1).xlsx", ".xlsx")  # fmt: skip
WRONG_NAMES = (
    "名单.xls",
    "名单",
    "名单.xlsx.exe",
    "名单.xlsm",
    "名单.pdf",
    "",
    "xlsx",
    "名单.xlsx\x00.exe",
)


def test_a_name_can_do_no_more_than_a_file(door: Callable[[bytes, str], str]) -> None:
    for n, name in enumerate(NAMES):
        assert door(listed(person(n=n)), name) == "ok", name
    assert all(len(batch.file_name) <= 120 for batch in ImportBatch.objects.all())
    ImportBatch.objects.all().delete()
    for file in list(vault.names()):
        vault.remove(file)
    for name in WRONG_NAMES:
        assert door(listed(person()), name).endswith("。"), name


def test_after_all_of_them_a_good_file_is_taken(door: Callable[[bytes], str]) -> None:
    for kind in ("E12 bomb of 1 GB", "E4 row 2e9", "deep XML that never ends", "noise"):
        assert door((HOSTILE | NO_WORKBOOKS)[kind][0]()).endswith("。")
        ImportBatch.objects.all().delete()
        Job.objects.all().delete()
        for file in list(vault.names()):
            vault.remove(file)
    assert door(listed(person())) == "ok"
