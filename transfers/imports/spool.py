"""What a check found, kept for the writing: encrypted blocks of rows outside the database."""

from __future__ import annotations

import json
import zlib
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from transfers.imports.checking import NEW, Row
from transfers.retiree_form import RECEIVERS
from xianning import vault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from communities.directory import Directory

FOLDER = "rows"
BLOCK = 1000  # rows of a block: what one transaction writes


class Spool:
    """Takes rows and keeps them block by block.

    `names` are the files, in order; `strangers` how many people of each are not on record yet.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.strangers: list[int] = []
        self._rows: list[list[Any]] = []

    def take(self, rows: Iterable[Row]) -> None:
        """Keep ROWS behind those that are kept already."""
        self._rows += [packed(row) for row in rows]
        while len(self._rows) >= BLOCK:
            self._put(self._rows[:BLOCK])
            del self._rows[:BLOCK]

    def close(self) -> list[str]:
        """Keep what is left; the names of all blocks."""
        if self._rows:
            self._put(self._rows)
            self._rows = []
        return self.names

    def _put(self, rows: list[list[Any]]) -> None:
        self.strangers.append(sum(is_stranger(row) for row in rows))
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        self.names.append(vault.put(zlib.compress(text.encode(), 1), FOLDER))


def read(name: str, directory: Directory) -> list[Row]:
    """The rows of one block. Raises FileNotFoundError or privacy.NotReadable."""
    return [unpacked(row, directory) for row in json.loads(zlib.decompress(vault.get(name)))]


def remove(names: Iterable[str]) -> None:
    """Throw blocks away."""
    for name in names:
        vault.remove(name)


def packed(row: Row) -> list[Any]:
    """ROW as plain data."""
    data = {
        name: {"day": value.isoformat()} if isinstance(value, date)
        else value.pk if name in RECEIVERS and value else value
        for name, value in row.data.items()
    }  # fmt: skip
    keys = [str(key) if key else None for key in (row.case, row.person)]
    return [row.sheet, row.number, row.state, data, *keys, row.changes]


def is_stranger(packed: list[Any]) -> bool:
    """Whether a packed row is of somebody who is not on record."""
    return packed[2] == NEW and packed[5] is None


def unpacked(packed: list[Any], directory: Directory) -> Row:
    """What `packed` was given."""
    sheet, number, state, data, case, person, changes = packed
    for name, value in data.items():
        if isinstance(value, dict):
            data[name] = date.fromisoformat(value["day"])
    for name in RECEIVERS:
        data[name] = directory.areas.get(data.get(name) or "")
    keys = [UUID(key) if key else None for key in (case, person)]
    return Row(sheet, number, state, data, keys[0], keys[1], changes)
