"""An uploaded workbook from upload to decision: kept encrypted, checked and written by jobs."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from enterprises.models import Enterprise
from transfers.imports import checking, writing
from transfers.models import ImportBatch
from transfers.workflow import Refused
from xianning import audit, jobs, uploads, vault, workbook
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfers.imports.checking import Report
    from xianning.models import User

State = ImportBatch.State
FOLDER = "imports"
FORGOTTEN = timedelta(days=30)
KEPT_PROBLEMS = 20_000  # of each kind in a report
_GONE = "上传的文件已不在，请放弃后重新上传。"
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
    if any(error["row"] is None for error in report["errors"]):
        return "文件有整表的问题，改正后请重新上传。"
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
    _put(batch, state=State.WRITING, message="")
    _ask(batch, "import_write", f"写入 {batch.file_name}", by, only_good=only_good)


@transaction.atomic
def check_again(batch: ImportBatch, *, by: User) -> None:
    """Check the kept file once more. Raises workflow.Refused when it is decided or gone."""
    batch = _locked(batch)
    stuck = batch.state in (State.READING, State.WRITING) and batch.job and batch.job.is_over
    if batch.state not in (State.CHECKED, State.FAILED) and not stuck:
        raise Refused(_OTHER)
    if not batch.file:
        raise Refused(_GONE)
    _put(batch, state=State.READING, message="", report={})
    _ask(batch, "import_check", f"检查 {batch.file_name}", by)


@transaction.atomic
def drop(batch: ImportBatch) -> None:
    """Throw the upload away. Raises workflow.Refused while it is being written or when it is."""
    batch = _locked(batch)
    if batch.state == State.DROPPED:
        return
    writing_now = batch.state == State.WRITING and not (batch.job and batch.job.is_over)
    if batch.state == State.DONE or writing_now:
        raise Refused("此次导入正在写入或已经写入，不能放弃。")
    _decide(batch, State.DROPPED, "已放弃，没有写入任何内容。")


@jobs.chore
def drop_forgotten() -> int:
    """Uploads that nobody decided within a month are thrown away: they hold whole lists of people."""
    old = ImportBatch.objects.filter(
        state__in=(State.CHECKED, State.FAILED), uploaded_at__lt=timezone.now() - FORGOTTEN
    ).exclude(file="")
    count = 0
    for batch in old[:50]:
        with transaction.atomic():
            batch = _locked(batch)
            if batch.file and batch.state in (State.CHECKED, State.FAILED):
                _decide(batch, State.DROPPED, "三十天内没有确认，已自动放弃，没有写入任何内容。")
                count += 1
    return count


def _decide(batch: ImportBatch, state: str, message: str) -> None:
    """The end of a session: the file goes when this is committed."""
    name = batch.file
    report = {**report_of(batch), "preview": []}
    if state == State.DROPPED:
        audit.write("import_dropped", object=batch)
    _put(batch, state=state, message=message, file="", decided_at=timezone.now(), report=report)
    if name:
        transaction.on_commit(lambda: vault.remove(name))


# --- the work -----------------------------------------------------------------------------------


@jobs.job("import_check")
def run_check(progress: jobs.Progress, *, batch: str) -> None:
    """Read and check the kept file, and store the report."""
    found = _of(batch, State.READING)
    if found is None:
        return
    try:
        report = _check(found, progress.job.owner, progress.step)
    except (Rejected, SandboxError) as reason:
        _end_check(found, State.FAILED, str(reason), {})
        raise
    _end_check(found, State.CHECKED, report.in_words, kept(report))


def _of(pk: str, state: str) -> ImportBatch | None:
    """The session, if it still is in STATE (a job may run twice)."""
    return ImportBatch.objects.select_related("enterprise").filter(pk=pk, state=state).first()


def _check(
    batch: ImportBatch, by: User, tell: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    try:
        data = vault.get(batch.file)
    except FileNotFoundError:
        raise Rejected(_GONE) from None
    return checking.check(data, batch.enterprise, by, file_name=batch.file_name, tell=tell)


@transaction.atomic
def _end_check(batch: ImportBatch, state: str, message: str, report: dict[str, Any]) -> None:
    batch = _locked(batch)
    if batch.state != State.READING:
        return
    _put(batch, state=state, message=message[:300], report=report)


def kept(report: Report) -> dict[str, Any]:
    """What of a report is stored with the session (encrypted)."""
    whole = report.as_json()
    counts = {"wrong_rows": report.wrong_rows, "error_count": len(report.errors),
              "warning_count": len(report.warnings)}  # fmt: skip
    cut = {name: whole[name][:KEPT_PROBLEMS] for name in ("errors", "warnings")}
    return whole | counts | cut | {"preview": report.preview}


def keep_report(batch: ImportBatch, report: Report) -> None:
    """Store the report of what was written, without the preview."""
    _put(batch, report=kept(report) | {"preview": []})


@jobs.job("import_write")
def run_write(progress: jobs.Progress, *, batch: str, only_good: bool) -> None:
    """Check the kept file again and write it, if it still does what the preview showed."""
    found = _of(batch, State.WRITING)
    if found is None:
        return
    try:
        report = _check(found, progress.job.owner, progress.step)
        _write(found, report, progress.job.owner, only_good)
    except (Rejected, SandboxError) as reason:
        _not_written(found, str(reason))
        raise
    except Refused as reason:
        _not_written(found, str(reason))
        raise Rejected(str(reason)) from None


@transaction.atomic
def _write(batch: ImportBatch, report: Report, by: User, only_good: bool) -> None:
    batch = _locked(batch)
    if batch.state != State.WRITING:
        return
    shown = {name: report_of(batch)[name] for name in ("new", "updated", "wrong_rows")}
    if shown != {name: getattr(report, name) for name in shown} or (
        report.errors and not only_good
    ):
        raise Refused(writing.MEANWHILE)
    writing.write(report, by=by, batch=batch)
    left = f"，{report.wrong_rows} 行有误未导入" if report.wrong_rows else ""
    _put(batch, report=kept(report))
    _decide(
        batch, State.DONE,
        f"已写入：新增 {report.new} 人，更新 {report.updated} 人，不变 {report.unchanged} 人{left}。",
    )  # fmt: skip


@transaction.atomic
def _not_written(batch: ImportBatch, message: str) -> None:
    """Back to the preview, with the reason; nothing was saved."""
    batch = _locked(batch)
    if batch.state == State.WRITING:
        _put(batch, state=State.CHECKED, message=message[:300])


# --- the problems as a list to take away --------------------------------------------------------


def problem_list(batch: ImportBatch) -> bytes:
    """All wrong cells and remarks of a session as a workbook (.xlsx)."""
    book = Workbook(write_only=True)
    for title, name in (("错误", "errors"), ("提醒", "warnings")):
        sheet = book.create_sheet(title)
        for letter, width in zip("ABCD", (14, 8, 22, 90), strict=True):
            sheet.column_dimensions[letter].width = width
        sheet.append([_cell(sheet, word, bold=True) for word in ("工作表", "行", "列", "问题")])
        for problem in report_of(batch).get(name, []):
            words = (problem["sheet"], problem["row"] or "", problem["column"], problem["message"])
            sheet.append([_cell(sheet, str(word)) for word in words])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, text: str, *, bold: bool = False) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet)
    workbook.write_text(cell, text)
    if bold:
        cell.font = Font(bold=True)
    return cell
