"""Who is on record under an ID number: found for all rows of a workbook at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from transfers.models import ImportBatch, Retiree, Transfer
from transfers.models.retirees import facts_text
from xianning import privacy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

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
        known = Retiree.objects.filter(id_index__in=numbers).values_list("id_index", flat=True)
        part = list(known)
        if not part:
            continue
        found |= {numbers[index]: None for index in part}
        cases = Transfer.objects.exclude(state=Transfer.State.ENDED).filter(
            retiree__id_index__in=part, enterprise=enterprise
        )
        columns = cases.exclude(batch__in=ImportBatch.objects.hidden().values("pk")).values_list(
            "retiree__id_index", "retiree_id", "pk", "retiree__facts_index",
            *(f"{name}_id" for name in RECEIVERS),
        )  # fmt: skip
        for index, person, case, digest, *receivers in columns:
            found[numbers[index]] = Trace(person, case, digest, tuple(receivers))
    return found


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
        if not (part := list(known.values_list("id_index", flat=True))):
            continue
        live = Transfer.objects.exclude(state=Transfer.State.ENDED).filter(
            retiree__id_index__in=part
        )
        places = dict(live.values_list("retiree__id_index", "enterprise_id"))
        unfinished = set(
            live.filter(batch__in=ImportBatch.objects.hidden().values("pk")).values_list(
                "retiree__id_index", flat=True
            )
        )
        cases = {
            case.retiree.id_index: case
            for case in live.filter(enterprise=enterprise).select_related("retiree")
        }
        for case in cases.values():  # many people have few receivers, all of them known
            for name in RECEIVERS:
                setattr(case, name, directory.areas.get(getattr(case, f"{name}_id")))
        free = [index for index in part if index not in places]
        people = {p.id_index: p for p in Retiree.objects.filter(id_index__in=free)}
        for index in part:
            if index in unfinished:
                found[numbers[index]] = OnRecord(elsewhere=BEING_IMPORTED)
            elif index in cases:
                found[numbers[index]] = OnRecord(cases[index].retiree, cases[index])
            elif index in places:
                found[numbers[index]] = OnRecord(elsewhere=ELSEWHERE)
            else:
                found[numbers[index]] = OnRecord(people[index])
    return found
