"""The reconciliation on a page: one line a stage, each drop leads to the people in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from communities.models import Area
from enterprises.models import Enterprise
from transfers import waterfall
from transfers.models import Transfer
from transfers.stages import STAGES, Stage
from transfers.waterfall import DIVISIONS
from xianning import access
from xianning.access import user_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

SIZE = 50


@dataclass(frozen=True)
class Bar:
    """One stage: how many reached it, how many of the stage before it did not, and who they are."""

    stage: Stage
    count: int
    missing: int
    url: str
    share: int  # of all cases, in percent

    @property
    def x(self) -> int:
        return self.share * 4


def chosen_day(request: HttpRequest) -> date | None:
    """The past day that `?on=` names; None for now. Anything else is 404."""
    text = request.GET.get("on", "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if not date(2020, 1, 1) <= day <= timezone.localdate():
        raise Http404
    return None if day == timezone.localdate() else day


def narrowed(request: HttpRequest, rows: QuerySet[Transfer]) -> QuerySet[Transfer]:
    """ROWS of the county or community that `?in=` names, and those missing at a stage (`?missing=`)."""
    if code := request.GET.get("in", ""):
        rows = waterfall.inside_area(rows, get_object_or_404(Area, pk=code).pk)
    if key := request.GET.get("missing", ""):
        if key not in STAGES:
            raise Http404
        on = chosen_day(request)
        rows = waterfall.cases_on(rows, on).filter(waterfall.missing(key, on))
    return rows


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The sums of what I may see, of one enterprise, county or community, on any day."""
    user, on = user_of(request), chosen_day(request)
    entry = _entry(request)
    rows = narrowed(request, Transfer.objects.visible_to(user))
    if entry:
        rows = rows.filter(enterprise=entry)
    entries = Enterprise.objects.visible_to(user)
    known = None
    if not request.GET.get("in") and access.scope(user).roles & {
        "sasac",
        "hr",
        "auditor",
        "enterprise",
    }:
        known = waterfall.listed(entries.filter(pk=entry.pk) if entry else entries)
    by = request.GET.get("by", "") or "enterprise"
    if by not in DIVISIONS:
        raise Http404
    beyond = _beyond(request, by)
    found, lines = waterfall.sums(rows, on, DIVISIONS[by][1], beyond=beyond, size=SIZE)
    context = {
        "bars": _bars(request, found), "found": found, "listed": known, "on": on, "entry": entry,
        "unfiled": None if known is None else known - found["filed"],
        "groups": _groups(request, lines, by), "by_title": DIVISIONS[by][0],
        "stages": list(STAGES.values()), "divisions": [(key, t) for key, (t, _) in DIVISIONS.items()],
        "counties": [(a.pk, a.name) for a in Area.objects.filter(level=Area.Level.COUNTY)],
    }  # fmt: skip
    return render(request, "transfers/waterfall.html", context)


def _entry(request: HttpRequest) -> Enterprise | None:
    text = request.GET.get("enterprise", "")
    if not text:
        return None
    try:
        mine = Transfer.objects.visible_to(user_of(request)).filter(enterprise_id=UUID(text))
    except ValueError:
        raise Http404 from None
    if not mine.exists():
        raise Http404
    return Enterprise.objects.get(pk=UUID(text))


def _bars(request: HttpRequest, found: dict[str, int]) -> list[Bar]:
    kept = {name: request.GET[name] for name in ("on", "in", "enterprise") if request.GET.get(name)}
    bars = []
    for key, stage in STAGES.items():
        base = found[stage.of or "filed"]
        url = f"{reverse('transfers:list')}?{urlencode(kept | {'missing': key})}"
        share = round(100 * found[key] / found["filed"]) if found["filed"] else 0
        bars.append(Bar(stage, found[key], base - found[key], url, share))
    return bars


def _beyond(request: HttpRequest, by: str) -> Any:
    """The last line of the page before, as its column holds it; None for the first page."""
    text = request.GET.get("beyond", "")
    if not text or by != "enterprise":
        return text or None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _groups(request: HttpRequest, found: list[dict[str, Any]], by: str) -> dict[str, Any]:
    """The table by enterprise or community, a page of it, with links into each line."""
    column = DIVISIONS[by][1]
    lines, more = found[:SIZE], len(found) > SIZE
    keys = [line[column] for line in lines]
    names: dict[Any, Any] = (
        Enterprise.objects.in_bulk(keys) if by == "enterprise" else Area.objects.in_bulk(keys)
    )
    query = request.GET.copy()
    query.pop("beyond", None)
    out = []
    for line in lines:
        own = query.copy()
        own["enterprise" if by == "enterprise" else "in"] = str(line[column])
        thing = names[line[column]]
        out.append({
            "name": thing.name if by == "enterprise" else thing.full_name,
            "url": f"?{own.urlencode()}",
            "cells": [(stage.title, line[key]) for key, stage in STAGES.items()],
            "filed": line["filed"],
        })  # fmt: skip
    query["beyond"] = str(keys[-1]) if keys else ""
    return {"lines": out, "next": f"?{query.urlencode()}" if more else ""}
