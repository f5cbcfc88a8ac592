"""The page of one check-in day, and its print."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities import day as days
from transfers.waterfall_views import chosen_day
from xianning import access
from xianning.access import user_of
from xianning.context import capped
from xianning.downloads import download
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest

SHOWN = [("came", "已来报到"), ("announced", "已通知，没有来"), ("awaited", "没有来（全部）")]


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Who came on a day, or who did not; the newest first."""
    user, day = user_of(request), chosen_day(request) or timezone.localdate()
    show = request.GET.get("show", "")
    if show not in {"", *dict(SHOWN)}:
        raise Http404
    came, awaited = days.came(user, day), days.awaited(user, day)
    announced = days.announced(awaited)
    rows = {"announced": announced, "awaited": awaited}.get(show, came)
    today = timezone.localdate()
    context = {
        "day": day, "today": today, "show": show or "came", "page": keyset(request, rows),
        "counts": [
            (word, capped(found), f"?show={key}&on={day}")
            for (key, word), found in zip(SHOWN, (came, announced, awaited), strict=True)
        ],
        "before": day - timedelta(days=1), "after": day + timedelta(days=1) if day < today else None,
    }  # fmt: skip
    return render(request, "communities/day.html", context)


@require_POST
def paper(request: HttpRequest) -> HttpResponse:
    """The list of a day as PDF."""
    user, day = user_of(request), _day(request)
    try:
        made = days.paper(user, day, address=access.client_address(request))
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect(f"{reverse('communities:day')}?on={day}")
    return download(made, f"{days.TITLE}{day}.pdf", "application/pdf")


def _day(request: HttpRequest) -> date:
    """The day of the page from which the print was asked; anything else is 404."""
    try:
        day = date.fromisoformat(request.POST.get("on", ""))
    except ValueError:
        raise Http404 from None
    if day > timezone.localdate():
        raise Http404
    return day
