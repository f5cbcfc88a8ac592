"""Import of retirees: upload, progress, preview, decision, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from enterprises.models import Enterprise
from transfers import column_views
from transfers.imports import columns, sessions, writing
from transfers.models import ImportBatch
from transfers.workflow import Refused
from xianning import access
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import WorkbookField
from xianning.pages import keyset
from xianning.sandbox import Rejected
from xianning.uploads import WORKBOOK_BYTES

if TYPE_CHECKING:
    from uuid import UUID

    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest

SHOWN = 200  # problems on the page; all are in the marked file
State = ImportBatch.State


class UploadForm(forms.Form):
    """A workbook, and for whom when the clerk serves several enterprises."""

    enterprise = forms.ModelChoiceField(
        label="移交单位", queryset=Enterprise.objects.none(), empty_label="请选择"
    )
    file = WorkbookField(
        label="退休人员工作簿", help_text="只接受 .xlsx，最大 40 MB；先检查，您确认后才写入",
        error_messages={"required": "请选择要上传的文件。", "empty": "文件是空的（0 字节）。"},
    )  # fmt: skip

    def __init__(self, *args: Any, enterprises: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.only = enterprises[0] if len(enterprises) == 1 else None
        if self.only:
            del self.fields["enterprise"]
        else:
            field = self.fields["enterprise"]
            field.queryset = Enterprise.objects.filter(  # type: ignore[attr-defined]
                pk__in=[enterprise.pk for enterprise in enterprises]
            )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > WORKBOOK_BYTES:
            raise forms.ValidationError("文件超过 40 MB，请拆分成几个文件后再上传。")
        return file

    @property
    def chosen(self) -> Enterprise:
        return self.only or self.cleaned_data["enterprise"]


def _batch(request: HttpRequest, pk: UUID) -> ImportBatch:
    """The session, or 404 outside my scope."""
    rows = ImportBatch.objects.visible_to(user_of(request))
    return get_object_or_404(rows.select_related("enterprise", "uploaded_by", "job"), pk=pk)


@require_GET
def import_list(request: HttpRequest) -> HttpResponse:
    """Earlier sessions of my enterprises, the newest first."""
    rows = ImportBatch.objects.visible_to(user_of(request)).defer("report")
    page = keyset(request, rows.select_related("enterprise", "uploaded_by"), count=True)
    return render(request, "transfers/import_list.html", {"page": page})


def upload(request: HttpRequest) -> HttpResponse:
    """Take a workbook in; it is checked in the background and nothing is written."""
    user = user_of(request)
    mine = list(Enterprise.objects.filter(pk__in=access.scope(user).enterprises).order_by("name"))
    form = UploadForm(request.POST or None, request.FILES or None, enterprises=mine)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        if reason := form.chosen.why_not_open():
            form.add_error(None, reason)
        else:
            try:
                batch = sessions.upload(file.read(), file.name, form.chosen, user)
            except Rejected as reason:
                form.add_error("file", str(reason))
            else:
                return redirect(batch)
    for_whom = f"为{form.only.transferor}导入。" if form.only else ""
    context = {
        "form": form,
        "lead": f"{for_whom}先检查并预览，确认后才写入。",
        "closed": _closed(form.only),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "transfers/import.html", context, status=status)


def _closed(enterprise: Enterprise | None) -> str:
    return (enterprise.why_not_open() or "") if enterprise else ""


@require_GET
def template(request: HttpRequest) -> HttpResponse:
    """The empty workbook to fill in."""
    return download(columns.template(), "退休人员信息导入模板.xlsx", XLSX)


def import_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One session: how far it is, what it would do, the decision, what it did."""
    batch = _batch(request, pk)
    if request.method == "POST":
        return _decide(request, batch)
    return render(request, "transfers/import_detail.html", _context(batch))


def _decide(request: HttpRequest, batch: ImportBatch) -> HttpResponse:
    user = user_of(request)
    try:
        if "confirm" in request.POST:
            sessions.confirm(batch, by=user, only_good="only_good" in request.POST)
        elif "again" in request.POST:
            sessions.check_again(batch, by=user)
        elif "cancel" in request.POST:
            sessions.cancel(batch)
        elif "go_on" in request.POST:
            sessions.go_on(batch, by=user)
        elif "undo" in request.POST:
            sessions.undo(batch, by=user)
        elif "mark" in request.POST:
            return redirect(sessions.mark(batch, by=user))
        elif "drop" in request.POST:
            sessions.drop(batch)
            messages.success(request, "已放弃此次导入，没有写入任何内容。")
        else:
            return HttpResponse(
                "请使用页面上的按钮。", status=400, content_type="text/plain; charset=utf-8"
            )
    except Refused as reason:
        if str(reason) == sessions.NOT_UNDONE:
            context = _context(batch) | {"against_undo": writing.why_not_undo(batch)}
            return render(request, "transfers/import_detail.html", context, status=409)
        messages.error(request, str(reason))
    return redirect(batch)


def _context(batch: ImportBatch) -> dict[str, Any]:
    """What the page of a session shows, by its state."""
    report = sessions.report_of(batch)
    errors = sessions.problems_of(batch, "errors")[:SHOWN]
    warnings = sessions.problems_of(batch, "warnings")[:SHOWN]
    working = batch.state in (State.READING, *ImportBatch.HIDDEN)
    stuck = sessions.is_stuck(batch)
    good = report.get("new", 0) + report.get("updated", 0)
    preview = report.get("preview", [])
    # Otherwise the message is why nothing was written.
    summed_up = batch.state != State.CHECKED or batch.message.startswith("共")
    return {
        "batch": batch,
        "lead": f"{batch.enterprise.transferor}　{timezone.localtime(batch.uploaded_at):%Y-%m-%d %H:%M} "
                f"由{batch.uploaded_by}上传",
        "job": batch.job if working and not stuck else None,
        "may_cancel": not stuck and batch.state in (State.READING, State.WRITING),
        "stuck": stuck,
        "stuck_in_check": stuck and batch.state == State.READING,
        "against_undo": writing.why_not_undo(batch) if batch.message == sessions.NOT_UNDONE else [],
        "may_undo": batch.state == State.DONE,
        "is_checked": batch.state == State.CHECKED,
        "is_failed": batch.state == State.FAILED,
        "counts": _counts(report) if not summed_up else [],
        "problems_shown": errors,
        "errors_caption": _caption("错误", report.get("error_count", 0), len(errors)),
        "remarks_shown": warnings,
        "remarks_caption": _caption("提醒", report.get("warning_count", 0), len(warnings)),
        "may_choose_columns": column_views.may_choose(batch),
        "columns_first": bool(report.get("whole_file_is_wrong")) and column_views.may_help(batch),
        "may_mark": bool(errors or warnings) and sessions.why_not_mark(batch) is None,
        "updates": report.get("updates", []),
        "updates_caption": _updates_caption(report),
        "preview": preview,
        "preview_caption": f"前 {len(preview)} 人（身份证号、电话已脱敏）",
        "good": good,
        "may_confirm": sessions.why_not_confirm(batch) is None if report else False,
        "may_take_good": bool(report) and bool(errors)
                         and sessions.why_not_confirm(batch, only_good=True) is None,
        "nothing_to_do": sessions.why_not_confirm(batch, only_good=True) if report else "",
    }  # fmt: skip


def _updates_caption(report: dict[str, Any]) -> str:
    people = len({(change["sheet"], change["row"]) for change in report.get("updates", [])})
    all_of_them = report.get("updated", 0)
    more = f"，以下为前 {people} 人" if all_of_them > people else ""
    return f"将更新 {all_of_them} 人{more}：原来的内容和新的内容（涉及隐私的已脱敏）"


def _counts(report: dict[str, Any]) -> list[dict[str, str]]:
    """The counts as rows of a summary; none before the check."""
    words = {"rows": "共", "new": "新增", "updated": "更新", "unchanged": "不变",
             "wrong_rows": "有误"}  # fmt: skip
    return (
        [{"label": word, "value": f"{report[name]} 人"} for name, word in words.items()]
        if report
        else []
    )


def _caption(what: str, count: int, shown: int) -> str:
    more = f"，以下为前 {shown} 处，全部见标注后的工作簿" if count > shown else ""
    return f"{what} {count} 处{more}"
