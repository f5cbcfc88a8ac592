"""The mask of an ID number cannot be undone from what else a page shows (P3)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import crawl, masks
from tests.crowd import amend
from tests.factories import make_transfer
from tests.masks import Known, candidates
from transfers.models import Retiree, Transfer
from xianning import demo, exports, standards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from tests.conftest import People
    from xianning.models import User

LEAST = 1000
TODAY = date(2026, 11, 23)
# The table of the arithmetic, typed: thirteen districts, births 1945 to 1964, a man born on
# 1955-08-12. Rows: what is beside the mask; columns: which digits the mask leaves.
MASKS = {
    "6+4": "422301********1235", "last 4": "*" * 14 + "1235", "last 2": "*" * 16 + "35",
    "1+1": "4" + "*" * 16 + "5",
}  # fmt: skip
TABLE: dict[str, tuple[Known, dict[str, float]]] = {
    "nothing": (Known(), {"6+4": 664, "last 4": 8_633, "last 2": 863_318, "1+1": 8_633_182}),
    "age": (Known(age=71), {"6+4": 33, "last 4": 431, "last 2": 43_136, "1+1": 431_364}),
    "month": (Known(month=(1955, 8)), {"6+4": 2.8, "last 4": 36, "last 2": 3_593, "1+1": 35_927}),
    "day": (Known(day=date(1955, 8, 12)), {"6+4": 0.1, "last 4": 1.2, "last 2": 118, "1+1": 1_182}),
    "day, sex": (Known(day=date(1955, 8, 12), sex="1"), {"last 2": 118, "1+1": 591}),
    "month, sex": (Known(month=(1955, 8), sex="1"), {"1+1": 17_964}),
}  # fmt: skip


@pytest.mark.parametrize("beside", TABLE)
def test_the_arithmetic_is_that_of_the_table(beside: str) -> None:
    known, row = TABLE[beside]
    for name, expected in row.items():
        found = candidates(Known(MASKS[name], known.sex, known.age, known.month, known.day), TODAY)
        # The remainders are spread evenly only in the large.
        assert abs(found - expected) <= max(0.03 * expected, 2.5), (name, found)


def test_no_number_fits_what_contradicts_itself() -> None:
    assert candidates(Known("5" + "*" * 17), TODAY) == 0
    assert candidates(Known("*" * 17 + "5", day=date(1955, 8, 12)), TODAY, ("422301",)) < 100


def test_the_parser_reads_what_stands_on_a_page() -> None:
    person = Retiree(id_number="421299195508120155", birth_date=date(1955, 8, 12), sex="1")
    page = """<p>身份证号 4****************5，男，1955年8月生</p><table><tr><td>4****************5</td>
      <td data-label="出生日期">1955-08-12</td><td>71</td></tr><tr><td>女</td></tr></table>"""
    row, rest = masks.records(page)
    assert masks.read(row, person, TODAY) == [
        Known("4****************5", "", 71, (1955, 8), date(1955, 8, 12))
    ]
    assert masks.read(rest, person, TODAY) == [Known("4****************5", "1", None, (1955, 8))]


# --- every page ---------------------------------------------------------------------------------


def _people(clerk: User) -> list[Transfer]:
    """Cases at several steps; each got another number and birth date once, so history shows both."""
    found = [make_transfer(at=at, party_member=True) for at in ("verify", "community", "party")]
    for n, case in enumerate(found):
        person = case.retiree
        birth = person.birth_date.replace(day=19)
        number = standards.make_id_number(demo.REGION, birth, 321 + n, person.sex)
        amend(case, clerk, id_number=number, born="", home_phone="13900001234")
    amend(found[0], clerk, home_phone="13900001235")
    return [Transfer.objects.get(pk=case.pk) for case in found]


def _pages(cases: list[Transfer], sign_in: Callable[[str], Client]) -> Iterator[tuple[str, str]]:
    """(where, page) of all reading by everybody, and of what POST answers show of a person."""
    found = [*crawl.one_each(crawl.own_things(cases[1])).items()]
    found += [("roster", reverse("roster", args=[n])) for n in ("archives", "ledger", "party")]
    found += [("transfers:detail", case.get_absolute_url()) for case in cases]
    posts = []
    for case in cases:
        look = reverse("transfers:reveal", args=[case.pk])
        posts += [("transfers:reveal", look, {"group": group, "reason": "核对登记信息"})
                  for group in ("contact", "health", "family")]  # fmt: skip
        posts += [("transfers:act", reverse("transfers:act", args=[case.pk, key]), {})
                  for key in ("verify", "community", "party")]  # fmt: skip
        back = reverse("transfers:send_back", args=[case.pk, "community"])
        posts.append(("transfers:send_back", back, {}))
    for role, username in crawl.ACTORS.items():
        client = sign_in(username)
        answers = [(path, client.get(path)) for _name, path in crawl.open_to(username, found)]
        answers += [
            (f"POST {path} {data}", client.post(path, data))
            for name, path, data in posts
            if crawl.open_to(username, [(name, path)])
        ]
        for path, response in answers:
            if b"***" in response.content:
                yield f"{role} {path}", response.content.decode()


def _counts(text: str, people: list[Retiree], today: date) -> Iterator[tuple[int, Known]]:
    """For each mask in TEXT, how many numbers fit it and what stands beside it."""
    for person in people:
        for known in masks.read(text, person, today):
            yield candidates(known, today), known


@pytest.mark.django_db
def test_a_thousand_numbers_fit_what_any_page_shows(
    sign_in: Callable[[str], Client], people: People
) -> None:
    cases, today = _people(people["qiye"]), timezone.localdate()
    persons = [case.retiree for case in cases]
    shown, roles, few, days = 0, set(), {}, {}
    for where, page in _pages(cases, sign_in):
        for text in masks.records(page):
            for count, known in _counts(text, persons, today):
                shown += 1
                roles.add(where.partition(" ")[0])
                if count < LEAST:
                    few[where] = (count, known)
                if known.day:
                    days[where] = known
    assert not few
    # A page that shows the day shows the sex too, and then no mask leaves enough: none shows it.
    assert not days
    assert shown > 100
    assert roles == crawl.ACTORS.keys() & WHO_SEES_CASES


WHO_SEES_CASES = {"sasac", "hr", "insurance", "medical", "street", "community", "party",
                  "enterprise", "auditor"}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["transfers", "archives", "ledger", "party"])
def test_a_thousand_numbers_fit_each_row_of_a_masked_roster(name: str, people: People) -> None:
    person = make_transfer(at="done", party_member=True).retiree
    user, roster, today = people["shenji"], exports.ROSTERS[name], timezone.localdate()
    row = roster.rows(user).get()
    text = " ".join(roster.cells(1, row, clear=False))
    found = list(_counts(text, [person], today))
    assert found
    assert all(count >= LEAST for count, _known in found), found
    assert all(known.sex and known.month for _count, known in found)
