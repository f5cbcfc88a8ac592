"""The pages of 人事档案目录: one file typed, many read from a workbook, and the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from archives import catalogues, documents
from archives.models import CatalogueEntry
from transfers import workflow
from transfers.models import Transfer
from transfers.refusal import Refused
from xianning import access, audit
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import WorkbookField
from xianning.models import AccessLog
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest


def _case(request: HttpRequest, pk: UUID) -> Transfer:
    rows = Transfer.objects.visible_to(user_of(request))
    return get_object_or_404(rows.select_related("retiree", "enterprise"), pk=pk)


def catalogue(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The catalogue of one file; its enterprise changes it until the file is handed over."""
    case, user = _case(request, pk), user_of(request)
    refusal = catalogues.why_not_change(case, user)
    if request.method != "POST":
        return _page(request, case, refusal, catalogues.LinesFormSet(
            initial=catalogues.initial_of(case), prefix="line"))  # fmt: skip
    if not workflow.is_mine(workflow.rows_of(case)[workflow.DELIVER], user):
        raise PermissionDenied(refusal)
    lines: Any = catalogues.LinesFormSet(request.POST, prefix="line")
    if not lines.is_valid():
        return _page(request, case, refusal, lines, 422)
    try:
        catalogues.save(case, lines.entries(), by=user)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, f"{case.retiree.name}的档案目录已保存。")
    return redirect("archives:catalogue", case.pk)


def _page(
    request: HttpRequest, case: Transfer, refusal: str | None, lines: Any, status: int = 200
) -> HttpResponse:
    rows = CatalogueEntry.objects.filter(transfer=case)
    context = {
        "case": case, "refusal": refusal, "lines": lines, "rows": rows.in_order(),
        "counts": rows.counts(),
    }  # fmt: skip
    return render(request, "archives/catalogue.html", context, status=status)


@require_POST
def catalogue_paper(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Print the catalogue; who printed it is on record first."""
    case = _case(request, pk)
    AccessLog.write(
        user_of(request), AccessLog.Kind.PAPER, "人事档案目录", transfer=case,
        address=access.client_address(request),
    )  # fmt: skip
    try:
        data = documents.catalogue(case)
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect("archives:catalogue", case.pk)
    return download(data, f"人事档案目录-{case.retiree.name}-{case.number}.pdf", "application/pdf")


class UploadForm(forms.Form):
    """Catalogues of many people as one workbook."""

    file = WorkbookField(
        label="档案目录工作簿",
        help_text="只接受 .xlsx；每行一份材料；同一人的原目录由工作簿中的代替",
    )  # fmt: skip


def catalogue_import(request: HttpRequest) -> HttpResponse:
    """Read catalogues from a workbook: all of it, or nothing and every wrong row."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return _upload(request, form, status=422 if request.method == "POST" else 200)
    file, user = form.cleaned_data["file"], user_of(request)
    try:
        found = catalogues.read(file.read(), file.name, user)
        if found.problems:
            return _upload(request, form, found.problems, 422)
        count = catalogues.write(found, by=user)
    except (Rejected, SandboxError, Refused) as reason:
        form.add_error("file", str(reason))
        return _upload(request, form, status=422)
    audit.write("imported", user=user, facts={"kind": "catalogue", "count": count})
    messages.success(request, f"已导入 {count} 人的档案目录。")
    return redirect("archives:batches")


def _upload(
    request: HttpRequest, form: UploadForm, problems: Any = (), status: int = 200
) -> HttpResponse:
    context = {"form": form, "problems": problems[:200], "headings": catalogues.HEADINGS,
               "more": max(0, len(problems) - 200)}  # fmt: skip
    return render(request, "archives/catalogue_import.html", context, status=status)


@require_GET
def catalogue_template(request: HttpRequest) -> HttpResponse:
    """The empty workbook to fill in."""
    return download(catalogues.template(), "人事档案目录模板.xlsx", XLSX)
