"""第十条: what must reach both HR and medical insurance, what they answer, what it changes."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from communities import cards, events
from communities.event_forms import DEEDS
from communities.models import EventReceipt, LifeEvent, Reception
from tests.factories import make_transfer
from transfers.refusal import Refused
from xianning.models import AuditEvent, Notice, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db
HR, MEDICAL = "rs_xianan", "yibao"
# 第十条, typed by hand: the six things that are reported.
SIX = ("moved", "sentenced", "died", "missing", "uncertified", "double")


def user(name: str) -> User:
    return User.objects.get(username=name)


def cared_for() -> Transfer:
    return make_transfer(at="done")


def reported(kind: str = "missing", case: Transfer | None = None, **more: Any) -> LifeEvent:
    facts: dict[str, Any] = {"happened_on": timezone.localdate(), "details": "家属来电"} | more
    return events.report(case or cared_for(), by=user("shequ"), kind=kind, **facts)


def post(client: Client, name: str, event: LifeEvent | Transfer, **data: Any) -> Any:
    return client.post(reverse(f"communities:{name}", args=[event.pk]), data)


@pytest.mark.parametrize("kind", SIX)
def test_each_thing_of_the_article_reaches_both_and_comes_back(
    kind: str, sign_in: Callable[[str], Client]
) -> None:
    case, client = cared_for(), sign_in("shequ")
    answer = post(client, "event_report", case, kind=kind, happened_on=timezone.localdate(),
                  details="家属来电")  # fmt: skip
    event = LifeEvent.objects.get()
    assert answer["Location"] == reverse("communities:event", args=[event.pk])
    assert {receipt.role for receipt in event.receipts.all()} == {"hr", "medical"}
    assert {receipt.area.name for receipt in event.receipts.all()} == {"咸安区"}
    for role, name in (("hr", HR), ("medical", MEDICAL)):
        assert Notice.objects.filter(role=role, text__contains=str(event)).count() == 1
        inbox = sign_in(name).get(reverse("communities:events"), {"state": "open"}).content.decode()
        assert case.retiree.name in inbox
        done = post(sign_in(name), "event_acknowledge", event, deed=DEEDS[kind][0], note="已办")
        assert done.status_code == 302
        assert LifeEvent.objects.open().exists() is (role == "hr")  # until both have
    receipt = event.receipts.get(role="medical")
    assert (receipt.office_name, receipt.deed) == ("咸安区医保部门（演示）", DEEDS[kind][0])
    assert Notice.objects.filter(role="community", text__contains="已签收").count() == 2
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"event_report", "event_acknowledge"} <= told


def test_the_words_of_the_article_are_all_there() -> None:
    assert {*SIX} == {*LifeEvent.Kind.values} == {*DEEDS}
    assert set(itertools.chain(*DEEDS.values())) == {*EventReceipt.Deed.values}


def test_death_closes_the_ledger_and_the_family_is_told_of_the_allowance(
    sign_in: Callable[[str], Client],
) -> None:
    case, client = cared_for(), sign_in("shequ")
    card = Reception.objects.get(transfer=case).card
    assert card
    answer = client.post(
        reverse("communities:event_report", args=[case.pk]),
        {"kind": "died", "happened_on": timezone.localdate()}, follow=True,
    )  # fmt: skip
    assert "丧葬补助金和抚恤金" in answer.content.decode()
    entry = Reception.objects.get(transfer=case)
    assert (entry.is_active, entry.card, cards.is_valid(card.number)) == (False, None, False)
    again = client.get(reverse("communities:event_report", args=[case.pk]), follow=True)
    assert "已登记死亡" in again.content.decode()
    event = LifeEvent.objects.get()
    assert post(client, "event_correct", event, why="").status_code == 422
    assert post(client, "event_correct", event, why="同名同姓，报错了人").status_code == 302
    entry.refresh_from_db()
    assert entry.is_active
    event.refresh_from_db()
    assert (str(event.corrected_by), event.corrected_why) == (
        str(user("shequ")),
        "同名同姓，报错了人",
    )
    for role in ("hr", "medical"):
        assert Notice.objects.filter(role=role, text__contains="报告有误").count() == 1
    with pytest.raises(Refused, match="已由社区更正"):
        events.acknowledge(event.receipts.get(role="hr"), by=user(HR), deed="stopped")
    with pytest.raises(Refused, match="不能重复更正"):
        events.correct(event, by=user("shequ"), why="再来")
    assert reported("died", case).pk != event.pk  # a right report may follow


def test_what_cannot_be_reported_is_refused_with_its_sentence() -> None:
    case = cared_for()
    today = timezone.localdate()
    with pytest.raises(Refused, match="还没有在社区报到"):
        reported("moved", make_transfer(at="community"))
    with pytest.raises(Refused, match="上报（第十条）"):
        events.report(case, by=user("shequ_wannian"), kind="died", happened_on=today)
    reported("missing", case)
    with pytest.raises(Refused, match="“失踪”已经上报"):
        reported("missing", case)
    reported("uncertified", case)
    reported("uncertified", case)  # every year anew
    assert LifeEvent.objects.count() == 3
    with pytest.raises(IntegrityError), transaction.atomic():
        LifeEvent.objects.create(
            transfer=case, community_id=str(case.community_id), kind="missing", happened_on=today,
            reported_by=user("shequ"), due_on=today,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"kind": ""}, "kind"), ({"happened_on": ""}, "happened_on"),
        ({"happened_on": "2999-01-01"}, "happened_on"), ({"happened_on": "1900-01-01"}, "happened_on"),
    ],
)  # fmt: skip
def test_a_report_that_is_wrong_stays_on_the_page(
    given: dict[str, str], column: str, sign_in: Callable[[str], Client]
) -> None:
    data = {"kind": "moved", "happened_on": "2026-11-02", "details": "搬到子女家"} | given
    answer = post(sign_in("shequ"), "event_report", cared_for(), **data)
    text = answer.content.decode()
    assert (answer.status_code, "搬到子女家" in text) == (422, True)
    assert f'href="#id_{column}"' in text
    assert not LifeEvent.objects.exists()


def test_an_event_is_seen_by_those_who_must_and_by_nobody_else(
    sign_in: Callable[[str], Client],
) -> None:
    event = reported("sentenced")
    url = reverse("communities:event", args=[event.pk])
    name = event.transfer.retiree.name
    for who, status in (
        ("shequ", 200), ("jiedao", 200), (HR, 200), (MEDICAL, 200),
        ("rs", 404),  # HR of the city: the county answers for those who live there
        ("rs_chibi", 404), ("shequ_wannian", 404),
        ("qiye", 403), ("gzw", 403), ("dangzu", 403), ("shebao", 403), ("shenji", 403),
    ):  # fmt: skip
        assert sign_in(who).get(url).status_code == status, who
    for who in ("rs", "rs_chibi", "shequ_wannian"):
        assert name not in sign_in(who).get(reverse("communities:events")).content.decode()
    case = sign_in("qiye").get(event.transfer.get_absolute_url()).content.decode()
    assert "被判刑" not in case
    assert not Notice.objects.filter(role="enterprise", text__contains="被判刑").exists()


def test_nobody_answers_for_another_office_or_twice(sign_in: Callable[[str], Client]) -> None:
    event = reported("died")
    hr = event.receipts.get(role="hr")
    with pytest.raises(Refused, match="咸安区人社部门签收"):
        events.acknowledge(hr, by=user(MEDICAL), deed="stopped")
    assert post(sign_in(HR), "event_acknowledge", event, deed="recovering").status_code == 422
    assert post(sign_in(HR), "event_acknowledge", event, deed="stopped").status_code == 302
    again = sign_in(HR).post(
        reverse("communities:event_acknowledge", args=[event.pk]), {"deed": "noted"}, follow=True
    )
    assert "不能重复签收" in again.content.decode()
    assert event.receipts.get(role="hr").deed == "stopped"


def test_many_are_answered_with_the_same_words(sign_in: Callable[[str], Client]) -> None:
    found = [reported("uncertified") for _ in range(3)]
    client, url = sign_in(MEDICAL), reverse("communities:event_answer_many")
    ticked = {"event": [str(event.pk) for event in found]}
    asked = client.post(url, ticked)
    assert asked.status_code == 200
    assert all(event.transfer.retiree.name in asked.content.decode() for event in found)
    assert client.post(url, ticked | {"deed": ""}).status_code == 422
    assert client.post(url, ticked | {"deed": "noted"}).status_code == 302
    assert not EventReceipt.objects.filter(role="medical", acknowledged_at=None).exists()
    assert EventReceipt.objects.filter(role="hr", acknowledged_at=None).count() == 3
    late = client.post(url, ticked | {"deed": "noted"}, follow=True)
    assert "已由他人签收" in late.content.decode()
    assert client.post(url, {"event": "x"}).status_code == 302


def test_the_clock_is_twenty_working_days_and_reminds_once_a_day() -> None:
    event = reported("double")
    # Two ordinary weeks have ten working days: twenty are four weeks, more with holidays.
    assert event.due_on - timezone.localdate() >= timedelta(days=26)
    assert events.remind() == 0
    LifeEvent.objects.filter(pk=event.pk).update(due_on=date(2026, 1, 5))
    events.acknowledge(event.receipts.get(role="hr"), by=user(HR), deed="stopped")
    assert [events.remind(), events.remind()] == [1, 0]  # only who has not answered
    assert Notice.objects.filter(role="medical", text__contains="请立即签收").count() == 1
    assert Notice.objects.filter(role="street", text__contains="尚未签收").count() == 1


def test_home_tells_a_receiver_what_it_owes_until_it_has_answered(
    sign_in: Callable[[str], Client],
) -> None:
    home, inbox = reverse("home"), reverse("communities:events")

    def owed(who: str) -> bool:
        return "签收状态变动报告" in sign_in(who).get(home).content.decode()

    event = reported("died")
    assert (owed(HR), owed(MEDICAL), owed("shequ"), owed("rs_chibi")) == (True, True, False, False)
    LifeEvent.objects.filter(pk=event.pk).update(due_on=date(2026, 1, 5))
    assert "已超期 1 件（社会保险经办条例）" in sign_in(HR).get(home).content.decode()
    events.acknowledge(event.receipts.get(role="hr"), by=user(HR), deed="stopped")
    assert (owed(HR), owed(MEDICAL)) == (False, True)
    name = event.transfer.retiree.name
    mine = {"state": "mine"}
    assert name not in sign_in(HR).get(inbox, mine).content.decode()
    assert name in sign_in(MEDICAL).get(inbox, mine).content.decode()
    assert sign_in("shequ").get(inbox, mine).status_code == 404  # a community owes no answer
    assert 'name="event"' not in sign_in(HR).get(inbox).content.decode()
    events.correct(event, by=user("shequ"), why="报错了人")
    assert not owed(MEDICAL)


def test_the_list_costs_the_same_however_long_it_is(
    sign_in: Callable[[str], Client], django_assert_max_num_queries: Any
) -> None:
    client, counts = sign_in(HR), []
    for size in (3, 9):
        for _ in range(size):
            reported("moved")
        with django_assert_max_num_queries(60) as queries:
            text = client.get(reverse("communities:events")).content.decode()
        counts.append(len(queries))
        assert text.count('name="event"') == LifeEvent.objects.count()
    assert counts[0] == counts[1]
    assert client.get(reverse("communities:events"), {"state": "x"}).status_code == 404


def test_the_page_offers_what_the_office_may_do_and_nothing_else(
    sign_in: Callable[[str], Client],
) -> None:
    event = reported("moved")
    url = reverse("communities:event", args=[event.pk])

    def offered(who: str) -> tuple[bool, bool]:
        text = sign_in(who).get(url).content.decode()
        return 'name="deed"' in text, 'name="why"' in text

    assert (offered("shequ"), offered(HR)) == ((False, True), (True, False))
    events.acknowledge(event.receipts.get(role="hr"), by=user(HR), deed="changed")
    assert (offered(HR), offered(MEDICAL)) == ((False, False), (True, False))
    events.correct(event, by=user("shequ"), why="报错了人")
    assert (offered("shequ"), offered(MEDICAL)) == ((False, False), (False, False))


def test_only_the_community_corrects_and_says_why() -> None:
    event = reported("moved")
    with pytest.raises(Refused, match="更正（第十条）"):
        events.correct(event, by=user("shequ_wannian"), why="报错了人")
    with pytest.raises(Refused, match="请写明更正的原因"):
        events.correct(event, by=user("shequ"), why="  ")
    assert LifeEvent.objects.standing().count() == 1


def test_who_is_managed_here_no_more_is_reported_by_nobody() -> None:
    case = cared_for()
    Reception.objects.filter(transfer=case).update(is_active=False)
    with pytest.raises(Refused, match="已不在本社区管理"):
        reported("moved", case)


def test_whoever_serves_an_enterprise_too_is_shown_the_inbox_of_his_office(
    sign_in: Callable[[str], Client],
) -> None:
    event = reported("moved")
    Office.objects.get(users__username=MEDICAL).admit(user("qiye"))
    inbox = sign_in("qiye").get(reverse("communities:events"))
    assert event.transfer.retiree.name in inbox.content.decode()


def test_an_office_of_another_county_answers_nothing_though_it_sees_the_report(
    sign_in: Callable[[str], Client],
) -> None:
    event = reported("moved")
    both = user("shequ")
    Office.objects.get(users__username="rs_chibi").admit(both)
    assert sign_in("shequ").get(reverse("communities:event", args=[event.pk])).status_code == 200
    assert post(sign_in("shequ"), "event_acknowledge", event, deed="noted").status_code == 404
