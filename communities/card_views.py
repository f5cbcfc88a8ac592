"""社区联系卡: the public check, the list that is printed, one person's cards."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import Exists, F, OuterRef
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from communities import cards, documents
from communities.models import ContactCard, Reception
from transfers.models import PrintedPaper
from transfers.papers import PAPERS
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.downloads import download
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from xianning.models import User

AT_ONCE = 200
STATES = [("fresh", "还没有打印"), ("lost", "已挂失")]


@login_not_required
def card_check(request: HttpRequest) -> HttpResponse:
    """Whether a card number is valid, and whom to call; `?number=` comes from the card's QR code."""
    number = (request.POST or request.GET).get("number", "").strip()
    is_valid = bool(number) and cards.is_valid(number)
    context = {
        "asked": bool(number), "is_valid": is_valid,
        "phone": cards.desk_phone(number) if is_valid else "",
    }  # fmt: skip
    return render(request, "communities/card_check.html", context)


def card_paper(request: HttpRequest) -> HttpResponse:
    """The cards of my communities, and the sheet that prints the ticked ones."""
    if request.method != "POST":
        return _list(request)
    rows = _held(user_of(request)).select_related("reception__transfer")
    chosen = list(rows.filter(reception__transfer__in=_ticked(request)))
    if not chosen:
        messages.error(request, "没有选中要打印的联系卡，或所选的卡已作废。")
        return _list(request, 422)
    entries = list(
        Reception.objects.filter(pk__in=[card.reception_id for card in chosen])
        .select_related("transfer__retiree", "community")
        .order_by("ledger_number")
    )
    for entry in entries:
        address = access.client_address(request)
        PAPERS["card"].note(entry.transfer, user_of(request), address=address)
    try:
        sheet = documents.contact_cards_sheet(
            entries, check_url=request.build_absolute_uri(reverse("communities:card_check"))
        )
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect("communities:card_paper")
    name = f"社区联系卡{timezone.localdate():%Y-%m-%d}（{len(entries)} 张）.pdf"
    return download(sheet, name, "application/pdf")


def _held(user: User) -> QuerySet[ContactCard]:
    """The cards in the hands of people of USER's communities."""
    mine = Reception.objects.visible_to(user).filter(is_active=True)
    return ContactCard.objects.held().filter(reception__in=mine.values("pk"))


def _list(request: HttpRequest, status: int = 200) -> HttpResponse:
    state = request.GET.get("state", "")
    printed = Exists(
        PrintedPaper.objects.filter(
            transfer=OuterRef("reception__transfer"), paper__in=("card", "card_stock"),
            version=OuterRef("number"),
        )
    )  # fmt: skip
    rows = _held(user_of(request)).annotate(printed=printed)
    if state == "fresh":
        rows = rows.filter(printed=False)
    elif state == "lost":
        rows = rows.exclude(lost_on=None)
    elif state:
        raise Http404
    rows = rows.select_related("reception__transfer__retiree", "reception__community")
    context = {"page": keyset(request, rows, count=True), "states": STATES}
    return render(request, "communities/cards.html", context, status=status)


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("case")][:AT_ONCE]
    except ValueError:
        return []


def person(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The cards of one person, newest first, and what can be done with them now."""
    user = user_of(request)
    rows = Reception.objects.visible_to(user).select_related("transfer__retiree", "community")
    entry = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        key = request.POST.get("deed", "")
        if key not in cards.DEEDS:
            raise Http404
        try:
            cards.act(entry, key, by=user)
        except Refused as reason:
            messages.error(request, str(reason))
        else:
            messages.success(request, cards.DEEDS[key].done)
        return redirect("communities:card_person", pk)
    issued = entry.cards.select_related("issued_by", "lost_by", "voided_by", "successor")
    context = {
        "entry": entry, "case": entry.transfer, "why_not": cards.why_not(entry, user),
        "cards": issued.order_by(F("voided_on").desc(nulls_first=True), "-pk"),
        "deeds": cards.open_deeds(entry, user),
    }  # fmt: skip
    return render(request, "communities/card_person.html", context)
