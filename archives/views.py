"""Personnel files in batches: the list, the page of a batch, and the deeds of its two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from archives import batches, documents
from archives.batch_forms import CheckPage, PackRow
from archives.forms import SendForm
from archives.models import CatalogueEntry
from transfers import handovers, workflow
from transfers.models import Transfer
from transfers.models.handovers import Handover
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import AccessLog
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest

State = Handover.State


def _batch(request: HttpRequest, pk: UUID) -> Handover:
    rows = Handover.objects.visible_to(user_of(request)).of_kind("personnel")
    return get_object_or_404(
        rows.select_related("from_enterprise", "to_area", "from_area", "to_enterprise"), pk=pk
    )


@require_GET
def batch_list(request: HttpRequest) -> HttpResponse:
    """The batches I send or receive, the newest first; `?overdue=1`: those whose receipt is late."""
    rows = Handover.objects.visible_to(user_of(request)).of_kind("personnel")
    if request.GET.get("overdue"):
        rows = rows.overdue()
    if (state := request.GET.get("state", "")) in State.values:
        rows = rows.filter(state=state)
    rows = rows.select_related("from_enterprise", "to_area").counted()
    context = {
        "page": keyset(request, rows), "states": State.choices, "yes": [("1", "回执逾期")],
        "queue_url": f"{reverse('transfers:list')}?waiting={workflow.DELIVER}",
        "may_lend": "insurance" in access.scope(user_of(request)).roles,
        "may_pack": bool(access.scope(user_of(request)).enterprises),
    }  # fmt: skip
    return render(request, "archives/batches.html", context)


@require_POST
def pack(request: HttpRequest) -> HttpResponse:
    """The ticked people of the queue into the batch that is being packed."""
    user = user_of(request)
    rows = workflow.waiting(user, workflow.DELIVER).filter(transfer_id__in=_ticked(request))
    cases = Transfer.objects.filter(pk__in=rows.values("transfer_id")).select_related(
        "retiree", "enterprise", "archive_area"
    )
    try:
        handover = batches.pack(list(cases.order_by("pk")), by=user)
    except Refused as reason:
        messages.error(request, str(reason))
        return redirect(f"{reverse('transfers:list')}?waiting={workflow.DELIVER}")
    return redirect("archives:batch", handover.pk)


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("case")][: batches.MOST_FILES]
    except ValueError:
        return []


@require_GET
def batch(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is in a batch, whose turn it is, and what happened."""
    return _page(request, _batch(request, pk))


def _page(
    request: HttpRequest, handover: Handover, status: int = 200, **typed: Any
) -> HttpResponse:
    user = user_of(request)
    mine = {side: handover.serves(side, user) for side in ("from", "to")}
    items = list(
        handover.items.select_related("transfer__retiree", "transfer__personnel_file").order_by(
            "position"
        )
    )
    context: dict[str, Any] = {
        "handover": handover, "items": items, "turns": handover.turns.order_by("-id")[:50],
        "waiting": sum(item.state == item.State.WAITING for item in items), "mine": mine,
        "is_late": handover.is_overdue and mine["from"],
    }  # fmt: skip
    if handover.state == State.PACKING and mine["from"]:
        listed = CatalogueEntry.objects.counts_by_case(item.transfer_id for item in items)
        context["rows"] = [
            PackRow(item=item, listed=listed.get(item.transfer_id)) for item in items
        ]
        context["send_form"] = SendForm()
    if handover.state == State.SENT and mine["to"]:
        context["check"] = CheckPage(handover)
    return render(request, "archives/batch.html", context | typed, status=status)


# --- deeds ----------------------------------------------------------------------------------------


def _fill(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    """Save what was counted; with `send`, send it at once."""
    items = handover.items.select_related("transfer__retiree", "file").order_by("position")
    rows = [PackRow(request.POST, item=item) for item in items]
    sending = "send" in request.POST
    form = SendForm(request.POST if sending else None, retirees={row.item.name for row in rows})
    answers = [row.is_valid() for row in rows] + ([form.is_valid()] if sending else [])
    if not all(answers):
        return _page(request, handover, 422, rows=rows, send_form=form)
    user = user_of(request)
    for row in rows:
        row.save(user)
    if not sending:
        messages.success(request, "已保存。")
        return None
    handover = batches.send(handover, by=user, **form.cleaned_data)
    messages.success(request, f"{handover.number}已送出，请打印转递单。")
    return None


def _drop(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    batches.drop(handover, by=user_of(request))
    messages.success(request, "此批已取消，所列人员仍待移交档案。")
    return redirect("archives:batches")


def _check(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    page = CheckPage(handover, request.POST)
    if not page.is_valid():
        return _page(request, handover, 422, check=page)
    decisions = page.decisions()
    if not decisions:
        messages.error(request, "没有登记任何结果：请逐份选择接收或退回。")
        return None
    head = page.head.cleaned_data
    done, refused = batches.check(
        handover, decisions, by=user_of(request), accepted_on=head["accepted_on"],
        accepted_by=head["accepted_by"],
    )  # fmt: skip
    if done:
        messages.success(request, f"已登记 {done} 份。")
    for sentence in refused[:20]:
        messages.error(request, sentence)
    return None


def _withdraw(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    reason = request.POST.get("reason", "").strip()[:200]
    count = batches.withdraw(handover, by=user_of(request), reason=reason)
    messages.success(request, f"已撤回 {count} 份。")
    return None


def _remind(request: HttpRequest, handover: Handover) -> HttpResponse | None:
    handovers.remind(handover, by=user_of(request))
    messages.success(request, "已向接收方催办回执。")
    return None


# Name in the address → the side whose deed it is, and what it does.
DEEDS = {
    "fill": ("from", _fill), "drop": ("from", _drop), "withdraw": ("from", _withdraw),
    "remind": ("from", _remind), "check": ("to", _check),
}  # fmt: skip


@require_POST
def deed(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """One deed of one side on a batch."""
    handover = _batch(request, pk)
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
    return answer or redirect("archives:batch", handover.pk)


# Name in the address → what it is called, and how it is made.
PAPERS_OF_A_BATCH = {
    "note": ("档案转递单", lambda handover: documents.delivery_note(handover)),
    "roster": ("档案移交名册", lambda handover: documents.delivery_roster(handover)),
}


@require_POST
def batch_paper(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A paper of the batch; who printed it is on record for every person in it first."""
    handover = _batch(request, pk)
    if name not in PAPERS_OF_A_BATCH:
        raise Http404
    if handover.state == State.PACKING:
        messages.error(request, "送出后才能打印。")
        return redirect("archives:batch", handover.pk)
    title, make = PAPERS_OF_A_BATCH[name]
    for item in handover.items.select_related("transfer"):
        AccessLog.write(
            user_of(request), AccessLog.Kind.PAPER, title, transfer=item.transfer,
            address=access.client_address(request),
        )  # fmt: skip
    try:
        data = make(handover)
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect("archives:batch", handover.pk)
    return download(data, f"{title}-{handover.number}.pdf", "application/pdf")
