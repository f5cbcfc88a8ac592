"""统计月报: the figures of a month, what was signed, and the comparison with the month before."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities.models import Area
from transfers import reports
from transfers.models import MonthlyReport
from transfers.models.reports import areas_of
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import StandardField
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from xianning.models import User


class SignForm(forms.Form):
    """Who answers for the figures; why they are signed once more."""

    month = forms.CharField(max_length=7, widget=forms.HiddenInput)
    leader = StandardField(
        label="审批的主管领导", max_length=50, help_text="月报须经主管领导审批并加盖公章"
    )
    reason = StandardField(
        label="更正原因", max_length=200, required=False, help_text="本月已经定稿、确需更正时填写"
    )


def _place(request: HttpRequest, user: User) -> Area:
    """The city or county that `?in=` names, inside mine; else the first of mine."""
    mine = areas_of(user)
    place = get_object_or_404(Area, pk=request.GET.get("in", "") or min(mine))
    if not access.inside(place.code, mine):
        raise Http404
    return place


def _month(text: str) -> date:
    """The month that TEXT (2026-11) names, this month for nothing; 404 for anything else."""
    if not text:
        return timezone.localdate().replace(day=1)
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Http404 from None
    if not reports.FIRST <= month <= timezone.localdate():
        raise Http404
    return month


@require_GET
def months(request: HttpRequest) -> HttpResponse:
    """The figures of one month as they are, and the reports that were signed."""
    place = _place(request, user_of(request))
    return _page(request, place, _month(request.GET.get("month", "")))


def _page(
    request: HttpRequest, place: Area, month: date, status: int = 200, **typed: Any
) -> HttpResponse:
    user = user_of(request)
    content = reports.figures(place, month)
    before = reports.report_before(place, month)
    signs = place.pk in access.scope(user).areas.get("sasac", frozenset())
    signed = MonthlyReport.objects.visible_to(user).filter(area=place).defer("paper", "workbook")
    levels = (Area.Level.CITY, Area.Level.COUNTY)
    places = Area.objects.filter(level__in=levels, closed_on=None).order_by("code")
    mine = areas_of(user)
    context = {
        "place": place, "month": month, "day": date.fromisoformat(content["day"]),
        "tables": reports.tables(content), "before": before,
        "compared": reports.compared(content, before.content if before else None),
        "places": [(a.pk, a.name) for a in places if access.inside(a.code, mine)],
        "months": [(f"{m:%Y-%m}", f"{m.year} 年 {m.month} 月") for m in reports.months()],
        "page": keyset(request, signed.select_related("area", "made_by"), size=12),
        "form": SignForm(initial={"month": f"{month:%Y-%m}"}) if signs else None,
    } | typed  # fmt: skip
    return render(request, "transfers/reports.html", context, status=status)


@require_POST
def sign(request: HttpRequest, pk: str) -> HttpResponse:
    """Keep the figures of a month of my division under a number."""
    user, place = user_of(request), get_object_or_404(Area, pk=pk)
    if not access.inside(place.code, areas_of(user)):
        raise Http404
    if place.pk not in access.scope(user).areas.get("sasac", frozenset()):
        raise PermissionDenied
    month, form = _month(request.POST.get("month", "")), SignForm(request.POST)
    if form.is_valid():
        facts = form.cleaned_data
        try:
            kept = reports.sign(
                place, month, by=user, leader=facts["leader"], reason=facts["reason"]
            )
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"已定稿：{kept}。")
            return redirect(kept)
    return _page(request, place, month, 422, form=form)


@require_GET
def report(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A report that was signed, as page or as the very files that were made then."""
    rows = MonthlyReport.objects.visible_to(user_of(request)).select_related("area", "made_by")
    found = get_object_or_404(rows, pk=pk)
    kind = request.GET.get("format", "")
    if kind == "xlsx":
        return download(bytes(found.workbook), f"{found}.xlsx", XLSX)
    if kind == "pdf":
        return download(bytes(found.paper), f"{found}.pdf", "application/pdf")
    before = reports.report_before(found.area, found.month)
    context = {
        "report": found, "tables": reports.tables(found.content), "before": before,
        "compared": reports.compared(found.content, before.content if before else None),
        "is_current": MonthlyReport.objects.current().filter(pk=found.pk).exists(),
    }  # fmt: skip
    return render(request, "transfers/report.html", context)
