"""How often somebody may guess: buckets that leak, one row each, taken before the hasher runs.

Five tries of one account from one address are django-axes' part. Here are the bounds it has not:
one account from many addresses, one address with many accounts, and a browser that its owner has
used before, which goes on working while strangers guess at his account.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.core import signing
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from xianning import access
from xianning.forms import axes_username
from xianning.models import GuessBucket

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

QUARTER = 15 * 60 * 1000  # milliseconds


@dataclass(frozen=True)
class Bound:
    """At most BURST tries at once and REFILL more in a quarter of an hour."""

    burst: int
    refill: int

    @property
    def step(self) -> int:
        return QUARTER // self.refill


# A stranger has at most 6 + 4 = 10 checks of one account in any quarter of an hour.
ACCOUNT = Bound(6, 4)
DEVICE = Bound(5, 5)  # the owner's own browser
ADDRESS = Bound(200, 100)  # failures of all accounts behind one address
PROOF = Bound(5, 5)  # second factor and repeated proof of one user
SETUP = Bound(10, 10)


def _key(kind: str, what: str) -> str:
    """What is counted, unreadable: a name may be a password typed into the wrong field."""
    return salted_hmac(f"guard {kind}", what, algorithm="sha256").hexdigest()


def take(kind: str, what: str, bound: Bound) -> bool:
    """Take one try out of the bucket; False when it is empty. Two conditional updates, no race."""
    now = int(timezone.now().timestamp() * 1000)
    rows = GuessBucket.objects.filter(pk=_key(kind, what))
    room = now + (bound.burst - 1) * bound.step
    for _ in range(2):
        if rows.filter(free_at__lte=now).update(free_at=now + bound.step):
            return True
        if rows.filter(free_at__gt=now, free_at__lte=room).plus(bound.step):
            return True
        if rows.exists():
            return False
        GuessBucket.objects.get_or_create(pk=_key(kind, what), defaults={"free_at": 0})
    return False


def give_back(kind: str, what: str, bound: Bound) -> None:
    """The try was no guess."""
    GuessBucket.objects.filter(pk=_key(kind, what)).plus(-bound.step)


# --- known browsers -----------------------------------------------------------------------------

_SALT = "known browser"
_YEAR = 365 * 24 * 3600
_PEOPLE = 8  # of one shared computer


def _cookie_name() -> str:
    return "__Host-known" if settings.SECURE else "known"


def _mark_of(username: str) -> str:
    return salted_hmac(_SALT, username, algorithm="sha256").hexdigest()[:24]


def _read(request: HttpRequest) -> tuple[str, list[str]]:
    """Number of this browser and the marks of who signed in with it; empty when unknown."""
    try:
        number, marks = signing.loads(
            request.COOKIES.get(_cookie_name(), ""), salt=_SALT, max_age=_YEAR
        )
        return str(number), [str(mark) for mark in marks]
    except (signing.BadSignature, ValueError, TypeError):
        return "", []


def known_browser(request: HttpRequest, username: str) -> str:
    """Number of this browser when USERNAME has signed in with it before, else nothing."""
    number, marks = _read(request)
    mark = _mark_of(username)
    return number if any(constant_time_compare(mark, each) for each in marks) else ""


def remember_browser(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """A signed cookie that names nobody and opens nothing: it only keeps the owner from waiting."""
    number, marks = _read(request)
    mark = _mark_of(username)
    marks = [mark, *(each for each in marks if each != mark)][:_PEOPLE]
    value = signing.dumps([number or secrets.token_hex(8), marks], salt=_SALT)
    response.set_cookie(
        _cookie_name(), value, max_age=_YEAR, secure=settings.SECURE, httponly=True,
        samesite="Strict",
    )  # fmt: skip


# --- signing in ---------------------------------------------------------------------------------


def is_known(request: HttpRequest | None, credentials: dict[str, Any] | None) -> bool:
    """Whether axes leaves this try to the bucket of the known browser (AXES_WHITELIST_CALLABLE)."""
    return request is not None and bool(known_browser(request, axes_username(request, credentials)))


def may_try(request: HttpRequest, username: str) -> bool:
    """Take what one check of the password of USERNAME costs; False: do not check it now."""
    if number := known_browser(request, username):
        return take("browser", f"{number} {username}", DEVICE)
    if not AxesProxyHandler.is_allowed(request, {"username": username}):
        return False
    address = access.client_address(request)
    if not take("address", address, ADDRESS):
        return False
    if take("account", username, ACCOUNT):
        return True
    give_back("address", address, ADDRESS)
    return False


def was_right(request: HttpRequest, username: str) -> None:
    """The password fitted, so nobody guessed."""
    if number := known_browser(request, username):
        give_back("browser", f"{number} {username}", DEVICE)
    else:
        give_back("account", username, ACCOUNT)
        give_back("address", access.client_address(request), ADDRESS)
    GuessBucket.objects.sweep()
