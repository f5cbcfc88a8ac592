"""Keyset pages: any depth costs the same, and nothing is counted beyond a cap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q
from django.http import Http404

from xianning.context import capped

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

SIZE = 50


@dataclass(frozen=True)
class Page:
    """Rows of one page and the links to its neighbours."""

    rows: list[Any]
    previous_url: str
    next_url: str
    count_text: str = ""


def keyset(
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    size: int = SIZE,
    count: bool = False,
    by_time: str = "",
    key: str = "pk",
) -> Page:
    """The page of ROWS that `?after=` or `?before=` names.

    Ordered by descending KEY (ids are ordered by time), or, with BY_TIME, by that column and KEY
    ascending: the oldest first. Unreadable cursors are 404.
    """
    order = [by_time, key] if by_time else [f"-{key}"]
    after, before = _cursor(request, "after", by_time), _cursor(request, "before", by_time)
    if before:
        back = [name.removeprefix("-") if name[0] == "-" else f"-{name}" for name in order]
        found = list(rows.filter(_beyond(back, before)).order_by(*back)[: size + 1])
        more_before, more_after, found = len(found) > size, True, found[:size][::-1]
    else:
        later = rows.filter(_beyond(order, after)) if after else rows
        found = list(later.order_by(*order)[: size + 1])
        more_before, more_after, found = after is not None, len(found) > size, found[:size]
    return Page(
        rows=found,
        previous_url=_link(request, "before", found[0], order) if found and more_before else "",
        next_url=_link(request, "after", found[-1], order) if found and more_after else "",
        count_text=capped(rows) if count else "",
    )


def _beyond(order: list[str], values: list[Any]) -> Q:
    """Rows that come after VALUES in ORDER."""
    first, *rest = order
    name, verb = first.removeprefix("-"), "lt" if first[0] == "-" else "gt"
    beyond = Q(**{f"{name}__{verb}": values[0]})
    if not rest:
        return beyond
    # The redundant bound lets the database enter the index at the right place.
    return Q(**{f"{name}__{verb}e": values[0]}) & (
        beyond | (Q(**{name: values[0]}) & _beyond(rest, values[1:]))
    )


def _cursor(request: HttpRequest, name: str, by_time: str) -> list[Any] | None:
    text = request.GET.get(name)
    if not text:
        return None
    try:
        *times, pk = text.split("~")
        if len(times) != bool(by_time):
            raise ValueError
        return [*(datetime.fromisoformat(time) for time in times), UUID(pk)]
    except ValueError:
        raise Http404 from None


def _link(request: HttpRequest, name: str, row: Any, order: list[str]) -> str:
    values = [getattr(row, column.removeprefix("-")) for column in order]
    query = request.GET.copy()
    for other in ("after", "before"):
        query.pop(other, None)
    query[name] = "~".join(v.isoformat() if isinstance(v, datetime) else str(v) for v in values)
    return f"?{query.urlencode()}"
