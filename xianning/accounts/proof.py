"""A second proof of identity before what harms most (ASVS 7.5.3).

The page that asks carries what the user sent as hidden fields and posts to the same address, so
that after the proof the very same request goes on: nothing is typed twice, nothing is kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from xianning import access, audit
from xianning.access import user_of
from xianning.accounts import guard, second_factor, sessions
from xianning.forms import ProofForm

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from xianning.models import User

FIELD = "identity_proof"
_TOKEN = "csrfmiddlewaretoken"


def require_fresh(request: HttpRequest) -> HttpResponse | None:
    """None when the user proved who he is within STEP_UP seconds, else the page that asks him to.

    Call it before the deed, in GET and POST alike. A POST comes back with its own fields and the
    proof; then this returns None and the view goes on. Files cannot come back: the user is told,
    proves, and returns to the page he came from.
    """
    if access.is_fresh(request):
        return None
    is_post = request.method == "POST"
    form = ProofForm(request.POST if is_post and FIELD in request.POST else None)
    form.ask_for(second_factor.device_of(user_of(request)))
    proved = form.is_bound and _prove(request, form)
    if proved is True:
        return None
    if proved:
        return proved
    action = request.get_full_path()
    if request.FILES or not is_post:
        came_from = request.headers.get("Referer", "") if is_post else action
        action = f"{reverse('prove')}?{_next(request, came_from)}"
    hidden = [] if request.FILES else _sent(request)
    return _page(request, form, action=action, hidden=hidden, files=bool(request.FILES))


def _page(request: HttpRequest, form: ProofForm, **context: object) -> HttpResponse:
    context |= {"form": form, "minutes": settings.STEP_UP // 60}
    status = 422 if form.is_bound else 200
    return render(request, "xianning/account_proof.html", context, status=status)


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    return [
        (name, str(value))
        for name, values in request.POST.lists()
        for value in values
        if name not in {_TOKEN, FIELD}
    ]


def _next(request: HttpRequest, address: str) -> str:
    return urlencode({"next": _own(request, address)})


def _own(request: HttpRequest, address: str) -> str:
    """ADDRESS when it is one of ours, else the first page."""
    fine = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if fine else reverse(settings.LOGIN_REDIRECT_URL)


@sensitive_variables("form")
def _prove(request: HttpRequest, form: ProofForm) -> HttpResponse | bool:
    """Whether the proof fits, with the error in the form when not; the way out after too many."""
    user = user_of(request)
    if not form.is_valid():
        return False
    if not guard.take("proof", str(user.pk), guard.PROOF):
        sessions.drop(request, "proof")
        return redirect(f"{reverse('sign_in')}?why=proof")
    text = form.cleaned_data[FIELD]
    by = second_factor.check(user, text) if form.device else _password(user, text)
    if not by:
        audit.write("step_up", result="failed", object=user)
        form.add_error(FIELD, form.wrong)
        return False
    guard.give_back("proof", str(user.pk), guard.PROOF)
    sessions.mark_fresh(request)
    audit.write("step_up", object=user, facts={"by": by})
    rest = request.POST.copy()
    rest.pop(FIELD)
    request.POST = rest  # type: ignore[assignment]  # the view sees what the user sent at first
    return True


def _password(user: User, text: str) -> str:
    return "password" if user.check_password(text) else ""


@sensitive_post_parameters(FIELD)
def prove(request: HttpRequest) -> HttpResponse:
    """The same proof by itself; `next` is the page to open then."""
    target = _own(request, request.GET.get("next", ""))
    if access.is_fresh(request):
        return redirect(target)
    form = ProofForm(request.POST or None)
    form.ask_for(second_factor.device_of(user_of(request)))
    proved = form.is_bound and _prove(request, form)
    if proved:
        return redirect(target) if proved is True else proved
    return _page(request, form, action=request.get_full_path())
