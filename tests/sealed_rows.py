"""Made-up people, and what the database keeps of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection, models

from transfers.models import Retiree
from xianning.privacy import EncryptedField

if TYPE_CHECKING:
    from collections.abc import Iterator

RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽𰻝 阿依古丽·买买提"
ID = "421299195003150012"
OTHER_ID = "421299195003150039"
LABEL = "transfers.Retiree.health"
History = Retiree.history.model


def retiree(**facts: Any) -> Retiree:
    given = {
        "name": "张试", "sex": "1", "birth_date": date(1950, 3, 15), "retired": date(2010, 3, 1),
        "id_number": ID, **facts,
    }  # fmt: skip
    return Retiree(**given)


def stored(row: models.Model, name: str) -> Any:
    """What the database would keep of field NAME of ROW."""
    column: Any = row._meta.get_field(name)
    return column.get_db_prep_save(column.pre_save(row, True), connection=connection)


def loaded(model: type[models.Model], **columns: Any) -> Any:
    """A row as it comes from the database with these stored COLUMNS."""
    names = [each.attname for each in model._meta.concrete_fields if each.attname in columns]
    values = [
        each.from_db_value(columns[name], None, connection)
        if isinstance(each := model._meta.get_field(name), EncryptedField) else columns[name]
        for name in names
    ]  # fmt: skip
    return model.from_db("default", names, values)


def raw(table: type[models.Model], *columns: str) -> list[tuple[Any, ...]]:
    """The rows as the database keeps them, in the order of their keys."""
    names, meta = ", ".join(f'"{name}"' for name in columns) or "*", table._meta
    assert meta.pk is not None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {meta.db_table} ORDER BY {meta.pk.column}")
        return cursor.fetchall()


def encrypted() -> Iterator[tuple[type[models.Model], EncryptedField]]:
    """Every encrypted column of the project, those of histories included."""
    for model in apps.get_models(include_auto_created=True):
        for column in model._meta.concrete_fields:
            if isinstance(column, EncryptedField):
                yield model, column
