"""第十条, 居住地变更: hand a person on to another community. It is asked first, and may refuse.

Giving is a report too (`events.report`): HR and medical insurance learn of it the same day. Until
the other community accepts, the giving one answers for the person; from that day on the other
does, sees the case, and keeps the ledger line. The signed form stays valid: it says who received
by the hand-over of 第六条, and that does not change.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from communities import cards, care, events
from communities.models import Area, ContactCard, LifeEvent, Management, Reception, Rehandover
from party.life import hand_on
from transfers import workflow
from transfers.models import Transfer, TransferStep
from transfers.refusal import Refused
from xianning import access, audit
from xianning.models import Notice

if TYPE_CHECKING:
    from xianning.models import User

State = Rehandover.State
DONE = TransferStep.State.DONE


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not_propose(entry: Reception | None, user: User) -> str | None:
    """Why USER cannot hand the person of this ledger line on."""
    if reason := events.why_not_report(entry, user):
        return reason
    assert entry is not None
    onward = Rehandover.objects.open().filter(transfer=entry.transfer_id).first()
    if onward:
        return f"已请{onward.to_community.full_name}接收，不能重复提出；要改请先撤回。"
    return None


def why_not_to(entry: Reception, community: Area) -> str | None:
    """Why the person cannot be handed on to COMMUNITY."""
    if community.pk == entry.community_id:
        return "此人就在本社区管理，请选择另一个社区。"
    if community.level != Area.Level.COMMUNITY or not community.receives or community.closed_on:
        return f"{community.full_name}不接收退休人员，请选择社区（村）（第五条）。"
    return None


def why_not_party(case: Transfer, party: str) -> str | None:
    """Why the Party relation cannot be treated as PARTY says (第六条第6项)."""
    if not case.retiree.is_party_member:
        return None if party == Rehandover.Party.NONE else "不是中共党员，没有组织关系可转。"
    if party == Rehandover.Party.NONE:
        return "是中共党员，请选择组织关系是否随迁。"
    rows = workflow.rows_of(case)
    sent = rows[workflow.LETTER].state == DONE and rows[workflow.PARTY].state != DONE
    if party == Rehandover.Party.FOLLOW and sent:
        return "组织关系介绍信已开出，尚未接收；请先选“组织关系暂不转”，待接收后再转。"
    return None


def why_not_decide(onward: Rehandover, user: User) -> str | None:
    """Why USER cannot accept or refuse."""
    if onward.state != State.OPEN:
        return f"此转交{onward.get_state_display()}，不能再办。"
    if not access.scope(user).may_act("community", area=onward.to_community_id):
        return f"由{onward.to_community.full_name}决定是否接收（第十条）。"
    return None


def why_not_withdraw(onward: Rehandover, user: User) -> str | None:
    """Why USER cannot take it back."""
    if onward.state != State.OPEN:
        return f"此转交{onward.get_state_display()}，不能撤回。"
    if not access.scope(user).may_act("community", area=onward.from_community_id):
        return f"由提出转交的{onward.from_community.full_name}撤回。"
    return None


# --- deeds --------------------------------------------------------------------------------------


def _lock(case_id: Any) -> tuple[Transfer, Reception | None]:
    """The case and its ledger line, locked in this order everywhere."""
    case = Transfer.objects.select_for_update(of=("self",)).get(pk=case_id)
    entry = (
        Reception.objects.select_for_update(of=("self",))
        .select_related("community")
        .filter(transfer=case)
        .first()
    )
    return case, entry


@transaction.atomic
def propose(
    case: Transfer, *, by: User, community: Area, moved_on: date, card: str, party: str = "",
    details: str = "",
) -> Rehandover:  # fmt: skip
    """Report the change of residence, and ask COMMUNITY to take the person. Raises Refused."""
    case, entry = _lock(case.pk)
    if reason := why_not_propose(entry, by):
        raise Refused(reason)
    assert entry is not None
    if reason := why_not_to(entry, community) or why_not_party(case, party):
        raise Refused(reason)
    event = events.report(
        case, by=by, kind=LifeEvent.Kind.MOVED, happened_on=moved_on, details=details
    )
    onward = Rehandover.objects.create(
        transfer=case, event=event, from_community=entry.community, to_community=community,
        card=card, party=party, proposed_by=by,
    )  # fmt: skip
    _tell(community, case, f"{entry.community.full_name}请接收{case.retiree.name}（居住地变更），"
          "请核对后接收或说明不接收的原因（第十条）。")  # fmt: skip
    _audit("rehandover_propose", onward, by)
    return onward


@transaction.atomic
def accept(onward: Rehandover, *, by: User, officer: str, officer_phone: str) -> Rehandover:
    """The person is ours from today: ledger line, card and Party relation as was chosen."""
    case, entry = _lock(onward.transfer_id)
    onward = _read(onward)
    if reason := why_not_decide(onward, by):
        raise Refused(reason)
    assert entry is not None
    if reason := why_not_to(entry, onward.to_community) or why_not_party(case, onward.party):
        raise Refused(reason)
    today, goal = timezone.localdate(), onward.to_community
    onward.close(State.ACCEPTED, by=by)
    Management.finish(case, until=today, why=Management.Ended.REHANDOVER, by=by)
    Management.begin(case, goal.pk, since=today, why=Management.Began.REHANDOVER)
    follows = onward.party == Rehandover.Party.FOLLOW
    before = case.party_area
    workflow.move(case, community=goal, party_area=goal if follows else before, by=by)
    entry.enter(goal.pk, today)
    entry.officer, entry.officer_phone = officer, officer_phone
    entry.verified_on, entry.verified_by = today, by
    entry.__dict__["_change_reason"] = f"由{onward.from_community.full_name}转入"
    entry.save()
    care.replan(Reception.objects.filter(pk=entry.pk))  # another street has another plan
    if onward.card == Rehandover.Card.REISSUE:
        cards.replace(entry, by=by, why=ContactCard.Why.MOVED)
    _tell(onward.from_community, case, f"{goal.full_name}已接收{case.retiree.name}，由其管理服务。")
    _tell_offices(case, onward)
    if follows:
        hand_on(case)
        for area, words in ((before, "转出"), (goal, "转入")):
            if area:
                Notice.objects.create(
                    role="party", area=area, transfer=case,
                    text=f"{case.retiree.name}居住地变更，组织关系由"
                    f"{before.full_name if before else '原党组织'}{words}至{goal.full_name}，"
                    "请办理转接（第六条第6项）。",
                )  # fmt: skip
    _audit("rehandover_accept", onward, by)
    return onward


@transaction.atomic
def refuse(onward: Rehandover, *, by: User, refusal: str, why: str) -> None:
    """The person stays where he is, with the reason."""
    case, _entry = _lock(onward.transfer_id)
    onward = _read(onward)
    if reason := why_not_decide(onward, by):
        raise Refused(reason)
    if not why.strip():
        raise Refused("请写明不接收的原因。")
    onward.close(State.REFUSED, by=by, refusal=refusal, why=why.strip())
    _tell(onward.from_community, case, f"{onward.to_community.full_name}不接收{case.retiree.name}："
          f"{onward.get_refusal_display()}，{onward.why}")  # fmt: skip
    _audit("rehandover_refuse", onward, by)


@transaction.atomic
def withdraw(onward: Rehandover, *, by: User, why: str) -> None:
    """The giving community takes it back before it is decided."""
    case, _entry = _lock(onward.transfer_id)
    onward = _read(onward)
    if reason := why_not_withdraw(onward, by):
        raise Refused(reason)
    if not why.strip():
        raise Refused("请写明撤回的原因。")
    onward.close(State.WITHDRAWN, by=by, why=why.strip())
    _tell(onward.to_community, case,
          f"{onward.from_community.full_name}撤回转交{case.retiree.name}：{onward.why}")  # fmt: skip
    _audit("rehandover_withdraw", onward, by)


def _read(onward: Rehandover) -> Rehandover:
    rows = Rehandover.objects.select_for_update(of=("self",)).select_related(
        "from_community__parent", "to_community__parent__parent"
    )
    return rows.get(pk=onward.pk)


def _tell_offices(case: Transfer, onward: Rehandover) -> None:
    """HR and medical insurance of the new county, who did not get the report."""
    old, new = events.county_of(onward.from_community), events.county_of(onward.to_community)
    if old == new:
        return
    for role in ("hr", "medical"):
        Notice.objects.create(
            role=role, area=new, transfer=case,
            text=f"{case.retiree.name}居住地变更，由{old.name}转入"
            f"{onward.to_community.full_name}管理服务（第十条）。",
        )  # fmt: skip


def _tell(area: Area, case: Transfer, text: str) -> None:
    Notice.objects.create(role="community", area=area, transfer=case, text=text[:300])


def _audit(action: str, onward: Rehandover, by: User) -> None:
    audit.write(action, user=by, object=onward, area=onward.from_community_id,
                facts={"to": onward.to_community_id, "card": onward.card, "party": onward.party,
                       "article": "第十条"})  # fmt: skip
