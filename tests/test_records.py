"""What an import takes from the record without opening it: the digest of a person's facts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from django.db import models

from communities.models import Area
from tests.factories import enterprise_of
from tests.workbooks import made_up_people, make_workbook
from transfers.imports import checking, writing
from transfers.models import Retiree, Transfer
from transfers.models.retirees import fact_names, facts_text
from transfers.records import Trace, traces
from xianning import privacy
from xianning.models import User
from xianning.privacy import EncryptedField

if TYPE_CHECKING:
    from transfers.imports.checking import Report

pytestmark = pytest.mark.django_db


def check(data: bytes) -> Report:
    return checking.check(data, enterprise_of("qiye"), User.objects.get(username="qiye"))


def trace_of(person: Retiree) -> Trace:
    found = traces([person.id_number], enterprise_of("qiye"))[person.id_number]
    assert found is not None
    return found


@pytest.fixture
def data() -> bytes:
    """A workbook whose people are on record."""
    made = make_workbook(made_up_people(12, seed=3), footer=False)
    writing.write(check(made), by=User.objects.get(username="qiye"))
    return made


def test_an_unchanged_row_opens_no_private_value(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a private value was opened")

    monkeypatch.setattr(EncryptedField, "open", refuse)
    assert check(data).unchanged == 12


def other(name: str, value: Any) -> Any:
    """A lawful value of the column NAME that is not VALUE."""
    field: Any = Retiree._meta.get_field(name)
    if isinstance(field, models.DateField):
        return date(1971, 2, 1) if value != date(1971, 2, 1) else date(1972, 2, 1)
    if isinstance(field, models.BooleanField):
        return not value
    if name == "special_groups":
        return [] if value else ["alone"]
    if name == "insurances":
        return ["pension"] if value != ["pension"] else ["medical"]
    if field.choices:
        return next(code for code, _ in field.choices if code not in ("", value))
    return {"injury_grade": "3", "spouse_status": "retired"}.get(name, "别的") + " " * (not value)


def test_no_fact_of_a_person_can_change_unnoticed(data: bytes) -> None:
    """Each column by itself, saved as everybody saves: the digest differs, the row says so."""
    names = sorted(set(fact_names()) - {"id_number"})
    assert len(names) == 56
    told = 0
    for some in (names[at : at + 12] for at in range(0, len(names), 12)):
        changed = 0
        for name, person in zip(some, Retiree.objects.order_by("id_index"), strict=False):
            facts = {name: getattr(person, name) for name in fact_names()}
            assert trace_of(person).has(facts), name
            setattr(person, name, other(name, facts[name]))
            person.save()
            assert not trace_of(person).has(facts), name
            changed += facts[name] not in ("", None, [])  # a blank cell keeps what is there
        report = check(data)
        assert (report.updated, report.unchanged) == (changed, 12 - changed), some
        told += changed
        for row in Retiree.history.filter(history_type="+"):
            row.instance.save(force_update=True)
        assert check(data).unchanged == 12
    assert told >= 20


def test_a_receiver_chosen_by_hand_is_a_change_too(data: bytes) -> None:
    case = Transfer.objects.order_by("pk")[0]
    elsewhere = Area.objects.receiving().exclude(pk=case.community_id)
    trace = trace_of(case.retiree)
    Transfer.objects.filter(pk=case.pk).update(community=elsewhere[0])
    assert trace_of(case.retiree) == trace._replace(
        receivers=(elsewhere[0].pk, *trace.receivers[1:])
    )


def test_what_is_written_past_save_makes_the_digest_count_no_more(data: bytes) -> None:
    person = Retiree.objects.all()[0]
    facts = {name: getattr(person, name) for name in fact_names()}
    assert trace_of(person).has(facts)
    for writing_past in (
        lambda: Retiree.objects.filter(pk=person.pk).update(hobbies="垂钓"),
        lambda: Retiree.objects.bulk_update([person], ["health"]),
    ):
        person.save()
        assert Retiree.objects.get(pk=person.pk).facts_index
        writing_past()
        assert not trace_of(person).digest
        assert not trace_of(person).has(facts)


def test_equal_facts_of_two_people_have_unlike_digests(data: bytes) -> None:
    one, two = Retiree.objects.all()[:2]
    facts = {name: getattr(one, name) for name in fact_names()}
    assert trace_of(one).has(facts)
    assert not trace_of(two)._replace(digest=trace_of(one).digest).has(facts)
    assert privacy.blind_index(facts_text(one.pk, facts), "facts_text") == one.facts_index
