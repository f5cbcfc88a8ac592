"""第八条: groups with their reasons, the plan of a street, visits, promises; who is due when."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from communities import care, events, ledger, rehandovers
from communities.ledger import Wish
from communities.models import Area, CareGroup, CarePlan, Reception, Visit
from tests.factories import make_transfer
from transfers.choices import ARTICLE_8_GROUPS
from transfers.refusal import Refused
from xianning import demo, standards
from xianning.models import AuditEvent, CalendarDay, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
STREET = f"{demo.GUIHUA[:9]}000"
TODAY = date(2026, 11, 24)
_order = itertools.count(1)


@pytest.fixture(autouse=True)
def _today() -> Any:
    with _at(TODAY):
        yield


def _at(day: date) -> Any:
    return time_machine.travel(
        timezone.make_aware(datetime(day.year, day.month, day.day, 10)), tick=True
    )


def user(name: str) -> User:
    return User.objects.get(username=name)


def plan(group: str, times: int, *festivals: str, street: str = STREET) -> int:
    return care.set_plans(
        Area.objects.get(pk=street),
        {group: (times, list(festivals))},
        by=user("jiedao"),
        basis="测试",
    )


def entry_of(*groups: str, born: str = "1950-05-06") -> Reception:
    day = date.fromisoformat(born)
    number = standards.make_id_number("421299", day, next(_order), "1")
    case = make_transfer(at="done", special_groups=[*groups], id_number=number, sex="男",
                         born=f"{day:%Y-%m}")  # fmt: skip
    return Reception.objects.get(transfer=case)


def due(entry: Reception) -> date | None:
    return Reception.objects.get(pk=entry.pk).visit_due_on


def visit(entry: Reception, on: date = TODAY, **given: Any) -> Visit:
    facts: dict[str, Any] = {
        "on": on,
        "way": "home",
        "visitors": "甲、乙",
        "found": "身体好",
    } | given
    return care.visit(entry, by=user("shequ"), **facts)


# --- when -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "festivals", "visited", "wanted"),
    [
        (4, [], None, date(2027, 2, 23)),  # 365 // 4 = 91 days after he was entered
        (
            4,
            [],
            date(2026, 11, 1),
            date(2027, 2, 23),
        ),  # an older visit does not count for the group
        (12, [], None, date(2026, 12, 24)),
        (0, ["春节"], None, date(2027, 2, 4)),  # the day before the holiday of 2027-02-05
        (1, ["春节"], None, date(2027, 2, 4)),
        (12, ["春节"], None, date(2026, 12, 24)),
        (0, [], None, None),
    ],
)
def test_the_next_visit_is_due_by_the_plan_of_the_street(
    times: int, festivals: list[str], visited: date | None, wanted: date | None
) -> None:
    CalendarDay.objects.filter(day__gte=date(2027, 1, 1)).delete()
    for day in (5, 6, 7):
        CalendarDay.objects.create(day=date(2027, 2, day), works=False, name="春节")
    entry = entry_of("ill")
    assert due(entry) is None  # no plan is built in
    plan("ill", times, *festivals)
    if visited:
        visit(entry, visited)
    assert due(entry) == wanted


def test_a_visit_within_thirty_days_counts_for_the_holiday() -> None:
    CalendarDay.objects.filter(day__gte=date(2027, 1, 1)).delete()
    for day in (date(2027, 2, 5), date(2027, 2, 6), date(2028, 1, 25)):
        CalendarDay.objects.create(day=day, works=False, name="春节")
    entry = entry_of("ill")
    plan("ill", 0, "春节")
    for day, wanted in (
        (date(2027, 1, 5), date(2027, 2, 4)),
        (date(2027, 1, 6), date(2028, 1, 24)),
        (date(2027, 3, 1), date(2028, 1, 24)),
    ):
        with _at(day):
            visit(entry, day)
        assert due(entry) == wanted, day


def test_the_most_urgent_group_decides_and_each_street_has_its_own_plan() -> None:
    entry = entry_of("ill", "lives_alone")
    plan("ill", 2)
    plan("lives_alone", 6)
    assert due(entry) == TODAY + timedelta(days=60)
    plan("lives_alone", 0)
    assert due(entry) == TODAY + timedelta(days=182)
    assert plan("ill", 12, street=f"{demo.BEIJIE[:9]}000") == 0
    assert due(entry) == TODAY + timedelta(days=182)
    assert plan("ill", 0) == 1
    assert due(entry) is None
    assert CarePlan.history.filter(group="ill").count() > 1


def test_who_becomes_80_is_told_beforehand_and_then_planned_for() -> None:
    soon = entry_of(born="1947-01-10")
    later = entry_of(born="1947-06-10")
    old = entry_of(born="1940-02-29")
    plan("aged", 2)
    assert due(old) == TODAY + timedelta(days=182)  # from the day of his check-in
    assert due(soon) is due(later) is None
    rows = care.become_old(user("shequ"), TODAY)
    assert list(rows) == [soon]
    with _at(date(2027, 1, 12)):
        call_command("remind")
        assert due(soon) == date(2027, 1, 10) + timedelta(days=182)
        assert list(care.become_old(user("shequ"), date(2027, 1, 12))) == []
    assert due(later) is None


@pytest.mark.parametrize(
    ("born", "years", "wanted"),
    [("1947-01-10", 80, "2027-01-10"), ("1944-02-29", 80, "2024-02-29"),
     ("1948-02-29", 81, "2029-03-01")],
)  # fmt: skip
def test_a_birthday_on_the_29th_of_february(born: str, years: int, wanted: str) -> None:
    assert care.birthday(date.fromisoformat(born), years) == date.fromisoformat(wanted)


# --- groups ---------------------------------------------------------------------------------------


def test_groups_follow_the_ticks_of_the_form_and_of_the_ledger() -> None:
    assert len(ARTICLE_8_GROUPS) == 6
    entry = entry_of("ill", "aged")
    first = CareGroup.objects.get(reception=entry)
    assert (first.group, first.since, first.until) == ("ill", TODAY, None)
    ledger.change(entry, Wish(added=frozenset({"disabled"}), dropped=frozenset({"ill"})),
                  by=user("shequ"))  # fmt: skip
    groups = {each.group: each for each in CareGroup.objects.filter(reception=entry)}
    assert (groups["ill"].until, groups["ill"].ended_by) == (TODAY, user("shequ"))
    assert groups["disabled"].until is None
    ledger.change(entry, Wish(added=frozenset({"ill"})), by=user("shequ"))
    assert CareGroup.objects.filter(reception=entry, until=None).count() == 2
    assert CareGroup.objects.filter(reception=entry).count() == 3  # what ended stays on record


def test_a_group_is_explained_and_what_ended_is_not_changed() -> None:
    entry = entry_of("ill")
    plan("ill", 1)
    group = CareGroup.objects.get()
    care.explain(
        group, by=user("shequ"), since=date(2026, 6, 1), reason="透析", evidence="诊断证明"
    )
    group.refresh_from_db()
    assert (group.reason, group.evidence) == ("透析", "诊断证明")
    assert due(entry) == TODAY + timedelta(days=365)  # and not overdue because it began earlier
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "group", reason, evidence FROM {CareGroup._meta.db_table}')
        stored = str(cursor.fetchall())
    assert not any(word in stored for word in ("ill", "透析", "诊断证明"))
    ledger.change(entry, Wish(dropped=frozenset({"ill"})), by=user("shequ"))
    with pytest.raises(Refused, match="已于 2026-11-24 取消"):
        care.explain(group, by=user("shequ"), since=TODAY, reason="x", evidence="")
    assert due(entry) is None


# --- visits and promises --------------------------------------------------------------------------


def test_a_visit_is_kept_sealed_and_its_promise_stays_open_until_done() -> None:
    entry = entry_of("ill")
    made = visit(entry, promised="联系家庭医生", promise_due_on=TODAY + timedelta(days=3))
    assert Reception.objects.get(pk=entry.pk).visited_on == TODAY
    visit(entry, TODAY - timedelta(days=9))  # entered late: the last one stays the last
    assert Reception.objects.get(pk=entry.pk).visited_on == TODAY
    mine = Visit.objects.visible_to(user("shequ"))
    assert list(mine.open()) == [made]
    care.close(made, by=user("shequ"), outcome="已签约")
    assert list(mine.open()) == []
    with pytest.raises(Refused, match="已于 2026-11-24 办结"):
        care.close(made, by=user("shequ"), outcome="又")
    with pytest.raises(Refused, match="没有答应"):
        care.close(Visit.objects.order_by("on")[0], by=user("shequ"), outcome="无")
    made.refresh_from_db()
    assert (made.outcome, made.promise_done_by) == ("已签约", user("shequ"))
    assert {e.action for e in AuditEvent.objects.filter(object_id=str(entry.pk))} >= {
        "care_visit", "care_closed"
    }  # fmt: skip


def test_nobody_cares_for_the_dead_or_for_those_of_another_community() -> None:
    entry = entry_of("ill")
    plan("ill", 12)
    promise = visit(entry, promised="看望", promise_due_on=TODAY)
    with pytest.raises(Refused, match="走访慰问由"):
        care.visit(entry, by=user("shequ_chibi"), on=TODAY, way="home", visitors="甲", found="好")
    with pytest.raises(Refused, match="走访慰问由"):
        care.close(promise, by=user("shequ_chibi"), outcome="x")
    events.report(entry.transfer, by=user("shequ"), kind="died", happened_on=TODAY)
    with pytest.raises(Refused, match="不再登记"):
        visit(entry)
    later = TODAY + timedelta(days=99)
    assert not Reception.objects.kept_by(user("shequ")).to_visit(later).exists()
    assert not Visit.objects.visible_to(user("shequ")).open().exists()
    assert not care.become_old(user("shequ"), later).filter(pk=entry.pk).exists()


def test_who_is_handed_on_takes_his_groups_and_gets_the_plan_of_the_other_street() -> None:
    entry = entry_of("ill")
    plan("ill", 12)
    plan("ill", 2, street=f"{demo.BEIJIE[:9]}000")
    visit(entry, promised="看望", promise_due_on=TODAY)
    onward = rehandovers.propose(
        entry.transfer, by=user("shequ"), community=Area.objects.get(pk=demo.BEIJIE),
        moved_on=TODAY, card="keep",
    )  # fmt: skip
    taker = user("shequ_chibi")
    rehandovers.accept(onward, by=taker, officer="乙", officer_phone="0715-8000001")
    assert due(entry) == TODAY + timedelta(days=182)
    assert Visit.objects.visible_to(taker).open().count() == 1
    assert not Visit.objects.visible_to(user("shequ")).exists()


# --- pages ----------------------------------------------------------------------------------------


def test_the_home_of_care_lists_each_and_tells_how_the_communities_stand(
    sign_in: Callable[[str], Client],
) -> None:
    plan("ill", 12)
    soon, late, far = entry_of("ill"), entry_of("ill"), entry_of("disabled")
    visit(late, TODAY - timedelta(days=1))
    CareGroup.objects.get(reception=late).delete()
    Reception.objects.filter(pk=late.pk).update(visit_due_on=TODAY - timedelta(days=5))
    visit(far, promised="修门", promise_due_on=TODAY - timedelta(days=1))
    elsewhere = Reception.objects.get(transfer=make_transfer(at="done", clerk="qiye_chibi"))
    care.visit(elsewhere, by=user("shequ_chibi"), on=TODAY, way="home", visitors="甲", found="好",
               promised="看望", promise_due_on=TODAY)  # fmt: skip
    client, url = sign_in("shequ"), reverse("communities:care")
    for show, wanted in (("due", soon), ("missed", late), ("promises", far)):
        page = client.get(url, {"show": show})
        rows = [getattr(row, "reception", row) for row in page.context["page"].rows]
        assert rows == [wanted], show
        assert wanted.transfer.retiree.name in page.content.decode()
    assert client.get(url, {"show": "x"}).status_code == 404
    assert "30 天内应走访：1" in client.get(url).content.decode()
    assert [(w.due, w.missed) for w in care.by_worker(user("shequ"), TODAY)] == [(1, 1)]
    (line,) = care.by_community(user("jiedao"), TODAY)
    assert (line.due, line.missed, line.visits) == (1, 1, 2)
    assert care.by_community(user("shequ"), TODAY) == []
    roster = client.get(reverse("roster", args=["care"])).content.decode()
    assert soon.transfer.retiree.name in roster
    assert late.transfer.retiree.name in roster
    assert far.transfer.retiree.name not in roster


def test_a_visit_is_typed_on_the_page_of_the_person(sign_in: Callable[[str], Client]) -> None:
    entry = entry_of("ill")
    plan("ill", 4)
    client = sign_in("shequ")
    url = reverse("communities:care_visit", args=[entry.pk])
    typed = {"on": "2026-11-24", "way": "home", "visitors": "甲、乙", "found": "情况好"}
    for wrong, words in (
        ({"on": "2026-11-25"}, "走访日期不能晚于今天"),
        ({"on": "2019-01-01"}, "不能早于 2020 年"),
        ({"found": ""}, "请填写"),
        ({"promised": "看望"}, "请写明何时办好"),
        ({"promise_due_on": "2026-12-01"}, "请写明答应办理什么事"),
        ({"promised": "看望", "promise_due_on": "2026-11-01"}, "不能早于今天"),
    ):
        page = client.post(url, typed | wrong)
        assert page.status_code == 422
        assert words in page.content.decode(), wrong
        assert "甲、乙" in page.content.decode()
    assert not Visit.objects.exists()
    told = client.post(url, typed, follow=True).content.decode()
    assert "下次走访期限 2027-02-23" in told
    assert "情况好" in told
    group = CareGroup.objects.get()
    named = reverse("communities:care_explain", args=[group.pk])
    assert client.post(named, {f"{group.pk}-since": "2027-01-01"}).status_code == 422
    client.post(named, {f"{group.pk}-since": "2026-10-01", f"{group.pk}-reason": "住院"})
    group.refresh_from_db()
    assert (group.since, group.reason) == (date(2026, 10, 1), "住院")
    promise = visit(entry, promised="看望", promise_due_on=TODAY)
    done = reverse("communities:care_close", args=[promise.pk])
    assert client.post(done, {}).status_code == 422
    client.post(done, {f"{promise.pk}-outcome": "已看望"})
    assert (
        "已看望" in client.get(reverse("communities:care_person", args=[entry.pk])).content.decode()
    )
    for name, pk in (
        ("care_visit", entry.pk),
        ("care_explain", group.pk),
        ("care_close", promise.pk),
    ):
        assert (
            sign_in("shequ_chibi").post(reverse(f"communities:{name}", args=[pk])).status_code
            == 404
        )


def test_the_street_sets_the_plan_and_its_communities_read_it(
    sign_in: Callable[[str], Client],
) -> None:
    entry = entry_of("ill")
    url = reverse("communities:care_plan")
    assert sign_in("shequ").get(url).status_code == 200
    url = reverse("communities:care_plan_set")
    assert sign_in("shequ").post(url, {"basis": "x"}).status_code == 403
    client = sign_in("jiedao")
    assert client.post(url, {"times_ill": "13", "basis": "纪要"}).status_code == 422
    assert client.post(url, {"times_ill": "4"}).status_code == 422
    page = client.post(
        url, {"times_ill": "4", "before_ill": ["春节"], "basis": "纪要"}, follow=True
    )
    assert "1 人的走访期限随之改变" in page.content.decode()
    assert due(entry) is not None
    shown = sign_in("shequ").get(reverse("communities:care_plan")).content.decode()
    assert "重病：每年 4 次，春节前走访" in "".join(shown.split()).replace("每年4次", "每年 4 次")
    assert "保存走访计划" not in shown
    assert AuditEvent.objects.filter(action="care_plan").exists()
