"""Check-in day: find a person, see how he stands, take his form, hand out the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from communities.check_in import LIMIT, Question, check_in, standing, today
from communities.check_in_forms import DeskForm, FindForm
from transfers.models import Transfer
from transfers.refusal import Refused
from xianning import audit
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

_WITH = ("retiree", "enterprise", "community", "authority", "archive_area", "party_area")


def desk(request: HttpRequest) -> HttpResponse:
    """One field; what is asked comes as a POST, so that no name or number stands in an address."""
    form = FindForm(request.POST or None)
    if request.method != "POST":
        return _desk(request, form)
    if not form.is_valid():
        return _desk(request, form, 422)
    question: Question = form.cleaned_data["q"]
    found = list(question.answer(user_of(request)).select_related(*_WITH)[: LIMIT + 1])
    audit.write(
        "desk_search", object=found[0] if len(found) == 1 else None,
        facts={"by": question.kind, "found": len(found)},
    )  # fmt: skip
    if len(found) == 1:
        version = f"?version={question.code.version}" if question.code else ""
        return redirect(reverse("communities:check_in", args=[found[0].pk]) + version)
    if found:
        return _desk(request, FindForm(), found=found)
    reason = question.elsewhere() or "没有找到此人。" + (
        "请核对输入；人不在本社区名下的，请扫描其《基本信息表》上的二维码，看接收社区是哪里。"
    )
    return _desk(request, FindForm(), missing=reason)


def _desk(
    request: HttpRequest, form: FindForm, status: int = 200, *, missing: str = "",
    found: list[Transfer] | None = None,
) -> HttpResponse:  # fmt: skip
    user = user_of(request)
    context = {
        "form": form,
        "missing": missing,
        "found": [(case, standing(case, user)) for case in (found or [])[:LIMIT]],
        "more": len(found or []) > LIMIT,
        "limit": LIMIT,
        "page": keyset(request, today(user), size=10, count=True),
    }
    return render(request, "communities/desk.html", context, status=status)


def person(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How one person stands, and the one form with which he is checked in."""
    user = user_of(request)
    case = get_object_or_404(
        Transfer.objects.visible_to(user).select_related(*_WITH), pk=pk
    )  # fmt: skip
    given = request.POST if request.method == "POST" else request.GET
    version = _version(given.get("version", ""))
    state = standing(case, user, version)
    if not state.is_open:
        status = 409 if request.method == "POST" else 200
        return _person(request, case, state=state, status=status)
    form = DeskForm(
        request.POST or None, transfer=case, by=user, initial={"version": version}
    )  # fmt: skip
    if request.method != "POST":
        return _person(request, case, state=state, form=form)
    if not form.is_valid():
        return _person(request, case, state=state, form=form, status=422)
    try:
        entry = check_in(case, by=user, **form.cleaned_data)
    except Refused as reason:
        messages.error(request, str(reason))
        return redirect("communities:check_in", pk=case.pk)
    messages.success(
        request,
        f"{case.retiree.name}已报到：台账号 {entry.ledger_number}，联系卡 {entry.card}。请接待下一位。",
    )
    return redirect("communities:desk")


def _version(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _person(
    request: HttpRequest, case: Transfer, *, status: int = 200, **context: object
) -> HttpResponse:
    return render(request, "communities/check_in.html", {"case": case, **context}, status=status)
