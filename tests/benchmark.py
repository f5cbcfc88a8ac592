"""How fast the lists are at 20,000 and at more people, beside a floor in the same run.

    .ci/postgres .venv/bin/python -m tests.benchmark --people 20000

Runs on a scratch database made and removed here (SQLite, or what DATABASE_URL names), as ordinary
users, never as a superuser. Every figure is the median and the 95th percentile of N requests; the
floor is one row by primary key through the same ORM, so ratios travel to other machines.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xianning.settings")

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 60


def timed(deed: Callable[[], Any]) -> tuple[float, float]:
    """Median and 95th percentile of DEED in milliseconds."""
    deed()
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        deed()
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took), sorted(took)[int(0.95 * REPEATS)]


def questions() -> dict[str, Callable[[], Any]]:
    """What the pages ask, by name; the first one is the floor."""
    from django.test import Client
    from django.urls import reverse

    from tests.factories import enter
    from transfers import workflow
    from transfers.models import Transfer
    from xianning import privacy
    from xianning.models import User

    users = {u.username: u for u in User.objects.all()}
    some = Transfer.objects.select_related("retiree").order_by("pk")[50]
    number = some.retiree.id_number
    with_names = Transfer.objects.select_related("retiree", "enterprise", "community")

    def page(username: str, rows: Any = None) -> Callable[[], Any]:
        seen = (rows or with_names).visible_to(users[username])
        return lambda: list(seen.order_by("-pk")[:51])

    def fetch(username: str, path: str) -> Callable[[], Any]:
        client = Client()
        enter(client, users[username])
        return lambda: client.get(path, headers={"host": "127.0.0.1"}).content

    queue = workflow.waiting(users["rs"], "verify")
    return {
        "floor: one row by key": lambda: Transfer.objects.get(pk=some.pk),
        "cases, enterprise": page("qiye"),
        "cases, community": page("shequ"),
        "cases, street": page("jiedao"),
        "cases, agency of a county": page("shebao"),
        "cases, middle of the list": lambda: list(
            with_names.visible_to(users["qiye"]).filter(pk__lt=some.pk).order_by("-pk")[:51]
        ),
        "queue of HR, oldest first": lambda: list(queue[:51]),
        "capped count": lambda: queue.order_by()[:1001].count(),
        "name, two characters": lambda: list(
            with_names.visible_to(users["rs"]).named("建国").order_by("-pk")[:51]
        ),
        "name, none such": lambda: list(
            with_names.visible_to(users["rs"]).named("欧阳").order_by("-pk")[:51]
        ),
        "ID number": lambda: list(with_names.visible_to(users["rs"]).with_id_number(number)),
        "page: home of HR": fetch("rs", "/"),
        "page: list of the enterprise": fetch("qiye", reverse("transfers:list")),
        "page: queue of HR": fetch("rs", reverse("transfers:list") + "?waiting=verify"),
        "page: search": fetch(
            "rs", f"{reverse('transfers:list')}?q={privacy.seal('建国', 'search')}"
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    options = parser.parse_args()
    os.environ.setdefault("SECRET_KEY", "benchmark only")
    os.environ.setdefault("DEMO", "1")
    from xianning.privacy import new_keys

    os.environ.setdefault("FIELD_KEYS", new_keys())
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("collectstatic", interactive=False, verbosity=0)
    made = connection.creation.create_test_db(verbosity=0, serialize=False)
    try:
        with open(os.devnull, "w") as quiet:
            call_command("load_demo", people=0, stdout=quiet)
        from xianning.bench import people

        seconds = people.build(options.people)
        rate = options.people / seconds
        print(f"\n{connection.vendor}, {options.people} people, loaded at {rate:.0f} a second")
        gc.collect()  # as the server does after loading: see xianning/wsgi.py
        gc.freeze()
        floor = 0.0
        for name, deed in questions().items():
            middle, slow = timed(deed)
            floor = floor or middle
            print(f"{name:32} {middle:8.2f} ms  p95 {slow:8.2f} ms  {middle / floor:6.1f} x floor")
    finally:
        connection.creation.destroy_test_db(made, verbosity=0)


if __name__ == "__main__":
    main()
