"""等保 8.1.5: one administrator asks, another decides, and nobody is two of them."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_transfer
from transfers.models import Transfer
from xianning import access, demo
from xianning.models import Grant, GrantRefused, Office, User
from xianning.permission_views import TITLES, lines_of_pages, lines_of_steps
from xianning.roles import ADMINISTRATORS, ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db
GUIHUA = "桂花路社区居民委员会（演示）"


@pytest.fixture
def asked(people: People) -> Grant:
    office = Office.objects.get(name=GUIHUA)
    return Grant.ask(people["shequ_wannian"], office, by=people["guanli"], reason="轮岗通知3号")


def test_a_grant_works_only_after_the_second_person_approved(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="community")
    admin, security, worker = sign_in("guanli"), sign_in("anquan"), sign_in("shequ_wannian")
    page = reverse("transfers:detail", args=[case.pk])
    account = people["shequ_wannian"]
    given = {"full_name": account.full_name, "is_active": "on", "join": GUIHUA}
    path = reverse("user_edit", args=[account.pk])
    assert "须写明理由" in admin.post(path, given).content.decode()
    admin.post(path, given | {"reason": "轮岗通知3号"})
    grant = Grant.objects.get()
    assert worker.get(page).status_code == 404
    waiting = security.get(reverse("home")).content.decode()
    assert "核准授权" in waiting
    decide = reverse("grant", args=[grant.pk])
    assert case.retiree.name not in security.get(decide).content.decode()
    assert security.post(decide, {"decision": "no"}).status_code == 422
    assert admin.post(decide, {"decision": "yes"}).status_code == 403
    assert security.post(decide, {"decision": "yes"}).status_code == 302
    assert worker.get(page).status_code == 200
    grant.refresh_from_db()
    assert (grant.state, grant.decided_by) == ("approved", people["anquan"])
    assert (
        security.post(decide, {"decision": "no", "answer": "来不及了"}, follow=True).status_code
        == 200
    )
    grant.refresh_from_db()
    assert grant.state == "approved"


def test_a_refusal_opens_nothing_and_a_withdrawal_ends_the_wish(
    asked: Grant, people: People, sign_in: Callable[[str], Client]
) -> None:
    path = reverse("grant", args=[asked.pk])
    sign_in("anquan").post(path, {"decision": "no", "answer": "没有到岗文件"})
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("refused", "没有到岗文件")
    again = Grant.ask(asked.user, asked.office, by=people["guanli"], reason="轮岗通知4号")
    sign_in("guanli").post(reverse("grant", args=[again.pk]), {"withdraw": "1"})
    again.refresh_from_db()
    assert again.state == "withdrawn"
    assert not asked.office.users.filter(pk=asked.user.pk).exists()


def test_who_asked_and_whom_it_is_about_cannot_decide(asked: Grant, people: People) -> None:
    for user in (asked.asked_by, asked.user):
        with pytest.raises(GrantRefused, match="另一人核准"):
            asked.decide(approve=True, answer="", by=user)
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.filter(pk=asked.pk).update(decided_by=user)
    with pytest.raises(GrantRefused, match="不能为自己"):
        Grant.ask(people["guanli"], asked.office, by=people["guanli"], reason="自己来")


def test_a_second_wish_for_the_same_office_is_refused(asked: Grant, people: People) -> None:
    with pytest.raises(GrantRefused, match="正等待核准"):
        Grant.ask(asked.user, asked.office, by=people["guanli"], reason="轮岗通知3号")


def _close(grant: Grant) -> None:
    Office.objects.filter(pk=grant.office_id).update(closed_on=timezone.localdate())


def _join(grant: Grant) -> None:
    grant.office.admit(grant.user)


def _stop(grant: Grant) -> None:
    User.objects.filter(pk=grant.user_id).update(is_active=False)


def _audit(grant: Grant) -> None:
    for office in grant.user.offices.all():
        office.dismiss(grant.user)
    Office.objects.filter(role="auditor")[0].admit(grant.user)


@pytest.mark.parametrize(("change", "sentence"), [(_close, "已撤销"), (_join, "已在")])
def test_a_wish_that_leads_nowhere_is_not_asked(
    change: Callable[[Grant], None], sentence: str, asked: Grant, people: People
) -> None:
    asked.withdraw(by=asked.asked_by)
    change(asked)
    office = Office.objects.get(pk=asked.office_id)
    with pytest.raises(GrantRefused, match=sentence):
        Grant.ask(asked.user, office, by=people["guanli"], reason="轮岗通知5号")


@pytest.mark.parametrize(("change", "sentence"), [(_stop, "已停用"), (_audit, "不得兼任")])
def test_what_has_changed_since_the_wish_stops_its_approval(
    change: Callable[[Grant], None], sentence: str, asked: Grant, people: People
) -> None:
    change(asked)
    with pytest.raises(GrantRefused, match=sentence):
        asked.decide(approve=True, answer="", by=people["anquan"])
    assert not asked.office.users.filter(pk=asked.user_id).exists()
    asked.decide(approve=False, answer="情况已变", by=people["anquan"])


def test_only_who_asked_withdraws_and_only_while_it_waits(asked: Grant, people: People) -> None:
    with pytest.raises(GrantRefused, match="只能撤回自己申请"):
        asked.withdraw(by=people["anquan"])
    asked.decide(approve=True, answer="", by=people["anquan"])
    with pytest.raises(GrantRefused, match="只能撤回自己申请"):
        asked.withdraw(by=asked.asked_by)


# Everybody who keeps accounts, grants or audit, with everybody else.
CONFLICTS = sorted(
    {(a, b) for a, b in permutations(ROLES, 2) if {a, b} & (ADMINISTRATORS | {"auditor"})}
)


def test_no_pair_of_conflicting_roles_is_ever_given(people: People, staff: dict[str, User]) -> None:
    """Through the wish, through `admit`; both the rule and the message."""
    offices = {role: Office.objects.filter(role=role).first() for role in ROLES}
    tried = 0
    for held, new in CONFLICTS:
        user, office = staff[held], offices[new]
        assert office
        for deed in (
            lambda user=user, office=office: Grant.ask(
                user, office, by=people["shequ_chibi"], reason="兼任"
            ),
            lambda user=user, office=office: office.admit(user, by=people["shequ_chibi"]),
        ):
            with pytest.raises(GrantRefused, match="不得兼任"), transaction.atomic():
                deed()
            tried += 1
    assert tried == 2 * (4 * 9 * 2 + 4 * 3)


def test_administrators_see_no_retiree(people: People, sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community", party_member=True)
    for username in ("guanli", "anquan", "shenjiguan"):
        client = sign_in(username)
        for name in (
            "home",
            "grants",
            "permissions",
            "users",
            "offices",
            "notices",
            "account_review",
        ):
            response = client.get(reverse(name))
            assert response.status_code in (200, 403)
            assert case.retiree.name not in response.content.decode()
        assert client.get(case.get_absolute_url()).status_code == 403
        assert not Transfer.objects.visible_to(people[username]).exists()
    assert not User.objects.filter(is_superuser=True).exists()


def test_unused_accounts_are_listed_for_closing(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    User.objects.filter(username="rs").update(date_joined="2026-01-01T00:00:00Z", last_login=None)
    User.objects.filter(username="gzw").update(
        date_joined="2020-01-01T00:00:00Z", last_login="2099-01-01T00:00:00Z"
    )
    page = sign_in("anquan").get(reverse("account_review")).content.decode()
    assert "孔人社" in page
    assert "秦国资" not in page


def test_the_table_of_permissions_names_every_url_and_says_what_the_registry_does(
    sign_in: Callable[[str], Client],
) -> None:
    assert set(TITLES) == set(access.REGISTRY)
    roles = list(ROLES)
    pages = {line.title: line.cells for line in lines_of_pages()}
    assert pages["企业：确认"] == tuple(role == "sasac" for role in roles)
    assert pages["授权：核准或撤回"] == tuple(
        role in {"system_admin", "security_admin"} for role in roles
    )
    receive = next(line for line in lines_of_steps() if line.title == "5 街道社区接收")
    assert {role for role, may in zip(roles, receive.cells, strict=True) if may} == {
        "community", "street",
    }  # fmt: skip
    html = sign_in("shenjiguan").get(reverse("permissions")).content.decode()
    for title in pages:
        assert title in html


def test_the_offices_of_the_three_stand_at_the_city(people: People) -> None:
    for role in ADMINISTRATORS:
        assert ROLES[role].levels == ("city",)
        assert not ROLES[role].sees
        assert Office.objects.get(role=role).area_id == demo.CITY
