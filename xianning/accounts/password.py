"""One's own password, and the page about one's account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_GET

from xianning import audit, passwords
from xianning.access import user_of
from xianning.accounts import guard, second_factor, sessions
from xianning.accounts.sign_in import locked
from xianning.forms import PasswordForm

if TYPE_CHECKING:
    from django.contrib.auth.forms import PasswordChangeForm
    from django.http import HttpRequest, HttpResponse


class PasswordChange(PasswordChangeView):
    """One's own password; a first sign-in with a password from the administrator leads here."""

    form_class = PasswordForm
    success_url = reverse_lazy("home")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {"too_old": passwords.is_too_old(user_of(self.request))}
        return super().get_context_data(**kwargs) | more

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """An unattended browser is no place to guess the old password at."""
        if not guard.take("proof", str(user_of(request).pk), guard.PROOF):
            return locked(request)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        if "old_password" not in form.errors:  # the new one was at fault: nobody guesses
            guard.give_back("proof", str(user_of(self.request).pk), guard.PROOF)
        return super().form_invalid(form)

    @transaction.atomic
    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        request, old_key = self.request, self.request.session.session_key
        guard.give_back("proof", str(user_of(request).pk), guard.PROOF)
        response = super().form_valid(form)
        user = user_of(request)
        user.must_change_password = False
        user.save(update_fields=["must_change_password"])
        sessions.renew_key(request, old_key)
        sessions.mark_fresh(request)
        ended = sessions.end_all(user, "password", but=request)
        audit.write("password_changed", user=user, object=user)
        more = f"其他 {ended} 处登录已结束。" if ended else ""
        messages.success(request, f"密码已修改。{more}")
        return response


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """What belongs to my account: password, phone, where I am signed in."""
    user = user_of(request)
    device = second_factor.device_of(user)
    context = {
        "device": device,
        "left": second_factor.codes_left(user) if device else 0,
        "demanded": second_factor.is_demanded(),
        "offices": user.offices.order_by("name"),
        "running": sessions.alive_of(user).count(),
    }
    return render(request, "xianning/account.html", context)
