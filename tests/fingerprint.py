"""What the database and the uploaded files hold, as digests: equal means that nothing changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Collection

# What every request may touch without changing anything of the work: sessions of browsers.
SESSIONS = frozenset({"django_session"})


def fingerprint(exclude: Collection[str] = ()) -> dict[str, str]:
    """Table → SHA-256 of its sorted rows; `media` → SHA-256 of the files below MEDIA_ROOT.

    EXCLUDE names tables (or `media`) that are left out. Rows are read as the database keeps them:
    no model, manager or converter stands between.
    """
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        digests = {
            table: _digest(_rows(cursor, table)) for table in sorted(tables) if table not in exclude
        }
    if "media" not in exclude:
        digests["media"] = _digest(_files(Path(settings.MEDIA_ROOT)))
    return digests


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tables (or `media`) that differ between two fingerprints, sorted."""
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))


def _rows(cursor: Any, table: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
    return [repr(tuple(map(_plain, row))) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _files(root: Path) -> list[str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return [
        f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    ]


def _digest(lines: list[str]) -> str:
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()
