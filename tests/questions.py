"""Questions about guards that no cell of the matrix decides: each answers whether the guard holds.

A question changes what it needs to, asks as a browser would, and leaves the undoing to its caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from enterprises.models import Enterprise
from tests import payloads
from tests.matrix import SEES, Cell
from transfers.imports import sessions as imports
from transfers.models import Retiree, Scan
from xianning import access, demo
from xianning.models import Export, Grant, Job, Office, SignInSession, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cells import Asker


def unlisted_enterprise_files_nobody(asker: Asker) -> bool:
    """第四条: before SASAC has confirmed it, an enterprise hands nobody over."""
    own = asker.world.get("enterprise", "own")
    Enterprise.objects.filter(pk=own.pk).update(
        confirmed_at=None, confirmed_by=None, acknowledged_at=None, acknowledged_by=None
    )
    return not asker.ask(Cell("transfers:add", "clerk", "", "POST"), keep=True).written


def clerk_imports_for_his_own_enterprise_only(asker: Asker) -> bool:
    book = payloads.person_book(asker.world, "clerk", "")["file"].read()
    try:
        imports.upload(book, "x.xlsx", asker.world.get("enterprise", "county"),
                       asker.world.users["clerk"])  # fmt: skip
    except PermissionDenied:
        return True
    return False


def failed_import_cannot_be_confirmed(asker: Asker) -> bool:
    path = asker.path("transfers:import_detail", "own")
    return not asker.fetch("clerk", "POST", path, {"confirm": "1"}).written


def quarantined_scan_stays_closed(asker: Asker) -> bool:
    Scan.objects.filter(pk=asker.world.id_of("scan", "own_done")).update(quarantined=True)
    return not asker.ask(Cell("transfers:scan", "clerk", "own_done", "POST"), keep=True).written


def retirees_are_those_of_visible_cases(asker: Asker) -> bool:
    rows = Retiree.objects.visible_to(asker.world.users["clerk_county"])
    seen = {key for key, who in SEES.items() if "clerk_county" in who}
    return set(rows) == {asker.world.get("case", key).retiree for key in seen}


def what_waits_elsewhere_is_not_listed(asker: Asker) -> bool:
    body = asker.fetch("hr_county", "GET", reverse("transfers:list") + "?waiting=verify").body
    return not asker.leak("hr_county", body)


def street_serves_its_own_communities_only(asker: Asker) -> bool:
    mine = access.scope(User.objects.get(pk=asker.world.users["street_other"].pk))
    return not mine.may_act("community", area=demo.GUIHUA)


def old_proof_does_not_approve_a_grant(asker: Asker) -> bool:
    session = asker.client("security_admin").session
    session["proved_at"] = 0
    session.save()
    answer = asker.ask(Cell("grant", "security_admin", "own", "POST"), keep=True)
    return not answer.written and answer.status == 200


def password_that_another_knows_opens_nothing(asker: Asker) -> bool:
    User.objects.filter(pk=asker.world.users["clerk"].pk).update(must_change_password=True)
    answer = asker.fetch("clerk", "GET", reverse("home"))
    return answer.status == 302 and answer.response["Location"] == reverse("password_change")


def guessing_ends(asker: Asker) -> bool:
    """From ever new addresses too: the account itself counts."""
    data = {"username": "qiye", "password": "wrong-password"}
    browser, path = asker.client("anonymous"), reverse("sign_in")
    answers = (browser.post(path, data, REMOTE_ADDR=f"10.0.0.{n}") for n in range(12))
    return 429 in {answer.status_code for answer in answers}


def ended_session_opens_nothing(asker: Asker) -> bool:
    user = asker.world.users["clerk"]
    SignInSession.objects.filter(user=user).update(ended_at=user.date_joined, end_reason="gone")
    answer = asker.fetch("clerk", "GET", reverse("home"))
    return answer.status == 302 and answer.response["Location"].startswith(reverse("sign_in"))


def auditor_exports_masked_only(asker: Asker) -> bool:
    data = {"format": "xlsx", "clear": "1", "reason": "例行审计核对"}
    return not asker.fetch(
        "auditor", "POST", asker.path("roster_export", "transfers"), data
    ).written


def decided_export_is_not_decided_again(asker: Asker) -> bool:
    Export.objects.filter(pk=asker.world.id_of("export", "own")).update(state="refused")
    cell = Cell("export_decide", "security_admin", "own", "POST")
    return not asker.ask(cell, keep=True).written


def export_ends_with_the_office_of_its_owner(asker: Asker) -> bool:
    _dismiss(asker, "clerk")
    cell = Cell("export_decide", "security_admin", "own", "POST")
    return not asker.ask(cell, keep=True).written


def _dismiss(asker: Asker, actor: str) -> None:
    user = asker.world.users[actor]
    for office in Office.objects.filter(users=user):
        office.dismiss(user)


def made_export_is_not_fetched_after_the_office_is_left(asker: Asker) -> bool:
    job = asker.world.get("job", "own")
    Job.objects.filter(pk=job.pk).update(state="done", result_name="x.xlsx", result_file="x")
    Export.objects.filter(pk=asker.world.id_of("export", "own")).update(job=job, state="made")
    _dismiss(asker, "clerk")
    return asker.fetch("clerk", "POST", asker.path("job_result", "own")).status == 403


def made_audit_is_not_fetched_after_the_office_is_left(asker: Asker) -> bool:
    job = asker.world.get("job", "own")
    Job.objects.filter(pk=job.pk).update(
        state="done", kind="audit_export", result_name="x.xlsx", result_file="x"
    )
    return asker.fetch("clerk", "GET", asker.path("job_result", "own")).status == 403


def audit_administrator_learns_no_name(asker: Asker) -> bool:
    """等保 8.1.5: who watches the records sees no retiree, not even in a leak drill."""
    cell_text = f"{asker.world.names['own_done']} {asker.world.private['own_done'][0]}"
    body = asker.fetch("audit_admin", "POST", reverse("leaks"), {"text": cell_text}).body
    return not asker.leak("audit_admin", body)


def same_grant_is_not_asked_twice(asker: Asker) -> bool:
    office = Office.objects.get(users=asker.world.users["hr"])
    data = {"full_name": "测试员", "is_active": "on", "join": office.name, "reason": "轮岗通知3号"}
    answer = asker.fetch("system_admin", "POST", asker.path("user_edit", "homeless"), data)
    return answer.status == 422


def nobody_works_and_audits(asker: Asker) -> bool:
    office = Office.objects.get(users=asker.world.users["auditor"])
    data = {"full_name": "测试员", "is_active": "on", "join": office.name, "reason": "轮岗通知4号"}
    answer = asker.fetch("system_admin", "POST", asker.path("user_edit", "own"), data)
    return answer.status == 422 and not answer.written


def decided_grant_is_not_decided_again(asker: Asker) -> bool:
    Grant.objects.filter(pk=asker.world.id_of("grant", "own")).update(state="withdrawn")
    answer = asker.ask(Cell("grant", "security_admin", "own", "POST"), keep=True)
    return not answer.written


def who_asked_for_a_grant_does_not_decide_it(asker: Asker) -> bool:
    answer = asker.fetch("system_admin", "POST", asker.path("grant", "own"), {"decision": "yes"})
    return answer.status == 403


def auditor_reads_the_accesses_of_his_area(asker: Asker) -> bool:
    body = asker.fetch("auditor_county", "GET", reverse("access_log")).body
    return "桂泉机械厂" not in body


def division_above_is_not_listed(asker: Asker) -> bool:
    path = reverse("communities:areas") + "?under=420000000000"
    return asker.fetch("system_admin", "GET", path).status == 404


def nobody_files_for_another_enterprise(asker: Asker) -> bool:
    foreign = asker.world.id_of("enterprise", "county")
    path = f"{reverse('transfers:add')}?enterprise={foreign}"
    return asker.fetch("clerk", "GET", path).status == 404


def step_of_one_person_is_not_done_for_many(asker: Asker) -> bool:
    data = {"case": [asker.world.id_of("case", "own_confirm")]}
    path = reverse("transfers:bulk", args=["confirm"])
    return asker.fetch("clerk", "POST", path, data).status == 403


def page_without_an_entry_is_closed(asker: Asker) -> bool:
    rule = access.REGISTRY.pop("prove")
    try:
        return asker.fetch("clerk", "GET", reverse("prove")).status == 403
    finally:
        access.REGISTRY["prove"] = rule


def form_of_another_site_is_refused(asker: Asker) -> bool:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = asker.client("clerk").cookies
    return browser.post(asker.path("transfers:end", "own_verify"), {}).status_code == 403


def stranger_is_sent_to_sign_in(asker: Asker) -> bool:
    answer = asker.fetch("anonymous", "GET", reverse("account"))
    return answer.status == 302 and reverse("sign_in") in answer.response["Location"]


def refusal_is_on_record(asker: Asker) -> bool:
    return asker.fetch("clerk", "GET", reverse("users")).audited > 0


QUESTIONS_OLD: dict[str, Callable[[Asker], bool]] = {
    "enterprises.models.Enterprise.why_not_open": unlisted_enterprise_files_nobody,
    "transfers.imports.checking.why_not_import": clerk_imports_for_his_own_enterprise_only,
    "transfers.imports.sessions.upload#0": clerk_imports_for_his_own_enterprise_only,
    "transfers.imports.sessions.why_not_confirm": failed_import_cannot_be_confirmed,
    "transfers.models.evidence.Scan.why_not_open": quarantined_scan_stays_closed,
    "transfers.models.retirees.RetireeQuerySet": retirees_are_those_of_visible_cases,
    "xianning.access.Scope.places": what_waits_elsewhere_is_not_listed,
    "xianning.access.inside": street_serves_its_own_communities_only,
    "xianning.access.is_fresh": old_proof_does_not_approve_a_grant,
    "xianning.accounts.proof.require_fresh": old_proof_does_not_approve_a_grant,
    "xianning.accounts.gate.gate": password_that_another_knows_opens_nothing,
    "xianning.accounts.guard.may_try": guessing_ends,
    "xianning.accounts.sessions.why_over": ended_session_opens_nothing,
    "xianning.accounts.gate.SessionMiddleware": ended_session_opens_nothing,
    "xianning.exports.why_not_give": export_ends_with_the_office_of_its_owner,
    "xianning.exports.why_not_decide": decided_export_is_not_decided_again,
    "xianning.exports.why_not": auditor_exports_masked_only,
    "xianning.leaks.sees_names": audit_administrator_learns_no_name,
    "xianning.models.accounts.Grant.why_not_ask": same_grant_is_not_asked_twice,
    "xianning.models.accounts.Grant.why_not_decide": decided_grant_is_not_decided_again,
    "xianning.roles.why_not_together": nobody_works_and_audits,
    "xianning.grant_views._withdraw#0": who_asked_for_a_grant_does_not_decide_it,
    "xianning.models.records.AccessLogQuerySet": auditor_reads_the_accesses_of_his_area,
    "communities.views._under": division_above_is_not_listed,
    "transfers.views._own_enterprise": nobody_files_for_another_enterprise,
    "transfers.act_views.bulk#0": step_of_one_person_is_not_done_for_many,
    "xianning.access.process_view#0": page_without_an_entry_is_closed,
    "xianning.job_views._fetch#0": made_export_is_not_fetched_after_the_office_is_left,
    "xianning.job_views.job_result#0": made_audit_is_not_fetched_after_the_office_is_left,
    "django.middleware.csrf": form_of_another_site_is_refused,
    "django.contrib.auth.middleware.LoginRequired": stranger_is_sent_to_sign_in,
    "xianning.audit.AuditMiddleware": refusal_is_on_record,
}

QUESTIONS = tuple(dict.fromkeys(QUESTIONS_OLD.values()))
