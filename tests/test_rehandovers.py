"""第十条, 居住地变更: handed on to another community, which accepts or refuses; who answers on any day."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from communities import cards, events, ledger, rehandovers
from communities.ledger import Wish
from communities.models import Area, LifeEvent, Management, Reception, Rehandover
from tests.factories import make_transfer, staff_of
from transfers import waterfall, workflow
from transfers.models import Transfer
from transfers.refusal import Refused
from transfers.retiree_form import RetireeForm
from xianning import demo, walk
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
GIVER, TAKER = "shequ", "shequ_wannian"
OFFICER = {"officer": "郑专管", "officer_phone": "0715-8000001"}


def user(name: str) -> User:
    return User.objects.get(username=name)


def place(code: str) -> Area:
    return Area.objects.get(pk=code)


def asked(case: Transfer | None = None, **more: Any) -> Rehandover:
    facts: dict[str, Any] = {
        "by": user(GIVER), "community": place(demo.WANNIAN), "moved_on": timezone.localdate(),
        "card": "keep", "party": "",
    } | more  # fmt: skip
    return rehandovers.propose(case or make_transfer(at="done"), **facts)


def taken(onward: Rehandover) -> Transfer:
    rehandovers.accept(onward, by=user(TAKER), **OFFICER)
    return Transfer.objects.get(pk=onward.transfer_id)


def send(client: Client, name: str, thing: Any, **data: Any) -> Any:
    return client.post(reverse(f"communities:rehandover_{name}", args=[thing.pk]), data)


def test_the_other_community_is_asked_and_takes_the_person(
    sign_in: Callable[[str], Client],
) -> None:
    case, giver, taker = make_transfer(at="done"), sign_in(GIVER), sign_in(TAKER)
    card = case.reception.card
    assert card
    page = reverse("transfers:detail", args=[case.pk])
    answer = send(giver, "propose", case, community=demo.WANNIAN, moved_on=timezone.localdate(),
                  card="keep", details="搬到女儿家")  # fmt: skip
    onward = Rehandover.objects.get()
    assert answer["Location"] == reverse("communities:rehandover", args=[onward.pk])
    event = LifeEvent.objects.get()  # it is a report of 第十条 too
    assert (event.kind, event.receipts.count()) == ("moved", 2)
    assert taker.get(page).status_code == 404  # until it accepts it sees no more than it must
    asks = taker.get(answer["Location"]).content.decode()
    assert case.retiree.name in asks
    assert case.retiree.id_number not in asks
    assert send(taker, "accept", onward, officer="", officer_phone="x").status_code == 422
    assert send(taker, "accept", onward, **OFFICER).status_code == 302
    entry = Reception.objects.get(transfer=case)
    assert (entry.community_id, entry.officer) == (demo.WANNIAN, "郑专管")
    assert entry.ledger_number.startswith(f"{demo.WANNIAN}-")
    assert entry.card == card
    assert cards.is_valid(card.number)
    assert (taker.get(page).status_code, giver.get(page).status_code) == (200, 404)
    assert "由其管理服务" in Notice.objects.filter(area=demo.GUIHUA).latest("pk").text
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"rehandover_propose", "rehandover_accept", "step_move"} <= told


def test_the_signed_form_and_the_sums_say_who_received_by_the_hand_over() -> None:
    case = make_transfer(at="done", party_member=True)
    before = case.fingerprint()
    rows = Transfer.objects.filter(pk=case.pk)
    sums = waterfall.sums(rows, None, "received_by")
    case = taken(asked(case, party="follow"))
    assert case.fingerprint() == before
    assert case.valid_form
    assert (case.destination.pk, case.party_destination.pk) == (demo.GUIHUA, demo.GUIHUA)
    assert (case.community_id, case.party_area_id) == (demo.WANNIAN, demo.WANNIAN)
    assert waterfall.sums(rows, None, "received_by") == sums
    assert waterfall.inside_area(rows, demo.GUIHUA).exists()
    assert not waterfall.inside_area(rows, demo.WANNIAN).exists()


def test_what_the_enterprise_files_again_does_not_send_the_person_back() -> None:
    case = taken(asked())
    form = RetireeForm.__new__(RetireeForm)
    form.cleaned_data = {
        "community": place(demo.GUIHUA), "archive_area": case.archive_area, "party_area": None,
    }  # fmt: skip
    form.facts = dict  # type: ignore[method-assign]
    assert form.differences(case) == []


@pytest.mark.parametrize(("choice", "same"), [("keep", True), ("reissue", False)])
def test_the_card_goes_with_the_person_or_is_issued_anew(choice: str, same: bool) -> None:
    case = make_transfer(at="done")
    old = case.reception.card
    assert old
    taken(asked(case, card=choice))
    new = Reception.objects.get(transfer=case).card
    assert new
    assert (new.pk == old.pk) is same
    assert cards.is_valid(old.number) is same
    assert cards.is_valid(new.number)


@pytest.mark.parametrize(("choice", "where"), [("follow", demo.WANNIAN), ("stay", demo.GUIHUA)])
def test_the_party_relation_follows_or_stays(choice: str, where: str) -> None:
    case = taken(asked(make_transfer(at="done", party_member=True), party=choice))
    assert case.party_area_id == where
    assert Notice.objects.filter(role="party", text__contains="居住地变更").count() == (
        2 if choice == "follow" else 0
    )


def test_a_letter_on_its_way_is_not_overtaken() -> None:
    case = make_transfer(at="party", party_member=True)
    walk.take(case, "community", staff_of("qiye")["community"])
    with pytest.raises(Refused, match="介绍信已开出"):
        asked(case, party="follow")
    assert taken(asked(case, party="stay")).party_area_id == demo.GUIHUA


def test_the_ledger_is_corrected_by_the_community_that_manages_now() -> None:
    case = taken(asked())
    entry = Reception.objects.get(transfer=case)
    wish = Wish(person={"home_phone": "13900000001"}, verified=True)
    with pytest.raises(Refused):
        ledger.change(entry, wish, by=user(GIVER))
    ledger.change(entry, wish, by=user(TAKER))
    case.retiree.refresh_from_db()
    assert case.retiree.home_phone == "13900000001"


def test_what_was_typed_stays_beside_the_sentence(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="party", party_member=True)
    walk.take(case, "community", staff_of("qiye")["community"])
    typed = {"moved_on": timezone.localdate(), "card": "keep", "details": "搬到女儿家"}
    for more, words in (
        ({"community": demo.GUIHUA, "party": "stay"}, "请选择另一个社区"),
        ({"community": demo.WANNIAN, "party": "follow"}, "介绍信已开出"),
    ):
        answer = send(sign_in(GIVER), "propose", case, **typed, **more)
        page = answer.content.decode()
        assert (answer.status_code, words in page, "搬到女儿家" in page) == (422, True, True)


def test_who_is_refused_stays_where_he_is_with_the_reason(sign_in: Callable[[str], Client]) -> None:
    onward = asked()
    assert send(sign_in(TAKER), "refuse", onward, refusal="", why="").status_code == 422
    answer = send(sign_in(TAKER), "refuse", onward, refusal="not_here", why="查无此人")
    assert answer.status_code == 302
    page = sign_in(GIVER).get(answer["Location"]).content.decode()
    assert "本人不住本社区，查无此人" in page
    case = Transfer.objects.get(pk=onward.transfer_id)
    assert (case.community_id, case.was_moved) == (demo.GUIHUA, False)
    assert Management.objects.get(transfer=case, until=None).community_id == demo.GUIHUA
    assert asked(case).state == "open"  # it may be tried again
    assert "不接收" in Notice.objects.filter(area=demo.GUIHUA, text__contains="查无此人").get().text


def test_whoever_gives_may_think_again_until_it_is_decided(
    sign_in: Callable[[str], Client],
) -> None:
    onward = asked()
    page = reverse("communities:rehandover", args=[onward.pk])
    assert "撤回转交" in sign_in(GIVER).get(page).content.decode()
    assert "撤回转交" not in sign_in(TAKER).get(page).content.decode()
    assert send(sign_in(TAKER), "withdraw", onward, why="x").status_code == 403
    assert send(sign_in(GIVER), "accept", onward, **OFFICER).status_code == 403
    assert send(sign_in(GIVER), "withdraw", onward, why="").status_code == 422
    assert send(sign_in(GIVER), "withdraw", onward, why="本人不搬了").status_code == 302
    with pytest.raises(Refused, match="已撤回，不能再办"):
        taken(onward)
    with pytest.raises(Refused, match="已撤回，不能撤回"):
        rehandovers.withdraw(onward, by=user(GIVER), why="再来")


def test_what_cannot_be_handed_on_is_refused_with_its_sentence() -> None:
    case = make_transfer(at="done")
    for words, change in (
        ("就在本社区", {"community": place(demo.GUIHUA)}),
        ("不接收退休人员", {"community": place(demo.XIANAN)}),
        ("不是中共党员", {"party": "follow"}),
        ("上报（第十条）", {"by": user("shequ_chibi")}),
    ):
        with pytest.raises(Refused, match=words):
            asked(case, **change)
    with pytest.raises(Refused, match="还没有在社区报到"):
        asked(make_transfer(at="community"))
    with pytest.raises(Refused, match="是否随迁"):
        asked(make_transfer(at="done", party_member=True))
    assert not LifeEvent.objects.exists()  # nothing half done
    onward = asked(case)
    with pytest.raises(Refused, match=r"已请.*接收，不能重复提出"):
        asked(case)
    for deed in (rehandovers.refuse, rehandovers.withdraw):
        with pytest.raises(Refused, match=r"决定是否接收|撤回。"):
            deed(onward, by=user("shequ_chibi"), why="x",
                 **({"refusal": "other"} if deed is rehandovers.refuse else {}))  # fmt: skip
    for deed, by in ((rehandovers.refuse, TAKER), (rehandovers.withdraw, GIVER)):
        with pytest.raises(Refused, match="请写明"):
            deed(onward, by=user(by), why=" ",
                 **({"refusal": "other"} if deed is rehandovers.refuse else {}))  # fmt: skip
    closed = place(demo.WANNIAN)
    closed.receives = False
    closed.save()
    with pytest.raises(Refused, match="不接收退休人员"):
        taken(onward)


def test_a_wrong_report_takes_the_question_with_it_but_not_the_answer() -> None:
    onward = asked()
    events.correct(onward.event, by=user(GIVER), why="没有搬家")
    onward.refresh_from_db()
    assert (onward.state, onward.why) == ("withdrawn", "状态变动报告已更正")
    again = asked(onward.transfer)
    taken(again)
    with pytest.raises(Refused, match="由其转交回来"):
        events.correct(again.event, by=user(GIVER), why="没有搬家")


def test_who_dies_on_the_way_is_not_handed_on() -> None:
    onward = asked()
    events.report(onward.transfer, by=user(GIVER), kind="died", happened_on=timezone.localdate())
    onward.refresh_from_db()
    assert onward.state == "withdrawn"
    with pytest.raises(Refused):
        taken(onward)


def test_another_county_hears_of_it_and_a_notice_leads_where_its_reader_may_go(
    sign_in: Callable[[str], Client],
) -> None:
    onward = asked(community=place(demo.BEIJIE))
    notice = Notice.objects.filter(role="community", area=demo.BEIJIE).get()
    there = sign_in("shequ_chibi").post(reverse("notice_read", args=[notice.pk]))
    assert there["Location"] == reverse("communities:rehandover", args=[onward.pk])
    rehandovers.accept(onward, by=user("shequ_chibi"), **OFFICER)
    for role in ("hr", "medical"):
        assert Notice.objects.filter(role=role, area=demo.CHIBI, text__contains="转入").count() == 1
    notice = Notice.objects.get(role="hr", area=demo.CHIBI, text__contains="转入")
    there = sign_in("rs_chibi").post(reverse("notice_read", args=[notice.pk]))
    assert there["Location"] == reverse("notices")  # neither the case nor its papers are its matter


def test_the_home_page_and_the_list_show_what_is_asked(sign_in: Callable[[str], Client]) -> None:
    onward = asked()
    assert "接收转交人员" in sign_in(TAKER).get(reverse("home")).content.decode()
    assert "接收转交人员" not in sign_in(GIVER).get(reverse("home")).content.decode()
    name, url = onward.transfer.retiree.name, reverse("communities:rehandovers")
    for who, way, there in ((TAKER, "in", True), (TAKER, "out", False), (GIVER, "out", True),
                            ("shequ_chibi", "", False), ("jiedao", "", True)):  # fmt: skip
        page = sign_in(who).get(url, {"way": way} if way else {}).content.decode()
        assert (name in page) is there
    assert sign_in(GIVER).get(url, {"state": "x"}).status_code == 404


def test_the_database_holds_what_a_rehandover_is() -> None:
    onward = asked()
    now = Management.objects.get(transfer=onward.transfer)
    for row, change in (
        (onward, {"state": "accepted"}),
        (onward, {"to_community_id": demo.GUIHUA}),
        (onward, {"state": "refused", "decided_at": timezone.now(), "decided_by": user(TAKER)}),
        (now, {"until": now.since - timedelta(days=1), "ended": "died"}),
        (now, {"until": now.since}),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(row)._default_manager.filter(pk=row.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        Management.objects.create(transfer=onward.transfer, community_id=demo.WANNIAN,
                                  since=now.since, began="check_in")  # fmt: skip


# --- on any date -------------------------------------------------------------------------------

PLACES = {demo.GUIHUA: GIVER, demo.WANNIAN: TAKER, demo.BEIJIE: "shequ_chibi"}


def _at(day: date) -> Any:
    """Ten in the morning of DAY in Xianning."""
    noon = timezone.make_aware(datetime(day.year, day.month, day.day, 10))
    return time_machine.travel(noon, tick=False)


def _deed(rng: random.Random, case: Transfer) -> None:
    """Any deed of any community on this person; what is refused changes nothing."""
    case = Transfer.objects.get(pk=case.pk)
    worker = user(PLACES[str(case.community_id)])
    onward = case.rehandovers.filter(state="open").first()
    died = LifeEvent.objects.standing().filter(transfer=case, kind="died").first()
    kind = rng.random()
    try:
        if died:
            if kind < 0.5:
                events.correct(died, by=worker, why="报错了人")
        elif onward and kind < 0.5:
            taker = user(PLACES[str(onward.to_community_id)])
            rehandovers.accept(onward, by=taker, **OFFICER)
        elif onward and kind < 0.7:
            rehandovers.withdraw(onward, by=worker, why="不搬了")
        elif kind < 0.8:
            goal = place(rng.choice(list(PLACES)))
            asked(case, by=worker, community=goal, card=rng.choice(["keep", "reissue"]))
        elif kind < 0.95:
            events.report(case, by=worker, kind="died", happened_on=timezone.localdate())
        else:
            workflow.withdraw(case, "community", by=worker, code="other", reason="办错了人")
    except Refused:
        return


@pytest.mark.parametrize("seed", [3, 4])
def test_no_living_person_under_management_is_without_exactly_one_community_on_any_date(
    seed: int,
) -> None:
    rng, day = random.Random(seed), date(2026, 1, 5)
    with _at(day):
        people = [make_transfer(at="done") for _ in range(4)]
    seen: list[tuple[date, Any, str | None]] = []
    corrected: dict[Any, date] = {}
    for _ in range(40):
        with _at(day):
            case = rng.choice(people)
            before = Reception.objects.get(transfer=case).is_active
            _deed(rng, case)
            entry = Reception.objects.get(transfer=case)
            if entry.is_active and not before:
                corrected[case.pk] = day  # what was taken for a death was none
            for each in people:
                entry = Reception.objects.get(transfer=each)
                seen.append((day, each.pk, str(entry.community_id) if entry.is_active else None))
                now = Management.objects.on(day).filter(transfer=each)
                assert [str(row.community_id) for row in now] == (
                    [str(entry.community_id)] if entry.is_active else []
                )
        day += timedelta(days=rng.randint(1, 3))
    assert len({where for _day, _pk, where in seen}) >= 3  # nobody, and two places at least
    for when, pk, where in seen:  # the past is told as it was, but for deaths that were none
        rows = list(Management.objects.on(when).filter(transfer=pk))
        if where is None and when < corrected.get(pk, when):
            assert len(rows) <= 1
        else:
            assert [str(row.community_id) for row in rows] == ([where] if where else [])
