"""How fast the sums are: 对账, 总览, 统计月报 and 经费测算 over very many cases, for ordinary officers.

Whole requests through the real views, as in `bench desk`; the floor is one row by its key.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.urls import reverse

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
from xianning.models import User

HEADING = ["", "p50", "p95", "× floor"]
TIMES, ENTERPRISES = 40, 120
# Who asks for what: the officer, the page, the query.
PAGES = {
    "city: sums, by enterprise": ("gzw", "transfers:waterfall", ""),
    "city: sums, by community": ("gzw", "transfers:waterfall", "by=community"),
    "city: sums of one county": ("gzw", "transfers:waterfall", f"in={demo.XIANAN}"),
    "city: who has not checked in": ("gzw", "transfers:list", "missing=community"),
    "city: funds by county": ("gzw", "communities:funds", ""),
    "city: overview": ("gzw", "transfers:overview", ""),
    "city: monthly report": ("gzw", "transfers:reports", ""),
    "county: overview": ("gzw_xianan", "transfers:overview", ""),
    "county: monthly report": ("gzw_xianan", "transfers:reports", ""),
    "street: overview": ("jiedao", "transfers:overview", ""),
    "county: sums, by enterprise": ("gzw_xianan", "transfers:waterfall", ""),
    "county: sums, by community": ("gzw_xianan", "transfers:waterfall", "by=community"),
    "county: who has not checked in": ("gzw_xianan", "transfers:list", "missing=community"),
    "county: funds by street": ("gzw_xianan", "communities:funds", ""),
    "street: sums, by community": ("jiedao", "transfers:waterfall", "by=community"),
}


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
    seconds = people.build(
        count, lambda done: print(f"\r{done} people", end="", file=sys.stderr),
        enterprises=ENTERPRISES,
    )  # fmt: skip
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as the server does by itself within minutes
    say(f"\n{count:,} people, loaded in {seconds:.0f} s ({count / seconds:,.0f} a second)")
    gc.collect()
    gc.freeze()
    some = Transfer.objects.order_by("-pk").values_list("pk", flat=True)[0]
    floor = timed([lambda: Transfer.objects.get(pk=some)] * TIMES)
    rows = [row("floor: one row by its key", floor, floor)]
    officers = {name for name, *_ in PAGES.values()}
    clients = {name: signed_in(User.objects.get(username=name)) for name in officers}
    for title, (name, page, query) in PAGES.items():
        address = f"{reverse(page)}?{query}"

        def look(client: Any = clients[name], address: str = address) -> None:
            answer = client.get(address)
            if answer.status_code != 200:
                raise SystemExit(f"{address}: {answer.status_code}")

        rows.append(row(title, timed([look] * TIMES), floor))
    gc.unfreeze()
    say(table(HEADING, rows))
    say(f"{peak_mb()} MB")
