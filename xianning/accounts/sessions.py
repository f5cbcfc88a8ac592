"""Sessions: how they begin, how long they last, how their owner and the system end them.

A session is a row of `SignInSession` beside Django's own: what is ended there is refused at the
next request, in every worker.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import auth, messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from xianning import access, audit
from xianning.access import client_address, user_of
from xianning.models import SignInSession, User
from xianning.roles import ADMINISTRATORS

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from xianning.models import TotpDevice
    from xianning.models.accounts import SignInSessionQuerySet

BACKEND = "django.contrib.auth.backends.ModelBackend"
SEEN_EVERY = timedelta(minutes=1)  # how often the last use is written down
KEPT = 100  # sessions shown to their owner

# Why a session ended: the word of the list, and the sentence of the sign-in page.
REASONS: dict[str, tuple[str, str]] = {
    "sign_out": ("退出登录", ""),
    "idle": (
        "长时间没有操作",
        "您较长时间没有操作，为保护退休人员信息，系统已替您退出。登录后回到刚才的页面。",
    ),
    "age": ("登录满 12 小时", "登录已满 12 小时，请重新登录，登录后回到刚才的页面。"),
    "limit": ("在别处登录过多", "您的账号又在别处登录，超过了同时登录的个数，这里的登录已结束。"),
    "owner": ("本人结束", "这里的登录已由您本人在“登录会话”中结束。"),
    "password": ("密码已更改", "密码已更改，请用新密码登录。"),
    "factor": ("动态口令已变更", "手机动态口令已变更，请重新登录。"),
    "account": ("账号停用", "登录已失效，请重新登录。"),
    "proof": ("多次验证未通过", "多次验证未通过，系统已替您退出，请重新登录。"),
    "gone": ("已失效", "登录已失效，请重新登录。"),
}


def digest(key: str | None) -> str:
    """SHA-256 of a session key: whoever reads the table cannot use the session."""
    return hashlib.sha256((key or "").encode()).hexdigest()


def idle_limit(user: User) -> timedelta:
    """How long USER may do nothing; administrators half as long (等保 L3-CES1-02)."""
    halved = access.scope(user).roles & ADMINISTRATORS
    return timedelta(seconds=settings.SESSION_IDLE // (2 if halved else 1))


def age_limit() -> timedelta:
    return timedelta(seconds=settings.SESSION_COOKIE_AGE)


def present(request: HttpRequest) -> SignInSessionQuerySet:
    """The row of this very session."""
    return SignInSession.objects.filter(
        user_id=user_of(request).pk, key_digest=digest(request.session.session_key)
    )


# --- beginning ----------------------------------------------------------------------------------


def begin(request: HttpRequest, user: User, device: TotpDevice | None = None) -> None:
    """Sign USER in under a new key; DEVICE has shown the second factor.

    More than SESSION_LIMIT at a time: the oldest end.
    """
    request.session.flush()
    auth.login(request, user, BACKEND)
    if device is not None:
        verified_by(request, device)
    mark_fresh(request)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        running = alive_of(user).order_by("-started_at", "-id")
        surplus = list(running.values_list("pk", flat=True)[settings.SESSION_LIMIT - 1 :])
        if surplus:
            _end(SignInSession.objects.filter(pk__in=surplus), "limit")
        SignInSession.objects.create(
            user=user, key_digest=digest(request.session.session_key),
            address=client_address(request)[:45], device=device_name(request),
        )  # fmt: skip


def alive_of(user: User) -> SignInSessionQuerySet:
    now = timezone.now()
    return SignInSession.objects.filter(
        user=user, ended_at=None, started_at__gt=now - age_limit(),
        seen_at__gt=now - idle_limit(user),
    )  # fmt: skip


def verified_by(request: HttpRequest, device: TotpDevice) -> None:
    """From now on this session has both factors."""
    import django_otp

    django_otp.login(request, device)


def mark_fresh(request: HttpRequest) -> None:
    """The user has just proved who he is."""
    request.session["proved_at"] = timezone.now().timestamp()


_BROWSERS = (
    ("微信", r"MicroMessenger/(\d+)"), ("QQ 浏览器", r"QQBrowser/(\d+)"),
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"), ("Opera", r"OPR/(\d+)"), ("Firefox", r"Firefox/(\d+)"),
    ("Chrome", r"Chrome/(\d+)"), ("Safari", r"Version/(\d+)[\d.]* (?:Mobile/\w+ )?Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("安卓手机", r"Android"), ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Windows", r"Windows"),
    ("macOS", r"Mac OS X"), ("统信 UOS", r"UOS"), ("麒麟", r"Kylin"), ("Linux", r"Linux"),
)  # fmt: skip


def device_name(request: HttpRequest) -> str:
    """What the owner recognises his browser by: `Chrome 120，Windows`."""
    agent = request.headers.get("User-Agent", "")[:500]
    browser = next(
        (f"{name} {found[1]}" for name, sign in _BROWSERS if (found := re.search(sign, agent))),
        "其他浏览器",
    )
    system = next((name for name, sign in _SYSTEMS if re.search(sign, agent)), "")
    return f"{browser}，{system}" if system else browser


# --- lasting ------------------------------------------------------------------------------------


def why_over(request: HttpRequest) -> str:
    """A key of REASONS when this session must not be used any more, else nothing."""
    row = present(request).first()
    if row is None:
        return "gone"
    if row.ended_at:
        return row.end_reason or "gone"
    request.sign_in = row  # type: ignore[attr-defined]
    now = timezone.now()
    if now - row.started_at >= age_limit():
        return "age"
    return "idle" if now - row.seen_at >= idle_limit(user_of(request)) else ""


def drop(request: HttpRequest, why: str) -> None:
    """Forget a session that is over; the browser keeps nothing that opens it."""
    if why != "gone":
        _end(present(request).running(), why)
    request.session.flush()


def touch(request: HttpRequest) -> None:
    """Write the last use down, at most once in SEEN_EVERY."""
    row: SignInSession | None = getattr(request, "sign_in", None)
    now = timezone.now()
    if row is not None and now - row.seen_at >= SEEN_EVERY:
        SignInSession.objects.running().filter(pk=row.pk).update(seen_at=now)


@dataclass(frozen=True)
class Ends:
    """When this session ends, in whole seconds from now: unused, and at the latest."""

    idle: int
    left: int


def ends(request: HttpRequest) -> Ends | None:
    """For the page, which tells its reader two minutes before."""
    row: SignInSession | None = getattr(request, "sign_in", None)
    if row is None:
        return None
    left = row.started_at + age_limit() - timezone.now()
    # What is written down may lag behind by SEEN_EVERY: rather tell early.
    idle = idle_limit(user_of(request)) - SEEN_EVERY
    return Ends(int(idle.total_seconds()), int(left.total_seconds()))


def renew_key(request: HttpRequest, old_key: str | None) -> None:
    """The session got a new key (its password changed): its row follows."""
    SignInSession.objects.filter(key_digest=digest(old_key)).update(
        key_digest=digest(request.session.session_key)
    )


@require_GET
def alive(request: HttpRequest) -> HttpResponse:
    """Somebody types in a long form, or pressed 继续使用: the session goes on."""
    return HttpResponse("", content_type="text/plain")


# --- ending -------------------------------------------------------------------------------------


def _end(rows: SignInSessionQuerySet, why: str) -> int:
    """End ROWS and write one event for each; returns how many ran until now."""
    ended = 0
    for row in rows.select_related("user"):
        changed = SignInSession.objects.running().filter(pk=row.pk)
        if changed.update(ended_at=timezone.now(), end_reason=why):
            audit.write("session_ended", user=row.user, object=row, facts={"why": why})
            ended += 1
    return ended


def end_all(user: User, why: str, *, but: HttpRequest | None = None) -> int:
    """End the sessions of USER, except that of the request BUT; WHY is a key of REASONS."""
    rows = SignInSession.objects.running().filter(user=user)
    if but is not None:
        rows = rows.exclude(key_digest=digest(but.session.session_key))
    return _end(rows, why)


def sign_off(request: HttpRequest) -> None:
    """The user leaves: `sign_out` is the event, so no second one is written."""
    present(request).running().update(ended_at=timezone.now(), end_reason="sign_out")
    auth.logout(request)


@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    """Where I am signed in, and where I was."""
    user = user_of(request)
    mine, running = SignInSession.objects.visible_to(user), alive_of(user)
    here = digest(request.session.session_key)
    context = {
        "here": mine.filter(key_digest=here).first(),
        "others": list(running.exclude(key_digest=here)),
        "ended": [
            (row, REASONS.get(row.end_reason or "idle", REASONS["gone"])[0])
            for row in mine.exclude(pk__in=running.values("pk"))[:KEPT]
        ],
        "limit": settings.SESSION_LIMIT,
    }
    return render(request, "xianning/account_sessions.html", context)


@require_POST
def session_end(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End one of my own; this very one is left by signing out."""
    row = get_object_or_404(SignInSession.objects.visible_to(user_of(request)), pk=pk)
    if row.key_digest == digest(request.session.session_key):
        messages.info(request, "要结束这里的登录，请按“退出”。")
    elif _end(SignInSession.objects.running().filter(pk=row.pk), "owner"):
        messages.success(request, f"{row.device}的登录已结束。")
    else:
        messages.info(request, "这个登录此前已经结束。")
    return redirect("sessions")


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """End all of mine but this one."""
    ended = end_all(user_of(request), "owner", but=request)
    messages.success(request, f"已结束其他 {ended} 处登录。" if ended else "没有其他登录。")
    return redirect("sessions")
