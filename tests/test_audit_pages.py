"""The audit read by those who watch and by nobody else; nobody switches it off (T7, T8)."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from tests.conftest import BY_ROLE
from tests.factories import make_transfer
from xianning import audit, audit_seals, audit_views, checks, demo, vault
from xianning.models import AuditEvent, Job, Office, User
from xianning.sandbox import Rejected

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


# --- nobody switches it off (T8), nobody but the watchers reads it ---------------------------------


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SIMPLE_HISTORY_ENABLED", False, "SIMPLE_HISTORY_ENABLED"),
        ("AUDIT_DAYS", 30, "不能少于 400 天"),
        ("MIDDLEWARE", ["xianning.access.AccessMiddleware"], "AuditMiddleware"),
    ],
)
def test_no_setting_switches_the_audit_off(
    settings: Any, name: str, value: object, sentence: str
) -> None:
    settings.TESTING = False  # the tests run with weak keys
    setattr(settings, name, value)
    assert sentence in "".join(checks.wrong_settings())
    with pytest.raises(ImproperlyConfigured, match=sentence):
        checks.require_right_start()


PAGES = {"audit": (), "audit_state": (), "audit_event": ("event",), "audit_export": ()}


def test_watchers_read_and_everybody_else_is_refused(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    event = audit.write("changed", user=people["qiye"], object=("x", 1))
    for role, username in BY_ROLE.items():
        client = sign_in(username)
        for name, args in PAGES.items():
            path = reverse(name, args=[event.pk for _ in args])
            watcher = role in ("auditor", "audit_admin")
            for method in ("get", "post", "put", "delete")[: 4 if watcher else 2]:
                status = getattr(client, method)(path).status_code
                assert (status == 403) is not watcher, (role, name, method)
                if watcher and (method in ("put", "delete") or (name, method) in
                                {("audit", "post"), ("audit_event", "post")}):  # fmt: skip
                    assert status == 405, (role, name, method)


def test_looking_is_an_event_and_a_county_sees_its_own_events(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    here = audit.write("changed", user=people["rs_chibi"], object=("x", 1))
    city = audit.write("changed", user=people["rs"], object=("x", 2))
    nowhere = audit.write("sign_in_failed", result="failed")
    Office.objects.create(role="auditor", name="赤壁市审计局（测试）", area_id=demo.CHIBI).admit(
        made := User.objects.create(username="shenji_chibi", full_name="赤壁审计")
    )
    assert made
    seen = set(AuditEvent.objects.visible_to(made).values_list("pk", flat=True))
    assert (here.pk in seen, city.pk in seen, nowhere.pk in seen) == (True, False, False)
    everything = AuditEvent.objects.visible_to(people["shenji"]).values_list("pk", flat=True)
    assert {here.pk, city.pk, nowhere.pk} <= set(everything)
    client = sign_in("shenji")
    query = {"person": "孔人社", "action": "changed", "object": "2", "result": "ok",
             "day": f"{timezone.localdate()}"}  # fmt: skip
    page = client.get(reverse("audit"), query)
    assert [line.event for line in page.context["lines"]] == [city]
    event = last()
    assert (event.action, event.user_name) == ("audit_read", "郑审计")
    assert event.facts["filters"] == {
        "action": "changed", "result": "ok", "object": "2", "day": query["day"],
        "person": [str(people["rs"].pk)],
    }  # fmt: skip
    yesterday = f"{timezone.localdate() - timedelta(days=1)}"
    assert not client.get(reverse("audit"), {"day": yesterday}).context["lines"]
    for bad in ({"action": "x"}, {"result": "x"}, {"day": "2026-13-01"}, {"after": "x"}):
        assert client.get(reverse("audit"), bad).status_code == 404
    assert city.mac in client.get(reverse("audit_event", args=[city.pk])).content.decode()
    assert last().object_id == str(city.pk)
    county = sign_in("shenji_chibi").get(reverse("audit"), {"action": "changed"})
    assert {line.event.area_id for line in county.context["lines"]} == {demo.CHIBI}


def test_the_pages_tell_state_check_and_export(
    people: People, sign_in: Callable[[str], Client],
    django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    case = make_transfer()
    audit.write("changed", user=people["qiye"], object=case, facts={"note": "=1+1", "fields": []})
    audit_seals.seal()
    head = audit_seals.AuditSeal.objects.order_by("-number")[0]
    client = fresh(sign_in("shenjiguan"))
    assert head.digest in client.get(reverse("audit_state")).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("audit_state"))
    assert Job.objects.get(kind="audit_verify").state == "done"
    checked = last(action="audit_verified")
    assert (checked.result, checked.facts["head"], checked.user_name) == (
        "ok", head.number, people["shenjiguan"].full_name
    )  # fmt: skip
    assert "完整" in client.get(reverse("audit_state")).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("audit_export"), {"object": case.number})
    job = Job.objects.get(kind="audit_export")
    sheet = load_workbook(io.BytesIO(vault.get(job.result_file))).active
    assert sheet is not None
    lines = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert head.digest in str(lines[1][0])
    assert {line[8] for line in lines[3:]} == {str(case.pk)}
    assert "note：=1+1" in [line[9] for line in lines[3:]]
    assert last(action="audit_export").facts == {"filters": {"object": str(case.pk)}}
    assert client.get(reverse("job_result", args=[job.pk])).status_code == 200
    Office.objects.get(role="audit_admin").dismiss(people["shenjiguan"])
    assert client.get(reverse("job_result", args=[job.pk])).status_code == 403
    monkeypatch.setattr("xianning.audit_views.EXPORT_LIMIT", 3)
    assert fresh(sign_in("shenji")).post(reverse("audit_export")).status_code == 422


def test_the_audit_leaves_the_building_after_a_fresh_proof_only(
    sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Any
) -> None:
    client = sign_in("shenjiguan")
    session = client.session
    session["proved_at"] -= 301
    session.save()
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(reverse("audit_export"), {})
    assert "再次确认是您本人" in page.content.decode()
    assert not Job.objects.exists()


def test_the_state_of_the_seals_costs_the_same_however_much_there_is(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    client, address = sign_in("shenjiguan"), reverse("audit_state")
    audit_seals.seal()
    costs = []
    for number, shown, late in ((3, "3 条", False), (150, "100+ 条", True)):
        moment = timezone.now() - timedelta(minutes=11 if late else 0)
        with time_machine.travel(moment, tick=False):
            for _ in range(number):
                audit.write("changed", user=people["qiye"])
        with CaptureQueriesContext(connection) as captured:
            page = client.get(address).content.decode()
        assert shown in " ".join(page.split())
        assert ("超过 10 分钟没有封存" in page) is late
        read = [query["sql"] for query in captured if audit_seals.AuditEvent._meta.db_table
                in query["sql"] and query["sql"].startswith("SELECT")]  # fmt: skip
        assert all("LIMIT" in sql for sql in read), read
        costs.append(len(captured))
        audit_seals.seal()
    assert costs[0] == costs[1]


def test_the_command_names_the_first_bad_event(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = audit.write("changed", user=people["qiye"])
    out = io.StringIO()
    call_command("audit", "seal", stdout=out)
    assert "号封存" in out.getvalue()
    call_command("audit", "verify", "--json", stdout=(good := io.StringIO()))
    assert json.loads(good.getvalue())["good"] is True
    real = audit.message_of
    monkeypatch.setattr(audit, "message_of", lambda v: b"x" if str(event.pk) in v else real(v))
    with pytest.raises(SystemExit) as end:
        call_command("audit", "verify", stdout=out)
    assert end.value.code == 1
    assert f"记录 {event.pk}" in out.getvalue()


def test_who_watches_no_more_gets_no_file_of_events(people: People) -> None:
    progress: Any = SimpleNamespace(job=SimpleNamespace(owner_id=people["qiye"].pk))
    with pytest.raises(Rejected, match="没有此项权限"):
        audit_views.export(progress, search={})
