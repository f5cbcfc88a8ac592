"""The one-time page for a receiver outside Xianning: no account, the code stands on the paper.

Nothing is said before the code fits: a letter that does not exist, is not to leave Xianning, or
belongs to another code gets the same answer in the same status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from party import codes, letters
from party.forms import CodeForm, OutsideReceiptForm
from party.models import PartyMove
from transfers.refusal import Refused
from xianning import access
from xianning.accounts import guard

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

# In a quarter of an hour: tries for one letter, and for all letters from one address.
OF_A_LETTER = guard.Bound(5, 5)
OF_AN_ADDRESS = guard.Bound(30, 15)
WRONG = "回执码不正确，请核对回执联上的 13 个数字和字母。"
TOO_MANY = "尝试次数过多，请 15 分钟后再试。"


@login_not_required
def receipt(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for the code; show what the letter says; take the receipt once."""
    if request.method != "POST":
        return _ask(request, CodeForm())
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _ask(request, form, 422)
    if not _may_try(request, pk):
        form.add_error("code", TOO_MANY)
        return _ask(request, form, 429)
    letter = _find(pk)
    if letter is None or not codes.is_code_of(letter, form.cleaned_data["code"]):
        form.add_error("code", WRONG)
        return _ask(request, form, 422)
    _give_back(request, pk)
    if reason := letter.why_not_receipt():
        return _page(request, 409, reason=reason)
    return _take(request, letter, form.cleaned_data["code"])


def _take(request: HttpRequest, letter: PartyMove, code: str) -> HttpResponse:
    """The code fits: show the letter, or enter what was typed about it."""
    answered = "answered" in request.POST
    form = OutsideReceiptForm(request.POST if answered else None, letter=letter)
    if not (answered and form.is_valid()):
        return _page(request, 422 if answered else 200, letter=letter, form=form, code=code)
    facts = form.cleaned_data
    facts["receipt_number"] = facts["receipt_number"] or letter.number
    try:
        by = letters.issuer_of(letter)
        letters.receipt(
            letter, by=by, receipt_on=timezone.localdate(), way=PartyMove.Way.PAGE, **facts
        )
    except Refused as reason:
        return _page(request, 409, reason=str(reason))
    return _page(request, 200, done=letter.number)


def _find(pk: UUID) -> PartyMove | None:
    rows = PartyMove.objects.select_related("transfer__retiree", "transfer__enterprise")
    return rows.filter(pk=pk, receiver=None, voided_at=None).first()


def _may_try(request: HttpRequest, pk: UUID) -> bool:
    if not guard.take("receipt address", access.client_address(request), OF_AN_ADDRESS):
        return False
    return guard.take("receipt", str(pk), OF_A_LETTER)


def _give_back(request: HttpRequest, pk: UUID) -> None:
    guard.give_back("receipt", str(pk), OF_A_LETTER)
    guard.give_back("receipt address", access.client_address(request), OF_AN_ADDRESS)


def _ask(request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
    return _page(request, status, form=form)


def _page(request: HttpRequest, status: int, **context: object) -> HttpResponse:
    usual = {"letter": None, "form": None, "code": "", "reason": "", "done": ""}
    answer = render(request, "party/receipt.html", usual | context, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
