"""Who is on record under an ID number: found for all rows of a workbook at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from transfers.models import ImportBatch, Retiree, Transfer
from transfers.models.retirees import facts_text
from xianning import privacy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from django.db.models import QuerySet

    from communities.directory import Directory
    from enterprises.models import Enterprise

ELSEWHERE = "此身份证号已由其他移交单位申报，请与国资部门核对。"
BEING_IMPORTED = "此身份证号正在由另一次导入写入或撤销，请稍后再试。"
RECEIVERS = ("community", "archive_area", "party_area")


class OnRecord(NamedTuple):
    """What is known of an ID number: the person, his live case here, or why he is out of reach."""

    person: Retiree | None = None
    case: Transfer | None = None
    elsewhere: str = ""


NOBODY = OnRecord()


class Trace(NamedTuple):
    """A person's live case, by what says that nothing of it changed: no value has to be opened.

    RECEIVERS are the keys of its divisions, in the order of `RECEIVERS`.
    """

    person: UUID
    case: UUID
    digest: str
    receivers: tuple[str | None, ...]

    def has(self, facts: Mapping[str, Any]) -> bool:
        """Whether the facts on record are these (FACTS by column).

        Also False when the digest cannot tell, of a person written past `Retiree.save`.
        """
        if not self.digest:
            return False
        return self.digest in privacy.blind_indexes(facts_text(self.person, facts), "facts_text")


def traces(
    id_numbers: Iterable[str], enterprise: Enterprise, chunk: int = 500
) -> dict[str, Trace | None]:
    """Who of ID_NUMBERS is known; with his trace who has a live case of ENTERPRISE.

    Two queries for each CHUNK of numbers, one when none of them is known.
    """
    found: dict[str, Trace | None] = {}
    for numbers in _by_index(id_numbers, chunk):
        known = Retiree.objects.filter(id_index__in=numbers)
        people = {pk: (index, digest) for pk, index, digest in known.values_list(
            "pk", "id_index", "facts_index")}  # fmt: skip
        if not people:
            continue
        found |= {numbers[index]: None for index, _ in people.values()}
        rows = _live(people).exclude(batch__in=ImportBatch.objects.hidden().values("pk"))
        columns = ("retiree_id", "pk", "enterprise_id", *(f"{name}_id" for name in RECEIVERS))
        for person, case, place, *receivers in rows.values_list(*columns):
            if place == enterprise.pk:
                index, digest = people[person]
                found[numbers[index]] = Trace(person, case, digest, tuple(receivers))
    return found


def _live(people: Iterable[UUID]) -> QuerySet[Transfer]:
    """Live cases by the keys of PEOPLE alone: asked for an enterprise too, a database may choose to
    read all of that enterprise for each few people.
    """
    return Transfer.objects.exclude(state=Transfer.State.ENDED).filter(retiree__in=list(people))


def _by_index(id_numbers: Iterable[str], chunk: int) -> Iterator[dict[str, str]]:
    """ID_NUMBERS by each blind index under which they may stand, CHUNK at a time."""
    pairs = [
        (index, number)
        for number in id_numbers
        for index in privacy.blind_indexes(number, "id_number")
    ]
    for start in range(0, len(pairs), chunk):
        yield dict(pairs[start : start + chunk])


def on_record(
    id_numbers: Iterable[str], enterprise: Enterprise, directory: Directory, chunk: int = 500
) -> dict[str, OnRecord]:
    """Who of ID_NUMBERS is known, for a case of ENTERPRISE; unknown numbers are left out.

    One query for each CHUNK of numbers, four more when some of them are known. Of a person with a
    live case elsewhere nothing is read.
    """
    found: dict[str, OnRecord] = {}
    for numbers in _by_index(id_numbers, chunk):
        known = Retiree.objects.filter(id_index__in=numbers)
        people = dict(known.values_list("pk", "id_index"))
        if not people:
            continue
        live = _live(people)
        places = dict(live.values_list("retiree_id", "enterprise_id"))
        hidden = live.filter(batch__in=ImportBatch.objects.hidden().values("pk"))
        unfinished = set(hidden.values_list("retiree_id", flat=True))
        own = [pk for pk, place in places.items() if place == enterprise.pk]
        cases = {case.retiree_id: case for case in _live(own).select_related("retiree")}
        for case in cases.values():  # many people have few receivers, all of them known
            for name in RECEIVERS:
                setattr(case, name, directory.areas.get(getattr(case, f"{name}_id")))
        free = Retiree.objects.in_bulk([pk for pk in people if pk not in places])
        for pk, index in people.items():
            if pk in unfinished:
                found[numbers[index]] = OnRecord(elsewhere=BEING_IMPORTED)
            elif pk in cases:
                found[numbers[index]] = OnRecord(cases[pk].retiree, cases[pk])
            elif pk in places:
                found[numbers[index]] = OnRecord(elsewhere=ELSEWHERE)
            else:
                found[numbers[index]] = OnRecord(free[pk])
    return found
