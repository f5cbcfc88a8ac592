"""Thousands of broken uploads: each is taken, answered with wrong rows, or refused in a sentence.

FUZZ_MUTANTS sets how many; the same numbers give the same files. Pictures, PDF and workbooks go
through the functions of the pages, many of them in one sandbox instead of one sandbox each.
"""

from __future__ import annotations

import io
import os
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image, PngImagePlugin

from tests.broken_files import Seeds, mutant
from tests.factories import enterprise_of, make_transfer
from tests.test_upload_pdfs import ACTIVE, made, scanned_pdf, with_photograph
from tests.workbooks import made_up_people, make_workbook, table
from transfers.imports import checking, columns, reading
from transfers.models import ImportBatch
from xianning import sandbox, uploads, walk, workbook
from xianning.sandbox import MB, Rejected
from xianning.uploads import kinds, pdfs, pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from tests.conftest import People

MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "5000"))
SHARES = {"xlsx": 0.36, "pdf": 0.32, "jpg": 0.16, "png": 0.16}
BATCH = 250
SLOW = 5.0  # seconds for one file of a few kilobytes
CHECKED = 120  # workbooks whose rows are checked against the database


@pytest.fixture
def seeds(db: None) -> Seeds:
    """Ordinary files of every kind, as people send them."""
    return {
        "xlsx": [make_workbook(made_up_people(3)), columns.template(),
                 table(["姓名", "身份证号", "退休年月"], ["演示人", "421299195001010018", "2010-01"])],
        "pdf": [made(change, object_stream_mode=mode) for change, _ in ACTIVE.values()
                for mode in (pikepdf.ObjectStreamMode.disable,
                             pikepdf.ObjectStreamMode.generate)]
               + [made(with_photograph), scanned_pdf(1)],
        "jpg": [_picture("JPEG"), _picture("JPEG", progressive=True), _picture("JPEG", mode="CMYK")],
        "png": [_picture("PNG"), _picture("PNG", mode="P"), _picture("PNG", words=True),
                walk.picture_of_a_form()],
    }  # fmt: skip


def _picture(kind: str, *, mode: str = "RGB", words: bool = False, **options: Any) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "SECRET"
    if words:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", "SECRET", zip=True)
    Image.linear_gradient("L").resize((60, 40)).convert(mode).save(out, kind, exif=exif, **options)
    return out.getvalue()


# In the sandbox


def _here(function: Callable[[bytes], Any], data: bytes, broken: str, **_: int) -> Any:
    """``in_sandbox`` for the child that is one: the same answers to the same ends."""
    try:
        return function(data)
    except Rejected:
        raise
    except MemoryError:
        raise Rejected(sandbox.OutOfMemory.sentence) from None
    except Exception:
        raise Rejected(broken) from None


def _stream_here(
    function: Callable[..., None], data: bytes, broken: str, **limits: int
) -> Iterator[bytes]:
    """``stream_in_sandbox`` for the child that is one."""
    parts: list[bytes] = []
    try:
        _here(lambda given: function(parts.append, given), data, broken, **limits)
    finally:
        yield from parts


def outcome(kind: str, data: bytes) -> str:
    """ "ok", "wrong rows", "file error", or what else happened, which must not."""
    try:
        if kind == "xlsx":
            uploads.check_container(data)
            uploads.kind_of(data, "名单.xlsx")
            sheets = list(reading.read(data, "名单.xlsx"))
            faults = any(getattr(s, "is_fault", None) or getattr(s, "faults", None) for s in sheets)
            return "wrong rows" if faults else "ok"
        clean = uploads.clean_scan(data, f"扫描件.{kind}").data
    except Rejected as refusal:
        return "file error" if str(refusal).endswith("。") else f"not a sentence: {refusal}"
    except Exception:
        return traceback.format_exc(limit=-3)
    return _why_not_clean(kind, clean) or "ok"


def _why_not_clean(kind: str, clean: bytes) -> str:
    """What is still in a picture or a PDF that was taken; empty when nothing is."""
    if kind == "pdf":
        return _why_not_inert(clean)
    found = [word for word in (b"<script", b"PK\x03\x04", b"SECRET") if word in clean]
    return f"still there: {found}" if found else ""


def _why_not_inert(clean: bytes) -> str:
    """ISO 32000-2, 12.6.2: where an action may hang; and any object that is one."""
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        keys = set(pdf.Root.keys()) - {"/Type", "/Pages", "/Lang", "/OCProperties"}
        for page in pdf.pages:
            keys |= set(page.obj.keys()) & {"/AA", "/Annots", "/Metadata", "/PieceInfo", "/AF"}
        for part in pdf.objects:
            if isinstance(part, pikepdf.Dictionary | pikepdf.Stream) and "/S" in part:
                keys |= {str(part.S)} & {"/JavaScript", "/Launch", "/URI", "/SubmitForm", "/GoToE"}
    return f"still there: {sorted(keys)}" if keys or b"<script>alert" in clean else ""


def batch(seeds: Seeds, kind: str, first: int, count: int) -> list[tuple[int, str, float]]:
    """(number, outcome, seconds) of COUNT mutants; runs in the sandbox, which all of them share."""
    for module in (kinds, pdfs, pictures):
        module.in_sandbox = _here  # type: ignore[attr-defined]
    workbook.stream_in_sandbox = _stream_here
    results = []
    for number in range(first, first + count):
        data = mutant(seeds, kind, number)
        started = time.process_time()
        results.append((number, outcome(kind, data), time.process_time() - started))
    return results


# The tests


def run(seeds: Seeds, kind: str, total: int) -> dict[int, str]:
    """Outcomes by number. A batch that did not come to its end is gone through one by one."""
    outcomes: dict[int, str] = {}
    for first in range(0, total, BATCH):
        count = min(BATCH, total - first)
        limits: dict[str, Any] = {"memory_mb": 1024, "cpu_seconds": 120, "wall_seconds": 240}
        try:
            rows = sandbox.run(batch, seeds, kind, first, count, **limits)
        except sandbox.SandboxError:
            rows = [
                (number, outcome(kind, mutant(seeds, kind, number)), 0.0)
                for number in range(first, first + count)
            ]
        slow = [row for row in rows if row[2] > SLOW]
        assert not slow, f"{kind}: {slow}"
        outcomes.update((number, said) for number, said, _ in rows)
    return outcomes


@pytest.mark.parametrize("kind", SHARES)
def test_broken_uploads_are_taken_or_refused_and_nothing_else(seeds: Seeds, kind: str) -> None:
    total = int(MUTANTS * SHARES[kind])
    outcomes = run(seeds, kind, total)
    other = {n: s for n, s in outcomes.items() if s not in ("ok", "wrong rows", "file error")}
    assert not other, f"{len(other)} of {total}, the first: {next(iter(other.items()))}"
    counted = Counter(outcomes.values())
    assert len(outcomes) == total
    # Mutants that are all refused at the door, or all taken, would test nothing.
    assert counted["file error"] > total // 10
    assert counted["ok"] > total // 10


def test_rows_of_broken_workbooks_are_right_or_wrong_and_nothing_else(
    seeds: Seeds, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = run(seeds, "xlsx", 4 * CHECKED)
    readable = [number for number, said in outcomes.items() if said != "file error"][:CHECKED]
    assert len(readable) == CHECKED
    monkeypatch.setattr(
        workbook, "stream_in_sandbox", _stream_here
    )  # each came to a good end in a sandbox
    enterprise, clerk = enterprise_of("qiye"), people["qiye"]
    said: Counter[str] = Counter()
    for number in readable:
        report = checking.check(
            mutant(seeds, "xlsx", number), enterprise, clerk, file_name="名单.xlsx"
        )
        said["wrong rows" if report.errors else "ok"] += 1
        assert all(problem.message.endswith(("。", "？")) for problem in report.errors), number
    assert set(said) == {"ok", "wrong rows"}


def test_broken_uploads_at_the_real_pages_are_answered(
    seeds: Seeds, sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Any
) -> None:
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    client.raise_request_exception = False
    page = reverse("transfers:act", args=[case.pk, "confirm"])
    statuses: Counter[int] = Counter()
    for number in range(1_000_000, 1_000_042):
        kind = ("pdf", "jpg", "png")[number % 3]
        file = SimpleUploadedFile(f"扫描件.{kind}", mutant(seeds, kind, number))
        answer = client.post(page, walk.answers(case, "confirm") | {"scan": file})
        statuses[answer.status_code] += 1
    for number in range(1_000_000, 1_000_018):
        file = SimpleUploadedFile("名单.xlsx", mutant(seeds, "xlsx", number))
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(reverse("transfers:import"), {"file": file})
        statuses[answer.status_code] += 1
        if answer.status_code == 302:
            assert client.get(answer["Location"]).status_code == 200
    assert set(statuses) == {200, 302, 422}
    assert sum(statuses.values()) == 60
    decided = {ImportBatch.State.CHECKED, ImportBatch.State.FAILED}
    assert set(ImportBatch.objects.values_list("state", flat=True)) <= decided


def test_a_sandbox_takes_so_many_and_ends(seeds: Seeds) -> None:
    """The child is the one of the pages: with its limits, and gone afterwards."""
    assert len(sandbox.run(batch, seeds, "png", 0, 10, memory_mb=256, result_mb=1)) == 10
    with pytest.raises(sandbox.OutOfMemory):
        sandbox.run(lambda: bytes(300 * MB), memory_mb=256)
