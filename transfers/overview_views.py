"""总览: one page with charts drawn here, each beside its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from communities.models import Area
from communities.models.funds import areas_of
from transfers import overview
from transfers.deadlines import Clock
from xianning import access
from xianning.access import user_of

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The city, a county or a street of mine: how far, by week, what waits, which desks are slow."""
    mine, today = areas_of(user_of(request)), timezone.localdate()
    place = get_object_or_404(Area, pk=request.GET.get("in", "") or min(mine))
    if not access.inside(place.code, mine) or place.level == Area.Level.COMMUNITY:
        raise Http404
    total, lines = overview.divisions(place)
    clock = Clock(today)
    context = {
        "place": place, "today": today, "total": total, "lines": lines,
        "above": place.parent if place.parent and access.inside(place.parent.code, mine) else None,
        "done": overview.share(total["community"], total["filed"]),
        "tiles": overview.tiles(lines), "trend": overview.trend(place, today),
        "ages": overview.ages(place, today), "age_titles": [words for _days, words in overview.AGES],
        "slow": overview.slow_desks(place, clock), "has_limits": bool(clock.steps),
        "opens": place.level != Area.Level.TOWNSHIP,
    }  # fmt: skip
    return render(request, "transfers/overview.html", context)
