"""The size of type that a user reads best: 18 px as a rule, 22.5 px when he asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from xianning.access import user_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_POST
def text_size(request: HttpRequest) -> HttpResponse:
    """Large type on or off, then back to the page where it was asked for."""
    user = user_of(request)
    user.large_type = not user.large_type
    user.save(update_fields=["large_type"])
    address = request.POST.get("next", "")
    fine = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return redirect(address if fine else "account")
