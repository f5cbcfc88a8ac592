"""Plain functions that make cases by walking the real workflow."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

from communities.directory import Directory
from enterprises.models import Enterprise
from xianning import demo, walk
from xianning.models import User

if TYPE_CHECKING:
    from transfers.models import Transfer

_numbers = itertools.count(1)
# Which users act in a case of each clerk.
STAFF = {
    "qiye": {"enterprise": "qiye", "hr": "rs", "insurance": "shebao", "community": "shequ",
             "party": "dangzu"},
    "qiye_chibi": {"enterprise": "qiye_chibi", "hr": "rs_chibi", "insurance": "shebao_chibi",
                   "community": "shequ_chibi", "party": "dangzu_chibi"},
}  # fmt: skip


def enterprise_of(clerk: str) -> Enterprise:
    """The demo enterprise for which this clerk files."""
    return Enterprise.objects.get(offices__users__username=clerk)


def staff_of(clerk: str) -> dict[str, User]:
    """Users by role who act in the cases of this clerk."""
    return {role: User.objects.get(username=name) for role, name in STAFF[clerk].items()}


def values_for(clerk: str = "qiye", community: str = "", **given: Any) -> dict[str, str]:
    """A filled RetireeForm for a new made-up person."""
    n = next(_numbers)
    code = community or {"qiye": demo.GUIHUA, "qiye_chibi": demo.BEIJIE}[clerk]
    area = Directory().areas[code]
    member = given.pop("party_member", False)
    values = demo.person(random.Random(n), 4 * n if member else 4 * n + 1, area, "演示厂")
    return values | given


def make_transfer(
    at: str = "verify", clerk: str = "qiye", party_member: bool = False, **given: Any
) -> Transfer:
    """A case walked by its offices until step AT is open (`done`: all of them)."""
    values = values_for(clerk, party_member=party_member, **given)
    case = walk.file_person(values, enterprise_of(clerk), User.objects.get(username=clerk))
    return walk.to(case, at, staff_of(clerk)) if at != "verify" else case
