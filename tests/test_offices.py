"""Offices and accounts: places by role, joining and leaving, first passwords, who keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from communities.models import Area
from tests.factories import enterprise_of, make_transfer
from transfers.models import Transfer
from xianning import access, demo
from xianning.models import Grant, Membership, Office, User
from xianning.office_forms import OfficeForm, UserForm, first_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.conftest import People

pytestmark = pytest.mark.django_db

# Role, place → whether such an office can exist (levels by 第四条, 第五条).
PLACES = [
    ("sasac", "咸宁市", True), ("sasac", "赤壁市", True), ("sasac", "咸安区温泉街道", False),
    ("hr", "嘉鱼县", True), ("insurance", "咸宁市", True),
    ("insurance", demo.GUIHUA, False),
    ("street", "咸安区温泉街道", True), ("street", "赤壁市", False),
    ("community", demo.GUIHUA, True), ("community", "咸安区温泉街道", False),
    ("party", "咸安区温泉街道", True), ("party", demo.GUIHUA, True), ("party", "咸安区", False),
    ("system_admin", "咸宁市", True), ("system_admin", "赤壁市", False),
]  # fmt: skip


@pytest.mark.parametrize(("role", "place", "possible"), PLACES)
def test_an_office_exists_only_at_the_levels_of_its_role(
    role: str, place: str, possible: bool, people: People
) -> None:
    form = OfficeForm(
        {"role": role, "name": "新机构（测试）", "area": place}, admin=people["guanli"]
    )
    assert form.is_valid() is possible, form.errors
    if not possible:
        assert "只设在" in str(form.errors["area"])


def test_an_enterprise_office_stands_at_an_enterprise(people: People) -> None:
    given = {"role": "enterprise", "name": "退管科（测试）", "area": "咸安区"}
    assert "请选择" in str(OfficeForm(given, admin=people["guanli"]).errors["enterprise"])
    entry = enterprise_of("qiye")
    form = OfficeForm(given | {"enterprise": str(entry.pk)}, admin=people["guanli"])
    assert form.is_valid(), form.errors
    office = form.save()
    assert (office.enterprise, office.area) == (entry, None)


def test_an_administrator_sets_up_offices_inside_his_own_area_only(people: People) -> None:
    """Another county's divisions and enterprises are none of his, and what is closed takes none."""
    office = Office.objects.create(role="system_admin", name="赤壁管理（测试）", area_id=demo.CHIBI)
    admin = people["rs_chibi"]
    type(office).objects.get(role="hr", users=admin).dismiss(admin)
    office.admit(admin)
    admin = User.objects.get(pk=admin.pk)
    given = {"role": "hr", "name": "新机构（测试）"}
    assert OfficeForm(given | {"area": "赤壁市"}, admin=admin).is_valid()
    for place in ("嘉鱼县", "咸宁市"):
        form = OfficeForm(given | {"area": place}, admin=admin)
        assert "不归您管理" in str(form.errors["area"])
    offered = {entry.pk: OfficeForm(
        {"role": "enterprise", "name": "退管科（测试）", "enterprise": str(entry.pk)}, admin=admin
    ).is_valid() for entry in (enterprise_of("qiye"), enterprise_of("qiye_chibi"))}  # fmt: skip
    assert list(offered.values()) == [False, True]
    Area.objects.filter(pk=demo.CHIBI).update(closed_on=timezone.localdate())
    assert "已撤销" in str(OfficeForm(given | {"area": "赤壁市"}, admin=admin).errors["area"])


def test_an_office_or_place_outside_his_area_is_none_of_an_administrator_s(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    admin, province = sign_in("guanli"), Area.objects.get(pk="420000000000")
    far = Office.objects.create(role="auditor", name="省外机构（测试）", area=province)
    user = User.objects.create(username="liangbian", full_name="两边")
    for office in (far, Office.objects.get(users=people["shenji"])):
        office.admit(user)
    given = {"full_name": "两边", "is_active": "on", "leave": [str(far.pk)]}
    assert admin.post(reverse("user_edit", args=[user.pk]), given).status_code == 422
    assert far.users.filter(pk=user.pk).exists()
    for place, preset in ((province.pk, None), (demo.CHIBI, Area.objects.get(pk=demo.CHIBI))):
        page = admin.get(reverse("office_add") + f"?area={place}")
        assert page.context["form"].initial["area"] == preset


def test_leaving_an_office_works_at_the_next_request(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="community")
    admin, worker = sign_in("guanli"), sign_in("shequ_wannian")
    page = reverse("transfers:detail", args=[case.pk])
    user, office = people["shequ_wannian"], Office.objects.get(area=demo.GUIHUA, role="community")
    office.admit(user, by=people["anquan"])
    assert worker.get(page).status_code == 200
    assert Membership.objects.get(user=user, office=office).added_by == people["anquan"]
    given = {"full_name": user.full_name, "is_active": "on", "leave": [str(office.pk)]}
    assert admin.post(reverse("user_edit", args=[user.pk]), given).status_code == 302
    assert worker.get(page).status_code == 404
    assert Transfer.objects.visible_to(User.objects.get(pk=user.pk)).count() == 0
    assert worker.get(reverse("transfers:list")).status_code == 200  # the other office stays


def test_a_new_account_gets_a_password_shown_once_and_to_be_changed(
    sign_in: Callable[[str], Client],
) -> None:
    admin = sign_in("guanli")
    given = {"username": "Xin_Ren", "full_name": "新人员", "join": "赤壁市人社部门（演示）",
             "reason": "新录用人员"}  # fmt: skip
    page = admin.post(reverse("user_add"), given)
    password = page.context["password"]
    assert password in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    user = User.objects.get(username="xin_ren")
    assert user.must_change_password
    assert not access.scope(user).roles
    asked = Grant.objects.get(user=user)
    asked.decide(approve=True, answer="", by=User.objects.get(username="anquan"))
    user = User.objects.get(username="xin_ren")
    assert access.scope(user).areas == {"hr": frozenset({demo.CHIBI})}
    request = RequestFactory().post("/")
    assert authenticate(request, username="xin_ren", password=password) == user
    assert password not in admin.get(reverse("user_edit", args=[user.pk])).content.decode()
    again = admin.post(reverse("user_add"), given)
    assert again.status_code == 422
    assert "已有人使用" in again.content.decode()


def test_first_passwords_differ_and_are_long_enough() -> None:
    some = {first_password() for _ in range(50)}
    assert len(some) == 50
    assert {len(word.replace("-", "")) for word in some} == {16}


def test_a_new_password_ends_the_old_one_and_its_sessions(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    clerk = sign_in("qiye")
    assert clerk.get(reverse("jobs")).status_code == 200
    path = reverse("user_edit", args=[people["qiye"].pk])
    page = sign_in("guanli").post(path, {"password": "1"})
    assert User.objects.get(username="qiye").check_password(page.context["password"])
    assert clerk.get(reverse("jobs")).status_code == 302
    own = sign_in("guanli").post(
        reverse("user_edit", args=[people["guanli"].pk]), {"password": "1"}, follow=True
    )
    assert "修改密码" in own.content.decode()


def test_a_deactivated_account_stays_and_sees_nothing(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case, user = make_transfer(), people["qiye"]
    path = reverse("user_edit", args=[user.pk])
    clerk = sign_in("qiye")
    sign_in("guanli").post(path, {"full_name": user.full_name})
    assert clerk.get(reverse("transfers:list")).status_code == 302
    case.refresh_from_db()
    assert case.filed_by == user
    assert not case.filed_by.is_active
    assert not Transfer.objects.visible_to(case.filed_by).exists()


def edit_form(account: User, admin: User, **given: Any) -> UserForm:
    usual = {"full_name": account.full_name, "is_active": "on", "reason": "轮岗通知3号"}
    return UserForm(usual | given, instance=account, admin=admin)


def test_an_administrator_gives_himself_nothing(people: People) -> None:
    admin = people["guanli"]
    joined = edit_form(admin, admin, join="咸宁市国资部门（演示）")
    assert "不能给自己增减机构" in str(joined.errors["join"])
    stopped = UserForm({"full_name": "朱管理"}, instance=admin, admin=admin)
    assert "不能停用自己" in str(stopped.errors["is_active"])
    own = Office.objects.get(role="system_admin")
    left = edit_form(admin, admin, leave=[str(own.pk)])
    assert "不能给自己增减机构" in str(left.errors["leave"])


# Who has which office, and what he may not get as well.
APART = [
    ("shenji", "咸宁市国资部门（演示）", "审计人员不得兼任国资部门"),
    ("gzw", "咸宁市审计部门（演示）", "国资部门不得兼任审计人员"),
    ("qiye", "咸宁市系统管理（演示）", "移交单位不得兼任系统管理员"),
    ("shequ", "中共温泉街道工作委员会（演示）", ""),
]


@pytest.mark.parametrize(("username", "office", "words"), APART)
def test_accounts_audit_and_business_are_kept_by_different_people(
    username: str, office: str, words: str, people: People
) -> None:
    form = edit_form(people[username], people["guanli"], join=office)
    assert form.is_valid() is not bool(words)
    if words:
        assert words in str(form.errors["join"])


def test_an_office_with_people_is_not_closed_and_keeps_its_role(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    office = Office.objects.get(users=people["shequ"])
    path = reverse("office_edit", args=[office.pk])
    given = {"name": office.name, "closed_on": "2026-01-01", "role": "sasac", "area": "咸宁市"}
    response = sign_in("guanli").post(path, given)
    assert response.status_code == 422
    assert "还有 1 名人员" in response.content.decode()
    office.dismiss(people["shequ"])
    assert sign_in("guanli").post(path, given).status_code == 302
    office.refresh_from_db()
    assert (office.role, office.area_id) == ("community", demo.GUIHUA)
    assert office.closed_on


def test_the_lists_are_found_by_words_and_show_no_retiree(
    sign_in: Callable[[str], Client],
) -> None:
    case, admin = make_transfer(), sign_in("guanli")
    offices = admin.get(reverse("offices"), {"q": "温泉 桂花路"})
    assert [office.name for office, _ in offices.context["lines"]] == [
        "桂花路社区居民委员会（演示）"
    ]
    users = admin.get(reverse("users"), {"q": "华经办"})
    assert [user.username for user in users.context["page"].rows] == ["qiye"]
    for name in ("offices", "users", "communities:areas"):
        assert case.retiree.name not in admin.get(reverse(name)).content.decode()
    assert not Transfer.objects.visible_to(User.objects.get(username="guanli")).exists()


@pytest.mark.parametrize("name", ["offices", "users"])
def test_a_list_asks_the_database_equally_often_for_3_and_12_rows(
    name: str, people: People, sign_in: Callable[[str], Client]
) -> None:
    client, counts = sign_in("guanli"), []
    for numbers in (range(3), range(3, 12)):
        for n in numbers:
            user = User.objects.create(username=f"test{n}", full_name=f"测试员{n}")
            office = Office.objects.create(role="hr", area_id=demo.CHIBI, name=f"测试机构{n}")
            office.admit(user, by=people["guanli"])
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(name), {"q": "测试"}).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
