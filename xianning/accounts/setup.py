"""The first three administrators of a real installation, let in by a one-time code (等保 8.1.5).

There is no default account. Whoever may run commands on the server makes a code; with it the page
works once, and never again when there is an administrator.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from communities.models import Area
from xianning import access, audit
from xianning.accounts import guard, networks
from xianning.accounts.second_factor import fold_code
from xianning.accounts.sign_in import locked
from xianning.forms import FIRST, SetupForm
from xianning.models import Installation, Membership, Office, User
from xianning.roles import ADMINISTRATORS

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

CITY = "421200000000"
VALID = timedelta(hours=24)
LONG = 28  # characters; more than 128 bits (ASVS 11.5.1), because it opens the whole system
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class Refused(Exception):
    """No code is made; the text is a sentence for whoever asked."""


def has_administrators() -> bool:
    return Membership.objects.filter(office__role__in=ADMINISTRATORS).exists()


def make_code() -> str:
    """A new one-time code of 28 characters (138 bits); a former one is void. Raises Refused."""
    row = Installation.objects.first()
    if row is None or not Area.objects.filter(pk=CITY).exists():
        raise Refused("数据库还没有准备好，请先运行 manage.py prepare。")
    if row.is_demo:
        raise Refused("演示系统已有演示账号，不需要设立码。")
    if has_administrators():
        raise Refused("已经有管理员，不能再用设立码；请由现任系统管理员开设账号。")
    code = "".join(secrets.choice(_LETTERS) for _ in range(LONG))
    row.setup_digest, row.setup_until = _digest(code), timezone.now() + VALID
    row.save(update_fields=["setup_digest", "setup_until"])
    return "-".join(code[at : at + 4] for at in range(0, LONG, 4))


def _digest(code: str) -> str:
    """The code has 138 bits: nobody finds it from a plain digest."""
    return hashlib.sha256(code.encode()).hexdigest()


def _open_installation() -> Installation:
    """The row that waits for its first administrators. Raises Http404."""
    row = Installation.objects.select_for_update().first()
    if row is None or not row.setup_digest or row.setup_until is None:
        raise Http404
    if row.setup_until < timezone.now() or has_administrators():
        raise Http404
    return row


@login_not_required
@sensitive_post_parameters("code")
@sensitive_variables("people")
@transaction.atomic
def setup(request: HttpRequest) -> HttpResponse:
    """Three people, their names, their first passwords, which are shown this once."""
    row = _open_installation()
    networks.require(request)
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not guard.take("setup", access.client_address(request), guard.SETUP):
            return locked(request)
        if constant_time_compare(_digest(fold_code(form.cleaned_data["code"])), row.setup_digest):
            people = _admit(form)
            row.setup_digest, row.setup_until = "", None
            row.save(update_fields=["setup_digest", "setup_until"])
            return render(request, "registration/setup_done.html", {"people": people})
        form.add_error("code", "设立码不正确，请核对后再试。")
        audit.write("setup", result="failed", request=request)
    status = 422 if request.method == "POST" else 200
    return render(request, "registration/setup.html", {"form": form}, status=status)


@sensitive_variables("password")
def _admit(form: SetupForm) -> list[tuple[str, User, str]]:
    """The three with their offices at the city: title, user, first password."""
    from xianning.office_forms import first_password

    people = []
    for role, title in FIRST:
        user = User(
            username=form.cleaned_data[f"{role}_username"],
            full_name=form.cleaned_data[f"{role}_name"],
            must_change_password=True,
        )
        password = first_password()
        user.set_password(password)
        user.save()
        office, _new = Office.objects.get_or_create(
            role=role, area_id=CITY, enterprise=None, name=f"咸宁市{title}岗"
        )
        office.admit(user)
        people.append((title, user, password))
    audit.write("setup", user=people[0][1], facts={"users": [str(u.pk) for _t, u, _p in people]})
    return people
