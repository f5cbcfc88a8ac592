"""The editions of the list: what is published, what is not yet, and the list of any day."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities.models import Area
from enterprises import editions
from enterprises.models import Edition, Refused
from transfers.models import Transfer
from transfers.waterfall_views import chosen_day
from xianning import access
from xianning.access import user_of
from xianning.context import capped
from xianning.downloads import download
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User


def _authorities(user: User) -> list[Area]:
    """Cities and counties whose lists USER may see, his own first."""
    held = access.scope(user).areas
    mine = [code for role in ("sasac", "hr", "auditor") for code in held.get(role, ())]
    areas = Area.objects.filter(
        access.within("code", mine), level__in=(Area.Level.CITY, Area.Level.COUNTY)
    )
    return list(areas.order_by("code"))


@require_GET
def edition_list(request: HttpRequest) -> HttpResponse:
    """One authority: its editions, what is not published yet, or the list of a past day."""
    user, areas = user_of(request), _authorities(user_of(request))
    code = request.GET.get("authority", "") or areas[0].pk
    authority = next((area for area in areas if area.pk == code), None)
    if authority is None:
        raise Http404
    on = chosen_day(request)
    rows = Edition.objects.visible_to(user).filter(authority=authority)
    last = Edition.objects.in_force(authority.pk, timezone.now())
    context = {
        "authority": authority, "authorities": [(a.pk, a.name) for a in areas], "on": on,
        "page": keyset(request, rows.select_related("published_by", "acknowledged_by", "authority")),
        "last": last, "may_publish": editions.why_not_publish(authority, user) is None,
    }  # fmt: skip
    if on:
        context["entries"] = editions.rows_on(authority, on)
        context["in_force"] = Edition.objects.in_force(authority.pk, _end(on))
    else:
        context["changes"] = [(each, _stranded(each)) for each in editions.since(authority, last)]
    return render(request, "enterprises/editions.html", context)


def _end(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.max))


def _stranded(change: editions.Difference) -> str:
    """How many open cases lose the ground of their enterprise's removal; nothing for other changes."""
    if change.kind != editions.REMOVED:
        return ""
    rows = Transfer.objects.filter(enterprise=change.enterprise, state=Transfer.State.OPEN)
    return capped(rows)


@require_POST
def publish(request: HttpRequest, pk: str) -> HttpResponse:
    """Publish the list of my authority as it stands."""
    user, authority = user_of(request), get_object_or_404(Area, pk=pk)
    if authority not in _authorities(user):
        raise Http404
    if reason := editions.why_not_publish(authority, user):
        raise PermissionDenied(reason)
    try:
        edition = editions.publish(authority, by=user, note=request.POST.get("note", ""))
    except Refused as reason:
        messages.error(request, str(reason))
        return redirect(f"{reverse('enterprises:editions')}?authority={authority.pk}")
    messages.success(request, f"{edition}已发布，并已通知同级人社部门签收。")
    return redirect(edition)


def _fetch(request: HttpRequest, pk: UUID) -> Edition:
    rows = Edition.objects.visible_to(user_of(request))
    rows = rows.select_related("authority", "published_by", "acknowledged_by")
    return get_object_or_404(rows, pk=pk)


@require_GET
def edition(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One edition, as page or paper."""
    found = _fetch(request, pk)
    if request.GET.get("format") == "pdf":
        return download(editions.to_pdf(found), f"{found}.pdf", "application/pdf")
    context = {
        "edition": found, "entries": list(found.entries.all()),
        "may_acknowledge": editions.why_not_acknowledge(found, user_of(request)) is None,
    }  # fmt: skip
    return render(request, "enterprises/edition.html", context)


@require_POST
def acknowledge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """HR of the same level has taken note."""
    found, user = _fetch(request, pk), user_of(request)
    if not access.scope(user).may_act("hr", area=found.authority_id):
        raise PermissionDenied(editions.why_not_acknowledge(found, user))
    try:
        editions.acknowledge(found, by=user)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "已签收。")
    return redirect(found)
