"""The verbs of every delivery: pack, send, accept, send back, take back, reopen, remind.

The only writer of Handover, HandoverItem and HandoverTurn. Every verb runs in one transaction: lock
the delivery, read again, check, change, note. Raises `Refused` with a sentence.

How a kind of its own is built upon it:
- a row in `KINDS` says between whom and under which number; facts of its own stand in a table with a
  key to `HandoverItem` (archives.PersonnelFile is one);
- where an item belongs to a step of a case, the effect of that step calls the verb, so that the
  step is written by `workflow` and the item by this module, in one transaction;
- whoever touches several cases locks them first, by id, and the delivery after them
  (`lock_cases`); the workflow locks in the same order, so that nobody waits in a circle.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from transfers.choices import ReturnReason
from transfers.models import Transfer
from transfers.models.handovers import (
    KINDS,
    Counts,
    Desk,
    Handover,
    HandoverItem,
    HandoverTurn,
)
from transfers.refusal import Refused
from xianning import audit, jobs
from xianning.models import Notice, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xianning.models import User

State, ItemState, Verb = Handover.State, HandoverItem.State, HandoverTurn.Verb
MOST_ITEMS = 500  # in one delivery: it is checked and printed as a whole


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_change(handover: Handover, by: User) -> str | None:
    """Why BY cannot pack this delivery, or send it."""
    if handover.state != State.PACKING:
        return f"{handover.number}{handover.get_state_display()}，不能再更改内容。"
    if not handover.serves("from", by):
        return f"由移交方{handover.sender.name}整理和送出（{handover.spec.article}）。"
    return None


def why_not_settle(item: HandoverItem, by: User) -> str | None:
    """Why BY cannot accept or return this item."""
    handover = item.handover
    if item.state != ItemState.WAITING:
        return (
            f"“{item.name}”{item.get_state_display()}（{item.settled_name}，"
            f"{timezone.localtime(item.settled_at):%Y-%m-%d %H:%M}），不能重复处理。"
        )
    if handover.state != State.SENT:
        return f"此批{handover.get_state_display()}，不能查收。"
    if not handover.serves("to", by):
        return f"由接收方{handover.receiver_name}查收（{handover.spec.article}）。"
    return None


def why_not_take_back(handover: Handover, by: User) -> str | None:
    """Why BY cannot take back what has not been received yet."""
    if handover.state != State.SENT:
        return f"{handover}{handover.get_state_display()}，不能撤回。"
    if not handover.serves("from", by):
        return f"由移交方{handover.sender_name}撤回（{handover.spec.article}）。"
    return None


def why_not_remind(handover: Handover, by: User) -> str | None:
    """Why BY cannot ask for the receipt: in time, over, not his, or asked for already today."""
    if handover.state != State.SENT:
        return f"{handover}{handover.get_state_display()}，无须催办。"
    if not handover.serves("from", by):
        return f"由移交方{handover.sender_name}催办（{handover.spec.article}）。"
    if not handover.is_overdue:
        return f"回执期限为 {handover.due_on:%Y-%m-%d}，逾期后再催办。"
    asked = handover.reminded_at
    if asked and timezone.localdate(asked) == timezone.localdate():
        return "今天已催办过，请等待接收方办理。"
    return None


def differences(item: HandoverItem, got: Counts) -> list[str]:
    """Where what arrived is not what was sent, in words."""
    sent, words = item.counts, KINDS[item.kind].words
    return [
        f"{words[name]}送 {was}、收 {now}"
        for name, was, now in zip(Counts._fields, sent, got, strict=True)
        if was != now
    ]


# --- the verbs ------------------------------------------------------------------------------------


def lock_cases(keys: Iterable[Any]) -> None:
    """Lock these cases in the order that everybody keeps; call it before `lock`."""
    wanted = [key for key in keys if key]
    list(Transfer.objects.select_for_update(of=("self",)).filter(pk__in=wanted).order_by("pk"))


def lock(handover: Handover) -> Handover:
    """The delivery, locked and read again."""
    return Handover.objects.select_for_update(of=("self",)).get(pk=handover.pk)


def _item(item: HandoverItem) -> HandoverItem:
    """The item read again under the lock of its delivery."""
    handover = Handover.objects.select_for_update(of=("self",)).get(items=item.pk)
    fresh = HandoverItem.objects.select_related("transfer__retiree").get(pk=item.pk)
    fresh.handover = handover
    return fresh


@transaction.atomic
def pack(kind: str, *, sender: Desk, receiver: Desk, by: User) -> Handover:
    """An empty delivery that its sender fills."""
    spec = KINDS[kind]
    if (sender.role, receiver.role) != (spec.sender, spec.receiver):
        raise ValueError(f"{kind}: {sender.role} to {receiver.role}")
    handover = Handover(kind=kind, packed_by=by, **sender.columns("from"), **receiver.columns("to"))
    if refusal := why_not_change(handover, by):
        raise Refused(refusal)
    handover.save()
    return handover


@transaction.atomic
def put_in(
    handover: Handover, *, by: User, counts: Counts, case: Transfer | None = None, title: str = ""
) -> HandoverItem:
    """One more item; refused when it is on another way already."""
    handover = lock(handover)
    if refusal := why_not_change(handover, by):
        raise Refused(refusal)
    last = handover.items.order_by("-position").first()
    position = last.position + 1 if last else 1
    if position > MOST_ITEMS:
        raise Refused(f"一批最多 {MOST_ITEMS} 件，请另建一批。")
    try:
        with transaction.atomic():
            return HandoverItem.objects.create(
                handover=handover, kind=handover.kind, position=position, transfer=case,
                title=title, **counts._asdict(),
            )  # fmt: skip
    except IntegrityError:
        name = case.retiree.name if case else title
        raise Refused(
            f"{name}的{handover.spec.title}已在另一批交接中，不能同时装入两批。"
        ) from None


@transaction.atomic
def recount(item: HandoverItem, *, by: User, counts: Counts, title: str = "") -> HandoverItem:
    """What is in it, counted anew before it is sent."""
    item = _item(item)
    if refusal := why_not_change(item.handover, by):
        raise Refused(refusal)
    for name, count in counts._asdict().items():
        setattr(item, name, count)
    item.title = title
    item.save()
    return item


@transaction.atomic
def take_out(item: HandoverItem, *, by: User) -> None:
    """Out again before it is sent; nothing was handed over, so nothing is kept."""
    item = _item(item)
    if refusal := why_not_change(item.handover, by):
        raise Refused(refusal)
    item.delete()


@transaction.atomic
def drop(handover: Handover, *, by: User) -> None:
    """Give up a delivery that was never sent."""
    handover = lock(handover)
    if refusal := why_not_change(handover, by):
        raise Refused(refusal)
    for item in handover.items.all():
        item.delete()
    handover.delete()


@transaction.atomic
def send(
    handover: Handover,
    *,
    by: User,
    means: str,
    carrier: str,
    handed_on: date,
    announce: bool = True,
) -> Handover:
    """Give it its number and the names of both sides; from now on it is the receiver's turn."""
    handover = lock(handover)
    if refusal := why_not_change(handover, by):
        raise Refused(refusal)
    if not handover.items.exists():
        raise Refused("此批还没有内容，不能送出。")
    _close_gaps(handover)
    handover.year = handed_on.year
    handover.serial = Sequence.next(f"{handover.spec.series}/{_place(handover)}/{handed_on.year}")
    handover.sender_name, handover.receiver_name = handover.sender.name, handover.receiver.name
    handover.means, handover.carrier, handover.handed_on = means, carrier, handed_on
    handover.sent_at, handover.sent_by = timezone.now(), by
    handover.due_on = months_after(handed_on, handover.spec.receipt_months)
    handover.state = State.SENT
    _save(handover, "送出")
    _note(handover, Verb.SEND, by, "from")
    if announce:
        count = handover.items.count()
        _tell(
            handover, "to", f"{handover.sender_name}送来{handover.number}（{count} 件），请查收。"
        )
    return handover


def _close_gaps(handover: Handover) -> None:
    """Number the items 1, 2, 3 …: what was taken out while packing leaves no hole on paper."""
    for position, item in enumerate(handover.items.order_by("position"), start=1):
        if item.position != position:
            item.position = position
            item.save()


@transaction.atomic
def accept(
    item: HandoverItem, *, by: User, got: Counts, note: str = "", difference: str = ""
) -> HandoverItem:
    """The receiver has counted it; where it differs from what was sent, he says why."""
    item = _item(item)
    if refusal := why_not_settle(item, by):
        raise Refused(refusal)
    if item.handover.sent_by_id == by.pk:
        article = item.handover.spec.article
        raise Refused(f"{item.handover.number}由您本人送出，须由他人查收（{article}）。")
    differs = differences(item, got)
    if differs and not difference.strip():
        raise Refused(f"{item.name}：{'；'.join(differs)}。请说明差异，或退回移交方。")
    words = [f"数量差异：{'；'.join(differs)}，{difference.strip()}"] if differs else []
    item.reason = "；".join([*words, *([note.strip()] if note.strip() else [])])[:300]
    item.state = ItemState.NOTED if item.reason else ItemState.ACCEPTED
    for name, count in got._asdict().items():
        setattr(item, f"got_{name}", count)
    return _settle(item, Verb.ACCEPT, by, "to")


@transaction.atomic
def send_back(item: HandoverItem, *, by: User, code: str, reason: str) -> HandoverItem:
    """The receiver returns it, saying why."""
    item = _item(item)
    refusal = why_not_settle(item, by)
    if refusal or (refusal := _reason_is_missing(code, reason)):
        raise Refused(refusal)
    item.state, item.code, item.reason = ItemState.RETURNED, code, reason.strip()[:300]
    item = _settle(item, Verb.SEND_BACK, by, "to")
    if item.transfer is None:  # of a case the workflow tells
        handover = item.handover
        _tell(handover, "from", f"{handover.number}：“{item}”退回，{item.code_label}：{reason}")
    return item


@transaction.atomic
def take_back(item: HandoverItem, *, by: User, reason: str) -> HandoverItem:
    """The sender takes back one item that has not been received yet."""
    item = _item(item)
    refusal = why_not_take_back(item.handover, by)
    if not refusal and item.state != ItemState.WAITING:
        refusal = f"“{item.name}”{item.get_state_display()}，不能撤回。"
    if refusal or (refusal := _reason_is_missing("other", reason)):
        raise Refused(refusal)
    item.state, item.reason = ItemState.WITHDRAWN, reason.strip()[:300]
    return _settle(item, Verb.TAKE_BACK, by, "from")


@transaction.atomic
def withdraw(handover: Handover, *, by: User, reason: str) -> int:
    """The sender takes back everything in it that still waits; how much that was.

    Where items belong to steps of cases, the office's own deed goes through the workflow instead.
    """
    handover = lock(handover)
    if refusal := why_not_take_back(handover, by):
        raise Refused(refusal)
    waiting = list(handover.items.filter(state=ItemState.WAITING))
    for item in waiting:
        take_back(item, by=by, reason=reason)
    return len(waiting)


@transaction.atomic
def reopen(item: HandoverItem, *, by: User, reason: str) -> HandoverItem:
    """The receiver takes his acceptance back: the item waits again, and the delivery with it."""
    item = _item(item)
    handover = item.handover
    if item.state not in HandoverItem.TAKEN:
        raise Refused(f"“{item.name}”{item.get_state_display()}，没有可以撤销的接收。")
    if not handover.serves("to", by):
        raise Refused(f"由接收方{handover.receiver_name}撤销接收（{handover.spec.article}）。")
    elsewhere = HandoverItem.objects.filter(kind=item.kind, state=ItemState.WAITING)
    if item.transfer_id and elsewhere.filter(transfer_id=item.transfer_id).exists():
        raise Refused(f"“{item.name}”已在另一批交接中，不能撤销接收。")
    _note(handover, Verb.REOPEN, by, "to", item, reason)
    item.state, item.code, item.reason = ItemState.WAITING, "", ""
    item.settled_at = item.settled_by = None
    item.settled_name = ""
    for name in Counts._fields:
        setattr(item, f"got_{name}", None)
    item.save()
    if handover.state != State.SENT:
        handover.state, handover.closed_at = State.SENT, None
        _save(handover, "撤销接收")
    return item


@transaction.atomic
def remind(handover: Handover, *, by: User) -> None:
    """The sender asks for a receipt that is overdue."""
    handover = lock(handover)
    if refusal := why_not_remind(handover, by):
        raise Refused(refusal)
    _remind(handover, by)


@jobs.chore
@transaction.atomic
def remind_overdue(most: int = 200) -> int:
    """Both sides hear of each receipt that is overdue, once a week; how many were told of."""
    with audit.acting(name="催办回执"):
        return _remind_overdue(most)


def _remind_overdue(most: int) -> int:
    week = timezone.now() - timedelta(days=7)
    rows = Handover.objects.overdue().exclude(reminded_at__gte=week).order_by("due_on", "pk")
    keys = list(rows.values_list("pk", flat=True)[:most])
    # Read again under the lock: whoever closed one in the meantime is not troubled.
    told = 0
    for handover in rows.select_for_update(of=("self",), skip_locked=True).filter(pk__in=keys):
        _remind(handover, None)
        told += 1
    return told


def _remind(handover: Handover, by: User | None) -> None:
    handover.reminded_at = timezone.now()
    _save(handover, "催办回执")
    _note(handover, Verb.REMIND, by, "from")
    words = f"{handover.number}（{handover.handed_on:%Y-%m-%d} 送出）的回执已逾期"
    _tell(handover, "to", f"{words}，请查收并退回回执；移交方：{handover.sender_name}。")
    _tell(handover, "from", f"{words}，接收方：{handover.receiver_name}，已催办。")


# --- what the verbs share -------------------------------------------------------------------------


def months_after(day: date, months: int) -> date:
    """The same day MONTHS later, or the last day of that month."""
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _place(handover: Handover) -> str:
    """Of whom the numbers run: an enterprise, or a role at an area."""
    if handover.from_enterprise_id:
        return str(handover.from_enterprise_id)
    return f"{handover.from_role}:{handover.from_area_id}"


def _reason_is_missing(code: str, reason: str) -> str | None:
    if code not in ReturnReason.values:
        return "请选择原因。"
    return None if reason.strip() else "请填写原因说明。"


def _settle(item: HandoverItem, verb: HandoverTurn.Verb, by: User, side: str) -> HandoverItem:
    """Save what was decided about the item; the delivery is over when it was the last."""
    item.settled_at, item.settled_by, item.settled_name = timezone.now(), by, str(by)
    item.save()
    handover = item.handover
    _note(handover, verb, by, side, item, item.reason)
    states = set(handover.items.values_list("state", flat=True))
    if ItemState.WAITING in states:
        return item
    handover.state = State.WITHDRAWN if states == {ItemState.WITHDRAWN} else State.CLOSED
    handover.closed_at = timezone.now()
    _save(handover, handover.get_state_display())
    _note(handover, Verb.CLOSE, by, side)
    if side == "to":
        _tell(handover, "from", f"{handover.number}已全部处理，回执已退回，请查看。")
    return item


def _save(handover: Handover, reason: str) -> None:
    handover.__dict__["_change_reason"] = reason
    handover.save()


def _note(
    handover: Handover, verb: HandoverTurn.Verb, by: User | None, side: str,
    item: HandoverItem | None = None, reason: str = "",
) -> None:  # fmt: skip
    name = handover.sender_name if side == "from" else handover.receiver_name
    HandoverTurn.objects.create(
        handover=handover, item=item, verb=verb, side=name, by=by,
        by_name=str(by) if by else "系统", reason=reason[:300],
    )  # fmt: skip
    audit.write(
        f"handover_{verb.value}", user=by, object=handover,
        area=handover.to_area_id, facts={"kind": handover.kind, "article": handover.spec.article},
    )  # fmt: skip


def _tell(handover: Handover, side: str, text: str) -> None:
    Notice.objects.create(
        role=getattr(handover, f"{side}_role"), area_id=getattr(handover, f"{side}_area_id"),
        enterprise_id=getattr(handover, f"{side}_enterprise_id"), text=text[:300],
    )  # fmt: skip
