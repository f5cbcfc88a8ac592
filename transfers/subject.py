"""Everything about one person: found by walking the schema, copied for him, erased when due.

个人信息保护法 45 (copy), 47 (erasure), 49 (relatives of the dead).
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from openpyxl import Workbook

from archives.models import CatalogueEntry, FileLoan, PersonnelFile
from communities.models import EventReceipt, LifeEvent, Reception, Rehandover
from party.models import PartyMove
from transfers.models import (
    HandoverItem,
    HandoverTurn,
    NameGram,
    Retiree,
    RightsRequest,
    Scan,
    StepEvent,
    Tombstone,
    Transfer,
)
from transfers.scans.work import forget
from xianning import vault
from xianning.models import Notice, label_of
from xianning.workbook import safe_text, write_text

if TYPE_CHECKING:
    from xianning.models import User

ERASED = "（已删除）"
NOBODY = date(1900, 1, 1)


# --- what there is --------------------------------------------------------------------------------


def tables_about(person: Retiree) -> Iterator[tuple[type[models.Model], models.QuerySet[Any]]]:
    """Each model whose rows lead to PERSON through foreign keys, with those rows.

    Histories come with their originals. Rows that point at a case or a person, or at something
    that does, are about him; users, offices and areas are what they point at, and are not.
    """
    found: dict[type[models.Model], models.Q] = {Retiree: models.Q(pk=person.pk)}
    waiting: list[type[models.Model]] = [Retiree]
    while waiting:
        target = waiting.pop(0)
        keys = list(target._default_manager.filter(found[target]).values_list("pk", flat=True))
        for model in apps.get_models():
            if model in found or hasattr(model, "instance_type"):
                continue
            for field in model._meta.concrete_fields:
                if field.remote_field and field.remote_field.model is target:
                    found[model] = models.Q(**{f"{field.name}__in": keys})
                    waiting.append(model)
                    break
    for model, condition in found.items():
        rows = model._default_manager.filter(condition)
        yield model, rows
        history = getattr(model, "history", None)
        if history is not None:
            yield (
                history.model,
                history.model.objects.filter(id__in=list(rows.values_list("pk", flat=True))),
            )


def copy_of(person: Retiree) -> bytes:
    """A workbook with a sheet for each kind of record about PERSON, for himself."""
    book = Workbook()
    book.remove(book.active)
    for model, rows in tables_about(person):
        if model is NameGram or not rows.exists():
            continue
        fields = [f for f in model._meta.concrete_fields if not _is_technical(f)]
        sheet = book.create_sheet(_sheet_title(model, book.sheetnames))
        for column, field in enumerate(fields, start=1):
            write_text(sheet.cell(1, column), label_of(model, field.name))
        for number, row in enumerate(rows.order_by("pk"), start=2):
            for column, field in enumerate(fields, start=1):
                write_text(sheet.cell(number, column), safe_text(_words(row, field)))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _is_technical(field: models.Field[Any, Any]) -> bool:
    return field.primary_key or field.name in {"id", "id_index", "mac", "digest", "history_user"}


def _sheet_title(model: type[models.Model], taken: list[str]) -> str:
    name = str(model._meta.verbose_name).replace("historical ", "变更：")[:25]
    return name if name not in taken else f"{name}（{len(taken)}）"


def _words(row: models.Model, field: models.Field[Any, Any]) -> str:
    shown = getattr(row, f"get_{field.name}_display", None)
    value = shown() if shown else getattr(row, field.name)
    return "" if value is None else str(value)


# --- erasure --------------------------------------------------------------------------------------


class NotErasable(Exception):
    """The person cannot be erased; the text is a sentence for the user."""


def due_before() -> Any:
    """Cases closed before this moment have been kept as long as they may."""
    return timezone.now() - timedelta(days=settings.RETENTION_YEARS * 366)


def due() -> models.QuerySet[Transfer]:
    """Cases whose time is over and that still hold a person."""
    return Transfer.objects.filter(closed_at__lt=due_before(), retiree__erased_at=None).exclude(
        state=Transfer.State.OPEN
    )


def why_not_erase(case: Transfer) -> str | None:
    """Why the person of CASE cannot be erased, as a sentence; None when he can (第四十七条)."""
    if case.retiree.erased_at:
        return "此人的信息已删除。"
    if case.state == Transfer.State.OPEN:
        return "案卷正在办理，办理所必需的信息须依法保存；可以更正或终止案卷。"
    others = Transfer.objects.filter(retiree=case.retiree).exclude(pk=case.pk)
    if others.filter(state=Transfer.State.OPEN).exists():
        return "此人另有案卷正在办理，信息须依法保存。"
    if case.state == Transfer.State.DONE and (
        case.closed_at is None or case.closed_at >= due_before()
    ):
        return f"已完成移交的案卷须保存至办结后 {settings.RETENTION_YEARS} 年，期满才能删除。"
    return None


@transaction.atomic
def erase(
    case: Transfer, *, reason: str, basis: str, asked_by: User, approved_by: User
) -> Tombstone:
    """Erase the person of CASE everywhere but in the records of processing; leave a tombstone.

    Numbers, dates and who acted stay: they say that there was a case. Raises NotErasable.
    """
    case = Transfer.objects.select_for_update().get(pk=case.pk)
    if refusal := why_not_erase(case):
        raise NotErasable(refusal)
    cases = list(Transfer.objects.filter(retiree=case.retiree))
    counts = {
        "histories": _drop_histories(case.retiree, cases),
        "scans": sum(_destroy(scan) for scan in Scan.objects.filter(transfer__in=cases)),
        "signed_pages": sum(forget(row) for row in cases),
        "texts": _blank_texts(cases),
        "values": _blank_person(case.retiree),
    }
    return Tombstone.objects.create(
        transfer=case, reason=reason, basis=basis, asked_by=asked_by, approved_by=approved_by,
        counts=counts,
    )  # fmt: skip


_FORGOTTEN = (Retiree, Reception, PersonnelFile, PartyMove, HandoverItem, CatalogueEntry, FileLoan)


def _drop_histories(person: Retiree, cases: list[Transfer]) -> int:
    """Earlier versions hold what is erased now."""
    count = 0
    for model, rows in list(tables_about(person)):
        if getattr(model, "instance_type", None) in _FORGOTTEN:
            count += rows.count()
            rows.delete()
    return count


def _destroy(scan: Scan) -> int:
    if scan.destroyed_at:
        return 0
    transaction.on_commit(lambda: vault.remove(scan.file))
    scan.original_name, scan.destroyed_at, scan.destroyed_why = ERASED, timezone.now(), "依法删除"
    scan.save()
    return 1


def _blank_texts(cases: list[Transfer]) -> int:
    """What people typed about him beside the form."""
    count = 0
    for rows, names in (
        (StepEvent.objects.filter(transfer__in=cases).exclude(reason=""), ("reason",)),
        (StepEvent.objects.filter(transfer__in=cases).exclude(note=""), ("note",)),
        (Notice.objects.filter(transfer__in=cases), ("text",)),
        (Reception.objects.filter(transfer__in=cases).exclude(remarks=""), ("remarks",)),
        (
            PersonnelFile.objects.filter(transfer__in=cases, lane="delivered"),
            ("missing", "remarks", "location"),
        ),
        (
            PersonnelFile.objects.filter(transfer__in=cases).exclude(lane="delivered"),
            ("remarks", "location", "evidence"),
        ),
        (HandoverItem.objects.filter(transfer__in=cases).exclude(reason=""), ("reason",)),
        (HandoverTurn.objects.filter(item__transfer__in=cases).exclude(reason=""), ("reason",)),
        (
            FileLoan.objects.filter(file__transfer__in=cases),
            ("person", "office", "letter", "purpose", "what", "back_note"),
        ),
        (CatalogueEntry.objects.filter(transfer__in=cases), ("title", "remarks")),
        (PartyMove.objects.filter(transfer__in=cases), ("from_organization", "remarks")),
        (LifeEvent.objects.filter(transfer__in=cases).exclude(details=""), ("details",)),
        (EventReceipt.objects.filter(event__transfer__in=cases), ("note",)),
        (Rehandover.objects.filter(transfer__in=cases).exclude(why=""), ("why",)),
    ):
        count += rows.update(**dict.fromkeys(names, ERASED))
    return count


def _blank_person(person: Retiree) -> int:
    """Every value of the form; what the database demands gets a value that says nothing."""
    count = 0
    keep = {"id", "id_index", "facts_index", "tail_index", "phone_index", "erased_at", "name",
            "birth_date", "retired", "sex"}  # fmt: skip
    for field in Retiree._meta.concrete_fields:
        if field.name in keep:
            continue
        empty = None if field.null else ([] if _holds_list(field) else "")
        if getattr(person, field.name) != empty:
            count += 1
            setattr(person, field.name, empty)
    person.name, person.sex = ERASED, "0"
    person.birth_date, person.retired = NOBODY, NOBODY
    person.erased_at = timezone.now()
    NameGram.objects.filter(retiree=person).delete()
    # No history of this save, which would keep nothing, and no index that finds the number.
    person.id_index, person.facts_index = secrets.token_hex(32), ""
    person.tail_index = person.phone_index = ""
    person.skip_history_when_saving = True  # type: ignore[attr-defined]
    models.Model.save(person)
    return count


def _holds_list(field: models.Field[Any, Any]) -> bool:
    return field.get_default() == []


@transaction.atomic
def answer(request: RightsRequest, *, state: str, text: str, by: User) -> RightsRequest:
    """Answer a request; an approved erasure is done in the same transaction. Raises NotErasable."""
    request = RightsRequest.objects.select_for_update().get(pk=request.pk)
    if request.state != RightsRequest.State.ASKED:
        raise NotErasable(f"此申请{request.get_state_display()}，无须再办。")
    if request.kind == RightsRequest.Kind.ERASE and state == RightsRequest.State.DONE:
        if by == request.recorded_by:
            raise NotErasable("删除须由受理人以外的另一人核准。")
        erase(
            request.transfer, reason=text, basis="个人信息保护法第四十七条",
            asked_by=request.recorded_by, approved_by=by,
        )  # fmt: skip
    request.state, request.answer = state, text
    request.answered_by, request.answered_at = by, timezone.now()
    request.save()
    return request
