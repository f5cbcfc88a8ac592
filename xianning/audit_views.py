"""The audit for those who watch: search, one event, the seals, a check, an export. Read-only."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from transfers.models import Transfer
from transfers.workflow import STEPS
from xianning import access, audit, audit_seals, jobs, triggers, workbook
from xianning.access import user_of
from xianning.context import capped
from xianning.models import AuditEvent, AuditSeal, Job, User, label_of
from xianning.pages import keyset
from xianning.permission_views import TITLES
from xianning.roles import ROLES
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import AuditEventQuerySet

EXPORT_LIMIT = 20_000
CHECKS_SHOWN, SEALS_SHOWN, WAITING_SHOWN = 5, 20, 100
NAMESAKES = 20  # people of one name whose events are found together
# What a fact is called on the page; a key without an entry is shown as it is.
FACTS = {
    "account": "账号存在", "article": "依据", "clear": "完整信息", "code": "原因", "count": "条数",
    "digest": "摘要", "enterprise": "移交单位", "events": "记录数", "fields": "字段",
    "filed": "已申报", "filters": "条件", "findings": "不符之处", "first": "第一处",
    "head": "封存号", "ids_sha256": "编号摘要", "kind": "种类", "log": "访问记录",
    "method": "方法", "new": "新增", "office": "机构", "page": "页面", "role": "职责",
    "rows": "条数", "seals": "封存数", "sha256": "文件摘要", "status": "状态码", "step": "步骤",
    "through": "止于封存号", "what": "内容",
}  # fmt: skip


_NAMES = {
    "page": TITLES,
    "step": {key: step.title for key, step in STEPS.items()},
    "role": {slug: role.name for slug, role in ROLES.items()},
}


# --- what is looked for -------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """The conditions of a list, checked; they narrow what the user may see, never widen it."""

    person: str = ""
    action: str = ""
    result: str = ""
    object: str = ""
    day: date | None = None

    @classmethod
    def of(cls, query: Any) -> Search:
        """From the words of a query or of a job. Raises Http404 for a word that is no condition."""
        words = {name: str(query.get(name) or "").strip()[:150] for name in cls.__annotations__}
        try:
            day = parse_date(words.pop("day"))
        except ValueError:
            raise Http404 from None
        found = cls(**words, day=day)
        if found.action not in ("", *audit.ACTIONS):
            raise Http404
        if found.result not in ("", *AuditEvent.Result.values):
            raise Http404
        return found

    def rows(self, user: User) -> AuditEventQuerySet:
        """What USER may see of what is looked for."""
        rows = AuditEvent.objects.visible_to(user)
        for column in ("action", "result"):
            if word := getattr(self, column):
                rows = rows.filter(**{column: word})
        if self.person:
            rows = rows.filter(user_id__in=self.people())
        if self.object:
            rows = rows.filter(object_id=_object_id(self.object))
        if self.day:
            # Ids are ordered by time and have an index in every combination of conditions.
            low, high = (_first_id(self.day + timedelta(days=n)) for n in (0, 1))
            rows = rows.filter(id__gte=low, id__lt=high)
        return rows

    def people(self) -> list[UUID]:
        """Accounts with this user name or name."""
        named = User.objects.filter(Q(username=self.person) | Q(full_name=self.person))
        return list(named.order_by("pk").values_list("pk", flat=True)[:NAMESAKES])

    def as_facts(self) -> dict[str, Any]:
        """The conditions as the audit keeps them: accounts by number, not what was typed."""
        words: dict[str, Any] = {
            "action": self.action,
            "result": self.result,
            "object": _object_id(self.object) if self.object else "",
            "day": self.day.isoformat() if self.day else "",
        }
        if self.person:
            words["person"] = [str(pk) for pk in self.people()]
        return {name: word for name, word in words.items() if word}

    def as_params(self) -> dict[str, str]:
        """The conditions for a job."""
        words = {"person": self.person, "action": self.action, "result": self.result,
                 "object": self.object, "day": self.day.isoformat() if self.day else ""}  # fmt: skip
        return {name: word for name, word in words.items() if word}


def _object_id(typed: str) -> str:
    """An id as the audit writes it: the number of a case stands for its id."""
    try:
        return str(UUID(typed))
    except ValueError:
        found = Transfer.objects.filter(number=typed).values_list("pk", flat=True).first()
        return str(found) if found else typed[:40]


def _first_id(day: date) -> UUID:
    """The smallest id of DAY (RFC 9562: the first 48 bits are milliseconds)."""
    start = timezone.make_aware(datetime.combine(day, time.min))
    return UUID(int=int(start.timestamp() * 1000) << 80)


# --- how an event reads -------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """An event in words."""

    event: AuditEvent
    action: str
    kind: str
    facts: list[tuple[str, str]]

    @classmethod
    def of(cls, event: AuditEvent) -> Line:
        model = _model_of(event.object_kind)
        return cls(
            event=event,
            action=audit.ACTIONS.get(event.action, event.action),
            kind=str(model._meta.verbose_name) if model else _named("page", event.object_kind),
            facts=[(FACTS.get(key, key), _words(value, key, model))
                   for key, value in event.facts.items() if value not in ("", [], {}, None)],
        )  # fmt: skip

    @property
    def sentence(self) -> str:
        return "；".join(f"{label}：{words}" for label, words in self.facts)


def _model_of(kind: str) -> Any:
    app, _, name = kind.partition(".")
    try:
        return apps.get_model(app, name) if name else None
    except LookupError:
        return None


def _words(value: Any, key: str, model: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_field_name(model, str(each)) if key == "fields" else str(each)
                        for each in value)  # fmt: skip
    if isinstance(value, dict):
        return "，".join(f"{name} {_words(each, name, None)}" for name, each in value.items())
    return _named(key, str(value))


def _named(key: str, word: str) -> str:
    """What people call a page, a step or a role."""
    return _NAMES.get(key, {}).get(word, word)


def _field_name(model: Any, name: str) -> str:
    try:
        return label_of(model, name) if model else name
    except FieldDoesNotExist:
        return name


# --- pages --------------------------------------------------------------------------------------


@require_GET
def audit_list(request: HttpRequest) -> HttpResponse:
    """The events of my area, the newest first; looking is an event too."""
    search = Search.of(request.GET)
    page = keyset(request, search.rows(user_of(request)).select_related("user"))
    audit.write("audit_read", facts={"filters": search.as_facts()})
    context = {
        "page": page,
        "lines": [Line.of(event) for event in page.rows],
        "actions": list(audit.ACTIONS.items()),
        "results": AuditEvent.Result.choices,
        "params": search.as_params(),
    }
    return render(request, "xianning/audit.html", context)


@require_GET
def audit_event(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One event with all that is known of it, and the seal that covers it."""
    rows = AuditEvent.objects.visible_to(user_of(request)).select_related("user", "area", "seal")
    event = get_object_or_404(rows, pk=pk)
    audit.write("audit_read", object=event)
    return render(request, "xianning/audit_event.html", {"line": Line.of(event), "event": event})


@require_http_methods(["GET", "POST"])
def audit_state(request: HttpRequest) -> HttpResponse:
    """The newest seals, what waits for one, the latest checks; the button starts a check."""
    user = user_of(request)
    if request.method == "POST":
        return redirect(jobs.submit(
            "audit_verify", "校验审计记录", user, {}, back_url=reverse("audit_state")
        ))  # fmt: skip
    # Each query is bounded by its index, however much the installation holds: no count of all.
    waiting = AuditEvent.objects.filter(seal=None).order_by("id")
    oldest = waiting.first()
    seals = list(AuditSeal.objects.all()[:SEALS_SHOWN])
    checks = AuditEvent.objects.filter(action="audit_verified").select_related("user")
    context = {
        "seals": seals,
        "head": seals[0] if seals else None,
        "waiting": capped(waiting, WAITING_SHOWN),
        "late": oldest is not None and oldest.at < timezone.now() - audit_seals.LATE,
        "lost_triggers": triggers.missing(),
        "checks": [Line.of(event) for event in checks.order_by("-id")[:CHECKS_SHOWN]],
        "days": triggers.audit_days(),
    }
    return render(request, "xianning/audit_state.html", context)


@require_POST
def audit_export(request: HttpRequest) -> HttpResponse:
    """What the list shows, as a workbook made in the background."""
    search, user = Search.of(request.POST), user_of(request)
    if search.rows(user).order_by()[: EXPORT_LIMIT + 1].count() > EXPORT_LIMIT:
        return render(request, "xianning/audit_too_many.html", {"limit": EXPORT_LIMIT}, status=422)
    with transaction.atomic():
        audit.write("audit_export", facts={"filters": search.as_facts()})
        made = jobs.submit(
            "audit_export", "导出审计记录", user, {"search": search.as_params()},
            back_url=reverse("audit"),
        )  # fmt: skip
    return redirect(made)


# --- work in the background ---------------------------------------------------------------------


@jobs.job("audit_verify")
def verify(progress: jobs.Progress) -> None:
    """Check everything; the outcome is an event, and a failure of the job when it is bad."""
    report = audit_seals.verify(tell=progress.step)
    number, digest = report.head
    audit.write(
        "audit_verified", result="ok" if report.good else "failed",
        facts={"events": report.events, "seals": report.seals, "findings": report.count,
               "first": report.findings[0] if report.findings else "", "head": number,
               "digest": digest},
    )  # fmt: skip
    if not report.good:
        raise Rejected(report.sentence())


HEADINGS = (
    ("时间", 20), ("人员", 12), ("用户名", 14), ("机构", 26), ("地区", 14), ("事项", 16), ("结果", 8),
    ("对象", 14), ("对象编号", 38), ("内容", 60), ("来源地址", 16), ("请求编号", 18), ("编号", 38),
    ("校验码", 66), ("封存号", 8),
)  # fmt: skip


def _why_not_give(job: Job) -> str | None:
    return "您的岗位没有此项权限。" if access.REGISTRY["audit"].refuses(job.owner) else None


@jobs.job("audit_export", _why_not_give)
def export(progress: jobs.Progress, *, search: dict[str, str]) -> jobs.Result:
    """The events in question as a workbook, with the newest seal in its head."""
    owner = User.objects.get(pk=progress.job.owner_id)
    if access.REGISTRY["audit"].refuses(owner):
        raise Rejected("您的岗位没有此项权限。")
    rows = Search.of(search).rows(owner).select_related("user").order_by("-id")
    book = Workbook(write_only=True)
    sheet = book.create_sheet("审计记录")
    for index, (_heading, width) in enumerate(HEADINGS):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    sheet.freeze_panes = "A4"
    bold = Font(bold=True)
    sheet.append([_cell(sheet, "审计记录", Font(bold=True, size=16))])
    sheet.append([_cell(sheet, _head_line(owner, search))])
    sheet.append([_cell(sheet, heading, bold) for heading, _width in HEADINGS])
    for count, event in enumerate(rows[:EXPORT_LIMIT].iterator(chunk_size=1000), start=1):
        sheet.append([_cell(sheet, text) for text in _texts(Line.of(event))])
        if count % 500 == 0:
            progress.step(count)
    out = io.BytesIO()
    book.save(out)
    return jobs.Result(out.getvalue(), f"审计记录-{timezone.localdate():%Y%m%d}.xlsx")


def _head_line(owner: User, search: dict[str, str]) -> str:
    head = AuditSeal.objects.order_by("-number").first()
    sealed = f"封存号 {head.number}，摘要 {head.digest}" if head else "尚无封存"
    asked = "，".join(f"{name}={word}" for name, word in search.items()) or "全部"
    return f"{owner.full_name}　{timezone.localtime():%Y-%m-%d %H:%M} 导出　条件：{asked}　{sealed}"


def _texts(line: Line) -> list[str]:
    event = line.event
    return [
        f"{timezone.localtime(event.at):%Y-%m-%d %H:%M:%S.%f}"[:-3], event.user_name,
        event.user.username if event.user else "", event.office_name, event.area_id or "",
        line.action, event.get_result_display(), line.kind, event.object_id, line.sentence,
        event.address, event.request_id, str(event.pk), event.mac, str(event.seal_id or ""),
    ]  # fmt: skip


def _cell(sheet: Any, text: str, font: Font | None = None) -> Any:
    cell = WriteOnlyCell(sheet)
    workbook.write_text(cell, text)
    if font is not None:
        cell.font = font
    return cell
