"""Editions of the list (第六条第1项): publish, acknowledge, what changed since, which list held when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from communities.models import Area
from enterprises.models import Edition, EditionEntry, Enterprise, Refused
from xianning import access, audit, pdf
from xianning.models import Notice, Sequence
from xianning.roles import ROLES

if TYPE_CHECKING:
    from uuid import UUID

    from transfers.models import Transfer
    from xianning.models import User

ADDED, REMOVED, CHANGED = "列入", "移出", "变更"


@dataclass(frozen=True)
class Difference:
    """What became of one enterprise since an edition: the facts that changed, before and after."""

    kind: str
    name: str
    enterprise: UUID
    changes: list[tuple[str, str, str]] = field(default_factory=list)


def rows_now(authority: Area) -> list[EditionEntry]:
    """The list of AUTHORITY as it would be published now, by name."""
    entries = Enterprise.objects.filter(authority=authority).confirmed()
    found = [EditionEntry.of(entry) for entry in entries.select_related("county")]
    return sorted(found, key=lambda row: row.name)


def rows_on(authority: Area, day: date) -> list[EditionEntry]:
    """The list of AUTHORITY at the end of DAY, with every change of that day, by name."""
    end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    then = Enterprise.history.as_of(end - timedelta(microseconds=1))
    rows = then.filter(authority=authority, confirmed_at__isnull=False, removed_on=None)
    found = [EditionEntry.of(entry) for entry in rows]
    return sorted(found, key=lambda row: row.name)


def differences(old: list[EditionEntry], new: list[EditionEntry]) -> list[Difference]:
    """From OLD to NEW, by name."""
    before = {row.enterprise_id: row for row in old}
    after = {row.enterprise_id: row for row in new}
    found = [Difference(REMOVED, r.name, k) for k, r in before.items() if k not in after]
    found += [Difference(ADDED, r.name, k) for k, r in after.items() if k not in before]
    for key in before.keys() & after.keys():
        changes = [
            (EditionEntry.label(name), _words(before[key], name), _words(after[key], name))
            for name in EditionEntry.FACTS
            if getattr(before[key], name) != getattr(after[key], name)
        ]
        if changes:
            found.append(Difference(CHANGED, after[key].name, key, changes))
    return sorted(found, key=lambda each: (each.name, each.kind))


def _words(row: EditionEntry, name: str) -> str:
    value = getattr(row, name)
    return "" if value is None else str(value)


def since(authority: Area, edition: Edition | None) -> list[Difference]:
    """What is not published yet: the changes of AUTHORITY since EDITION (None: all of it)."""
    old = list(edition.entries.all()) if edition else []
    return differences(old, rows_now(authority))


# --- deeds --------------------------------------------------------------------------------------


def why_not_publish(authority: Area, by: User) -> str | None:
    if not access.scope(by).may_act("sasac", area=authority.pk):
        return f"名单由{authority.name}{ROLES['sasac'].name}发布（第六条第1项）。"
    return None


def why_not_acknowledge(edition: Edition, by: User) -> str | None:
    if not access.scope(by).may_act("hr", area=edition.authority_id):
        return f"由{edition.authority.name}{ROLES['hr'].name}签收（第六条第1项）。"
    if edition.acknowledged_at:
        when = timezone.localtime(edition.acknowledged_at)
        return f"已由{edition.acknowledged_by}于 {when:%Y-%m-%d %H:%M} 签收，不能重复签收。"
    return None


@transaction.atomic
def publish(authority: Area, *, by: User, note: str = "") -> Edition:
    """Number, date and freeze the list as it stands; HR of the same level is told. Raises Refused."""
    authority = Area.objects.select_for_update(of=("self",), no_key=True).get(pk=authority.pk)
    if reason := why_not_publish(authority, by):
        raise Refused(reason)
    last = Edition.objects.in_force(authority.pk, timezone.now())
    rows = rows_now(authority)
    if not rows and last is None:
        raise Refused("还没有已确认的企业，不能发布名单。")
    if last and not differences(list(last.entries.all()), rows):
        raise Refused(f"与第 {last.serial} 版没有不同，不必再发布。")
    edition = Edition.objects.create(
        authority=authority, serial=Sequence.next(f"edition/{authority.pk}"), published_by=by,
        note=note.strip()[:200],
    )  # fmt: skip
    for row in rows:
        row.edition = edition
    EditionEntry.objects.bulk_create(rows)
    Notice.objects.create(
        role="hr",
        area=authority,
        text=f"{edition}已发布，共 {len(rows)} 家，请签收（第六条第1项）。",
    )
    audit.write("edition_publish", user=by, object=edition, area=authority.pk,
                facts={"serial": edition.serial, "count": len(rows)})  # fmt: skip
    return edition


@transaction.atomic
def acknowledge(edition: Edition, *, by: User) -> None:
    """HR of the same level has taken note of it. Raises Refused."""
    edition = (
        Edition.objects.select_for_update(of=("self",))
        .select_related("authority")
        .get(pk=edition.pk)
    )
    if reason := why_not_acknowledge(edition, by):
        raise Refused(reason)
    edition.acknowledged_at, edition.acknowledged_by = timezone.now(), by
    edition.save()
    audit.write("edition_acknowledge", user=by, object=edition, area=edition.authority_id)


# --- for cases and on paper ---------------------------------------------------------------------


def basis(case: Transfer) -> str:
    """The list under which CASE began, in words; it stays whatever is published later."""
    edition = Edition.objects.in_force(case.authority_id, case.filed_at)
    if edition is None:
        return "建案时还没有发布编号的名单（企业已由国资部门确认）"
    return str(edition)


def to_pdf(edition: Edition) -> pdf.Pdf:
    """The edition with places for the seals of both offices, A4 landscape."""
    context: dict[str, Any] = {"edition": edition, "entries": list(edition.entries.all())}
    return pdf.render("print/edition.html", context)
