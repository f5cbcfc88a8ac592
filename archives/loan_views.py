"""The register of consultations and loans of the agency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from archives.models import FileLoan, PersonnelFile
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.fields import DayField
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest


class LoanForm(forms.Form):
    """Who has the file, why, and until when."""

    kind = forms.ChoiceField(label="方式", choices=FileLoan.Kind.choices)
    person = forms.CharField(label="查（借）阅人", max_length=50)
    office = forms.CharField(label="单位", max_length=80)
    letter = forms.CharField(
        label="介绍信或证件",
        max_length=60,
        help_text="凭单位介绍信和经办人证件查阅；写介绍信号或证件名称",
    )
    purpose = forms.CharField(label="事由", max_length=120)
    what = forms.CharField(label="查（借）阅内容", max_length=120, help_text="例如：九-1 工资类")
    taken_on = DayField(label="起", initial=timezone.localdate)
    due_on = DayField(label="止", initial=timezone.localdate)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        taken, due = data.get("taken_on"), data.get("due_on")
        if taken and taken > timezone.localdate():
            raise ValidationError({"taken_on": "起始日期不能晚于今天。"})
        if taken and due and due < taken:
            raise ValidationError({"due_on": "归还期限不能早于起始日期。"})
        return data


@require_GET
def loans(request: HttpRequest) -> HttpResponse:
    """The register, the newest first; `?state=out` and `?state=overdue` narrow it."""
    rows = FileLoan.objects.visible_to(user_of(request))
    state = request.GET.get("state", "")
    if state == "out":
        rows = rows.out()
    elif state == "overdue":
        rows = rows.overdue()
    rows = rows.select_related("file__transfer__retiree", "registered_by")
    context = {
        "page": keyset(request, rows, count=True),
        "states": [("out", "未归还"), ("overdue", "逾期未还")],
    }
    return render(request, "archives/loans.html", context)


def give(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Register a consultation or a loan of the file of one case."""
    user = user_of(request)
    rows = PersonnelFile.objects.visible_to(user).select_related(
        "transfer__retiree", "area", "item"
    )
    file = get_object_or_404(rows, transfer=pk)
    refusal = FileLoan.why_not(file, user)
    if not access.scope(user).may_act("insurance", area=file.area_id):
        raise PermissionDenied(refusal)
    if refusal:
        messages.error(request, refusal)
        return redirect("archives:loans")
    form = LoanForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        context = {"form": form, "file": file, "case": file.transfer}
        return render(request, "archives/loan_give.html", context, status=status)
    try:
        FileLoan.give(file, by=user, **form.cleaned_data)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, f"{file.transfer.retiree.name}的档案已登记。")
    return redirect("archives:loans")


@require_POST
def take_back(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The file is back."""
    user = user_of(request)
    with transaction.atomic():
        loan = get_object_or_404(
            FileLoan.objects.visible_to(user).select_for_update(of=("self",)), pk=pk
        )
        try:
            loan.take_back(by=user, note=request.POST.get("note", "").strip()[:120])
        except Refused as reason:
            messages.error(request, str(reason))
        else:
            messages.success(request, "已登记归还。")
    return redirect("archives:loans")
