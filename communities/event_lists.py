"""第十条: lists of the social-insurance agency (社保比对名单), matched by ID number, made into reports.

A list says one thing of many people. Between preview and confirmation its rows travel in a sealed
token: of people whom no ledger knows nothing is kept, their rows go back to the agency.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from communities import events
from communities.models import LifeEvent, Reception
from transfers.refusal import Refused
from xianning import access, audit, sealing, standards, tables
from xianning.models import Notice, Office
from xianning.privacy import blind_indexes
from xianning.roles import ROLES
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xianning.models import User

GIVERS = ("insurance", "hr")
MOST_ROWS = 1000
AN_HOUR = 3600
Kind = LifeEvent.Kind
# What a list may say of everybody on it, and what its date means.
KINDS = {
    Kind.UNCERTIFIED: "认证到期日期",
    Kind.DOUBLE: "重复领取起始日期",
    Kind.DIED: "死亡日期",
}
NUMBER, NAME, DAY, PAID, YEAR, NOTE = HEADINGS = (
    "证件号码", "姓名", "日期", "待遇发放状态", "认证年度", "说明",
)  # fmt: skip
# The codes under which the agency's own system gives these columns out, and other usual headings.
ALIASES = {
    "AAC002": NUMBER, "公民身份号码": NUMBER, "身份证号": NUMBER, "身份证号码": NUMBER,
    "AAC003": NAME, "AAE116": PAID, "AAE001": YEAR, "备注": NOTE,
    **dict.fromkeys(("死亡日期", "死亡时间", "到期日期", "认证到期日期", "发生日期", "起始日期",
                     "重复领取起始日期"), DAY),
}  # fmt: skip
_LABEL = "event list"


@dataclass(frozen=True)
class Line:
    """One row of the list: whom it means here and since when, or why it makes no report."""

    number: int
    texts: Mapping[str, str]
    entry: Reception | None = None
    day: date | None = None
    why: str = ""

    @property
    def name(self) -> str:
        """As the list has it."""
        return self.texts.get(NAME, "")


@dataclass
class Found:
    """What a list would do: the rows that make reports, and those that are given back."""

    kind: str
    rows: list[tuple[int, dict[str, str]]]
    taken: list[Line] = field(default_factory=list)
    rest: list[Line] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{Kind(self.kind).label}名单"


# --- reading and matching -----------------------------------------------------------------------


def read(data: bytes, file_name: str, kind: str, user: User) -> Found:
    """The list in a workbook, matched with the ledgers of USER's area; nothing is saved.

    Raises sandbox.Rejected or sandbox.SandboxError with a sentence when it cannot be read.
    """
    rows: list[tuple[int, dict[str, str]]] = []
    for number, texts in tables.rows_under(data, file_name, HEADINGS, needed=3, aliases=ALIASES):
        if len(rows) == MOST_ROWS:
            raise Rejected(f"名单超过 {MOST_ROWS} 行，请分成几个文件导入。")
        rows.append((number, {name: text for name, text in texts.items() if text}))
    return match(Found(kind, rows), user)


def match(found: Found, user: User) -> Found:
    """Sort the rows of FOUND into those that make a report and those that do not, with the reason."""
    numbers = {number: _id_number(texts) for number, texts in found.rows}
    entries = _entries({each for each in numbers.values() if each}, user)
    reported = _reported(found.kind, entries.values())
    seen: dict[str, int] = {}
    for number, texts in found.rows:
        id_number = numbers[number]
        entry, why, day = entries.get(id_number or ""), "", None
        try:
            day = _day(texts)
        except standards.NotValid as reason:
            why = str(reason)
        if id_number is None:
            why = "证件号码有误，请核对。"
        elif entry is None or not _same(entry, texts):
            # Not even whether somebody of that number is known: number and name must both be right.
            why = "本辖区各社区的管理台账中没有证件号码和姓名都相符的人。"
        elif first := seen.get(id_number):
            why = f"与第 {first} 行是同一人。"
        elif not why:
            why = _why_not(entry, day, reported)
        if id_number and not why:
            seen[id_number] = number
        line = Line(number, texts, None if why else entry, day, why)
        (found.rest if why else found.taken).append(line)
    return found


def _id_number(texts: Mapping[str, str]) -> str | None:
    try:
        return standards.parse_id_number(texts.get(NUMBER, ""))
    except standards.NotValid:
        return None


def _day(texts: Mapping[str, str]) -> date:
    """Raises NotValid with a sentence."""
    day = standards.parse_date(texts.get(DAY, ""))
    if day > timezone.localdate():
        raise standards.NotValid("日期不能晚于今天。")
    return day


def _entries(numbers: set[str], user: User) -> dict[str, Reception]:
    """Ledger entries of the agency's area by ID number, the newest of each person."""
    mine = access.scope(user).areas
    held = frozenset[str]().union(*(mine.get(role, frozenset()) for role in GIVERS))
    indexes = [each for number in sorted(numbers) for each in blind_indexes(number, "id_number")]
    rows = (
        Reception.objects.filter(
            access.within("community_id", held), transfer__retiree__id_index__in=indexes
        )
        .select_related("transfer__retiree", "community__parent__parent")
        .order_by("pk")
    )
    return {entry.transfer.retiree.id_number: entry for entry in rows}


def _same(entry: Reception, texts: Mapping[str, str]) -> bool:
    return standards.fold_name(texts.get(NAME, "")) == standards.fold_name(
        entry.transfer.retiree.name
    )


def _reported(kind: str, entries: Iterable[Reception]) -> dict[object, list[LifeEvent]]:
    """Standing reports of these people by case: death, and the KIND of the list."""
    rows = LifeEvent.objects.standing().filter(
        transfer__in=[entry.transfer_id for entry in entries], kind__in={Kind.DIED, kind}
    )
    found: dict[object, list[LifeEvent]] = {}
    for event in rows:
        found.setdefault(event.transfer_id, []).append(event)
    return found


def _why_not(entry: Reception, day: date | None, reported: Mapping[object, list[LifeEvent]]) -> str:
    """Why the list makes no report of this person, or nothing."""
    for event in reported.get(entry.transfer_id, []):
        if event.kind == Kind.DIED:
            return f"已登记死亡（{event.happened_on:%Y-%m-%d}），不再报告。"
        if event.happened_on == day:
            return f"“{event}”（{day:%Y-%m-%d}）已经报告过，不再报告。"
    if not entry.is_active:
        return "已不在社区管理，不再报告。"
    if day and day < entry.transfer.retiree.birth_date:
        return "日期早于出生日期，请核对。"
    return ""


# --- the way from preview to confirmation -------------------------------------------------------


def token(found: Found, user: User) -> str:
    """The rows of a preview, sealed for USER and one hour."""
    text = json.dumps([timezone.now().timestamp(), found.kind, found.rows], ensure_ascii=False)
    packed = urlsafe_b64encode(zlib.compress(text.encode())).decode()
    return sealing.seal(packed, _LABEL, str(user.pk))


def again(sealed: str, user: User) -> Found | None:
    """The rows of a token, matched with the ledgers as they are now; None when it is not valid."""
    try:
        packed = sealing.unseal(sealed, _LABEL, str(user.pk))
    except sealing.NotReadable:
        return None
    made, kind, rows = json.loads(zlib.decompress(urlsafe_b64decode(packed)))
    if timezone.now().timestamp() - made > AN_HOUR:
        return None
    return match(Found(kind, [(number, texts) for number, texts in rows]), user)


@transaction.atomic
def confirm(found: Found, *, by: User) -> int:
    """Report everybody who is taken; how many reports there are now.

    People are locked in the order of their cases, so that two lists never wait for each other.
    """
    mine = Office.objects.filter(users=by, role__in=GIVERS).order_by("name").first()
    office = mine.name if mine else ROLES[GIVERS[0]].name
    done: list[Reception] = []
    for line in sorted(found.taken, key=lambda each: str(each.entry and each.entry.transfer_id)):
        assert line.entry is not None
        assert line.day is not None
        try:
            with transaction.atomic():
                events.report_listed(
                    line.entry.transfer, by=by, kind=found.kind, happened_on=line.day,
                    details=_details(line, office),
                )  # fmt: skip
        except Refused:
            continue  # somebody reported it since the preview
        done.append(line.entry)
    _tell(found, done, office)
    audit.write("event_list", user=by, facts={
        "kind": found.kind, "rows": len(found.rows), "count": len(done), "article": "第十条",
    })  # fmt: skip
    return len(done)


def _details(line: Line, office: str) -> str:
    """What the list says beside the date, and whose list it is."""
    said = [f"{name}：{line.texts[name]}" for name in (PAID, YEAR, NOTE) if line.texts.get(name)]
    return "；".join([f"{office}比对名单第 {line.number} 行", *said])[:300]


def _tell(found: Found, done: list[Reception], office: str) -> None:
    """Each community hears at once of all its people on the list."""
    names: dict[str, list[str]] = {}
    for entry in done:
        names.setdefault(entry.community_id, []).append(entry.transfer.retiree.name)
    for community, people in names.items():
        shown = "、".join(people[:5]) + (f"等 {len(people)} 人" if len(people) > 5 else "")
        text = f"{office}的{found.title}中有本社区{shown}，已按第十条报告，请核实；有误的请更正。"
        Notice.objects.create(role="community", area_id=community, text=text[:300])


# --- workbooks ----------------------------------------------------------------------------------


def template() -> bytes:
    """The empty list, with the codes of the agency's system that are understood as headings."""
    codes = [(name, code) for code, name in ALIASES.items() if code.startswith("AA")]
    words = [("名单", "“日期”填写什么"), *((kind.label, what) for kind, what in KINDS.items()),
             ("列名", "也可写成"), *codes]  # fmt: skip
    return tables.template("比对名单", HEADINGS, [(str(a), str(b)) for a, b in words])


def given_back(found: Found) -> bytes:
    """The rows that made no report, each with its reason; mended, it may be uploaded as it is."""
    lines = [[*HEADINGS, "原行号", "原因"]]
    for line in found.rest:
        texts = [line.texts.get(name, "") for name in HEADINGS]
        lines.append([*texts, str(line.number), line.why])
    return tables.written("未形成报告", lines, (22, 12, 14, 14, 12, 30, 10, 50))
