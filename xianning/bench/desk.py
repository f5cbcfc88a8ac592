"""How fast a community's desk is: finding one person among very many, and its ledger.

Every figure is that of whole requests through the real views, as an ordinary worker of a community,
middleware, session and audit included; the floor is one row by its key through the same ORM.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse

from communities.models import Area, Reception
from transfers.models import Transfer
from xianning import demo
from xianning.bench import (
    HOST,
    peak_mb,
    people,
    row,
    scratch_database,
    signed_in,
    table,
    timed,
    workplace,
)
from xianning.models import Office, User

if TYPE_CHECKING:
    pass

HEADING = ["", "p50", "p95", "× floor"]
ENTRIES, LOOKUPS, WORKERS = 3000, 120, 20
FILTERS = {
    "ledger, first page": "", "ledger, second page": "", "ledger, not verified for a year":
    "state=stale", "ledger, longest not verified first": "sort=verified",
    "ledger, one special group": "group=ill", "ledger, members over 80": "member=yes&aged=80",
}  # fmt: skip


def run(counts: list[int], say: Callable[[str], Any]) -> None:
    """Measure at each number of people in COUNTS."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with workplace(say):
        for count in counts:
            with (
                scratch_database(),
                override_settings(
                    STORAGES={**settings.STORAGES, "staticfiles": plain},
                    ALLOWED_HOSTS=[HOST["host"]],
                ),
            ):
                measure(count, say)


def measure(count: int, say: Callable[[str], Any]) -> None:
    entries = min(ENTRIES, max(count // 2, 1))
    seconds = people.build(
        count, lambda done: print(f"\r{done} people", end="", file=sys.stderr), entries=entries
    )
    say(f"\n{count:,} people, loaded in {seconds:.0f} s ({count / seconds:,.0f} a second); "
        f"a ledger of {entries:,}")  # fmt: skip
    desks = [_Desk.of(area) for area in _communities()]
    visitors = _visitors(desks)
    gc.collect()  # as the server does after loading: see xianning/wsgi.py
    gc.freeze()
    some = visitors[0][1].pk
    floor = timed([lambda: Transfer.objects.get(pk=some)] * LOOKUPS)
    rows = [row("floor: one row by its key", floor, floor)]
    for name, typed in TYPED.items():
        deeds = [_asks(desk, case, typed(case)) for desk, case in visitors]
        rows.append(row(name, timed(deeds), floor))
    for name, deed in _ledger_pages(desks[0]).items():
        rows.append(row(name, timed([deed] * LOOKUPS), floor))
    gc.unfreeze()
    say(table(HEADING, rows))
    say(f"{len(visitors)} people looked for at {len(desks)} desks, {peak_mb()} MB")


# What the desk is asked for, by what it has in its hand.
TYPED: dict[str, Callable[[Transfer], str]] = {
    "desk: name, two characters": lambda case: case.retiree.name[-2:],
    "desk: last four of the ID number": lambda case: case.retiree.id_number[-4:],
    "desk: telephone": lambda case: case.retiree.home_phone,
    "desk: code of the form": lambda case: f"XN:FORM:{case.pk.hex}:{case.form_version}:1".upper(),
}


@dataclass
class _Desk:
    """A worker of one community, signed in."""

    area: Area
    client: Client

    @classmethod
    def of(cls, area: Area) -> _Desk:
        user, new = User.objects.get_or_create(
            username=f"desk{area.pk}", defaults={"full_name": "测量"}
        )
        if new:
            office = Office.objects.create(role="community", name=f"{area.name}居委会", area=area)
            office.admit(user)
        return cls(area, signed_in(user))


def _communities() -> list[Area]:
    """That with the large ledger, and others that somebody is announced at."""
    others = Area.objects.receiving().exclude(pk=demo.GUIHUA).order_by("code")
    known = list(others.filter(pk__in=Transfer.objects.values("community")))
    random.Random(3).shuffle(known)
    return [Area.objects.get(pk=demo.GUIHUA), *known[: WORKERS - 1]]


def _visitors(desks: list[_Desk]) -> list[tuple[_Desk, Transfer]]:
    """LOOKUPS different people, in turn at each desk; fewer when there are not as many."""
    each = -(-LOOKUPS // len(desks))
    found = []
    for desk in desks:
        rows = Transfer.objects.filter(community=desk.area).select_related("retiree")
        found += [(desk, case) for case in rows.order_by("-pk")[:each]]
    random.Random(5).shuffle(found)
    return found


def _asks(desk: _Desk, case: Transfer, typed: str) -> Callable[[], None]:
    """Ask for somebody and look at the answer, to the page on which he stands."""

    def deed() -> None:
        page = desk.client.post(reverse("communities:desk"), {"q": typed}, follow=True)
        if page.status_code != 200 or case.retiree.name not in page.content.decode():
            raise SystemExit(f"{typed}: {page.status_code}, the person is not on the page")

    return deed


def _ledger_pages(desk: _Desk) -> dict[str, Callable[[], None]]:
    address = reverse("communities:ledger")
    last = list(Reception.objects.filter(community=desk.area).order_by("-pk")[:50])[-1]

    def look(query: str) -> Callable[[], None]:
        def deed() -> None:
            page = desk.client.get(f"{address}?{query}")
            if page.status_code != 200:
                raise SystemExit(f"{query}: {page.status_code}")

        return deed

    queries = FILTERS | {"ledger, second page": f"after={last.pk}"}
    return {name: look(query) for name, query in queries.items()}
