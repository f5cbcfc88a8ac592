"""The leak drill: whatever of a leak is pasted, everybody who ever saw or exported it is found."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_many, make_transfer
from transfers.models import Transfer
from xianning import demo, exports, leaks, standards
from xianning.models import AccessLog, AuditEvent, Export, Notice, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
PEOPLE = 50


def _user(username: str) -> User:
    return User.objects.get(username=username)


def _give_out(username: str, name: str = "transfers", format_: str = "xlsx") -> Export:
    """A whole roster, made and fetched, as the command does it."""
    wish = exports.Wish(exports.ROSTERS[name], format_, True, "移交双方核对名册")
    export = exports.ask(_user(username), wish, queue=False)
    exports.keep(export, exports.make(export, lambda *_: None), Export.State.FETCHED)
    return export


def _reveal(username: str, case: Transfer, reason: str = "电话回访核对") -> None:
    AccessLog.write(_user(username), "reveal", "身份证号", transfer=case, reason=reason)


def _paste(client: Client, text: str) -> str:
    response = client.post(reverse("leaks"), {"text": text})
    assert response.status_code == 200
    return str(response.content.decode())


# --- 50 seeded leaks ----------------------------------------------------------------------------


def _rows(cases: list[Transfer]) -> dict[str, Callable[[Transfer], str]]:
    """Ways in which a line leaks; each tells its case by other means."""
    return {
        "number": lambda case: case.retiree.id_number,
        "number in words": lambda case: f"{case.retiree.name}的身份证号是{case.retiree.id_number}。",
        "spaced, small x, full width": lambda case: " ".join(
            [case.retiree.id_number[:6], case.retiree.id_number[6:14],
             case.retiree.id_number[14:].lower()]
        ).translate({ord(d): ord(d) - 48 + 0xFF10 for d in "0123456789"}),
        "telephone and number run together": lambda case: (
            f"{case.retiree.home_phone}{case.retiree.id_number}"),
        "row of a sheet": lambda case: "\t".join(
            ["7", case.retiree.name, "男", "汉族", f"{case.retiree.birth_date:%Y-%m}", "群众"]),
        "name and birthday": lambda case: (
            f"{case.retiree.name}，{case.retiree.birth_date.year}年{case.retiree.birth_date.month}月"
            f"{case.retiree.birth_date.day}日生"),
        "name and telephone": lambda case: f"{case.retiree.name} {case.retiree.home_phone}",
    }  # fmt: skip


def test_every_one_of_fifty_leaks_is_found_by_serial_by_number_and_by_name() -> None:
    cases = make_many(PEOPLE)
    export = _give_out("qiye")
    for case in cases[::7]:
        _reveal("rs", case)
    reader = _user("shenji")
    missed = []
    for means, row in _rows(cases).items():
        for case in cases:
            drill = leaks.trace(row(case), reader)
            by_account = {suspect.user.username for suspect in drill.suspects}
            found = {each.case.pk for each in drill.found}
            wanted = {"qiye", "rs"} if case in cases[::7] else {"qiye"}
            alone = len(found) == 1 or means == "row of a sheet"
            if case.pk not in found or not wanted <= by_account or not alone:
                missed.append((means, case.number, len(found)))
    assert missed == []
    for case in cases:
        assert case.pk in leaks.cases_in(export, reader)
    everything = "\n".join(_rows(cases)["row of a sheet"](case) for case in cases)
    drill = leaks.trace(f"编号 {export.serial}\n{everything}", reader)
    assert {each.case.pk for each in drill.found} == {case.pk for case in cases}
    assert [given.export for given in drill.exports] == [export]
    worst = drill.suspects[0]
    assert (worst.user.username, len(worst.cases)) == ("qiye", PEOPLE)
    assert list(worst.serials) == [export.serial]


def test_a_drill_costs_the_same_for_fifty_lines_as_for_one() -> None:
    cases = make_many(PEOPLE)
    _give_out("qiye")
    reader = _user("shenji")
    leaks.sees_names(reader)

    def cost(count: int) -> int:
        text = "\n".join(f"{case.retiree.name}\n{case.retiree.id_number}" for case in cases[:count])
        with CaptureQueriesContext(connection) as queries:
            assert len(leaks.trace(text, reader).found) >= count
        return len(queries)

    few, many = cost(1), cost(PEOPLE)
    assert few == many <= 7


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("1949.12", {(1949, 12)}), ("1949-1-3 139", {(1949, 1)}), ("1949年11月30日", {(1949, 11)}),
        ("19491203", {(1949, 12)}), ("194902", {(1949, 2)}), ("1949/13", set()),
        ("13919491203", set()), ("1949 年 10 月", {(1949, 10)}),
    ],
)  # fmt: skip
def test_months_are_read_as_people_write_them(text: str, months: set[tuple[int, int]]) -> None:
    assert leaks.read(text)[0].months == months


# --- what the readers see -----------------------------------------------------------------------


def test_the_auditor_sees_people_and_reasons_the_administrator_neither(
    sign_in: Callable[[str], Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    case = make_transfer(at="done")
    _reveal("shequ", case)
    export = _give_out("shequ", "ledger")
    person = case.retiree
    text = f"{person.name} {person.id_number} {person.home_phone} 秘密词语\n编号 {export.serial}"
    seen = {name: _paste(sign_in(name), text) for name in ("shenji", "shenjiguan")}
    for page in seen.values():
        for fact in ("王社区", "桂花路社区居民委员会", export.serial, case.number, "身份证号相符",
                     export.sha256):  # fmt: skip
            assert fact in page, fact
        for private in (person.id_number, person.home_phone, "秘密词语"):
            assert private not in page
    assert person.name in seen["shenji"]
    assert "电话回访核对" in seen["shenji"]
    assert person.name not in seen["shenjiguan"]
    assert "电话回访核对" not in seen["shenjiguan"]
    # What was pasted is nowhere but as a digest.
    events = AuditEvent.objects.filter(action="leak_traced")
    assert {event.facts["digest"] for event in events} == {leaks.digest(text)}
    assert all(event.facts["cases"] == [case.number] for event in events)
    assert all(event.facts["serials"] == [export.serial] for event in events)
    kept = str([event.facts for event in AuditEvent.objects.all()]) + caplog.text
    kept += str(list(Notice.objects.values_list("text", flat=True)))
    for private in (person.id_number, person.home_phone, "秘密词语"):
        assert private not in kept


def test_an_auditor_learns_about_his_area_only(sign_in: Callable[[str], Client]) -> None:
    here, there = make_transfer(), make_transfer(clerk="qiye_chibi")
    ours, theirs = _give_out("qiye"), _give_out("qiye_chibi")
    county = User.objects.create(username="shenji_chibi", full_name="赤壁审计")
    from communities.models import Area

    chibi = Area.objects.get(pk="421281000000")
    Office.objects.create(role="auditor", name="赤壁市审计部门（演示）", area=chibi).admit(county)
    text = "\n".join([here.retiree.id_number, there.retiree.id_number, ours.serial, theirs.serial])
    page = _paste(sign_in("shenji_chibi"), text)
    for word in (there.number, theirs.serial):
        assert word in page
    for word in (here.number, here.retiree.name, ours.serial, "华经办"):
        assert word not in page
    both = _paste(sign_in("shenji"), text)
    for word in (here.number, there.number, ours.serial, theirs.serial):
        assert word in both


@pytest.mark.parametrize("column", ["authority_id", "community_id"])
def test_a_case_is_in_the_area_where_it_was_filed_and_where_it_is_received(column: str) -> None:
    auditor = User.objects.create(username="shenji_chibi", full_name="赤壁审计")
    office = Office.objects.create(role="auditor", name="赤壁市审计（测试）", area_id=demo.CHIBI)
    office.admit(auditor)
    here, there = make_transfer(), make_transfer()
    here_too = {"authority_id": demo.CHIBI, "community_id": demo.BEIJIE}[column]
    Transfer.objects.filter(pk=here.pk).update(**{column: here_too})
    assert set(Transfer.objects.filter(leaks.in_area(auditor))) == {here}
    assert {here, there} <= set(Transfer.objects.filter(leaks.in_area(_user("shenji"))))


@pytest.mark.parametrize(
    ("username", "reasons"), [("shenji", {"电话回访核对"}), ("shenjiguan", {""})]
)
def test_the_audit_administrator_reads_nobody_s_reasons(username: str, reasons: set[str]) -> None:
    """等保 8.1.5: what somebody typed may name a retiree."""
    case = make_transfer()
    _reveal("qiye", case)
    drill = leaks.trace(case.retiree.id_number, _user(username))
    assert {trace.reason for found in drill.found for trace in found.traces} == reasons


@pytest.mark.parametrize("stranger", ["qiye", "rs", "guanli", "anquan", "yibao"])
def test_nobody_else_traces(stranger: str, sign_in: Callable[[str], Client]) -> None:
    client = sign_in(stranger)
    assert client.get(reverse("leaks")).status_code == 403
    assert client.post(reverse("leaks"), {"text": "王建国"}).status_code == 403
    assert client.post(reverse("leak_people"), {"serial": "x"}).status_code == 403
    assert not AuditEvent.objects.filter(action="leak_traced").exists()


def test_namesakes_are_told_apart_and_strangers_are_not_invented() -> None:
    one, two = make_many(2, name="王建国")
    assert one.retiree.birth_date != two.retiree.birth_date
    reader = _user("shenji")
    plain = leaks.trace("王建国", reader)
    assert {each.case.pk for each in plain.found} == {one.pk, two.pk}
    assert all("待核对" in each.by for each in plain.found)
    exact = leaks.trace(f"王建国 {one.retiree.birth_date:%Y.%m}", reader)
    assert [(each.case.pk, each.by) for each in exact.found] == [(one.pk, "姓名、出生年月")]
    for text in ("王建", "建国", "退休人员 汉族 群众", "ABCD-EFGH-JKMNP", "？"):
        assert leaks.trace(text, reader).found == [], text
    nobody = standards.make_id_number("421299", date(1931, 2, 3), 7, "1")
    assert leaks.trace(nobody, reader).unknown_numbers == 1


# --- whom an account could have read (个人信息保护法 57) -------------------------------------------


def test_everybody_an_account_touched_is_counted_and_listed(
    sign_in: Callable[[str], Client],
) -> None:
    cases = make_many(4)
    _reveal("rs", cases[0])
    _reveal("rs", cases[0])
    AccessLog.write(_user("rs"), "paper", "《基本信息表》", transfer=cases[1])
    since = timezone.now() - timedelta(hours=1)
    export = _give_out("rs")
    later = make_transfer()
    _reveal("qiye", later)
    window = {
        "since": f"{timezone.localtime(since):%Y-%m-%dT%H:%M}",
        "until": f"{timezone.localtime() + timedelta(minutes=1):%Y-%m-%dT%H:%M}",
    }
    address = reverse("leak_people")
    found = leaks.touched(_user("rs"), since, timezone.now(), _user("shenji"))
    assert {(each.kind, each.times, each.people) for each in found} == {
        ("查看完整信息", 2, 1), ("打印文书", 1, 1), ("导出名册", 1, 4),
    }  # fmt: skip
    for reader in ("shenji", "shenjiguan"):
        client = sign_in(reader)
        page = client.post(address, {"username": "RS", **window}).content.decode()
        assert "本辖区共 4 件案卷" in page
        assert all(case.retiree.name not in page for case in cases)
        for question in ({"username": "rs", "list": "1", **window}, {"serial": export.serial}):
            answer = client.post(address, question)
            assert answer["Content-Type"].startswith("text/csv")
            lines = answer.content.decode("utf-8-sig").split()
            assert lines == ["案卷编号", *sorted(case.number for case in cases)]
    before = {"since": "2020-01-01T00:00", "until": "2020-01-02T00:00"}
    page = sign_in("shenji").post(address, {"username": "rs", **before}).content.decode()
    assert "本辖区共 0 件案卷" in page
    wrong = sign_in("shenji").post(address, {"username": "nobody", **window})
    assert wrong.status_code == 422
    assert "没有这个用户名的账号" in wrong.content.decode()
    taken = [event.facts.get("list", False) for event in AuditEvent.objects.filter(
        action="leak_traced").order_by("pk")]  # fmt: skip
    assert taken == [False, True, True] * 2 + [False]
