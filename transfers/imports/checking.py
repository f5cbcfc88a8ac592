"""Every row of a workbook through the form of the page; all wrong cells at once, nothing saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from communities.directory import Directory
from transfers import workflow
from transfers.imports import choices, columns, reading, versions
from transfers.imports.reading import LeftOut, Line, Table
from transfers.models import Retiree, TransferStep
from transfers.records import NOBODY, OnRecord, on_record, traces
from transfers.retiree_form import RetireeForm
from xianning import access, privacy, standards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from enterprises.models import Enterprise
    from transfers.imports.choices import SheetColumn
    from transfers.records import Trace
    from transfers.retiree_form import Difference
    from xianning.models import User

CHUNK = 500  # rows for which the database is asked together
PREVIEWED = 20
PREVIEWED_UPDATES = 300
KEPT_PROBLEMS = 20_000  # of each kind in a report
NEW, UPDATED, UNCHANGED, WRONG = "新增", "更新", "不变", "有误"
_UNSIGNS = "此人已签字确认，更改后原签字失效，须重新打印、签字、盖章（第六条第3项）。"


class Problem(NamedTuple):
    """A cell, by the user's own sheet, row and heading; without a row the sheet or the file.

    FIELD is the column of ours, PLACE where it stands in the file (from 1; 0: nowhere), VALUE what
    was typed there.
    """

    sheet: str
    row: int | None
    column: str
    message: str
    field: str = ""
    place: int = 0
    value: str = ""

    @property
    def shown(self) -> str:
        """What was typed, masked where the column is private (第十一条)."""
        kind = Retiree.Privacy.private.get(self.field)
        if not kind:
            return self.value[:60]
        masked = privacy.mask(self.value, kind)
        return masked if "*" in masked else ""

    @property
    def mending(self) -> str:
        """How to put it right."""
        return columns.mending(self.field) if self.field else ""


class Row(NamedTuple):
    """A person who can be written: what the form found, and whom it concerns.

    CASE and PERSON are the keys of his live case here and of his record, when there are such.
    CHANGES are the labels of what would be changed.
    """

    sheet: str
    number: int
    state: str
    data: dict[str, Any]
    case: UUID | None
    person: UUID | None
    changes: list[str]

    @property
    def is_new(self) -> bool:
        """Whether he gets a case."""
        return self.state == NEW

    @property
    def is_stranger(self) -> bool:
        """Whether he gets a case and is not on record."""
        return self.is_new and self.person is None


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
    error_count: int = 0
    warning_count: int = 0
    whole_file_is_wrong: bool = False
    to_write: list[Row] = field(default_factory=list)  # unless `check` was given a sink
    preview: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)  # old beside new, masked
    states: dict[str, dict[int, str]] = field(default_factory=dict)  # sheet → row → state
    columns: list[SheetColumn] = field(default_factory=list)  # for the page of columns
    heading_rows: dict[str, int] = field(default_factory=dict)  # sheet → last row of its headings

    def wrong(self, problem: Problem) -> None:
        """Note an error; all are counted, so many are kept."""
        self.error_count += 1
        self.whole_file_is_wrong = self.whole_file_is_wrong or problem.row is None
        if len(self.errors) < KEPT_PROBLEMS:
            self.errors.append(problem)

    def warn(self, problem: Problem) -> None:
        """Note what the user should know."""
        self.warning_count += 1
        if len(self.warnings) < KEPT_PROBLEMS:
            self.warnings.append(problem)

    def as_json(self) -> dict[str, Any]:
        """The object of the command line."""
        counts = {name: getattr(self, name) for name in ("rows", "new", "updated", "unchanged")}
        return counts | {
            "errors": [_told(problem) for problem in self.errors],
            "warnings": [_told(problem) for problem in self.warnings],
        }

    @property
    def in_words(self) -> str:
        """The counts as a sentence."""
        return (
            f"共 {self.rows} 人：新增 {self.new}，更新 {self.updated}，不变 {self.unchanged}，"
            f"有误 {self.wrong_rows}。"
        )


def _told(problem: Problem) -> dict[str, Any]:
    return dict(zip(("sheet", "row", "column", "message"), problem, strict=False))


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
    sink: Callable[[list[Row]], None] | None = None,
) -> Report:
    """Read a workbook and check every row for ENTERPRISE; nothing is saved.

    TELL hears how many rows of about how many are done. SINK takes the rows that can be written as
    they are found, so that a large file does not fill the memory; without it they are in the report.
    Raises sandbox.Rejected or sandbox.SandboxError with a sentence when the file cannot be read.
    """
    report = Report(enterprise)
    checker = _Checker(report, by, sink or report.to_write.extend)
    if reason := enterprise.why_not_open():
        report.wrong(Problem("", None, "", reason))
    total = 0
    for sheet in reading.read(data, file_name, choices.of(enterprise)):
        report.columns += choices.columns_of(sheet)
        if isinstance(sheet, LeftOut):
            note = report.wrong if sheet.is_fault else report.warn
            note(Problem(sheet.name, None, "", sheet.sentence))
            continue
        total += sheet.row_count
        report.heading_rows[sheet.name] = sheet.layout.last_row
        for sentence in sheet.faults:
            report.wrong(Problem(sheet.name, None, "", sentence))
        for sentence in sheet.notes:
            report.warn(Problem(sheet.name, None, "", sentence))
        if not sheet.layout.missing:
            for lines in _chunks(sheet.lines()):
                checker.check(sheet, lines)
                tell(report.rows, total)
        for sentence in sheet.last_notes():
            report.warn(Problem(sheet.name, None, "", sentence))
    if not report.rows and not report.errors:
        report.wrong(Problem("", None, "", "表头下面没有退休人员。请从表头的下一行起填写。"))
    return report


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


class Read(NamedTuple):
    """What the form found in a row: values, sentences on wrong cells, (field, sentence) to warn."""

    data: dict[str, Any]
    wrong: dict[str, str]
    warnings: list[tuple[str, str]]


class _Checker:
    """One form for all rows of a workbook, and what was seen so far."""

    def __init__(self, report: Report, by: User, sink: Callable[[list[Row]], None]) -> None:
        self.report, self.by, self.sink = report, by, sink
        self.known: dict[str, OnRecord] = {}
        self.seen: dict[str, tuple[str, int]] = {}
        self.unchanged: dict[int, Read] = {}
        self.found: list[Row] = []
        self.marks: dict[int, str] = {}
        self.versions: dict[UUID, versions.Version] = {}
        self.form = RetireeForm(
            {}, enterprise=report.enterprise, directory=Directory(), known=self.known
        )

    def check(self, table: Table, lines: list[Line]) -> None:
        """Check some rows, with one look at the database for all of them."""
        numbers = {line.row: _number(line) for line in lines}
        self.known.clear()
        found = traces(filter(None, numbers.values()), self.report.enterprise, CHUNK)
        self.unchanged = {
            line.row: read
            for line in lines
            if (trace := found.get(numbers[line.row])) and (read := self._as_recorded(line, trace))
        }
        others = {
            numbers[line.row] for line in lines
            if numbers[line.row] in found and line.row not in self.unchanged
        }  # fmt: skip
        directory = self.form.directory
        self.known.update(on_record(others, self.report.enterprise, directory, CHUNK))
        self.found = []
        marks = {line.row: mark for line in lines if (mark := line.texts.pop("version", ""))}
        known = [record.person.pk for record in self.known.values() if record.person]
        self.marks, self.versions = marks, versions.present(known) if marks and known else {}
        for line in lines:
            self._check_line(table, line, numbers[line.row])
        self._warn_of_signatures()
        self.sink(self.found)

    def _as_recorded(self, line: Line, trace: Trace) -> Read | None:
        """What LINE says when that is on record to the letter; None when more has to be read.

        Here a blank cell means that nothing is there. On record it may mean something: then the
        digests differ, and the row is looked at beside the record.
        """
        form = self.form
        if line.wrong or not form.next_row(line.texts) or not form.is_on_record(trace):
            return None
        return Read(form.cleaned_data, {}, form.warnings)

    def _read(self, line: Line, record: OnRecord) -> Read:
        form = self.form
        form.next_row(line.texts, record.case)
        wrong = dict(line.wrong)
        for name, messages in form.errors.items():
            wrong.setdefault(name, "".join(map(str, messages)))
        return Read(form.cleaned_data, wrong, form.warnings)

    def _check_line(self, table: Table, line: Line, number: str) -> None:
        report = self.report
        report.rows += 1
        record = self.known.get(number, NOBODY)
        unchanged = self.unchanged.get(line.row)
        read = unchanged or self._read(line, record)
        wrong = read.wrong
        if number and (first := self.seen.setdefault(number, (table.name, line.row))) != (
            table.name, line.row,
        ):  # fmt: skip
            wrong.setdefault("id_number", f"与工作表“{first[0]}”第 {first[1]} 行的身份证号重复。")
        changes = [] if wrong or not record.case else self.form.differences(record.case)
        if changes and record.case and (reason := workflow.why_not_amend(record.case, self.by)):
            wrong["id_number"] = reason
        if changes and (conflict := self._conflict(line, record)):
            wrong["id_number"] = conflict
        self._note(table, line, read)
        state = (
            WRONG
            if wrong
            else UPDATED
            if changes
            else UNCHANGED
            if unchanged or record.case
            else NEW
        )
        self._count(table, line, state, changes, read, record)

    def _conflict(self, line: Line, record: OnRecord) -> str | None:
        """Why a row of a roster is not taken: somebody has changed the person since it was made."""
        mark = self.marks.get(line.row)
        version = self.versions.get(record.person.pk) if record.person else None
        if mark is None or version is None or mark in version.marks:
            return None
        return (
            f"名册导出之后，{version.by}于 {version.at} 更改过此人的信息。为免覆盖，本行没有采用；"
            "请重新导出名册，在新名册上更改。"
        )

    def _note(self, table: Table, line: Line, read: Read) -> None:
        """Errors and warnings of a row, in the order of its columns."""
        place = {column.field: n for n, column in table.layout.columns.items()}
        for tell, found in (
            (self.report.wrong, list(read.wrong.items())),
            (self.report.warn, [] if read.wrong else read.warnings),
        ):
            for name, sentence in sorted(found, key=lambda pair: place.get(pair[0], 999)):
                typed = line.typed.get(name) or line.texts.get(name, "")
                at = place.get(name, -1) + 1
                heading = table.layout.heading(name)
                tell(Problem(table.name, line.row, heading, sentence, name, at, typed))

    def _count(
        self, table: Table, line: Line, state: str, changes: list[Difference], read: Read,
        record: OnRecord,
    ) -> None:  # fmt: skip
        report = self.report
        report.wrong_rows += state == WRONG
        report.new += state == NEW
        report.updated += state == UPDATED
        report.unchanged += state == UNCHANGED
        report.states.setdefault(table.name, {})[line.row] = state
        labels = [change.label for change in changes]
        if state in (NEW, UPDATED):
            self.found.append(
                Row(table.name, line.row, state, read.data,
                    record.case.pk if record.case else None,
                    record.person.pk if record.person else None, labels)
            )  # fmt: skip
        if state == UPDATED and len(report.updates) < PREVIEWED_UPDATES:
            report.updates += [
                {"sheet": table.name, "row": line.row, "name": read.data["name"],
                 "field": change.label, "old": change.old, "new": change.new}
                for change in changes
            ]  # fmt: skip
        if len(report.preview) < PREVIEWED:
            report.preview.append(_shown(table.name, line, state, labels, read.data))

    def _warn_of_signatures(self) -> None:
        """第六条第3项: who has signed already must sign again after a printed change."""
        rows = {row.case: row for row in self.found if row.case}
        if not rows:
            return
        cases = {record.case.pk: record for record in self.known.values() if record.case}
        signed = TransferStep.objects.filter(
            transfer__in=rows, step=workflow.CONFIRM, state=TransferStep.State.DONE
        ).values_list("transfer_id", flat=True)
        for pk in signed:
            row, record = rows[pk], cases[pk]
            self.form.speak_for(row.data, record)
            if record.case and self.form.would_unsign(record.case):
                self.report.warn(Problem(row.sheet, row.number, "", _UNSIGNS))


def _number(line: Line) -> str:
    """The ID number of a row in its standard spelling; nothing when it is not valid."""
    try:
        return standards.parse_id_number(line.texts.get("id_number", ""))
    except standards.NotValid:
        return ""


def _shown(
    sheet: str, line: Line, state: str, changes: list[str], data: dict[str, Any]
) -> dict[str, Any]:
    """A row of the preview, masked (第十一条)."""
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


def runs(states: dict[int, str]) -> list[tuple[int, int, str]]:
    """States by row as runs of equal ones (first row, last row, state): most lists have few."""
    found: list[tuple[int, int, str]] = []
    for row, state in sorted(states.items()):
        if found and found[-1][1] == row - 1 and found[-1][2] == state:
            found[-1] = (found[-1][0], row, state)
        else:
            found.append((row, row, state))
    return found
