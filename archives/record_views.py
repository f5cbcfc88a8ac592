"""Other archives: the lists, the page of one, the deeds of its two sides, its papers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from archives import documents, records
from archives.forms import SendForm
from archives.record_forms import CheckPage
from enterprises.models import Enterprise
from transfers import handovers
from transfers.models.handovers import Handover, HandoverItem
from transfers.refusal import Refused
from xianning import access, audit
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import WorkbookField
from xianning.models import AccessLog
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User

State = Handover.State


class UploadForm(forms.Form):
    """A whole list as one workbook."""

    file = WorkbookField(
        label="交接清单工作簿",
        help_text="只接受 .xlsx；每行一卷（盒、件）；原有的清单由工作簿中的代替",
    )  # fmt: skip


def _list(request: HttpRequest, pk: UUID) -> Handover:
    rows = Handover.objects.visible_to(user_of(request)).of_kind("records")
    return get_object_or_404(
        rows.select_related("from_enterprise", "to_area", "from_area", "to_enterprise"), pk=pk
    )


def _enterprises(user: User) -> Any:
    return Enterprise.objects.filter(pk__in=access.scope(user).enterprises).order_by("name")


@require_GET
def record_lists(request: HttpRequest) -> HttpResponse:
    """The lists that I send or receive, the newest first."""
    user = user_of(request)
    rows = Handover.objects.visible_to(user).of_kind("records")
    if request.GET.get("overdue"):
        rows = rows.overdue()
    if (state := request.GET.get("state", "")) in State.values:
        rows = rows.filter(state=state)
    rows = rows.select_related("from_enterprise", "to_area").counted()
    context = {
        "page": keyset(request, rows), "states": State.choices, "yes": [("1", "回执逾期")],
        "enterprises": _enterprises(user)[:20],
    }  # fmt: skip
    return render(request, "archives/records.html", context)


@require_POST
def records_begin(request: HttpRequest) -> HttpResponse:
    """The list that one of my enterprises is packing; a new one when there is none."""
    user = user_of(request)
    try:
        chosen = _enterprises(user).filter(pk=UUID(request.POST.get("enterprise", ""))).first()
    except ValueError:
        chosen = None
    if chosen is None:
        messages.error(request, "请选择本单位后再整理清单。")
        return redirect("archives:records")
    return redirect(records.begin(chosen, by=user))


@require_GET
def records_batch(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is in a list, whose turn it is, and what happened; `?from=` is the first line shown."""
    return _page(request, _list(request, pk))


def _first(request: HttpRequest) -> int:
    text = request.GET.get("from", "")
    return int(text) if text.isdecimal() and len(text) < 5 else 0


def _page(
    request: HttpRequest, handover: Handover, status: int = 200, **typed: Any
) -> HttpResponse:
    user, first = user_of(request), _first(request)
    mine = {side: handover.serves(side, user) for side in ("from", "to")}
    lines = handover.items.select_related("record").order_by("position")
    sums = handover.items.aggregate(
        lines=Count("pk"), volumes=Sum("volumes"), pieces=Sum("pieces"), pages=Sum("pages")
    )
    items = list(lines.filter(position__gte=first)[: records.SHOWN + 1])
    more = items[records.SHOWN].position if len(items) > records.SHOWN else 0
    items = items[: records.SHOWN]
    context: dict[str, Any] = {
        "handover": handover, "items": items, "first": first, "more": more, "sums": sums,
        "turns": handover.turns.order_by("-id")[:50], "mine": mine,
        "waiting": handover.items.filter(state=HandoverItem.State.WAITING).count(),
        "is_late": handover.is_overdue and mine["from"],
    }  # fmt: skip
    if handover.state == State.PACKING and mine["from"]:
        context["lines"] = records.LinesFormSet(initial=records.initial_of(items), prefix="line")
        context["send_form"], context["upload_form"] = SendForm(), UploadForm()
    if handover.state == State.SENT and mine["to"]:
        context["check"] = CheckPage(items)
    return render(request, "archives/records_batch.html", context | typed, status=status)


# --- deeds ----------------------------------------------------------------------------------------


def _fill(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    """Save the lines of this page; with `send`, send the list at once."""
    first = _first(request)
    rows = handover.items.select_related("record").filter(position__gte=first)
    shown = list(rows.order_by("position")[: records.SHOWN])
    lines: Any = records.LinesFormSet(
        request.POST, initial=records.initial_of(shown), prefix="line"
    )
    sending = "send" in request.POST
    form = SendForm(request.POST if sending else None)
    answers = [lines.is_valid()] + ([form.is_valid()] if sending else [])
    if not all(answers):
        return _page(request, handover, 422, lines=lines, send_form=form)
    user = user_of(request)
    records.save(handover, lines, by=user)
    if not sending:
        messages.success(request, "已保存。")
        return None
    handover = handovers.send(handover, by=user, **form.cleaned_data)
    messages.success(request, f"{handover.number}已送出，请打印交接清单和交接文据。")
    return None


def _import(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    """The list from a workbook: all of it, or nothing and every wrong row."""
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, handover, 422, upload_form=form)
    file, user = form.cleaned_data["file"], user_of(request)
    try:
        found = records.read(file.read(), file.name)
        if found.problems:
            problems, more = found.problems[:200], max(0, len(found.problems) - 200)
            return _page(request, handover, 422, problems=problems, more_problems=more)
        count = records.replace(handover, found, by=user)
    except (Rejected, SandboxError, Refused) as reason:
        form.add_error("file", str(reason))
        return _page(request, handover, 422, upload_form=form)
    audit.write("imported", user=user, object=handover, facts={"kind": "records", "count": count})
    messages.success(request, f"已导入 {count} 行，请核对后送出。")
    return None


def _drop(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    records.drop(handover, by=user_of(request))
    messages.success(request, "此清单已取消。")
    return redirect("archives:records")


def _check(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    first = _first(request)
    rows = handover.items.select_related("record").filter(position__gte=first)
    page = CheckPage(list(rows.order_by("position")[: records.SHOWN]), request.POST)
    if not page.is_valid():
        return _page(request, handover, 422, check=page)
    decisions, head = page.decisions(), page.head.cleaned_data
    if head["rest"]:
        decisions += records.rest(handover, decisions)
    if not decisions:
        messages.error(request, "没有登记任何结果：请逐行选择接收或退回。")
        return None
    done, refused = records.check(
        handover, decisions, by=user_of(request), shelf=head["shelf"].strip()
    )
    if done:
        messages.success(request, f"已登记 {done} 行。")
    for sentence in refused[:20]:
        messages.error(request, sentence)
    return None


def _withdraw(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    reason = request.POST.get("reason", "").strip()[:200]
    count = handovers.withdraw(handover, by=user_of(request), reason=reason)
    messages.success(request, f"已撤回 {count} 行。")
    return None


def _remind(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    handovers.remind(handover, by=user_of(request))
    messages.success(request, "已向接收方催办回执。")
    return None


# Name in the address → the side whose deed it is, and what it does.
DEEDS = {
    "fill": ("from", _fill), "import": ("from", _import), "drop": ("from", _drop),
    "withdraw": ("from", _withdraw), "remind": ("from", _remind), "check": ("to", _check),
}  # fmt: skip


@require_POST
def records_deed(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """One deed of one side on a list."""
    handover = _list(request, pk)
    if name not in DEEDS:
        raise Http404
    side, act = DEEDS[name]
    if not handover.serves(side, user_of(request)):
        raise PermissionDenied("此事由另一方办理（第六条第4项）。")
    try:
        answer = act(request, handover)
    except Refused as reason:
        messages.error(request, str(reason))
        answer = None
    return answer or redirect(handover)


# --- papers ---------------------------------------------------------------------------------------

# Name in the address → what it is called, and how it is made.
PAPERS = {
    "list": ("其他档案交接清单", lambda handover: documents.records_list(handover)),
    "deed": ("档案交接文据", lambda handover: documents.records_deed(handover)),
}


@require_POST
def records_paper(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A paper of the list; who printed it is on record first."""
    handover = _list(request, pk)
    if name not in PAPERS:
        raise Http404
    if handover.state == State.PACKING:
        messages.error(request, "送出后才能打印。")
        return redirect(handover)
    title, make = PAPERS[name]
    AccessLog.write(
        user_of(request), AccessLog.Kind.PAPER, f"{title}：{handover.number}", rows=0,
        address=access.client_address(request),
    )  # fmt: skip
    try:
        data = make(handover)
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect(handover)
    return download(data, f"{title}-{handover.number}.pdf", "application/pdf")


@require_GET
def records_template(request: HttpRequest) -> HttpResponse:
    """The empty workbook to fill in."""
    return download(
        records.template(), f"其他档案交接清单模板-{timezone.localdate():%Y}.xlsx", XLSX
    )
