"""Does the sum close: 列入名单 → 申报 → 核定 → 签字 → 档案 → 报到 → 联系卡 → 组织关系, on any day.

Now is read from `Transfer.reached`, which the writers of steps and cards keep; a past day from the
events, which are never changed: an act stands on that day when it was done by then and nothing by
then undid it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Substr
from django.db.models.lookups import Exact
from django.utils import timezone

from communities.models import ContactCard
from enterprises.models import Enterprise
from transfers.models import StepEvent, Transfer, TransferStep
from transfers.stages import BIT, CARD, MEMBER, STAGES
from transfers.workflow import CONFIRM, LETTER, STEPS, after, before
from xianning import access
from xianning.workdays import ONE

Verb = StepEvent.Verb


def cases_on(rows: QuerySet[Transfer], on: date | None) -> QuerySet[Transfer]:
    """Those of ROWS that were filed by the end of ON and not ended by then."""
    if on is None:
        return rows.exclude(state=Transfer.State.ENDED)
    end = end_of(on)
    return rows.filter(filed_at__lt=end).exclude(state=Transfer.State.ENDED, closed_at__lt=end)


def reached(key: str, on: date | None) -> Q:
    """Cases that had reached the stage KEY at the end of ON (None: now)."""
    stage = STAGES[key]
    if on is None:
        return Q(Exact(F("reached").bitand(BIT[key]), BIT[key]))
    here = _stands(key, on)
    return here & reached(stage.of, on) if stage.of else here


def missing(key: str, on: date | None) -> Q:
    """Cases that had reached the stage before KEY, and not KEY."""
    before_it = STAGES[key].of
    not_here = ~reached(key, None) if on is None else ~_stands(key, on)
    return not_here & reached(before_it, on) if before_it else not_here


def _stands(key: str, on: date) -> Q:
    """Cases for which the act KEY stood at the end of ON, whatever stood before it."""
    if key == MEMBER:
        rows = TransferStep.objects.filter(transfer=OuterRef("pk"), step=LETTER)
        return Q(Exists(rows.exclude(state=TransferStep.State.SKIPPED)))
    if key == CARD:
        cards = ContactCard.objects.filter(reception__transfer=OuterRef("pk"))
        valid = Q(voided_on=None) | Q(voided_on__gt=on)
        return Q(Exists(cards.filter(valid, issued_on__lte=on)))
    events = StepEvent.objects.filter(at__lt=end_of(on))
    undone = events.filter(_undoes(key), transfer=OuterRef("transfer"), pk__gt=OuterRef("pk"))
    acts = events.filter(transfer=OuterRef("pk"), step=key, verb=Verb.COMPLETE)
    return Q(Exists(acts.filter(~Exists(undone))))


def _undoes(key: str) -> Q:
    """Events after which the act KEY is no longer done: its withdrawal, and returns beyond it."""
    found = Q(verb=Verb.WITHDRAW, step=key)
    if key == CONFIRM:
        found |= Q(verb=Verb.INVALIDATE)
    for step in STEPS.values():
        target = step.returns_to
        if target and (key == target or key in after(target) & before(step.key)):
            found |= Q(verb=Verb.SEND_BACK, step=step.key)
    return found


def end_of(on: date) -> datetime:
    """The first moment after the day ON."""
    return timezone.make_aware(datetime.combine(on + ONE, time.min))


# --- sums ---------------------------------------------------------------------------------------

# How the people are divided: title, the column of the case.
DIVISIONS = {
    "enterprise": ("移交单位", "enterprise_id"),
    "community": ("接收社区", "received_by"),
}
# 第五条: who received by the hand-over, also of those who were handed on since.
RECEIVED_BY = Coalesce("declared_community_id", "community_id", output_field=CharField())


Counts = dict[str, int]  # `filed` and each stage → how many


def sums(
    rows: QuerySet[Transfer], on: date | None, column: str, *, beyond: Any = None, size: int = 50
) -> tuple[Counts, list[dict[str, Any]]]:
    """The totals of ROWS, and one more line than SIZE of those for each value of COLUMN.

    The lines are in the order of the values, from the value after BEYOND on.
    """
    if on is not None:
        return totals(rows, on), _lines_on(rows, on, column, beyond, size)
    names = (
        ("declared_community_id", "community_id") if column == "received_by" else ("enterprise_id",)
    )
    everything, by_value = none(), dict[Any, Counts]()
    for found, bits, count in groups_now(rows, *names):
        value = next((each for each in found if each), None)
        add(everything, bits, count)
        add(by_value.setdefault(value, none()), bits, count)
    values = sorted(each for each in by_value if each and (beyond is None or each > beyond))
    return everything, [{column: each, **by_value[each]} for each in values[: size + 1]]


def by_county(rows: QuerySet[Transfer], on: date | None) -> dict[tuple[UUID, str], Counts]:
    """The counts of ROWS for each enterprise and each receiving county (six digits; "" for none)."""
    county = Coalesce(Substr(RECEIVED_BY, 1, 6), Value(""))
    if on is not None:
        counted = cases_on(rows, on).order_by().values_list("enterprise_id", county)
        names = ("filed", *STAGES)
        return {
            (entry, place): dict(zip(names, counts, strict=True))
            for entry, place, *counts in counted.annotate(filed=Count("pk"), **_counts(on))
        }
    found: dict[tuple[UUID, str], Counts] = {}
    for (entry, place), bits, count in groups_now(rows, "enterprise_id", county):
        add(found.setdefault((entry, place), none()), bits, count)
    return found


def groups_now(rows: QuerySet[Transfer], *by: Any) -> Iterator[tuple[list[Any], int, int]]:
    """Values of BY, bits and how many: one pass by an index that holds all of it."""
    groups = cases_on(rows, None).order_by().values_list(*by, "reached")
    # Counting the key would read the rows: the index `transfer_sums` does not hold it.
    for *found, bits, count in groups.annotate(n=Count("reached")):
        yield found, bits, count


def none() -> Counts:
    """Nobody, at no stage."""
    return dict.fromkeys(("filed", *STAGES), 0)


def add(counts: Counts, bits: int, count: int) -> None:
    """Count COUNT more cases that have reached the stages of BITS."""
    counts["filed"] += count
    for key in STAGES:
        counts[key] += count if bits & BIT[key] else 0


def totals(rows: QuerySet[Transfer], on: date | None) -> Counts:
    """How many of ROWS had reached each stage; `filed` holds all of them."""
    found = cases_on(rows, on).aggregate(filed=Count("pk"), **_counts(on))
    return {key.removeprefix("n_"): count for key, count in found.items()}


def _lines_on(
    rows: QuerySet[Transfer], on: date, column: str, beyond: Any, size: int
) -> list[dict[str, Any]]:
    rows = cases_on(rows, on)
    if column == "received_by":
        rows = rows.annotate(received_by=RECEIVED_BY)
    rows = rows.exclude(**{column: None})
    if beyond:
        rows = rows.filter(**{f"{column}__gt": beyond})
    found = rows.order_by(column).values(column).annotate(filed=Count("pk"), **_counts(on))
    return [
        {key.removeprefix("n_"): value for key, value in row.items()} for row in found[: size + 1]
    ]


def _counts(on: date | None) -> dict[str, Count]:
    return {f"n_{key}": Count("pk", filter=reached(key, on)) for key in STAGES}


def listed(entries: QuerySet[Enterprise]) -> int:
    """The retirees of the enterprises on the list, by their own count."""
    return entries.confirmed().aggregate(n=Sum("retiree_count"))["n"] or 0  # type: ignore[attr-defined]


def inside_area(rows: QuerySet[Transfer], code: str) -> QuerySet[Transfer]:
    """Those of ROWS whose receiving community lies in the division CODE."""
    return rows.alias(received_by=RECEIVED_BY).filter(access.within("received_by", [code]))
