"""I6, I7, I9: how long a session lasts, what ends it, and what stays in the browser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import enter
from xianning.accounts import proof, sessions
from xianning.management.commands.load_demo import PASSWORD
from xianning.models import AuditEvent, Office, SignInSession, User

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
HOME = "/"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"


@pytest.fixture(autouse=True)
def _one_factor(settings: Any) -> None:
    """The password page of the sign-in is enough here."""
    settings.SECOND_FACTOR = False


def browser(username: str = "qiye", client: Client | None = None) -> Client:
    client = client or Client(headers={"user-agent": WINDOWS})
    response = client.post(reverse("sign_in"), {"username": username, "password": PASSWORD})
    assert response.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def why_out(client: Client, path: str = HOME, **more: Any) -> str:
    """The reason in the address of the sign-in page to which the request is sent."""
    return client.get(path, **more)["Location"].partition("why=")[2].partition("&")[0]


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("username", "minutes"),
    [("qiye", 30), ("shenji", 30), ("guanli", 15), ("anquan", 15), ("shenjiguan", 15)],
)
def test_idle_for_thirty_minutes_ends_a_session_fifteen_for_administrators(
    username: str, minutes: int
) -> None:
    start = timezone.now()
    for seconds, lasts in ((-1, True), (1, False)):
        with time_machine.travel(start, tick=False) as clock:
            client = browser(username)
            clock.shift(timedelta(minutes=minutes, seconds=seconds))
            assert is_in(client) == lasts
    response = client.get("/jobs/")
    assert response["Location"].startswith(reverse("sign_in"))


def test_use_keeps_a_session_but_not_beyond_twelve_hours() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client = browser()
        for _ in range(35):
            clock.shift(timedelta(minutes=20))
            assert is_in(client)
        session = client.session
        session["written"] = "so that Django itself would keep it for twelve hours more"
        session.save()
        clock.shift(timedelta(minutes=19, seconds=59))
        assert is_in(client)
        clock.shift(2)
        response = client.get("/jobs/?page=2")
        assert response["Location"] == f"{reverse('sign_in')}?why=age&next=%2Fjobs%2F%3Fpage%3D2"
        assert "登录已满 12 小时" in client.get(response["Location"]).content.decode()
    assert SignInSession.objects.get().end_reason == "age"


def test_the_user_reads_why_and_comes_back_to_his_page() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client = browser()
        clock.shift(timedelta(minutes=31))
        # A form that was sent too late leads back to its page, never to the address of the deed.
        referer = "http://testserver/transfers/?q=1"
        late = client.post("/transfers/bulk/verify/", headers={"referer": referer})
        assert late["Location"] == f"{reverse('sign_in')}?why=idle&next=%2Ftransfers%2F%3Fq%3D1"
        page = client.get(late["Location"]).content.decode()
        assert "较长时间没有操作" in page
        assert 'name="next" value="/transfers/?q=1"' in page
        assert browser(client=client).get(HOME).status_code == 200
    event = AuditEvent.objects.get(action="session_ended")
    assert event.facts == {"why": "idle"}


def test_the_last_use_is_written_once_a_minute_and_not_by_a_page_that_polls() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client = browser()
        began = SignInSession.objects.get().seen_at
        clock.shift(59)
        is_in(client)
        assert SignInSession.objects.get().seen_at == began
        clock.shift(2)
        is_in(client)
        written = SignInSession.objects.get().seen_at
        assert written - began == timedelta(seconds=61)
        clock.shift(600)
        job = reverse("job", args=["0190a0a0-0000-7000-8000-000000000000"])
        client.get(job, headers={"hx-request": "true"})
        assert SignInSession.objects.get().seen_at == written
        client.get(reverse("alive"))  # somebody types
        assert SignInSession.objects.get().seen_at > written


def test_the_page_knows_when_its_session_ends() -> None:
    page = browser().get(HOME).content.decode()
    assert 'data-idle="1740"' in page
    assert f'data-alive="{reverse("alive")}"' in page
    assert "data-idle" not in Client().get(reverse("sign_in")).content.decode()


# --- keys and number ----------------------------------------------------------------------------


def test_signing_in_gives_a_new_key_each_time() -> None:
    client = Client()
    client.get(reverse("sign_in"))
    session = client.session
    session["planted"] = "1"
    session.save()
    planted = str(session.session_key)
    client.cookies["sessionid"] = planted
    first = browser(client=client).session.session_key
    assert first != planted
    assert "planted" not in client.session
    assert Client(headers={"cookie": f"sessionid={planted}"}).get(HOME).status_code == 302
    client.post(reverse("sign_out"))
    assert browser(client=client).session.session_key != first


def test_a_fourth_browser_ends_the_first() -> None:
    clients = [browser() for _ in range(4)]
    assert [is_in(client) for client in clients[1:]] == [True] * 3
    assert why_out(clients[0]) == "limit"
    assert SignInSession.objects.running().count() == 3


def test_a_session_without_its_row_is_none(sign_in: Callable[[str], Client]) -> None:
    client = sign_in("qiye")
    SignInSession.objects.all().delete()
    assert why_out(client) == "gone"
    assert "_auth_user_id" not in client.session


# --- what ends a session ------------------------------------------------------------------------


def _deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def _new_password(user: User) -> None:
    user.set_password("a passphrase of five words")
    user.save()


def _move(user: User) -> None:
    for office in Office.objects.filter(users=user):
        office.dismiss(user)
    Office.objects.get(users__username="yibao").admit(user)


def _leave(user: User) -> None:
    for office in Office.objects.filter(users=user):
        office.dismiss(user)


def _factor(user: User) -> None:
    sessions.end_all(user, "factor")


def _end(user: User) -> None:
    SignInSession.objects.running().filter(user=user).update(
        ended_at=timezone.now(), end_reason="owner"
    )


@pytest.mark.parametrize(
    ("event", "status"),
    [(_deactivate, 302), (_new_password, 302), (_factor, 302), (_end, 302), (_move, 403),
     (_leave, 403)],
)  # fmt: skip
def test_each_change_reaches_ten_sessions_at_their_next_request(event: Any, status: int) -> None:
    user = User.objects.get(username="gzw")
    clients = [enter(Client(), user) for _ in range(10)]
    path = reverse("enterprises:list")
    assert {client.get(path).status_code for client in clients} == {200}
    event(User.objects.get(pk=user.pk))
    assert {client.get(path).status_code for client in clients} == {status}


def test_changing_the_password_keeps_this_session_and_ends_the_others() -> None:
    here, other = browser(), browser()
    key = here.session.session_key
    new = "木瓜 river 七根 lantern"
    response = here.post(
        reverse("password_change"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert response.status_code == 302
    assert here.session.session_key != key
    assert is_in(here)
    assert not is_in(other)
    rows = SignInSession.objects.order_by("started_at").values_list("end_reason", flat=True)
    assert list(rows) == ["", "password"]
    assert AuditEvent.objects.filter(action="password_changed").count() == 1


def test_the_old_password_is_not_guessed_at_an_open_browser() -> None:
    client = browser()
    new = "木瓜 river 七根 lantern"
    wrong = {"old_password": "no", "new_password1": new, "new_password2": new}
    statuses = [client.post(reverse("password_change"), wrong).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2


# --- the owner's page ---------------------------------------------------------------------------


def test_the_owner_sees_and_ends_his_sessions_and_nobody_elses() -> None:
    here, other, stranger = browser(), browser(), browser("rs")
    page = here.get(reverse("sessions")).content.decode()
    assert page.count("<strong>Chrome 120，Windows</strong>") == 2
    assert "来源地址 127.0.0.1" in page
    mine = SignInSession.objects.get(key_digest=sessions.digest(other.session.session_key))
    foreign = SignInSession.objects.get(user__username="rs")
    assert here.post(reverse("session_end", args=[foreign.pk])).status_code == 404
    assert is_in(stranger)
    assert here.post(reverse("session_end", args=[mine.pk])).status_code == 302
    assert why_out(other) == "owner"
    SignInSession.objects.filter(pk=foreign.pk).update(
        ended_at=timezone.now(), end_reason="owner", address="192.0.2.77"
    )
    page = here.get(reverse("sessions")).content.decode()
    assert "本人结束" in page
    assert "192.0.2.77" not in page  # the ended ones of others are no business of mine either
    third, fourth = browser(), browser()
    here.post(reverse("sessions_end"))
    assert [is_in(client) for client in (here, third, fourth)] == [True, False, False]


def test_sessions_are_ended_after_a_fresh_proof_only() -> None:
    """ASVS 7.5.2: who finds a browser open must not sign its owner out elsewhere."""
    here, other = browser(), browser()
    session = here.session
    session["proved_at"] -= 301
    session.save()
    row = SignInSession.objects.get(key_digest=sessions.digest(other.session.session_key))
    for path in (reverse("session_end", args=[row.pk]), reverse("sessions_end")):
        page = here.post(path)
        assert (page.status_code, "再次确认是您本人" in page.content.decode()) == (200, True)
        assert here.post(path, {proof.FIELD: "wrong"}).status_code == 422
        assert is_in(other)
    assert here.get(reverse("sessions")).status_code == 200  # to look is free
    assert here.post(reverse("sessions_end"), {proof.FIELD: PASSWORD}).status_code == 302
    assert (why_out(other), is_in(here)) == ("owner", True)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (WINDOWS, "Chrome 120，Windows"), ("", "其他浏览器"), ("<script>", "其他浏览器"),
        ("Mozilla/5.0 (X11; Linux x86_64; UOS) Chrome/114.0 Safari/537.36", "Chrome 114，统信 UOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
         " MicroMessenger/8.0", "微信 8，iPhone"),
    ],
)  # fmt: skip
def test_a_browser_is_named_so_that_its_owner_knows_it(agent: str, name: str) -> None:
    client = Client(headers={"user-agent": agent})
    browser(client=client)
    assert SignInSession.objects.get().device == name


# --- what stays ---------------------------------------------------------------------------------


def test_signing_out_is_sent_and_clears_the_browser(client: Client) -> None:
    browser(client=client)
    assert client.get(reverse("sign_out")).status_code == 405
    assert is_in(client)
    response = client.post(reverse("sign_out"))
    assert response["Clear-Site-Data"] == '"cache", "storage"'
    assert response["Cache-Control"] == "no-store"
    assert client.cookies["sessionid"].value == ""
    assert not is_in(client)
    assert SignInSession.objects.get().end_reason == "sign_out"


def test_cookies_are_for_this_site_and_for_no_script() -> None:
    client = browser()
    for name in ("sessionid", "csrftoken", "known"):
        cookie = client.cookies[name]
        assert cookie["httponly"], name
        assert cookie["samesite"] in {"Lax", "Strict"}, name
        assert cookie["path"] == "/", name
    assert "qiye" not in client.cookies["known"].value
