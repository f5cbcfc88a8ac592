"""Exports: one's own with their state, and those that wait for the security administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from xianning import access, accounts
from xianning import exports as giving
from xianning.access import user_of
from xianning.models import Export
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


class AnswerForm(forms.Form):
    """Yes or no, and a sentence that stays with the export."""

    decision = forms.ChoiceField(
        label="核准意见", choices=[("yes", "核准"), ("no", "不予核准")], widget=forms.RadioSelect
    )
    answer = forms.CharField(
        label="说明", min_length=4, max_length=200, help_text="写明核对了什么，或不予核准的原因"
    )


@require_GET
def exports(request: HttpRequest) -> HttpResponse:
    """My exports; for the security administrator those of everybody in his area."""
    user = user_of(request)
    rows = Export.objects.visible_to(user).select_related("owner", "log")
    state = request.GET.get("state", "")
    if state:
        if state not in Export.State.values:
            raise Http404
        rows = rows.filter(state=state)
    context = {
        "page": keyset(request, rows, count=True),
        "states": Export.State.choices,
        "decides": _decides(request),
        "titles": {name: roster.title for name, roster in giving.ROSTERS.items()},
    }
    return render(request, "xianning/exports.html", context)


@require_GET
def export(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One export: what, whose, why, how far; the file for its owner, the decision for the other."""
    return _page(request, _export(request, pk), AnswerForm())


@require_POST
def export_decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Approve or refuse, after a fresh proof of identity."""
    asked = _export(request, pk)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, form, 422)
    if stop := accounts.require_fresh(request):
        return stop
    approve = form.cleaned_data["decision"] == "yes"
    try:
        giving.decide(
            asked, approve=approve, answer=form.cleaned_data["answer"], by=user_of(request)
        )
    except giving.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("export", asked.pk)
    word = "已核准，开始制作" if approve else "不予核准"
    messages.success(request, f"编号 {asked.serial}：{word}。")
    return redirect("exports")


def _export(request: HttpRequest, pk: UUID) -> Export:
    rows = Export.objects.visible_to(user_of(request))
    return get_object_or_404(rows.select_related("owner", "log", "job", "decided_by"), pk=pk)


def _decides(request: HttpRequest) -> bool:
    return "approve_exports" in access.scope(user_of(request)).rights


def _page(request: HttpRequest, found: Export, form: AnswerForm, status: int = 200) -> HttpResponse:
    user = user_of(request)
    waits = found.state == Export.State.ASKED
    context = {
        "export": found,
        "roster": giving.ROSTERS[found.roster],
        "format": giving.FORMATS[found.format],
        "days": giving.in_words(found.filters),
        "places": giving.places_in_words(found.filters),
        "is_mine": found.owner_id == user.pk,
        "job": found.job,
        "form": form if waits and _decides(request) else None,
        "why_not": giving.why_not_decide(found, by=user) if waits else None,
        "why_not_give": giving.why_not_give(found) if waits else None,
        "hours": settings.EXPORT_HOURS,
    }
    return render(request, "xianning/export.html", context, status=status)
