"""Plain functions that make cases by walking the real workflow."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from communities.directory import Directory
from enterprises.models import Enterprise
from transfers import workflow
from transfers.retiree_form import RetireeForm
from xianning import demo, walk
from xianning.accounts import sessions
from xianning.models import SignInSession, TotpDevice, User

if TYPE_CHECKING:
    from django.test import Client

    from transfers.models import Transfer

_numbers = itertools.count(1)
# Which users act in a case of each clerk.
STAFF = {
    "qiye": {"enterprise": "qiye", "hr": "rs", "insurance": "shebao", "community": "shequ",
             "party": "dangzu"},
    "qiye_chibi": {"enterprise": "qiye_chibi", "hr": "rs_chibi", "insurance": "shebao_chibi",
                   "community": "shequ_chibi", "party": "dangzu_chibi"},
}  # fmt: skip


def enter(client: Client, user: User) -> Client:
    """Sign USER in, with both factors and a fresh proof, without typing them."""
    client.force_login(user, sessions.BACKEND)
    device, _new = TotpDevice.objects.get_or_create(
        user=user, defaults={"name": "手机", "secret": "5a" * 20}
    )
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session["proved_at"] = timezone.now().timestamp()
    session.save()
    SignInSession.objects.create(user=user, key_digest=sessions.digest(session.session_key))
    return client


def enterprise_of(clerk: str) -> Enterprise:
    """The demo enterprise for which this clerk files."""
    return Enterprise.objects.get(offices__users__username=clerk)


def staff_of(clerk: str) -> dict[str, User]:
    """Users by role who act in the cases of this clerk."""
    return {role: User.objects.get(username=name) for role, name in STAFF[clerk].items()}


def values_for(clerk: str = "qiye", community: str = "", **given: Any) -> dict[str, str]:
    """A filled RetireeForm for a new made-up person."""
    n = next(_numbers)
    code = community or {"qiye": demo.GUIHUA, "qiye_chibi": demo.BEIJIE}[clerk]
    area = Directory().areas[code]
    member = given.pop("party_member", False)
    values = demo.person(random.Random(n), 4 * n if member else 4 * n + 1, area, "演示厂")
    return values | given


def make_transfer(
    at: str = "verify", clerk: str = "qiye", party_member: bool = False, **given: Any
) -> Transfer:
    """A case walked by its offices until step AT is open (`done`: all of them)."""
    values = values_for(clerk, party_member=party_member, **given)
    case = walk.file_person(values, enterprise_of(clerk), User.objects.get(username=clerk))
    return walk.to(case, at, staff_of(clerk)) if at != "verify" else case


def make_many(count: int, clerk: str = "qiye", **given: Any) -> list[Transfer]:
    """COUNT filed cases at step `verify`, filed in one batch: much faster than one by one."""
    enterprise, by = enterprise_of(clerk), User.objects.get(username=clerk)
    directory, cases = Directory(), []
    for _ in range(count):
        form = RetireeForm(values_for(clerk, **given), enterprise=enterprise, directory=directory)
        if not form.is_valid():
            raise ValueError(dict(form.errors))
        cases.append(form.new_case(by))
        cases[-1].retiree.save()
    workflow.start(cases, by=by)
    return cases
