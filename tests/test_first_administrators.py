"""I1: no default account; the first three administrators by a one-time code, once."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from xianning.accounts import setup
from xianning.models import AuditEvent, Installation, Membership, Office, User
from xianning.roles import ADMINISTRATORS

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty(db: None) -> None:
    """A real installation as `prepare` leaves it: divisions, and nobody."""
    Membership.objects.all().delete()
    User.objects.update(is_active=False)
    Office.objects.filter(role__in=ADMINISTRATORS).delete()
    Installation.objects.update(is_demo=False)


def _code() -> str:
    out = io.StringIO()
    call_command("first_code", stdout=out)
    found = re.search(r"[a-z2-9]{4}(-[a-z2-9]{4}){6}", out.getvalue())
    assert found
    assert 31**28 > 2**128  # ASVS 11.5.1: 28 of 31 letters
    return found[0]


PEOPLE = {
    "system_admin_name": "朱明", "system_admin_username": "zhuming",
    "security_admin_name": "沈宁", "security_admin_username": " ＳｈｅｎNing",
    "audit_admin_name": "韩清", "audit_admin_username": "hanqing",
}  # fmt: skip


def _post(code: str, **different: str) -> Any:
    return Client().post(reverse("setup"), PEOPLE | {"code": code} | different)


@pytest.mark.usefixtures("empty")
def test_the_code_makes_three_administrators_once() -> None:
    assert Client().get(reverse("setup")).status_code == 404
    code = _code()
    row = Installation.objects.get()
    assert code.replace("-", "") not in str(row.__dict__)
    assert Client().get(reverse("setup")).status_code == 200
    assert _post(f"{code[:-1]}{'a' if code[-1] != 'a' else 'b'}").status_code == 422
    assert not User.objects.filter(username="zhuming").exists()

    response = _post(f" {code.upper()} ")
    page = response.content.decode()
    assert response.status_code == 200
    passwords = re.findall(r"<code>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</code>", page)
    assert len(set(passwords)) == 3
    for name, password, role in zip(
        ("zhuming", "shenning", "hanqing"), passwords,
        ("system_admin", "security_admin", "audit_admin"), strict=True,
    ):  # fmt: skip
        user = User.objects.get(username=name)
        assert user.roles_held() == {role}
        assert user.must_change_password
        assert not user.is_superuser
        client = Client()
        assert client.post(reverse("sign_in"), {"username": name, "password": password})[
            "Location"
        ] == reverse("home")
        assert client.get(reverse("home"))["Location"] == reverse("password_change")
    assert AuditEvent.objects.filter(action="setup", result="ok").count() == 2
    assert AuditEvent.objects.filter(action="setup", result="failed").count() == 1

    for answer in (Client().get(reverse("setup")), _post(code)):
        assert answer.status_code == 404
    with pytest.raises(CommandError, match="已经有管理员"):
        call_command("first_code")


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("different", "sentence"),
    [
        ({"audit_admin_name": "朱 明"}, "须由三人担任"),
        ({"audit_admin_username": "ZHUMING"}, "三个用户名不能相同"),
        ({"audit_admin_username": "ab"}, "3 至 30 个"),
        ({"audit_admin_username": "qiye"}, "已有人使用"),
    ],
)
def test_three_people_with_three_names(different: dict[str, str], sentence: str) -> None:
    response = _post(_code(), **different)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not User.objects.filter(username="zhuming").exists()


@pytest.mark.usefixtures("empty")
def test_a_code_ends_after_a_day_by_the_next_and_guessing_is_bounded() -> None:
    first = _code()
    second = _code()
    assert _post(first).status_code == 422
    statuses = [_post("aaaa-bbbb-cccc-dddd-eeee").status_code for _ in range(15)]
    assert statuses[:9] == [422] * 9
    assert set(statuses[9:]) == {429}
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1)):
        assert _post(second).status_code == 404
        assert Client().get(reverse("setup")).status_code == 404


def test_a_demo_needs_no_code() -> None:
    with pytest.raises(CommandError, match="演示"):
        call_command("first_code")


def test_no_account_of_a_fresh_installation_opens(empty: None) -> None:
    """Fifty names and passwords that everybody tries first; nobody is in."""
    names = ("admin", "root", "administrator", "test", "guest", "system", "AnonymousUser", "demo",
             "user", "guanliyuan")  # fmt: skip
    words = ("admin", "123456", "password", "admin123", "")
    for number, (name, word) in enumerate((n, w) for n in names for w in words):
        client = Client(REMOTE_ADDR=f"10.1.1.{number}")
        client.post(reverse("sign_in"), {"username": name, "password": word})
        assert "_auth_user_id" not in client.session
    assert not User.objects.filter(is_active=True).exists()
    assert not User.objects.filter(username="AnonymousUser").exists()


@pytest.mark.usefixtures("empty")
def test_a_database_that_is_not_prepared_gives_no_code() -> None:
    Installation.objects.all().delete()
    with pytest.raises(setup.Refused, match="还没有准备好"):
        setup.make_code()
