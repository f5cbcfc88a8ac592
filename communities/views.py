"""Divisions for administrators, choices for address fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from communities.directory import Directory
from communities.forms import AreaForm
from communities.models import Area
from transfers.casefile import Change, Entry
from xianning import access, standards
from xianning.access import user_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


FOUND_LIMIT = 100


# --- divisions ----------------------------------------------------------------------------------


@require_GET
def areas(request: HttpRequest) -> HttpResponse:
    """Divisions: county, township, community, one level at a time; or what a search finds."""
    mine = Area.objects.visible_to(user_of(request))
    under = _under(request, mine)
    words = standards.fold(request.GET.get("q", ""))[:80]
    receives = request.GET.get("receives", "")
    if words or receives:
        rows = _search(mine.filter(access.within("code", [under.pk])), words, receives)
    else:
        rows = mine.filter(parent=under)
    rows = rows.select_related("successor").order_by("code")
    context = {
        "under": under,
        "above": _above(under, mine),
        "rows": rows.annotate(below=Count("children"))[:FOUND_LIMIT],
        "total": rows.count(),
        "limit": FOUND_LIMIT,
        "choices": [("yes", "接收"), ("no", "不接收")],
    }
    return render(request, "communities/areas.html", context)


def _under(request: HttpRequest, mine: QuerySet[Area]) -> Area:
    """The division whose parts are listed: the one asked for, or the highest of mine."""
    if code := request.GET.get("under"):
        return get_object_or_404(mine, pk=code)
    highest = mine.order_by("code").first()
    if highest is None:
        raise Http404
    return highest


def _search(rows: QuerySet[Area], words: str, receives: str) -> QuerySet[Area]:
    for word in words.split():
        rows = rows.filter(Q(full_name__icontains=word) | Q(code__startswith=word))
    if receives:
        rows = rows.filter(level=Area.Level.COMMUNITY, receives=receives == "yes")
    return rows


def _above(area: Area, mine: QuerySet[Area]) -> list[Area]:
    """The divisions of mine in which AREA lies, the largest first."""
    return list(mine.filter(pk__in=access.ancestors_of(area.pk)).order_by("code"))


def area_edit(request: HttpRequest, pk: str) -> HttpResponse:
    """Rename, close or merge a division."""
    mine = Area.objects.visible_to(user_of(request))
    area = get_object_or_404(mine.select_related("parent", "successor"), pk=pk)
    form = AreaForm(request.POST or None, instance=area)
    status = 200
    if request.method == "POST":
        if form.is_valid():
            form.save()
            messages.success(request, f"{area.full_name}已更改。")
            return redirect(f"{reverse('communities:areas')}?under={area.parent_id or area.pk}")
        status = 422
        area = mine.get(pk=pk)
    context = {
        "area": area,
        "above": _above(area, mine)[:-1],
        "form": form,
        "timeline": _timeline(area),
        "back_url": f"{reverse('communities:areas')}?under={area.parent_id or area.pk}",
    }
    return render(request, "communities/area_edit.html", context, status=status)


_WATCHED = {
    "name": "名称",
    "receives": "接收退休人员",
    "closed_on": "撤销日期",
    "successor": "并入",
}


def _timeline(area: Area) -> list[Entry]:
    """What a division was called, and what became of it, the newest first."""
    rows = list(
        area.history.select_related("history_user", "successor").order_by("-history_id")[:50]
    )
    return [
        Entry(
            row.history_date, str(row.history_user or ""), "", row.history_change_reason or "更改",
            changes=_changes(row, before) if before else [],
        )
        for row, before in zip(rows, [*rows[1:], None], strict=True)
    ]  # fmt: skip


def _changes(row: Any, before: Any) -> list[Change]:
    return [
        Change(label, _words(before, name), _words(row, name))
        for name, label in _WATCHED.items()
        if getattr(row, name) != getattr(before, name)
    ]


def _words(row: Any, name: str) -> str:
    value = getattr(row, name)
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(getattr(value, "full_name", value) or "无")


@require_GET
def area_choices(request: HttpRequest) -> HttpResponse:
    """`<option>`s of divisions that match what stands in an AreaField.

    `?q=` or the parameter that `?field=` names is what was typed; `?level=` (several joined by
    `|`) and `?receiving=1` narrow the choice.
    """
    asked = request.GET
    words = asked.get("q") or asked.get(asked.get("field", ""), "")
    found = (
        Directory().search(
            words[:80], level=asked.get("level", ""), receiving=asked.get("receiving") == "1"
        )
        if words.strip()
        else []
    )
    return render(request, "communities/_options.html", {"areas": found})
