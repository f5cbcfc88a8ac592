"""Encrypted fields by themselves: what they bind a value to, allow and refuse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps
from hypothesis import example, given
from hypothesis import strategies as st
from simple_history.models import transform_field

from tests.sealed_rows import (
    ID,
    LABEL,
    RARE,
    History,
    encrypted,
    loaded,
    retiree,
    stored,
)
from transfers.models import Retiree
from xianning.models import new_id
from xianning.privacy import (
    BlindIndexField,
    EncryptedField,
    EncryptedJSONField,
    EncryptedTextField,
    NotReadable,
    blind_index,
    seal,
)

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True, params=["aes", "sm"])
def head(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Every test runs with both providers; how a value sealed in it begins."""
    settings.FIELD_ALGORITHM = request.param
    return f"v2:{request.param}:t1:"


def field(name: str) -> Any:
    return Retiree._meta.get_field(name)


# --- what a value is bound to ---------------------------------------------------------------------

EVERY = list(encrypted())


def sample(column: EncryptedField) -> Any:
    return ["disabled"] if isinstance(column, EncryptedJSONField) else "良好"


def rows_of(model: type[models.Model]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The columns that name a row of MODEL, and those of rows it must not be confused with."""
    one, other = new_id(), new_id()
    if model._meta.pk.name != "history_id":
        return {"id": one}, [{"id": other}]
    at, later = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
    return {"id": one, "history_date": at}, [
        {"id": other, "history_date": at}, {"id": one, "history_date": later},
    ]  # fmt: skip


def test_the_walk_over_the_apps_finds_the_encrypted_columns() -> None:
    found = {(model._meta.label, column.name) for model, column in EVERY}
    assert {
        ("transfers.Retiree", "id_number"), ("transfers.HistoricalRetiree", "special_groups"),
        ("transfers.ImportBatch", "report"), ("transfers.RightsRequest", "text"),
        ("transfers.HistoricalRightsRequest", "applicant_name"), ("xianning.TotpDevice", "secret"),
    } <= found  # fmt: skip
    assert len(found) >= 58


@pytest.mark.parametrize(
    ("model", "column"), EVERY, ids=[f"{model._meta.label}.{c.name}" for model, c in EVERY]
)
def test_a_value_is_read_in_its_own_row_and_column_and_table_only(
    model: type[models.Model], column: EncryptedField
) -> None:
    name, row = column.name, rows_of(model)[0]
    text = stored(model(**row, **{name: sample(column)}), name)
    assert getattr(loaded(model, **row, **{name: text}), name) == sample(column)
    for other in rows_of(model)[1]:
        with pytest.raises(NotReadable, match=re.escape(str(column.label))):
            getattr(loaded(model, **other, **{name: text}), name)
    for place, elsewhere in EVERY:  # the same row everywhere, the value in every other column
        if (place, elsewhere.name) != (model, name):
            keys = dict.fromkeys(elsewhere.row_columns, row["id"])
            if "history_date" in keys:
                keys["history_date"] = row.get("history_date", datetime(2026, 3, 1, tzinfo=UTC))
            with pytest.raises(NotReadable):
                getattr(loaded(place, **keys, **{elsewhere.name: text}), elsewhere.name)
    body = len(text) - 30
    flipped = text[:body] + ("A" if text[body] != "A" else "B") + text[body + 1 :]
    with pytest.raises(NotReadable):
        getattr(loaded(model, **row, **{name: flipped}), name)


def test_a_value_of_the_time_before_rows_were_bound_is_still_read(head: str) -> None:
    person = loaded(Retiree, id=new_id(), health=seal("良好", LABEL), name="张试")
    assert person.health == "良好"
    assert stored(person, "health").startswith(head)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(FieldError, match="先有 id"):
        stored(retiree(id=None), "health")


def test_a_key_counts_however_it_is_written() -> None:
    one = new_id()
    text = stored(retiree(id=str(one).upper(), health="良好"), "health")
    assert loaded(Retiree, id=one, health=text).health == "良好"
    local = datetime(2026, 3, 1, 8, tzinfo=UTC)
    past = History(id=one, history_date=local, health="良好")
    elsewhere = local.astimezone(datetime.now().astimezone().tzinfo) + timedelta(0)
    again = loaded(History, id=one, history_date=elsewhere, health=stored(past, "health"))
    assert again.health == "良好"


# --- fields ---------------------------------------------------------------------------------------


def test_the_length_of_a_short_value_does_not_tell_which_it_is() -> None:
    lengths = {len(stored(retiree(injury_grade=g), "injury_grade")) for g in ("1", "10", "05")}
    lists: tuple[list[str], ...] = ([], ["disabled"], ["disabled", "alone"])
    groups = {len(stored(retiree(special_groups=v), "special_groups")) for v in lists}
    assert len(lengths) == len(groups) == 1


def test_what_cannot_be_read_names_the_field_and_the_key_but_never_the_value() -> None:
    person = retiree(home_address="咸安区某路 1 号")
    sealed = stored(person, "home_address")
    with pytest.raises(NotReadable) as caught:
        loaded(Retiree, id=person.id, health=sealed).health  # noqa: B018
    words = str(caught.value)
    assert LABEL in words
    assert "t1" in words
    assert "某路" not in words
    assert sealed.split(":")[3] not in words
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [ID, "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_the_index_column_refuses_what_is_no_index(value: str) -> None:
    with pytest.raises(ValueError, match="blind_index") as caught:
        stored(retiree(id_index=value), "id_index")
    assert value not in str(caught.value)


def test_the_index_column_can_be_searched_by_equality_only() -> None:
    index = blind_index(ID, "id_number")
    assert Retiree.objects.filter(id_index=index).query
    assert Retiree.objects.filter(id_index__in=[index]).query
    with pytest.raises(FieldError, match="startswith"):
        Retiree.objects.filter(id_index__startswith=index[:4])
    with pytest.raises(ValueError, match="blind_index"):
        str(Retiree.objects.filter(id_index=ID).query)


def test_empty_stays_empty_and_none_stays_none(head: str) -> None:
    person = retiree(health="", special_groups=[], home_phone=None)
    assert (stored(person, "health"), stored(person, "home_phone")) == ("", None)
    assert stored(person, "special_groups").startswith(head)
    back = loaded(Retiree, id=person.id, health="", special_groups=stored(person, "special_groups"),
                  home_phone=None)  # fmt: skip
    assert (back.health, back.special_groups, back.home_phone) == ("", [], None)
    person.special_groups = None  # type: ignore[assignment]
    assert stored(person, "special_groups") is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=4) | st.dictionaries(st.text(), _JSON, max_size=4))
@example([RARE, {"row": 7, "message": "身份证号: 校验码不符"}])
def test_any_list_or_dict_comes_back(value: Any) -> None:
    person = retiree(special_groups=value)
    text = stored(person, "special_groups")
    assert loaded(Retiree, id=person.id, special_groups=text).special_groups == value


@pytest.mark.parametrize(
    "lookup",
    ["", "__exact", "__iexact", "__in", "__contains", "__startswith", "__gt", "__regex", "__range"],
)
@pytest.mark.parametrize("name", ["id_number", "special_groups"])
def test_an_encrypted_field_cannot_be_searched(name: str, lookup: str) -> None:
    value: Any = [ID, ID] if lookup in {"__in", "__range"} else ID
    with pytest.raises(FieldError, match="BlindIndexField") as caught:
        Retiree.objects.filter(models.Q((name + lookup, value)))
    assert ID not in str(caught.value)


def test_an_encrypted_field_is_not_compared_with_another_column() -> None:
    with pytest.raises(FieldError):
        Retiree.objects.filter(health=models.F("injury_part"))


def test_a_serializer_gets_no_private_value() -> None:
    with pytest.raises(FieldError, match="dumpdata"):
        serializers.serialize("json", [retiree()])


def test_max_length_bounds_the_plain_text_and_makes_a_single_line() -> None:
    health = field("health")
    health.clean("㛃" * 60, None)
    with pytest.raises(ValidationError):
        health.clean("㛃" * 61, None)
    form_field = health.formfield()
    assert form_field.max_length == 60
    assert form_field.widget.__class__.__name__ == "TextInput"
    assert EncryptedTextField().formfield().widget.__class__.__name__ == "Textarea"
    assert len(stored(retiree(health="㛃" * 60), "health")) > 60


@isolate_apps("transfers")
def test_an_index_or_a_key_that_comes_too_late_is_an_error_of_the_project() -> None:
    class Sample(models.Model):
        id = models.UUIDField(primary_key=True, default=new_id)
        secret = EncryptedTextField(unique=True)
        note = EncryptedTextField(db_index=True)
        facts = EncryptedJSONField(default=dict)

        class Meta:
            app_label = "transfers"

        def __str__(self) -> str:
            return ""

    class Numbered(models.Model):
        note = EncryptedTextField()

        class Meta:
            app_label = "transfers"

        def __str__(self) -> str:
            return ""

    def codes(model: type[models.Model], name: str) -> list[str | None]:
        made: Any = model._meta.get_field(name)
        return [message.id for message in made.check(databases=["default"])]

    assert codes(Sample, "secret") == codes(Sample, "note") == ["xianning.E010"]
    assert codes(Sample, "facts") == codes(History, "health") == []
    assert codes(Numbered, "note") == ["xianning.E011"]


@isolate_apps("transfers")
def test_each_model_of_an_abstract_one_has_its_own_label_and_a_rename_can_keep_the_old() -> None:
    class Base(models.Model):
        note = EncryptedTextField()

        class Meta:
            abstract = True
            app_label = "transfers"

        def __str__(self) -> str:
            return ""

    class One(Base):
        old = EncryptedTextField(label="transfers.One.older")

    class Two(Base):
        pass

    labels = [model._meta.get_field("note").label for model in (One, Two)]
    assert labels == ["transfers.One.note", "transfers.Two.note"]
    kept = One._meta.get_field("old")
    assert kept.deconstruct()[3] == {"label": "transfers.One.older"}
    assert "label" not in One._meta.get_field("note").deconstruct()[3]


# --- migrations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id_number", "special_groups", "id_index"])
def test_a_migration_is_stable_and_holds_no_key(name: str) -> None:
    text, _imports = MigrationWriter.serialize(field(name))
    again, _imports = MigrationWriter.serialize(field(name).clone())
    assert text == again
    assert text.startswith("xianning.privacy.")
    assert "label" not in text
    assert "of=" not in text
    assert "dGVzdHM" not in text


@pytest.mark.parametrize("model", [Retiree, History])
def test_a_data_migration_reads_with_the_same_label(model: type[models.Model]) -> None:
    state = ModelState.from_model(model, exclude_rels=True)
    for name in list(state.fields):
        if name not in {"id", "history_id", "health", "special_groups"}:
            del state.fields[name]
    state.options = {"indexes": [], "constraints": []}
    state.bases, state.managers = (models.Model,), []
    project = ProjectState({("transfers", model._meta.model_name or ""): state})
    in_migration: Any = project.apps.get_model("transfers", model.__name__)
    assert in_migration._meta.get_field("health").label == LABEL
    assert in_migration._meta.get_field("special_groups").label == (
        "transfers.Retiree.special_groups"
    )


@isolate_apps("transfers")
def test_a_longer_plain_text_or_another_label_needs_no_change_of_the_table() -> None:
    def sample(**options: Any) -> models.Field:
        made = EncryptedTextField(**options)
        made.set_attributes_from_name("note")
        made.model = Retiree
        return made

    old, new = sample(max_length=10), sample(max_length=20, label="transfers.Retiree.older")
    editor: Any = connection.schema_editor()
    assert not editor._field_should_be_altered(old, new)
    assert editor._field_should_be_altered(old, sample(null=True))


# --- history and the database ---------------------------------------------------------------------


def test_a_historical_field_seals_with_the_label_of_its_original() -> None:
    for original in Retiree._meta.concrete_fields:
        if isinstance(original, EncryptedField):
            past = History._meta.get_field(original.name)
            assert past is not original
            assert past.model is History
            assert past.label == original.label == f"transfers.Retiree.{original.name}"
            assert past.deconstruct()[3]["label"] == original.label


def test_the_index_of_a_history_is_not_unique_but_still_an_index() -> None:
    past = BlindIndexField(unique=True)
    past.set_attributes_from_name("id_index")
    transform_field(past)
    assert not past.unique
    assert past.db_index  # type: ignore[attr-defined]
    assert past.max_length == 64
