"""After the acceptance: the member comes into a branch, and organisation life is on record.

第六条第6项: 街道社区党组织要及时将移交的退休党员纳入基层党组织和组织开展党员生活.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from party.models import PartyAttendance, PartyMeeting, PartyMember, PartyMove, PartyOrganization
from transfers.refusal import Refused
from xianning import access, audit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User

DUES_EDGE, DUES_LOW, DUES_HIGH = Decimal(5000), Decimal("0.005"), Decimal("0.01")


def dues(base: Decimal) -> Decimal:
    """Yuan a month of a retired member whose basic pension is BASE yuan: 0.5 %, above 5,000 1 %."""
    rate = DUES_LOW if base <= DUES_EDGE else DUES_HIGH
    return (base * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_take(move: PartyMove, user: User) -> str | None:
    """Why USER cannot take the member of this letter into a branch."""
    if not access.scope(user).may_act("party", area=move.transfer.party_area_id):
        return "由长期居住地街道、社区党组织纳入（第六条第6项）。"
    if move.voided_at or not move.accepted_on or move.receiver_id is None:
        return "组织关系还没有在本地接收，不能纳入支部。"
    if move.taken_on:
        return f"已于 {move.taken_on:%Y-%m-%d} 纳入支部，不用再办。"
    return None


def why_not_in(branch: PartyOrganization, user: User) -> str | None:
    """Why nothing can be kept of members in this organisation by USER."""
    held = access.scope(user).areas.get("party", frozenset())
    if branch.area_id is None or not access.inside(branch.area_id, held):
        return "只能纳入本街道、社区的党组织。"
    if branch.closed_on:
        return f"{branch.name}已于 {branch.closed_on:%Y-%m-%d} 撤销。"
    return None


# --- deeds --------------------------------------------------------------------------------------


@transaction.atomic
def take(move: PartyMove, branch: PartyOrganization, *, by: User, since: date) -> PartyMember:
    """The member belongs to BRANCH from SINCE; dues as the letter tells. Raises Refused."""
    rows = PartyMove.objects.select_for_update(of=("self",)).select_related("transfer")
    move = rows.get(pk=move.pk)
    if reason := why_not_take(move, by) or why_not_in(branch, by):
        raise Refused(reason)
    if move.accepted_on and since < move.accepted_on:
        raise Refused(f"纳入日期不能早于接收日期 {move.accepted_on:%Y-%m-%d}。")
    facts = {"branch": branch, "since": since, "active_on": since, "left_on": None,
             "left_why": "", "dues_until": move.dues_until,
             "dues_standard": move.dues_standard}  # fmt: skip
    member = PartyMember.objects.filter(transfer=move.transfer).first()
    member = member or PartyMember(transfer=move.transfer)
    for name, value in facts.items():
        setattr(member, name, value)
    member.save()
    move.taken_on = since
    move.save()
    _audit("member_taken", member, by)
    return member


def hand_on(case: Transfer) -> None:
    """The Party relation goes to another place with its holder: a branch there takes him in anew."""
    today = timezone.localdate()
    for member in PartyMember.objects.filter(transfer=case, left_on=None):
        member.left_on, member.left_why = today, "居住地变更，组织关系转出"
        member.save()
    for move in PartyMove.objects.filter(transfer=case, voided_at=None, taken_on__isnull=False):
        move.taken_on = None
        move.save()


@transaction.atomic
def change(member: PartyMember, facts: dict[str, Any], *, by: User) -> None:
    """Posts, dues, difficulties, another branch, or that he left. Raises Refused."""
    member = PartyMember.objects.select_for_update(of=("self",)).get(pk=member.pk)
    if reason := why_not_in(facts["branch"], by):
        raise Refused(reason)
    for name, value in facts.items():
        setattr(member, name, value)
    member.save()
    _audit("member_changed", member, by)


@transaction.atomic
def record(meeting: PartyMeeting, came: Iterable[PartyMember], *, by: User) -> PartyMeeting:
    """Write MEETING (new or changed) with those who CAME. Raises Refused."""
    if reason := why_not_in(meeting.branch, by):
        raise Refused(reason)
    if meeting.held_on > timezone.localdate():
        raise Refused("组织生活的日期不能晚于今天。")
    if meeting._state.adding:
        meeting.recorded_by = by
    try:
        with transaction.atomic():
            meeting.save()
    except IntegrityError:
        raise Refused("这一次组织生活已经登记，请在原登记上更改。") from None
    before = {row.member_id: row for row in meeting.attendances.all()}
    now = {member.pk for member in came}
    for pk in before.keys() - now:
        before[pk].delete()
    for pk in now - before.keys():
        PartyAttendance.objects.create(meeting=meeting, member_id=pk)
    _follow(before.keys() | now)
    audit.write("meeting_recorded", user=by, object=meeting, area=meeting.branch.area_id,
                facts={"kind": meeting.kind, "count": len(now), "article": "第六条第6项"})  # fmt: skip
    return meeting


def _follow(members: Iterable[Any]) -> None:
    """Keep `active_on`: the last meeting attended, and not before the day of joining."""
    rows = PartyMember.objects.select_for_update(of=("self",)).filter(pk__in=members)
    for member in rows.order_by("pk"):
        last = (
            PartyAttendance.objects.filter(member=member)
            .order_by("-meeting__held_on")
            .values_list("meeting__held_on", flat=True)
            .first()
        )
        member.active_on = max(member.since, last) if last else member.since
        member.save(update_fields=["active_on"])


def _audit(action: str, member: PartyMember, by: User) -> None:
    audit.write(action, user=by, object=member, area=member.branch.area_id,
                facts={"article": "第六条第6项"})  # fmt: skip
