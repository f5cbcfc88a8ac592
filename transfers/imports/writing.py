"""Writing the checked rows of a workbook, and taking back what was written."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import IntegrityError, connection, models, transaction
from simple_history.models import HistoricalRecords

from communities.directory import Directory
from enterprises.models import Enterprise
from transfers import workflow
from transfers.imports.checking import Report, Row, why_not_import
from transfers.models import (
    ImportChange,
    NameGram,
    Retiree,
    StepEvent,
    Transfer,
    TransferStep,
)
from transfers.records import OnRecord, on_record
from transfers.retiree_form import RetireeForm
from transfers.workflow import Refused
from xianning import audit, bulk, standards
from xianning.models import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from transfers.models import ImportBatch
    from xianning.models import User

CHUNK = 500
REASON = "导入"
UNDO = "撤销导入"
MEANWHILE = "检查之后，名单中有人的信息已由他人更改或登记，没有写入任何内容。请重新检查后再确认。"


def write(report: Report, *, by: User, batch: ImportBatch | None = None) -> None:
    """Save the rows of REPORT that are new or changed, in one transaction.

    For a list that fits the memory: the page writes block by block (`sessions.run_write`) with the
    same functions. Raises workflow.Refused with a sentence.
    """
    with transaction.atomic():
        rows = report.to_write
        writer = Writer(report.enterprise, by, batch)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            strangers = sum(row.is_stranger for row in part)
            number = workflow.next_numbers(report.enterprise, strangers) if strangers else 0
            writer.write_new(writer.pack_strangers(part, number), part)
        writer.finish([row for row in rows if not row.is_new])


class Block(NamedTuple):
    """New people who were not on record, with their cases, as `bulk` inserts them."""

    tables: list[bulk.Packed]
    size: int
    filed: int
    people: str  # digests of the ids, for the audit
    cases: str

    def as_bytes(self, more: list[Any]) -> bytes:
        """For another process, with MORE plain data: a line of JSON, then the rows as they are."""
        lengths = [(table, len(rows)) for table, rows in self.tables]
        head = json.dumps([lengths, self.size, self.filed, self.people, self.cases, more])
        return b"\n".join([head.encode(), b"".join(rows for _, rows in self.tables)])

    @classmethod
    def of_bytes(cls, data: bytes) -> tuple[Block, list[Any]]:
        """What `as_bytes` was given."""
        head, _, rows = data.partition(b"\n")
        lengths, size, filed, people, cases, more = json.loads(head)
        tables, start = [], 0
        for table, length in lengths:
            tables.append((table, rows[start : start + length]))
            start += length
        return cls(tables, size, filed, people, cases), more


class Writer:
    """Writes what one session found. `filed`: how many new cases wait for HR."""

    def __init__(self, enterprise: Enterprise, by: User, batch: ImportBatch | None = None) -> None:
        self.by, self.batch = by, batch
        # All is read now: the packing asks the database nothing.
        places = Enterprise.objects.select_related("authority", "confirmed_by")
        enterprise = places.get(pk=enterprise.pk)
        self.office = workflow.office_of(enterprise, by)
        self.form = RetireeForm({}, enterprise=enterprise, directory=Directory())
        self.form.directory.read()
        self.filed = self.new = 0

    def pack_strangers(self, rows: Sequence[Row], number: int) -> Block:
        """The people among ROWS who were not on record, packed; asks the database nothing.

        Their cases are numbered from NUMBER on (`workflow.next_numbers`). This is where the time
        goes, so it may be done by another process.
        """
        cases = []
        for row in rows:
            if row.is_stranger:
                self.form.speak_for(row.data, OnRecord())
                cases.append(self.form.new_case(self.by, self.batch))
        people = [case.retiree for case in cases]
        for person in people:
            person.set_index()
        enterprise = self.form.enterprise
        begun = workflow.begin(cases, enterprise, number=number, by=self.by, office=self.office)
        grams = ((gram, person.pk) for person in people for gram in standards.bigrams(person.name))
        tables = [
            *bulk.pack_with_history(people, by=self.by, reason=REASON),
            bulk.pack(NameGram, ("gram", "retiree_id"), grams),
            *bulk.pack_with_history(cases, by=self.by, reason="建案"),
            *begun.packed,
        ]
        ids = [audit.digest_of_ids(row.pk for row in found) for found in (people, cases)]
        return Block(tables, len(cases), begun.filed, *ids)

    def write_new(self, strangers: Block, rows: Sequence[Row]) -> None:
        """Save the new people among ROWS with their cases, in the present transaction.

        What the check saw is compared with the database again, by its constraints, so that two
        imports of one file have one effect. Raises workflow.Refused when it is not so any more.
        """
        returning = [row for row in rows if row.is_new and row.person]
        try:
            with transaction.atomic():
                enterprise = self._lock_enterprise()
                self._write_strangers(strangers, enterprise)
                self._write_returning(returning)
        except IntegrityError:
            raise Refused(MEANWHILE) from None
        self.new += strangers.size + len(returning)

    def _write_strangers(self, block: Block, enterprise: Enterprise) -> None:
        if not block.size:
            return
        if enterprise.confirmed_at != self.form.enterprise.confirmed_at:
            raise Refused(MEANWHILE)
        for table, packed in block.tables:
            bulk.insert_packed(table, packed)
        for model, action, ids, facts in (
            (Retiree, "created_many", block.people, {}),
            (Transfer, "cases_filed", block.cases,
             {"enterprise": str(enterprise.pk), "filed": block.filed}),
        ):  # fmt: skip
            audit.write(
                action, user=self.by, object=(model._meta.label, ""), area=enterprise.authority_id,
                facts={"count": block.size, "ids_sha256": ids, **facts},
            )  # fmt: skip
        self.filed += block.filed

    def _write_returning(self, rows: Sequence[Row]) -> None:
        """People on record whose former case ended; they are few, and saved one by one."""
        if not rows:
            return
        known = self._known(rows)
        cases = []
        for row in rows:
            self.form.speak_for(row.data, OnRecord(known[row.person]))
            cases.append(self.form.new_case(self.by, self.batch))
        changes = [] if self.batch is None else _versions(self.batch, cases)
        with _history_of(self.by):
            for case in cases:
                case.retiree.__dict__["_change_reason"] = REASON
                case.retiree.save()
        self.filed += workflow.start(cases, by=self.by, announce=False)
        ImportChange.objects.bulk_create(changes)

    def finish(self, changed: Sequence[Row]) -> None:
        """Save the changes to existing cases, and tell HR of the new ones. Raises workflow.Refused."""
        try:
            with transaction.atomic(), _history_of(self.by):
                enterprise = self._lock_enterprise()
                self._write_changes(changed)
        except IntegrityError:
            raise Refused(MEANWHILE) from None
        batch = self.batch
        filed = self.filed
        if filed:
            workflow.announce_filed(enterprise, filed)
        audit.write(
            "imported", user=self.by, object=batch or enterprise, area=enterprise.authority_id,
            facts={"rows": self.new + len(changed), "new": self.new,
                   "sha256": batch.sha256 if batch else "", "enterprise": str(enterprise.pk)},
        )  # fmt: skip

    def _lock_enterprise(self) -> Enterprise:
        pk = self.form.enterprise.pk
        enterprise = Enterprise.objects.select_for_update(of=("self",)).get(pk=pk)
        if reason := why_not_import(enterprise, self.by) or enterprise.why_not_open():
            raise Refused(reason)
        return enterprise

    def _known(self, rows: Sequence[Row]) -> dict[UUID | None, Retiree]:
        """People on record without a live case. Raises Refused when one has got a case."""
        wanted = [row.person for row in rows if row.person]
        people = {person.pk: person for person in Retiree.objects.filter(pk__in=wanted)}
        live = Transfer.objects.exclude(state=Transfer.State.ENDED).filter(retiree__in=wanted)
        if len(people) < len(wanted) or live.exists():
            raise Refused(MEANWHILE)
        return dict(people.items())

    def _write_changes(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            numbers = [row.data["id_number"] for row in part]
            found = on_record(numbers, self.form.enterprise, self.form.directory, CHUNK)
            for row in part:
                record = found.get(row.data["id_number"], OnRecord())
                if record.elsewhere or record.case is None or record.case.pk != row.case:
                    raise Refused(MEANWHILE)
                self.form.speak_for(row.data, record)
                if self.form.changes(record.case) != row.changes:
                    raise Refused(MEANWHILE)
                if self.batch is not None:
                    _versions(self.batch, [record.case], is_new=False)[0].save()
                workflow.amend(record.case, self.form, by=self.by)


@contextmanager
def _history_of(by: User) -> Iterator[None]:
    """History rows name BY, as in a request: a job has none."""
    context = HistoricalRecords.context
    before = getattr(context, "request", None)
    context.request = SimpleNamespace(user=by)
    try:
        yield
    finally:
        if before is None:
            del context.request
        else:
            context.request = before


def _versions(
    batch: ImportBatch, cases: Sequence[Transfer], *, is_new: bool = True
) -> list[ImportChange]:
    """The versions that the people of CASES (and the cases, unless they are new) have now."""
    return [
        ImportChange(
            batch=batch, transfer=case, person_before=_last_version(case.retiree),
            case_before=None if is_new else _last_version(case),
        )
        for case in cases
    ]  # fmt: skip


def _last_version(row: Any) -> int:
    return int(row.history.order_by("-history_id").values_list("history_id", flat=True)[0])


# --- taking back --------------------------------------------------------------------------------


def why_not_undo(batch: ImportBatch) -> list[str]:
    """What was done since on the people of BATCH, so that it cannot be undone; empty when nothing."""
    mine = Transfer.objects.filter(batch=batch)
    touched = mine.model.objects.filter(
        models.Q(pk__in=mine.values("pk"))
        | models.Q(pk__in=ImportChange.objects.filter(batch=batch).values("transfer"))
    )
    later = StepEvent.objects.filter(transfer__in=touched.values("pk"), at__gt=batch.decided_at)
    found = [
        f"{event.transfer.retiree.name}（{event.transfer.number}）："
        f"{workflow.STEPS[event.step].title}，{event.get_verb_display()}"
        for event in later.select_related("transfer__retiree")[:SHOWN]
    ]
    if found:
        return found
    for relation in _kept_relations():
        rows = relation.related_model.objects.filter(
            **{f"{relation.field.name}__in": mine.values("pk")}
        )
        what = relation.related_model._meta.verbose_name
        found += [
            f"{row.name_of_case}：已有{what}"
            for row in rows.annotate(
                name_of_case=models.F(f"{relation.field.name}__retiree__name")
            ).order_by("pk")[:SHOWN]
        ]
    return found[:SHOWN]


SHOWN = 50


def _kept_relations() -> list[Any]:
    """What leads to a case and may not go with it: papers, traces of who saw it, receipts."""
    gone_with_it = {TransferStep, StepEvent, Notice, ImportChange}
    return [
        relation for relation in Transfer._meta.related_objects
        if relation.related_model not in gone_with_it
        and not hasattr(relation.related_model, "instance_type")
    ]  # fmt: skip


def take_back(batch: ImportBatch, by: User) -> int:
    """Remove some of the new cases of BATCH with their people; how many, 0 when none is left.

    As if they had never been written: history goes too, the audit keeps that they were there.
    """
    with _history_of(by):
        cases = list(
            Transfer.objects.filter(batch=batch).select_related("retiree").order_by("pk")[:CHUNK]
        )
        if not cases:
            return 0
        keys = [case.pk for case in cases]
        for change in ImportChange.objects.filter(transfer__in=keys).select_related("transfer"):
            _restore_person(change)
            change.delete()
        kept = set(
            Transfer.objects.filter(retiree__in=[case.retiree_id for case in cases])
            .exclude(pk__in=keys)
            .values_list("retiree_id", flat=True)
        )
        people = [case.retiree_id for case in cases if case.retiree_id not in kept]
        for rows in (
            TransferStep.objects.filter(transfer__in=keys),
            StepEvent.objects.filter(transfer__in=keys),
            Notice.objects.filter(transfer__in=keys),
            Transfer.history.filter(id__in=keys),
            Transfer.objects.filter(pk__in=keys),
            NameGram.objects.filter(retiree__in=people),
            Retiree.history.filter(id__in=people),
            Retiree.objects.filter(pk__in=people),
        ):
            rows._raw_delete(connection.alias)
        audit.write_many("import_taken_back", cases, user=by)
    return len(cases)


def _restore_person(change: ImportChange) -> None:
    """Give a person who was known before the facts he had then."""
    person = change.transfer.retiree
    then = Retiree.history.get(history_id=change.person_before).instance
    for field in Retiree._meta.concrete_fields:
        setattr(person, field.attname, getattr(then, field.attname))
    person.__dict__["_change_reason"] = UNDO
    person.save()


def restore_changes(batch: ImportBatch, by: User) -> None:
    """Give the cases that BATCH changed their former content. Raises workflow.Refused."""
    changes = ImportChange.objects.filter(batch=batch, case_before__isnull=False)
    form = RetireeForm({}, enterprise=batch.enterprise, directory=Directory())
    with _history_of(by):
        for change in changes.select_related("transfer__retiree").order_by("pk"):
            then = Transfer.history.get(history_id=change.case_before).instance
            then.retiree = Retiree.history.get(history_id=change.person_before).instance
            former = form.values_of(then) | {"birth_date": then.retiree.birth_date}
            form.speak_for(former, OnRecord(change.transfer.retiree, change.transfer))
            workflow.amend(change.transfer, form, by=by)
