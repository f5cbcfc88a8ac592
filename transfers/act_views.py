"""Acting on a case: one view for all steps, its return, its withdrawal, and many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from transfers import casefile, workflow
from transfers.forms import EndForm, ReasonForm, StepForm
from transfers.models import Transfer, TransferStep
from transfers.workflow import STEPS, Step
from xianning.access import user_of

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpRequest

BULK_LIMIT = 200


def _fetch(request: HttpRequest, pk: UUID, key: str) -> tuple[Transfer, TransferStep, Step]:
    """The case (404 outside my scope) and its step (403 when the desk is not mine)."""
    case = get_object_or_404(
        Transfer.objects.visible_to(user_of(request)).select_related(
            "retiree", "enterprise", "community", "archive_area", "party_area", "authority"
        ),
        pk=pk,
    )
    row = workflow.rows_of(case)[key]
    if not workflow.is_mine(row, user_of(request)):
        step = STEPS[key]
        raise PermissionDenied(
            f"“{step.title}”由{workflow.desk_name(row, case)}办理（{step.article}）。"
        )
    return case, row, STEPS[key]


def _page(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"transfers/{template}.html", context, status=status)


def act(request: HttpRequest, pk: UUID, key: str) -> HttpResponse:
    """Fill in, check the answers, then do it: nothing is final before the second button."""
    case, row, step = _fetch(request, pk, key)
    reason = workflow.why_not(case, row, user_of(request))
    if step.form is None or reason:
        messages.error(request, reason or "此步骤随企业名单登记，不在案卷中办理。")
        return redirect(case)
    form = step.form(
        request.POST or None, request.FILES or None, transfer=case, by=user_of(request)
    )
    context: dict[str, Any] = {
        "case": case, "step": step, "row": row, "form": form,
        "returned_why": casefile.why_returned(case, row),
    }  # fmt: skip
    if request.method != "POST":
        return _page(request, "act", **context)
    if not form.is_valid():
        return _page(request, "act", 422, **context)
    if "confirmed" not in request.POST:
        if "change" in request.POST:
            return _page(request, "act", **context)
        return _page(request, "act_check", **context, hidden=hidden_answers(form))
    return _done(request, case, step, form)


def hidden_answers(form: forms.Form) -> list[tuple[str, str]]:
    """What was typed, to be sent again with the final button."""
    return [
        (form.add_prefix(name), value)
        for name in form.fields
        for value in form.data.getlist(form.add_prefix(name))  # type: ignore[attr-defined]
    ]


def _done(request: HttpRequest, case: Transfer, step: Step, form: StepForm) -> HttpResponse:
    try:
        workflow.complete(case, step.key, by=user_of(request), **form.cleaned_data)
    except workflow.Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, f"{case.retiree.name}：“{step.title}”已办理。")
    return redirect(case)


def _reasoned(
    request: HttpRequest, case: Transfer, form: Any, refusal: str | None, deed: Any, **words: Any
) -> HttpResponse:
    """The page of an act that needs a reason: refused, asked, or done."""
    if refusal:
        messages.error(request, refusal)
        return redirect(case)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return _page(request, "reason", status, case=case, form=form, **words)
    try:
        deed(**form.cleaned_data)
    except workflow.Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, words["success"])
    return redirect(case)


def send_back(request: HttpRequest, pk: UUID, key: str) -> HttpResponse:
    """Return the case to the office before this step."""
    case, row, step = _fetch(request, pk, key)
    refusal = workflow.why_not_send_back(case, row, user_of(request), "other", "-")
    target = STEPS.get(step.returns_to)
    return _reasoned(
        request, case, ReasonForm(request.POST or None), refusal,
        lambda **why: workflow.send_back(case, key, by=user_of(request), **why),
        title=f"退回：{step.title}", step=step, button="退回",
        lead=f"退回到“{target.title}”，由对方改正后重新办理。" if target else "",
        success=f"{case.retiree.name}：“{step.title}”已退回。",
    )  # fmt: skip


def withdraw(request: HttpRequest, pk: UUID, key: str) -> HttpResponse:
    """Take my own completed act back."""
    case, _row, step = _fetch(request, pk, key)
    refusal = workflow.why_not_withdraw(case, workflow.rows_of(case), key, user_of(request))
    return _reasoned(
        request, case, ReasonForm(request.POST or None), refusal,
        lambda **why: workflow.withdraw(case, key, by=user_of(request), **why),
        title=f"撤回：{step.title}", step=step, button="撤回",
        lead="撤回后此步骤重新待办；原记录保留在办理过程中。",
        success=f"{case.retiree.name}：“{step.title}”已撤回。",
    )  # fmt: skip


def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End a case without a handover."""
    case, _row, step = _fetch(request, pk, workflow.DECLARE)
    refusal = workflow.why_not_end(case, workflow.rows_of(case), user_of(request))
    return _reasoned(
        request, case, EndForm(request.POST or None), refusal,
        lambda **why: workflow.end(case, by=user_of(request), **why),
        title="终止案卷", step=step, button="终止案卷",
        lead="终止后不能恢复；如需移交，须重新申报。",
        success=f"{case.retiree.name}：案卷已终止。",
    )  # fmt: skip


@require_POST
def bulk(request: HttpRequest, key: str) -> HttpResponse:
    """One set of answers for the ticked cases: ask, check, then each case by itself."""
    step = STEPS[key]
    if step.form is None or not step.bulk:
        raise PermissionDenied(f"“{step.title}”须逐人办理。")
    rows = list(
        workflow.waiting(user_of(request), key)
        .filter(transfer_id__in=_ticked(request))
        .select_related("transfer__retiree", "transfer__enterprise", "transfer__community")
    )
    if not rows:
        messages.error(request, "没有选中待办的人，或所选的人已由他人办理。")
        return redirect(f"{reverse('transfers:list')}?waiting={key}")
    cases = [row.transfer for row in rows]
    asked = "answered" in request.POST
    form = step.form(request.POST if asked else None, transfer=cases[0], by=user_of(request))
    queue_url = f"{reverse('transfers:list')}?waiting={key}"
    context: dict[str, Any] = {"step": step, "cases": cases, "form": form, "queue_url": queue_url}
    if not asked or "change" in request.POST:
        return _page(request, "bulk", **context)
    if not form.is_valid():
        return _page(request, "bulk", 422, **context)
    if "confirmed" not in request.POST:
        return _page(request, "bulk_check", **context, hidden=hidden_answers(form))
    _do_all(request, step, cases, form.cleaned_data)
    return redirect(f"{reverse('transfers:list')}?waiting={key}")


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("case")][:BULK_LIMIT]
    except ValueError:
        return []


def _do_all(
    request: HttpRequest, step: Step, cases: list[Transfer], answers: dict[str, Any]
) -> None:
    refused = []
    for case in cases:
        try:
            workflow.complete(case, step.key, by=user_of(request), **answers)
        except workflow.Refused as reason:
            refused.append(f"{case.retiree.name}：{reason}")
    messages.success(request, f"“{step.title}”已办理 {len(cases) - len(refused)} 人。")
    for sentence in refused[:20]:
        messages.error(request, sentence)
