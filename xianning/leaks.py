"""The leak drill: from a serial on a page, or from leaked rows, to who ever saw or exported them.

What is pasted is compared and forgotten: it is neither stored nor logged nor shown again. Auditors
learn about the people of their area; the audit administrator learns accounts, times and serials,
but no retiree's name and no free text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q

from transfers.models import NameGram, Retiree, Transfer
from xianning import access, serials, standards
from xianning.models import AccessLog, Export, ExportedPerson
from xianning.privacy import blind_index, blind_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from xianning.models import User

LONGEST = 20_000  # characters of one paste
MOST_NAMES, MOST_CASES, MOST_NAMESAKES, MOST_TRACES = 1000, 500, 20, 5000
_DIGITS = re.compile(r"\d{14,}[\dX]|\d{11,}")
_INSIDE = re.compile(r"(?<=\d)[ \-](?=[\dX])")
_WORD = re.compile(r"[^\W\d_]+(?:[·•・‧][^\W\d_]+)*")
_APART = re.compile(r"(?<!\w)(\w) (\w)(?!\w)")  # a name of two characters, set wide
_LABEL = re.compile(r"^(?:姓名|退休人员|老人|职工|党员)")
_YEAR = r"(?<!\d)((?:19|20)\d\d)"
_MONTHS = (
    re.compile(_YEAR + r" ?[-./年] ?(1[0-2]|0?[1-9])(?!\d)"),
    re.compile(_YEAR + r"(1[0-2]|0[1-9])(?:[0-3]\d)?(?!\d)"),
)


# --- who may see what ---------------------------------------------------------------------------


def sees_names(user: User) -> bool:
    """Auditors see names; the audit administrator does not (等保 8.1.5)."""
    return bool(access.scope(user).areas.get("auditor"))


def _held(user: User) -> frozenset[str]:
    held = access.scope(user).areas
    return held.get("auditor", frozenset()) | held.get("audit_admin", frozenset())


def in_area(user: User, through: str = "") -> Q:
    """Rows whose case lies in the area of an auditor; THROUGH is the path to the case."""
    mine = _held(user)
    return access.within(f"{through}authority_id", mine, deepest=6) | access.within(
        f"{through}community_id", mine
    )


# --- what stands in the text --------------------------------------------------------------------


@dataclass
class Line:
    """What one leaked line tells."""

    numbers: set[str] = field(default_factory=set)
    names: list[list[str]] = field(default_factory=list)  # a word's possible names, longest first
    months: set[tuple[int, int]] = field(default_factory=set)
    digits: str = ""


def read(text: str) -> list[Line]:
    """The lines of TEXT with their ID numbers, possible names, months and digits."""
    lines = [standards.fold(line) for line in text[:LONGEST].splitlines()]
    return [_read_line(line) for line in lines if line]


def _read_line(line: str) -> Line:
    return Line(
        numbers=_numbers(line.upper()),
        names=[names for word in _WORD.findall(_APART.sub(r"\1\2", line)) if (names := _names(word))],
        months={
            (int(year), int(month)) for form in _MONTHS for year, month in form.findall(line)
        },
        digits=re.sub(r"\D", "", line),
    )  # fmt: skip


def _numbers(line: str) -> set[str]:
    """ID numbers of 18 and 15 characters, also spaced or with others run into them."""
    found: set[str] = set()
    for run in _DIGITS.findall(line):
        if len(run) == 15:
            found |= _valid(run)
    for run in _DIGITS.findall(_INSIDE.sub("", line)):
        for start in range(len(run) - 17):
            found |= _valid(run[start : start + 18])
    return found


def _valid(text: str) -> set[str]:
    try:
        return {standards.parse_id_number(text)}
    except standards.NotValid:
        return set()


def _names(word: str) -> list[str]:
    """What WORD may name: itself, and, when it is long, its first two to four characters."""
    bare = _LABEL.sub("", word)
    heads = [bare[:length] for length in (4, 3, 2)] if len(bare) > 4 else []
    names = []
    for text in (bare, *heads):
        try:
            names.append(standards.fold_name(text))
        except standards.NotValid:
            continue
    return [name for name in names if len(name) >= 2]


# --- from the text to people --------------------------------------------------------------------


@dataclass
class Trace:
    """One time somebody saw or exported a person."""

    user: User
    office: str
    at: datetime
    kind: str
    what: str
    reason: str
    serial: str = ""
    state: str = ""


@dataclass
class Found:
    """A case that the text names, by what, and everybody who saw its person."""

    case: Transfer
    by: str
    traces: list[Trace] = field(default_factory=list)


@dataclass
class Suspect:
    """An account, and how much of what leaked it ever saw."""

    user: User
    office: str
    cases: set[UUID] = field(default_factory=set)
    times: int = 0
    first: datetime | None = None
    last: datetime | None = None
    serials: dict[str, None] = field(default_factory=dict)

    def note(self, case: UUID, trace: Trace) -> None:
        self.cases.add(case)
        self.times += 1
        self.first = min(self.first or trace.at, trace.at)
        self.last = max(self.last or trace.at, trace.at)
        if trace.serial:
            self.serials[trace.serial] = None


@dataclass
class Given:
    """An export that a serial names, and how many of its people lie in the reader's area."""

    export: Export
    people: int


@dataclass
class Drill:
    """What a paste led to."""

    exports: list[Given]
    found: list[Found]
    suspects: list[Suspect]
    lines: int
    unknown_numbers: int  # ID numbers that no case in the area has
    cut: bool  # there was more than is shown


def digest(text: str) -> str:
    """A keyed digest of what was pasted: tells whether two drills asked the same."""
    return blind_index(text, "leak drill")


def trace(text: str, user: User) -> Drill:
    """Everything USER may know about where TEXT came from. The same few queries for any TEXT."""
    lines = read(text)
    given = exports_named(serials.find(text), user)
    numbers = {number for line in lines for number in line.numbers}
    by_case, known = _by_number(numbers, user)
    rest = [line for line in lines if not line.numbers & known]
    named = _by_name(rest, user)
    found = {**named, **by_case}
    kept = dict(list(found.items())[:MOST_CASES])
    traces, cut = _traces(kept)
    if not sees_names(user):
        for each in (one for many in traces.values() for one in many):
            each.reason = ""
    results = [Found(case, by, traces[case.pk]) for case, by in kept.values()]
    return Drill(
        given, results, _suspects(results), len(lines), len(numbers - known),
        cut or len(kept) < len(found) or len(text) > LONGEST,
    )  # fmt: skip


def exports_named(written: Iterable[str], user: User) -> list[Given]:
    """The exports with these serials: made in the area, or with people of the area in them."""
    rows = Export.objects.filter(serial__in=list(written)).select_related(
        "owner", "log", "decided_by"
    )
    mine = ExportedPerson.objects.filter(in_area(user, "transfer__"), export__in=rows)
    counts = dict(
        mine.order_by()
        .values_list("export")
        .annotate(people=Count("pk"))
        .values_list("export", "people")
    )
    held = _held(user)
    return [
        Given(row, counts.get(row.pk, 0)) for row in rows
        if row.pk in counts or (row.log.area_id and access.inside(row.log.area_id, held))
    ]  # fmt: skip


_Cases = dict["UUID", tuple[Transfer, str]]


def _by_number(numbers: set[str], user: User) -> tuple[_Cases, set[str]]:
    """Cases whose person has one of these numbers, and which of the numbers are known."""
    number_of = {
        index: number for number in numbers for index in blind_indexes(number, "id_number")
    }
    rows = Transfer.objects.filter(in_area(user), retiree__id_index__in=list(number_of))
    cases: _Cases = {}
    known = set()
    for case in rows.select_related("retiree"):
        known.add(number_of[case.retiree.id_index])
        cases[case.pk] = (case, "身份证号")
    return cases, known


def _by_name(lines: list[Line], user: User) -> _Cases:
    """Cases of people named in LINES; birth month and telephone tell namesakes apart."""
    names = list({name for line in lines for word in line.names for name in word})[:MOST_NAMES]
    people = NameGram.objects.filter(
        gram__in={name[:2] for name in names}, retiree__name__in=names
    ).values("retiree")
    rows = Transfer.objects.filter(in_area(user), retiree__in=people).select_related("retiree")
    called: dict[str, list[Transfer]] = defaultdict(list)
    for case in rows[: MOST_CASES * 4]:
        called[case.retiree.name].append(case)
    cases: _Cases = {}
    for line in lines:
        for word in line.names:
            cases |= _namesakes(line, next((called[n] for n in word if n in called), []))
    return cases


def _namesakes(line: Line, cases: list[Transfer]) -> _Cases:
    """Of CASES with the same name those that the rest of LINE fits; all, when it fits none."""
    marks = {case.pk: (case, _marks(line, case.retiree)) for case in cases}
    fitting = {pk: (case, mark) for pk, (case, mark) in marks.items() if mark != "姓名"}
    if fitting:
        return fitting
    alone = len({case.retiree_id for case in cases}) == 1
    word = "姓名" if alone else f"姓名（同名 {len(cases)} 件，待核对）"
    return {pk: (case, word) for pk, (case, _) in list(marks.items())[:MOST_NAMESAKES]}


def _marks(line: Line, person: Retiree) -> str:
    """By what LINE fits a PERSON of the right name."""
    words = ["姓名"]
    if (person.birth_date.year, person.birth_date.month) in line.months:
        words.append("出生年月")
    phones = (person.home_phone, person.household_phone, person.away_phone)
    bare = [re.sub(r"\D", "", phone) for phone in phones]
    if any(len(phone) >= 7 and phone in line.digits for phone in bare):
        words.append("电话")
    return "、".join(words)


# --- from people to accounts --------------------------------------------------------------------


def _traces(cases: _Cases) -> tuple[dict[UUID, list[Trace]], bool]:
    """Who saw each case, the newest first; whether there were too many to show."""
    found: dict[UUID, list[Trace]] = defaultdict(list)
    logs = AccessLog.objects.filter(transfer__in=list(cases)).select_related("user")
    rows = list(logs.order_by("-pk")[: MOST_TRACES + 1])
    for row in rows[:MOST_TRACES]:
        found[row.transfer_id].append(  # type: ignore[index]
            Trace(row.user, row.office_name, row.at, row.get_kind_display(), row.what, row.reason)
        )
    given = ExportedPerson.objects.filter(transfer__in=list(cases)).select_related(
        "export__log", "export__owner"
    )
    exported = list(given.order_by("-export_id")[: MOST_TRACES + 1])
    for each in exported[:MOST_TRACES]:
        export, log = each.export, each.export.log
        found[each.transfer_id].append(
            Trace(
                export.owner, log.office_name, log.at, log.get_kind_display(), log.what,
                log.reason, export.serial, export.get_state_display(),
            )
        )  # fmt: skip
    for traces in found.values():
        traces.sort(key=lambda one: one.at, reverse=True)
    return found, max(len(rows), len(exported)) > MOST_TRACES


def _suspects(found: list[Found]) -> list[Suspect]:
    """The accounts that saw any of what leaked, who saw most of it first."""
    by_user: dict[Any, Suspect] = {}
    for each in found:
        for one in each.traces:
            suspect = by_user.setdefault(one.user.pk, Suspect(one.user, one.office))
            suspect.note(each.case.pk, one)
    return sorted(by_user.values(), key=lambda one: (-len(one.cases), -one.times))


# --- what an account touched (个人信息保护法 57) ---------------------------------------------------


@dataclass(frozen=True)
class Touched:
    """How often and how many people an account touched in one way."""

    kind: str
    times: int
    people: int


def touched(account: User, since: datetime, until: datetime, user: User) -> list[Touched]:
    """By kind, what ACCOUNT touched in the area of USER between SINCE and UNTIL."""
    kinds = dict(AccessLog.Kind.choices)
    rows = (
        _seen(account, since, until, user)
        .order_by().values("kind")
        .annotate(times=Count("pk"), people=Count("transfer__retiree", distinct=True))
    )  # fmt: skip
    found = [Touched(str(kinds[row["kind"]]), row["times"], row["people"]) for row in rows]
    given = _exported(account, since, until, user).aggregate(
        times=Count("export", distinct=True), people=Count("transfer__retiree", distinct=True)
    )
    if given["times"]:
        found.append(Touched("导出名册", given["times"], given["people"]))
    return found


def cases_touched(account: User, since: datetime, until: datetime, user: User) -> set[UUID]:
    """The cases of all people ACCOUNT touched, seen and exported, each once."""
    seen = _seen(account, since, until, user).order_by().values_list("transfer", flat=True)
    given = _exported(account, since, until, user).values_list("transfer", flat=True)
    return set(seen.distinct()) | set(given.distinct())


def _seen(account: User, since: datetime, until: datetime, user: User) -> Any:
    return AccessLog.objects.filter(
        in_area(user, "transfer__"), user=account, kind__in=AccessLog.Kind.values,
        at__gte=since, at__lt=until,
    )  # fmt: skip


def _exported(account: User, since: datetime, until: datetime, user: User) -> Any:
    """People in files that ACCOUNT had made or fetched in that time."""
    made = Q(export__made_at__gte=since, export__made_at__lt=until)
    fetched = Q(export__fetched_at__gte=since, export__fetched_at__lt=until)
    rows = ExportedPerson.objects.filter(in_area(user, "transfer__"), export__owner=account)
    return rows.filter(made | fetched)


def cases_in(export: Export, user: User) -> set[UUID]:
    """The cases in the area of USER that stand in the file of EXPORT."""
    rows = ExportedPerson.objects.filter(in_area(user, "transfer__"), export=export)
    return set(rows.values_list("transfer", flat=True))


def numbers_of(cases: Iterable[UUID]) -> list[str]:
    """The numbers of CASES, in order; a thousand are asked for at a time."""
    ids = list(cases)
    numbers: list[str] = []
    for start in range(0, len(ids), 1000):
        some = Transfer.objects.filter(pk__in=ids[start : start + 1000]).order_by()
        numbers += some.values_list("number", flat=True)
    return sorted(numbers)
