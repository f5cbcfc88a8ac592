"""Party organisations of my enterprise or street: list, add, change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from party.organization_forms import OrganizationForm
from party.organizations import PartyOrganization
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    """The organisations that I keep, the newest first."""
    rows = PartyOrganization.objects.visible_to(user_of(request)).select_related(
        "enterprise", "area", "parent"
    )
    context = {"page": keyset(request, rows, count=True)}
    return render(request, "party/organizations.html", context)


def organization_add(request: HttpRequest) -> HttpResponse:
    return _edit(request, PartyOrganization(), "登记党组织")


@transaction.atomic
def organization(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change one; the row is locked while it is checked and written."""
    rows = PartyOrganization.objects.visible_to(user_of(request))
    if request.method == "POST":
        rows = rows.select_for_update(of=("self",))
    found = get_object_or_404(rows, pk=pk)
    return _edit(request, found, found.name)


def _edit(request: HttpRequest, row: PartyOrganization, heading: str) -> HttpResponse:
    form = OrganizationForm(request.POST or None, instance=row, by=user_of(request))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{row.name}已保存。")
        return redirect("party:organizations")
    context = {
        "form": form, "heading": heading, "place": "" if row._state.adding else row.place,
        "back_url": reverse("party:organizations"),
    }  # fmt: skip
    return render(
        request, "party/organization_edit.html", context,
        status=422 if request.method == "POST" else 200,
    )  # fmt: skip
