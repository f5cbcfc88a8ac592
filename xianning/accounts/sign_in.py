"""Signing in with a password and, where there is one, the code of the phone; signing out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from xianning.accounts import guard, second_factor, sessions
from xianning.forms import CodeForm, SignInForm, username_of
from xianning.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

HALF = timedelta(minutes=5)  # how long the page of the code waits
_HALF = "half_signed_in"
# Cookies stay: the mark of the known browser is one; that of the session is deleted by itself.
CLEAR = '"cache", "storage"'


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """The sign-in page; says why the user was signed out, when he was."""

    form_class = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        why = self.request.GET.get("why", "")
        sentence = sessions.REASONS.get(why, ("", ""))[1]
        return super().get_context_data(**kwargs) | {"ended": sentence}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Whether a try is left is asked before the password is looked at."""
        name = username_of(request.POST.get("username", ""))
        if name and request.POST.get("password") and not guard.may_try(request, name):
            return locked(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        guard.was_right(self.request, user.username)
        target = self.get_success_url()
        if second_factor.device_of(user) is not None:
            _begin_half(self.request, user, target)
            return redirect("sign_in_code")
        return _enter(self.request, user, target)


def locked(request: HttpRequest) -> HttpResponse:
    """The same page for every name, whether it is an account or not."""
    return render(request, "lockout.html", status=429)


def _enter(request: HttpRequest, user: User, target: str, device: Any = None) -> HttpResponse:
    sessions.begin(request, user, device)
    response = redirect(target)
    guard.remember_browser(request, response, user.username)
    return response


# --- the second step ----------------------------------------------------------------------------


def _begin_half(request: HttpRequest, user: User, target: str) -> None:
    """Remember, without the password, who has typed the right one."""
    request.session.flush()
    request.session[_HALF] = {
        "user": str(user.pk), "hash": user.get_session_auth_hash(), "next": target,
        "until": (timezone.now() + HALF).timestamp(),
    }  # fmt: skip


def _half_user(request: HttpRequest) -> User | None:
    """Who waits for his code: still in time, active, with the same password."""
    half = request.session.get(_HALF)
    if not half or timezone.now().timestamp() > half["until"]:
        return None
    user = User.objects.filter(pk=UUID(half["user"]), is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), half["hash"]):
        return None
    return user


@login_not_required
@sensitive_post_parameters("code")
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """The code of the phone, or `?with=paper` a recovery code, within five minutes."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    user = _half_user(request)
    if user is None:
        request.session.flush()
        return redirect(f"{resolve_url('sign_in')}?why=gone")
    form = CodeForm(request.POST if request.method == "POST" else None)
    on_paper = request.GET.get("with") == "paper"
    if on_paper:
        form.ask_for_paper()
    if form.is_bound and form.is_valid():
        if not guard.take("proof", str(user.pk), guard.PROOF):
            request.session.flush()
            return locked(request)
        device = second_factor.device_of(user)
        if second_factor.check(user, form.cleaned_data["code"]):
            guard.give_back("proof", str(user.pk), guard.PROOF)
            return _enter(request, user, request.session[_HALF]["next"], device)
        form.add_error("code", _wrong(on_paper))
    status = 422 if form.is_bound else 200
    context = {"form": form, "on_paper": on_paper}
    return render(request, "registration/sign_in_code.html", context, status=status)


def _wrong(on_paper: bool) -> str:
    if on_paper:
        return "备用码不正确，或已经用过。"
    return "口令不正确，或这个口令已经用过。请等手机显示下一个口令再试，最多等 30 秒。"


# --- leaving ------------------------------------------------------------------------------------


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session and tell the browser to forget what it kept."""
    if request.user.is_authenticated:
        sessions.sign_off(request)
    response = redirect("sign_in")
    response["Clear-Site-Data"] = CLEAR
    return response
