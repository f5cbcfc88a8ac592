"""Every act leaves its trace: events for the procedure, history for the fields, a log for readers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_transfer, staff_of
from transfers.models import Retiree, StepEvent, Transfer
from xianning.models import AccessLog, AuditEvent, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
REASON = "上门核对住址"


def _reveal(client: Client, case: Transfer, **data: str) -> object:
    return client.post(reverse("transfers:reveal", args=[case.pk]), data)


def test_the_page_masks_until_a_reason_is_on_record(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    person, client = case.retiree, sign_in("shequ")
    page = client.get(case.get_absolute_url()).content.decode()
    for secret in (person.id_number, person.home_phone, person.home_address, person.contact1_name):
        assert secret not in page
    refused = _reveal(client, case, group="identity", reason="看")
    assert refused.status_code == 422  # type: ignore[attr-defined]
    assert not AccessLog.objects.exists()
    shown = _reveal(client, case, group="contact", reason=REASON).content.decode()  # type: ignore[attr-defined]
    assert person.home_phone in shown
    assert person.id_number not in shown
    trace = AccessLog.objects.get()
    assert (trace.kind, trace.transfer, trace.reason) == ("reveal", case, REASON)
    assert trace.what == "住址与电话"


def test_the_page_of_changes_shows_nothing_before_its_reason(
    sign_in: Callable[[str], Client],
) -> None:
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    path = reverse("transfers:edit", args=[case.pk])
    for response in (client.get(path), client.post(path, {"open": "1", "why": "改"})):
        assert case.retiree.id_number not in response.content.decode()
        assert case.retiree.home_phone not in response.content.decode()
    assert not AccessLog.objects.exists()


def test_nothing_is_shown_when_the_trace_cannot_be_written(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, client = make_transfer(at="community"), sign_in("shequ")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(AccessLog, "write", fail)
    client.raise_request_exception = False
    response = _reveal(client, case, group="identity", reason=REASON)
    assert response.status_code == 500  # type: ignore[attr-defined]
    assert case.retiree.id_number not in response.content.decode()  # type: ignore[attr-defined]


def test_an_auditor_reads_who_looked_but_not_what_they_saw(
    sign_in: Callable[[str], Client],
) -> None:
    case = make_transfer(at="community")
    _reveal(sign_in("shequ"), case, group="identity", reason=REASON)
    page = sign_in("shenji").get(reverse("access_log")).content.decode()
    assert REASON in page
    assert "王社区" in page
    assert case.retiree.id_number not in page


def test_each_act_leaves_one_event_with_who_and_for_which_office() -> None:
    case = make_transfer(at="done", party_member=True)
    events = list(case.events.exclude(verb=StepEvent.Verb.START))
    assert [e.step for e in events] == [
        "declare", "verify", "confirm", "deliver", "archives", "community", "letter", "party",
    ]  # fmt: skip
    staff = staff_of("qiye")
    for event in events:
        assert event.by in staff.values()
        assert event.office is not None
        assert event.by in event.office.users.all()


def test_an_amendment_shows_before_and_after_with_private_values_masked(
    sign_in: Callable[[str], Client],
) -> None:
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    path = reverse("transfers:edit", args=[case.pk])
    opened = client.post(path, {"open": "1", "why": "本人要求更改电话"})
    assert AccessLog.objects.get().reason == "本人要求更改电话"
    form = opened.context["form"]
    data = {f.name: f.value() for f in form if f.value() not in (None, "")}
    old = case.retiree.home_phone
    data |= {"home_phone": "13900000007", "former_post": "退管员"}
    assert client.post(path, data).status_code == 302
    page = client.get(case.get_absolute_url()).content.decode()
    assert "退管员" in page
    assert "常住地电话" in page
    assert "13900000007" not in page
    assert old not in page


def test_the_database_holds_no_private_value_in_clear() -> None:
    case = make_transfer(at="done", party_member=True)
    person = case.retiree
    secrets = [person.id_number, person.home_phone, person.home_address, person.contact1_name]
    with connection.cursor() as cursor:
        tables = [t for t in connection.introspection.table_names(cursor) if "_" in t]
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            text = str(cursor.fetchall())
            for secret in secrets[:3]:
                assert secret not in text, table


def test_a_name_of_two_characters_is_found_and_a_number_only_whole(
    sign_in: Callable[[str], Client],
) -> None:
    case = make_transfer(name="欧阳建国")
    make_transfer(name="王秀兰")
    client = sign_in("qiye")
    for words in ("建国", "欧阳", "欧阳建国", "国", case.retiree.id_number):
        response = client.post(reverse("transfers:search"), {"q": words}, follow=True)
        assert [line.case for line in response.context["lines"]] == [case], words
        assert words not in response.redirect_chain[-1][0]
        assert case.retiree.id_number not in response.content.decode()
    for words in ("国建", case.retiree.id_number[:12], "赵"):
        response = client.post(reverse("transfers:search"), {"q": words}, follow=True)
        found = [line.case for line in response.context["lines"]]
        assert case not in found or words == case.retiree.id_number[:12]
    assert Retiree.objects.count() == 2


def test_the_history_says_when_a_password_was_changed(
    people: dict[str, User], settings: Any
) -> None:
    """And nothing is noted when the same password is merely hashed anew at a sign-in."""
    user, start = people["rs"], timezone.now().replace(microsecond=0)
    for hours, fields in ((1, None), (2, ["password"]), (3, ["password", "must_change_password"])):
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            user.set_password(f"a passphrase of words, number {hours}")
            user.save(update_fields=fields)
        user.refresh_from_db()
        past = user.history.first()
        changed_at = start + timedelta(hours=hours)
        assert (user.password_changed_at, past.password_changed_at) == (changed_at, changed_at)
    event = AuditEvent.objects.filter(action="changed", object_id=str(user.pk)).order_by("-id")[0]
    assert event.facts == {"fields": ["password_changed_at"]}
    assert not hasattr(past, "password")

    hashers = "django.contrib.auth.hashers"
    settings.PASSWORD_HASHERS = [f"{hashers}.{name}PasswordHasher" for name in ("MD5", "Scrypt")]
    User.objects.filter(pk=user.pk).update(
        password=make_password("a passphrase of words, number 9", hasher="scrypt")
    )
    user.refresh_from_db()
    former = user.password
    assert user.check_password("a passphrase of words, number 9")
    user.refresh_from_db()
    assert user.password != former  # Django has hashed it with the present hasher
    assert user.password_changed_at == start + timedelta(hours=3)
