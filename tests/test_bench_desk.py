"""`manage.py bench desk` measures what it says, at a size that a test can wait for."""

from __future__ import annotations

from typing import Any

import pytest

from communities.models import ContactCard, Reception
from tests.conftest import load_world
from transfers.models import NameGram, Retiree, Transfer, TransferStep
from xianning import demo
from xianning.bench import desk, people
from xianning.models import User


@pytest.mark.django_db
def test_sixty_people_are_found_at_their_desks(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    if not User.objects.filter(username="qiye").exists():
        load_world()
    monkeypatch.setattr(desk, "LOOKUPS", 6)
    said: list[str] = []
    settings.ALLOWED_HOSTS = [desk.HOST["host"]]
    desk.measure(60, said.append)
    text = "\n".join(said)
    for name in (*desk.TYPED, *desk.FILTERS, "floor"):
        assert name in text
    assert Transfer.objects.count() == Retiree.objects.count() == 60
    assert Reception.objects.filter(community=demo.GUIHUA).count() == 30
    assert Reception.objects.count() == ContactCard.objects.count() == 45


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
