"""I5, I8: the second factor at sign-in and where it is demanded; a fresh proof before the worst."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp

from tests.conftest import BY_ROLE
from tests.factories import make_transfer
from transfers.models import RightsRequest
from xianning import access
from xianning.accounts import proof, second_factor
from xianning.management.commands.load_demo import PASSWORD
from xianning.models import AuditEvent, Grant, RecoveryCode, SignInSession, TotpDevice, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db
SECRET = "3132333435363738393031323334353637383930"  # of the table in RFC 6238
HOME, FACTOR, CODE = "/", "/account/second-factor/", "/account/code/"


@pytest.fixture
def clock() -> Iterator[Any]:
    """A standing clock at the beginning of a step."""
    start = timezone.now().replace(second=0, microsecond=0)
    with time_machine.travel(start, tick=False) as travelled:
        yield travelled


def code_at(steps: int = 0, secret: str = SECRET) -> str:
    """The phone's code now, or so many steps before or after."""
    return f"{totp(bytes.fromhex(secret), drift=steps):06d}"


def enrolled(username: str = "qiye") -> User:
    user = User.objects.get(username=username)
    TotpDevice.objects.create(user=user, name="手机", secret=SECRET)
    return user


def password(username: str = "qiye", **more: str) -> Client:
    client = Client()
    response = client.post(reverse("sign_in"), {"username": username, "password": PASSWORD} | more)
    assert response.status_code == 302
    return client


def test_the_codes_are_those_of_rfc_6238() -> None:
    """Appendix B, SHA-1; the last six of its eight digits."""
    table = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    for moment, code in table.items():
        with time_machine.travel(moment, tick=False):
            assert TotpDevice.step_of(SECRET, code) == moment // 30
            assert TotpDevice.step_of(SECRET, "000000") is None


def test_each_code_fits_once_now_or_one_step_late(clock: Any) -> None:
    """One step of delay, as RFC 6238 5.2 allows; none ahead, because phones set their own clock."""
    device = TotpDevice.objects.get(user=enrolled())
    steps = (-2, 1, 2)
    for wrong in (*map(code_at, steps), "12345", "１２３４５６", "abcdef", "", "-12345"):
        assert not device.verify_token(wrong)
        clock.shift(timedelta(minutes=15))  # the wait after a wrong code
    assert device.verify_token(code_at(-1))
    assert not device.verify_token(code_at(-1))
    clock.shift(5)
    assert device.verify_token(code_at(0))
    clock.shift(30)
    assert not device.verify_token(code_at(-1))  # went by
    clock.shift(1200)
    late = code_at(-1)
    assert device.verify_token(code_at())
    clock.shift(1)
    assert not device.verify_token(late)  # steps only go forward
    unused = code_at(1)
    clock.shift(84)  # to the first second of the step after the one that still takes it
    assert not device.verify_token(unused)
    clock.shift(2)
    assert device.verify_token(code_at(-1))


def test_wrong_codes_cost_growing_waits_that_end(clock: Any) -> None:
    device = TotpDevice.objects.get(user=enrolled())
    for _ in range(20):
        device.verify_token("000000")
        clock.shift(1200)
    clock.shift(-1199)
    assert not device.verify_token(code_at())
    clock.shift(1200)
    assert device.verify_token(code_at())


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_one_code_in_fifty_parallel_requests_wins_once() -> None:
    user = enrolled()
    recovery = second_factor.new_codes(user)[0]
    for proof_text in (code_at(), recovery):
        gate = threading.Barrier(50)
        won: list[str] = []

        def run(text: str = proof_text, gate: Any = gate, won: list[str] = won) -> None:
            try:
                gate.wait(30)
                won.append(second_factor.check(user, text))
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(won) == 50
        assert len([by for by in won if by]) == 1


def test_the_secret_is_not_in_the_table_and_the_codes_are_digests() -> None:
    user = enrolled()
    codes = second_factor.new_codes(user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM xianning_totpdevice")
        assert SECRET not in cursor.fetchone()[0]
        cursor.execute("SELECT digest FROM xianning_recoverycode")
        stored = " ".join(row[0] for row in cursor.fetchall())
    assert len(codes) == len(set(codes)) == 10
    assert not any(code.replace("-", "") in stored for code in codes)


# --- signing in ---------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(clock: Any) -> None:
    enrolled()
    client = password(next="/jobs/")
    assert "_auth_user_id" not in client.session
    assert PASSWORD not in str(dict(client.session))
    assert client.get(HOME)["Location"].startswith(reverse("sign_in"))
    assert client.get(CODE).status_code == 200
    assert client.post(CODE, {"code": "000000"}).status_code == 422
    clock.shift(2)
    before = client.session.session_key
    response = client.post(CODE, {"code": f"{code_at()[:3]} {code_at()[3:]}"})
    assert response["Location"] == "/jobs/"
    assert client.session.session_key != before
    assert client.get(HOME).status_code == 200
    assert AuditEvent.objects.filter(action="second_factor_used").count() == 1


def test_the_page_of_the_code_waits_five_minutes_and_for_the_same_password(clock: Any) -> None:
    user = enrolled()
    late, changed, gone = password(), password(), password()
    clock.shift(timedelta(minutes=4, seconds=59))
    assert late.get(CODE).status_code == 200
    clock.shift(2)
    assert late.post(CODE, {"code": code_at()})["Location"].startswith(reverse("sign_in"))
    clock.shift(-60)
    user.set_password("another-new-passphrase-9")
    user.save()
    assert changed.post(CODE, {"code": code_at()})["Location"].startswith(reverse("sign_in"))
    User.objects.update(is_active=False)
    assert gone.post(CODE, {"code": code_at()})["Location"].startswith(reverse("sign_in"))


def test_codes_cannot_be_guessed_by_who_knows_the_password(clock: Any) -> None:
    enrolled()
    statuses = []
    for _ in range(4):
        client = password()
        for _ in range(3):
            statuses.append(client.post(CODE, {"code": "000000"}).status_code)
            clock.shift(1)
    assert statuses.count(422) == 5
    assert set(statuses[5:]) <= {302, 429}


def test_a_recovery_code_stands_in_once(clock: Any) -> None:
    user = enrolled()
    code, other = second_factor.new_codes(user)[:2]
    client = password()
    assert "备用码" in client.get(f"{CODE}?with=paper").content.decode()
    assert client.post(f"{CODE}?with=paper", {"code": code.upper()}).status_code == 302
    assert client.get(HOME).status_code == 200
    again = password()
    assert again.post(CODE, {"code": code}).status_code == 422
    foreign = User.objects.get(username="rs")
    TotpDevice.objects.create(user=foreign, name="手机", secret=SECRET)
    assert second_factor.check(foreign, other) == ""
    assert RecoveryCode.objects.filter(user=user, used_at=None).count() == 9


# --- where it is demanded -----------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(BY_ROLE))
def test_everybody_whatever_his_role_must_enrol(role: str, settings: Any) -> None:
    """ASVS 6.3.3, 等保 CES-04."""
    client = password(BY_ROLE[role])
    pages = ["home", "account", "sessions", "notices", "rosters", "users", "grants"]
    for name in pages:
        response = client.get(reverse(name))
        assert response.status_code == 403 or response["Location"] == FACTOR, name
    assert client.get(HOME)["Location"] == FACTOR
    assert client.get(FACTOR).status_code == 200
    assert client.get(reverse("password_change")).status_code == 200
    settings.SECOND_FACTOR = False
    assert client.get(HOME).status_code == 200
    assert reverse("account") in client.get(HOME).content.decode()


def _start(client: Client) -> str:
    """Begin; the secret as the page shows it, in hexadecimal."""
    import base64

    assert client.post(FACTOR, {"start": "1"})["Location"] == FACTOR
    page = client.get(FACTOR).content.decode()
    assert 'src="data:image/svg+xml' in page
    shown = re.search(r'<p class="code-groups">(.*?)</p>', page, re.DOTALL)
    assert shown
    return base64.b32decode("".join(re.findall(r"<code>(\w+)</code>", shown[1]))).hex()


def test_setting_the_phone_up(clock: Any) -> None:
    client, elsewhere = password(), password()
    secret = _start(client)
    assert len(secret) == 40
    assert secret not in str(dict(client.session))
    assert not TotpDevice.objects.exists()
    assert client.post(FACTOR, {"code": "000000"}).status_code == 422
    page = client.post(FACTOR, {"code": code_at(secret=secret)}).content.decode()
    codes = re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", page)
    assert len(set(codes)) == 10
    assert client.get(HOME).status_code == 200
    assert codes[0] not in client.get(FACTOR).content.decode()
    assert elsewhere.get(HOME)["Location"].startswith(f"{reverse('sign_in')}?why=factor")
    user = User.objects.get(username="qiye")
    assert not second_factor.check(user, code_at(secret=secret))  # the code of the set-up
    made = AuditEvent.objects.filter(user=user).values_list("action", flat=True)
    assert {"second_factor_added", "recovery_codes_made", "session_ended"} <= set(made)

    # Another phone: the old one goes on until the new one has shown a code.
    clock.shift(30)
    newer = _start(client)
    assert second_factor.check(user, code_at(secret=secret)) == "totp"
    assert client.post(FACTOR, {"code": code_at(secret=newer)}).status_code == 200
    clock.shift(30)
    assert not second_factor.check(user, code_at(secret=secret))
    assert not second_factor.check(user, codes[1])
    clock.shift(1)
    assert second_factor.check(user, code_at(secret=newer)) == "totp"

    # It is demanded of him, so he cannot end it.
    client.post(FACTOR, {"remove": "1"})
    assert TotpDevice.objects.filter(user=user).exists()


def test_only_where_it_is_not_demanded_may_it_be_ended(
    sign_in: Callable[[str], Client], settings: Any
) -> None:
    client = sign_in("yibao")
    assert "停用手机动态口令" not in client.get(FACTOR).content.decode()
    client.post(FACTOR, {"remove": "1"})
    assert TotpDevice.objects.filter(user__username="yibao").exists()
    settings.SECOND_FACTOR = False
    assert "停用手机动态口令" in client.get(FACTOR).content.decode()
    client.post(FACTOR, {"remove": "1"})
    assert not TotpDevice.objects.filter(user__username="yibao").exists()
    assert client.get(HOME).status_code == 200


def test_the_system_administrator_resets_a_lost_phone_but_not_his_own(
    sign_in: Callable[[str], Client],
) -> None:
    clerk, admin = sign_in("qiye"), sign_in("guanli")
    user, himself = User.objects.get(username="qiye"), User.objects.get(username="guanli")
    assert "重置动态口令" in admin.get(reverse("user_edit", args=[user.pk])).content.decode()
    stale(admin)
    page = admin.post(reverse("user_edit", args=[user.pk]), {"factor": "1"})
    assert "再次确认是您本人" in page.content.decode()
    assert TotpDevice.objects.filter(user=user).exists()
    session = admin.session
    session["proved_at"] += 301
    session.save()
    assert admin.post(reverse("user_edit", args=[user.pk]), {"factor": "1"}).status_code == 302
    assert not TotpDevice.objects.filter(user=user).exists()
    assert clerk.get(HOME)["Location"].startswith(f"{reverse('sign_in')}?why=factor")
    event = AuditEvent.objects.filter(action="second_factor_removed").get()
    assert (event.user, event.object_id) == (himself, str(user.pk))
    admin.post(reverse("user_edit", args=[himself.pk]), {"factor": "1"})
    assert TotpDevice.objects.filter(user=himself).exists()


# --- a fresh proof ------------------------------------------------------------------------------


def stale(client: Client, seconds: int = 301) -> None:
    session = client.session
    session["proved_at"] -= seconds
    session.save()


def test_a_proof_of_five_minutes_ago_is_asked_again_and_the_request_goes_on_once(
    sign_in: Callable[[str], Client],
) -> None:
    client, path = sign_in("qiye"), reverse("sessions_end")
    SignInSession.objects.create(user=User.objects.get(username="qiye"), key_digest="1")
    stale(client, 299)
    assert client.post(path).status_code == 302
    others = SignInSession.objects.create(user=User.objects.get(username="qiye"), key_digest="2")
    stale(client, 2)
    sent = {"reason": "核对 <b>", "case": ["1", "2"]}
    page = client.post(path, sent).content.decode()
    assert "再次确认是您本人" in page
    assert 'name="reason" value="核对 &lt;b&gt;"' in page
    assert page.count('name="case"') == 2
    others.refresh_from_db()
    assert others.ended_at is None
    wrong = client.post(path, sent | {proof.FIELD: "000000"})
    assert wrong.status_code == 422
    assert 'name="reason" value="核对 &lt;b&gt;"' in wrong.content.decode()
    TotpDevice.objects.update(throttling_failure_count=0)
    code = code_at(secret="5a" * 20)
    assert client.post(path, sent | {proof.FIELD: code}).status_code == 302
    others.refresh_from_db()
    assert others.ended_at is not None
    stale(client)
    assert client.post(path, sent | {proof.FIELD: code}).status_code == 422  # once
    found = AuditEvent.objects.filter(action="step_up").values_list("result", flat=True)
    assert sorted(found) == ["failed", "failed", "ok"]


def test_without_a_phone_the_password_proves_and_guessing_ends_the_session(settings: Any) -> None:
    settings.SECOND_FACTOR = False
    client, path = password(), reverse("sessions_end")
    stale(client)
    assert "登录密码" in client.post(path).content.decode()
    assert client.post(path, {proof.FIELD: PASSWORD}).status_code == 302
    stale(client)
    answers = [client.post(path, {proof.FIELD: f"no {n}"}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [302]
    assert answers[-1]["Location"].endswith("why=proof")
    assert client.get(HOME)["Location"].startswith(reverse("sign_in"))


def test_the_view_sees_what_was_sent_and_not_the_proof(settings: Any) -> None:
    settings.SECOND_FACTOR = False
    client = password()
    request = RequestFactory().post("/x/", {"a": "1", proof.FIELD: PASSWORD})
    request.session = client.session
    request.session["proved_at"] = 0
    request.user = User.objects.get(username="qiye")
    assert proof.require_fresh(request) is None
    assert dict(request.POST) == {"a": ["1"]}
    assert access.is_fresh(request)


def test_a_page_that_is_only_read_is_opened_after_the_proof(settings: Any) -> None:
    settings.SECOND_FACTOR = False
    client = password()
    stale(client)
    path = f"{reverse('prove')}?next=/jobs/"
    assert client.get(path).status_code == 200
    assert client.post(path, {proof.FIELD: "no"}).status_code == 422
    assert client.post(path, {proof.FIELD: PASSWORD})["Location"] == "/jobs/"
    foreign = f"{reverse('prove')}?next=https://example.org/"
    assert client.get(foreign)["Location"] == HOME


# Deeds of weight: who, page, what is sent.
WEIGHTY = [
    ("anquan", "grant", {"decision": "yes"}),
    ("rs", "transfers:rights_answer", {"state": "done", "answer": "保存期满，同意删除"}),
    ("shequ", "transfers:rights_copy", {}),
    ("qiye", "second_factor", {"codes": "1"}),
]


@pytest.mark.parametrize(("username", "name", "data"), WEIGHTY)
def test_a_deed_of_weight_asks_again_who_is_there(
    username: str, name: str, data: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    case, today = make_transfer(at="community"), timezone.localdate()
    named = {user.username: user for user in User.objects.all()}
    about = {
        "grant": Grant.objects.create(
            user=named["shequ_wannian"], office=named["shequ"].offices.get(),
            asked_by=named["guanli"], reason="轮岗通知3号",
        ),
        "transfers:rights_answer": RightsRequest.objects.create(
            transfer=case, kind="erase", applicant="self", recorded_by=named["shequ"],
            asked_on=today,
        ),
        "transfers:rights_copy": case,
    }  # fmt: skip
    RightsRequest.objects.create(
        transfer=case, kind="copy", applicant="self", recorded_by=named["shequ"], asked_on=today
    )
    client = sign_in(username)
    stale(client)
    page = client.post(reverse(name, args=[about[name].pk] if name in about else []), data)
    assert page.status_code == 200
    assert "再次确认是您本人" in page.content.decode()
    assert not Grant.objects.exclude(state="asked").exists()
    assert not RightsRequest.objects.exclude(state="asked").exists()
