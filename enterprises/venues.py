"""第九条: the enterprise files what it hands over, the community receives or returns it with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Q, Sum, Value
from django.db.models.functions import Coalesce, Substr
from django.utils import timezone

from communities.models import Area
from enterprises.models import Enterprise, Refused, Venue
from xianning import access, audit
from xianning.models import Notice

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from xianning.models import User

State = Venue.State


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_file(entry: Enterprise, user: User) -> str | None:
    """Why USER cannot file a venue of this enterprise."""
    if not access.scope(user).may_act("enterprise", enterprise=entry.pk):
        return f"场所设施由{entry.transferor}登记（第九条）。"
    if entry.confirmed_at is None or entry.removed_on:
        return "企业尚未确认或已移出名单，不能登记移交的场所设施（第六条第1项）。"
    return None


def why_not_change(venue: Venue, user: User) -> str | None:
    """Why USER cannot change or withdraw what he filed."""
    if reason := why_not_file(venue.enterprise, user):
        return reason
    if venue.state in (State.RECEIVED, State.WITHDRAWN):
        return f"此项{venue.get_state_display()}，不能再更改。"
    return None


def why_not_answer(venue: Venue, user: User) -> str | None:
    """Why USER can neither receive nor return it."""
    if not access.scope(user).may_act("community", area=venue.community_id):
        return f"由{venue.community.full_name}接收（第九条）。"
    if venue.state != State.OPEN:
        return f"此项{venue.get_state_display()}，不能重复办理。"
    return None


# --- deeds --------------------------------------------------------------------------------------


@transaction.atomic
def file(entry: Enterprise, facts: dict[str, Any], *, by: User) -> Venue:
    """Announce a venue to the community that is to receive it. Raises Refused."""
    if reason := why_not_file(entry, by):
        raise Refused(reason)
    venue = Venue.objects.create(enterprise=entry, filed_by=by, **facts)
    _tell("community", venue, f"{entry.transferor}移交“{venue}”，请核对后接收或退回（第九条）。")
    _audit("venue_filed", venue, by)
    return venue


@transaction.atomic
def change(venue: Venue, facts: dict[str, Any], *, by: User) -> None:
    """Correct what was filed; what had been returned waits for its community again."""
    venue = _lock(venue)
    if reason := why_not_change(venue, by):
        raise Refused(reason)
    for name, value in facts.items():
        setattr(venue, name, value)
    _set(venue, State.OPEN, "", None)
    _tell(
        "community",
        venue,
        f"{venue.enterprise.transferor}更改了移交的“{venue}”，请核对（第九条）。",
    )
    _audit("venue_changed", venue, by)


@transaction.atomic
def withdraw(venue: Venue, *, by: User, reason: str) -> None:
    """It is not handed over after all."""
    venue = _lock(venue)
    if refusal := why_not_change(venue, by):
        raise Refused(refusal)
    _set(venue, State.WITHDRAWN, reason, None)
    _audit("venue_withdrawn", venue, by)


@transaction.atomic
def answer(venue: Venue, *, by: User, received: bool, note: str) -> None:
    """The community has it, or returns it with the reason."""
    venue = _lock(venue)
    if reason := why_not_answer(venue, by):
        raise Refused(reason)
    if not received and not note.strip():
        raise Refused("退回须写明原因。")
    _set(venue, State.RECEIVED if received else State.RETURNED, note, by)
    word = "已接收" if received else f"退回：{note}"
    Notice.objects.create(
        role="enterprise", enterprise=venue.enterprise,
        text=f"{venue.community.full_name}对“{venue}”{word}"[:300],
    )  # fmt: skip
    _audit("venue_received" if received else "venue_returned", venue, by)


def _lock(venue: Venue) -> Venue:
    rows = Venue.objects.select_for_update(of=("self",))
    return rows.select_related("enterprise", "community").get(pk=venue.pk)


def _set(venue: Venue, state: str, note: str, by: User | None) -> None:
    venue.state, venue.note, venue.answered_by = state, note, by
    venue.answered_on = timezone.localdate() if by else None
    venue.save()


def _tell(role: str, venue: Venue, text: str) -> None:
    Notice.objects.create(role=role, area_id=venue.community_id, text=text[:300])


def _audit(action: str, venue: Venue, by: User) -> None:
    audit.write(action, user=by, object=venue, area=venue.community_id,
                facts={"name": venue.name, "article": "第九条"})  # fmt: skip


# --- figures ------------------------------------------------------------------------------------

SUMS = {
    "count": Count("pk"), "area": Coalesce(Sum("area"), Value(Decimal(0))),
    "value": Coalesce(Sum("value"), Value(Decimal(0))),
    "received": Count("pk", filter=Q(state=State.RECEIVED)),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One division: how many venues, square metres, yuan; how many of them are received."""

    name: str
    count: int
    area: Decimal
    value: Decimal
    received: int


def totals(rows: QuerySet[Venue], digits: int) -> list[Line]:
    """The standing ROWS added up by divisions of so many DIGITS; the sum of all as the last line."""
    standing = rows.exclude(state=State.WITHDRAWN).order_by()
    found = standing.values_list(Substr("community_id", 1, digits)).annotate(**SUMS)
    sums = {code.ljust(12, "0"): figures for code, *figures in found}
    areas = Area.objects.in_bulk(sums)
    lines = [Line(areas[code].full_name, *sums[code]) for code in sorted(sums)]
    everything = [
        sum(getattr(line, name) for line in lines)
        for name in ("count", "area", "value", "received")
    ]
    return [*lines, Line("合计", *everything)] if lines else []
