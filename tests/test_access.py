"""Who may open what: every URL by every role, typed by hand; strangers see 404, the wrong role 403."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from enterprises.models import Enterprise
from tests.conftest import BY_ROLE
from tests.factories import enterprise_of, make_transfer
from transfers.models import ImportBatch, Transfer
from xianning.access import REGISTRY
from xianning.checks import url_names
from xianning.models import Job, Notice, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db

ALL = set(BY_ROLE)
CASES = ALL - {"archives_office", "administrator"}
ACT = {"enterprise", "hr", "insurance", "community", "street", "party"}
EXPORTERS = CASES - {"medical"}
# URL name → roles that may open it, for a case of 桂泉机械厂 whose community is 桂花路.
TABLE: dict[str, set[str]] = {
    "home": ALL, "jobs": ALL, "job": {"enterprise"}, "job_result": {"enterprise"},
    "password_change": ALL, "notices": CASES, "notice_read": {"hr"},
    "rosters": EXPORTERS, "roster": EXPORTERS, "roster_export": EXPORTERS,
    "access_log": {"auditor"},
    "offices": {"administrator"}, "office_add": {"administrator"}, "office_edit": {"administrator"},
    "users": {"administrator"}, "user_add": {"administrator"}, "user_edit": {"administrator"},
    "communities:areas": {"administrator"}, "communities:area_edit": {"administrator"},
    "communities:area_choices": CASES, "communities:card_paper": {"community", "street"},
    "enterprises:list": {"sasac", "hr", "enterprise", "auditor"},
    "enterprises:detail": {"sasac", "hr", "enterprise", "auditor"},
    "enterprises:add": {"sasac"}, "enterprises:edit": {"sasac"}, "enterprises:confirm": {"sasac"},
    "enterprises:acknowledge": {"hr"}, "enterprises:import": {"sasac"},
    "enterprises:import_detail": {"sasac"}, "enterprises:template": {"sasac"},
    "transfers:list": CASES, "transfers:search": CASES, "transfers:detail": CASES,
    "transfers:act": {"community", "street"}, "transfers:send_back": {"community", "street"},
    "transfers:withdraw": {"community", "street"}, "transfers:bulk": ACT | CASES,
    "transfers:end": {"enterprise"}, "transfers:add": {"enterprise"},
    "transfers:edit": {"enterprise"}, "transfers:reveal": CASES - {"medical", "auditor"},
    "transfers:scan": CASES, "transfers:paper": {"enterprise"},
    "transfers:import": {"enterprise"}, "transfers:import_list": {"enterprise"},
    "transfers:import_detail": {"enterprise"}, "transfers:template": {"enterprise"},
}  # fmt: skip
PUBLIC = {"sign_in", "sign_out", "health", "communities:card_check"}
POST_ONLY = {
    "notice_read", "roster_export", "transfers:search", "transfers:bulk", "transfers:reveal",
    "transfers:scan", "transfers:paper", "communities:card_paper",
}  # fmt: skip
# Their body alone decides for whom an object is foreign: 404 instead of 403.
OWNED = {"job", "job_result", "notice_read"}


@pytest.fixture
def case() -> Transfer:
    return make_transfer(at="community", party_member=True)


@pytest.fixture
def paths(case: Transfer) -> dict[str, str]:
    """One address for each URL name, about objects of the same case."""
    clerk = User.objects.get(username="qiye")
    enterprise = enterprise_of("qiye")
    job = Job.objects.create(kind="export", title="导出", owner=clerk, state="failed")
    batch = ImportBatch.objects.create(
        enterprise=enterprise, uploaded_by=clerk, file_name="名单.xlsx", sha256="0", state="failed"
    )
    notice = Notice.objects.filter(role="hr", area_id="421200000000").first()
    assert notice
    office = Office.objects.get(users=clerk)
    given: dict[str, list[Any]] = {
        "job": [job.pk], "job_result": [job.pk], "notice_read": [notice.pk],
        "roster": ["transfers"], "roster_export": ["transfers"], "office_edit": [office.pk],
        "user_edit": [clerk.pk], "communities:area_edit": ["421202001005"],
        "transfers:bulk": ["verify"], "transfers:scan": [case.scans.get().pk],
        "transfers:paper": [case.pk, "form"], "transfers:import_detail": [batch.pk],
    }  # fmt: skip
    for name in ("detail", "edit", "reveal", "end"):
        given[f"transfers:{name}"] = [case.pk]
    for name in ("act", "send_back", "withdraw"):
        given[f"transfers:{name}"] = [case.pk, "community"]
    for name in ("detail", "edit", "confirm", "acknowledge"):
        given[f"enterprises:{name}"] = [enterprise.pk]
    return {name: reverse(name, args=given.get(name, [])) for name in url_names()}


def _ask(client: Client, name: str, path: str) -> int:
    if name in POST_ONLY:
        return client.post(path, {}).status_code
    return client.get(path).status_code


def test_every_url_has_a_row_here_and_an_entry_in_the_registry() -> None:
    names = set(url_names())
    assert names == set(TABLE) | PUBLIC
    assert names == set(REGISTRY)


@pytest.mark.parametrize("role", sorted(BY_ROLE))
def test_each_role_opens_what_the_table_says_and_nothing_else(
    role: str, paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    client = sign_in(BY_ROLE[role])
    wrong = {}
    for name, who in TABLE.items():
        status = _ask(client, name, paths[name])
        expected = {200, 302, 422, 400, 410} if role in who else {403, 404}
        if status not in expected:
            wrong[name] = status
    assert not wrong


def test_who_has_not_signed_in_is_sent_to_the_sign_in_page(
    paths: dict[str, str], client: Client
) -> None:
    for name, path in paths.items():
        response = client.post(path) if name in POST_ONLY else client.get(path)
        if name in PUBLIC:
            assert response.status_code in {200, 302, 405}, name
        else:
            assert response.status_code == 302, name
            assert response["Location"].startswith(reverse("sign_in")), name


FOREIGN = {
    "enterprise": "qiye_chibi", "hr": "rs_chibi", "sasac": "gzw_chibi", "insurance": "shebao_chibi",
    "community": "shequ_wannian", "party": "dangzu_chibi",
}  # fmt: skip


@pytest.mark.parametrize("username", FOREIGN.values())
def test_a_stranger_of_the_same_role_finds_no_case(
    username: str, paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    client = sign_in(username)
    for name, path in paths.items():
        about_the_case = name.startswith("transfers:") and any(c.isdigit() for c in path)
        if about_the_case:
            assert _ask(client, name, path) in {403, 404}, name
    assert client.get(paths["transfers:detail"]).status_code == 404
    assert not Transfer.objects.visible_to(User.objects.get(username=username)).exists()


def test_inside_the_scope_with_the_wrong_role_is_403_with_the_reason(
    paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    response = sign_in("rs").get(paths["transfers:act"])
    assert response.status_code == 403
    assert "街道社区接收" in response.content.decode()


def test_an_inactive_user_sees_nothing_on_any_path(
    case: Transfer, paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    client = sign_in("qiye")
    user = User.objects.get(username="qiye")
    assert client.get(paths["transfers:detail"]).status_code == 200
    user.is_active = False
    user.save()
    assert client.get(paths["transfers:detail"]).status_code == 302
    for model in (Transfer, Enterprise, ImportBatch, Notice, Job, Office):
        assert not model.objects.visible_to(user).exists()


def test_two_offices_do_not_mix_their_places(people: dict[str, User]) -> None:
    """Community worker in 桂花路 and Party worker in 赤壁: neither role leaks to the other place."""
    here = make_transfer(at="community", party_member=True)
    there = make_transfer(at="community", party_member=True, clerk="qiye_chibi")
    user = people["shequ"]
    Office.objects.get(users__username="dangzu_chibi").admit(user)
    user = User.objects.get(pk=user.pk)
    assert set(Transfer.objects.visible_to(user)) == {here, there}
    from transfers import workflow

    assert not workflow.is_mine(workflow.rows_of(there)["community"], user)
    assert not workflow.is_mine(workflow.rows_of(here)["party"], user)


def test_leaving_an_office_works_at_the_next_request(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    client, user = sign_in("shequ"), User.objects.get(username="shequ")
    path = reverse("transfers:detail", args=[case.pk])
    assert client.get(path).status_code == 200
    Office.objects.get(users=user).dismiss(user)
    assert client.get(path).status_code == 403
