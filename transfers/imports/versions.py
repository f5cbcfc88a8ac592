"""Which version of a person a roster was made from, so that an import overwrites nobody's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone

from transfers.models import Retiree
from xianning.privacy import blind_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet

_LENGTH = 8


class Version(NamedTuple):
    """The present version of a person: by which marks it is known, and who made it when."""

    marks: frozenset[str]
    by: str
    at: str


def with_versions(cases: QuerySet[Any]) -> QuerySet[Any]:
    """CASES with `person_version`, the newest row in the history of their people."""
    newest = Retiree.history.filter(id=OuterRef("retiree_id")).order_by("-history_id")
    return cases.annotate(person_version=Subquery(newest.values("history_id")[:1]))


def mark_of(case: Any) -> str:
    """What stands in the roster for the version of a case from `with_versions`.

    Keyed, because the numbers of the history count the people of the whole city.
    """
    return _marks(case.retiree_id, case.person_version)[0]


def present(people: Iterable[UUID]) -> dict[UUID, Version]:
    """The present versions of PEOPLE, in two queries."""
    newest = (
        Retiree.history.filter(id__in=list(people)).values("id").annotate(last=Max("history_id"))
    )
    rows = Retiree.history.filter(history_id__in=[row["last"] for row in newest])
    return {
        row.id: Version(
            frozenset(_marks(row.id, row.history_id)), str(row.history_user or "系统"),
            f"{timezone.localtime(row.history_date):%Y-%m-%d %H:%M}",
        )
        for row in rows.select_related("history_user").only(
            "id", "history_id", "history_date", "history_user__username", "history_user__full_name"
        )
    }  # fmt: skip


def _marks(person: Any, version: int) -> list[str]:
    return [word[:_LENGTH] for word in blind_indexes(f"{person}/{version}", "roster version")]
