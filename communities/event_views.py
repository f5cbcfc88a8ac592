"""The events of 第十条: the inbox of the receivers, the register of the community, one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef, Prefetch
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities import events
from communities.event_forms import AnswerForm, CorrectionForm, EventForm
from communities.models import EventReceipt, LifeEvent, Reception
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

MINE = ("mine", "待本部门签收")
STATES = [
    ("open", "待签收"),
    ("late", "逾期未签收"),
    ("over", "已全部签收"),
    ("corrected", "已更正"),
]
AT_ONCE = 100


@require_GET
def event_list(request: HttpRequest) -> HttpResponse:
    """The reports of my communities, or those sent to my office, the newest first."""
    user = user_of(request)
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    rows = LifeEvent.objects.visible_to(user)
    receiver = bool(access.scope(user).served & {*events.RECEIVERS})
    states = [MINE, *STATES] if receiver else STATES
    if state not in {"", *dict(states)} or kind not in {"", *LifeEvent.Kind.values}:
        raise Http404
    asked = Exists(EventReceipt.objects.waiting_for(user).filter(event=OuterRef("pk")))
    if state == "mine":
        rows = rows.filter(asked)
    elif state == "open":
        rows = rows.open()
    elif state == "late":
        rows = rows.open().filter(due_on__lt=timezone.localdate())
    elif state == "over":
        rows = rows.standing().exclude(pk__in=LifeEvent.objects.open().values("pk"))
    elif state == "corrected":
        rows = rows.exclude(corrected_at=None)
    if kind:
        rows = rows.filter(kind=kind)
    rows = (
        rows.annotate(asked=asked)
        .select_related("transfer__retiree", "community")
        .prefetch_related(Prefetch("receipts", EventReceipt.objects.order_by("role")))
    )
    context = {
        "page": keyset(request, rows, count=True), "states": states,
        "kinds": LifeEvent.Kind.choices, "receiver": receiver,
        "today": timezone.localdate(),
        "manages": bool(access.scope(user).roles & {"community", "street"}),
    }  # fmt: skip
    return render(request, "communities/events.html", context)


def event_report(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Report what happened to the person of one case."""
    user = user_of(request)
    rows = Reception.objects.visible_to(user).select_related(
        "transfer__retiree", "community__parent__parent"
    )
    entry = get_object_or_404(rows, transfer=pk)
    if reason := events.why_not_report(entry, user):
        messages.error(request, reason)
        return redirect("communities:events")
    case = entry.transfer
    form = EventForm(request.POST or None, case=case)
    if request.method == "POST" and form.is_valid():
        try:
            event = events.report(case, by=user, **form.cleaned_data)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("communities:events")
        messages.success(request, f"已报告人社部门和医保部门，答复期限 {event.due_on:%Y-%m-%d}。")
        if event.kind == LifeEvent.Kind.DIED:
            messages.warning(request, events.ALLOWANCE)
        return redirect("communities:event", event.pk)
    context = {"form": form, "case": case, "entry": entry}
    status = 422 if request.method == "POST" else 200
    return render(request, "communities/event_report.html", context, status=status)


def _fetch(request: HttpRequest, pk: UUID) -> LifeEvent:
    rows = LifeEvent.objects.visible_to(user_of(request)).select_related(
        "transfer__retiree", "transfer__enterprise", "community", "reported_by", "corrected_by"
    )
    return get_object_or_404(rows, pk=pk)


def _mine(event: LifeEvent, request: HttpRequest) -> EventReceipt | None:
    """The receipt that the user's office owes or gave; None for a community."""
    mine = EventReceipt.objects.at_desks_of(user_of(request))
    return mine.select_related("area").filter(event=event).first()


@require_GET
def event(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One event: the report, the two answers, what can be done."""
    return _page(request, _fetch(request, pk))


def _page(request: HttpRequest, found: LifeEvent, status: int = 200, **typed: Any) -> HttpResponse:
    user, receipt = user_of(request), _mine(found, request)
    context: dict[str, Any] = {
        "event": found, "receipts": found.receipts.select_related("area").order_by("role"),
        "today": timezone.localdate(), "receipt": receipt,
    }  # fmt: skip
    if receipt and not events.why_not_acknowledge(receipt, user):
        context["answer_form"] = AnswerForm(kinds={found.kind})
    if not events.why_not_correct(found, user):
        context["correction_form"] = CorrectionForm()
    return render(request, "communities/event.html", context | typed, status=status)


@require_POST
def event_acknowledge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My office has read it, and says what it did."""
    found = _fetch(request, pk)
    receipt = _mine(found, request)
    if receipt is None:
        raise Http404
    form = AnswerForm(request.POST, kinds={found.kind})
    if not form.is_valid():
        return _page(request, found, 422, answer_form=form, form=form)
    try:
        events.acknowledge(receipt, by=user_of(request), **form.cleaned_data)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "已签收。")
    return redirect("communities:event", pk)


@require_POST
def event_correct(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The report was wrong."""
    found = _fetch(request, pk)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _page(request, found, 422, correction_form=form, form=form)
    try:
        events.correct(found, by=user_of(request), **form.cleaned_data)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "已更正，人社部门和医保部门会收到通知。")
    return redirect("communities:event", pk)


@require_POST
def event_answer_many(request: HttpRequest) -> HttpResponse:
    """Answer the ticked reports of one inbox with the same words: ask, then do."""
    user = user_of(request)
    rows = EventReceipt.objects.waiting_for(user).filter(event__in=_ticked(request))
    receipts = list(rows.select_related("event__transfer__retiree", "area").order_by("pk"))
    if not receipts:
        messages.error(request, "没有选中待签收的报告，或所选的已由他人签收。")
        return redirect("communities:events")
    form = AnswerForm(
        request.POST if "deed" in request.POST else None,
        kinds={receipt.event.kind for receipt in receipts},
    )
    if not form.is_valid():
        context = {"form": form, "receipts": receipts}
        status = 422 if form.is_bound else 200
        return render(request, "communities/event_answers.html", context, status=status)
    done, refused = events.acknowledge_many(receipts, by=user, **form.cleaned_data)
    if done:
        messages.success(request, f"已签收 {done} 件。")
    for sentence in refused[:20]:
        messages.error(request, sentence)
    return redirect("communities:events")


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("event")][:AT_ONCE]
    except ValueError:
        return []
