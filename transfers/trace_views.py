"""Who saw a person's data: told to the offices that see the case, and to auditors (第十一条)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from transfers.models import Transfer
from xianning.access import user_of
from xianning.exports import with_exports
from xianning.models import AccessLog, ExportedPerson
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@require_GET
def accesses(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Every reveal, print, scan and export of the person of a case, the newest first."""
    mine = Transfer.objects.visible_to(user_of(request))
    case = get_object_or_404(mine.select_related("retiree"), pk=pk)
    # An earlier case of the same person counts too, when it is mine to see.
    cases = list(mine.filter(retiree=case.retiree_id).values_list("pk", flat=True))
    given = ExportedPerson.objects.filter(transfer__in=cases)
    logs = list(given.values_list("export__log", flat=True).distinct())
    rows = AccessLog.objects.filter(Q(transfer__in=cases) | Q(pk__in=logs))
    page = keyset(request, rows.select_related("user", "export"), count=True)
    context = {"case": case, "page": page, "lines": with_exports(page.rows)}
    return render(request, "transfers/accesses.html", context)
