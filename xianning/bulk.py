"""Many new rows at once: COPY on PostgreSQL, one prepared statement on SQLite.

What is written is what saving the rows one by one would write, history included; a test compares
the two. `save` and signals do not run, so the caller writes the audit. Constraints and triggers of
the database hold as ever.

Rows are packed first and inserted then, so that another process can do the packing: sealing the
private values costs more than everything else.
"""

from __future__ import annotations

import json
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connection, models, utils
from django.utils import timezone

from xianning import sealing
from xianning.privacy import EncryptedField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from xianning.models import User

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_UNUSUAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def create_with_history(instances: Sequence[Any], *, by: User, reason: str) -> None:
    """Insert unsaved INSTANCES of one model, each with its first row of history.

    The history says that BY added them for REASON. Raises IntegrityError.
    """
    for table, packed in pack_with_history(instances, by=by, reason=reason):
        insert_packed(table, packed)
    for instance in instances:
        instance._state.adding, instance._state.db = False, connection.alias


Packed = tuple[str, bytes]  # into which table with which columns, and the rows


def pack(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Packed:
    """ROWS of plain values, ready for `insert_packed`.

    Each gives the values of COLUMNS (attribute names, none encrypted).
    """
    return _table(model, connection.vendor, tuple(columns)).pack(rows)


def pack_with_history(instances: Sequence[Any], *, by: User, reason: str) -> list[Packed]:
    """INSTANCES and their first rows of history, ready for `insert_packed`; now is their time."""
    if not instances:
        return []
    model: Any = type(instances[0])
    own = _table(model, connection.vendor)
    history = _table(model.history.model, connection.vendor)
    return [
        own.pack(own.rows(instances)),
        history.pack(history.first_rows(instances, timezone.now(), by, reason)),
    ]


def pack_alone(instances: Sequence[Any]) -> Packed:
    """INSTANCES without a history, for tables that keep none and for made-up people."""
    model: Any = type(instances[0])
    own = _table(model, connection.vendor)
    return own.pack(own.rows(instances))


def insert_packed(table: str, packed: bytes) -> None:
    """Insert what was packed for the present kind of database. Raises IntegrityError."""
    if not packed:
        return
    if connection.vendor == "postgresql":
        with (
            connection.cursor() as cursor,
            utils.DatabaseErrorWrapper(connection),
            cursor.cursor.copy(f"COPY {table} FROM STDIN") as copy,
        ):
            copy.write(packed)
        return
    rows = json.loads(packed)
    marks = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


class _Table:
    """How rows of a table are written: its columns, and what turns values into the driver's."""

    def __init__(self, model: type[models.Model], fields: list[Any]) -> None:
        quote = connection.ops.quote_name
        names = ", ".join(quote(field.column) for field in fields)
        self.target = f"{quote(model._meta.db_table)} ({names})"
        self.names = [field.attname for field in fields]
        self.writers = [_writer(field) for field in fields]
        self.encrypted: list[tuple[int, EncryptedField]] = [
            (place, field)
            for place, field in enumerate(fields)
            if isinstance(field, EncryptedField)
        ]

    def rows(self, instances: Iterable[models.Model]) -> Iterator[list[Any]]:
        for instance in instances:
            values = [getattr(instance, name) for name in self.names]
            self._seal(values, str(instance.pk))
            yield values

    def first_rows(
        self, instances: Iterable[models.Model], now: datetime, by: User, reason: str
    ) -> Iterator[list[Any]]:
        """Rows of history that say an instance was added."""
        own = {"history_date": now, "history_type": "+", "history_change_reason": reason,
               "history_user_id": by.pk}  # fmt: skip
        for instance in instances:
            values = [own[name] if name in own else getattr(instance, name) for name in self.names]
            if self.encrypted:
                self._seal(values, self.encrypted[0][1].row_of((instance.pk, now)))
            yield values

    def _seal(self, values: list[Any], row: str) -> None:
        if not self.encrypted:
            return
        seal = sealing.sealer().for_row(row)
        for place, field in self.encrypted:
            text = field.to_text(values[place])
            values[place] = seal(text, field.label or "") if text else text

    def pack(self, rows: Iterable[Sequence[Any]]) -> Packed:
        writers = self.writers
        written = (
            [
                None if value is None else value if writer is None else writer(value)
                for value, writer in zip(row, writers, strict=True)
            ]
            for row in rows
        )
        if connection.vendor != "postgresql":
            found = list(written)
            return self.target, _json(found).encode() if found else b""
        lines = ["\t".join(["\\N" if text is None else text for text in row]) for row in written]
        return self.target, "".join(f"{line}\n" for line in lines).encode()


@lru_cache(maxsize=64)
def _table(model: Any, vendor: str, columns: tuple[str, ...] = ()) -> _Table:
    """The table of MODEL with COLUMNS, or with all but the number that the database gives."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    if columns:
        return _Table(model, [fields[name] for name in columns])
    return _Table(model, [f for f in fields.values() if not isinstance(f, models.AutoField)])


def _writer(field: Any) -> Callable[[Any], Any] | None:
    """What turns a value of FIELD into one that the driver takes; None when it does as it is."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if connection.vendor == "postgresql":
        return _copy_writer(field)
    if isinstance(field, models.JSONField):
        return lambda value: field.get_db_prep_value(value, connection)
    if isinstance(field, models.UUIDField):
        return lambda value: value.hex
    if isinstance(field, models.DateTimeField):
        return lambda value: connection.ops.adapt_datetimefield_value(value)
    if isinstance(field, models.TextField | models.CharField):
        return str  # an enumerated value is a string of its own kind
    return str if isinstance(field, models.DateField) else None


def _copy_writer(field: Any) -> Callable[[Any], str]:
    """Values as text for COPY (PostgreSQL documentation, COPY, Text Format)."""
    if isinstance(field, EncryptedField):
        return str  # base64 needs no escapes
    if isinstance(field, models.JSONField):
        return lambda value: json.dumps(value).translate(_UNUSUAL)
    if isinstance(field, models.BooleanField):
        return lambda value: "t" if value else "f"
    if isinstance(field, models.DateTimeField):
        return lambda value: value.astimezone(UTC).isoformat()
    if isinstance(field, models.TextField | models.CharField):
        return lambda value: value.translate(_UNUSUAL)
    return str
