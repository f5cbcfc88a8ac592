"""The deeds of a letter after it was issued: receipt, a new one for an expired one, reminders."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from party.models import POCKET, LetterReminder, PartyMove
from transfers import workflow
from transfers.refusal import Refused
from xianning import access, jobs
from xianning.models import Notice

if TYPE_CHECKING:
    from xianning.models import User

REMIND_EVERY = timedelta(days=7)
BATCH = 200


def may_enter_receipt(letter: PartyMove, user: User) -> bool:
    """The receiver here; the sender, when the receiver lies outside Xianning."""
    mine = access.scope(user)
    if letter.receiver_id is None:
        return mine.may_act("enterprise", enterprise=letter.enterprise_id)
    return mine.may_act("party", area=letter.transfer.party_area_id)


def may_reissue(letter: PartyMove, user: User) -> bool:
    return access.scope(user).may_act("enterprise", enterprise=letter.enterprise_id)


@transaction.atomic
def receipt(
    letter: PartyMove, *, by: User, accepted_on: date, accepted_by: str, receipt_number: str,
    receipt_on: date, remarks: str = "", way: str = PartyMove.Way.HAND,
) -> None:  # fmt: skip
    """Enter the receipt; from outside Xianning it says too that the member was taken in.

    The case is locked first, as by every deed of the workflow. Raises Refused.
    """
    case = type(letter.transfer).objects.select_for_update(of=("self",)).get(pk=letter.transfer_id)
    found = PartyMove.objects.select_for_update(of=("self",)).get(pk=letter.pk)
    if reason := found.why_not_receipt():
        raise Refused(reason)
    facts: dict[str, Any] = {
        "accepted_on": accepted_on, "accepted_by": accepted_by, "receipt_number": receipt_number,
        "receipt_on": receipt_on, "remarks": remarks,
    }  # fmt: skip
    if found.receiver_id is None:
        workflow.complete_elsewhere(case, by=by, way=way, **facts)
    else:
        found.receipt_number, found.receipt_on = receipt_number, receipt_on
        found.receipt_way = way
        found.__dict__["_change_reason"] = "登记回执"
        found.save()
    Notice.objects.create(
        role="enterprise", enterprise_id=found.enterprise_id, transfer=case,
        text=f"{case.retiree.name}：{found.number}的回执已登记，组织关系转接办结。",
    )  # fmt: skip


@transaction.atomic
def reissue(letter: PartyMove, *, by: User, valid_days: int, dues_until: date) -> PartyMove:
    """The expired letter is void, its number stays used; a new one takes its place at once."""
    case = type(letter.transfer).objects.select_for_update(of=("self",)).get(pk=letter.transfer_id)
    old = PartyMove.objects.select_for_update(of=("self",)).get(pk=letter.pk)
    if reason := old.why_not_reissue():
        raise Refused(reason)
    workflow.withdraw(case, workflow.LETTER, by=by, code="other",
                      reason=f"{old.number}有效期至 {old.expires_on:%Y-%m-%d}，已过期")  # fmt: skip
    workflow.complete(
        case, workflow.LETTER, by=by, issuer=old.issuer, receiver=old.receiver,
        to_organization=old.to_organization, from_organization=old.from_organization,
        means=old.means, outside_number=old.outside_number, issued_on=timezone.localdate(),
        valid_days=valid_days, dues_until=dues_until, dues_standard=old.dues_standard,
    )  # fmt: skip
    return PartyMove.objects.get(transfer=case, voided_at=None)


def issuer_of(letter: PartyMove) -> User:
    """Who issued the letter: in his name a receipt from outside is entered."""
    row = workflow.rows_of(letter.transfer)[workflow.LETTER]
    if row.done_by is None:
        raise Refused("介绍信已退回转出党组织，不能登记回执。")
    return row.done_by


# --- reminders ----------------------------------------------------------------------------------


@jobs.chore
def remind() -> int:
    """Both sides hear of each letter whose receipt does not come, once a week; how many letters."""
    today = timezone.localdate()
    lately = LetterReminder.objects.filter(on__gt=today - REMIND_EVERY)
    due = (
        PartyMove.objects.in_life(POCKET)
        .exclude(pk__in=lately.values("letter"))
        .select_related("transfer__retiree")
        .order_by("pk")[:BATCH]
    )
    return sum(_remind(letter, today) for letter in due)


def _remind(letter: PartyMove, today: date) -> bool:
    who = f"{letter.transfer.retiree.name}：{letter.number}"
    case = letter.transfer
    desks: list[tuple[dict[str, Any], str]]
    if letter.accepted_on:
        sentence = f"{who}于 {letter.accepted_on:%Y-%m-%d} 接收，超过一个月未见回执"
        desks = [
            (_sender(letter), f"{sentence}，请催要。"),
            (_receiver(letter), f"{sentence}，请寄回。"),
        ]
    else:
        sentence = f"{who}有效期至 {letter.expires_on:%Y-%m-%d}，已过期，对方未接收"
        desks = [
            (_sender(letter), f"{sentence}，请联系对方并重新开具；回执之前由转出党组织负责管理。"),
            (_receiver(letter), f"{who}已过期，本组织尚未接收，请联系移交单位；不得无故拒接。"),
        ]
    try:
        with transaction.atomic():
            LetterReminder.objects.create(letter=letter, on=today)
            for desk, text in desks:
                if desk:
                    Notice.objects.create(transfer=case, text=text[:300], **desk)
    except IntegrityError:  # another worker was first
        return False
    return True


def _sender(letter: PartyMove) -> dict[str, Any]:
    return {"role": "enterprise", "enterprise_id": letter.enterprise_id}


def _receiver(letter: PartyMove) -> dict[str, Any]:
    """Nobody, when the receiver has no account here."""
    if letter.receiver_id is None:
        return {}
    return {"role": "party", "area_id": letter.transfer.party_area_id}
