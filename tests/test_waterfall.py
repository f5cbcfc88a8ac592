"""Does the sum close: random lawful acts over months, and every sum equals a plain recount."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.urls import reverse
from django.utils import timezone

from enterprises.models import Enterprise
from tests.factories import make_transfer, staff_of
from transfers import waterfall, workflow
from transfers.models import StepEvent, Transfer
from transfers.stages import STAGES
from xianning import demo, walk

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
START = date(2026, 3, 2)
WHY = {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}


def _now(day: date) -> Any:
    moment = timezone.make_aware(datetime.combine(day, time(10)))
    return mock.patch("django.utils.timezone.now", return_value=moment)


def _date() -> None:
    """Move what was written just now to the simulated day: defaults of columns ask the real clock."""
    moment, future = timezone.now(), timezone.make_aware(datetime(2026, 11, 1))
    StepEvent.objects.filter(at__gte=future).update(at=moment)
    Transfer.objects.filter(filed_at__gte=future).update(filed_at=moment)


def recount() -> dict[str, set[Any]]:
    """Who stands where, looked at person by person, without a query of the program's own."""
    found: dict[str, set[Any]] = {key: set() for key in ("filed", *STAGES)}
    for case in Transfer.objects.exclude(state="ended"):
        done = {row.step for row in case.steps.all() if row.state == "done"}
        found["filed"].add(case.pk)
        if "declare" in done:
            found["declare"].add(case.pk)
        if {"declare", "verify"} <= done:
            found["verify"].add(case.pk)
        if not {"declare", "verify", "confirm"} <= done:
            continue
        found["confirm"].add(case.pk)
        if "archives" in done:
            found["archives"].add(case.pk)
        if "community" in done:
            found["community"].add(case.pk)
            if case.reception.cards.filter(voided_on=None).exists():
                found["card"].add(case.pk)
        if case.retiree.is_party_member:
            found["member"].add(case.pk)
            if "party" in done:
                found["party"].add(case.pk)
    return found


def _act(rng: random.Random, case: Transfer) -> None:
    """Any lawful act of any office on CASE, if there is one; what is refused changes nothing."""
    case = Transfer.objects.get(pk=case.pk)
    staff, rows = staff_of("qiye"), workflow.rows_of(case)
    key = rng.choice([key for key in rows if key != "enterprise"])
    by, kind = staff[workflow.STEPS[key].role], rng.random()
    try:
        if kind < 0.7:
            opened = [key for key in rows if rows[key].state == "open"]
            if opened and case.state == "open":
                key = rng.choice(opened)
                walk.take(case, key, staff[workflow.STEPS[key].role])
        elif kind < 0.83:
            workflow.send_back(case, key, by=by, **WHY)
        elif kind < 0.97:
            workflow.withdraw(case, key, by=by, **WHY)
        else:
            workflow.end(case, by=staff["enterprise"], code="mistake", reason="重复填报。")
    except workflow.Refused:
        return


def sums(on: date | None) -> dict[str, int]:
    return waterfall.totals(Transfer.objects.all(), on)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_sum_equals_a_plain_recount_on_every_day(seed: int) -> None:
    rng, day, cases = random.Random(seed), START, []
    kept: dict[date, dict[str, set[Any]]] = {}
    for n in range(18):
        day += timedelta(days=rng.randint(1, 5))
        with _now(day):
            if n % 3 == 0:
                cases.append(make_transfer(at="verify", party_member=n % 6 == 0))
            for _ in range(3):
                _act(rng, rng.choice(cases))
            _date()
            kept[day] = recount()
            assert sums(None) == {key: len(who) for key, who in kept[day].items()}
            for column in ("enterprise_id", "received_by"):
                found, parts = waterfall.sums(Transfer.objects.all(), None, column)
                assert found == sums(None)
                for key in found:
                    assert sum(part[key] for part in parts) == found[key]
    for past, there in kept.items():
        assert sums(past) == {key: len(who) for key, who in there.items()}, past
        rows = waterfall.cases_on(Transfer.objects.all(), past)
        for key, stage in STAGES.items():
            gone = set(rows.filter(waterfall.missing(key, past)).values_list("pk", flat=True))
            assert gone == there[stage.of or "filed"] - there[key]
        for column in ("enterprise_id", "received_by"):
            parts = waterfall.sums(Transfer.objects.all(), past, column)[1]
            for key in ("filed", *STAGES):
                assert sum(part[key] for part in parts) == len(there[key])
    assert any(there["archives"] for there in kept.values())
    assert any(there["community"] for there in kept.values())


def test_each_drop_leads_to_the_people_in_it(sign_in: Callable[..., Any]) -> None:
    waiting, signed = make_transfer(at="verify"), make_transfer(at="deliver")
    office = sign_in("gzw")
    page = office.get(reverse("transfers:waterfall")).content.decode()
    link = f"{reverse('transfers:list')}?missing=verify"
    assert link in page
    assert "已申报未核定 1 人" in page
    people = office.get(link).content.decode()
    assert waiting.number in people
    assert signed.number not in people
    assert "已申报未核定" in people


def test_sums_end_at_the_borders_of_the_office(sign_in: Callable[..., Any]) -> None:
    make_transfer(at="verify")
    make_transfer(at="verify", clerk="qiye_chibi")
    found = {
        who: sign_in(who).get(reverse("transfers:waterfall")).context["found"]["filed"]
        for who in ("gzw", "gzw_chibi", "qiye", "shequ", "shequ_wannian")
    }
    assert found == {"gzw": 2, "gzw_chibi": 1, "qiye": 1, "shequ": 1, "shequ_wannian": 0}


def test_the_list_and_the_enterprise_are_those_of_the_office(sign_in: Callable[..., Any]) -> None:
    case = make_transfer(at="verify")
    Enterprise.objects.filter(pk=case.enterprise_id).update(retiree_count=100_000)
    url = f"{reverse('transfers:waterfall')}?enterprise={case.enterprise_id}"
    assert sign_in("gzw").get(url).context["listed"] == 100_000
    assert sign_in("gzw_chibi").get(url).status_code == 404
    elsewhere = sign_in("gzw_chibi").get(reverse("transfers:waterfall")).context["listed"]
    assert elsewhere < 100_000


def test_a_county_is_a_part_of_the_city(sign_in: Callable[..., Any]) -> None:
    make_transfer(at="verify")
    make_transfer(at="verify", clerk="qiye_chibi")
    page = sign_in("gzw").get(f"{reverse('transfers:waterfall')}?in={demo.CHIBI}")
    assert page.context["found"]["filed"] == 1


@pytest.mark.parametrize("query", ["on=2026-13-01", "on=2999-01-01", "missing=x", "by=x",
                                   "in=999999999999", "enterprise=x", "beyond=x"])  # fmt: skip
def test_an_unknown_condition_is_no_page(sign_in: Callable[..., Any], query: str) -> None:
    assert sign_in("gzw").get(f"{reverse('transfers:waterfall')}?{query}").status_code == 404


def test_a_past_day_has_its_page(sign_in: Callable[..., Any]) -> None:
    with _now(START):
        make_transfer(at="deliver")
        _date()
    page = sign_in("gzw").get(f"{reverse('transfers:waterfall')}?on=2026-03-01")
    assert page.context["found"]["filed"] == 0
    page = sign_in("gzw").get(f"{reverse('transfers:waterfall')}?on=2026-03-02&by=community")
    assert page.context["found"]["confirm"] == 1
