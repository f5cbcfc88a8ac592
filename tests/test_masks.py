"""What of a private value may be shown, and that every column says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import models
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from tests.sealed_rows import (
    ID,
    History,
)
from transfers.models import Retiree
from xianning.privacy import (
    EncryptedTextField,
    mask,
    private_fields,
    undeclared_fields,
)

if TYPE_CHECKING:
    pass


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
    assert undeclared_fields(Retiree) == undeclared_fields(History) == set()
    assert private_fields(Retiree)["id_number"] == "id"
    assert private_fields(History) == private_fields(Retiree)
    kinds = set(private_fields(Retiree).values())
    assert kinds <= {"id", "phone", "address", "text", "hidden"}
