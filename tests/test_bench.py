"""`manage.py bench desk` and `reports` measure what they say, at a size that a test can wait for."""

from __future__ import annotations

from typing import Any

import pytest

from communities.models import ContactCard, Management, Reception
from tests.conftest import load_world
from transfers import waterfall
from transfers.models import NameGram, Retiree, Transfer, TransferStep
from xianning import demo
from xianning.bench import HOST, desk, people, reports
from xianning.models import User


@pytest.mark.django_db
def test_sixty_people_are_found_at_their_desks(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    if not User.objects.filter(username="qiye").exists():
        load_world()
    monkeypatch.setattr(desk, "LOOKUPS", 6)
    said: list[str] = []
    settings.ALLOWED_HOSTS = [HOST["host"]]
    desk.measure(60, said.append)
    text = "\n".join(said)
    for name in (*desk.TYPED, *desk.FILTERS, "floor"):
        assert name in text
    assert Transfer.objects.count() == Retiree.objects.count() == 60
    assert Reception.objects.filter(community=demo.GUIHUA).count() == 30
    assert Reception.objects.count() == ContactCard.objects.count() == 45


@pytest.mark.django_db
def test_the_sums_over_eighty_people_are_asked_for_by_each_officer(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    if not User.objects.filter(username="qiye").exists():
        load_world()
    monkeypatch.setattr(reports, "TIMES", 2)
    monkeypatch.setattr(people, "CHUNK", 20)
    monkeypatch.setattr(reports, "ENTERPRISES", 3)
    said: list[str] = []
    settings.ALLOWED_HOSTS = [HOST["host"]]
    reports.measure(80, said.append)
    assert all(name in "\n".join(said) for name in (*reports.PAGES, "floor"))
    assert Transfer.objects.order_by().values("enterprise").distinct().count() == 4
    assert Transfer.objects.order_by().values("authority").distinct().count() == 3
    sums = waterfall.totals(Transfer.objects.all(), None)
    assert sums["filed"] == 80
    assert sums["card"] == Reception.objects.count() == 40 == Management.objects.count()


@pytest.mark.django_db
def test_people_that_were_built_are_as_if_they_had_been_filed() -> None:
    people.build(3, entries=1)
    steps = TransferStep.objects.count()
    for case in Transfer.objects.select_related("retiree"):
        person = case.retiree
        before = person.id_index, person.facts_index, person.tail_index, person.phone_index
        grams = set(NameGram.objects.filter(retiree=person).values_list("gram", flat=True))
        person.save()  # makes all of them anew
        again = Retiree.objects.get(pk=person.pk)
        after = again.id_index, again.facts_index, again.tail_index, again.phone_index
        assert after == before
        assert set(NameGram.objects.filter(retiree=again).values_list("gram", flat=True)) == grams
        assert Transfer.objects.with_id_number(person.id_number).get() == case
        assert Transfer.objects.with_phone(person.home_phone).get() == case
    assert steps == 3 * 9
