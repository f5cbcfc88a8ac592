"""移交完成证明材料: everything that shows one enterprise's handover complete, or what is not.

A roster of its own (each case with the day of every step), and the file made of it holds the list
entry, the counts, all rosters of the enterprise, its letters, and what is unsettled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Prefetch
from django.utils import timezone

from archives.rosters import ARCHIVES
from communities.rosters import LEDGER
from enterprises.models import Enterprise
from party.rosters import PARTY
from transfers import workflow
from transfers.models import HandoverLetter, Transfer, TransferStep
from transfers.rosters import TRANSFERS
from transfers.workflow import STEPS
from xianning import access
from xianning.roster import Column, Part, Roster
from xianning.templatetags.ui import cn_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from django.db.models import QuerySet

    from xianning.models import User

State = TransferStep.State
SIGNATURES = ("移交单位（盖章）：　　　　经办人：", "国资部门（盖章）：　　　　核对人：",
              "日期：　　年　　月　　日")  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """A line of the cover: what is asked, what is on record."""

    what: str
    found: str


@dataclass(frozen=True)
class Sum:
    """How many cases have come through a step: DUE = DONE + LEFT; those it does not concern apart."""

    step: str
    article: str
    due: int
    done: int
    left: int
    skipped: int


def _day_of(step: str) -> Callable[[Transfer], Any]:
    """When STEP of a case was done; that it does not concern the person; or nothing."""

    def found(case: Transfer) -> Any:
        row = next((row for row in case.steps.all() if row.step == step), None)
        if row is None:
            return None
        return "不适用" if row.state == State.SKIPPED else row.done_at

    return found


def _open(case: Transfer) -> list[TransferStep]:
    ended = case.state == Transfer.State.ENDED
    return [] if ended else [row for row in case.steps.all() if row.state == State.OPEN]


def _open_steps(case: Transfer) -> str:
    return "、".join(STEPS[row.step].title for row in _open(case))


def _whose_turn(case: Transfer) -> str:
    """Which steps are open, at whose desk, since when."""
    return "；".join(
        f"{STEPS[row.step].title}：{workflow.desk_name(row, case)}"
        + (f"（{cn_date(timezone.localtime(row.opened_at))}起）" if row.opened_at else "")
        for row in _open(case)
    )


def _cases(user: User) -> QuerySet[Transfer]:
    steps = TransferStep.objects.select_related("area")
    return (
        Transfer.objects.visible_to(user)
        .select_related("retiree", "enterprise", "community")
        .prefetch_related(Prefetch("steps", steps))
    )


def parts(user: User, enterprise: UUID, cases: Iterable[Transfer]) -> list[Part]:
    """What the file holds for ENTERPRISE: only rosters that USER's offices use, only his rows."""
    mine = access.scope(user).roles
    firm = Enterprise.objects.select_related("authority", "county").get(pk=enterprise)

    def of_firm(roster: Roster, column: str) -> Iterator[Any]:
        rows = roster.rows(user).filter(**{column: enterprise}).order_by("pk")
        return rows.iterator(chunk_size=1000)

    rosters = [
        (roster, of_firm(roster, column))
        for roster, column in (
            (TRANSFERS, "enterprise"), (ARCHIVES, "transfer__enterprise"),
            (LEDGER, "transfer__enterprise"), (PARTY, "transfer__enterprise"),
        )
        if roster.roles & mine
    ]  # fmt: skip
    open_cases = _cases(user).filter(enterprise=enterprise, state=Transfer.State.OPEN)
    letters = HandoverLetter.objects.filter(enterprise=enterprise).select_related(
        "area", "issued_by"
    )
    return [
        (FACTS, facts(firm)),
        (SUMS, sums(user, enterprise)),
        (PROOF, cases),
        (UNSETTLED, open_cases.order_by("pk").iterator(chunk_size=1000)),
        *rosters,
        (LETTERS, letters.order_by("pk").iterator(chunk_size=1000)),
    ]


def facts(firm: Enterprise) -> list[Fact]:
    """The entry of the list (第六条第1项), the transferor and the agreement (第四条)."""

    def day(value: Any) -> str:
        return cn_date(value) or "（无记录）"

    return [
        Fact("企业名称", firm.name),
        Fact("统一社会信用代码", firm.credit_code or "（无）"),
        Fact("企业层级、控股类型", f"{firm.get_level_display()}　{firm.get_holding_display()}"),
        Fact("经营状态", firm.get_status_display()),
        Fact("移交主体（第四条）", f"{firm.transferor}（{firm.transferor_kind}）"),
        Fact("名单所属地区", firm.authority.full_name),
        Fact("企业所在地", firm.county.full_name),
        Fact("国资部门确认日期（第六条第1项）", day(firm.confirmed_at)),
        Fact("人社部门签收日期（第六条第1项）", day(firm.acknowledged_at)),
        Fact("移交协议", f"{firm.agreement_number or '（无）'}　{cn_date(firm.agreement_on)}".strip()),
        Fact("退休人员底数（企业自报）", "" if firm.retiree_count is None else f"{firm.retiree_count}"),
    ]  # fmt: skip


def sums(user: User, enterprise: UUID) -> list[Sum]:
    """How far the cases of ENTERPRISE that USER sees have come; ended cases are left out."""
    cases = Transfer.objects.visible_to(user).filter(enterprise=enterprise)
    rows = TransferStep.objects.filter(transfer__in=cases.exclude(state=Transfer.State.ENDED))
    counted = {
        (step, state): count
        for step, state, count in rows.order_by().values_list("step", "state").annotate(Count("pk"))
    }
    found = []
    for key, step in STEPS.items():
        done, skipped = counted.get((key, State.DONE), 0), counted.get((key, State.SKIPPED), 0)
        left = counted.get((key, State.OPEN), 0) + counted.get((key, State.BLOCKED), 0)
        found.append(Sum(step.title, step.article, done + left, done, left, skipped))
    return found


_STEP_COLUMNS = tuple(
    Column(heading, _day_of(step), 10, kind="date")
    for heading, step in (
        ("申报日期", workflow.DECLARE), ("待遇核定", workflow.VERIFY),
        ("信息确认", workflow.CONFIRM), ("档案移交", workflow.DELIVER),
        ("档案接收", workflow.ARCHIVES), ("社区接收", workflow.COMMUNITY),
        ("开介绍信", workflow.LETTER), ("组织关系接收", workflow.PARTY),
    )
)  # fmt: skip

PROOF = Roster(
    "proof", "移交办理情况表", "第六条",
    (
        Column("案卷编号", "number", 18),
        Column("姓名", "person.name", 9),
        Column("公民身份号码", "person.id_number", 20, private="id"),
        Column("移交单位", "enterprise.transferor", 16),
        Column("接收社区", "community.full_name", 18),
        *_STEP_COLUMNS,
        Column("状态", "get_state_display", 9),
        Column("未了事项", _open_steps, 20),
    ),
    rows=_cases,
    roles=frozenset({"enterprise", "sasac", "hr", "auditor"}),
    signatures=SIGNATURES, parts=parts,
)  # fmt: skip
UNSETTLED = replace(
    PROOF, name="proof_unsettled", title="未了事项", parts=None, signatures=(),
    columns=(
        Column("案卷编号", "number", 20), Column("姓名", "person.name", 12),
        Column("接收社区", "community.full_name", 24), Column("办理单位和起始日期", _whose_turn, 80),
    ),
)  # fmt: skip


def _nothing(_user: User) -> QuerySet[Any]:
    return Transfer.objects.none()


FACTS = Roster(
    "proof_facts", "移交完成证明材料", "第四条、第六条第1项",
    (Column("事项", "what", 30), Column("记录", "found", 80)),
    rows=_nothing, roles=PROOF.roles, signatures=SIGNATURES, unit="项",
    note="本材料由系统记录生成，各名册附后。",
)  # fmt: skip
SUMS = Roster(
    "proof_sums", "移交情况汇总表", "第六条",
    (
        Column("办理事项", "step", 26), Column("依据", "article", 16),
        Column("应办（人）", "due", 12, kind="number"),
        Column("已办（人）", "done", 12, kind="number"),
        Column("未办（人）", "left", 12, kind="number"),
        Column("不适用（人）", "skipped", 12, kind="number"),
    ),
    rows=_nothing, roles=PROOF.roles, unit="项",
)  # fmt: skip
LETTERS = Roster(
    "proof_letters", "移交通知书目录", "第五条、第六条第5项",
    (
        Column("编号", "number", 26), Column("接收街道（乡镇）", "area.full_name", 26),
        Column("人数", "people", 8, kind="number"),
        Column("成文日期", "issued_on", 12, kind="date"), Column("制作人", "issued_by", 12),
    ),
    rows=_nothing, roles=PROOF.roles, unit="份",
)  # fmt: skip
