"""Encrypted fields, blind indexes, masks and declarations: what they promise and refuse."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers import aead
from django.core import serializers
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps
from hypothesis import example, given
from hypothesis import strategies as st
from simple_history.models import transform_field

from transfers.models import Retiree
from xianning import privacy
from xianning.privacy import (
    BlindIndexField,
    EncryptedJSONField,
    EncryptedTextField,
    NotReadable,
    blind_index,
    key_check_fits,
    load_keys,
    make_key_check,
    mask,
    new_keys,
    private_fields,
    seal,
    seal_bytes,
    undeclared_fields,
    unseal,
    unseal_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽𰻝 阿依古丽·买买提"
ID = "421299195003150012"
LABEL = "transfers.Retiree.health"


def field(name: str) -> Any:
    return Retiree._meta.get_field(name)


def stored(name: str, value: Any) -> Any:
    """What Retiree's field NAME would write for VALUE."""
    return field(name).get_db_prep_save(value, connection=connection)


def read(name: str, value: Any) -> Any:
    return field(name).from_db_value(value, None, connection)


def ring(**changes: Any) -> str:
    return json.dumps({**json.loads(new_keys()), **changes})


def retiree(**facts: Any) -> Retiree:
    given = {
        "name": "张试", "sex": "1", "birth_date": date(1950, 3, 15), "retired": date(2010, 3, 1),
        "id_number": ID, **facts,
    }  # fmt: skip
    return Retiree(**given)


# --- sealing --------------------------------------------------------------------------------------


@given(st.text(), st.text())
@example(RARE, "transfers.Retiree.name")
@example("v1:aes:t1:AAAA", LABEL)
@example("\x00\x80\x00", LABEL)
@example("", LABEL)
def test_any_text_comes_back_and_never_looks_the_same_twice(text: str, label: str) -> None:
    once, again = seal(text, label), seal(text, label)
    assert unseal(once, label) == unseal(again, label) == text
    assert once != again
    assert once.startswith("v1:aes:t1:")
    assert once.isascii()


@given(st.binary(max_size=2000))
def test_any_bytes_come_back(data: bytes) -> None:
    sealed = seal_bytes(data, "scans/1")
    assert unseal_bytes(sealed, "scans/1") == data
    with pytest.raises(NotReadable):
        unseal_bytes(sealed, "scans/2")


def test_the_format_is_the_documented_one() -> None:
    """Read by hand from the module's first lines, with the library alone."""
    settings_key = b"tests-only-key-not-for-any-data0"
    version, algorithm, kid, body = seal("良好", LABEL).split(":")
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    associated = f"{version}:{algorithm}:{kid}:{LABEL}".encode()
    plain = aead.AESGCM(settings_key).decrypt(raw[:12], raw[12:], associated)
    assert plain == "良好".encode() + b"\x80" + bytes(25)


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    sealed = seal(RARE, LABEL)
    for position in range(len(sealed)):
        for bit in range(7):
            changed = (
                sealed[:position] + chr(ord(sealed[position]) ^ 1 << bit) + sealed[position + 1 :]
            )
            with pytest.raises(NotReadable):
                unseal(changed, LABEL)
        with pytest.raises(NotReadable):
            unseal(sealed[:position], LABEL)


@pytest.mark.parametrize(
    "text",
    [
        "", "良好", "v1", "v1:aes:t1:", "v1:aes:t1:A", "v1:aes:t1:====", "v1:aes:t1:" + "A" * 60,
        "v1:sm4:t1:" + "A" * 60, "v1:aes:t2:" + "A" * 60, "v2:aes:t1:" + "A" * 60,
        "v1:aes:t1:好", "v1:aes:t1:\x00" + "A" * 60,
    ],
)  # fmt: skip
def test_text_that_nobody_sealed_is_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        unseal(text, LABEL)


@given(st.text())
def test_a_second_spelling_of_the_same_value_is_refused(more: str) -> None:
    sealed = seal("良好", LABEL)
    if more:
        with pytest.raises(NotReadable):
            unseal(sealed + more, LABEL)


def test_the_length_of_a_short_value_does_not_tell_which_it_is() -> None:
    lengths = {len(stored("injury_grade", grade)) for grade in ("1", "10", "05")}
    groups = {len(stored("special_groups", v)) for v in ([], ["disabled"], ["disabled", "alone"])}
    assert len(lengths) == len(groups) == 1


def test_a_value_moved_to_another_column_is_refused() -> None:
    sealed = stored("home_address", "咸安区某路 1 号")
    assert read("home_address", sealed) == "咸安区某路 1 号"
    for other in ("household_address", "home_phone", "special_groups"):
        with pytest.raises(NotReadable):
            read(other, sealed)


def test_what_cannot_be_read_names_the_field_and_the_key_but_never_the_value() -> None:
    sealed = stored("home_address", "咸安区某路 1 号")
    with pytest.raises(NotReadable) as caught:
        read("health", sealed)
    words = str(caught.value)
    assert LABEL in words
    assert "t1" in words
    assert "某路" not in words
    assert sealed.split(":")[3] not in words
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# --- keys -----------------------------------------------------------------------------------------


def test_another_key_under_the_same_id_is_refused(settings: Settings) -> None:
    settings.PRIVACY_KEYS = new_keys()
    sealed = seal("良好", LABEL)
    settings.PRIVACY_KEYS = new_keys()
    with pytest.raises(NotReadable) as caught:
        unseal(sealed, LABEL)
    assert caught.value.kid == "k1"


def test_old_values_stay_readable_after_the_active_key_changes(settings: Settings) -> None:
    first, other = json.loads(new_keys()), json.loads(new_keys())
    settings.PRIVACY_KEYS = json.dumps(first)
    old, index, check = seal("良好", LABEL), blind_index(ID, "id_number"), make_key_check()
    both = {"k1": first["keys"]["k1"], "k2": other["keys"]["k1"]}
    settings.PRIVACY_KEYS = json.dumps({"active": "k2", "keys": both, "index": first["index"]})
    assert unseal(old, LABEL) == "良好"
    assert seal("良好", LABEL).startswith("v1:aes:k2:")
    assert blind_index(ID, "id_number") == index
    assert key_check_fits(check)
    settings.PRIVACY_KEYS = json.dumps(
        {"active": "k2", "keys": {"k2": both["k2"]}, "index": first["index"]}
    )
    with pytest.raises(NotReadable, match="k1"):
        unseal(old, LABEL)


def test_the_key_check_knows_its_keys_again(settings: Settings) -> None:
    right, other = json.loads(new_keys()), json.loads(new_keys())
    settings.PRIVACY_KEYS = json.dumps(right)
    check = make_key_check()
    assert key_check_fits(check)
    for wrong in ({**right, "index": other["index"]}, {**right, "keys": other["keys"]}, other):
        settings.PRIVACY_KEYS = json.dumps(wrong)
        assert not key_check_fits(check)
    settings.PRIVACY_KEYS = json.dumps(right)
    for text in ("", " ", check.split()[0], check + "0", check.split()[1], "好 好"):
        assert not key_check_fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "no json", "[]", "{}", "3", '{"active": "k1", "keys": [], "index": ""}',
        ring(active="k2"), ring(active=["k1"]), ring(index="c2hvcnQ="), ring(index=7),
        ring(keys={"k1": "c2hvcnQ="}), ring(keys={"k1": "好" * 44}), ring(keys={}),
        ring(keys={"a:b": base64.b64encode(bytes(32)).decode()}, active="a:b"),
        ring(keys={"k1": "A" * 43 + "="}, index="A" * 43 + "="),
        ring(keys={"k1": "A" * 43 + "=", "k2": "A" * 43 + "="}),
    ],
    ids=range(17),  # the documents hold random keys; the names of tests must not
)  # fmt: skip
def test_a_wrong_key_document_is_refused_with_a_sentence_that_holds_no_key(text: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load_keys(text)
    assert "FIELD_KEYS" in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_new_keys_are_new_and_do_not_show_in_a_repr() -> None:
    first, second = new_keys(), new_keys()
    made = json.loads(first)
    assert first != second
    assert len({made["keys"]["k1"], made["index"]}) == 2
    keys = load_keys(first)
    assert repr(keys) == "<Keys active=k1>"


def test_a_cipher_is_made_once_a_key_and_not_once_a_value(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    class Counting(privacy.AesGcm):
        def __init__(self, key: bytes) -> None:
            made.append(key)
            super().__init__(key)

    monkeypatch.setitem(privacy.PROVIDERS, "aes", Counting)
    settings.PRIVACY_KEYS = new_keys()
    for number in range(1000):
        assert unseal(seal(str(number), LABEL), LABEL) == str(number)
        blind_index(str(number), "id_number")
    assert len(made) == 1


# --- blind index ----------------------------------------------------------------------------------


def test_the_blind_index_is_a_keyed_digest_with_a_key_for_each_purpose() -> None:
    index = blind_index(ID, "id_number")
    assert index == blind_index(ID, "id_number")
    purpose_key = hmac.digest(
        b"tests-only-index-key-no-real-dat", b"blind index of id_number", "sha256"
    )
    assert index == hmac.new(purpose_key, ID.encode(), "sha256").hexdigest()
    assert index != blind_index(ID, "phone")


@given(st.text(), st.text())
def test_different_values_have_different_indexes(one: str, other: str) -> None:
    assert (blind_index(one, "p") == blind_index(other, "p")) == (one == other)
    assert BlindIndexField().get_prep_value(blind_index(one, "p")) == blind_index(one, "p")


@pytest.mark.parametrize("value", [ID, "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_the_index_column_refuses_what_is_no_index(value: str) -> None:
    with pytest.raises(ValueError, match="blind_index") as caught:
        stored("id_index", value)
    assert value not in str(caught.value)


def test_the_index_column_can_be_searched_by_equality_only() -> None:
    index = blind_index(ID, "id_number")
    assert Retiree.objects.filter(id_index=index).query
    assert Retiree.objects.filter(id_index__in=[index]).query
    with pytest.raises(FieldError, match="startswith"):
        Retiree.objects.filter(id_index__startswith=index[:4])
    with pytest.raises(ValueError, match="blind_index"):
        str(Retiree.objects.filter(id_index=ID).query)


# --- fields ---------------------------------------------------------------------------------------


def test_empty_stays_empty_and_none_stays_none() -> None:
    assert stored("health", "") == ""
    assert stored("health", None) is None
    assert read("health", "") == ""
    assert read("health", None) is None
    assert stored("special_groups", None) is None
    assert read("special_groups", None) is None
    assert stored("special_groups", []).startswith("v1:aes:")
    assert read("special_groups", stored("special_groups", [])) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=4) | st.dictionaries(st.text(), _JSON, max_size=4))
@example([RARE, {"row": 7, "message": "身份证号: 校验码不符"}])
def test_any_list_or_dict_comes_back(value: Any) -> None:
    assert read("special_groups", stored("special_groups", value)) == value


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
    assert len(stored("health", "㛃" * 60)) > 60


@isolate_apps("transfers")
def test_an_encrypted_field_with_an_index_is_an_error_of_the_project() -> None:
    class Sample(models.Model):
        secret = EncryptedTextField(unique=True)
        note = EncryptedTextField(db_index=True)
        facts = EncryptedJSONField(default=dict)

        class Meta:
            app_label = "transfers"

        def __str__(self) -> str:
            return ""

    def codes(name: str) -> list[str | None]:
        made: Any = Sample._meta.get_field(name)
        return [message.id for message in made.check(databases=["default"])]

    assert codes("secret") == codes("note") == ["xianning.E010"]
    assert codes("facts") == []


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
    assert "dGVzdHM" not in text


@pytest.mark.parametrize("model", [Retiree, Retiree.history.model])
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
        if isinstance(original, privacy.EncryptedField):
            past = Retiree.history.model._meta.get_field(original.name)
            assert past is not original
            assert past.model is Retiree.history.model
            assert past.label == original.label == f"transfers.Retiree.{original.name}"
            assert past.deconstruct()[3]["label"] == original.label


def test_the_index_of_a_history_is_not_unique_but_still_an_index() -> None:
    past = BlindIndexField(unique=True)
    past.set_attributes_from_name("id_index")
    transform_field(past)
    assert not past.unique
    assert past.db_index  # type: ignore[attr-defined]
    assert past.max_length == 64


@pytest.mark.django_db
def test_a_person_and_his_history_are_stored_sealed_and_read_in_plain() -> None:
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
    for table in (Retiree._meta.db_table, Retiree.history.model._meta.db_table):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            rows = repr(cursor.fetchall())
        assert "v1:aes:t1:" in rows
        for secret in (ID, RARE, "良好", "disabled", "13800000001"):
            assert secret not in rows


@pytest.mark.django_db
def test_all_ways_of_writing_seal_and_all_ways_of_reading_unseal() -> None:
    one, two = retiree(health="甲"), retiree(health="乙", id_number="421299195003150039")
    for person in (one, two):
        person.set_index()
    Retiree.objects.bulk_create([one, two])
    one.health, two.health = "丙", "丁"
    Retiree.objects.bulk_update([one, two], ["health"])
    Retiree.objects.filter(pk=two.pk).update(injury_part="戊")
    ours = Retiree.objects.filter(pk__in=[one.pk, two.pk])
    assert set(ours.values_list("health", flat=True)) == {"丙", "丁"}
    assert ours.only("injury_part").get(pk=two.pk).injury_part == "戊"
    assert Retiree.objects.with_id_number(ID).get() == one
    assert list(ours.exclude(injury_part="")) == [two]
    assert list(ours.filter(injury_part="")) == [one]
    assert not ours.filter(health__isnull=True).exists()
    assert not ours.filter(health=None).exists()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT health, injury_part FROM {Retiree._meta.db_table}")
        values = {value for row in cursor.fetchall() for value in row}
    assert "" in values
    assert all(value.startswith("v1:aes:t1:") for value in values - {""})


@pytest.mark.django_db
def test_a_value_swapped_in_the_database_is_refused_when_it_is_read() -> None:
    person = retiree(home_address="甲路", away_address="乙路")
    person.save()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {Retiree._meta.db_table} SET home_address = away_address")
    with pytest.raises(NotReadable, match=r"transfers\.Retiree\.home_address"):
        Retiree.objects.get(pk=person.pk)


def test_a_database_file_holds_no_plain_text(tmp_path: Path) -> None:
    people = [(f"4212991950031500{n:02d}", f"暗号甲{n}路", [f"disabled{n}"]) for n in range(50)]
    names = ("id_number", "home_address", "special_groups")
    database = sqlite3.connect(tmp_path / "people.sqlite3")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE person (id_number TEXT, home_address TEXT, groups TEXT, i TEXT)")
    with database:
        database.executemany(
            "INSERT INTO person VALUES (?, ?, ?, ?)",
            [
                (*(stored(n, v) for n, v in zip(names, row, strict=True)),
                 stored("id_index", blind_index(row[0], "id_number")))
                for row in people
            ],
        )  # fmt: skip
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    back = [
        tuple(read(n, v) for n, v in zip(names, row, strict=True))
        for row in database.execute("SELECT id_number, home_address, groups FROM person")
    ]
    database.close()
    assert back == people
    assert sum(content.count(b"v1:aes:t1:") for content in files) >= 150
    for id_number, address, (group,) in people:
        for secret in (id_number, address, group):
            for encoded in (secret.encode(), secret.encode("utf-16-le"), *_base64s(secret)):
                assert not any(encoded in content for content in files)


def _base64s(secret: str) -> list[bytes]:
    """The inner part of SECRET's base64, at each of the three offsets it may stand at."""
    data = secret.encode()
    return [base64.b64encode(bytes(shift) + data)[4:-4] for shift in range(3)]


# --- masks and declarations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (ID, "id", "4" + "*" * 16 + "2"),
        ("421299500315001", "id", "*" * 15),
        ("", "id", "未登记"),
        ("13812345678", "phone", "*********78"),
        ("0715-8255555", "phone", "已登记"),
        ("13812345678、13912345678", "phone", "已登记"),
        ("8255555", "phone", "已登记"),
        ("", "phone", "未登记"),
        ("咸安区温泉街道某路 1 号", "address", "已登记"),
        ("", "address", "未登记"),
        ("高血压", "text", "已登记"),
        ("", "text", "未登记"),
        ("anything", "hidden", "不显示"),
        ("", "hidden", "不显示"),
    ],
)
def test_what_a_mask_leaves(value: str, kind: str, shown: str) -> None:
    assert mask(value, kind) == shown


def test_an_unknown_mask_is_an_error_and_not_the_plain_value() -> None:
    with pytest.raises(KeyError):
        mask(ID, "names")


@given(st.text(min_size=3))
def test_no_mask_gives_back_three_characters_in_a_row(value: str) -> None:
    """Also of texts that are not what the kind says."""
    clean = value.replace("*", "")
    pieces = {clean[i : i + 3] for i in range(len(clean) - 2)} - {"已登记", "未登记", "不显示"}
    for kind in ("id", "phone", "address", "text", "hidden"):
        assert not any(piece in mask(value, kind) for piece in pieces)


@isolate_apps("transfers")
def test_every_column_must_be_declared_once() -> None:
    class Person(models.Model):
        name = models.CharField(max_length=10)
        health = EncryptedTextField()
        note = EncryptedTextField()
        both = models.CharField(max_length=10)
        forgotten = models.CharField(max_length=10)
        parent = models.ForeignKey("self", models.CASCADE)

        class Meta:
            app_label = "transfers"

        class Privacy:
            private = {"health": "text", "both": "text"}
            open = {"name", "both", "note", "parent"}

        def __str__(self) -> str:
            return ""

    class Place(models.Model):
        code = models.CharField(max_length=12, primary_key=True)

        class Meta:
            app_label = "transfers"

        def __str__(self) -> str:
            return ""

    assert private_fields(Person) == {"health": "text", "both": "text"}
    assert undeclared_fields(Person) == {"both", "note", "forgotten"}
    assert private_fields(Place) == {}
    assert undeclared_fields(Place) == {"code"}


def test_the_retiree_and_his_history_are_declared() -> None:
    assert undeclared_fields(Retiree) == undeclared_fields(Retiree.history.model) == set()
    assert private_fields(Retiree)["id_number"] == "id"
    assert private_fields(Retiree.history.model) == private_fields(Retiree)
    kinds = set(private_fields(Retiree).values())
    assert kinds <= {"id", "phone", "address", "text", "hidden"}
