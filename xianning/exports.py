"""Giving a roster out: a reason, a serial, a second person above a number of rows, one download.

An export is a row from the moment it is asked for. Few rows are made at once; many wait for the
security administrator. The work runs in the name of who asked. Whether he still may is asked
again when the work runs and when the file is fetched, so that a withdrawal acts at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from archives.rosters import ARCHIVES
from communities.models import Area
from communities.rosters import CARE, LEDGER
from enterprises.models import Enterprise
from enterprises.rosters import ENTERPRISES, VENUES
from party.rosters import PARTY
from transfers.models import Transfer
from transfers.proof import PROOF
from transfers.rosters import TRANSFERS
from xianning import access, audit, jobs, pdf, serials, vault, watch
from xianning.models import AccessLog, Export, ExportedPerson, Job, Notice, User
from xianning.privacy import NotReadable
from xianning.roles import ROLES
from xianning.roster import Made, Part, Roster, pages_of, workbook_of
from xianning.sandbox import Rejected, SandboxError
from xianning.standards import NotValid

if TYPE_CHECKING:
    from django.db.models import QuerySet

ROSTERS: dict[str, Roster] = {
    roster.name: roster
    for roster in (ENTERPRISES, TRANSFERS, ARCHIVES, LEDGER, CARE, PARTY, VENUES, PROOF)
}
FORMATS = {"xlsx": "Excel 工作簿", "pdf": "PDF 文件"}
PDF_LIMIT, XLSX_LIMIT = 20_000, 200_000
MASKED_TIMES = 10  # so many times more rows may go out alone when they are masked
GROWTH = 10  # per cent by which a list may grow between the approval and the work
ASKED_DAYS = 7  # an application that nobody decides is over then
State = Export.State
log = logging.getLogger("xianning.exports")


class Refused(Exception):
    """An export that is not allowed; the text is a sentence for the user."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to give out, and why.

    SINCE and UNTIL narrow it by the day of filing, ENTERPRISE to the cases of one, QUERY to what a
    page of the roster was narrowed to.
    """

    roster: Roster
    format: str
    clear: bool = False
    reason: str = ""
    since: date | None = None
    until: date | None = None
    enterprise: UUID | None = None
    query: str = ""

    @property
    def narrowing(self) -> dict[str, str]:
        """What narrows it, as it is kept: ISO dates and an id, only those that are given."""
        given = {"since": self.since, "until": self.until, "enterprise": self.enterprise,
                 "query": self.query}  # fmt: skip
        return {name: str(value) for name, value in given.items() if value}


# --- who may ------------------------------------------------------------------------------------


def open_to(user: User) -> list[Roster]:
    """The rosters that USER's offices keep or receive."""
    mine = access.scope(user).roles
    return [roster for roster in ROSTERS.values() if roster.roles & mine]


def why_not(user: User, roster: Roster, *, clear: bool, reason: str) -> str | None:
    """Why USER cannot export ROSTER, as a sentence; None when he can."""
    if not user.is_active:
        return "导出人的账号已停用。"
    mine = access.scope(user)
    if not roster.roles & mine.roles:
        return f"您的岗位不使用《{roster.title}》。"
    if "export_rosters" not in mine.rights:
        return "您的岗位没有导出权限。"
    if clear and "reveal_private" not in mine.rights:
        return "您的岗位只能导出脱敏的名册（第十一条）。"
    if clear and len(reason.strip()) < 4:
        return "导出完整个人信息须填写理由（第十一条）。"
    return None


def why_not_give(export: Export) -> str | None:
    """Why EXPORT may not be made or fetched any more, as a sentence; None when it may.

    Asked with the owner as he is now: his account, his rights, and every place he served when he
    asked.
    """
    owner = User.objects.get(pk=export.owner_id)
    roster = ROSTERS[export.roster]
    if refusal := why_not(owner, roster, clear=export.clear, reason=export.log.reason):
        return refusal
    if not set(export.filters.get("places", [])) <= set(_places(owner)):
        return "申请导出之后，导出人的职责或辖区已经变更，请重新申请。"
    return None


def why_not_decide(export: Export, *, by: User) -> str | None:
    """Why BY cannot decide EXPORT, as a sentence; None when he can."""
    if export.state != State.ASKED:
        return f"此申请{export.get_state_display()}，无须再办。"
    if export.owner_id == by.pk:
        return "大批导出须由另一人核准：申请人不能核准。"
    if "approve_exports" not in access.scope(by).rights:
        return "大批导出由安全管理员核准。"
    return None


def _places(user: User) -> list[str]:
    """Where USER serves, one word a role and place."""
    mine = access.scope(user)
    words = [f"{role}:{code}" for role, codes in mine.areas.items() for code in codes]
    return sorted([*words, *(f"enterprise:{pk}" for pk in mine.enterprises)])


def alone_limit(clear: bool) -> int:
    """How many rows one person may give out without a second one."""
    return int(settings.EXPORT_ROWS_ALONE) * (1 if clear else MASKED_TIMES)


def _handed_out_in_slices(user: User, wish: Wish) -> int:
    """Rows of the same roster that USER exported within a day by other dates: slices add up."""
    lately = Export.objects.filter(
        owner=user, roster=wish.roster.name, clear=wish.clear, decided_by=None,
        asked_at__gt=timezone.now() - timedelta(days=1),
        state__in=(State.APPROVED, State.MADE, State.FETCHED, State.EXPIRED),
    )  # fmt: skip
    other = [
        row for row in lately.only("rows", "filters") if _narrowing(row.filters) != wish.narrowing
    ]
    return sum(row.rows for row in other)


# --- rows ---------------------------------------------------------------------------------------


def rows_of(user: User, roster: Roster, narrowing: dict[str, str]) -> QuerySet[Any]:
    """The rows of ROSTER that USER sees: of cases filed `since` … `until`, of one `enterprise`."""
    rows = roster.rows(user)
    column = _filed_at(roster)
    if since := narrowing.get("since"):
        rows = rows.filter(**{f"{column}__gte": _midnight(date.fromisoformat(since))})
    if until := narrowing.get("until"):
        after = date.fromisoformat(until) + timedelta(days=1)
        rows = rows.filter(**{f"{column}__lt": _midnight(after)})
    if enterprise := narrowing.get("enterprise"):
        rows = rows.filter(**{column.replace("filed_at", "enterprise"): enterprise})
    if (query := narrowing.get("query")) and roster.narrow:
        try:
            rows = roster.narrow(rows, user, query)
        except NotValid as reason:
            raise Refused(str(reason)) from None
    return rows


def is_dated(roster: Roster) -> bool:
    """Whether a roster can be narrowed by days; the list of enterprises cannot."""
    return roster.name != ENTERPRISES.name


def _filed_at(roster: Roster) -> str:
    of_cases = roster.name in (TRANSFERS.name, PROOF.name)
    return "filed_at" if of_cases else "transfer__filed_at"


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _narrowing(filters: dict[str, Any]) -> dict[str, str]:
    return {
        name: filters[name]
        for name in ("since", "until", "enterprise", "query")
        if filters.get(name)
    }


def in_words(filters: dict[str, Any]) -> str:
    """`建案日期 2026-01-01 至 2026-06-30`, the enterprise, or that nothing is narrowed."""
    given = _narrowing(filters)
    if not given:
        return "全部"
    if enterprise := given.get("enterprise"):
        return str(Enterprise.objects.get(pk=enterprise))
    if given.keys() == {"query"}:
        return "台账中按条件筛选的人"
    return f"建案日期 {given.get('since', '最早')} 至 {given.get('until', '今天')}"


def places_in_words(filters: dict[str, Any]) -> list[str]:
    """Role and place of each desk that the owner served when he asked."""
    pairs = [word.split(":", 1) for word in filters.get("places", [])]
    areas = Area.objects.in_bulk([place for role, place in pairs if role != "enterprise"])
    firms = Enterprise.objects.in_bulk([place for role, place in pairs if role == "enterprise"])
    known = {str(pk): str(row) for pk, row in (areas | firms).items()}
    return [f"{ROLES[role].name}：{known.get(place, place)}" for role, place in pairs]


def with_exports(rows: Iterable[AccessLog | Job]) -> list[tuple[Any, Export | None]]:
    """Each of ROWS with the export that belongs to it, if one does (read with select_related)."""
    return [(row, getattr(row, "export", None)) for row in rows]


# --- asking and deciding ------------------------------------------------------------------------


def ask(
    user: User, wish: Wish, *, token: str = "", address: str = "", queue: bool = True
) -> Export:
    """Write the export and its trace; few rows are made at once, many wait for a second person.

    TOKEN names the press of a button: pressed twice it is one export. Without QUEUE nothing is
    put in the queue, the caller makes the file itself. Raises Refused.
    """
    if refusal := why_not(user, wish.roster, clear=wish.clear, reason=wish.reason):
        raise Refused(refusal)
    if wish.roster.parts and wish.enterprise is None:
        raise Refused("请选择移交单位：证明材料按单位制作。")
    facts = (
        f"{user.pk}|{wish.roster.name}|{wish.format}|{wish.clear}|{wish.reason}|{wish.narrowing}"
    )
    serial = serials.new(f"{facts}|{token}" if token else "")
    if known := Export.objects.filter(owner=user, serial=serial).first():
        return known
    try:
        with transaction.atomic():
            return _write(user, wish, serial, address, queue)
    except IntegrityError:
        known = Export.objects.filter(owner=user, serial=serial).first()
        if known is None:
            raise
        return known  # the second press, at the same moment


def _write(user: User, wish: Wish, serial: str, address: str, queue: bool) -> Export:
    """The rows of a new export, in the present transaction. Raises Refused over the limit."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # slices are counted one by one
    filters = {**wish.narrowing, "places": _places(user)}
    rows = rows_of(user, wish.roster, wish.narrowing).order_by().count()
    _refuse_too_many(rows, wish.format)
    words = f"，{in_words(filters)}" if wish.narrowing else ""
    what = f"{wish.roster.title}（{_kind(wish.clear)}{words}），编号 {serial}"
    trace = AccessLog.write(
        user, AccessLog.Kind.EXPORT, what, reason=wish.reason, rows=rows, address=address
    )
    alone = rows + _handed_out_in_slices(user, wish) <= alone_limit(wish.clear)
    export = Export.objects.create(
        owner=user, log=trace, roster=wish.roster.name, format=wish.format, clear=wish.clear,
        filters=filters, serial=serial, rows=rows, state=State.APPROVED if alone else State.ASKED,
    )  # fmt: skip
    _watch_the_night(export, "申请导出")
    if not alone:
        _tell_approvers(export)
    elif queue:
        _start(export)
    return export


def _watch_the_night(export: Export, what: str) -> None:
    if watch.is_night(timezone.now()):
        watch.alert(
            "night_export", export.owner, f"夜间{what} {export.rows} 行，编号 {export.serial}",
            area=export.log.area_id, serial=export.serial, rows=export.rows,
        )  # fmt: skip


def _kind(clear: bool) -> str:
    return "完整" if clear else "脱敏"


def _refuse_too_many(rows: int, format_: str) -> None:
    limit = PDF_LIMIT if format_ == "pdf" else XLSX_LIMIT
    if rows > limit:
        raise Refused(f"共 {rows} 行，超过 {limit} 行，请按建案日期缩小范围后分次导出。")


def _start(export: Export) -> None:
    """Put the work in the queue, in the name of who asked."""
    title = f"导出{ROSTERS[export.roster].title}（{FORMATS[export.format]}）"
    export.job = jobs.submit(
        "export", title, export.owner, {"export": str(export.pk)},
        back_url=reverse("roster", args=[export.roster]),
    )  # fmt: skip
    export.save(update_fields=["job"])


@transaction.atomic
def decide(export: Export, *, approve: bool, answer: str, by: User) -> Export:
    """Approve, which starts the work, or refuse, with a sentence. Raises Refused."""
    asked = (
        Export.objects.select_for_update(of=("self",))
        .select_related("owner", "log")
        .get(pk=export.pk)
    )
    if refusal := why_not_decide(asked, by=by):
        raise Refused(refusal)
    if approve and (refusal := why_not_give(asked)):
        raise Refused(f"不能核准：{refusal}")
    asked.state = State.APPROVED if approve else State.REFUSED
    asked.decided_by, asked.decided_at, asked.answer = by, timezone.now(), answer
    asked.save(update_fields=["state", "decided_by", "decided_at", "answer"])
    if approve:
        _start(asked)
    audit.write(
        "export_approved" if approve else "export_refused", user=by, object=asked,
        area=asked.log.area_id, facts={"serial": asked.serial, "rows": asked.rows},
    )  # fmt: skip
    word = "已核准，正在制作，请到“名册—我的导出”下载" if approve else f"不予核准：{answer}"
    _tell_owner(asked, f"{_name_of(asked)}{word}。")
    return asked


def _name_of(export: Export) -> str:
    title = ROSTERS[export.roster].title
    return f"{export.owner}申请导出的《{title}》（{export.rows} 行，编号 {export.serial}）"


def _tell_approvers(export: Export) -> None:
    area = export.log.area_id
    if area is not None:
        text = f"{export.log.office_name}{_name_of(export)}待核准。"
        Notice.objects.create(role="security_admin", area_id=watch.city_of(area), text=text[:300])


def _tell_owner(export: Export, text: str) -> None:
    """A notice to the office of who asked: notices belong to offices."""
    office = export.owner.offices.order_by("-area_id").first()
    if office is not None:
        Notice.objects.create(
            role=office.role, area_id=office.area_id, enterprise_id=office.enterprise_id,
            text=text[:300],
        )  # fmt: skip


# --- making -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A made file: its bytes, the cases that stand in it, how many rows it has, and which
    characters no font had."""

    data: bytes
    people: list[UUID]
    rows: int
    missing: tuple[str, ...] = ()


def make(export: Export, tell: Callable[[int, int], None]) -> File:
    """The file of EXPORT. TELL hears how many rows of how many are done.

    Raises Refused when the owner no longer may, or the list has grown beyond what was allowed.
    """
    if refusal := why_not_give(export):
        raise Refused(refusal)
    owner, roster = User.objects.get(pk=export.owner_id), ROSTERS[export.roster]
    rows = rows_of(owner, roster, _narrowing(export.filters))
    count = rows.order_by().count()
    _refuse_too_many(count, export.format)
    _refuse_growth(export, count)
    people: dict[UUID, None] = {}
    entry = export.log
    made = Made(owner.full_name, entry.office_name, entry.at, export.serial, export.clear)
    lines = _noted(rows.order_by("pk").iterator(chunk_size=1000), people)
    parts: list[Part] = [(roster, lines)]
    if roster.parts:
        parts = roster.parts(owner, UUID(export.filters["enterprise"]), lines)
    write = workbook_of if export.format == "xlsx" else pages_of
    data = write(parts, made, lambda done: tell(done, count), title_of(export))
    return File(data, list(people), count, getattr(data, "missing", ()))


def _refuse_growth(export: Export, count: int) -> None:
    """Raises Refused when COUNT rows are more than anybody allowed."""
    allowed = export.rows * (100 + GROWTH) // 100 if export.decided_by_id else export.rows
    if count > max(allowed, alone_limit(export.clear)):
        raise Refused(f"申请之后名册由 {export.rows} 行增至 {count} 行，请重新申请。")


def _noted(rows: Iterator[Any], people: dict[UUID, None]) -> Iterator[Any]:
    """ROWS as they are; the case of each goes into PEOPLE (enterprises are no people)."""
    for row in rows:
        if isinstance(row, Transfer):
            people[row.pk] = None
        elif case := getattr(row, "transfer_id", None):
            people[case] = None
        yield row


@transaction.atomic
def keep(export: Export, file: File, state: str = State.MADE) -> None:
    """Note who stands in the file, its digest, and until when it may be fetched.

    Work that is done again after a worker died begins anew: its first file was never given out.
    """
    now = timezone.now()
    ExportedPerson.objects.filter(export=export).delete()
    ExportedPerson.objects.bulk_create(
        [ExportedPerson(export=export, transfer_id=pk) for pk in file.people], batch_size=2000
    )
    export.state, export.made_at, export.rows = state, now, file.rows
    export.sha256 = vault.digest(file.data)
    export.expires_at = now + timedelta(hours=settings.EXPORT_HOURS)
    if state == State.FETCHED:
        export.fetched_at = now
    export.save(update_fields=["state", "made_at", "sha256", "rows", "expires_at", "fetched_at"])
    if file.missing:
        _note_holes(export, file.missing)
    audit.write(
        "export_made", user=export.owner, object=export, area=export.log.area_id,
        facts={
            "serial": export.serial, "roster": export.roster, "format": export.format,
            "clear": export.clear, "rows": export.rows, "days": _narrowing(export.filters),
            "sha256": export.sha256, "log": str(export.log_id),
        },
    )  # fmt: skip


def _note_holes(export: Export, missing: tuple[str, ...]) -> None:
    """Characters that no font has stand on record, and the owner hears of them."""
    text = pdf.holes(missing, f"名册（编号 {export.serial}）")
    AccessLog.write(export.owner, AccessLog.Kind.PAPER, text[:200])
    _tell_owner(export, text)


def fail(export: Export, why: str) -> None:
    """The file will not be made. WHY is a sentence."""
    with transaction.atomic():
        Export.objects.filter(pk=export.pk).update(state=State.FAILED)
        audit.write(
            "export_made", user=export.owner, object=export, area=export.log.area_id,
            result="refused", facts={"serial": export.serial, "why": why},
        )  # fmt: skip


@jobs.job("export")
def run(progress: jobs.Progress, *, export: str) -> jobs.Result:
    """The background work behind the export button."""
    wanted = Export.objects.select_related("log", "owner").get(pk=export, owner=progress.job.owner)
    try:
        file = make(wanted, progress.step)
    except (Refused, Rejected, SandboxError) as reason:
        fail(wanted, str(reason))
        raise Rejected(str(reason)) from None
    with transaction.atomic():
        keep(wanted, file)
        progress.hold()
    return jobs.Result(file.data, file_name(wanted))


def title_of(export: Export) -> str:
    """What the file is called: the roster, or what is made of it for one enterprise."""
    roster = ROSTERS[export.roster]
    if not roster.parts:
        return roster.title
    return f"移交完成证明材料（{Enterprise.objects.get(pk=export.filters['enterprise']).name}）"


def file_name(export: Export) -> str:
    day = timezone.localtime(export.log.at)
    return f"{title_of(export)}-{day:%Y%m%d}-{export.serial}.{export.format}"


# --- fetching -----------------------------------------------------------------------------------


def fetch(export: Export, *, by: User) -> bytes | None:
    """The file, once: None when it was fetched before, is too old, or was altered."""
    made = export.job
    if made is None or not _may_be_fetched(export):
        return None
    try:
        data = vault.get(made.result_file) if made.result_file else None
    except (FileNotFoundError, NotReadable) as problem:
        log.error("the file of export %s is lost: %s", export.serial, type(problem).__name__)
        return None
    if data is None or vault.digest(data) != export.sha256:
        return None
    with transaction.atomic():
        first = Export.objects.filter(pk=export.pk, state=State.MADE)
        if not first.update(state=State.FETCHED, fetched_at=timezone.now()):
            return None
        _drop_file(made)
        _watch_the_night(export, "下载导出文件")
        audit.write(
            "export_fetched", user=by, object=export, area=export.log.area_id,
            facts={"serial": export.serial, "sha256": export.sha256, "rows": export.rows},
        )  # fmt: skip
    return data


def _may_be_fetched(export: Export) -> bool:
    in_time = export.expires_at is not None and export.expires_at > timezone.now()
    return export.state == State.MADE and in_time


def _drop_file(made: Job) -> None:
    """Take the file away when the present transaction commits; its name in the list stays."""
    file = made.result_file
    Job.objects.filter(pk=made.pk).update(result_file="")
    if file:
        transaction.on_commit(lambda: vault.remove(file))


@jobs.chore
def expire() -> int:
    """End what nobody fetched or decided in time, and what failed without a word; how many."""
    now = timezone.now()
    late = Export.objects.filter(state=State.MADE, expires_at__lte=now)
    ended = sum(_end(row, "无人下载") for row in late.select_related("job", "log")[:500])
    old = Export.objects.filter(state=State.ASKED, asked_at__lte=now - timedelta(days=ASKED_DAYS))
    ended += sum(_end(row, "无人核准") for row in old.select_related("job", "log", "owner")[:500])
    broken = Q(job__state=Job.State.FAILED) | Q(job=None, asked_at__lte=now - jobs.KEPT)
    Export.objects.filter(broken, state__in=(State.APPROVED, State.MADE)).update(state=State.FAILED)
    return ended


@transaction.atomic
def _end(export: Export, why: str) -> int:
    """Expire one export, unless somebody was faster."""
    if not Export.objects.filter(pk=export.pk, state=export.state).update(state=State.EXPIRED):
        return 0
    if export.job is not None:
        _drop_file(export.job)
    else:
        _tell_owner(export, f"{_name_of(export)}{ASKED_DAYS} 天内无人核准，已失效。")
    audit.write("export_expired", object=export, area=export.log.area_id,
                facts={"serial": export.serial, "why": why})  # fmt: skip
    return 1
