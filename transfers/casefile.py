"""How a case is told on its page: steps as a task list, facts as a summary, events with changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from enterprises import editions
from transfers import workflow
from transfers.deadlines import Clock, Due
from transfers.models import PrintedPaper, Retiree, StepEvent, Transfer, TransferStep
from transfers.papers import PAPERS
from transfers.workflow import SIX_STEPS, STEPS
from xianning.models import label_of
from xianning.privacy import mask
from xianning.templatetags.ui import cn_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enterprises.models import Agreement
    from xianning.models import User


@dataclass(frozen=True)
class Act:
    """One row of the task list."""

    label: str
    state: str
    who: str
    when: datetime | None
    reason: str
    url: str = ""
    button: str = ""
    back_url: str = ""
    withdraw_url: str = ""
    returned_why: str = ""


@dataclass(frozen=True)
class Group:
    """One of the six steps with its acts."""

    number: int
    title: str
    article: str
    rows: list[Act]


def steps(case: Transfer, rows: dict[str, TransferStep], user: User) -> list[Group]:
    """The six steps: done, open for whom, blocked and why, not applicable."""
    groups = []
    for number, title in SIX_STEPS.items():
        mine = [row for key, row in rows.items() if STEPS[key].number == number]
        acts = [_act(case, rows, row, user) for row in mine]
        groups.append(Group(number, title, f"第六条第{number}项", acts))
    return groups


def _act(case: Transfer, rows: dict[str, TransferStep], row: TransferStep, user: User) -> Act:
    step, desk = STEPS[row.step], workflow.desk_name(row, case)
    ended = case.state == Transfer.State.ENDED
    state = "returned" if row.returned else str(row.state)
    if row.state == TransferStep.State.DONE:
        office = row.done_office.name if row.done_office else desk
        back = workflow.why_not_withdraw(case, rows, row.step, user) is None
        return Act(
            step.title, state, f"{office} {row.done_by or ''}".strip(), row.done_at, "",
            withdraw_url=_url("withdraw", case, row) if back else "",
        )  # fmt: skip
    reason = workflow.why_not(case, row) or ""  # whose turn it is stands beside it
    may = row.state == TransferStep.State.OPEN and workflow.is_mine(row, user) and not ended
    return Act(
        step.title, "blocked" if ended and state == "open" else state, desk, row.opened_at, reason,
        url=_url("act", case, row) if may and not reason else "",
        button=step.form.button if step.form else "",
        back_url=_url("send_back", case, row) if may and step.returns_to else "",
        returned_why=why_returned(case, row),
    )  # fmt: skip


def why_returned(case: Transfer, row: TransferStep) -> str:
    """Who returned or withdrew what stands open again, and why; nothing otherwise."""
    if not row.returned:
        return ""
    sources = [key for key, step in STEPS.items() if step.returns_to == row.step]
    event = (
        case.events.filter(
            Q(verb=StepEvent.Verb.SEND_BACK, step__in=sources)
            | Q(verb=StepEvent.Verb.WITHDRAW, step=row.step)
        )
        .select_related("office")
        .last()
    )
    if event is None:
        return ""
    who = event.office.name if event.office else STEPS[event.step].title
    return f"{who}{event.get_verb_display()}：{event.code_label}：{event.reason}"


def _url(name: str, case: Transfer, row: TransferStep) -> str:
    return reverse(f"transfers:{name}", args=[case.pk, row.step])


# --- lists --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One case in a list: where it stands in words."""

    case: Transfer
    now: str
    done: int
    total: int
    since: datetime | None = None
    returned: bool = False
    due: Due | None = None


def lines(cases: Sequence[Transfer], waiting: Sequence[TransferStep]) -> list[Line]:
    """Lines for CASES (with prefetched steps); WAITING holds the open step of each, if asked."""
    at, clock = {row.transfer_id: row for row in waiting}, Clock()
    return [_line(case, at.get(case.pk), clock) for case in cases]


def _line(case: Transfer, row: TransferStep | None, clock: Clock) -> Line:
    all_rows = list(case.steps.all())
    by_number: dict[int, list[str]] = {}
    for each in all_rows:
        by_number.setdefault(STEPS[each.step].number, []).append(each.state)
    over = {TransferStep.State.DONE, TransferStep.State.SKIPPED}
    needed = {n: s for n, s in by_number.items() if set(s) != {TransferStep.State.SKIPPED}}
    done = sum(set(states) <= over for states in needed.values())
    opened = [STEPS[r.step].title for r in all_rows if r.state == TransferStep.State.OPEN]
    now = "、".join(opened) if case.state == Transfer.State.OPEN else case.get_state_display()
    return Line(
        case, now, done, len(needed),
        since=row.opened_at if row else None,
        returned=any(r.returned for r in all_rows),
        due=_first_due(case, [row] if row else all_rows, clock),
    )  # fmt: skip


def _first_due(case: Transfer, rows: Sequence[TransferStep], clock: Clock) -> Due | None:
    """The deadline that ends first among the open ROWS."""
    if case.state != Transfer.State.OPEN:
        return None
    found = [clock.due(r, case) for r in rows if r.state == TransferStep.State.OPEN]
    return min((due for due in found if due), key=lambda due: due.on, default=None)


# --- facts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """One line of a summary list."""

    label: str
    value: str
    private: bool = False


@dataclass(frozen=True)
class Facts:
    """A titled summary list; `group` can be revealed."""

    title: str
    rows: list[Fact]
    group: str = ""
    is_shown: bool = False


_PLAIN = (
    ("基本情况", ("name", "sex", "birth_date", "ethnicity", "political_status", "education",
              "skills", "hobbies")),
    ("工作与退休", ("former_employer", "former_post", "personnel_kind", "employment_kind",
               "work_started", "retired", "retirement_kind", "archive_place")),
    ("社会保障", ("pension_place", "medical_place", "insurances", "extra_benefits", "pension_bank",
              "certified_on")),
    ("居住与意愿", ("residence", "wish_local", "wish_away")),
)  # fmt: skip
_WORDS = {"birth_date": "出生年月"}  # what is shown is less than the field holds
_PARTY = ("party_joined_on", "party_full_on", "party_branch", "party_dues_until")


def facts(case: Transfer, shown: str) -> list[Facts]:
    """Everything known of the person; private groups are masked unless SHOWN names them."""
    person = case.person
    blocks = [Facts(title, [_fact(person, n) for n in names]) for title, names in _PLAIN]
    if person.is_party_member:
        blocks.append(Facts("党员情况", [_fact(person, n) for n in _PARTY]))
    for key, (title, names) in Retiree.Privacy.groups.items():
        known = [name for name in names if person.words(name)]
        rows = [_fact(person, name, clear=key == shown) for name in known or names[:1]]
        blocks.append(Facts(title, rows, key, key == shown))
    return [_receivers(case), *blocks]


def _agreed(agreement: Agreement) -> str:
    """The special matters of an agreement in one line."""
    words = []
    if agreement.receiver:
        words.append(f"接收社区 {agreement.receiver.full_name}")
    if agreement.archive_area:
        words.append(f"档案接收地 {agreement.archive_area.full_name}")
    if agreement.limit_step:
        words.append(f"{STEPS[agreement.limit_step].title} {agreement.limit_days} 个工作日")
    if agreement.special:
        words.append(agreement.special)
    return "；".join(words)


def _receivers(case: Transfer) -> Facts:
    rows = [
        Fact("移交单位", f"{case.enterprise.transferor}（{case.enterprise.transferor_kind}）"),
        Fact("名单依据（第六条第1项）", editions.basis(case)),
        *[Fact(f"按{each}约定（第五条）", _agreed(each)) for each in case.enterprise.terms.sources],
        Fact("接收社区", case.community.full_name if case.community else ""),
        *([Fact("移交时的接收社区", case.destination.full_name)] if case.was_moved else []),
        Fact("档案接收地", case.archive_area.full_name if case.archive_area else ""),
    ]
    if case.retiree.is_party_member:
        rows.append(Fact("长期居住地", case.party_area.full_name if case.party_area else ""))
    if case.treatment_verified_on:
        pension = f"{case.pension_from:%Y-%m}" if case.pension_from else ""
        rows += [Fact("待遇核定", f"{case.treatment_verified_on} {case.treatment_document}".strip()),
                 Fact("待遇领取起始", pension)]  # fmt: skip
    return Facts("移交去向（第五条）", rows)


def _fact(person: Retiree, name: str, *, clear: bool = False) -> Fact:
    label = _WORDS.get(name) or label_of(Retiree, name)
    kind = Retiree.Privacy.private.get(name)
    words = person.words(name)
    return Fact(label, words if clear or kind is None else mask(words, kind), kind is not None)


# --- papers -------------------------------------------------------------------------------------


PRINTED_READ = 100  # printings of a case that are counted


@dataclass(frozen=True)
class PaperLine:
    """A paper that this office prints, or why not yet."""

    title: str
    article: str
    url: str
    reason: str
    printed: str


def papers(case: Transfer, user: User) -> list[PaperLine]:
    """The papers of the case that concern USER's office."""
    mine = {key: sheet for key, sheet in PAPERS.items() if sheet.concerns(case, user)}
    log = PrintedPaper.objects.filter(transfer=case, paper__in=mine).select_related("printed_by")
    printed: dict[str, list[PrintedPaper]] = {}
    for row in log[:PRINTED_READ] if mine else ():
        printed.setdefault(row.paper, []).append(row)
    return [
        PaperLine(
            sheet.title, sheet.article, reverse("transfers:paper", args=[case.pk, key]),
            sheet.refusal(case) or "", _printed(printed.get(key, []), sheet.version(case)),
        )
        for key, sheet in mine.items()
    ]  # fmt: skip


def _printed(rows: list[PrintedPaper], version: str) -> str:
    """How often a paper was printed, and the last time, newest first in ROWS."""
    if not rows:
        return ""
    last = rows[0]
    old = "，现已有新版本" if last.version != version else ""
    named = f"第 {last.version} 版" if last.version.isdigit() else last.version
    return (
        f"已打印 {len(rows)} 次，最近 {cn_date(timezone.localtime(last.printed_at))} "
        f"{last.printed_by}{'（' + named + old + '）' if named else ''}"
    )


# --- what happened ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A field before and after, masked when private."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    who: str
    office: str
    what: str
    reason: str = ""
    note: str = ""
    changes: list[Change] = field(default_factory=list)


def timeline(case: Transfer) -> list[Entry]:
    """Events, the newest first; an amendment shows what each field was and is."""
    entries = []
    diffs = _differences(case)
    for event in case.events.select_related("by", "office"):
        changes = _take(diffs, event) if event.verb == StepEvent.Verb.AMEND else []
        entries.append(
            Entry(
                event.at,
                str(event.by),
                event.office.name if event.office else "",
                _what(event),
                f"{event.code_label}：{event.reason}" if event.code else "",
                event.note,
                changes,
            )
        )
    return entries[::-1]


def _what(event: StepEvent) -> str:
    if event.verb in StepEvent.OF_THE_CASE:
        return str(event.get_verb_display())
    return f"{event.get_verb_display()}：{STEPS[event.step].title}"


def facts_of_a_person() -> tuple[str, ...]:
    """The columns of a person that somebody types."""
    return tuple(f.name for f in Retiree._meta.fields if f.editable)


def _differences(case: Transfer) -> list[tuple[datetime, list[Change]]]:
    """Changes of the person and of the receivers by the time they were saved."""
    # What came after the end of a case is another enterprise's.
    until = case.closed_at if case.state == Transfer.State.ENDED else None
    return [
        (entry.at, entry.changes)
        for record, names in (
            (case.person, facts_of_a_person()),
            (case, ("community", "archive_area", "party_area")),
        )
        for entry in saves(record, names, until=until)
        if entry.changes
    ]


SAVES_READ = 200  # of one record


def saves(
    record: Any, names: tuple[str, ...], *, since: datetime | None = None,
    until: datetime | None = None,
) -> list[Entry]:  # fmt: skip
    """Each time RECORD was saved, the newest first, with what changed of the columns NAMES.

    The first save comes with what it says of itself; a later one that changed none of them is
    left out.
    """
    rows = record.history.select_related("history_user").order_by("-history_date", "-history_id")
    if until is not None:
        rows = rows.filter(history_date__lte=until)
    found, later = [], None
    for row in [*rows[:SAVES_READ], None]:
        if later is not None and (since is None or later.history_date >= since):
            changes = _between(record, names, later, row) if row is not None else []
            if changes or row is None:
                what = later.history_change_reason or ("更改" if row is not None else "登记")
                who = str(later.history_user or "")
                found.append(Entry(later.history_date, who, "", what, changes=changes))
        later = row
    return found


def _between(record: Any, names: tuple[str, ...], later: Any, earlier: Any) -> list[Change]:
    delta = later.diff_against(earlier, included_fields=list(names))
    return [_change(record, change, later, earlier) for change in delta.changes]


def _change(record: Any, change: Any, later: Any, earlier: Any) -> Change:
    label = label_of(type(record), change.field)
    if not isinstance(record, Retiree):
        return Change(label, *(_plain_words(getattr(r, change.field)) for r in (earlier, later)))
    kind = Retiree.Privacy.private.get(change.field)
    words = []
    for row in (earlier, later):
        text = Retiree.words(row, change.field)
        words.append((mask(text, kind) if kind else text) or "未填")
    return Change(label, *words)


def _plain_words(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(getattr(value, "full_name", value) or "未填")


def _take(diffs: list[tuple[datetime, list[Change]]], event: StepEvent) -> list[Change]:
    """The changes saved together with this event (one transaction, a moment apart)."""
    near = [d for d in diffs if abs((d[0] - event.at).total_seconds()) < 5]
    return [change for _at, changes in near for change in changes]
