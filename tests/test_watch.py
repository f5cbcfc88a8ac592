"""Reading too much, or at night: the quota, the alerts, and the page of a person's accesses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_many, make_transfer
from tests.giving import REASON, ask, fetch
from xianning import access, watch
from xianning.models import AccessLog, AuditEvent, Export, Job, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

State = Export.State


# --- step-up, quota, alerts ---------------------------------------------------------------------


@pytest.mark.django_db
def test_whole_values_and_approvals_need_a_fresh_proof(
    press: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    make_transfer(at="done")
    settings.EXPORT_ROWS_ALONE = 0
    waits, made = ask(), ask(clear=False, reason="")
    settings.EXPORT_ROWS_ALONE = 10
    press("shequ", "roster_export", "ledger", format="xlsx", clear="1", reason=REASON, token="1")
    whole = Export.objects.get(state=State.MADE)
    monkeypatch.setattr(access, "is_fresh", lambda _request: False)
    page = press("shequ", "roster_export", "ledger", format="xlsx", clear="1", reason=REASON)
    assert (page.status_code, Export.objects.count()) == (200, 3)
    assert "再次确认是您本人" in page.content.decode()
    assert (
        press("anquan", "export_decide", waits.pk, decision="yes", answer="已核对用途").status_code
        == 200
    )
    waits.refresh_from_db()
    assert waits.state == State.ASKED
    assert fetch("shequ", whole, press)["Content-Type"].startswith("text/html")
    whole.refresh_from_db()
    assert whole.state == State.MADE
    masked = press("shequ", "roster_export", "ledger", format="xlsx", clear="0", token="2")
    assert masked.status_code == 302
    assert made.state == State.ASKED


@pytest.mark.django_db
def test_one_person_too_many_in_an_hour_is_challenged_and_told_once(
    press: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.REVEAL_QUOTA = 3
    cases = make_many(5)
    form = {"group": "identity", "reason": "核对身份证号"}
    number = [case.retiree.id_number for case in cases]

    def look(index: int) -> bool:
        page = press("qiye", "transfers:reveal", cases[index].pk, **form)
        return number[index] in page.content.decode()

    monkeypatch.setattr(access, "is_fresh", lambda _request: False)
    assert [look(index) for index in (0, 1, 2, 2, 0)] == [True] * 5  # the same people cost nothing
    assert not AuditEvent.objects.filter(action="alert").exists()
    assert [look(3), look(4), look(0)] == [False, False, True]
    assert AccessLog.objects.filter(kind="reveal").count() == 6
    monkeypatch.setattr(access, "is_fresh", lambda _request: True)
    assert [look(3), look(4)] == [True, True]
    assert AuditEvent.objects.filter(action="quota_passed").count() == 2
    event = AuditEvent.objects.get(action="alert")
    assert (event.facts["kind"], event.facts["people"]) == ("reveal_quota", 4)
    for reader in ("shenjiguan", "shenji"):
        told = Notice.objects.visible_to(User.objects.get(username=reader)).get()
        assert "华经办" in told.text
        assert all(case.retiree.name not in told.text for case in cases)
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert [look(index) for index in range(3)] == [True] * 3  # a new hour
    assert AuditEvent.objects.filter(action="alert").count() == 1


@pytest.mark.django_db
def test_without_its_trace_nothing_is_shown_and_no_file_is_made(
    press: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_transfer(at="done")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no trace")

    monkeypatch.setattr("xianning.audit.write", fail)
    with pytest.raises(RuntimeError):
        press("shequ", "transfers:reveal", case.pk, group="identity", reason="核对身份证号")
    with pytest.raises(RuntimeError):
        press("shequ", "roster_export", "ledger", format="xlsx", clear="1", reason=REASON)
    assert (AccessLog.objects.count(), Export.objects.count(), Job.objects.count()) == (0, 0, 0)


@pytest.mark.django_db
def test_night_and_mass_reading_give_one_alert_an_hour(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    case = make_transfer()
    zone = timezone.get_default_timezone()
    nights = {21: False, 22: True, 2: True, 5: True, 6: False}
    for hour, night in nights.items():
        assert watch.is_night(datetime(2026, 11, 3, hour, 59, tzinfo=zone)) is night
    monkeypatch.setattr(watch, "is_night", lambda _moment: True)
    for _ in range(2):
        ask("qiye", "transfers")
    night_event = AuditEvent.objects.get(action="alert", facts__kind="night_export")
    assert night_event.user == User.objects.get(username="qiye")
    settings.REVEAL_QUOTA = 0  # three times nothing: one person is too many
    AccessLog.write(night_event.user, "paper", "《基本信息表》", transfer=case)
    assert [watch.look(), watch.look()] == [1, 0]
    assert AuditEvent.objects.filter(action="alert", facts__kind="mass_reading").count() == 1
    assert Notice.objects.filter(role="audit_admin").count() == 2


# --- a person's own accesses, the command -------------------------------------------------------


@pytest.mark.django_db
def test_the_page_of_a_person_lists_every_access_and_shows_no_value(
    press: Callable[..., Any], sign_in: Any, django_assert_max_num_queries: Any
) -> None:
    case, other = make_transfer(at="done"), make_transfer(at="done")
    press("shequ", "transfers:reveal", case.pk, group="contact", reason="电话回访核对")
    press("qiye", "transfers:paper", case.pk, "form")
    press("shequ", "roster_export", "ledger", format="xlsx", clear="1", reason=REASON, token="1")
    press("qiye", "transfers:reveal", other.pk, group="identity", reason="别人的事由")
    serial = Export.objects.get().serial
    address = reverse("transfers:accesses", args=[case.pk])
    for reader in ("shequ", "qiye", "rs", "shenji"):
        client = sign_in(reader)
        client.get(address)
        with django_assert_max_num_queries(22):
            page = client.get(address).content.decode()
        for fact in ("电话回访核对", "住址与电话", "打印文书", serial, REASON, "桂花路社区"):
            assert fact in page, (reader, fact)
        assert "别人的事由" not in page
        assert case.retiree.phone not in page
        assert case.retiree.id_number not in page
    for stranger in ("qiye_chibi", "shequ_wannian", "anquan", "shenjiguan"):
        assert sign_in(stranger).get(address).status_code in (403, 404), stranger
    assert address in sign_in("shequ").get(case.get_absolute_url()).content.decode()
