"""《交接整体协议》: the transferor applies, the county's SASAC approves and signs (第四条, 第五条)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from enterprises.models import Agreement, Enterprise, Refused
from xianning import access, audit
from xianning.models import Notice

if TYPE_CHECKING:
    from datetime import date

    from communities.models import Area
    from xianning.models import User

State = Agreement.State


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_apply(entry: Enterprise, user: User) -> str | None:
    """Why USER cannot apply for an agreement of this enterprise."""
    if not access.scope(user).may_act("enterprise", enterprise=entry.pk):
        return f"移交协议由{entry.transferor}申请（第四条）。"
    if entry.removed_on:
        return f"{entry.name}已于 {entry.removed_on} 移出名单，不能申请移交协议。"
    return None


def why_not_change(agreement: Agreement, user: User) -> str | None:
    """Why USER cannot change what he applied for."""
    if reason := why_not_apply(agreement.enterprise, user):
        return reason
    if agreement.state not in (State.APPLIED, State.RETURNED):
        return f"此协议{agreement.get_state_display()}，不能再更改；另有约定的，请申请补充协议。"
    return None


def why_not_withdraw(agreement: Agreement, user: User) -> str | None:
    """Why USER cannot take his application back."""
    if reason := why_not_apply(agreement.enterprise, user):
        return reason
    if agreement.state not in Agreement.OPEN:
        return f"此协议{agreement.get_state_display()}，不能撤回。"
    return None


def why_not_answer(agreement: Agreement, user: User) -> str | None:
    """Why USER can neither approve nor return it."""
    if not is_county(agreement, user):
        return f"由{agreement.county.name}国资部门批复（第四条）。"
    if agreement.state != State.APPLIED:
        return f"此协议{agreement.get_state_display()}，不能重复批复。"
    return None


def why_not_sign(agreement: Agreement, user: User) -> str | None:
    """Why USER cannot record that it was signed."""
    if not is_county(agreement, user):
        return f"由{agreement.county.name}国资部门登记签订（第四条）。"
    if agreement.state != State.APPROVED:
        return f"此协议{agreement.get_state_display()}，不能登记签订。"
    return None


def why_not_supplement(main: Agreement | None, entry: Enterprise, county: Area) -> str | None:
    """Why an agreement of ENTRY with COUNTY cannot supplement MAIN, if it says it does."""
    if main and (main.enterprise_id, main.county_id) != (entry.pk, county.pk):
        return "补充协议须与原协议的企业和接收县（市、区）相同。"
    return None


def is_county(agreement: Agreement, user: User) -> bool:
    """Whether USER acts for the county that receives; who only lists the enterprise reads."""
    return access.scope(user).may_act("sasac", area=agreement.county_id)


# --- deeds --------------------------------------------------------------------------------------


@transaction.atomic
def apply(entry: Enterprise, facts: dict[str, Any], *, by: User) -> Agreement:
    """Ask the county for an agreement, or for a supplement to one. Raises Refused."""
    reason = why_not_apply(entry, by)
    if reason := reason or why_not_supplement(facts.get("main"), entry, facts["county"]):
        raise Refused(reason)
    made = Agreement.objects.create(
        enterprise=entry, party_a=entry.transferor, applied_by=by, **facts
    )
    _tell_county(made, f"{made.party_a}申请签订{made}，请批复（第四条）。")
    _audit("agreement_applied", made, by)
    return made


@transaction.atomic
def change(agreement: Agreement, facts: dict[str, Any], *, by: User) -> None:
    """Correct the application; what was returned waits for the county again."""
    agreement = _lock(agreement)
    if reason := why_not_change(agreement, by):
        raise Refused(reason)
    for name, value in facts.items():
        setattr(agreement, name, value)
    entry, county = agreement.enterprise, agreement.county
    if reason := why_not_supplement(agreement.main, entry, county):
        raise Refused(reason)
    agreement.party_a = agreement.enterprise.transferor
    agreement.state, agreement.note = State.APPLIED, ""
    agreement.answered_by = agreement.answered_at = None
    agreement.save()
    _tell_county(agreement, f"{agreement.party_a}更改了{agreement}的申请，请批复（第四条）。")
    _audit("agreement_changed", agreement, by)


@transaction.atomic
def withdraw(agreement: Agreement, *, by: User, note: str) -> None:
    """It is not signed after all."""
    agreement = _lock(agreement)
    if reason := why_not_withdraw(agreement, by):
        raise Refused(reason)
    agreement.state, agreement.note = State.WITHDRAWN, note
    agreement.save()
    _tell_county(agreement, f"{agreement.party_a}撤回了{agreement}的申请：{note}")
    _audit("agreement_withdrawn", agreement, by)


@transaction.atomic
def answer(agreement: Agreement, *, by: User, approval: str = "", note: str = "") -> None:
    """The county approves it under a number, or returns it with the reason."""
    agreement = _lock(agreement)
    if reason := why_not_answer(agreement, by):
        raise Refused(reason)
    if bool(approval) == bool(note):
        raise Refused("同意的填写批复文号，退回的填写原因，二者填一项。")
    agreement.state = State.APPROVED if approval else State.RETURNED
    agreement.approval, agreement.note = approval, note
    agreement.answered_by, agreement.answered_at = by, timezone.now()
    agreement.save()
    _tell_enterprise(agreement, f"批复：{approval}，请签订" if approval else f"退回：{note}")
    _audit("agreement_approved" if approval else "agreement_returned", agreement, by)


@transaction.atomic
def sign(agreement: Agreement, *, by: User, number: str, signed_on: date) -> None:
    """Both parties have signed: it has its number, and its clauses hold from that day."""
    agreement = _lock(agreement)
    if reason := why_not_sign(agreement, by):
        raise Refused(reason)
    agreement.state, agreement.number, agreement.signed_on = State.SIGNED, number, signed_on
    try:
        with transaction.atomic():
            agreement.save()
    except IntegrityError:
        raise Refused(f"{agreement.county.name}已有协议号 {number}，请核对。") from None
    if agreement.main_id is None:
        agreement.enterprise.agree(number, signed_on, by=by)
    _tell_enterprise(agreement, f"已签订，协议号 {number}")
    _audit("agreement_signed", agreement, by)


def _lock(agreement: Agreement) -> Agreement:
    rows = Agreement.objects.select_for_update(of=("self",))
    return rows.select_related("enterprise", "county").get(pk=agreement.pk)


def _tell_county(agreement: Agreement, text: str) -> None:
    Notice.objects.create(role="sasac", area_id=agreement.county_id, text=text[:300])


def _tell_enterprise(agreement: Agreement, word: str) -> None:
    text = f"{agreement.county.name}国资部门对{agreement}{word}（第四条）。"
    Notice.objects.create(role="enterprise", enterprise=agreement.enterprise, text=text[:300])


def _audit(action: str, agreement: Agreement, by: User) -> None:
    audit.write(action, user=by, object=agreement, area=agreement.county_id,
                facts={"state": agreement.state, "article": "第四条"})  # fmt: skip


# --- what is settled otherwise ------------------------------------------------------------------


@dataclass
class Terms:
    """What the agreements of one enterprise settle otherwise today; the latest word counts."""

    receiver: Area | None = None
    archive_area: Area | None = None
    sources: tuple[Agreement, ...] = ()


def terms(entry: Enterprise, on: date | None = None) -> Terms:
    """The clauses that hold for ENTRY on the day (today), 第五条."""
    found, used = Terms(), []
    rows = Agreement.objects.with_clauses_on(on or timezone.localdate()).filter(enterprise=entry)
    for each in rows.select_related("receiver", "archive_area"):
        found.receiver = each.receiver or found.receiver
        found.archive_area = each.archive_area or found.archive_area
        if each.receiver_id or each.archive_area_id or each.limit_step or each.special:
            used.append(each)
    found.sources = tuple(used)
    return found
