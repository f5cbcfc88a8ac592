"""No address can be guessed from another one, and no real person stands in any file (A10, P10)."""

from __future__ import annotations

import random
import re
import secrets
import subprocess
import uuid
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse

from communities import cards
from communities.models import ContactCard
from tests.conftest import BY_ROLE
from tests.routes import PUBLIC_CODES, routes, some_objects
from xianning import access
from xianning.models import User
from xianning.models.base import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
IDS = 10_000
OUR_APPS = ("xianning", "communities", "enterprises", "transfers", "archives", "party")


# --- A10: addresses -----------------------------------------------------------------------------


def test_what_stands_in_an_address_is_random_or_known_to_everybody() -> None:
    """No `int`, no `str` that might be one: a UUID, a key of the step table, or a listed code."""
    other = set()
    for route in routes():
        assert not re.search(r"\(\?P|\[0-9\]|\\d", route.path), route
        for argument, converter in route.converters.items():
            kind = type(converter).__name__
            if kind not in {"UUIDConverter", "StepConverter"}:
                other.add(f"{route.name} {argument}")
    assert other == PUBLIC_CODES.keys()


def test_the_id_of_every_model_that_has_an_address_is_a_random_uuid() -> None:
    numbered = {
        model.__name__
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        if hasattr(model, "get_absolute_url") and not isinstance(model._meta.pk, models.UUIDField)
    }
    assert numbered <= {"Area"}  # its statistical code is printed in the yearbook


def test_two_ids_of_the_same_moment_differ_in_sixty_two_random_bits() -> None:
    made = [new_id() for _ in range(2000)]
    assert {(i.version, i.variant) for i in made} == {(7, uuid.RFC_4122)}
    tails = [i.int & (1 << 62) - 1 for i in made]
    assert len(set(tails)) == len(tails)
    for bit in range(62):  # each bit is as often 1 as 0; six standard deviations
        ones = sum(tail >> bit & 1 for tail in tails)
        assert abs(ones - 1000) < 6 * 22.4, bit
    steps = [abs(b - a) for a, b in pairwise(tails)]
    assert min(steps) > 1 << 24  # no counter


def neighbours(known: list[uuid.UUID], count: int) -> list[uuid.UUID]:
    """Ids like those that exist: beside them, of the same moment, of later moments, and random."""
    rng = random.Random(secrets.token_bytes(8))
    kinds: list[Callable[[uuid.UUID], int]] = [
        lambda i: i.int + rng.choice((-1, 1)) * rng.randint(1, 1000),
        lambda i: i.int >> 62 << 62 | rng.getrandbits(62),
        lambda i: i.int + (rng.randint(1, 1000) << 80),
        lambda i: i.int ^ 1 << rng.randrange(62),
        lambda i: rng.getrandbits(128),
        lambda i: new_id().int,
        lambda i: rng.randrange(100_000),
    ]
    made = {
        uuid.UUID(int=kinds[n % len(kinds)](known[n % len(known)]) % (1 << 128))
        for n in range(count + count // 10)
    }
    return sorted(made - set(known), key=str)[:count]


@pytest.mark.django_db
def test_ten_thousand_neighbours_of_real_ids_are_nothing_to_anybody(people: Any) -> None:
    things = some_objects()
    seen = [
        model
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        if isinstance(model._meta.pk, models.UUIDField)
        and hasattr(model._default_manager.all(), "visible_to")
    ]
    assert {"Transfer", "Enterprise", "Scan", "Job", "Notice", "Office", "ImportBatch"} <= {
        model.__name__ for model in seen
    }
    known = [pk for m in seen for pk in m._default_manager.values_list("pk", flat=True)[:200]]
    asked = neighbours(known, IDS)
    assert len(asked) == IDS
    hits = []
    for model in seen:
        for username in ("qiye", "gzw", "shenji", "guanli"):
            rows = model._default_manager.visible_to(people[username])  # type: ignore[attr-defined]
            for start in range(0, IDS, 5000):
                hits += rows.filter(pk__in=asked[start : start + 5000]).values_list("pk", flat=True)
    assert hits == []
    # The same question finds what is there.
    case = things["transfers/"]
    rows = type(case).objects.visible_to(people["qiye"])
    assert list(rows.filter(pk__in=[*asked[:5000], case.pk])) == [case]


@pytest.mark.django_db
def test_addresses_with_neighbouring_ids_answer_not_found(
    sign_in: Callable[[str], Client],
) -> None:
    known = some_objects()
    asked = iter(neighbours([thing.pk for thing in known.values()], 1000))
    about = [r for r in routes() if "pk" in r.converters and r.name not in PUBLIC]
    found, count = set(), 0
    for role in ("enterprise", "hr", "community", "system_admin", "security_admin", "auditor"):
        client = sign_in(BY_ROLE[role])
        user = User.objects.get(username=BY_ROLE[role])
        for route in about:
            if access.REGISTRY[route.name].refuses(user):
                continue  # 403 whatever stands in the address
            for method in ("get", "post", "get", "post"):
                answer = getattr(client, method)(route.address(known, pk=next(asked)))
                count += 1
                if answer.status_code not in {404, 405}:
                    found.add((role, route.name, method, answer.status_code))
    assert not found
    assert count >= 200


PUBLIC = {
    # Their argument is a statistical code.
    "communities:area_edit",
    "communities:fund_fix",
    "transfers:report_sign",
    "communities:fund_standard",
    "enterprises:edition_publish",
    "party:receipt",  # asks for the code and says nothing before it, whether the id exists or not
}


@pytest.mark.django_db
def test_no_link_of_any_page_holds_a_number(sign_in: Callable[[str], Client]) -> None:
    """Neither in the path nor in the query: what is counted up can be guessed."""
    known = some_objects()
    numbers, links = set(), 0
    for role in ("enterprise", "hr", "system_admin", "auditor"):
        client = sign_in(BY_ROLE[role])
        for route in routes():
            page = client.get(route.address(known))
            if not page.headers.get("Content-Type", "").startswith("text/html"):
                continue
            for link in re.findall(r'(?:href|action|hx-get|hx-post|src)="([^"]+)"', page.text):
                links += 1
                for part in re.findall(r"(?<=[/=])(\d+)(?=[/&]|$)", link):
                    # The statistical code of a division, or a yes and no.
                    if not re.fullmatch(r"42\d{10}|[01]", part):
                        numbers.add((route.name, link))
    assert not numbers
    assert links > 1000


@pytest.mark.django_db
def test_ten_thousand_guessed_card_numbers_are_no_cards() -> None:
    some_objects()
    from tests.factories import make_transfer

    make_transfer(at="done")
    real = ContactCard.objects.values_list("number", flat=True)
    assert real
    letters = sorted({letter for number in real for letter in number if letter.isalnum()})
    rng = random.Random(secrets.token_bytes(8))
    guessed = {"-".join("".join(rng.choices(letters, k=4)) for _ in range(3)) for _ in range(IDS)}
    for number in real[:3]:
        for at, letter in enumerate(number):
            guessed |= {
                number[:at] + other + number[at + 1 :] for other in letters if letter != "-"
            }
    guessed -= set(real)
    assert len(guessed) > IDS
    assert not ContactCard.objects.filter(number__in=list(guessed)[:5000]).exists()
    assert not ContactCard.objects.filter(number__in=list(guessed)[5000:]).exists()
    assert cards.is_valid(real[0])
    found = Client().post(reverse("communities:card_check"), {"number": guessed.pop()})
    assert found.status_code in {200, 422}
    assert "在有效期内" not in found.text


# --- P10: files of the project ------------------------------------------------------------------

TEST_REGION = "421299"  # assigned to no division
# Numbers outside it, and why they may stand where they stand.
SPECIMENS = {
    "11010519491231002X": "the specimen that the standard GB 11643 itself prints",
    "110105194913310021": "the specimen with a month 13, which must be refused",
    "110105491231002": "the specimen in the fifteen digits of before 1999",
    "110105490230002": "the specimen of fifteen digits with a 30 February, which must be refused",
}
LONG = re.compile(rb"(?<![0-9A-Za-z])([1-9]\d{16}[0-9Xx])(?![0-9A-Za-z])")
OLD = re.compile(rb"(?<![0-9A-Za-z.])([1-8]\d{14})(?![0-9A-Za-z])")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def is_number(digits: str) -> bool:
    """Whether a check digit or, in the old form, a day of birth says that this is an ID number."""
    if len(digits) == 18:
        total = sum(int(d) * weight for d, weight in zip(digits, WEIGHTS, strict=False))
        return "10X98765432"[total % 11] == digits[17]
    try:
        date(1900 + int(digits[6:8]), int(digits[8:10]), min(int(digits[10:12]) or 99, 28))
    except ValueError:
        return False
    return 1 <= int(digits[10:12]) <= 31


def id_numbers(data: bytes) -> set[str]:
    """What reads like an ID number of eighteen or fifteen characters."""
    found = {match.decode().upper() for p in (LONG, OLD) for match in p.findall(data)}
    return {digits for digits in found if is_number(digits)}


def files() -> list[Path]:
    """What git holds or would hold; without git, every file that is not made."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT,
        capture_output=True, check=False,
    )  # fmt: skip
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    made = {".venv", "var", "__pycache__", ".git", ".hypothesis", ".mypy_cache", ".ruff_cache"}
    found = [ROOT / name for name in names if name] or [
        path for path in ROOT.rglob("*") if not made & set(path.relative_to(ROOT).parts)
    ]
    return [path for path in found if path.is_file()]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"x 421299195001010015 y", 0), (b"id=11010519491231002x;", 1), (b"110105491231002", 1),
        (b"110105194912310021", 0), (b"a11010519491231002X", 0), (b"110105491331002", 0),
    ],
)  # fmt: skip
def test_the_scan_knows_an_id_number(text: bytes, found: int) -> None:
    assert len([n for n in id_numbers(text) if not n.startswith(TEST_REGION)]) == found


def test_no_file_holds_the_id_number_of_anybody() -> None:
    listed = files()
    assert len(listed) > 300
    strange = {
        f"{path.relative_to(ROOT)}: {digits}"
        for path in listed
        for digits in id_numbers(path.read_bytes())
        if not digits.startswith(TEST_REGION) and digits not in SPECIMENS
    }
    assert not strange
