"""The ledger 管理台账: what its keeper changes in it, and how an entry came to be what it is.

A correction of what the community found out about a person goes into his record, not beside it
(`workflow.correct`): every office sees the same address, and a signature on the old one ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from communities import care
from communities.models import Reception
from transfers import casefile, workflow
from transfers.models import Retiree, Transfer
from transfers.refusal import Refused
from transfers.retiree_form import Difference, shown_change
from xianning import access, audit
from xianning.models import label_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from xianning.models import User

CHANGED_MEANWHILE = "核对之后，此人的信息已由他人更改，没有写入；请重新选择并核对。"


@dataclass(frozen=True)
class Wish:
    """What is to be changed; what is not named stays as it is.

    PERSON and ENTRY map columns to new values, ADDED and DROPPED are special groups, VERIFIED says
    that the facts were read over with the person today.
    """

    person: dict[str, Any] = field(default_factory=dict)
    entry: dict[str, Any] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    verified: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.person or self.entry or self.added or self.dropped or self.verified)

    def of_person(self, person: Retiree) -> dict[str, Any]:
        """The values of PERSON that would be written, by column."""
        values = dict(self.person)
        if self.added or self.dropped:
            kept = {*person.special_groups} - self.dropped | self.added
            values["special_groups"] = [
                code for code in _order_of_groups() if code in kept
            ]  # fmt: skip
        return {name: value for name, value in values.items() if getattr(person, name) != value}

    def of_entry(self, entry: Reception, by: User) -> dict[str, Any]:
        """The values of ENTRY that would be written, by column."""
        values = dict(self.entry)
        if self.verified:
            values |= {"verified_on": timezone.localdate(), "verified_by": by}
        return {name: value for name, value in values.items() if getattr(entry, name) != value}

    def differences(self, entry: Reception, by: User) -> list[Difference]:
        """Before and after for one entry, private values masked."""
        person = entry.transfer.retiree
        found = []
        for name, value in self.of_person(person).items():
            printed = name in Retiree.PRINTED
            found.append(
                Difference(label_of(Retiree, name), printed, *shown_change(person, name, value))
            )
        for name, value in self.of_entry(entry, by).items():
            before = getattr(entry, name)
            found.append(
                Difference(label_of(Reception, name), False, _word(before), _word(value))
            )  # fmt: skip
        return found


def _order_of_groups() -> list[str]:
    from transfers.choices import SpecialGroup

    return [str(code) for code in SpecialGroup.values]


def _word(value: Any) -> str:
    return "" if value is None else str(value)


# --- the deed -----------------------------------------------------------------------------------


def why_not_change(entry: Reception, user: User) -> str | None:
    """Why USER cannot change this entry, as a sentence; None when he can."""
    if not access.scope(user).may_act("community", area=entry.community_id):
        return f"台账由{entry.community.full_name}登记和更改（第六条第5项）。"
    if entry.transfer.retiree.erased_at:
        return "此人的个人信息已依法删除，台账不能再更改。"
    if not entry.is_active:
        return "此人已不在本社区管理，台账不能再更改。"
    return None


@transaction.atomic
def change(
    entry: Reception, wish: Wish, *, by: User, since: datetime | None = None
) -> list[Difference]:
    """Write what is wished; what changed. Raises Refused, also for what others wrote after SINCE."""
    case = Transfer.objects.select_for_update(of=("self",)).get(pk=entry.transfer_id)
    entry = (
        Reception.objects.select_for_update(of=("self",))
        .select_related("community", "verified_by")
        .get(pk=entry.pk)
    )
    entry.transfer = case
    if reason := why_not_change(entry, by):
        raise Refused(reason)
    if since is not None and _changed_after(since, entry, case.retiree):
        raise Refused(CHANGED_MEANWHILE)
    differences = wish.differences(entry, by)
    if not differences:
        return []
    if values := wish.of_person(case.retiree):
        workflow.correct(case, values, by=by)
        if "special_groups" in values:
            entry.transfer.retiree = case.retiree
            entry.transfer.retiree.special_groups = values["special_groups"]
            care.follow(entry, by=by)
    own = wish.of_entry(entry, by)
    for name, value in own.items():
        setattr(entry, name, value)
    if own:
        entry.__dict__["_change_reason"] = "核实信息" if "verified_on" in own else "更改台账"
        entry.save()
    audit.write(
        "ledger_change", user=by, object=entry, area=entry.community_id,
        facts={"fields": [each.label for each in differences], "article": "第六条第5项"},
    )  # fmt: skip
    return differences


def _changed_after(moment: datetime, *records: Any) -> bool:
    return any(each.history.filter(history_date__gt=moment).exists() for each in records)


def change_many(
    entries: Sequence[Reception], wish: Wish, *, by: User, since: datetime
) -> tuple[int, list[str]]:
    """Each by itself: how many were changed, and why the others were not."""
    done, refused = 0, []
    for entry in entries:
        try:
            done += bool(change(entry, wish, by=by, since=since))
        except Refused as reason:
            refused.append(f"{entry.transfer.retiree.name}：{reason}")
    return done, refused


# --- how it came about --------------------------------------------------------------------------

_OWN = (
    "ledger_number", "checked_in_on", "officer", "officer_phone", "verified_on", "remarks",
    "is_active",
)  # fmt: skip


def timeline(entry: Reception) -> list[casefile.Entry]:
    """Who changed what of the entry and of its person since he checked in, the newest first."""
    own = casefile.saves(entry, _OWN)
    person = casefile.saves(
        entry.transfer.retiree, casefile.facts_of_a_person(), since=own[-1].at if own else None
    )
    return sorted([*own, *person], key=lambda each: each.at, reverse=True)
