"""An import session: a workbook kept encrypted, checked, decided, written, perhaps undone.

Checking, writing and undoing are jobs, and each may be killed at any moment. Writing and undoing go
block by block in short transactions, so that nobody waits long for the database; the state of the
session makes them one deed: while it is WRITING, RETREATING or UNDOING nobody sees its new cases
(`access.cases`), and the next worker goes on where the last one stopped.
"""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from enterprises.models import Enterprise
from transfers import workflow
from transfers.imports import checking, marking, spool, writing
from transfers.imports.checking import Problem
from transfers.models import ImportBatch, Transfer, TransferStep
from transfers.workflow import Refused
from xianning import audit, jobs, sandbox, uploads, vault
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transfers.imports.checking import Report
    from xianning.models import Job, User
    from xianning.xlsx.styles import Level

State = ImportBatch.State
FOLDER = "imports"
FORGOTTEN = timedelta(days=30)
PACKERS = 2  # processes that seal and pack rows beside the one that writes
_GONE = "上传的文件已不在，请放弃后重新上传。"
NOT_UNDONE = "导入之后已在这些人的案卷上办理过事项，不能撤销。具体见下表。"
_OTHER = "此次导入已由别人处理，请刷新页面查看。"


def upload(data: bytes, name: str, enterprise: Enterprise, by: User) -> ImportBatch:
    """Begin a session and ask for the check; the same undecided file is not begun twice.

    Raises sandbox.Rejected with a sentence when DATA is no workbook.
    """
    if reason := checking.why_not_import(enterprise, by):
        raise PermissionDenied(reason)
    uploads.check_container(data)
    if not uploads.admit(data, name, by):
        raise Rejected("病毒查杀服务暂不可用，文件没有保存。请稍后再上传。")
    digest = vault.digest(data)
    with transaction.atomic():
        locked = Enterprise.objects.select_for_update(of=("self",)).get(pk=enterprise.pk)
        undecided = ImportBatch.objects.filter(
            enterprise=locked,
            sha256=digest,
            state__in=(State.READING, State.CHECKED, State.WRITING),
        ).first()
        if undecided is not None:
            return undecided
        batch = ImportBatch.objects.create(
            enterprise=locked, uploaded_by=by, file_name=name[-120:], sha256=digest,
            file=uploads.store(data, FOLDER),
        )  # fmt: skip
        _ask(batch, "import_check", f"检查 {batch.file_name}", by)
    return batch


def _ask(batch: ImportBatch, kind: str, title: str, by: User, **params: Any) -> None:
    batch.job = jobs.submit(
        kind, title[:120], by, {"batch": str(batch.pk)} | params,
        back_url=batch.get_absolute_url(),
    )  # fmt: skip
    batch.save()


def report_of(batch: ImportBatch) -> dict[str, Any]:
    """The stored report: counts, errors, warnings, preview; empty before the check."""
    return cast("dict[str, Any]", batch.report)


def _put(batch: ImportBatch, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(batch, name, value)
    batch.save()


def _locked(batch: ImportBatch) -> ImportBatch:
    return ImportBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)


# --- what the clerk decides ---------------------------------------------------------------------


def why_not_confirm(batch: ImportBatch, *, only_good: bool = False) -> str | None:
    """Why the session cannot be written, as a sentence; None when it can."""
    if batch.state != State.CHECKED:
        return _OTHER
    report = report_of(batch)
    if report["whole_file_is_wrong"]:
        return "文件有整表的问题（见下），没有可以写入的内容。"
    if report["errors"] and not only_good:
        return "有错误的行尚未改正。改正后重新上传，或勾选“只导入没有错误的行”。"
    if not report["new"] + report["updated"]:
        return "没有需要写入的内容。"
    return None


@transaction.atomic
def confirm(batch: ImportBatch, *, by: User, only_good: bool = False) -> None:
    """Ask for the writing of what the preview showed. Raises workflow.Refused."""
    batch = _locked(batch)
    if reason := why_not_confirm(batch, only_good=only_good):
        raise Refused(reason)
    _put(batch, state=State.WRITING, message="", written=0)
    _ask(batch, "import_write", f"写入 {batch.file_name}", by)


@transaction.atomic
def cancel(batch: ImportBatch) -> None:
    """Stop the check, or take back what is written so far. Raises workflow.Refused when it is over."""
    batch = _locked(batch)
    if batch.state == State.READING and batch.job:
        jobs.cancel(batch.job)
        _put(batch, state=State.FAILED, message="检查已取消，没有写入任何内容。")
    elif batch.state == State.WRITING:
        _put(batch, state=State.RETREATING, message="导入已取消，没有写入任何内容。")
    else:
        raise Refused(_OTHER)


@transaction.atomic
def go_on(batch: ImportBatch, *, by: User) -> None:
    """Ask again for work that was interrupted too often. Raises workflow.Refused."""
    batch = _locked(batch)
    if batch.state not in ImportBatch.HIDDEN or not is_stuck(batch):
        raise Refused(_OTHER)
    kind = "import_undo" if batch.state == State.UNDOING else "import_write"
    _ask(batch, kind, f"继续 {batch.file_name}", by)


def is_stuck(batch: ImportBatch) -> bool:
    """Whether a session waits for work that nobody does any more."""
    working = (State.READING, *ImportBatch.HIDDEN)
    return batch.state in working and (batch.job is None or batch.job.is_over)


@transaction.atomic
def undo(batch: ImportBatch, *, by: User) -> None:
    """Ask for a written session to be undone. Raises workflow.Refused with what stands against it."""
    batch = _locked(batch)
    if batch.state != State.DONE:
        raise Refused(_OTHER)
    if reason := checking.why_not_import(batch.enterprise, by):
        raise Refused(reason)
    if writing.why_not_undo(batch):
        raise Refused(NOT_UNDONE)
    _put(batch, state=State.UNDOING, message="", written=max(batch.written, 1))
    _ask(batch, "import_undo", f"撤销 {batch.file_name}", by)


@transaction.atomic
def check_again(batch: ImportBatch, *, by: User) -> None:
    """Check the kept file once more. Raises workflow.Refused when it is decided or gone."""
    batch = _locked(batch)
    stuck = batch.state == State.READING and is_stuck(batch)
    if batch.state not in (State.CHECKED, State.FAILED) and not stuck:
        raise Refused(_OTHER)
    if not batch.file:
        raise Refused(_GONE)
    _forget_blocks(batch)
    _put(batch, state=State.READING, message="", report={})
    _ask(batch, "import_check", f"检查 {batch.file_name}", by)


@transaction.atomic
def drop(batch: ImportBatch) -> None:
    """Throw the upload away. Raises workflow.Refused when anything of it was written."""
    batch = _locked(batch)
    if batch.state == State.DROPPED:
        return
    if batch.state in (*ImportBatch.HIDDEN, State.DONE, State.UNDONE):
        raise Refused("此次导入正在写入或已经写入，不能放弃。")
    _decide(batch, State.DROPPED, "已放弃，没有写入任何内容。")


@jobs.chore
def drop_forgotten() -> int:
    """Whole lists of people are not kept: uploads that nobody decided within a month are dropped.

    So is the file of a session that left wrong rows behind, kept until then to be mended.
    """
    old = ImportBatch.objects.filter(
        state__in=(State.CHECKED, State.FAILED, State.DONE),
        uploaded_at__lt=timezone.now() - FORGOTTEN,
    ).exclude(file="")
    count = 0
    for batch in old[:50]:
        with transaction.atomic():
            batch = _locked(batch)
            if not batch.file:
                continue
            if batch.state == State.DONE:
                _forget_file(batch)
            elif batch.state in (State.CHECKED, State.FAILED):
                _decide(batch, State.DROPPED, "三十天内没有确认，已自动放弃，没有写入任何内容。")
            count += 1
    return count


@jobs.chore
def sweep_blocks() -> int:
    """Remove blocks of checks whose worker died before it could name them."""
    old = list(vault.older_than(spool.FOLDER, timedelta(days=1)))
    if not old:
        return 0
    named = {
        name
        for names in ImportBatch.objects.exclude(blocks=[]).values_list("blocks", flat=True)
        for name in names
    }
    lost = [name for name in old if name not in named]
    spool.remove(lost)
    return len(lost)


def _decide(batch: ImportBatch, state: str, message: str) -> None:
    """The end of a session: what it kept goes when this is committed."""
    report = {**report_of(batch), "preview": [], "updates": []}
    if state == State.DROPPED:
        audit.write("import_dropped", object=batch)
    _put(batch, state=state, message=message, decided_at=timezone.now(), report=report)
    _forget_blocks(batch)
    if state != State.DONE or not report.get("wrong_rows"):
        _forget_file(batch)


def _forget_file(batch: ImportBatch) -> None:
    if name := batch.file:
        _put(batch, file="")
        transaction.on_commit(lambda: vault.remove(name))


def _forget_blocks(batch: ImportBatch) -> None:
    if names := list(batch.blocks):
        _put(batch, blocks=[])
        transaction.on_commit(lambda: spool.remove(names))


# --- the work -----------------------------------------------------------------------------------


@jobs.job("import_check")
def run_check(progress: jobs.Progress, *, batch: str) -> None:
    """Read and check the kept file, and keep what it would write."""
    found = _of(batch, State.READING)
    if found is None:
        return
    kept_rows = spool.Spool()
    try:
        try:
            data = vault.get(found.file)
        except FileNotFoundError:
            raise Rejected(_GONE) from None
        report = checking.check(
            data, found.enterprise, progress.job.owner, file_name=found.file_name,
            tell=progress.step, sink=kept_rows.take,
        )  # fmt: skip
        names = kept_rows.close()
        whole = kept(report) | {"strangers": kept_rows.strangers}
        if not _end_check(found, State.CHECKED, report.in_words, whole, names):
            spool.remove(names)
    except (Rejected, SandboxError) as reason:
        spool.remove(kept_rows.names)
        _end_check(found, State.FAILED, str(reason), {}, [])
        raise
    except BaseException:
        spool.remove(kept_rows.names)
        raise


def _of(pk: str, *states: str) -> ImportBatch | None:
    """The session, if it still is in one of STATES (a job may run twice)."""
    return ImportBatch.objects.select_related("enterprise").filter(pk=pk, state__in=states).first()


@transaction.atomic
def _end_check(
    batch: ImportBatch, state: str, message: str, report: dict[str, Any], blocks: list[str]
) -> bool:
    batch = _locked(batch)
    if batch.state != State.READING:
        return False
    _put(batch, state=state, message=message[:300], report=report, blocks=blocks)
    return True


def kept(report: Report) -> dict[str, Any]:
    """What of a report is stored with the session (encrypted)."""
    return report.as_json() | {
        "errors": [problem._asdict() for problem in report.errors],
        "warnings": [problem._asdict() for problem in report.warnings],
        "heading_rows": report.heading_rows,
        "columns": report.columns,
        "wrong_rows": report.wrong_rows,
        "error_count": report.error_count,
        "warning_count": report.warning_count,
        "whole_file_is_wrong": report.whole_file_is_wrong,
        "preview": report.preview,
        "updates": report.updates,
        "states": {sheet: checking.runs(rows) for sheet, rows in report.states.items()},
    }


def keep_report(batch: ImportBatch, report: Report) -> None:
    """Store the report of what was written, without the preview."""
    _put(batch, report=kept(report) | {"preview": [], "updates": []})


@jobs.job("import_write")
def run_write(progress: jobs.Progress, *, batch: str) -> None:
    """Write the kept rows block by block, or take everything back when one cannot be written."""
    found = _of(batch, State.WRITING, State.RETREATING)
    if found is None:
        return
    try:
        if found.state == State.WRITING:
            _write_blocks(found, progress)
    except Refused as reason:
        _retreat(found, str(reason))
    except SandboxError:  # the blocks are gone or not ours, or the machine is full
        _retreat(found, _GONE)
    found.refresh_from_db(fields=["state", "message"])
    if found.state == State.RETREATING:
        _take_back(found, progress)
        _end_retreat(found, progress)
        raise Rejected(found.message)


def _write_blocks(batch: ImportBatch, progress: jobs.Progress) -> None:
    """Go on from the block that is to be written next; stops when the session is cancelled."""
    writer = writing.Writer(batch.enterprise, progress.job.owner, batch)
    report = report_of(batch)
    total = report["new"] + report["updated"]
    changed = [row for row in _rows(batch.blocks[: batch.written], writer) if not row.is_new]
    left = _numbered(batch, report["strangers"])
    for number, (block, rows) in enumerate(_packed(left, writer), start=batch.written + 1):
        changed += [row for row in rows if not row.is_new]
        with transaction.atomic():
            if _locked(batch).state != State.WRITING:
                return
            writer.write_new(block, rows)
            ImportBatch.objects.filter(pk=batch.pk).update(written=number)
            progress.hold()
        progress.step(min(number * spool.BLOCK, total), total)
        _let_others_write()
    with transaction.atomic():
        locked = _locked(batch)
        if locked.state != State.WRITING:
            return
        writer.filed = _filed(batch)
        writer.new = report["new"]
        writer.finish(changed)
        _decide(locked, State.DONE, _done_in_words(report))
        progress.hold()


def _rows(names: list[str], writer: writing.Writer) -> Iterator[checking.Row]:
    for name in names:
        yield from spool.read(name, writer.form.directory)


Numbered = tuple[str, int]  # a block, and the number of its first new case


def _numbered(batch: ImportBatch, strangers: list[int]) -> list[Numbered]:
    """The blocks that are left, with numbers reserved for their cases."""
    names, sizes = batch.blocks[batch.written :], strangers[batch.written :]
    first = workflow.next_numbers(batch.enterprise, sum(sizes)) if sum(sizes) else 0
    return list(zip(names, accumulate(sizes, initial=first), strict=False))


def _packed(
    blocks: list[Numbered], writer: writing.Writer
) -> Iterator[tuple[writing.Block, list[checking.Row]]]:
    """Each block with the strangers packed, and its other rows.

    Other processes pack the next ones while the database takes this one in.
    """
    limits: dict[str, Any] = {"memory_mb": 2048, "cpu_seconds": 3600, "wall_seconds": 7200,
                              "result_mb": 64 * 1024}  # fmt: skip
    streams = [
        sandbox.stream(_emit_packed, blocks[start::PACKERS], writer, **limits)
        for start in range(min(PACKERS, len(blocks)))
    ]
    for number in range(len(blocks)):
        part = next(streams[number % len(streams)], None)
        if part is None:
            raise sandbox.Crashed
        block, rows = writing.Block.of_bytes(part)
        yield block, [spool.unpacked(row, writer.form.directory) for row in rows]


def _emit_packed(
    emit: Callable[[bytes], None], blocks: list[Numbered], writer: writing.Writer
) -> None:
    for name, number in blocks:
        rows = spool.read(name, writer.form.directory)
        block = writer.pack_strangers(rows, number)
        others = [spool.packed(row) for row in rows if not row.is_new or row.person]
        emit(block.as_bytes(others))


def _filed(batch: ImportBatch) -> int:
    """How many cases of a session wait for HR (some blocks may be another worker's)."""
    return TransferStep.objects.filter(
        transfer__batch=batch, step=workflow.VERIFY, state=TransferStep.State.OPEN
    ).count()


def _let_others_write() -> None:
    """SQLite gives the lock to whoever asks at the right moment: leave such a moment."""
    if connection.vendor == "sqlite":
        time.sleep(0.06)


def _done_in_words(report: dict[str, Any]) -> str:
    left = f"，{report['wrong_rows']} 行有误未导入" if report["wrong_rows"] else ""
    return (
        f"已写入：新增 {report['new']} 人，更新 {report['updated']} 人，"
        f"不变 {report['unchanged']} 人{left}。"
    )


@transaction.atomic
def _retreat(batch: ImportBatch, message: str) -> None:
    locked = _locked(batch)
    if locked.state == State.WRITING:
        _put(locked, state=State.RETREATING, message=message[:300])


def _take_back(batch: ImportBatch, progress: jobs.Progress) -> None:
    """Remove the new cases, block by block."""
    gone = 0
    while True:
        with transaction.atomic():
            removed = writing.take_back(batch, progress.job.owner)
            progress.hold()
        if not removed:
            return
        gone += removed
        progress.step(gone)
        _let_others_write()


@transaction.atomic
def _end_retreat(batch: ImportBatch, progress: jobs.Progress) -> None:
    """Back to the preview, with the reason; nothing was written."""
    locked = _locked(batch)
    _put(locked, state=State.CHECKED, written=0)
    progress.hold()


@jobs.job("import_undo")
def run_undo(progress: jobs.Progress, *, batch: str) -> None:
    """Take a written session back, unless something was done on its people in the meantime."""
    found = _of(batch, State.UNDOING)
    if found is None:
        return
    if found.written:  # 0: restored by a worker before this one
        _restore(found, progress)
        if found.state != State.UNDOING:
            raise Rejected(NOT_UNDONE)
    _take_back(found, progress)
    with transaction.atomic():
        locked = _locked(found)
        report = report_of(locked)
        audit.write("import_undone", object=locked, facts={"new": report.get("new", 0)})
        message = f"已撤销：收回新增的 {report.get('new', 0)} 人，恢复更新的 {report.get('updated', 0)} 人。"
        _put(locked, state=State.UNDONE, message=message)
        _forget_file(locked)
        progress.hold()


@transaction.atomic
def _restore(batch: ImportBatch, progress: jobs.Progress) -> None:
    """Give changed cases their former content; from here on the session counts as undone.

    Whoever acts on a case holds its row: the locks wait for him, and whoever comes later is refused
    by the state of the session. So what is found now is all there is.
    """
    locked = _locked(batch)
    rows = Transfer.objects.filter(batch=batch).select_for_update(of=("self",))
    for _ in rows.values_list("pk").iterator():
        pass
    if writing.why_not_undo(locked):
        _put(locked, state=State.DONE, message=NOT_UNDONE)
    else:
        writing.restore_changes(locked, progress.job.owner)
        _put(locked, written=0)
    batch.state, batch.written = locked.state, locked.written
    progress.hold()


# --- the problems to take away ------------------------------------------------------------------


def problems_of(batch: ImportBatch, kind: str) -> list[Problem]:
    """The kept problems of KIND: errors or warnings."""
    return [Problem(**found) for found in report_of(batch).get(kind, [])]


def why_not_mark(batch: ImportBatch) -> str | None:
    """Why the user's own file cannot be given back marked, as a sentence; None when it can."""
    if not batch.file:
        return "上传的文件已不在。"
    if not report_of(batch).get("heading_rows"):
        return "文件没有检查过，请重新检查。"
    return None


def mark(batch: ImportBatch, *, by: User) -> Job:
    """Ask for the user's own file with its wrong cells marked. Raises workflow.Refused."""
    if reason := why_not_mark(batch):
        raise Refused(reason)
    return jobs.submit(
        "import_mark", f"标注 {batch.file_name}"[:120], by, {"batch": str(batch.pk)},
        back_url=batch.get_absolute_url(),
    )  # fmt: skip


@jobs.job("import_mark")
def run_mark(progress: jobs.Progress, *, batch: str) -> jobs.Result:
    """The user's own file: wrong cells coloured with a comment, what becomes of each row, a list."""
    found = ImportBatch.objects.visible_to(progress.job.owner).filter(pk=batch).first()
    if found is None or not found.file:
        raise Rejected(_GONE)
    report = report_of(found)
    marks, listed = [], []
    for kind, level in _LEVELS.items():
        for problem in problems_of(found, kind):
            listed.append(_listed(problem, level))
            if problem.row and problem.place:
                marks.append(
                    marking.Mark(problem.sheet, problem.row, problem.place, problem.message, level)
                )
    states = {
        (sheet, row): state
        for sheet, runs in report["states"].items()
        for first, last, state in runs
        for row in range(first, last + 1)
    }
    data = marking.mark(
        vault.get(found.file), marks, states, listed, headings=report["heading_rows"]
    )
    stem = found.file_name.rpartition(".")[0]
    return jobs.Result(data, f"{stem}-标注.xlsx")


_LEVELS: dict[str, Level] = {"errors": "error", "warnings": "warning"}


def _listed(problem: Problem, level: Level) -> marking.Problem:
    """A row of the sheet of problems."""
    return marking.Problem(
        problem.sheet, problem.row, problem.column, problem.value, problem.message,
        problem.mending if level == "error" else "", level, problem.place or None,
    )  # fmt: skip
