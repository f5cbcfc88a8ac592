"""Signing in: bounded guessing that locks no office, no hint who exists, nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from tests.factories import enter, make_transfer
from xianning import checks, privacy
from xianning.management.commands.load_demo import PASSWORD, SIGN_INS
from xianning.models import Installation, User

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
SIGN_IN = "/account/sign-in/"


def _try(username: str, password: str, address: str = "127.0.0.1") -> Any:
    return Client(REMOTE_ADDR=address).post(SIGN_IN, {"username": username, "password": password})


@pytest.mark.parametrize("username", [row[0] for row in SIGN_INS])
def test_each_demo_office_signs_in_and_sees_its_home(username: str, settings: Any) -> None:
    settings.SECOND_FACTOR = False
    client = Client()
    response = client.post(SIGN_IN, {"username": f" {username.upper()}", "password": PASSWORD},
                           follow=True)  # fmt: skip
    assert response.status_code == 200
    assert "等我办理的事项" in response.content.decode()


def test_typing_errors_lock_the_clerk_at_that_address_and_not_the_office() -> None:
    spellings = ("qiye", "QIYE", "ｑｉｙｅ", "qiye ", "Qiye")
    answers = [_try(spelling, "wrong-password").status_code for spelling in spellings]
    assert answers == [200, 200, 200, 200, 429]  # who errs the fifth time learns that he must wait
    assert _try("qiye", PASSWORD).status_code == 429  # locked, even with the right password
    assert _try("rs", PASSWORD).status_code == 302  # a colleague at the same address
    assert _try("qiye", PASSWORD, "127.0.0.9").status_code == 302  # himself elsewhere


def test_a_first_sign_in_leads_to_a_new_password(sign_in: Callable[[str], Client]) -> None:
    User.objects.filter(username="qiye").update(must_change_password=True)
    client = sign_in("qiye")
    assert client.get("/")["Location"] == reverse("password_change")
    new = "桂花香里又一年十二字以上"
    response = client.post(
        reverse("password_change"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert response.status_code == 302
    assert client.get("/").status_code == 200


def test_pages_carry_strict_headers_and_are_not_kept(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer()
    client = sign_in("qiye")
    for path in ("/", case.get_absolute_url(), reverse("transfers:list"), "/nothing-here/"):
        response = client.get(path)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"


def test_a_write_needs_its_token(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    client = enter(Client(enforce_csrf_checks=True), User.objects.get(username="shequ"))
    response = client.post(reverse("transfers:act", args=[case.pk, "community"]), {"confirmed": 1})
    assert response.status_code == 403


def test_wrong_data_keys_are_refused_at_the_start(settings: Any) -> None:
    checks.require_right_keys()
    settings.PRIVACY_KEYS = privacy.new_keys()
    with pytest.raises(ImproperlyConfigured, match="与此数据库不符"):
        checks.require_right_keys()


def test_a_demo_is_not_started_beside_a_real_database() -> None:
    Installation.objects.update(is_demo=False)
    with pytest.raises(ImproperlyConfigured, match="这是正式数据库"):
        checks.install(demo=True)


def test_the_web_server_refuses_a_database_of_the_other_kind(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(ImproperlyConfigured, match="这是演示数据库"):
        checks.require_right_start()


def test_error_pages_speak_chinese_and_tell_nothing(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("qiye")
    client.raise_request_exception = False
    assert "找不到" in client.get("/nothing-here/").content.decode()
    monkeypatch.setattr("transfers.casefile.lines", lambda *_: 1 / 0)
    response = client.get(reverse("transfers:list"))
    assert response.status_code == 500
    page = response.content.decode()
    assert "ZeroDivisionError" not in page
    assert "Traceback" not in page


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("/check-in/", "/check-in/"),
        ("https://example.org/", "/account/"),
        ("//x.cn", "/account/"),
        ("", "/account/"),
    ],
)
def test_large_type_leads_back_to_a_page_of_ours_and_nowhere_else(
    wanted: str, leads: str, sign_in: Callable[[str], Client]
) -> None:
    client = sign_in("shequ")
    answer = client.post(reverse("text_size"), {"next": wanted})
    assert answer["Location"] == leads
    assert User.objects.get(username="shequ").large_type
    assert 'class="large"' in client.get(reverse("account")).content.decode()
    assert 'class="large"' not in sign_in("jiedao").get(reverse("account")).content.decode()
