"""介绍信 after they were issued: where each stands, its receipt, a new one for an expired one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from party import letters as deeds
from party.forms import ReceiptForm, ReissueForm
from party.models import POCKET, PartyMove, Stage
from transfers.refusal import Refused
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django import forms
    from django.http import HttpRequest

STAGES = [*Stage.choices, (POCKET, "口袋党员（未见回执）")]


@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    """The letters of my office, the newest first; `?stage=` narrows them."""
    stage = request.GET.get("stage", "")
    if stage and stage not in dict(STAGES):
        raise Http404
    rows = PartyMove.objects.visible_to(user_of(request)).in_life(stage)
    context = {
        "page": keyset(request, rows.select_related("transfer__retiree"), count=True),
        "stages": STAGES,
    }
    return render(request, "party/letters.html", context)


def _fetch(request: HttpRequest, pk: UUID) -> PartyMove:
    rows = PartyMove.objects.visible_to(user_of(request)).select_related(
        "transfer__retiree", "transfer__enterprise", "issuer__parent", "receiver"
    )
    return get_object_or_404(rows, pk=pk)


@require_safe
def letter(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One letter: its dates, who answers for the member, what can be done."""
    found, user = _fetch(request, pk), user_of(request)
    context = {
        "letter": found,
        "may_receipt": deeds.may_enter_receipt(found, user) and not found.why_not_receipt(),
        "may_reissue": deeds.may_reissue(found, user) and not found.why_not_reissue(),
        "entries": found.history.select_related("history_user").order_by("-history_id")[:20],
    }
    return render(request, "party/letter.html", context)


def letter_receipt(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Enter the receipt by hand."""
    found, user = _fetch(request, pk), user_of(request)
    if not deeds.may_enter_receipt(found, user):
        whose = found.to_organization if found.receiver_id else found.from_committee
        raise PermissionDenied(f"此介绍信的回执由{whose}登记（第六条第6项）。")
    if reason := found.why_not_receipt():
        messages.error(request, reason)
        return redirect("party:letter", pk)
    form = ReceiptForm(request.POST or None, letter=found)
    if request.method == "POST" and form.is_valid():
        try:
            deeds.receipt(found, by=user, **form.facts)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{found.number}的回执已登记，转接办结。")
        return redirect("party:letter", pk)
    return _form(request, found, form, "登记回执", "接收后一个月内寄回。")


def letter_reissue(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Issue an expired letter again; the old number is void."""
    found, user = _fetch(request, pk), user_of(request)
    if reason := found.why_not_reissue():
        messages.error(request, reason)
        return redirect("party:letter", pk)
    form = ReissueForm(request.POST or None, initial={"dues_until": found.dues_until})
    if request.method == "POST" and form.is_valid():
        try:
            new = deeds.reissue(found, by=user, **form.cleaned_data)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("party:letter", pk)
        messages.success(request, f"已重新开具{new.number}；{found.number}作废。")
        return redirect("party:letter", new.pk)
    return _form(request, found, form, "重新开具", f"{found.number}将作废，原编号不再使用。")


def _form(
    request: HttpRequest, found: PartyMove, form: forms.Form, title: str, lead: str
) -> HttpResponse:
    context = {"letter": found, "form": form, "heading": title, "lead": lead}
    status = 422 if request.method == "POST" else 200
    return render(request, "party/letter_form.html", context, status=status)
