"""Asking for an export and fetching it, for the tests of what leaves the building."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xianning import exports
from xianning.models import Export, User

if TYPE_CHECKING:
    from collections.abc import Callable

REASON = "移交双方核对名册"


def ask(
    username: str = "shequ", name: str = "ledger", format_: str = "xlsx", **facts: Any
) -> Export:
    """An export asked for without the queue: with whole values, unless FACTS say otherwise."""
    facts = dict[str, Any]({"clear": True, "reason": REASON} | facts)
    user = User.objects.get(username=username)
    return exports.ask(user, exports.Wish(exports.ROSTERS[name], format_, **facts), queue=False)


def fetch(username: str, export: Export, press: Callable[..., Any]) -> Any:
    """What USERNAME is answered when he wants the file (PRESS: the fixture)."""
    export.refresh_from_db()
    assert export.job is not None
    return press(username, "job_result", export.job.pk)
