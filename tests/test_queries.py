"""Lists cost the same with 3 rows and with 12; no page counts or loads everything; GET writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.factories import enterprise_of, make_transfer
from transfers import workflow
from transfers.models import ImportBatch, Transfer
from xianning import access
from xianning.models import AccessLog, Job, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.test import Client

pytestmark = pytest.mark.django_db

# Each list with the user who reads it and the step at which the cases stand.
LISTS = {
    "home": ("home", [], "shequ", "community"),
    "cases": ("transfers:list", [], "qiye", "verify"),
    "cases by area": ("transfers:list", [], "jiedao", "community"),
    "queue": ("transfers:list?waiting=verify", [], "rs", "verify"),
    "notices": ("notices", [], "qiye", "verify"),
    "enterprises": ("enterprises:list", [], "gzw", "verify"),
    "roster of cases": ("roster", ["transfers"], "shenji", "verify"),
    "ledger": ("roster", ["ledger"], "shequ", "done"),
    "members to take in": ("party:members?show=waiting", [], "dangzu", "done"),
    "agreements": ("enterprises:agreements", [], "gzw", "verify"),
    "venues": ("enterprises:venues", [], "gzw", "verify"),
    "care": ("communities:care", [], "shequ", "done"),
    "care of a street": ("communities:care", [], "jiedao", "done"),
    "ledger of the community": ("communities:ledger", [], "shequ", "done"),
    "files": ("roster", ["archives"], "shebao", "archives"),
    "Party": ("roster", ["party"], "dangzu", "party"),
    "access log": ("access_log", [], "shenji", "verify"),
    "imports": ("transfers:import_list", [], "qiye", "verify"),
    "jobs": ("jobs", [], "qiye", "verify"),
    "areas": ("communities:areas", [], "guanli", "verify"),
    "waterfall": ("transfers:waterfall", [], "gzw", "deliver"),
    "overview": ("transfers:overview", [], "gzw", "deliver"),
    "monthly report": ("transfers:reports", [], "gzw", "deliver"),
    "offices": ("offices", [], "guanli", "verify"),
    "users": ("users", [], "guanli", "verify"),
}  # fmt: skip


def _add(at: str, count: int) -> None:
    clerk = User.objects.get(username="qiye")
    for _ in range(count):
        case = make_transfer(at=at, party_member=True)
        AccessLog.write(clerk, "reveal", "身份证号", transfer=case, reason="核对")
        Job.objects.create(kind="export", title="导出", owner=clerk, state="done")
        ImportBatch.objects.create(
            enterprise=enterprise_of("qiye"), uploaded_by=clerk, file_name="a.xlsx", sha256="0",
            state="done",
        )  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list_uses_as_many_queries_for_twelve_rows_as_for_three(
    name: str, sign_in: Callable[[str], Client]
) -> None:
    url, args, username, at = LISTS[name]
    url_name, _, query = url.partition("?")
    path = reverse(url_name, args=args) + (f"?{query}" if query else "")
    client = sign_in(username)

    def count() -> tuple[int, str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(path)
        assert response.status_code == 200
        return len(queries), "\n".join(q["sql"][:300] for q in queries)

    _add(at, 3)
    client.get(path)
    few, _sql = count()
    _add(at, 9)
    many, sql = count()
    assert many <= few, sql
    assert "OFFSET" not in sql
    assert many < 40


@pytest.mark.parametrize("name", LISTS)
def test_reading_a_page_writes_nothing(name: str, sign_in: Callable[[str], Client]) -> None:
    url, args, username, at = LISTS[name]
    url_name, _, query = url.partition("?")
    _add(at, 1)
    client = sign_in(username)
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse(url_name, args=args) + (f"?{query}" if query else ""))
    _no_writes(queries)


def test_reading_a_case_writes_nothing(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="community", party_member=True)
    client = sign_in("shequ")
    with CaptureQueriesContext(connection) as queries:
        for name, args in (
            ("detail", [case.pk]), ("act", [case.pk, "community"]),
            ("send_back", [case.pk, "community"]),
        ):  # fmt: skip
            assert client.get(reverse(f"transfers:{name}", args=args)).status_code == 200
    _no_writes(queries)


def _no_writes(queries: CaptureQueriesContext) -> None:
    writes = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not writes


# What each list asks the database must be found by an index, whatever the size.
def _plan(rows: QuerySet[Any]) -> str:
    return rows.explain()


@pytest.mark.parametrize("username", ["qiye", "shequ", "jiedao", "shebao", "dangzu", "rs"])
def test_the_list_of_cases_is_found_by_an_index(username: str) -> None:
    user = User.objects.get(username=username)
    make_transfer(at="community", party_member=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    plans = [_plan(Transfer.objects.visible_to(user).order_by("-id")[:51])]
    if "hr" in access.scope(user).roles:
        plans.append(_plan(workflow.waiting(user, "verify")[:51]))
    for text in plans:
        assert "Seq Scan" not in text
        assert "SCAN transfers_transfer\n" not in text + "\n"
        assert "INDEX" in text.upper()


def test_pages_go_forth_and_back_without_losing_a_row(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xianning.pages.keyset.__kwdefaults__", {
        "size": 4, "count": False, "by_time": "", "key": "pk"})  # fmt: skip
    made = [make_transfer().number for _ in range(10)]
    client = sign_in("rs")
    for start, expected in (("?", made[::-1]), ("?waiting=verify", made)):
        seen, path = [], start
        while path:
            page = client.get(reverse("transfers:list") + path).context
            seen += [line.case.number for line in page["lines"]]
            path, last = page["page"].next_url, page
        assert seen == expected
        back = client.get(reverse("transfers:list") + last["page"].previous_url).context
        assert [line.case.number for line in back["lines"]] == expected[4:8]


@pytest.mark.parametrize("query", ["after=1", "before=x~y", "waiting=none", "q=abc", "state=x"])
def test_a_mangled_address_is_not_found(query: str, sign_in: Callable[[str], Client]) -> None:
    response = sign_in("rs").get(f"{reverse('transfers:list')}?{query}")
    assert response.status_code == 404
