"""Very many made-up people with their cases, for measuring what grows with them.

They are packed as an import packs its rows (xianning/bulk.py) and go in by COPY. What no list
reads is left out: their histories, and the columns of the form that no desk asks for. Each sealed
value is sealed for its own row, as ever, so that whatever reads one pays what it costs.
"""

from __future__ import annotations

import random
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils import timezone

from communities.models import Area, ContactCard, Reception
from enterprises.models import Enterprise
from transfers import workflow
from transfers.models import NameGram, Retiree, Transfer
from xianning import bulk, demo, standards
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 2000
DAYS = 42 * 12 * 28  # births from 1935 on, on the first 28 days of a month
GROUPS = ("alone", "ill", "hardship", "lives_alone", "disabled")


def build(count: int, tell: Callable[[int], Any] = lambda _: None, *, entries: int = 0) -> float:
    """Load COUNT people of one enterprise; seconds taken. TELL hears how many are there.

    The first ENTRIES of them stand in the ledger of the first community of the demo, every second
    of the others in that of his own.
    """
    clerk = User.objects.get(username="qiye")
    places = Enterprise.objects.select_related("authority", "confirmed_by")
    enterprise = places.get(offices__users=clerk)
    office = workflow.office_of(enterprise, clerk)
    worker = User.objects.get(username="shequ")
    everyone, began = _people(count, entries), time.perf_counter()
    for start in range(0, count, CHUNK):
        cases, checked_in = [], []
        for person, community, county, is_entered in _some(everyone, CHUNK):
            case = Transfer(
                retiree=person, enterprise=enterprise, filed_by=clerk, community=community,
                archive_area=county, party_area=community if person.is_party_member else None,
            )  # fmt: skip
            cases.append(case)
            if is_entered:
                checked_in.append(case)
        with transaction.atomic():
            number = workflow.next_numbers(enterprise, len(cases))
            begun = workflow.begin(cases, enterprise, number=number, by=clerk, office=office)
            people = [case.retiree for case in cases]
            grams = ((gram, p.pk) for p in people for gram in standards.bigrams(p.name))
            for target, packed in (
                bulk.pack_alone(people), bulk.pack(NameGram, ("gram", "retiree_id"), grams),
                bulk.pack_alone(cases), *begun.packed, *_ledger(checked_in, start, worker),
            ):  # fmt: skip
                bulk.insert_packed(target, packed)
        tell(start + len(cases))
    _analyze()
    return time.perf_counter() - began


def _some(people: Iterator[Any], count: int) -> Iterator[Any]:
    for _, each in zip(range(count), people, strict=False):
        yield each


def _people(count: int, entries: int) -> Iterator[tuple[Retiree, Area, Area | None, bool]]:
    """Each with his community, its county, and whether he is in its ledger; all numbers differ."""
    rng = random.Random(7)
    receiving = Area.objects.receiving().select_related("parent__parent")
    first, others = receiving.get(pk=demo.GUIHUA), list(receiving.exclude(pk=demo.GUIHUA))
    county = {area.pk: area.ancestor(Area.Level.COUNTY) for area in [first, *others]}
    for n in range(count):
        community = first if n < entries else rng.choice(others)
        yield _person(rng, n, community), community, county[community.pk], n < entries or n % 2 == 0


def _person(rng: random.Random, n: int, community: Area) -> Retiree:
    day, order = n % DAYS, n // DAYS
    birth = date(1935 + day // 336, day // 28 % 12 + 1, day % 28 + 1)
    values = demo.person(rng, n, community, "演示厂")
    groups: Any = [rng.choice(GROUPS)] if n % 12 == 0 else []
    person = Retiree(
        name=values["name"], sex="1", birth_date=birth, retired=date(2015, 1, 1),
        id_number=standards.make_id_number(demo.REGION, birth, order, "1"),
        political_status="01" if n % 4 == 0 else "13", former_employer="演示厂",
        home_phone=values["home_phone"], home_address=values["home_address"],
        contact1_name=values["contact1_name"], contact1_phone=values["contact1_phone"],
        special_groups=groups, residence="elsewhere" if n % 9 == 0 else "local",
    )  # fmt: skip
    person.set_index()
    return person


def _ledger(cases: list[Transfer], start: int, worker: User) -> list[bulk.Packed]:
    """The entries of CASES with their cards; verified within the last five hundred days."""
    if not cases:
        return []
    today = timezone.localdate()
    entries = [
        Reception(
            transfer=case, community_id=str(case.community_id),
            ledger_number=f"{case.community_id}-{today.year}-{start + n:07d}",
            checked_in_on=today, officer="王社区", officer_phone="0715-8123456",
            verified_on=today - timedelta(days=n % 500), verified_by=worker,
        )
        for n, case in enumerate(cases)
    ]  # fmt: skip
    cards = [ContactCard(reception=entry, issued_on=today, issued_by=worker) for entry in entries]
    return [bulk.pack_alone(entries), bulk.pack_alone(cards)]


def _analyze() -> None:
    """So that the planner knows how many there are."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
