"""Re-handover between communities (第十条, 居住地变更): the list, asking, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from communities import rehandovers
from communities.models import Reception, Rehandover
from communities.rehandover_forms import ProposeForm, RefuseForm, TakeForm, WithdrawForm
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from collections.abc import Callable

    from django import forms
    from django.http import HttpRequest

    from xianning.models import User

WAYS = [("in", "转入"), ("out", "转出")]


@require_GET
def rehandover_list(request: HttpRequest) -> HttpResponse:
    """Those that come to my communities and those that leave them, the newest first."""
    user = user_of(request)
    state, way = request.GET.get("state", ""), request.GET.get("way", "")
    if state not in {"", *Rehandover.State.values} or way not in {"", *dict(WAYS)}:
        raise Http404
    every = Rehandover.objects
    rows = {"in": every.incoming, "out": every.outgoing}.get(way, every.visible_to)(user)
    if state:
        rows = rows.filter(state=state)
    rows = rows.select_related("transfer__retiree", "from_community", "to_community")
    context = {
        "page": keyset(request, rows, count=True), "ways": WAYS, "states": Rehandover.State.choices,
    }  # fmt: skip
    return render(request, "communities/rehandovers.html", context)


def propose(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask another community to take the person of one case, who has moved there."""
    user = user_of(request)
    rows = Reception.objects.visible_to(user).select_related(
        "transfer__retiree", "community__parent__parent"
    )
    entry = get_object_or_404(rows, transfer=pk)
    if reason := rehandovers.why_not_propose(entry, user):
        messages.error(request, reason)
        return redirect("communities:rehandovers")
    form = ProposeForm(request.POST or None, entry=entry)
    if request.method == "POST" and form.is_valid():
        try:
            onward = rehandovers.propose(entry.transfer, by=user, **form.cleaned_data)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("communities:rehandovers")
        messages.success(
            request, f"已请{onward.to_community.full_name}接收，并已报告人社部门和医保部门。"
        )
        return redirect("communities:rehandover", onward.pk)
    context = {"form": form, "case": entry.transfer, "entry": entry}
    status = 422 if request.method == "POST" else 200
    return render(request, "communities/rehandover_propose.html", context, status=status)


def _fetch(request: HttpRequest, pk: UUID) -> Rehandover:
    rows = Rehandover.objects.visible_to(user_of(request)).select_related(
        "transfer__retiree", "transfer__enterprise", "from_community", "to_community", "event",
        "proposed_by", "decided_by",
    )  # fmt: skip
    return get_object_or_404(rows, pk=pk)


@require_GET
def rehandover(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One re-handover: who, from where, where to, how it was answered, what can be done."""
    return _page(request, _fetch(request, pk))


def _page(
    request: HttpRequest, onward: Rehandover, status: int = 200, **typed: Any
) -> HttpResponse:
    user = user_of(request)
    context: dict[str, Any] = {
        "onward": onward,
        "is_mine": access.scope(user).may_act("community", area=onward.transfer.community_id),
        "times": onward.transfer.managements.select_related("community"),
    }
    if not rehandovers.why_not_decide(onward, user):
        context |= {"take_form": TakeForm(onward=onward), "refuse_form": RefuseForm()}
    if not rehandovers.why_not_withdraw(onward, user):
        context["withdraw_form"] = WithdrawForm()
    return render(request, "communities/rehandover.html", context | typed, status=status)


def _act(
    request: HttpRequest, pk: UUID, side: str, name: str, make: Callable[[Rehandover], forms.Form],
    deed: Callable[..., object], done: str,
) -> HttpResponse:  # fmt: skip
    """What all three answers have in common: the desk, the form, the deed, the sentence."""
    onward, user = _fetch(request, pk), user_of(request)
    if not _serves(onward, side, user):
        raise PermissionDenied
    form = make(onward)
    if not form.is_valid():
        return _page(request, onward, 422, **{name: form, "form": form})
    try:
        deed(onward, by=user, **form.cleaned_data)
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, done)
    return redirect("communities:rehandover", pk)


def _serves(onward: Rehandover, side: str, user: User) -> bool:
    return access.scope(user).may_act("community", area=getattr(onward, f"{side}_community_id"))


@require_POST
def accept(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My community takes the person."""
    return _act(
        request, pk, "to", "take_form", lambda onward: TakeForm(request.POST, onward=onward),
        rehandovers.accept, "已接收，此人由本社区管理服务。",
    )  # fmt: skip


@require_POST
def refuse(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My community does not, and says why."""
    return _act(
        request, pk, "to", "refuse_form", lambda _onward: RefuseForm(request.POST),
        rehandovers.refuse, "已退回移出社区。",
    )  # fmt: skip


@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My community takes its question back."""
    return _act(
        request, pk, "from", "withdraw_form", lambda _onward: WithdrawForm(request.POST),
        rehandovers.withdraw, "已撤回。",
    )  # fmt: skip
