"""Every act, read, refusal and sign-in is an event, in one transaction with the deed (T1, T2, T7, T8)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.factories import enter, make_transfer, staff_of
from transfers import workflow
from transfers.models import Retiree
from xianning import audit, demo, jobs
from xianning.models import AccessLog, AuditEvent, Office, User

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


# --- what is an event (T1) ------------------------------------------------------------------------


def test_signing_in_failing_and_leaving_are_events(people: People, client: Client) -> None:
    enter(client, people["qiye"])
    assert told(last(action="sign_in")) == ("sign_in", "ok", "华经办", "xianning.User")
    client.post(reverse("sign_out"))
    assert told(last(action="sign_out")) == ("sign_out", "ok", "华经办", "xianning.User")
    path = reverse("sign_in")
    client.post(path, {"username": "qiye", "password": PASSWORD}, REMOTE_ADDR="10.1.2.3")
    event = last(action="sign_in_failed")
    assert (event.user, event.result, event.address) == (people["qiye"], "failed", "10.1.2.3")
    # Somebody types his password into the field of the name.
    client.post(path, {"username": PASSWORD, "password": "x"})
    event = last(action="sign_in_failed")
    assert (event.user, event.user_name, event.facts) == (None, "", {"account": False})
    assert PASSWORD not in str(AuditEvent.objects.values_list("facts", "object_id", "user_name"))


def test_refusals_are_events_and_other_pages_cost_nothing(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case, client = make_transfer(), sign_in("qiye_chibi")
    before = AuditEvent.objects.count()
    assert client.get(reverse("users")).status_code == 403
    event = last()
    assert told(event) == ("refused", "refused", people["qiye_chibi"].full_name, "users")
    assert event.facts == {"page": "users", "method": "GET", "status": 403}
    assert client.get(case.get_absolute_url()).status_code == 404
    assert (last().object_kind, last().object_id) == ("transfers:detail", str(case.pk))
    assert client.get("/no/such/page/").status_code == 404  # names no object
    assert client.get("/transfers/", HTTP_X_REQUEST_ID="forged").status_code == 200
    assert AuditEvent.objects.count() == before + 2
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(reverse("transfers:list"))
    assert not [q for q in queries.captured_queries if "audit" in q["sql"]]
    stranger = type(client)()
    assert stranger.get(reverse("users")).status_code == 302
    assert AuditEvent.objects.count() == before + 2


def test_each_row_of_history_has_its_event_with_names_of_fields_only() -> None:
    case = make_transfer(at="done", party_member=True)
    person = case.retiree
    person.home_phone, person.former_post = "13900000007", "退管员"
    person.save()
    event = last(action="changed", object_kind="transfers.Retiree")
    assert event.facts == {"fields": ["former_post", "home_phone"]} or event.facts == {
        "fields": ["home_phone", "former_post"]
    }
    counted: dict[str, int] = {}
    for kind, action, facts in AuditEvent.objects.values_list("object_kind", "action", "facts"):
        if action in ("created", "changed", "deleted"):
            counted[kind] = counted.get(kind, 0) + 1
        elif action in ("created_many", "cases_filed", "areas_loaded"):
            counted[kind] = counted.get(kind, 0) + facts["count"]
    kept = {
        model._meta.label: model.history.count()
        for model in apps.get_models()
        if hasattr(model, "history") and not model._meta.label.startswith("simple_history")
    }
    assert counted == {label: count for label, count in kept.items() if count}


STEPS = ["declare", "verify", "confirm", "deliver", "archives", "community", "letter", "party"]


def test_each_act_of_the_workflow_is_an_event_of_who_did_it(people: People) -> None:
    case = make_transfer(at="done", party_member=True)
    events = AuditEvent.objects.filter(object_id=str(case.pk), action__startswith="step_")
    staff = staff_of("qiye")
    assert [(e.facts["step"], e.user) for e in events.order_by("id")] == [
        (key, staff[workflow.STEPS[key].role]) for key in STEPS[1:]
    ]
    filed = last(action="cases_filed")
    assert (filed.facts["count"], filed.facts["filed"], filed.object_id) == (1, 1, str(case.pk))
    other = make_transfer(at="community")
    reason = {"code": "other", "reason": "电话 13900000007 打不通"}
    workflow.send_back(other, "community", by=people["shequ"], **reason)
    event = last(action="step_send_back")
    assert event.facts == {"step": "community", "article": "第六条第5项", "code": "other"}
    assert (event.area_id, event.office_name) == ("421200000000", "桂花路社区居民委员会（演示）")


def test_reading_personal_data_and_grants_are_events(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at="community")
    data = {"group": "contact", "reason": "上门核对住址"}
    sign_in("shequ").post(reverse("transfers:reveal", args=[case.pk]), data)
    event, entry = last(action="reveal"), AccessLog.objects.get()
    assert told(event) == ("reveal", "ok", "王社区", "transfers.Transfer")
    assert event.facts == {"what": entry.what, "rows": 1, "log": str(entry.pk)}
    assert len(event.request_id) == 16
    office = Office.objects.get(area=demo.GUIHUA, role="community")
    office.admit(people["shequ_wannian"], by=people["guanli"])
    event = last(action="admitted")
    assert (event.user, event.object_id) == (people["guanli"], str(people["shequ_wannian"].pk))
    assert event.facts == {"office": str(office.pk), "role": "community"}
    office.admit(people["shequ_wannian"], by=people["guanli"])  # again: nothing new
    assert AuditEvent.objects.filter(action="admitted", object_id=event.object_id).count() == 2
    office.dismiss(people["shequ_wannian"])
    assert last(action="dismissed").object_id == event.object_id


def test_a_job_acts_in_the_name_of_its_owner(people: People) -> None:
    def work(progress: jobs.Progress) -> None:
        audit.write("corrected")

    jobs._WORK["audit_test"] = work
    try:
        made = jobs.submit("audit_test", "试验", people["rs"], {})
        assert told(last()) == ("job_asked", "ok", "孔人社", "xianning.Job")
        jobs.run_job.call(str(made.pk))
    finally:
        del jobs._WORK["audit_test"]
    event = last(action="corrected")
    assert (event.user, event.request_id) == (people["rs"], f"job{made.pk.hex[-12:]}")
    audit.write("corrected")
    assert last(action="corrected").user_name == audit.SYSTEM


# --- what may stand in an event (T7) -------------------------------------------------------------


def test_no_event_holds_personal_data(people: People, sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="done", party_member=True)
    client = sign_in("shequ")
    for group in Retiree.Privacy.groups:
        path = reverse("transfers:reveal", args=[case.pk])
        client.post(path, {"group": group, "reason": f"核对{case.retiree.name}的信息"})
    client.post(reverse("transfers:search"), {"q": case.retiree.name})
    sign_in("shenji").get(reverse("audit"), {"person": case.retiree.name})
    person = case.retiree
    secrets = {person.name, person.id_number} | {
        str(getattr(person, name)) for name in Retiree.Privacy.private
    }
    columns = [f.attname for f in AuditEvent._meta.concrete_fields]
    text = json.dumps(list(AuditEvent.objects.values_list(*columns)), default=str,
                      ensure_ascii=False)  # fmt: skip
    assert len(text) > 10_000
    assert {s for s in secrets if (len(s) > 2 or s == person.name) and s in text} == set()


@pytest.mark.parametrize(
    "forged", ["甲\r\n2026-01-01 登录 乙", "甲\x1b[2K乙", "甲\u202e乙", "甲\u2028乙", "甲\ud800乙"]
)
def test_no_name_or_address_makes_a_second_line(
    people: People, sign_in: Callable[[str], Client], forged: str
) -> None:
    if "\ud800" not in forged:
        User.objects.filter(username="qiye").update(full_name=forged)
    client = sign_in("qiye")
    client.get(reverse("users"), HTTP_USER_AGENT=forged, HTTP_X_REQUEST_ID=forged)
    audit.write("changed", object=(forged, forged), facts={forged: [forged]})
    for event in AuditEvent.objects.order_by("-id")[:3]:
        line = json.dumps([event.user_name, event.facts, event.object_id], ensure_ascii=False)
        assert line.isprintable(), line
        assert event.request_id != forged


def test_facts_are_plain_and_actions_are_known() -> None:
    for facts in ({"a": 1.5}, {"a": b"x"}, {1: "a"}, {"a": {"b": object()}}, {"a": 2**60}):
        with pytest.raises(TypeError):
            audit.write("changed", facts=facts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown"):
        audit.write("no_such_action")
    assert all(len(slug) <= 40 and words for slug, words in audit.ACTIONS.items())
    verbs = {f"step_{verb}" for verb in workflow.Verb.values if verb != "start"}
    assert verbs | set(AccessLog.Kind.values) <= audit.ACTIONS.keys()
