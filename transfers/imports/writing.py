"""Writing the checked rows of a workbook: all of them in one transaction, or none."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from simple_history.models import HistoricalRecords
from simple_history.utils import bulk_create_with_history

from communities.directory import Directory
from enterprises.models import Enterprise
from transfers import workflow
from transfers.imports.checking import NEW, Report, Row, why_not_import
from transfers.models import ImportBatch, NameGram, Retiree, Transfer
from transfers.retiree_form import OnRecord, RetireeForm, on_record
from transfers.workflow import Refused
from xianning import audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xianning.models import User

CHUNK = 500
REASON = "导入"
MEANWHILE = "检查之后，名单中有人的信息已由他人更改或登记，没有写入任何内容。请重新检查后再确认。"


def write(report: Report, *, by: User, batch: ImportBatch | None = None) -> None:
    """Save the rows of REPORT that are new or changed; nothing is saved when one cannot be.

    What the check saw is compared with the database again, under a lock on the enterprise, so
    that two imports of one file have one effect. Raises workflow.Refused with a sentence.
    """
    try:
        with transaction.atomic(), _history_of(by):
            _write(report, by, batch)
    except IntegrityError:
        raise Refused(MEANWHILE) from None


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


def _write(report: Report, by: User, batch: ImportBatch | None) -> None:
    enterprise = Enterprise.objects.select_for_update(of=("self",)).get(pk=report.enterprise.pk)
    if reason := why_not_import(enterprise, by) or enterprise.why_not_open():
        raise Refused(reason)
    form = RetireeForm({}, enterprise=enterprise, directory=Directory())
    rows = _as_they_are_now(report.to_write, form)
    new = [row for row in rows if row.state == NEW]
    cases = []
    for start in range(0, len(new), CHUNK):
        cases += _people(new[start : start + CHUNK], form, by, batch)
    workflow.start(cases, by=by)
    for row in rows:
        if row.record.case:
            form.speak_for(row.data, row.record)
            workflow.amend(row.record.case, form, by=by)
    audit.write(
        "imported", user=by, object=batch or enterprise, area=enterprise.authority_id,
        facts={"rows": len(rows), "new": len(new), "sha256": batch.sha256 if batch else "",
               "enterprise": str(enterprise.pk)},
    )  # fmt: skip


def _as_they_are_now(rows: list[Row], form: RetireeForm) -> list[Row]:
    """ROWS with what the database says of them now. Raises Refused when it says something else."""
    found = on_record([row.data["id_number"] for row in rows], form.enterprise, CHUNK)
    fresh = []
    for row in rows:
        record = found.get(row.data["id_number"], OnRecord())
        form.speak_for(row.data, record)
        same_case = _pk(record) == _pk(row.record) and not record.elsewhere
        if not same_case or (record.case and form.changes(record.case) != row.changes):
            raise Refused(MEANWHILE)
        fresh.append(row._replace(record=record))
    return fresh


def _pk(record: OnRecord) -> Any:
    return record.case.pk if record.case else None


def _people(
    rows: list[Row], form: RetireeForm, by: User, batch: ImportBatch | None
) -> list[Transfer]:
    """Save the persons of some rows; their cases, not saved yet."""
    cases = []
    for row in rows:
        form.speak_for(row.data, row.record)
        cases.append(form.new_case(by, batch))
    strangers = [case.retiree for case in cases if case.retiree._state.adding]
    returning = [case.retiree for case in cases if not case.retiree._state.adding]
    for person in strangers:
        person.set_index()
    bulk_create_with_history(
        strangers, Retiree, batch_size=CHUNK, default_user=by, default_change_reason=REASON
    )
    audit.write_many("created_many", strangers, user=by)
    NameGram.rewrite(strangers)
    for person in returning:
        person.__dict__["_change_reason"] = REASON
        person.save()
    return cases
