"""Who finds what: strangers see 404, the wrong role 403, and leaving works at the next request.

The whole table of URLs, roles and relations stands in tests/matrix.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404
from django.test import Client
from django.urls import reverse

from communities import views as area_views
from communities.models import Area
from enterprises.models import Enterprise
from tests.conftest import BY_ROLE
from tests.factories import enterprise_of, make_transfer, values_for
from tests.matrix import EVERYBODY, ROWS
from tests.routes import routes
from tests.workbooks import make_workbook
from transfers import workflow
from transfers.models import ImportBatch, Transfer
from xianning import access, demo
from xianning.models import AccessLog, Job, Notice, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import RequestFactory

    from tests.conftest import People

pytestmark = pytest.mark.django_db
POST_ONLY = {"reveal", "scan", "paper", "rights_copy"}


@pytest.fixture
def case() -> Transfer:
    return make_transfer(at="community", party_member=True)


@pytest.fixture
def paths(case: Transfer) -> dict[str, str]:
    """The addresses about one case by the last part of their name."""
    given: dict[str, tuple[object, ...]] = dict.fromkeys(
        ("detail", "edit", "reveal", "end", "rights", "rights_copy", "accesses"), (case.pk,)
    )
    given |= dict.fromkeys(("act", "send_back", "withdraw"), (case.pk, "community"))
    given |= {"scan": (case.scans.get().pk,), "paper": (case.pk, "form")}
    return {name: reverse(f"transfers:{name}", args=args) for name, args in given.items()}


def _ask(client: Client, name: str, path: str) -> int:
    response = client.post(path, {}) if name in POST_ONLY else client.get(path)
    return response.status_code


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
        assert _ask(client, name, path) in {403, 404}, name
    assert client.get(paths["detail"]).status_code == 404
    assert not Transfer.objects.visible_to(User.objects.get(username=username)).exists()


def test_inside_the_scope_with_the_wrong_role_is_403_with_the_reason(
    paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    response = sign_in("rs").get(paths["act"])
    assert response.status_code == 403
    assert "街道社区接收" in response.content.decode()


def test_an_inactive_user_sees_nothing_on_any_path(
    case: Transfer, paths: dict[str, str], sign_in: Callable[[str], Client]
) -> None:
    client = sign_in("qiye")
    user = User.objects.get(username="qiye")
    assert client.get(paths["detail"]).status_code == 200
    user.is_active = False
    user.save()
    assert client.get(paths["detail"]).status_code == 302
    for model in (Transfer, Enterprise, ImportBatch, Notice, Job, Office):
        assert not model.objects.visible_to(user).exists()


def test_two_offices_do_not_mix_their_places(people: People) -> None:
    """Community worker in 桂花路 and Party worker in 赤壁: neither role leaks to the other place."""
    here = make_transfer(at="community", party_member=True)
    there = make_transfer(at="community", party_member=True, clerk="qiye_chibi")
    user = people["shequ"]
    Office.objects.get(users__username="dangzu_chibi").admit(user)
    user = User.objects.get(pk=user.pk)
    assert set(Transfer.objects.visible_to(user)) == {here, there}
    assert not workflow.is_mine(workflow.rows_of(there)["community"], user)
    assert not workflow.is_mine(workflow.rows_of(here)["party"], user)


def test_leaving_an_office_works_at_the_next_request(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community")
    client, user = sign_in("shequ"), User.objects.get(username="shequ")
    path = reverse("transfers:detail", args=[case.pk])
    assert client.get(path).status_code == 200
    Office.objects.get(users=user).dismiss(user)
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("name", ["audit_state", "leaks", "job_result"])
def test_a_page_that_is_read_and_sent_takes_no_head(
    name: str, sign_in: Callable[[str], Client]
) -> None:
    """A browser that only looks ahead must not use up a file that is given out once."""
    path = reverse(name, args=[uuid4()] if name == "job_result" else [])
    assert sign_in("shenji").head(path).status_code == 405


def test_an_enterprise_off_the_list_files_nobody_by_hand_or_by_workbook(
    sign_in: Callable[[str], Client],
) -> None:
    """第四条, 第六条第1项."""
    Enterprise.objects.filter(pk=enterprise_of("qiye").pk).update(
        confirmed_at=None, confirmed_by=None, acknowledged_at=None, acknowledged_by=None
    )
    client, add = sign_in("qiye"), reverse("transfers:add")
    for answer in (client.get(add), client.post(add, values_for())):
        assert (answer.status_code, answer["Location"]) == (302, reverse("transfers:list"))
    book = SimpleUploadedFile("名单.xlsx", make_workbook([values_for()], footer=False))
    shown = client.get(reverse("transfers:import")).context["form"]
    assert shown.only == enterprise_of("qiye")  # no other is offered
    page = client.post(reverse("transfers:import"), {"file": book})
    assert page.status_code == 422
    assert "尚未经国资部门确认" in page.content.decode()
    assert not Transfer.objects.exists()
    assert not ImportBatch.objects.exists()


def test_what_is_finished_is_not_opened_for_changes(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="done")
    path = reverse("transfers:edit", args=[case.pk])
    for username, status in (("qiye", 302), ("rs", 403), ("qiye_chibi", 404)):
        assert sign_in(username).get(path).status_code == status
    # A clerk who sees the case through another office of his does not change it either.
    clerk = User.objects.get(username="qiye_chibi")
    Office.objects.get(role="community", area=demo.GUIHUA).admit(clerk)
    assert sign_in("qiye_chibi").get(path).status_code == 403


ADDRESSES = {route.name: route.address({}) for route in routes()}


@pytest.mark.parametrize("name", ROWS)
def test_a_page_is_closed_to_roles_without_a_part_and_to_other_methods(
    name: str, sign_in: Callable[[str], Client]
) -> None:
    """Whatever object the address names, and before it is looked for."""
    row, path = ROWS[name], ADDRESSES[name]
    inside = ["enterprise"] if isinstance(row.who, str) else sorted(row.who)
    outside = [] if isinstance(row.who, str) else [r for r in BY_ROLE if r not in row.who]
    for role in outside[:2] + outside[-1:]:
        assert sign_in(BY_ROLE[role]).get(path).status_code == 403, role
    client = Client() if row.who == EVERYBODY else sign_in(BY_ROLE[inside[0]])
    for method in {"GET", "POST"} - set(row.methods.split()):
        assert client.generic(method, path).status_code == 405, method


def test_the_log_of_accesses_shows_those_of_one_s_own_area(
    sign_in: Callable[[str], Client],
) -> None:
    here, there = make_transfer(), make_transfer(clerk="qiye_chibi")
    for case in (here, there):
        AccessLog.write(case.filed_by, "reveal", "身份证号", transfer=case, reason="核对")
    auditor = User.objects.create(username="shenji_chibi", full_name="赤壁审计")
    Office.objects.create(role="auditor", name="赤壁审计（测试）", area_id=demo.CHIBI).admit(
        auditor
    )
    page = sign_in("shenji_chibi").get(reverse("access_log"))
    assert {row.transfer for row, _export in page.context["lines"]} == {there}


# Addresses with words that no page of ours sends.
UNKNOWN = [
    ("qiye", "roster", ["transfers"], "?since=yesterday"),
    ("guanli", "grants", [], "?state=nothing"),
    ("shenji", "access_log", [], "?kind=nothing"),
    ("guanli", "communities:areas", [], "?under=420000000000"),
]


@pytest.mark.parametrize(("username", "name", "arguments", "query"), UNKNOWN)
def test_an_unknown_word_in_an_address_is_not_found(
    username: str, name: str, arguments: list[str], query: str, sign_in: Callable[[str], Client]
) -> None:
    assert sign_in(username).get(reverse(name, args=arguments) + query).status_code == 404


def test_who_keeps_no_division_finds_none(rf: RequestFactory) -> None:
    with pytest.raises(Http404):
        area_views._under(rf.get("/"), Area.objects.none())


def test_an_address_without_a_rule_is_closed_to_everybody(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(access.REGISTRY, "jobs")
    answer = sign_in("qiye").get(reverse("jobs"))
    assert answer.status_code == 403
    assert "没有登记访问规则" in answer.content.decode()


def test_a_notice_about_an_enterprise_leads_there_only_who_may_see_it(
    sign_in: Callable[[str], Client],
) -> None:
    for username, area, leads in (("rs", demo.CITY, True), ("rs_chibi", demo.CHIBI, False)):
        entry = enterprise_of("qiye")
        notice = Notice.objects.create(
            role="hr", area_id=area, text="有变动", about_enterprise=entry
        )
        answer = sign_in(username).post(reverse("notice_read", args=[notice.pk]))
        wanted = entry.get_absolute_url() if leads else reverse("notices")
        assert answer["Location"] == wanted
