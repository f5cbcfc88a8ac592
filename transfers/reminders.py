"""The digest of each morning: what is overdue or nearly so, to the desk and to the SASAC above it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from transfers.deadlines import Clock
from transfers.models import ImportBatch, TransferStep
from transfers.workflow import STEPS
from xianning import audit
from xianning.models import Notice, Sequence

if TYPE_CHECKING:
    from datetime import date


@transaction.atomic
def remind(today: date | None = None) -> int:
    """Tell every desk and authority once a day; returns how many notices. Not on days off."""
    clock = Clock(today)
    if not clock.calendar.is_worked(clock.today) or not clock.steps:
        return 0
    if Sequence.next(f"reminded/{clock.today}") > 1:
        return 0
    late: Counter[tuple[str, Any, Any, str]] = Counter()
    soon: Counter[tuple[str, Any, Any, str]] = Counter()
    above: Counter[tuple[str, str]] = Counter()
    for key in clock.steps:
        rows = _open(key)
        _count(clock.overdue(rows, key), late)
        _count(clock.soon(rows, key), soon)
        for authority, count in (
            clock.overdue(rows, key).order_by().values_list("transfer__authority_id")
            .annotate(count=Count("pk"))
        ):  # fmt: skip
            above[authority, key] += count
    made = [*_to_desks(late, soon), *_to_authorities(above)]
    Notice.objects.bulk_create(made)
    audit.write("reminded", facts={"day": str(clock.today), "notices": len(made)})
    return len(made)


def _open(key: str) -> QuerySet[TransferStep]:
    rows = TransferStep.objects.filter(step=key, state=TransferStep.State.OPEN)
    return rows.exclude(transfer__batch__in=ImportBatch.objects.hidden().values("pk")).filter(
        Q(area__isnull=False) | Q(enterprise__isnull=False)
    )


def _count(rows: QuerySet[TransferStep], into: Counter[tuple[str, Any, Any, str]]) -> None:
    desks = rows.order_by().values_list("role", "area_id", "enterprise_id", "step")
    for role, area, enterprise, key, count in desks.annotate(count=Count("pk")):
        into[role, area, enterprise, key] += count


def _to_desks(
    late: Counter[tuple[str, Any, Any, str]], soon: Counter[tuple[str, Any, Any, str]]
) -> list[Notice]:
    desks: dict[tuple[str, Any, Any], list[str]] = {}
    for role, area, enterprise, key in sorted({*late, *soon}, key=str):
        found = (late[role, area, enterprise, key], soon[role, area, enterprise, key])
        words = [
            f"{n} 件{word}" for n, word in zip(found, ("已超期", "即将到期"), strict=True) if n
        ]
        desks.setdefault((role, area, enterprise), []).append(
            f"“{STEPS[key].title}”{'、'.join(words)}"
        )
    return [
        Notice(role=role, area_id=area, enterprise_id=enterprise,
               text=f"期限提醒（本地规定）：{'；'.join(parts)}。"[:300])
        for (role, area, enterprise), parts in desks.items()
    ]  # fmt: skip


def _to_authorities(above: Counter[tuple[str, str]]) -> list[Notice]:
    parts: dict[str, list[str]] = {}
    for (authority, key), count in sorted(above.items()):
        parts.setdefault(authority, []).append(f"“{STEPS[key].title}”{count} 件")
    return [
        Notice(role="sasac", area_id=authority,
               text=f"超期上报（本地规定）：{'，'.join(found)}，请督促办理。"[:300])
        for authority, found in parts.items()
    ]  # fmt: skip
