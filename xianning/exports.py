"""Giving a roster out: scope, right and reason are checked, the trace is written, then the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from archives.rosters import ARCHIVES
from communities.rosters import LEDGER
from enterprises.rosters import ENTERPRISES
from party.rosters import PARTY
from transfers.rosters import TRANSFERS
from xianning import access, jobs
from xianning.models import AccessLog, User
from xianning.roster import Made, Roster
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from xianning.models import Job

ROSTERS: dict[str, Roster] = {
    roster.name: roster for roster in (ENTERPRISES, TRANSFERS, ARCHIVES, LEDGER, PARTY)
}
FORMATS = {"xlsx": "Excel 工作簿", "pdf": "PDF 文件"}
PDF_LIMIT, XLSX_LIMIT = 20_000, 200_000


class Refused(Exception):
    """An export that is not allowed; the text is a sentence for the user."""


def open_to(user: User) -> list[Roster]:
    """The rosters that USER's offices keep or receive."""
    mine = access.scope(user).roles
    return [roster for roster in ROSTERS.values() if roster.roles & mine]


def why_not(user: User, roster: Roster, *, clear: bool, reason: str) -> str | None:
    """Why USER cannot export ROSTER, as a sentence; None when he can."""
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


def why_not_fetch(user: User, made: Job) -> str | None:
    """Why USER may no longer fetch the file of an export he once asked for."""
    roster, entry = ROSTERS[made.params["roster"]], AccessLog.objects.get(pk=made.params["log"])
    return why_not(user, roster, clear=made.params["clear"], reason=entry.reason)


def record(user: User, roster: Roster, *, clear: bool, reason: str, address: str = "") -> AccessLog:
    """The trace of an export, written before anything is given out."""
    count = roster.rows(user).order_by().count()
    what = f"{roster.title}（{'完整' if clear else '脱敏'}）"
    return AccessLog.write(
        user, AccessLog.Kind.EXPORT, what, reason=reason, rows=count, address=address
    )


def make(user: User, roster: Roster, format_: str, log: AccessLog, *, clear: bool,
         tell: Callable[[int, int], None]) -> bytes:  # fmt: skip
    """The file. TELL hears how many rows of how many are done. Raises Refused over the limit."""
    rows = roster.rows(user).order_by("pk")
    limit = PDF_LIMIT if format_ == "pdf" else XLSX_LIMIT
    if log.rows > limit:
        raise Refused(f"共 {log.rows} 行，超过 {limit} 行，请缩小范围后分次导出。")
    made = Made(user.full_name, log.office_name, log.at, log.pk.hex[-8:].upper(), clear)
    lines = _steadily(rows)
    if format_ == "xlsx":
        return roster.to_xlsx(lines, made, lambda done: tell(done, log.rows))
    return roster.to_pdf(lines, log.rows, made, lambda done: tell(done, log.rows))


def _steadily(rows: Any) -> Iterator[Any]:
    """ROWS a thousand at a time, so that memory does not grow with the list."""
    return rows.iterator(chunk_size=1000)


@jobs.job("export")
def export(
    progress: jobs.Progress, *, roster: str, format: str, log: str, clear: bool
) -> jobs.Result:
    """The background work behind the export button."""
    owner = progress.job.owner
    sheet, entry = ROSTERS[roster], AccessLog.objects.get(pk=log, user=owner)
    if refusal := why_not(owner, sheet, clear=clear, reason=entry.reason):
        raise Rejected(refusal)
    try:
        data = make(owner, sheet, format, entry, clear=clear, tell=progress.step)
    except Refused as reason:
        raise Rejected(str(reason)) from None
    day = timezone.localdate()
    return jobs.Result(data, f"{sheet.title}-{day:%Y%m%d}.{format}")


def submit(user: User, roster: Roster, format_: str, log: AccessLog, *, clear: bool) -> Job:
    """Ask for the file in the background."""
    return jobs.submit(
        "export", f"导出{roster.title}（{FORMATS[format_]}）", user,
        {"roster": roster.name, "format": format_, "log": str(log.pk), "clear": clear},
        back_url=f"/rosters/{roster.name}/",
    )  # fmt: skip
