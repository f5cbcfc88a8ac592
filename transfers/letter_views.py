"""What waits for the printer; 移交通知书: what is due, what was written, printing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from communities.models import Area
from enterprises.models import Enterprise
from transfers import handover_letters, piles
from transfers.models import HandoverLetter
from xianning import access, pages
from xianning.access import user_of
from xianning.downloads import download
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    """Papers to be printed, streets that are still to be told, letters that were written."""
    user = user_of(request)
    rows = HandoverLetter.objects.visible_to(user).select_related("area", "enterprise", "issued_by")
    context = {
        "unprinted": piles.unprinted(user),
        "due": handover_letters.due(user),
        "page": pages.keyset(request, rows),
        "token": secrets.token_hex(8),
        "limit": handover_letters.LIMIT,
    }
    return render(request, "transfers/letters.html", context)


@require_POST
def letter_issue(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Write the next letter of one of my enterprises to a street."""
    user = user_of(request)
    enterprise = get_object_or_404(Enterprise, pk=pk, pk__in=access.scope(user).enterprises)
    street = get_object_or_404(Area, pk=request.POST.get("street", ""), level=Area.Level.TOWNSHIP)
    token = request.POST.get("token", "")[:32] or secrets.token_hex(8)
    try:
        letter = handover_letters.issue(user, enterprise, street, token)
    except handover_letters.NobodyLeft as reason:
        messages.error(request, str(reason))
    else:
        messages.success(
            request, f"{letter.number}已制作（{letter.people} 人），街道已收到通知。请打印、盖章。"
        )
    return redirect("transfers:letters")


@require_POST
def letter(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Print a letter; who printed it is on record first."""
    user = user_of(request)
    rows = HandoverLetter.objects.visible_to(user).select_related("area", "enterprise")
    found = get_object_or_404(rows, pk=pk)
    handover_letters.note(found, user, access.client_address(request))
    try:
        made = handover_letters.handover_letter(found)
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect("transfers:letters")
    return download(made, f"{handover_letters.TITLE}-{found.number}.pdf", "application/pdf")
