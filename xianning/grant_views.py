"""Grants: asked by the system administrator, decided by the security administrator (等保 8.1.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from xianning import access, accounts
from xianning.access import user_of
from xianning.models import Grant, GrantRefused, User
from xianning.office_forms import accounts as accounts_of
from xianning.pages import keyset
from xianning.roles import RIGHTS, ROLES

if TYPE_CHECKING:
    from datetime import timedelta

    from django.http import HttpRequest

UNUSED_DAYS = 90  # 等保 L3-CES1-07: accounts nobody uses are found and closed


class DecisionForm(forms.Form):
    """Yes or no, and why: no needs a sentence for who asked."""

    decision = forms.ChoiceField(
        label="核准意见", choices=[("yes", "核准"), ("no", "不予核准")], widget=forms.RadioSelect
    )
    answer = forms.CharField(label="说明", required=False, max_length=200)

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        if data.get("decision") == "no" and len(data.get("answer") or "") < 4:
            self.add_error("answer", "不予核准须写明原因（至少四个字）。")
        return data


@require_GET
def grants(request: HttpRequest) -> HttpResponse:
    """Those that wait come first when asked for; otherwise all, the newest first."""
    rows = Grant.objects.visible_to(user_of(request)).select_related("user", "office", "asked_by")
    state = request.GET.get("state", "")
    if state:
        if state not in Grant.State.values:
            raise Http404
        rows = rows.filter(state=state)
    context = {"page": keyset(request, rows, count=True), "states": Grant.State.choices}
    return render(request, "xianning/grants.html", context)


def grant(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One wish: what it opens, and the decision."""
    rows = Grant.objects.visible_to(user_of(request))
    asked = get_object_or_404(rows.select_related("user", "office__area", "asked_by"), pk=pk)
    user = user_of(request)
    decides = "approve_grants" in access.scope(user).rights
    form = DecisionForm(request.POST or None) if decides else None
    if request.method == "POST":
        if not decides:
            return _withdraw(request, asked)
        assert form is not None
        if form.is_valid():
            if stop := accounts.require_fresh(request):
                return stop
            return _decide(request, asked, form)
    context = {
        "grant": asked,
        "role": ROLES[asked.office.role],
        "rights": [RIGHTS[right] for right in RIGHTS if right in ROLES[asked.office.role].rights],
        "form": form,
        "held": asked.user.offices.order_by("name"),
        "why_not": asked.why_not_decide(by=user) if decides else None,
        "is_mine": asked.asked_by == user and asked.state == Grant.State.ASKED,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "xianning/grant.html", context, status=status)


def _decide(request: HttpRequest, asked: Grant, form: DecisionForm) -> HttpResponse:
    approve = form.cleaned_data["decision"] == "yes"
    try:
        asked.decide(approve=approve, answer=form.cleaned_data["answer"], by=user_of(request))
    except GrantRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("grant", asked.pk)
    word = "已核准，立即生效" if approve else "不予核准"
    messages.success(request, f"{asked.user}加入{asked.office}：{word}。")
    return redirect("grants")


def _withdraw(request: HttpRequest, asked: Grant) -> HttpResponse:
    if "withdraw" not in request.POST:
        raise PermissionDenied("授权由安全管理员核准。")
    try:
        asked.withdraw(by=user_of(request))
        messages.success(request, "申请已撤回。")
    except GrantRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("grants")


@require_GET
def account_review(request: HttpRequest) -> HttpResponse:
    """Accounts that nobody used for 90 days, still open: to be closed or kept, knowingly."""
    since = timezone.now() - _unused()
    rows = accounts_of(user_of(request)).filter(is_active=True, date_joined__lt=since)
    unused = rows.filter(last_login=None) | rows.filter(last_login__lt=since)
    page = keyset(request, unused.prefetch_related("offices"), count=True)
    context = {"page": page, "days": UNUSED_DAYS, "keeps": _keeps_accounts(user_of(request))}
    return render(request, "xianning/account_review.html", context)


def _unused() -> timedelta:
    return timedelta(days=UNUSED_DAYS)


def _keeps_accounts(user: User) -> bool:
    return not access.REGISTRY["user_edit"].refuses(user)
