"""I3, I4: guessing is bounded, locks no office and not the owner, and tells nobody who exists."""

from __future__ import annotations

import statistics
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, make_password
from django.db import connection
from django.test import Client
from django.utils import timezone

from xianning.accounts import guard
from xianning.management.commands.load_demo import PASSWORD
from xianning.models import User

pytestmark = pytest.mark.django_db
SIGN_IN = "/account/sign-in/"


class Checks(list[str]):
    """What the hasher was asked to compare."""


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    made = Checks()
    plain = MD5PasswordHasher.verify

    def verify(self: Any, password: str, encoded: str) -> bool:
        made.append(password)
        return plain(self, password, encoded)

    monkeypatch.setattr(MD5PasswordHasher, "verify", verify)
    return made


def _try(
    username: str, password: str, address: str = "10.0.0.1", client: Client | None = None
) -> int:
    client = client or Client()
    return client.post(
        SIGN_IN, {"username": username, "password": password}, REMOTE_ADDR=address
    ).status_code


def test_two_hundred_addresses_check_one_account_ten_times_in_any_quarter_hour(
    checks: Checks,
) -> None:
    start = timezone.now()
    for number in range(200):
        with time_machine.travel(start + timedelta(seconds=4 * number), tick=False):
            _try("qiye", f"wrong-{number}", f"10.0.{number}.1")
    assert 6 <= len(checks) <= 10
    # The same by one address: five, and then the pair is locked.
    checks.clear()
    for number in range(200):
        _try("rs", f"wrong-{number}")
    assert len(checks) <= 5


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_hundred_threads_at_once_check_one_account_ten_times(checks: Checks) -> None:
    gate = threading.Barrier(20)

    def run(worker: int) -> None:
        try:
            gate.wait(30)
            for number in range(10):
                _try("qiye", "wrong", f"10.{worker}.{number}.1")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 1 <= len(checks) <= 10


def test_the_owners_own_browser_signs_in_while_strangers_guess(checks: Checks) -> None:
    owner = Client()
    assert _try("qiye", PASSWORD, "10.9.9.9", owner) == 302
    owner.post("/account/sign-out/")
    for number in range(40):  # from everywhere, and from the owner's own address
        _try("qiye", "wrong", f"10.0.{number}.1")
        _try("qiye", "wrong", "10.9.9.9")
    assert _try("qiye", PASSWORD, "10.9.9.9") == 429  # another browser beside his
    assert _try("qiye", PASSWORD, "10.9.9.9", owner) == 302
    # His browser is known for him alone, and has a bound of its own.
    owner.post("/account/sign-out/")
    checks.clear()
    assert {_try("qiye", "wrong", "10.9.9.9", owner) for _ in range(30)} == {200, 429}
    assert len(checks) == 5
    owner.cookies["known"] = owner.cookies["known"].value[:-2] + "xx"
    assert _try("qiye", PASSWORD, "10.9.9.9", owner) == 429


def test_the_lock_ends_by_itself() -> None:
    for number in range(12):
        _try("qiye", "wrong", f"10.0.0.{number}")
    assert _try("qiye", PASSWORD, "10.0.7.7") == 429
    with time_machine.travel(timezone.now() + timedelta(minutes=15)):
        assert _try("qiye", PASSWORD, "10.0.7.7") == 302


def test_fifty_people_behind_one_address_mistype_and_still_get_in() -> None:
    names = [f"clerk{number}" for number in range(50)]
    hashed = make_password(PASSWORD)
    User.objects.bulk_create(User(username=name, full_name=name, password=hashed) for name in names)
    for name in names:
        assert _try(name, "wrong") == 200
        assert _try(name, "wrong again") == 200
        assert _try(name, PASSWORD) == 302


def test_one_address_cannot_try_the_whole_town(
    checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guard.Bound(200, 100) == guard.ADDRESS
    monkeypatch.setattr(guard, "ADDRESS", guard.Bound(20, 10))
    statuses = [_try(f"name{number}", "wrong") for number in range(30)]
    assert statuses == [200] * 20 + [429] * 10
    assert _try("qiye", PASSWORD) == 429
    assert _try("qiye", PASSWORD, "10.0.0.2") == 302


@pytest.mark.parametrize("forged", ["1.2.3.4", "10.0.0.1, 5.6.7.8", "x", "127.0.0.1"])
def test_a_forged_forwarding_changes_nothing(forged: str) -> None:
    for number in range(5):
        Client(HTTP_X_FORWARDED_FOR=f"{forged}{number}", HTTP_X_REAL_IP=f"9.9.9.{number}").post(
            SIGN_IN, {"username": "qiye", "password": "wrong"}
        )
    assert _try("qiye", PASSWORD, "127.0.0.1") == 429


def _answers(name: str, address: str) -> list[tuple[int, str]]:
    """Eight tries with a wrong password: status and page without what is the reader's own."""
    found = []
    for _ in range(8):
        response = Client(REMOTE_ADDR=address).post(SIGN_IN, {"username": name, "password": "no"})
        page = response.content.decode().replace(f'value="{name}"', "")
        token = str(response.context["csrf_token"]) if response.context else "-"
        found.append((response.status_code, page.replace(token, "")))
    return found


def test_existing_unknown_inactive_and_unusable_accounts_answer_alike() -> None:
    User.objects.filter(username="yibao").update(is_active=False)
    User.objects.filter(username="shequ").update(password=make_password(None))
    answers = [
        _answers(name, f"10.0.0.{number}")
        for number, name in enumerate(("qiye", "nobody_here", "yibao", "shequ"))
    ]
    assert [status for status, _page in answers[0]] == [200] * 4 + [429] * 4
    assert all(each == answers[0] for each in answers)


def test_the_time_of_the_answer_tells_nothing(settings: Any, monkeypatch: Any) -> None:
    """Medians of the same request for an existing, an unknown and an inactive name."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 600_000)
    monkeypatch.setattr("xianning.accounts.guard.may_try", lambda *_: True)
    settings.AXES_ENABLED = False
    hashed = make_password(PASSWORD)
    User.objects.filter(username__in=["qiye", "yibao"]).update(password=hashed)
    User.objects.filter(username="yibao").update(is_active=False)
    names = ("qiye", "nobody_here", "yibao")
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(9):
        for name in names:
            before = time.thread_time()
            _try(name, "wrong password")
            times[name].append(time.thread_time() - before)
    medians = {name: statistics.median(values) for name, values in times.items()}
    assert max(medians.values()) < 1.1 * min(medians.values()), medians
