"""Bringing every stored value under the active key and algorithm, while people go on working.

What is left to do is read from the data: a value whose head is not the present one is old, and so
is a blind index that differs from the one its field gives now. So a run that was killed is simply
started again. Readers never notice, because the former keys stay in the ring until the end; writers
never lose anything, because a value is replaced only while it is still the one that was read.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Left
from django.db.models.lookups import In

from xianning import audit, privacy, vault
from xianning.checks import require_right_keys
from xianning.models import Installation
from xianning.privacy import BlindIndexField, EncryptedField, NotReadable, Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5  # a row somebody held is looked at again in the next round
PAUSE = 2.0  # seconds between rounds
Changes = dict[str, tuple[str, str]]  # attribute → stored text, new text


class NotFinished(Exception):
    """Something is still under an old key. Carries a sentence for the person at the keyboard."""


@dataclass
class Count:
    """What a run did. UNREADABLE names fields and rows, never values."""

    values: int = 0
    indexes: int = 0
    files: int = 0
    unreadable: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Table:
    """A model, or a history, with its encrypted columns and its blind indexes."""

    model: type[models.Model]
    sealed: tuple[EncryptedField, ...]
    indexes: tuple[BlindIndexField, ...]

    def columns(self) -> set[str]:
        """Everything a row is read with."""
        return self.index_columns() | {each.attname for each in self.sealed}

    def index_columns(self) -> set[str]:
        """What the blind indexes are made of; all, when one is made of a property."""
        fields = {each.name for each in self.model._meta.concrete_fields}
        if not fields.issuperset(each.of for each in self.indexes):
            return fields
        keys = {"pk", *(name for each in self.sealed for name in each.row_columns)}
        return keys | {name for each in self.indexes for name in (each.attname, each.of)}


def tables() -> Iterator[Table]:
    """Every table with encrypted columns, histories included."""
    for model in apps.get_models(include_auto_created=True):
        columns = model._meta.local_concrete_fields
        sealed = tuple(each for each in columns if isinstance(each, EncryptedField))
        indexes = tuple(each for each in columns if isinstance(each, BlindIndexField) and each.of)
        if sealed and model._meta.managed and not model._meta.proxy:
            yield Table(model, sealed, indexes)


# --- which values are old -------------------------------------------------------------------------


def _is_old(column: EncryptedField) -> Q:
    """Rows whose COLUMN begins otherwise than values that are sealed now (empty ones are open)."""
    head = privacy.head(of_row=True)
    start = Left(F(column.attname), len(head))
    return ~Q(In(start, [Value(head), Value("")]))


def old_values(table: Table) -> int:
    """How many values of TABLE are under another key, algorithm or binding."""
    rows: Any = table.model._base_manager.all()
    return sum(rows.filter(_is_old(column)).count() for column in table.sealed)


def _next(table: Table, after: Any, size: int, *, every_row: bool) -> list[Any]:
    """The next SIZE rows with something old in them (or of all rows), locked.

    Rows that somebody else holds are left out: waiting for a user, who may wait for us, would end
    in a deadlock. The next round finds them.
    """
    rows: Any = table.model._base_manager.order_by("pk").only(*table.columns())
    if after is not None:
        rows = rows.filter(pk__gt=after)
    if not every_row:
        old = Q()
        for column in table.sealed:
            old |= _is_old(column)
        rows = rows.filter(old)
    return list(rows.select_for_update(skip_locked=True)[:size])


# --- one row --------------------------------------------------------------------------------------


def _changes(table: Table, row: Any, count: Count, head: str) -> Changes:
    """What is old in ROW. Unreadable values are noted."""
    found: Changes = {}
    for column in table.sealed:
        held = row.__dict__[column.attname]
        if isinstance(held, Sealed) and not held.text.startswith(head):
            try:
                found[column.attname] = (held.text, column.pre_save(row, False).text)
            except NotReadable:
                count.unreadable.add(f"{column.label} {row.pk}")
    return found


def _index_changes(table: Table, row: Any, count: Count) -> Changes:
    """The same of the blind indexes. An erased person's, whose field is empty, stays as it is."""
    found: Changes = {}
    for column in table.indexes:
        try:
            value = getattr(row, column.of)
        except NotReadable:
            count.unreadable.add(f"{column} {row.pk}")
            continue
        held, present = getattr(row, column.attname), privacy.blind_index(value, column.of)
        if value and held != present:
            found[column.attname] = (held, present)
    return found


def _write(table: Table, rows: list[tuple[Any, Changes]]) -> None:
    """Replace each value that is still what was read. No history: nothing changed for people."""
    quote, meta = connection.ops.quote_name, table.model._meta
    key = quote(str(meta.pk.column))
    names = {each.attname: quote(str(each.column)) for each in (*table.sealed, *table.indexes)}
    by_columns: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    for row, changes in rows:
        old, new = zip(*changes.values(), strict=True)
        pk = meta.pk.get_db_prep_value(row.pk, connection)
        by_columns[tuple(changes)].append([*new, pk, *old])
    with connection.cursor() as cursor:
        for columns, parameters in by_columns.items():
            pairs = [f"{names[column]} = %s" for column in columns]
            cursor.executemany(
                f"UPDATE {quote(meta.db_table)} SET {', '.join(pairs)}"
                f" WHERE {' AND '.join([f'{key} = %s', *pairs])}",
                parameters,
            )


def _batch(table: Table, after: Any, size: int, count: Count, *, every_row: bool) -> Any:
    """One transaction: the next rows brought up to date; the last key, or None at the end."""
    head = privacy.head(of_row=True)
    todo = []
    with transaction.atomic():
        rows = _next(table, after, size, every_row=every_row)
        for row in rows:
            sealed = _changes(table, row, count, head)
            indexes = _index_changes(table, row, count) if every_row else {}
            if sealed or indexes:
                todo.append((row, {**sealed, **indexes}))
            count.values += len(sealed)
            count.indexes += len(indexes)
        _write(table, todo)
    return rows[-1].pk if rows else None


# --- all of it ------------------------------------------------------------------------------------


def rotate(size: int, tell: Callable[[str], object] = str) -> Count:
    """Bring every stored value under the present key and algorithm, SIZE rows a transaction.

    TELL gets lines for the person at the keyboard. Writes the key check of the installation anew
    when nothing is left. Raises ImproperlyConfigured (keys of another database) before the first
    change, and NotFinished.
    """
    require_right_keys()
    count = Count()
    installation = Installation.objects.first()
    check = installation.key_check if installation else ""
    anew = not privacy.indexes_are_current(check)
    for number in range(ROUNDS):
        if number:
            time.sleep(PAUSE)
        for table in tables():
            _table(table, size, count, tell, every_row=anew and bool(table.indexes))
        _files(count, tell)
        left = _left(indexes=anew)
        if not left or count.unreadable:
            break
    if count.unreadable:
        shown = "、".join(sorted(count.unreadable)[:10])
        raise NotFinished(f"有 {len(count.unreadable)} 处无法解密，没有改动它们：{shown}。")
    if left:
        raise NotFinished(
            f"仍有 {left} 个值使用旧密钥。请确认网站和后台任务都已用新密钥重启，再执行一次。"
        )
    _finish(count)
    return count


def _finish(count: Count) -> None:
    facts = {"values": count.values, "indexes": count.indexes, "files": count.files}
    with transaction.atomic():
        Installation.objects.update(key_check=privacy.make_key_check())
        audit.write("keys_rotated", facts=facts)


def _table(
    table: Table, size: int, count: Count, tell: Callable[[str], object], *, every_row: bool
) -> None:
    after = None
    before = count.values
    while (after := _batch(table, after, size, count, every_row=every_row)) is not None:
        tell(f"{table.model._meta.db_table}：已换 {count.values - before} 个值")


def _files(count: Count, tell: Callable[[str], object]) -> None:
    for name in vault.names():
        try:
            count.files += not vault.is_current(name) and vault.reseal(name)
        except NotReadable:
            count.unreadable.add(name)
        except FileNotFoundError:
            continue  # removed meanwhile
    if count.files:
        tell(f"文件：已换 {count.files} 个")


def _left(*, indexes: bool) -> int:
    """How many values, files and (when INDEXES were made anew) blind indexes are still old."""
    old = sum(old_values(table) for table in tables())
    old += sum(not vault.is_current(name) for name in vault.names())
    seen = Count()
    for table in tables() if indexes else ():
        rows: Any = table.model._base_manager.only(*table.index_columns())
        for row in rows.iterator(chunk_size=2000) if table.indexes else ():
            old += bool(_index_changes(table, row, seen))
    return old
