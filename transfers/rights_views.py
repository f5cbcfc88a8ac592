"""The person's rights: told, agreed, asked for a copy, a correction or erasure (第十一条)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from transfers import subject
from transfers.models import Consent, RightsRequest, Transfer
from xianning import access, accounts
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import DayField
from xianning.models import AccessLog
from xianning.pages import keyset

if TYPE_CHECKING:
    from datetime import date

    from django.http import HttpRequest


class RequestForm(forms.ModelForm):
    """Who asks for what, since when."""

    asked_on = DayField(label="申请日期", initial=timezone.localdate)

    class Meta:
        model = RightsRequest
        fields = ("kind", "applicant", "applicant_name", "asked_on", "text")
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}

    def clean_asked_on(self) -> date:
        day: date = self.cleaned_data["asked_on"]
        if day > timezone.localdate():
            raise ValidationError("申请日期不能晚于今天。")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        other = data.get("applicant") in (
            RightsRequest.Applicant.AGENT, RightsRequest.Applicant.FAMILY,
        )  # fmt: skip
        if other and not data.get("applicant_name"):
            self.add_error(
                "applicant_name", "代理人或近亲属申请的，请填写申请人姓名，并核对身份和关系证明。"
            )
        return data


class AnswerForm(forms.Form):
    """Done or not, and the sentence the applicant gets (拒绝须说明理由)."""

    state = forms.ChoiceField(
        label="答复结果", choices=[("done", "已办理"), ("refused", "不予办理")],
        widget=forms.RadioSelect,
    )  # fmt: skip
    answer = forms.CharField(
        label="答复内容", min_length=4, max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )


def _case(request: HttpRequest, pk: UUID) -> Transfer:
    rows = Transfer.objects.visible_to(user_of(request)).select_related("retiree", "enterprise")
    return get_object_or_404(rows, pk=pk)


@require_GET
def request_list(request: HttpRequest) -> HttpResponse:
    """Requests about my cases; those without an answer when asked for."""
    rows = RightsRequest.objects.visible_to(user_of(request)).select_related("transfer__retiree")
    state = request.GET.get("state", "")
    if state:
        if state not in RightsRequest.State.values:
            raise Http404
        rows = rows.filter(state=state)
    context = {"page": keyset(request, rows, count=True), "states": RightsRequest.State.choices}
    return render(request, "transfers/rights_list.html", context)


def rights(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What this person was told, agreed to and asked for; record a new request."""
    case = _case(request, pk)
    form = RequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = form.save(commit=False)
        asked.transfer, asked.recorded_by = case, user_of(request)
        asked.save()
        messages.success(request, "申请已受理，请在三十日内答复。")
        return redirect("transfers:rights_answer", asked.pk)
    context = {
        "case": case, "form": form,
        "consents": case.consents.select_related("recorded_by"),
        "asked": case.rights_requests.select_related("answered_by"),
        "tombstone": getattr(case, "tombstone", None),
    }  # fmt: skip
    status = 422 if request.method == "POST" else 200
    return render(request, "transfers/rights.html", context, status=status)


def rights_answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request: what was asked, and the answer."""
    user = user_of(request)
    rows = RightsRequest.objects.visible_to(user).select_related("transfer__retiree")
    asked = get_object_or_404(rows, pk=pk)
    shown = request.method == "POST" and "open" in request.POST
    if shown:
        AccessLog.write(
            user, AccessLog.Kind.REVEAL, "个人信息权利申请内容", transfer=asked.transfer,
            reason="办理申请", address=access.client_address(request),
        )  # fmt: skip
    form = AnswerForm(None if shown else request.POST or None)
    erases = asked.kind == RightsRequest.Kind.ERASE
    if request.method == "POST" and not shown:
        if erases and not _may_erase(request, asked):
            raise PermissionDenied("删除由主管层级的人社部门核准。")
        if form.is_valid():
            if erases and (stop := accounts.require_fresh(request)):
                return stop
            return _answered(request, asked, form)
    context = {
        "case": asked.transfer, "asked": asked, "form": form, "erases": erases, "shown": shown,
        "may": not erases or _may_erase(request, asked),
        "why_not": subject.why_not_erase(asked.transfer) if erases else None,
    }  # fmt: skip
    status = 422 if form.is_bound else 200
    return render(request, "transfers/rights_answer.html", context, status=status)


def _may_erase(request: HttpRequest, asked: RightsRequest) -> bool:
    """HR of the level that verified the treatment decides, never who recorded the request."""
    mine = access.scope(user_of(request))
    return mine.may_act("hr", area=asked.transfer.authority_id) and (
        asked.recorded_by_id != user_of(request).pk
    )


def _answered(request: HttpRequest, asked: RightsRequest, form: AnswerForm) -> HttpResponse:
    data = form.cleaned_data
    try:
        subject.answer(asked, state=data["state"], text=data["answer"], by=user_of(request))
    except subject.NotErasable as refusal:
        messages.error(request, str(refusal))
        return redirect("transfers:rights_answer", asked.pk)
    messages.success(request, "已答复。")
    return redirect("transfers:rights", asked.transfer_id)


@require_POST
def rights_copy(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everything about the person as a workbook for him, against a request that stands open."""
    case = _case(request, pk)
    # Only the office to which the person came: a request does not open his data to the others.
    mine = case.rights_requests.open().filter(
        kind=RightsRequest.Kind.COPY, recorded_by__offices__in=user_of(request).offices.all()
    )
    asked = mine.first()
    if asked is None:
        raise PermissionDenied("请先由本机构登记本人或近亲属的查阅、复制申请。")
    if stop := accounts.require_fresh(request):
        return stop
    AccessLog.write(
        user_of(request), AccessLog.Kind.EXPORT, "个人信息副本（全部）", transfer=case,
        reason=f"{asked.get_kind_display()}申请，{asked.get_applicant_display()}",
        address=access.client_address(request),
    )  # fmt: skip
    return download(subject.copy_of(case.retiree), f"个人信息副本-{case.number}.xlsx", XLSX)


@require_POST
def consent_withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The person takes his consent back (第十五条): what was done before stays lawful."""
    rows = Consent.objects.visible_to(user_of(request)).standing()
    given = get_object_or_404(rows.filter(kind=Consent.Kind.AGREED), pk=pk)
    given.withdrawn_on = timezone.localdate()
    given.save()
    messages.success(request, "已登记撤回单独同意；撤回前的处理不受影响。")
    return redirect("transfers:rights", given.transfer_id)
