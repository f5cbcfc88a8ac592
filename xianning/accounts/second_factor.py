"""The second factor: a code of the phone (RFC 6238), and ten codes on paper for its loss."""

from __future__ import annotations

import base64
import secrets
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import segno
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from xianning import audit, privacy
from xianning.access import user_of
from xianning.accounts import sessions
from xianning.forms import CodeForm
from xianning.models import RecoveryCode, TotpDevice, User

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

CODES, LONG = 10, 10  # how many, and their letters
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0, O, 1, l, I: read off paper
_PENDING = "enrolment"  # of the session: the sealed secret that no phone has confirmed yet


# --- who needs it, who has it -------------------------------------------------------------------


def is_demanded() -> bool:
    """Everybody needs two factors, whatever his role (ASVS 6.3.3, 等保 CES-04)."""
    return bool(settings.SECOND_FACTOR)


def is_missing(user: User) -> bool:
    """Whether this session of USER lacks the factor that is demanded."""
    return is_demanded() and user.otp_device is None  # type: ignore[attr-defined]


def device_of(user: User) -> TotpDevice | None:
    return TotpDevice.objects.filter(user=user, confirmed=True).first()


def fold_code(text: str) -> str:
    """What was typed without blanks and hyphens, in half width."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if sign.isalnum())


def check(user: User, text: str) -> str:
    """Which factor TEXT proves, and uses up: `totp`, `recovery`, or nothing.

    Six digits are the phone's code, everything else a recovery code.
    """
    code = fold_code(text)
    device = device_of(user)
    if device is None:
        return ""
    if len(code) == 6 and code.isdigit():
        if not device.verify_token(code):
            return ""
        audit.write("second_factor_used", user=user, object=user)
        return "totp"
    digests = privacy.blind_indexes(f"{user.pk} {code}", _PURPOSE)
    unused = RecoveryCode.objects.filter(user=user, digest__in=digests, used_at=None)
    if not unused.update(used_at=timezone.now()):
        return ""
    audit.write("recovery_code_used", user=user, object=user, facts={"left": codes_left(user)})
    return "recovery"


# --- codes on paper -----------------------------------------------------------------------------


_PURPOSE = "xianning.RecoveryCode.digest"


def _digest(user: User, code: str) -> str:
    return privacy.blind_index(f"{user.pk} {code}", _PURPOSE)


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


@transaction.atomic
def new_codes(user: User) -> list[str]:
    """Ten fresh recovery codes of 10 characters (49 bits); the former ones are void.

    Short enough to be read off paper. They are kept as keyed digests and not as slow hashes: whoever
    has the table alone can try nothing, and whoever has the key too reads the phones' secrets.
    """
    RecoveryCode.objects.filter(user=user).delete()
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(LONG)) for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(user, code)) for code in codes
    )
    audit.write("recovery_codes_made", user=user, object=user, facts={"count": CODES})
    return [f"{code[:5]}-{code[5:]}" for code in codes]


# --- setting it up ------------------------------------------------------------------------------


def _label(user: User) -> str:
    return f"enrolment of {user.pk}"


def _pending(request: HttpRequest) -> str:
    """The hexadecimal secret that waits for its first code, or nothing."""
    sealed = request.session.get(_PENDING, "")
    try:
        return privacy.unseal(sealed, _label(user_of(request))) if sealed else ""
    except privacy.NotReadable:
        return ""


def _start(request: HttpRequest) -> None:
    request.session[_PENDING] = privacy.seal(secrets.token_hex(20), _label(user_of(request)))


def address_for_phone(user: User, secret: str) -> str:
    """The `otpauth://` address that the QR code shows (Key Uri Format of the authenticators)."""
    issuer = settings.OTP_TOTP_ISSUER
    words = {"secret": in_base32(secret), "issuer": issuer, "digits": 6, "period": TotpDevice.STEP}
    return (
        f"otpauth://totp/{quote(f'{issuer}:{user.username}')}?{urlencode(words, quote_via=quote)}"
    )


def in_base32(secret: str) -> str:
    """As the applications want a secret typed."""
    return base64.b32encode(bytes.fromhex(secret)).decode().rstrip("=")


def in_groups(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@transaction.atomic
def register(request: HttpRequest, secret: str, step: int) -> list[str]:
    """The phone has shown a code of SECRET: it is the factor now, in place of any former one.

    Other sessions of the user end. Returns the recovery codes.
    """
    user = user_of(request)
    TotpDevice.objects.filter(user=user).delete()
    device = TotpDevice.objects.create(
        user=user, name="手机", secret=secret, last_step=step, confirmed=True
    )
    audit.write("second_factor_added", user=user, object=user)
    codes = new_codes(user)
    request.session.pop(_PENDING, None)
    sessions.verified_by(request, device)
    sessions.mark_fresh(request)
    sessions.end_all(user, "factor", but=request)
    return codes


@transaction.atomic
def remove(user: User, *, by: User, but: HttpRequest | None = None) -> None:
    """USER has one factor again, until he sets the second up anew; his sessions end."""
    TotpDevice.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    audit.write("second_factor_removed", user=by, object=user)
    sessions.end_all(user, "factor", but=but)


# --- the page -----------------------------------------------------------------------------------


@sensitive_variables()
@sensitive_post_parameters("code")
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set the phone up step by step, change it, renew the recovery codes."""
    if request.method == "POST":
        return _act(request)
    return _page(request, CodeForm())


def _act(request: HttpRequest) -> HttpResponse:
    from xianning.accounts.proof import require_fresh

    if "cancel" in request.POST:
        request.session.pop(_PENDING, None)
        return redirect("second_factor")
    if "code" in request.POST:
        return _confirm(request)
    if stop := require_fresh(request):
        return stop
    if "start" in request.POST:
        _start(request)
        return redirect("second_factor")
    user = user_of(request)
    if device_of(user) is None:
        messages.error(request, "您还没有启用手机动态口令。")
    elif "codes" in request.POST:
        return _show_codes(request, new_codes(user), is_new=False)
    elif "remove" in request.POST and not is_demanded():
        remove(user, by=user, but=request)
        messages.success(request, "手机动态口令已停用，今后只凭密码登录。")
    elif "remove" in request.POST:
        messages.error(request, "登录须使用手机动态口令，不能停用；换手机请按“更换手机”。")
    return redirect("second_factor")


def _confirm(request: HttpRequest) -> HttpResponse:
    secret = _pending(request)
    if not secret:
        messages.error(request, "设置已中断，请重新开始。")
        return redirect("second_factor")
    form = CodeForm(request.POST)
    if form.is_valid():
        step = TotpDevice.step_of(secret, fold_code(form.cleaned_data["code"]))
        if step is not None:
            return _show_codes(request, register(request, secret, step), is_new=True)
        form.add_error(
            "code", "口令不对。请看手机上现在显示的 6 位数字；手机时间须设为自动（网络时间）。"
        )
    return _page(request, form, 422)


def _page(request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
    user, secret = user_of(request), _pending(request)
    context: dict[str, object] = {
        "device": device_of(user), "demanded": is_demanded(), "form": form, "pending": secret,
    }  # fmt: skip
    if secret:
        code = segno.make(address_for_phone(user, secret), micro=False, error="m")
        context["picture"] = code.svg_data_uri(scale=5, border=4, light="#fff")
        context["groups"] = in_groups(in_base32(secret))
    elif context["device"]:
        context["left"] = codes_left(user)
    return render(request, "xianning/account_factor.html", context, status=status)


def _show_codes(request: HttpRequest, codes: list[str], *, is_new: bool) -> HttpResponse:
    context = {"codes": codes, "is_new": is_new}
    return render(request, "xianning/account_codes.html", context)
