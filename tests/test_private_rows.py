"""Encrypted columns in the database: every way of writing and reading rows, history included."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import FieldError
from django.db import connection, models, transaction
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext

from tests.sealed_rows import (
    ID,
    LABEL,
    OTHER_ID,
    RARE,
    History,
    encrypted,
    raw,
    retiree,
)
from transfers.models import Retiree
from xianning import privacy, sealing
from xianning.privacy import (
    NotReadable,
    Sealed,
)

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True, params=["aes", "sm"])
def head(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Every test runs with both providers; how a value sealed in it begins."""
    settings.FIELD_ALGORITHM = request.param
    return f"v2:{request.param}:t1:"


@pytest.mark.django_db
def test_a_person_and_his_history_are_stored_sealed_and_read_in_plain(head: str) -> None:
    person = retiree(health=RARE, special_groups=["disabled"], home_phone="13800000001")
    person.save()
    person.health = "良好"
    person.save()
    person.refresh_from_db()
    assert (person.id_number, person.health, person.special_groups) == (ID, "良好", ["disabled"])
    later, earlier = person.history.order_by("-history_id")
    assert (earlier.health, later.health, earlier.id_number) == (RARE, "良好", ID)
    assert earlier.instance.special_groups == ["disabled"]
    assert later.diff_against(earlier).changed_fields == ["health"]
    assert Retiree.history.as_of(earlier.history_date).get(pk=person.pk).health == RARE
    pk = person.pk
    person.delete()
    assert History.objects.get(id=pk, history_type="-").id_number == ID
    retiree(id=pk, special_groups=["alone"]).save()
    for table in (Retiree, History):
        rows = repr(raw(table))
        assert head in rows
        for secret in (ID, RARE, "良好", "disabled", "alone", "13800000001"):
            forms = [secret, *(each.decode() for each in _base64s(secret))]
            assert not any(form in rows for form in forms)


def _base64s(secret: str) -> list[bytes]:
    """The inner part of SECRET's base64, at each of the three offsets it may stand at."""
    data = secret.encode()
    return [base64.b64encode(bytes(shift) + data)[4:-4] for shift in range(3) if len(data) > 6]


@pytest.mark.django_db
def test_all_ways_of_writing_seal_for_each_row(head: str) -> None:
    one, two = retiree(health="甲"), retiree(health="乙", id_number=OTHER_ID)
    for person in (one, two):
        person.set_index()
    Retiree.objects.bulk_create([one, two])
    Retiree.history.bulk_history_create([one, two])
    ours = Retiree.objects.filter(pk__in=[one.pk, two.pk])
    assert {p.health for p in ours} == {p.health for p in History.objects.all()} == {"甲", "乙"}
    one.health, two.health, two.injury_part = "丙", "", "戊"
    Retiree.objects.bulk_update([one, two], ["health", "injury_part"])
    past = list(History.objects.all())
    for row in past:
        row.health += "旧"
    History.objects.bulk_update(past, ["health"])
    assert {p.health for p in History.objects.all()} == {"甲旧", "乙旧"}
    assert [(p.health, p.injury_part) for p in ours.order_by("pk")] == [("丙", ""), ("", "戊")]
    assert ours.update(home_phone="13800000001", special_groups=[], away_phone="") == 2
    assert History.objects.filter(id=two.pk).update(special_groups=["alone"], health="") == 1
    assert Retiree.objects.filter(name="无此人").update(health="良好") == 0
    assert {(p.home_phone, *p.special_groups) for p in ours} == {("13800000001",)}
    assert [p.special_groups for p in History.objects.order_by("id")] == [[], ["alone"]]
    one.home_phone = "13800000002"
    one.save(update_fields=["home_phone"])
    Retiree.objects.update_or_create(pk=two.pk, defaults={"away_phone": "13800000003"})
    assert Retiree.objects.get(pk=one.pk).home_phone == "13800000002"
    assert Retiree.objects.get(pk=two.pk).away_phone == "13800000003"
    columns = [each.attname for model, each in encrypted() if model is Retiree]
    for table in (Retiree, History):
        values = {value for row in raw(table, *columns) for value in row} - {""}
        assert len(values) >= 5
        assert all(value.startswith(head) for value in values)


@pytest.mark.django_db
def test_all_ways_of_reading_a_row_open_its_values() -> None:
    person = retiree(health="甲", injury_part="戊")
    person.save()
    ours = Retiree.objects.filter(pk=person.pk)
    assert ours.only("injury_part").get().injury_part == "戊"
    assert ours.defer("health").get().health == "甲"
    assert History.objects.only("health").get().health == "甲"
    assert History.objects.raw(f"SELECT * FROM {History._meta.db_table}")[0].health == "甲"
    for whole in (pickle.loads(pickle.dumps(ours.get())), copy.deepcopy(ours.get())):
        assert isinstance(whole.__dict__["health"], Sealed)
        assert (whole.health, whole.injury_part) == ("甲", "戊")
    assert Retiree.objects.with_id_number(ID).get() == person
    assert ours.exclude(injury_part="").filter(home_phone="").exists()
    assert not ours.filter(health__isnull=True).exists()
    assert not ours.filter(health=None).exists()
    assert ours.distinct().count() == 1


@pytest.mark.django_db
def test_a_value_nobody_asks_for_is_never_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    retiree(health="甲", home_phone="13800000001").save()
    opened = []

    def unseal(text: str, label: str, row: str) -> str:
        opened.append(label)
        return sealing.unseal(text, label, row)

    monkeypatch.setattr(privacy, "unseal", unseal)
    [person] = Retiree.objects.all()
    assert opened == []
    assert [person.health, person.health] == ["甲", "甲"]
    assert opened == [LABEL]


@pytest.mark.django_db
def test_a_value_without_its_row_is_refused_with_a_sentence() -> None:
    retiree(health="甲").save()
    everybody = Retiree.objects.all()
    for taken in (
        everybody.values(), everybody.values("health"), everybody.values_list("pk", "health"),
        everybody.values_list("health", flat=True),
    ):  # fmt: skip
        with pytest.raises(FieldError, match=r"transfers\.Retiree\.health|only"):
            list(taken)
    noted: Any = everybody.annotate(other=models.F("health")).get().other
    assert repr(noted) == f"<Sealed {LABEL}>"
    for use in (str, bool, len, list, lambda each: each == "甲", lambda each: f"{each}"):
        with pytest.raises(FieldError, match=LABEL):
            use(noted)


@pytest.mark.django_db
def test_a_column_is_not_written_from_an_expression() -> None:
    person = retiree(health="甲")
    person.save()
    for expression in (models.F("injury_part"), models.Value("甲"), Upper("health")):
        with pytest.raises(FieldError, match="表达式"), transaction.atomic():
            Retiree.objects.update(health=expression)
        person.health = expression
        with pytest.raises(FieldError, match="表达式"), transaction.atomic():
            models.Model.save(person)
        person.refresh_from_db()
        assert person.health == "甲"


@pytest.mark.django_db
def test_an_update_of_many_rows_asks_for_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    retiree(health="甲").save()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        Retiree.objects.update(health="乙", injury_part="丙", home_phone="13800000001")
    assert len(queries) == 2
    monkeypatch.setattr(privacy._EachRow, "MOST", 0)
    with pytest.raises(FieldError, match="分批"):
        Retiree.objects.update(health="丁")


@pytest.mark.django_db
def test_values_swapped_in_the_database_are_refused_when_they_are_read() -> None:
    one, two = retiree(health="甲"), retiree(health="乙", id_number=OTHER_ID)
    for person in (one, two):
        person.save()
    one.health = "丙"
    one.save()
    for table in (Retiree, History):
        name = table._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {table._meta.pk.column}, health FROM {name} ORDER BY 1")
            found = cursor.fetchall()
            keys, texts = zip(*found, strict=True)
            cursor.executemany(
                f"UPDATE {name} SET health = %s WHERE {table._meta.pk.column} = %s",
                list(zip([*texts[1:], texts[0]], keys, strict=True)),
            )
        rows: Any = table._base_manager.all()
        for row in rows:
            with pytest.raises(NotReadable, match=r"transfers\.Retiree\.health"):
                row.health  # noqa: B018
            assert row.injury_part == ""
