"""A deed and its event in the audit commit together, and no other way leads to the tables (T2, T6)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone
from simple_history.manager import HistoryDescriptor

from tests.factories import enterprise_of, make_transfer
from tests.fingerprint import SESSIONS, changed, fingerprint
from xianning import demo, jobs, walk
from xianning.models import AuditEvent, Grant, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db
SignIn = "Callable[[str], Client]"
PASSWORD = "wrong-Password-77"


def last(**conditions: Any) -> AuditEvent:
    found = AuditEvent.objects.filter(**conditions).order_by("-id").first()
    assert found is not None, conditions
    return found


def told(event: AuditEvent) -> tuple[str, str, str, str]:
    return event.action, event.result, event.user_name, event.object_kind


def fresh(client: Client) -> Client:
    """As after a repeated proof of identity."""
    session = client.session
    session["proved_at"] = timezone.now().timestamp()
    session.save()
    return client


# --- one transaction (T2) -------------------------------------------------------------------------

Deed = tuple[str, str, dict[str, Any]]


def deeds() -> list[Deed]:
    """Who posts what where: one of each kind of operation, each possible as the world stands."""
    verify, community, party, done = (
        make_transfer(at=step, party_member=True)
        for step in ("verify", "community", "party", "done")
    )
    ended, sent_back = make_transfer(at="verify"), make_transfer(at="community")
    office = Office.objects.get(area=demo.GUIHUA, role="community")
    person = User.objects.get(username="shequ_wannian")
    guanli = User.objects.get(username="guanli")
    third = Office.objects.filter(role="street").first()
    assert third
    grants = [Grant.ask(person, office, by=guanli, reason="轮岗通知3号")]
    grants += [Grant.ask(person, third, by=guanli, reason="轮岗通知4号")]
    entry = enterprise_of("qiye")
    entry.acknowledged_at = entry.acknowledged_by = None
    entry.save()
    why = {"code": "other", "reason": "材料有误"}

    def at(name: str, *args: Any) -> str:
        return reverse(name, args=args)

    answers = {k: str(v) for k, v in walk.answers(verify, "verify").items()}
    return [
        ("rs", at("transfers:act", verify.pk, "verify"), answers | {"confirmed": "1"}),
        ("shequ", at("transfers:send_back", sent_back.pk, "community"), why),
        ("rs", at("transfers:withdraw", verify.pk, "verify"), why),
        ("qiye", at("transfers:end", ended.pk), {"code": "died", "reason": "已去世"}),
        ("shequ", at("transfers:reveal", community.pk), {"group": "contact", "reason": "上门核对"}),
        ("qiye", at("transfers:paper", party.pk, "form"), {}),
        ("shequ", at("communities:card_paper"), {"case": str(done.pk)}),
        ("shequ", at("roster_export", "ledger"), {"format": "xlsx", "clear": "0", "reason": "年报"}),
        ("guanli", at("office_add"), {"role": "hr", "name": "新机构（测试）", "area": "嘉鱼县"}),
        ("guanli", at("office_edit", office.pk),
         {"role": "community", "name": office.name, "area": office.area_id, "phone": "0715-8255555"}),
        ("guanli", at("user_add"), {"username": "xin", "full_name": "新人员"}),
        ("guanli", at("user_edit", person.pk), {"full_name": "新名字", "is_active": "on"}),
        ("guanli", at("user_edit", person.pk), {"password": "1"}),
        ("anquan", at("grant", grants[0].pk), {"decision": "yes"}),
        ("guanli", at("grant", grants[1].pk), {"withdraw": "1"}),
        ("guanli", at("communities:area_edit", demo.WANNIAN), {"name": "新万年路社区",
                                                               "receives": "on"}),
        ("rs", at("enterprises:acknowledge", entry.pk), {}),
        ("shenji", at("audit_state"), {}),
        ("shenji", at("audit_export"), {"action": "refused"}),
        ("qiye", at("sign_out"), {}),
    ]  # fmt: skip


WITHOUT = SESSIONS | {"xianning_signinsession", "xianning_guessbucket", "axes_accessattempt", "axes_accesslog",
                      "communities_area_history"}  # fmt: skip


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_deed_whose_event_cannot_be_written_did_not_happen(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_enqueue", lambda job: None)
    written, save = [0, 0], AuditEvent.save

    def fail(self: AuditEvent, *args: Any, **kwargs: Any) -> None:
        written[0] += 1
        if written[0] == written[1]:
            raise DatabaseError("disk full")
        save(self, *args, **kwargs)

    monkeypatch.setattr(AuditEvent, "save", fail)
    without_event = []
    for username, path, data in deeds():
        written[:] = [0, 0]
        client = fresh(sign_in(username))
        client.raise_request_exception = False
        before = fingerprint(WITHOUT)
        for which in range(1, 30):
            written[:] = [0, which]
            response = client.post(path, data)
            if written[0] < which:  # all events were written: the deed is done
                break
            after = fingerprint(WITHOUT)
            assert response.status_code == 500, (path, which)
            assert "<h1" in response.content.decode(), path
            assert changed(before, after) == [], (path, which)
        if which == 1 or response.status_code >= 400:
            without_event.append((path, response.status_code))
    assert not without_event


# --- no other way (T6) ----------------------------------------------------------------------------


def watch(tables: dict[str, str]) -> None:
    """Triggers of the test note every write to TABLES (table → column of its key)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shadow (name varchar(60), row_id varchar(60))")
        for table, key in tables.items():
            for verb, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                name = f"shadow_{table}_{verb}".lower()
                note = f"INSERT INTO shadow VALUES ('{table}', CAST({row}.{key} AS varchar(60)));"
                head = f'CREATE TRIGGER "{name}" AFTER {verb} ON "{table}" FOR EACH ROW'
                if connection.vendor == "sqlite":
                    cursor.execute(f"{head} BEGIN {note} END")
                    continue
                cursor.execute(
                    f'CREATE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql'
                    f" AS $b$ BEGIN {note} RETURN NULL; END $b$"
                )
                cursor.execute(f'{head} EXECUTE FUNCTION "{name}"()')


def written() -> Counter[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, row_id FROM shadow")
        return Counter((table, pk.replace("-", "")) for table, pk in cursor.fetchall())


def remembered(models: list[Any]) -> Counter[tuple[str, str]]:
    """How many rows of history each row has."""
    return Counter(
        (model._meta.db_table, str(pk).replace("-", ""))
        for model in models
        for pk in model.history.values_list(model._meta.pk.attname, flat=True)
    )


def test_no_row_with_a_history_is_written_past_it(
    sign_in: Callable[[str], Client], people: People
) -> None:
    models = [
        m for m in apps.get_models() if isinstance(m.__dict__.get("history"), HistoryDescriptor)
    ]
    assert len(models) > 10
    before = remembered(models)
    watch({model._meta.db_table: str(model._meta.pk.column) for model in models})
    for username, path, data in deeds():
        assert fresh(sign_in(username)).post(path, data).status_code < 400, path
    office = Office.objects.get(area=demo.GUIHUA, role="community")
    office.dismiss(people["shequ"])
    wrote = written()
    assert len(wrote) > 30
    assert wrote == remembered(models) - before
