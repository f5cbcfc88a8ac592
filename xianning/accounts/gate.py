"""What stands between a signed-in user and every page: his session, password, factor, proof."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from xianning.access import user_of
from xianning.accounts import networks, proof, second_factor, sessions
from xianning.passwords import is_too_old

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from django.http import HttpRequest, HttpResponse

    from xianning.access import Rule

# Open before the password is changed and the second factor is there; `alive` only keeps a session.
_ALWAYS = frozenset({"sign_out", "password_change", "alive", "health", "communities:card_check"})
_TO_ENROL = _ALWAYS | {"second_factor", "prove"}
_FROM_EVERYWHERE = frozenset({"sign_out", "health", "communities:card_check"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionMiddleware:
    """Ends the session that idled too long, is too old, or was ended elsewhere.

    The user is sent to the sign-in page, which says why and leads back to where he was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and (why := sessions.why_over(request)):
            sessions.drop(request, why)
            request.user = AnonymousUser()
            request.ended = why  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        why = getattr(request, "ended", "")
        if why and getattr(view, "login_required", True):
            query = urlencode({"why": why, "next": _way_back(request)})
            return redirect(f"{reverse('sign_in')}?{query}")
        if request.user.is_authenticated and not _is_polling(request):
            sessions.touch(request)
        return None


def _way_back(request: HttpRequest) -> str:
    """The page the user looked at: this one, or the one whose form he sent."""
    if request.method in _SAFE:
        return request.get_full_path()
    came_from = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(came_from, {request.get_host()}, request.is_secure()):
        parts = urlsplit(came_from)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return reverse(settings.LOGIN_REDIRECT_URL)


def _is_polling(request: HttpRequest) -> bool:
    """A page that asks for its own progress is no sign that somebody sits before it."""
    match = request.resolver_match
    return "HX-Request" in request.headers and match is not None and match.view_name == "job"


def gate(request: HttpRequest, name: str, rule: Rule) -> HttpResponse | None:
    """Where the signed-in user must go before he may open NAME; None when nothing is in the way.

    Raises PermissionDenied for an administrator outside ADMIN_NETWORKS.
    """
    user = user_of(request)
    if name not in _FROM_EVERYWHERE:
        networks.require_of_administrators(request)
    if name in _ALWAYS:
        return None
    if user.must_change_password or is_too_old(user):
        return redirect("password_change")
    if name not in _TO_ENROL and second_factor.is_missing(user):
        return redirect("second_factor")
    if rule.fresh and request.method not in _SAFE:
        return proof.require_fresh(request)
    return None
