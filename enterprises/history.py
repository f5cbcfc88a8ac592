"""What happened to an entry of the list: who, when, what it was before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enterprises.models import Enterprise
from transfers.casefile import Change, Entry

if TYPE_CHECKING:
    from datetime import datetime


def timeline(entry: Enterprise, since: datetime | None = None) -> list[Entry]:
    """All saved states of ENTRY (those after SINCE), the newest first."""
    rows = list(
        entry.history.select_related("history_user", "authority", "county").order_by(
            "-history_date", "-history_id"
        )
    )
    pairs = zip(rows, [*rows[1:], None], strict=True)
    return [_entry(row, before) for row, before in pairs if not since or row.history_date > since]


def _entry(row: Any, before: Any) -> Entry:
    what, _, reason = (row.history_change_reason or "登记").partition("：")
    changes = _changes(row, before) if before is not None else []
    return Entry(row.history_date, str(row.history_user or ""), "", what, reason, changes=changes)


def _changes(row: Any, before: Any) -> list[Change]:
    return [
        Change(Enterprise.label(name), _words(before, name), _words(row, name))
        for name in Enterprise.FACTS
        if getattr(row, _column(name)) != getattr(before, _column(name))
    ]


def _column(name: str) -> str:
    return str(Enterprise._meta.get_field(name).attname)  # type: ignore[union-attr]


def _words(row: Any, name: str) -> str:
    return row.instance.words(name) or "未填"
