"""第十条: report an event, answer it, correct it. What it does to the ledger is done with it.

Both receivers are those of the county in which the community lies (第五条: 属地人社、医保); the clock
runs until both have answered. The number of days is the red line of the regulation on social
insurance, and no office here may set more.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from communities.models import Area, EventReceipt, LifeEvent, Management, Reception, Rehandover
from communities.models.events import RECEIVERS, RED_LINE
from transfers.models import Transfer
from transfers.refusal import Refused
from xianning import access, audit, jobs
from xianning.models import Notice, Office
from xianning.roles import ROLES
from xianning.workdays import Calendar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xianning.models import User

Kind = LifeEvent.Kind
ALLOWANCE = (
    "请告知家属：可凭死亡证明到社会保险经办机构申领丧葬补助金和抚恤金；养老金自死亡次月起停发。"
)
NOT_CHECKED_IN = "此人还没有在社区报到，不能上报状态变动（第十条）。"
# Kinds after which the community keeps nobody under its management.
CLOSES = frozenset({Kind.DIED})


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_report(entry: Reception | None, user: User) -> str | None:
    """Why USER cannot report anything of the person of this ledger line."""
    if entry is None:
        return NOT_CHECKED_IN
    if not access.scope(user).may_act("community", area=entry.community_id):
        return f"状态变动由{entry.community.full_name}上报（第十条）。"
    return why_not_listed(entry)


def why_not_listed(entry: Reception) -> str | None:
    """Why nothing more can be reported of the person of this ledger line, whoever reports."""
    standing = LifeEvent.objects.standing().filter(transfer=entry.transfer_id)
    if standing.filter(kind=Kind.DIED).exists():
        return "此人已登记死亡，不能再上报其他变动；登记有误的，先更正。"
    if not entry.is_active:
        return "此人已不在本社区管理，不能上报状态变动。"
    return None


def why_not_acknowledge(receipt: EventReceipt, user: User) -> str | None:
    """Why USER cannot answer this report."""
    if receipt.event.corrected_at:
        return "此报告已由社区更正，不用再签收。"
    if receipt.acknowledged_at:
        when = timezone.localtime(receipt.acknowledged_at)
        return f"{receipt.office_name}已于 {when:%Y-%m-%d %H:%M} 签收，不能重复签收。"
    if not access.scope(user).may_act(receipt.role, area=receipt.area_id):
        return f"由{receipt.area.full_name}{ROLES[receipt.role].name}签收（第十条）。"
    return None


def why_not_correct(event: LifeEvent, user: User) -> str | None:
    """Why USER cannot say that this report was wrong."""
    if event.corrected_at:
        when = timezone.localtime(event.corrected_at)
        return f"此报告已于 {when:%Y-%m-%d %H:%M} 更正，不能重复更正。"
    if not access.scope(user).may_act("community", area=event.community_id):
        return f"由{event.community.full_name}更正（第十条）。"
    onward = Rehandover.of_event(event)
    if onward and onward.state == Rehandover.State.ACCEPTED:
        return f"此人已由{onward.to_community.full_name}接收；报告有误的，由其转交回来。"
    return None


# --- deeds --------------------------------------------------------------------------------------


def county_of(community: Area) -> Area:
    found = community.ancestor(Area.Level.COUNTY)
    assert found is not None
    return found


@transaction.atomic
def report(
    case: Transfer, *, by: User, kind: str, happened_on: date, details: str = ""
) -> LifeEvent:
    """Send the report to both receivers, and let it change the ledger. Raises Refused."""
    entry = _locked(case)
    if reason := why_not_report(entry, by):
        raise Refused(reason)
    assert entry is not None
    return _file(entry, by, kind, happened_on, details, LifeEvent.Source.COMMUNITY)


@transaction.atomic
def report_listed(
    case: Transfer, *, by: User, kind: str, happened_on: date, details: str
) -> LifeEvent:
    """The same for somebody on a list of the agency BY; the community hears of it. Raises Refused."""
    entry = _locked(case)
    if entry is None or (reason := why_not_listed(entry)):
        raise Refused(reason if entry else NOT_CHECKED_IN)
    return _file(entry, by, kind, happened_on, details, LifeEvent.Source.LIST)


def _locked(case: Transfer) -> Reception | None:
    """The ledger line of CASE, both locked; None before the check-in."""
    case = Transfer.objects.select_for_update(of=("self",)).get(pk=case.pk)
    entry = (
        Reception.objects.select_for_update(of=("self",))
        .select_related("community")
        .filter(transfer=case)
        .first()
    )
    if entry is not None:
        entry.transfer = case
    return entry


def _file(
    entry: Reception, by: User, kind: str, happened_on: date, details: str, source: str
) -> LifeEvent:
    case, due = entry.transfer, Calendar.read().add(timezone.localdate(), RED_LINE)
    try:
        with transaction.atomic():
            event = LifeEvent.objects.create(
                transfer=case, community=entry.community, kind=kind, happened_on=happened_on,
                details=details, source=source, reported_by=by, due_on=due,
            )  # fmt: skip
    except IntegrityError:
        raise Refused(f"“{Kind(kind).label}”已经上报，不能重复上报。") from None
    county = county_of(entry.community)
    for role in RECEIVERS:
        EventReceipt.objects.create(event=event, role=role, area=county)
        _tell(role, county.pk, case, f"{entry.community.full_name}报告{case.retiree.name}"
              f"“{event}”，请于 {due:%Y-%m-%d} 前签收并说明处理结果（第十条）。")  # fmt: skip
    if kind in CLOSES:
        _close(entry, happened_on, by)
    _audit("event_report", event, by)
    return event


@transaction.atomic
def acknowledge(receipt: EventReceipt, *, by: User, deed: str, note: str = "") -> None:
    """One receiver knows, and says what it did."""
    event = LifeEvent.objects.select_for_update(of=("self",)).get(pk=receipt.event_id)
    receipt = EventReceipt.objects.select_related("area").get(pk=receipt.pk)
    receipt.event = event
    if reason := why_not_acknowledge(receipt, by):
        raise Refused(reason)
    office = Office.objects.at_desk(receipt.role, area_id=receipt.area_id, enterprise_id=None)
    mine = office.filter(users=by).first()
    receipt.acknowledged_at, receipt.acknowledged_by = timezone.now(), by
    receipt.office_name = mine.name if mine else ROLES[receipt.role].name
    receipt.deed, receipt.note = deed, note[:200]
    receipt.save()
    _tell("community", event.community_id, event.transfer,
          f"{event.transfer.retiree.name}“{event}”：{receipt.office_name}已签收，"
          f"{receipt.get_deed_display()}。")  # fmt: skip
    _audit("event_acknowledge", event, by)


@transaction.atomic
def acknowledge_many(
    receipts: Sequence[EventReceipt], *, by: User, deed: str, note: str = ""
) -> tuple[int, list[str]]:
    """Each by itself: how many were answered, and why the others were not."""
    done, refused = 0, []
    for receipt in sorted(receipts, key=lambda each: each.event_id):
        try:
            with transaction.atomic():
                acknowledge(receipt, by=by, deed=deed, note=note)
        except Refused as reason:
            refused.append(f"{receipt.event.transfer.retiree.name}：{reason}")
        else:
            done += 1
    return done, refused


@transaction.atomic
def correct(event: LifeEvent, *, by: User, why: str) -> None:
    """The report was wrong: it stays on record, its effect is undone, both receivers hear of it."""
    Transfer.objects.select_for_update(of=("self",)).get(pk=event.transfer_id)
    event = LifeEvent.objects.select_for_update(of=("self",)).get(pk=event.pk)
    if reason := why_not_correct(event, by):
        raise Refused(reason)
    if not why.strip():
        raise Refused("请写明更正的原因。")
    event.corrected_at, event.corrected_by, event.corrected_why = (
        timezone.now(),
        by,
        why.strip()[:200],
    )
    event.save()
    if event.kind in CLOSES:
        _reopen(event)
    if onward := Rehandover.objects.open().filter(event=event).first():
        onward.close(Rehandover.State.WITHDRAWN, by=by, why="状态变动报告已更正")
    for receipt in event.receipts.all():
        _tell(receipt.role, receipt.area_id, event.transfer,
              f"{event.transfer.retiree.name}“{event}”的报告有误，已由{event.community.full_name}"
              "更正；已作处理的请恢复。")  # fmt: skip
    _audit("event_correct", event, by)


# --- what an event does to the ledger -----------------------------------------------------------


def _close(entry: Reception, on: date, by: User) -> None:
    if card := entry.card:
        card.void(timezone.localdate(), why=card.Why.DIED, by=by)
    entry.is_active = False
    entry.__dict__["_change_reason"] = f"{on:%Y-%m-%d} 死亡"
    entry.save()
    Management.finish(entry.transfer, until=on, why=Management.Ended.DIED, by=by)


def _reopen(event: LifeEvent) -> None:
    """The person was under management all the time; a card is issued anew when he asks for it."""
    entry = Reception.objects.select_for_update(of=("self",)).get(transfer=event.transfer_id)
    entry.is_active = True
    entry.__dict__["_change_reason"] = "死亡登记有误，已更正"
    entry.save()
    Management.resume(entry.transfer)


# --- reminders ----------------------------------------------------------------------------------


@jobs.chore
@transaction.atomic
def remind(most: int = 200) -> int:
    """Who has not answered in time hears of it once a day, the street too; how many reports."""
    today = timezone.localdate()
    late = (
        EventReceipt.objects.filter(
            acknowledged_at=None, event__corrected_at=None, event__due_on__lt=today
        )
        .exclude(reminded_on=today)
        .select_related("event__transfer__retiree", "event__community")
        .select_for_update(of=("self",), skip_locked=True)
        .order_by("pk")[:most]
    )
    count = 0
    for receipt in late:
        event = receipt.event
        words = f"{event.transfer.retiree.name}“{event}”的报告已过答复期限 {event.due_on:%Y-%m-%d}"
        _tell(
            receipt.role, receipt.area_id, event.transfer, f"{words}，请立即签收并处理（第十条）。"
        )
        _tell("street", str(event.community.parent_id), event.transfer,
              f"{words}，{ROLES[receipt.role].name}尚未签收。")  # fmt: skip
        receipt.reminded_on = today
        receipt.save()
        count += 1
    return count


def _tell(role: str, area: Any, case: Transfer, text: str) -> None:
    Notice.objects.create(role=role, area_id=area, transfer=case, text=text[:300])


def _audit(action: str, event: LifeEvent, by: User) -> None:
    audit.write(action, user=by, object=event, area=event.community_id,
                facts={"kind": event.kind, "article": "第十条"})  # fmt: skip
