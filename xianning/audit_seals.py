"""Seals over the audit, their anchors outside the database, and the check of it all.

A seal is a keyed digest over at most a thousand events and over the seal before it. Sealing runs
apart from the deeds, under a lock that it holds for a moment: a chain that each deed lengthens
would either fork or stop every other deed while an import runs. Who may write the whole database
can still cut the newest seals off with their events; the anchors show that (security.md F6).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Cast
from django.utils import timezone

from xianning import audit
from xianning.models import AccessLog, AuditEvent, AuditSeal, Export, ExportedPerson
from xianning.triggers import ACCESS_DAYS, audit_days

BATCH = 1000
LATE = timedelta(minutes=10)  # an event is sealed within a minute while the worker lives
SHOWN = 50  # findings that a check tells; the first is what matters
_LOCK = 4212_0001  # of the advisory lock
_LINE = re.compile(r"[0-9a-f]{64}")


# --- sealing ------------------------------------------------------------------------------------


def seal() -> list[AuditSeal]:
    """Seal what is not sealed yet, and anchor the seals; they are returned, the oldest first."""
    made: list[AuditSeal] = []
    while new := _seal_batch():
        made.append(new)
        if new.count < BATCH:
            break
    anchor()
    return made


@transaction.atomic
def _seal_batch() -> AuditSeal | None:
    """One seal, or None when nothing waits."""
    _lock()
    waiting = AuditEvent.objects.filter(seal=None).order_by("id")
    rows = list(waiting.values_list("id", "mac")[:BATCH])
    if not rows:
        return None
    last = AuditSeal.objects.order_by("-number").first()
    made = AuditSeal(
        number=last.number + 1 if last else 1,
        at=audit.milliseconds(timezone.now()),
        count=len(rows),
        first=rows[0][0],
        last=rows[-1][0],
        previous=last.digest if last else "",
    )
    made.digest = audit.keyed(message_of(SealRow.of(made), rows))
    made.save(force_insert=True)
    sealed = AuditEvent.objects.filter(pk__in=[pk for pk, _ in rows]).seal_with(made)
    if sealed != len(rows):
        raise RuntimeError("the events of a seal were sealed by somebody else")
    return made


def _lock() -> None:
    """One sealer at a time, until the transaction ends (SQLite has one writer anyway)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@dataclass(frozen=True)
class SealRow:
    """A seal as the check reads it: whatever stands in the row, readable or not."""

    number: int
    at: Any  # datetime, or text that is none
    count: int
    first: str
    last: str
    previous: str
    digest: str

    @classmethod
    def of(cls, row: AuditSeal) -> SealRow:
        return cls(
            row.number, row.at, row.count, str(row.first), str(row.last), row.previous, row.digest
        )


SEAL_COLUMNS = tuple(column.name for column in fields(SealRow))


def message_of(row: SealRow, events: list[tuple[Any, str]]) -> bytes:
    """What the digest of a seal covers: the seal, the one before it, its events in order."""
    head = [row.number, audit.text_of(row.at), row.count, row.first, row.last, row.previous]
    lines = [f"{pk} {mac}" for pk, mac in events]
    return b"seal\n" + json.dumps([*head, *lines], separators=(",", ":")).encode()


# --- anchors ------------------------------------------------------------------------------------


def anchor() -> int:
    """Append the seals that have no line yet to the file of the month; how many."""
    folder = Path(settings.AUDIT_ANCHORS)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = last_anchored(folder)
        rows = AuditSeal.objects.filter(number__gt=known).order_by("number")
        lines = [anchor_line(row) for row in rows.iterator()]
        if lines:
            _append(folder / f"{timezone.localtime():%Y-%m}.jsonl", lines)
    return len(lines)


def anchor_line(row: AuditSeal) -> str:
    """What is written down outside the database, as one line of JSON."""
    return json.dumps({"number": row.number, "at": audit.text_of(row.at), "digest": row.digest})


def _append(path: Path, lines: list[str]) -> None:
    """Append whole lines, on the disk before we go on; half a line of a crash is closed first."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def last_anchored(folder: Path) -> int:
    """The number of the newest anchor, 0 without any."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        numbers = [entry[0] for entry in _lines_of(path) if entry]
        if numbers:
            return max(numbers)
    return 0


def _anchors(folder: Path) -> Iterator[tuple[int, str] | None]:
    """Number and digest of every anchor, in the order of writing; None for an unreadable line."""
    for path in sorted(folder.glob("*.jsonl")):
        yield from _lines_of(path)


def _lines_of(path: Path) -> Iterator[tuple[int, str] | None]:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                number, digest = int(entry["number"]), str(entry["digest"])
            except (ValueError, KeyError, TypeError):
                yield None
            else:
                yield (number, digest) if _LINE.fullmatch(digest) else None


# --- checking -----------------------------------------------------------------------------------


@dataclass
class Report:
    """What a check found. FINDINGS are sentences, the first bad event first; NOTES do not fail."""

    events: int = 0
    seals: int = 0
    unsealed: int = 0
    purged: int = 0  # seals whose events were purged lawfully
    anchors: int = 0
    head: tuple[int, str] = (0, "")
    first_bad: str = ""  # id of the first bad event
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    count: int = 0  # of findings, shown or not

    @property
    def good(self) -> bool:
        return not self.count

    def add(self, sentence: str, event: Any = None) -> None:
        self.count += 1
        if event is not None and not self.first_bad:
            self.first_bad = str(event)
        if len(self.findings) < SHOWN:
            self.findings.append(sentence)

    def sentence(self) -> str:
        """The outcome in one sentence."""
        number, digest = self.head
        sealed = f"封存号 {number}，摘要 {digest[:16]}…" if number else "尚无封存"
        if self.good:
            return f"审计记录完整：{self.events} 条，{self.seals} 次封存（{sealed}）。"
        return f"审计记录有 {self.count} 处不符，第一处：{self.findings[0]}"


def verify(anchors: Path | None = None, tell: Callable[[int], None] | None = None) -> Report:
    """Read every event and every seal once, in bounded memory, and compare.

    ANCHORS is the folder of the anchors, perhaps that of a second machine; TELL hears how many
    events are read.
    """
    report = Report()
    _check_unsealed(report)
    outside = _Outside(Path(anchors or settings.AUDIT_ANCHORS), report)
    through = _purged_through(report)
    previous: tuple[int, str] = (0, "")
    group: list[SealRow] = []
    for values in _read(AuditSeal.objects.order_by("number"), SEAL_COLUMNS):
        row = SealRow(*values)
        _check_link(row, previous, report)
        outside.compare(row)
        previous = (row.number, row.digest)
        group.append(row)
        if sum(each.count for each in group) >= 4 * BATCH:
            _check_group(group, through, report)
            group = []
            if tell:
                tell(report.events)
    _check_group(group, through, report)
    report.head = previous
    outside.close(previous[0])
    _check_strays(report)
    return report


def _check_link(row: SealRow, previous: tuple[int, str], report: Report) -> None:
    report.seals += 1
    if row.number != previous[0] + 1:
        report.add(f"第 {previous[0] + 1} 号封存不见了（其后为第 {row.number} 号）。")
    if row.previous != previous[1]:
        report.add(f"第 {row.number} 号封存没有接上一号封存的摘要。")


def _check_group(group: list[SealRow], through: int, report: Report) -> None:
    """The events of some seals, read together: each one, and the digest over them."""
    events = AuditEvent.objects.filter(seal_id__in=[row.number for row in group])
    found: dict[int, list[tuple[Any, str]]] = {row.number: [] for row in group}
    rows = _read(events.order_by("seal_id", "id"), ("seal_id", "mac", *audit.COLUMNS))
    for seal_id, mac, *values in rows:
        _check_event(values, mac, report)
        found[seal_id].append((values[0], mac))
    for row in group:
        _check_seal(row, found[row.number], through, report)


def _check_event(values: list[Any], mac: str, report: Report) -> None:
    report.events += 1
    if not audit.fits(audit.message_of(values), mac):
        at, action = values[1], audit.ACTIONS.get(values[2], values[2])
        report.add(f"记录 {values[0]}（{_clock(at)} {action}）被改动。", values[0])


def _check_seal(row: SealRow, events: list[tuple[Any, str]], through: int, report: Report) -> None:
    if not events and row.number <= through and _is_old(row.at):
        report.purged += 1
        return
    if len(events) != row.count:
        here = events[0][0] if events else row.first
        report.add(f"第 {row.number} 号封存应有 {row.count} 条记录，现有 {len(events)} 条。", here)
    if not audit.fits(message_of(row, events), row.digest):
        report.add(f"第 {row.number} 号封存的摘要与其记录不符。")


def _check_unsealed(report: Report) -> None:
    waiting = AuditEvent.objects.filter(seal=None).order_by("id")
    late = timezone.now() - LATE
    for mac, *values in _read(waiting, ("mac", *audit.COLUMNS)):
        report.unsealed += 1
        _check_event(values, mac, report)
        if isinstance(values[1], datetime) and values[1] < late:
            report.add(f"记录 {values[0]}（{_clock(values[1])}）超过 10 分钟没有封存。", values[0])


def _check_strays(report: Report) -> None:
    """Events that name a seal which is not there."""
    known = AuditSeal.objects.filter(pk=OuterRef("seal_id"))
    strays = AuditEvent.objects.exclude(seal_id=None).filter(~Exists(known)).order_by("id")
    for pk in strays.values_list("id", flat=True)[:SHOWN]:
        report.add(f"记录 {pk} 所属的封存不见了。", pk)


def _purged_through(report: Report) -> int:
    """The last seal whose events were purged, by the events of purging that are genuine."""
    through = 0
    purges = AuditEvent.objects.filter(action="audit_purged")
    for mac, *values in _read(purges, ("mac", *audit.COLUMNS)):
        if audit.fits(audit.message_of(values), mac):
            through = max(through, values[audit.COLUMNS.index("facts")].get("through", 0))
    return through


class _Outside:
    """The anchors, read once beside the seals."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder, self.report = folder, report
        self.lines = _anchors(folder)
        self.next: tuple[int, str] | None = None
        self.last = 0
        self._advance()

    def _advance(self) -> None:
        self.next = None
        for entry in self.lines:
            if entry is None:
                self.report.notes.append("锚点文件中有无法读取的行。")
                continue
            self.report.anchors += 1
            if entry[0] < self.last:
                self.report.add(f"锚点的次序不对：第 {entry[0]} 号在第 {self.last} 号之后。")
                continue
            self.next, self.last = entry, entry[0]
            return

    def compare(self, row: SealRow) -> None:
        while self.next is not None and self.next[0] <= row.number:
            number, digest = self.next
            if number == row.number and digest != row.digest:
                self.report.add(f"第 {number} 号封存的摘要与库外的锚点不符。")
            self._advance()

    def close(self, head: int) -> None:
        """What is anchored beyond the last seal was cut off; without anchors nobody could tell."""
        if self.next is not None:
            self.report.add(
                f"审计记录被截断：库外的锚点有第 {self.next[0]} 号封存，库内止于第 {head} 号。"
            )
            while self.next is not None:
                self._advance()
        elif head and not self.report.anchors:
            self.report.add(f"{self.folder.name} 中没有锚点，无法判断末尾是否被截断。")
        elif self.last < head:
            self.report.notes.append(f"锚点止于第 {self.last} 号封存，其后的封存尚无锚点。")


def _is_old(moment: Any) -> bool:
    return isinstance(moment, datetime) and moment < _limit()


def _clock(moment: Any) -> str:
    if not isinstance(moment, datetime):
        return "时间无法读取"
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


# --- reading what somebody may have spoilt --------------------------------------------------------


def _read(rows: models.QuerySet[Any], names: Iterable[str]) -> Iterator[list[Any]]:
    """The columns NAMES of ROWS as texts of the database, made into values where that is possible.

    A spoilt value must fail the check, not end it, so Django's converters stay out of it.
    """
    names = tuple(names)
    columns = [_plain_column(rows.model, name) for name in names]
    texts = [
        F(name) if isinstance(column, models.CharField) else Cast(name, models.TextField())
        for name, column in zip(names, columns, strict=True)
    ]
    makers = [_MAKERS.get(type(column), _same) for column in columns]
    plain = rows.annotate(**{f"raw_{n}": text for n, text in enumerate(texts)})
    for row in plain.values_list(*(f"raw_{n}" for n in range(len(names)))).iterator():
        yield [_made(make, value) for make, value in zip(makers, row, strict=True)]


def _plain_column(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    """The field, or the one that a foreign key points to."""
    column: Any = model._meta.get_field(name)
    return column.target_field if isinstance(column, models.ForeignKey) else column


def _made(make: Callable[[Any], Any], value: Any) -> Any:
    try:
        return None if value is None else make(value)
    except (ValueError, TypeError):
        return str(value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same(value: Any) -> Any:
    return value


_MAKERS: dict[type, Callable[[Any], Any]] = {
    models.UUIDField: lambda text: str(UUID(text)),
    models.DateTimeField: _moment,
    models.JSONField: json.loads,
    models.PositiveIntegerField: int,
    models.PositiveBigIntegerField: int,
}


# --- purging ------------------------------------------------------------------------------------


def _limit() -> datetime:
    return timezone.now() - timedelta(days=audit_days())


@transaction.atomic
def purge(seals: int = 100) -> int:
    """Delete the events of at most SEALS whole seals past their time, the oldest first.

    Returns how many went. The seals stay: they carry the chain.
    """
    _lock()
    limit, gone, through = _limit(), 0, _purged_through(Report())
    for row in AuditSeal.objects.filter(number__gt=through).order_by("number")[:seals]:
        events = AuditEvent.objects.filter(seal=row)
        if row.at >= limit or events.filter(at__gte=limit).exists():
            break
        gone, through = gone + events.purge(), row.number
    if gone:
        audit.write("audit_purged", facts={"through": through, "events": gone})
    return gone


@transaction.atomic
def purge_access_log(most: int = BATCH) -> int:
    """Delete the records of processing after three years (第十一条), with what was given out.

    At most MOST of them, the oldest first (ids are ordered by time, `at` has no index); how many.
    """
    limit = timezone.now() - timedelta(days=ACCESS_DAYS)
    oldest = AccessLog.objects.order_by("pk").values_list("pk", "at")[:most]
    old = [pk for pk, at in oldest if at < limit]
    if old:
        ExportedPerson.objects.filter(export__log__in=old).delete()
        Export.objects.filter(log__in=old).delete()
        models.QuerySet(AccessLog).filter(pk__in=old).delete()
        audit.write("access_log_purged", facts={"rows": len(old)})
    return len(old)
