"""第六条 as a table: one row an act, three verbs, one writer.

The six steps of the article are `Step.number`; where the article names two bodies for one step
(2: the enterprise files, HR verifies; 4 and 6: the enterprise hands over, the receiver accepts)
each body's act is a row. Steps 4, 5 and 6 open together after 3: 第五条 gives each its own receiver
and 第六条 states no order among them. To make them strictly sequential, change `needs`.

Only this module writes TransferStep, StepEvent and Transfer.state. Every verb runs in one
transaction: lock the case, read again, check, change, note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from archives.forms import AcceptFileForm, DeliverForm
from archives.models import PersonnelFile
from communities.forms import CheckInForm
from communities.models import Area, ContactCard, Reception
from enterprises.models import Enterprise
from party.forms import AcceptMemberForm, LetterForm
from party.models import PartyMove
from transfers import deadlines, stages
from transfers.choices import EndReason, ReturnReason
from transfers.forms import ConfirmForm, DeclareForm, RetireeForm, StepForm, VerifyForm
from transfers.models import (
    ImportBatch,
    Retiree,
    SignedForm,
    StepEvent,
    Transfer,
    TransferStep,
)
from transfers.refusal import Refused
from xianning import access, audit, bulk
from xianning.models import Notice, Office, User, label_of
from xianning.models import Sequence as Numbers
from xianning.models.base import new_id
from xianning.roles import ROLES

State = TransferStep.State
Verb = StepEvent.Verb


def _nothing(transfer: Transfer, *_: Any, **__: Any) -> None:
    return None


# --- guards: a sentence, or None ----------------------------------------------------------------


def destination_is_known(t: Transfer) -> str | None:
    """第五条: each line has its receiver."""
    if t.community is None:
        return "尚未填写接收社区，请在“更改信息”中选择后再申报（第五条）。"
    if t.community.closed_on or not t.community.receives:
        now = t.community.today()
        hint = f"，请改为{now.full_name}" if now.pk != t.community_id else ""
        return f"{t.community.full_name}不再接收退休人员{hint}（第五条）。"
    if t.archive_area is None:
        return "尚未填写人事档案接收地，请在“更改信息”中选择后再申报（第五条）。"
    if t.retiree.is_party_member and t.party_area is None:
        return "党员须填写长期居住地（街道、社区），请在“更改信息”中选择后再申报（第六条第6项）。"
    return None


def only_party_members(t: Transfer) -> str | None:
    """第六条第6项."""
    return None if t.retiree.is_party_member else "不是中共党员，无须转接组织关系（第六条第6项）。"


# --- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One row: who acts, after what, on which condition, with what result."""

    key: str
    number: int  # of the six steps
    title: str
    role: str
    desk: str  # column of Transfer that holds the place of the desk
    needs: tuple[str, ...] = ()
    form: type[StepForm] | None = None
    guard: Callable[[Transfer], str | None] = _nothing
    unless: Callable[[Transfer], str | None] = _nothing  # why the step does not apply
    effect: Callable[..., str | None] = _nothing
    undo: Callable[..., None] = _nothing
    back: Callable[..., None] | None = None  # when the next office returns it; else `undo`
    returns_to: str = ""
    bulk: bool = False  # many people with one set of answers

    @property
    def article(self) -> str:
        return f"第六条第{self.number}项"


ENTERPRISE, DECLARE, VERIFY, CONFIRM = "enterprise", "declare", "verify", "confirm"
DELIVER, ARCHIVES, COMMUNITY, LETTER, PARTY = (
    "deliver", "archives", "community", "letter", "party",
)  # fmt: skip

STEPS: dict[str, Step] = {
    step.key: step
    for step in (
        # Done before any case begins: `start` asks the list.
        Step(ENTERPRISE, 1, "国有企业确认", "sasac", "authority"),
        Step(DECLARE, 2, "企业退休申报", "enterprise", "enterprise", needs=(ENTERPRISE,),
             form=DeclareForm, guard=destination_is_known, bulk=True),
        Step(VERIFY, 2, "核定退休待遇", "hr", "authority", needs=(DECLARE,),
             form=VerifyForm, effect=Transfer.record_treatment, returns_to=DECLARE, bulk=True),
        Step(CONFIRM, 3, "基本信息确认", "enterprise", "enterprise", needs=(VERIFY,),
             form=ConfirmForm, effect=SignedForm.sign, undo=SignedForm.unsign, returns_to=DECLARE),
        Step(DELIVER, 4, "移交人事档案", "enterprise", "enterprise", needs=(CONFIRM,),
             form=DeliverForm, effect=PersonnelFile.deliver, undo=PersonnelFile.take_back,
             back=PersonnelFile.come_back),
        Step(ARCHIVES, 4, "接收人事档案", "insurance", "archive_area", needs=(DELIVER,),
             form=AcceptFileForm, effect=PersonnelFile.accept, undo=PersonnelFile.unaccept,
             returns_to=DELIVER),
        Step(COMMUNITY, 5, "街道社区接收", "community", "community", needs=(CONFIRM,),
             form=CheckInForm, effect=Reception.register, undo=Reception.unregister,
             returns_to=CONFIRM),
        Step(LETTER, 6, "开具组织关系介绍信", "enterprise", "enterprise", needs=(CONFIRM,),
             form=LetterForm, unless=only_party_members, effect=PartyMove.issue,
             undo=PartyMove.void),
        Step(PARTY, 6, "接收党员组织关系", "party", "party_area", needs=(LETTER,),
             form=AcceptMemberForm, unless=only_party_members, effect=PartyMove.accept,
             undo=PartyMove.unaccept, returns_to=LETTER),
    )
}  # fmt: skip

SIX_STEPS = {
    1: "国有企业确认", 2: "企业退休申报", 3: "基本信息确认",
    4: "人事档案移交", 5: "街道社区接收", 6: "党组织关系转接",
}  # fmt: skip


def before(key: str) -> set[str]:
    """Every step that must be done before KEY, directly or not."""
    return set(STEPS[key].needs).union(*(before(need) for need in STEPS[key].needs), set())


def after(key: str) -> set[str]:
    """Every step that comes after KEY, directly or not."""
    return {other for other in STEPS if key in before(other)}


# --- reading ------------------------------------------------------------------------------------


_STEP_NEEDS = ("area", "done_by", "done_office")


def with_steps(cases: QuerySet[Transfer]) -> QuerySet[Transfer]:
    """CASES whose steps are read together, for a list that tells how each of them stands."""
    return cases.prefetch_related(
        Prefetch("steps", TransferStep.objects.select_related(*_STEP_NEEDS))
    )


def rows_of(transfer: Transfer) -> dict[str, TransferStep]:
    """The step rows of a case by key, in the order of the table; read before by `with_steps`."""
    read = "steps" in getattr(transfer, "_prefetched_objects_cache", {})
    found = transfer.steps.all() if read else transfer.steps.select_related(*_STEP_NEEDS)
    rows = {row.step: row for row in found}
    return {key: rows[key] for key in STEPS if key in rows}


def waiting(user: User, key: str) -> QuerySet[TransferStep]:
    """What waits at step KEY at desks that USER serves, the oldest first.

    The role is not asked for again: the step implies it, and a redundant condition misleads the
    planner about how few rows there are.
    """
    places = access.scope(user).places(STEPS[key].role)
    rows = TransferStep.objects.filter(places, step=key, state=State.OPEN)
    # Asked without a join, which would mislead the planner: usually no import is under way.
    unfinished = Transfer.objects.filter(batch__in=ImportBatch.objects.hidden().values("pk"))
    rows = rows.exclude(transfer__in=unfinished.values("pk"))
    return rows.order_by("opened_at", "transfer_id")


def is_mine(row: TransferStep, user: User) -> bool:
    """Whether USER serves the desk of this row."""
    return access.scope(user).may_act(row.role, area=row.area_id, enterprise=row.enterprise_id)


def desk_name(row: TransferStep, transfer: Transfer) -> str:
    """Whose turn it is, in words."""
    if ROLES[row.role].place == "enterprise":
        return transfer.enterprise.transferor
    role = ROLES[row.role]
    place = row.area.full_name if row.area else "（未定）"
    return f"{place}{role.desk or role.name}".strip()


def why_not(transfer: Transfer, row: TransferStep, user: User | None = None) -> str | None:
    """Why this step cannot be completed (by USER) now, as a sentence; None when it can."""
    step = STEPS[row.step]
    if row.state == State.DONE:
        when = timezone.localtime(row.done_at)
        return f"“{step.title}”已由{row.done_by}于 {when:%Y-%m-%d %H:%M} 办理，不能重复办理。"
    if transfer.state != Transfer.State.OPEN:
        return f"案卷{transfer.get_state_display()}，不能再办理。"
    if row.state == State.SKIPPED:
        return step.unless(transfer) or "此步骤不适用。"
    if row.state == State.BLOCKED:
        done = {each.step for each in transfer.steps.all() if each.state == State.DONE}
        missing = "、".join(f"“{STEPS[need].title}”" for need in step.needs if need not in done)
        return f"须先完成{missing}（{step.article}）。"
    if user is not None and not is_mine(row, user):
        return f"“{step.title}”由{desk_name(row, transfer)}办理（{step.article}）。"
    if user is not None and (own := _own_work(transfer, step, user)):
        return own
    return step.guard(transfer)


def _own_work(transfer: Transfer, step: Step, user: User) -> str | None:
    """Where one body checks or receives what another did, nobody may be both, whatever he holds."""
    partners = [
        other.key
        for other in STEPS.values()
        if other.role != step.role
        and (other.key == step.returns_to or step.key == other.returns_to)
    ]
    mine = (row for row in transfer.steps.all() if row.done_by_id == user.pk)
    own = next((row for row in mine if row.step in partners), None)
    if own is None:
        return None
    return f"“{STEPS[own.step].title}”由您本人办理，“{step.title}”须由他人办理（{step.article}）。"


# --- the one writer -----------------------------------------------------------------------------


def _lock(transfer: Transfer) -> tuple[Transfer, dict[str, TransferStep]]:
    """The case, locked and read again, with its step rows. Raises Refused during its import."""
    case = Transfer.objects.select_for_update(of=("self",)).get(pk=transfer.pk)
    if case.batch_id and ImportBatch.objects.hidden().filter(pk=case.batch_id).exists():
        raise Refused("此案卷所在的导入正在写入或撤销，请稍后再试。")
    return case, rows_of(case)


def _place(case: Transfer, row: TransferStep) -> None:
    column = STEPS[row.step].desk
    if column == "enterprise":
        row.enterprise_id = case.enterprise_id
    else:
        row.area_id = getattr(case, f"{column}_id")


def _settle(case: Transfer, rows: dict[str, TransferStep]) -> list[TransferStep]:
    """Derive open, blocked and skipped from the done rows; return the rows that opened."""
    opened = []
    for key, row in rows.items():
        if row.state == State.DONE:
            continue
        step, was = STEPS[key], row.state
        _place(case, row)
        over = (State.DONE, State.SKIPPED)
        if step.unless(case):
            row.state = State.SKIPPED
        elif all(rows[need].state in over for need in step.needs):
            row.state = State.OPEN
        else:
            row.state = State.BLOCKED
        if row.state == State.OPEN and was != State.OPEN:
            row.opened_at = timezone.now()
            opened.append(row)
        elif row.state != State.OPEN:
            deadlines.spend(row)
            row.returned, row.opened_at = False, None
    return opened


def _finish(case: Transfer, rows: dict[str, TransferStep], reason: str) -> None:
    """Save the rows and the state of the case that follows from them."""
    for row in rows.values():
        row.save()
    over = all(row.state in (State.DONE, State.SKIPPED) for row in rows.values())
    state = Transfer.State.DONE if over else Transfer.State.OPEN
    if case.state != state:
        case.state, case.closed_at = state, timezone.now() if over else None
    case.__dict__["_change_reason"] = reason
    case.reached = _reached(case, rows)
    case.save()


def _reached(case: Transfer, rows: dict[str, TransferStep]) -> int:
    """The stages that follow from the rows, and from the card of who checked in."""
    has_card = rows[COMMUNITY].state == State.DONE and (
        ContactCard.objects.filter(reception__transfer=case, voided_on=None).exists()
    )
    return stages.bits({key: row.state for key, row in rows.items()}, has_card=has_card)


def _mark_done(row: TransferStep, by: User, office: Office | None) -> None:
    row.state, row.returned = State.DONE, False
    row.done_at, row.done_by, row.done_office = timezone.now(), by, office


def _reopen(row: TransferStep, *, returned: bool) -> None:
    deadlines.spend(row)
    row.state, row.returned, row.opened_at = State.OPEN, returned, timezone.now()
    row.done_at = row.done_by = row.done_office = None


def _office(row: TransferStep, by: User) -> Office | None:
    """The office for which BY acts at this desk."""
    for role in [row.role, *(r.slug for r in ROLES.values() if row.role in r.acts_as)]:
        offices = Office.objects.at_desk(role, area_id=row.area_id, enterprise_id=row.enterprise_id)
        if office := offices.filter(users=by).first():
            return office
    return None


def _note(case: Transfer, row: TransferStep, verb: Verb, by: User, **facts: Any) -> None:
    StepEvent.objects.create(
        transfer=case, step=row.step, verb=verb, by=by, office=_office(row, by), **facts
    )
    audit.write(
        f"step_{verb.value}", user=by, object=case, area=case.authority_id,
        facts={"step": row.step, "article": STEPS[row.step].article, "code": facts.get("code", "")},
    )  # fmt: skip


def _tell(case: Transfer, row: TransferStep, text: str) -> None:
    Notice.objects.create(
        role=row.role, area_id=row.area_id, enterprise_id=row.enterprise_id, transfer=case,
        text=text,
    )  # fmt: skip


def _tell_opened(case: Transfer, opened: list[TransferStep], by: User) -> None:
    for row in opened:
        if not is_mine(row, by):
            step = STEPS[row.step]
            _tell(case, row, f"{case.retiree.name}（{case.enterprise}）：“{step.title}”待办理。")


@transaction.atomic
def start(
    cases: Sequence[Transfer], *, by: User, declare: bool = True, announce: bool = True
) -> int:
    """Open unsaved CASES of one enterprise, and file at once those that are ready; how many are.

    HR is told unless ANNOUNCE says that the caller does (`announce_filed`). Raises Refused when the
    enterprise is not on the confirmed list (第六条第1项).
    """
    if not cases:
        return 0
    enterprise = Enterprise.objects.select_for_update(of=("self",)).get(pk=cases[0].enterprise_id)
    if reason := enterprise.why_not_open():
        raise Refused(reason)
    begun = begin(
        cases, enterprise, number=next_numbers(enterprise, len(cases)), by=by,
        office=office_of(enterprise, by), declare=declare,
    )  # fmt: skip
    bulk.create_with_history(cases, by=by, reason="建案")
    for table, rows in begun.packed:
        bulk.insert_packed(table, rows)
    audit.write_many("cases_filed", cases, user=by, area=enterprise.authority_id,
                     enterprise=str(enterprise.pk), filed=begun.filed)  # fmt: skip
    if begun.filed and announce:
        announce_filed(enterprise, begun.filed, cases[0] if len(cases) == 1 else None)
    return begun.filed


def next_numbers(enterprise: Enterprise, count: int) -> int:
    """The first of COUNT numbers for new cases of ENTERPRISE in the present year."""
    county = access.prefix(enterprise.county_id)
    return Numbers.next(f"transfer/{timezone.localdate().year}/{county}", count)


def office_of(enterprise: Enterprise, by: User) -> Office | None:
    """The office for which BY files cases of ENTERPRISE."""
    return Office.objects.filter(role="enterprise", enterprise=enterprise, users=by).first()


class Begun(NamedTuple):
    """The steps and events with which cases begin, packed; how many of the cases are filed."""

    packed: list[bulk.Packed]
    filed: int


def begin(
    cases: Sequence[Transfer], enterprise: Enterprise, *, number: int, by: User,
    office: Office | None, declare: bool = True,
) -> Begun:  # fmt: skip
    """Number unsaved CASES from NUMBER on and make their first rows; asks the database nothing."""
    now = timezone.now()
    year, county = timezone.localdate().year, access.prefix(enterprise.county_id)
    beginnings: dict[tuple[bool, ...], list[TransferStep]] = {}
    reached: dict[tuple[bool, ...], int] = {}
    filed = 0
    rows: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    office_id = office.pk if office else None
    for offset, case in enumerate(cases):
        case.enterprise, case.authority = enterprise, enterprise.authority
        case.number = f"{year}-{county}-{number + offset:06d}"
        is_filed = declare and STEPS[DECLARE].guard(case) is None
        kind = (is_filed, *(step.unless(case) is None for step in STEPS.values()))
        if kind not in beginnings:
            beginnings[kind] = _beginning(case, by, office, declare=is_filed)
            states = {row.step: row.state for row in beginnings[kind]}
            reached[kind] = stages.bits(states, has_card=False)
        rows += [_row_values(case, row) for row in beginnings[kind]]
        case.reached = reached[kind]
        deeds = ((ENTERPRISE, Verb.START), (DECLARE, Verb.COMPLETE))[: 2 if is_filed else 1]
        events += [
            (new_id(), case.pk, step, verb, by.pk, office_id, now, "", "", "")
            for step, verb in deeds
        ]
        filed += is_filed
    packed = [
        bulk.pack(TransferStep, _STEP_COLUMNS, rows), bulk.pack(StepEvent, _EVENT_COLUMNS, events)
    ]  # fmt: skip
    return Begun(packed, filed)


_EVENT_COLUMNS = (
    "id", "transfer_id", "step", "verb", "by_id", "office_id", "at", "code", "reason", "note",
)  # fmt: skip
_STEP_COLUMNS = (
    "transfer_id", "step", "role", "area_id", "enterprise_id", "state", "returned", "opened_at",
    "done_at", "done_by_id", "done_office_id",
)  # fmt: skip


def _beginning(
    case: Transfer, by: User, office: Office | None, *, declare: bool
) -> list[TransferStep]:
    """The step rows with which CASE begins: the same for all cases of its kind but their places."""
    rows = {
        key: TransferStep(transfer=case, step=key, role=step.role, state=State.BLOCKED)
        for key, step in STEPS.items()
    }
    first = rows[ENTERPRISE]
    _place(case, first)
    first.state, first.done_at = State.DONE, case.enterprise.confirmed_at
    first.done_by = case.enterprise.confirmed_by
    _settle(case, rows)
    if declare:
        _mark_done(rows[DECLARE], by, office)
        _settle(case, rows)
    return list(rows.values())


def _row_values(case: Transfer, like: TransferStep) -> tuple[Any, ...]:
    """The row of CASE that is like LIKE, in the order of _STEP_COLUMNS."""
    desk = STEPS[like.step].desk
    at_enterprise = desk == "enterprise"
    return (
        case.pk, like.step, like.role, None if at_enterprise else getattr(case, f"{desk}_id"),
        case.enterprise_id if at_enterprise else None, like.state, like.returned, like.opened_at,
        like.done_at, like.done_by_id, like.done_office_id,
    )  # fmt: skip


def announce_filed(enterprise: Enterprise, count: int, case: Transfer | None = None) -> None:
    """Tell HR of COUNT cases that wait for its step."""
    Notice.objects.create(
        role="hr", area_id=enterprise.authority_id, about_enterprise=enterprise, transfer=case,
        text=f"{enterprise}申报 {count} 人，“{STEPS[VERIFY].title}”待办理。",
    )  # fmt: skip


_JUST_FILED = "此身份证号刚由他人登记，请稍后核对案卷。"


def file(form: RetireeForm, *, by: User) -> Transfer:
    """Save the person of a valid form and open the case; filed at once when it is ready.

    Raises Refused, also when the same number was filed since the form was checked.
    """
    case = form.new_case(by)
    try:
        with transaction.atomic():
            case.retiree.save()
            start([case], by=by)
    except IntegrityError:
        raise Refused(_JUST_FILED) from None
    return case


@transaction.atomic
def complete(transfer: Transfer, key: str, *, by: User, announce: bool = True, **data: Any) -> None:
    """Do the act of step KEY. Raises Refused with the reason when it cannot be done.

    The next office is told unless ANNOUNCE says that the caller does, for many at once.
    """
    case, rows = _lock(transfer)
    row = rows[key]
    if reason := why_not(case, row, by):
        raise Refused(reason)
    note = STEPS[key].effect(case, by=by, **data) or ""
    _note(case, row, Verb.COMPLETE, by, note=note)
    _mark_done(row, by, _office(row, by))
    opened = _settle(case, rows)
    _finish(case, rows, STEPS[key].title)
    if announce:
        _tell_opened(case, opened, by)


@transaction.atomic
def complete_elsewhere(transfer: Transfer, *, by: User, **data: Any) -> None:
    """第六条第6项: a receiver outside Xianning, who has no account, has taken the member in.

    BY is of the sender, who answers for the member until then. Raises Refused with the reason.
    """
    case, rows = _lock(transfer)
    row = rows[PARTY]
    if reason := why_not(case, row):
        raise Refused(reason)
    note = PartyMove.accept(case, by=by, elsewhere=True, **data)
    _note(case, row, Verb.COMPLETE, by, note=f"咸宁市外接收，{note}"[:300])
    _mark_done(row, by, office_of(case.enterprise, by))
    _settle(case, rows)
    _finish(case, rows, STEPS[PARTY].title)


@transaction.atomic
def send_back(transfer: Transfer, key: str, *, by: User, code: str, reason: str) -> None:
    """Return the case from the open step KEY to the office before it, with a reason."""
    case, rows = _lock(transfer)
    row, step = rows[key], STEPS[key]
    if refusal := why_not_send_back(case, row, by, code, reason):
        raise Refused(refusal)
    _note(case, row, Verb.SEND_BACK, by, code=code, reason=reason)
    target = rows[step.returns_to]
    for between in after(target.step) & before(key):
        if rows[between].state == State.DONE:
            STEPS[between].undo(case, by=by, reason=reason)
            _reopen(rows[between], returned=False)
    if come_back := STEPS[target.step].back:
        come_back(case, by=by, code=code, reason=reason)
    else:
        STEPS[target.step].undo(case, by=by, reason=reason)
    _reopen(target, returned=True)
    _settle(case, rows)
    _finish(case, rows, f"退回：{reason}"[:300])
    _tell(
        case,
        target,
        f"{case.retiree.name}：“{step.title}”退回，{ReturnReason(code).label}：{reason}",
    )


def why_not_send_back(
    case: Transfer, row: TransferStep, by: User, code: str, reason: str
) -> str | None:
    """Why the step cannot be returned, as a sentence; None when it can."""
    step = STEPS[row.step]
    if not step.returns_to:
        return f"“{step.title}”之前没有可以退回的步骤。"
    if case.state != Transfer.State.OPEN:
        return f"案卷{case.get_state_display()}，不能退回。"
    if row.state != State.OPEN:
        return why_not(case, row) or "此步骤不能退回。"
    if not is_mine(row, by):
        return f"“{step.title}”由{desk_name(row, case)}办理，只有其可以退回（{step.article}）。"
    return _reason_is_missing(code, reason, ReturnReason.values)


def _reason_is_missing(code: str, reason: str, codes: list[str]) -> str | None:
    if code not in codes:
        return "请选择原因。"
    return None if reason.strip() else "请填写原因说明。"


@transaction.atomic
def withdraw(transfer: Transfer, key: str, *, by: User, code: str, reason: str) -> None:
    """Take one's own completed act back while nothing that follows from it is done."""
    case, rows = _lock(transfer)
    row = rows[key]
    if refusal := why_not_withdraw(case, rows, key, by):
        raise Refused(refusal)
    if refusal := _reason_is_missing(code, reason, ReturnReason.values):
        raise Refused(refusal)
    STEPS[key].undo(case, by=by, reason=reason)
    _note(case, row, Verb.WITHDRAW, by, code=code, reason=reason)
    _reopen(row, returned=False)
    _settle(case, rows)
    _finish(case, rows, f"撤回：{reason}"[:300])


def why_not_withdraw(
    case: Transfer, rows: dict[str, TransferStep], key: str, by: User
) -> str | None:
    """Why the completed act cannot be taken back, as a sentence; None when it can."""
    step, row = STEPS[key], rows[key]
    if case.state == Transfer.State.ENDED:
        return "案卷已终止，不能撤回。"
    if row.state != State.DONE:
        return f"“{step.title}”尚未办理，不能撤回。"
    if key == ENTERPRISE:
        return "国有企业确认随企业名单变动，不能在案卷中撤回（第六条第1项）。"
    if not is_mine(row, by):
        return f"“{step.title}”由{desk_name(row, case)}办理，只有其可以撤回。"
    done = [STEPS[k].title for k in STEPS if key in STEPS[k].needs and rows[k].state == State.DONE]
    if done:
        return f"“{'”“'.join(done)}”已办理，不能再撤回“{step.title}”。"
    return None


@transaction.atomic
def amend(transfer: Transfer, form: RetireeForm, *, by: User) -> list[str]:
    """Save a valid form over the case; a printed change makes the signature not valid.

    Returns the labels of what changed. Raises Refused when the case cannot be changed.
    """
    case, rows = _lock(transfer)
    if refusal := why_not_amend(case, by):
        raise Refused(refusal)
    try:
        with transaction.atomic():
            changed = form.write(case)
    except IntegrityError:
        raise Refused(_JUST_FILED) from None
    if not changed:
        return []
    _amended(case, rows, rows[DECLARE], changed, by, printed=form.changes_print)
    return changed


def _amended(
    case: Transfer, rows: dict[str, TransferStep], row: TransferStep, changed: list[str], by: User,
    *, printed: bool,
) -> None:  # fmt: skip
    """Note that the desk of ROW CHANGED facts; when they are PRINTED, the signature holds no more.

    A case that is over is not opened again: its handover is done, and only the paper is outdated.
    """
    note = "、".join(changed)
    if printed:
        case.form_version += 1
        if rows[CONFIRM].state == State.DONE:
            SignedForm.unsign(case, by=by, reason=f"更改了{note}")
            _note(case, rows[CONFIRM], Verb.INVALIDATE, by, note=f"更改了{note}"[:300])
            if case.state == Transfer.State.OPEN:
                _reopen(rows[CONFIRM], returned=True)
    _note(case, row, Verb.AMEND, by, note=note[:300])
    opened = _settle(case, rows)
    _finish(case, rows, f"更改信息：{note}"[:300])
    _tell_opened(case, opened, by)


@transaction.atomic
def correct(transfer: Transfer, values: dict[str, Any], *, by: User) -> list[str]:
    """Write what the community found out about the person whom it keeps, by column.

    Returns the labels of what changed. Raises Refused when BY does not keep him.
    """
    case, rows = _lock(transfer)
    if refusal := why_not_correct(case, rows, by):
        raise Refused(refusal)
    person = Retiree.objects.select_for_update(of=("self",)).get(pk=case.retiree_id)
    case.retiree = person
    changed = [name for name, value in values.items() if getattr(person, name) != value]
    if not changed:
        return []
    for name in changed:
        setattr(person, name, values[name])
    person.__dict__["_change_reason"] = "社区更正"
    person.save()
    labels = [label_of(Retiree, name) for name in changed]
    _amended(
        case, rows, rows[COMMUNITY], labels, by, printed=not {*changed}.isdisjoint(Retiree.PRINTED)
    )
    return labels


def why_not_correct(case: Transfer, rows: dict[str, TransferStep], by: User) -> str | None:
    """Why BY cannot correct the facts of this person, as a sentence; None when he can."""
    row = rows[COMMUNITY]
    if case.state == Transfer.State.ENDED or row.state != State.DONE:
        return "此人没有在社区报到，信息由移交单位更改（第六条第2项）。"
    # The desk of the step is where he checked in; he may have been handed on since (第十条).
    if not access.scope(by).may_act("community", area=case.community_id):
        place = case.community.full_name if case.community else ""
        return f"信息由{place}核实和更正（第六条第5项）。"
    return None


def why_not_amend(case: Transfer, by: User) -> str | None:
    """Why BY cannot change the facts of the case, as a sentence; None when he can."""
    if case.state != Transfer.State.OPEN:
        return f"案卷{case.get_state_display()}，不能更改信息。"
    if not access.scope(by).may_act("enterprise", enterprise=case.enterprise_id):
        return f"信息由移交单位{case.enterprise.transferor}登记和更改（第六条第2项）。"
    return None


@transaction.atomic
def move(transfer: Transfer, *, community: Area, party_area: Area | None, by: User) -> None:
    """第十条: COMMUNITY manages the person from now on; the form keeps the receivers it names.

    Whether it may is asked by `communities.rehandovers`, which alone calls this.
    """
    case, rows = _lock(transfer)
    if not case.was_moved:
        case.declared_community, case.declared_party_area = case.community, case.party_area
    case.community, case.party_area = community, party_area
    reason = f"转交{community.full_name}"
    _note(case, rows[COMMUNITY], Verb.MOVE, by, note=reason)
    _settle(case, rows)
    _finish(case, rows, reason)


@transaction.atomic
def end(transfer: Transfer, *, by: User, code: str, reason: str) -> None:
    """End a case without a handover, before any receiver has taken anything over."""
    case, rows = _lock(transfer)
    if refusal := why_not_end(case, rows, by):
        raise Refused(refusal)
    if refusal := _reason_is_missing(code, reason, EndReason.values):
        raise Refused(refusal)
    _note(case, rows[DECLARE], Verb.END, by, code=code, reason=reason)
    SignedForm.unsign(case, by=by, reason=reason)
    for row in rows.values():
        if row.state not in (State.DONE, State.SKIPPED):
            row.state, row.opened_at, row.returned = State.BLOCKED, None, False
            row.save()
    case.state, case.closed_at = Transfer.State.ENDED, timezone.now()
    case.__dict__["_change_reason"] = f"终止：{reason}"[:300]
    case.save()


def why_not_end(case: Transfer, rows: dict[str, TransferStep], by: User) -> str | None:
    """Why the case cannot be ended, as a sentence; None when it can."""
    if case.state != Transfer.State.OPEN:
        return f"案卷{case.get_state_display()}，不能终止。"
    if not access.scope(by).may_act("enterprise", enterprise=case.enterprise_id):
        return f"只有移交单位{case.enterprise.transferor}可以终止案卷。"
    taken = [STEPS[k].title for k in (ARCHIVES, COMMUNITY, PARTY) if rows[k].state == State.DONE]
    if taken:
        return f"“{'”“'.join(taken)}”已办理，不能终止。"
    return None
