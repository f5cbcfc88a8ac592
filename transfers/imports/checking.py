"""Every row of a workbook through the form of the page; all wrong cells at once, nothing saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from communities.directory import Directory
from transfers import workflow
from transfers.imports import reading
from transfers.imports.reading import Line, Table
from transfers.models import TransferStep
from transfers.retiree_form import NOBODY, OnRecord, RetireeForm, on_record
from xianning import access, privacy, standards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enterprises.models import Enterprise
    from xianning.models import User

CHUNK = 500  # rows for which the database is asked together
PREVIEWED = 20
NEW, UPDATED, UNCHANGED, WRONG = "新增", "更新", "不变", "有误"
_LEFT_OUT = "是合计、签字或说明，没有读取。"
_UNSIGNS = "此人已签字确认，更改后原签字失效，须重新打印、签字、盖章（第六条第3项）。"


class Problem(NamedTuple):
    """A cell, by the user's own sheet, row and heading; without a row the sheet or the file."""

    sheet: str
    row: int | None
    column: str
    message: str


class Row(NamedTuple):
    """A person who can be written: what the form found, and whom it concerns."""

    sheet: str
    number: int
    state: str
    data: dict[str, Any]
    record: OnRecord
    changes: list[str]


@dataclass
class Report:
    """What a workbook would do."""

    enterprise: Enterprise
    rows: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    wrong_rows: int = 0
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    to_write: list[Row] = field(default_factory=list)
    preview: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The object of the command line."""
        counts = {name: getattr(self, name) for name in ("rows", "new", "updated", "unchanged")}
        return counts | {
            "errors": [problem._asdict() for problem in self.errors],
            "warnings": [problem._asdict() for problem in self.warnings],
        }

    @property
    def in_words(self) -> str:
        """The counts as a sentence."""
        return (
            f"共 {self.rows} 人：新增 {self.new}，更新 {self.updated}，不变 {self.unchanged}，"
            f"有误 {self.wrong_rows}。"
        )


def why_not_import(enterprise: Enterprise, by: User) -> str | None:
    """Why BY cannot import for ENTERPRISE, as a sentence; None when he can."""
    if not access.scope(by).may_act("enterprise", enterprise=enterprise.pk):
        return f"您的岗位不为{enterprise.name}申报，不能导入其退休人员（第六条第2项）。"
    return None


def check(
    data: bytes,
    enterprise: Enterprise,
    by: User,
    *,
    file_name: str | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Read a workbook and check every row for ENTERPRISE; nothing is saved.

    TELL hears how many rows of about how many are done. Raises sandbox.Rejected or
    sandbox.SandboxError with a sentence when the file cannot be read.
    """
    content = reading.read(data, file_name)
    checker = _Checker(Report(enterprise), by)
    report = checker.report
    if reason := enterprise.why_not_open():
        report.errors.append(Problem("", None, "", reason))
    report.errors += [Problem(sheet, None, "", sentence) for sheet, sentence in content.faults]
    report.warnings += [Problem(sheet, None, "", sentence) for sheet, sentence in content.notes]
    total = content.row_count
    for table in content.tables:
        if not table.layout.missing:
            for lines in _chunks(table.lines()):
                checker.check(table, lines)
                tell(report.rows, total)
        if table.skipped:
            rows = reading.rows_in_words(table.skipped)
            report.warnings.append(Problem(table.name, None, "", f"{rows}{_LEFT_OUT}"))
    if not report.rows and not report.errors:
        report.errors.append(
            Problem("", None, "", "表头下面没有退休人员。请从表头的下一行起填写。")
        )
    return report


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


class _Checker:
    """One form for all rows of a workbook, and what was seen so far."""

    def __init__(self, report: Report, by: User) -> None:
        self.report, self.by = report, by
        self.known: dict[str, OnRecord] = {}
        self.seen: dict[str, tuple[str, int]] = {}
        self.form = RetireeForm(
            {}, enterprise=report.enterprise, directory=Directory(), known=self.known
        )

    def check(self, table: Table, lines: list[Line]) -> None:
        """Check some rows, with one look at the database for all of them."""
        numbers = {line.row: _number(line) for line in lines}
        self.known.clear()
        self.known.update(on_record(filter(None, numbers.values()), self.report.enterprise, CHUNK))
        first = len(self.report.to_write)
        for line in lines:
            self._check_line(table, line, numbers[line.row])
        self._warn_of_signatures(self.report.to_write[first:])

    def _check_line(self, table: Table, line: Line, number: str) -> None:
        report, form = self.report, self.form
        report.rows += 1
        record = self.known.get(number, NOBODY)
        data: dict[str, Any] = dict(line.texts)
        if record.case:
            data = form.values_of(record.case) | data
        form.next_row(data, record.case)
        wrong = dict(line.wrong)
        for name, messages in form.errors.items():
            wrong.setdefault(name, "".join(map(str, messages)))
        if number and (first := self.seen.setdefault(number, (table.name, line.row))) != (
            table.name, line.row,
        ):  # fmt: skip
            wrong.setdefault("id_number", f"与工作表“{first[0]}”第 {first[1]} 行的身份证号重复。")
        changes = [] if wrong or not record.case else form.changes(record.case)
        if changes and record.case and (reason := workflow.why_not_amend(record.case, self.by)):
            wrong["id_number"] = reason
        self._note(table, line, wrong)
        self._count(table, line, bool(wrong), changes)

    def _note(self, table: Table, line: Line, wrong: dict[str, str]) -> None:
        """Errors and warnings of a row, in the order of its columns."""
        place = {column.field: n for n, column in table.layout.columns.items()}
        for target, found in (
            (self.report.errors, list(wrong.items())),
            (self.report.warnings, [] if wrong else self.form.warnings),
        ):
            for name, sentence in sorted(found, key=lambda pair: place.get(pair[0], 999)):
                target.append(Problem(table.name, line.row, table.layout.heading(name), sentence))

    def _count(self, table: Table, line: Line, is_wrong: bool, changes: list[str]) -> None:
        report, record = self.report, self.form.record
        if is_wrong:
            state = WRONG
            report.wrong_rows += 1
        elif record.case is None:
            state = NEW
            report.new += 1
        elif changes:
            state = UPDATED
            report.updated += 1
        else:
            state = UNCHANGED
            report.unchanged += 1
        if state in (NEW, UPDATED):
            report.to_write.append(
                Row(table.name, line.row, state, self.form.cleaned_data, record, changes)
            )
        if len(report.preview) < PREVIEWED:
            report.preview.append(_shown(table.name, line, state, changes, self.form))

    def _warn_of_signatures(self, rows: list[Row]) -> None:
        """第六条第3项: who has signed already must sign again after a printed change."""
        cases = {row.record.case.pk: row for row in rows if row.record.case}
        signed = TransferStep.objects.filter(
            transfer__in=cases, step=workflow.CONFIRM, state=TransferStep.State.DONE
        ).values_list("transfer_id", flat=True)
        for pk in signed:
            row, case = cases[pk], cases[pk].record.case
            self.form.speak_for(row.data, row.record)
            if case and self.form.would_unsign(case):
                self.report.warnings.append(Problem(row.sheet, row.number, "", _UNSIGNS))


def _number(line: Line) -> str:
    """The ID number of a row in its standard spelling; nothing when it is not valid."""
    try:
        return standards.parse_id_number(line.texts.get("id_number", ""))
    except standards.NotValid:
        return ""


def _shown(
    sheet: str, line: Line, state: str, changes: list[str], form: RetireeForm
) -> dict[str, Any]:
    """A row of the preview, masked (第十一条)."""
    data = form.cleaned_data
    community, retired = data.get("community"), data.get("retired")
    number = data.get("id_number")
    phone = data.get("home_phone") or data.get("household_phone")
    return {
        "sheet": sheet, "row": line.row, "state": state, "changes": "、".join(changes),
        "name": standards.fold(line.texts.get("name", "")),
        "id_number": privacy.mask(number, "id") if number else "",
        "retired": f"{retired:%Y-%m}" if retired else "",
        "phone": privacy.mask(phone, "phone") if phone else "",
        "community": community.full_name if community else "",
    }  # fmt: skip
