"""第八条: who is to be visited by when, and what comes of a visit.

A street sets how often each group is visited and before which holidays (本地规定, `CarePlan`); a
street that sets nothing has no plan. The day by which somebody is due is kept with his ledger entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from communities.models import Area, CareGroup, CarePlan, Reception, Visit
from transfers.choices import SpecialGroup
from transfers.refusal import Refused
from xianning import access, audit
from xianning.models import CalendarDay

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from xianning.models import User

OLD = 80  # 高龄, years
TOLD_BEFORE = timedelta(days=90)  # who becomes 高龄 within these is told beforehand
AHEAD = timedelta(days=30)  # a visit this long before a holiday counts for it
SOON = timedelta(days=30)
FESTIVALS = ("元旦", "春节", "清明节", "端午节", "中秋节", "国庆节")
BLOCK = 500
ONE = timedelta(days=1)


# --- who is due when ----------------------------------------------------------------------------


def birthday(born: date, years: int) -> date:
    """The day on which somebody is YEARS old; 1 March for who was born on 29 February."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


@dataclass(frozen=True)
class Plans:
    """All that decides when somebody is due: a few queries for any number of people."""

    rules: dict[tuple[str, str], CarePlan]
    festivals: dict[str, list[date]]  # by name, the first day of each, in order

    @classmethod
    def read(cls) -> Plans:
        rules = {(plan.street_id, plan.group): plan for plan in CarePlan.objects.all()}
        days: dict[str, list[date]] = {name: [] for name in FESTIVALS}
        if any(plan.festivals for plan in rules.values()):
            rows = CalendarDay.objects.filter(works=False).order_by("day")
            for day, words in rows.values_list("day", "name"):
                for name in FESTIVALS:
                    # One holiday of several days counts once, by its first.
                    known = days[name]
                    if name in words and (not known or (day - known[-1]).days > 20):
                        known.append(day)
        return cls(rules, days)

    def rule(self, community: str, group: str) -> CarePlan | None:
        """What the street of COMMUNITY set for GROUP."""
        return self.rules.get((f"{community[:9]}000", group))

    def due(self, community: str, groups: Iterable[tuple[str, date]], last: date) -> date | None:
        """The earliest day by which one of GROUPS (with its first day) wants the next visit.

        LAST is the day of the last visit, or that on which the person checked in.
        """
        found = []
        for group, since in groups:
            rule = self.rule(community, group)
            if rule is None:
                continue
            start = max(last, since)
            if rule.times:
                found.append(start + timedelta(days=365 // rule.times))
            for name in rule.festivals:
                day = next((d for d in self.festivals[name] if d - AHEAD > start), None)
                if day:
                    found.append(day - ONE)
        return min(found, default=None)


def groups_of(entry: Reception, today: date) -> list[tuple[str, date]]:
    """The groups of a person now, with the day since when; 高龄 from his birthday on."""
    found = [(each.group, each.since) for each in entry.care_groups.all() if each.until is None]
    old = birthday(entry.transfer.retiree.birth_date, OLD)
    return [*found, (str(SpecialGroup.AGED), old)] if old <= today else found


def replan(entries: QuerySet[Reception]) -> int:
    """Write anew by when each of ENTRIES is due; how many changed."""
    plans, today, changed = Plans.read(), timezone.localdate(), 0
    rows = entries.select_related("transfer__retiree").prefetch_related("care_groups")
    beyond = None
    while True:
        later = rows.filter(pk__gt=beyond) if beyond else rows
        block = list(later.order_by("pk")[:BLOCK])
        if not block:
            return changed
        beyond = block[-1].pk
        by_day: dict[date | None, list[Any]] = {}
        for entry in block:
            last = entry.visited_on or entry.checked_in_on
            due = plans.due(entry.community_id, groups_of(entry, today), last)
            if due != entry.visit_due_on:
                by_day.setdefault(due, []).append(entry.pk)
        for due, keys in by_day.items():
            changed += Reception.objects.filter(pk__in=keys).update(visit_due_on=due)


def birthdays(today: date | None = None) -> int:
    """Plan for those who became 80 since yesterday week: a cron that missed days catches up."""
    day = today or timezone.localdate()
    born = [birthday_back(day - ONE * n) for n in range(8)]
    people = Reception.objects.filter(is_active=True, transfer__retiree__birth_date__in=born)
    return replan(people)


def birthday_back(day: date) -> date:
    """Who was born on this day becomes 80 on DAY."""
    try:
        return day.replace(year=day.year - OLD)
    except ValueError:
        return date(day.year - OLD, 3, 1)


def become_old(user: User, today: date) -> QuerySet[Reception]:
    """Whom my communities keep and who becomes 80 within the next 90 days."""
    return Reception.objects.kept_by(user).filter(
        is_active=True,
        transfer__retiree__birth_date__gt=birthday_back(today),
        transfer__retiree__birth_date__lte=birthday_back(today + TOLD_BEFORE),
    )


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not(entry: Reception, user: User) -> str | None:
    """Why USER can record nothing about the care for this person."""
    if not access.scope(user).may_act("community", area=entry.community_id):
        return f"走访慰问由{entry.community.full_name}登记（第八条）。"
    if not entry.is_active:
        return "此人已不在本社区管理，不再登记走访。"
    return None


def why_not_close(visit: Visit, user: User) -> str | None:
    """Why USER cannot say that the promise of VISIT is kept."""
    if visit.promise_due_on is None:
        return "这次走访没有答应办理的事。"
    if visit.promise_done_on:
        return f"此事已于 {visit.promise_done_on} 办结。"
    return why_not(visit.reception, user)


# --- deeds --------------------------------------------------------------------------------------


def _lock(entry: Reception, by: User) -> Reception:
    entry = (
        Reception.objects.select_for_update(of=("self",))
        .select_related("community", "transfer__retiree")
        .get(pk=entry.pk)
    )
    if reason := why_not(entry, by):
        raise Refused(reason)
    return entry


def follow(entry: Reception, *, by: User) -> None:
    """Let the groups follow the ticks of the entry's person, and the plan follow both.

    Called by those who write the ticks, inside their transaction, with the entry locked.
    """
    today = timezone.localdate()
    ticked = {*entry.transfer.retiree.special_groups} - {str(SpecialGroup.AGED)}
    open_ = {each.group: each for each in entry.care_groups.filter(until=None)}
    for group in sorted(ticked - set(open_)):
        CareGroup.objects.create(reception=entry, group=group, since=today, begun_by=by)
    for group in set(open_) - ticked:
        gone = open_[group]
        gone.until, gone.ended_by = today, by
        gone.save()
    replan(Reception.objects.filter(pk=entry.pk))


@transaction.atomic
def explain(group: CareGroup, *, by: User, since: date, reason: str, evidence: str) -> None:
    """Why somebody belongs to a group, since when, and what shows it."""
    entry = _lock(group.reception, by)
    group = CareGroup.objects.get(pk=group.pk)
    if group.until:
        raise Refused(f"此类别已于 {group.until} 取消，不能再更改。")
    group.since, group.reason, group.evidence = since, reason, evidence
    group.save()
    replan(Reception.objects.filter(pk=entry.pk))
    audit.write("care_group", user=by, object=entry, area=entry.community_id,
                facts={"fields": ["since", "reason", "evidence"]})  # fmt: skip


@transaction.atomic
def visit(
    entry: Reception, *, by: User, on: date, way: str, visitors: str, found: str,
    promised: str = "", promise_due_on: date | None = None,
) -> Visit:  # fmt: skip
    """Record a visit; the next one is planned from it. Raises Refused."""
    entry = _lock(entry, by)
    made = Visit.objects.create(
        reception=entry, community_id=entry.community_id, on=on, way=way, visitors=visitors,
        found=found, promised=promised, promise_due_on=promise_due_on, by=by,
    )  # fmt: skip
    if entry.visited_on is None or entry.visited_on < on:
        Reception.objects.filter(pk=entry.pk).update(visited_on=on)
    replan(Reception.objects.filter(pk=entry.pk))
    audit.write("care_visit", user=by, object=entry, area=entry.community_id,
                facts={"on": str(on), "way": way})  # fmt: skip
    return made


@transaction.atomic
def close(visit: Visit, *, by: User, outcome: str) -> None:
    """What was promised is done. Raises Refused; a second time too."""
    visit = (
        Visit.objects.select_for_update(of=("self",))
        .select_related("reception__community")
        .get(pk=visit.pk)
    )
    if reason := why_not_close(visit, by):
        raise Refused(reason)
    visit.promise_done_on, visit.promise_done_by = timezone.localdate(), by
    visit.outcome = outcome
    visit.save()
    audit.write("care_closed", user=by, object=visit.reception, area=visit.reception.community_id)


@transaction.atomic
def set_plans(
    street: Area, wanted: dict[str, tuple[int, list[str]]], *, by: User, basis: str
) -> int:
    """The plan of STREET by group: times a year and holidays; how many entries it moved."""
    old = {
        plan.group: plan
        for plan in CarePlan.objects.select_for_update(of=("self",)).filter(street=street)
    }
    for group, (times, festivals) in wanted.items():
        plan = old.get(group)
        if not times and not festivals:
            if plan:
                plan.delete()
            continue
        plan = plan or CarePlan(street=street, group=group)
        if (plan.times, plan.festivals, plan.basis) == (times, festivals, basis):
            continue
        plan.times, plan.festivals, plan.basis = times, festivals, basis
        plan.set_by, plan.set_at = by, timezone.now()
        plan.save()
    audit.write("care_plan", user=by, object=street, area=street.pk, facts={"basis": basis})
    return replan(concerned(street))


def concerned(street: Area) -> QuerySet[Reception]:
    """Those of STREET who may be visited by a plan: of a group, old, or due by the plan before."""
    people = Reception.objects.filter(access.within("community_id", [street.pk]), is_active=True)
    old = birthday_back(timezone.localdate())
    grouped = CareGroup.objects.filter(until=None).values("reception")
    return people.filter(
        Q(visit_due_on__isnull=False) | Q(transfer__retiree__birth_date__lte=old)
        | Q(pk__in=grouped)
    )  # fmt: skip


# --- figures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One community, or one worker: who is due soon, who is overdue, visits of this year."""

    name: str
    due: int
    missed: int
    visits: int = 0


def by_community(user: User, today: date) -> list[Line]:
    """The communities of my street beside each other; those with nothing to say are left out."""
    held = access.scope(user).areas.get("street", frozenset())
    inside = access.within("community_id", held)
    rows = Reception.objects.filter(inside).to_visit(today + SOON).order_by()
    missed = Count("pk", filter=Q(visit_due_on__lt=today))
    waiting = {
        code: (count, late)
        for code, count, late in rows.values_list("community_id").annotate(
            n=Count("pk"), missed=missed
        )
    }
    year = Visit.objects.filter(inside, on__gte=today.replace(month=1, day=1)).order_by()
    made = dict(year.values_list("community_id").annotate(n=Count("pk")))
    areas = Area.objects.in_bulk({*waiting, *made})
    lines = []
    for code in sorted(areas):
        count, late = waiting.get(code, (0, 0))
        lines.append(Line(areas[code].name, count - late, late, made.get(code, 0)))
    return lines


def by_worker(user: User, today: date) -> list[Line]:
    """How much waits for each worker (专管员) of my communities, the most first."""
    rows = Reception.objects.kept_by(user).to_visit(today + SOON).order_by()
    found = rows.values_list("officer").annotate(
        n=Count("pk"), missed=Count("pk", filter=Q(visit_due_on__lt=today))
    )
    lines = [Line(name or "（未定）", count - late, late) for name, count, late in found]
    return sorted(lines, key=lambda line: (-(line.due + line.missed), line.name))[:20]
