"""第六条第6项: the member comes into a branch; organisation life, dues, and who is silent."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from communities import events, rehandovers
from communities.models import Area, Rehandover
from party import life
from party.models import PartyMeeting, PartyMember, PartyMove, PartyOrganization
from tests.factories import make_transfer
from transfers.refusal import Refused
from xianning import demo
from xianning.models import AuditEvent, User
from xianning.standards import months_before

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate


def user(name: str) -> User:
    return User.objects.get(username=name)


def branch(place: str = demo.WANNIAN) -> PartyOrganization:
    return PartyOrganization.objects.get(area=place)


def letter(case: Transfer | None = None) -> PartyMove:
    case = case or make_transfer(at="done", party_member=True)
    return PartyMove.objects.select_related("transfer").get(transfer=case)


def taken(case: Transfer | None = None) -> PartyMember:
    return life.take(letter(case), branch(), by=user("dangzu"), since=TODAY())


def met(*came: PartyMember, on: date | None = None, topic: str = "学习党章") -> PartyMeeting:
    meeting = PartyMeeting(branch=branch(), kind="lecture", held_on=on or TODAY(), topic=topic)
    return life.record(meeting, came, by=user("dangzu"))


# domain.md §2.2, typed by hand: 0.5 % up to 5,000 yuan, 1 % above.
@pytest.mark.parametrize(
    ("base", "due"),
    [("0", "0.00"), ("3000", "15.00"), ("5000", "25.00"), ("5000.01", "50.00"),
     ("6543.21", "65.43"), ("4321.99", "21.61")],
)  # fmt: skip
def test_dues_follow_the_rule(base: str, due: str) -> None:
    assert life.dues(Decimal(base)) == Decimal(due)


def test_the_accepted_member_is_taken_into_a_branch_once() -> None:
    move = letter()
    rows = PartyMove.objects.visible_to(user("dangzu")).to_take_in()
    assert list(rows) == [move]
    with pytest.raises(Refused, match="不能早于接收日期"):
        life.take(move, branch(), by=user("dangzu"), since=TODAY() - timedelta(days=1))
    with pytest.raises(Refused, match="只能纳入本街道、社区的党组织"):
        life.take(move, branch(demo.PUQI), by=user("dangzu"), since=TODAY())
    with pytest.raises(Refused, match="由长期居住地"):
        life.take(move, branch(demo.PUQI), by=user("dangzu_chibi"), since=TODAY())
    member = life.take(move, branch(), by=user("dangzu"), since=TODAY())
    assert (member.dues_until, member.dues_standard) == (move.dues_until, move.dues_standard)
    assert not rows.all().exists()
    with pytest.raises(Refused, match="不用再办"):
        life.take(move, branch(), by=user("dangzu"), since=TODAY())
    with pytest.raises(Refused, match="已纳入支部"):
        PartyMove.unaccept(move.transfer, by=user("dangzu"), reason="x")
    waits = letter(make_transfer(at="party", party_member=True))
    with pytest.raises(Refused, match="还没有在本地接收"):
        life.take(waits, branch(), by=user("dangzu"), since=TODAY())
    closed = branch(demo.GUIHUA)
    closed.closed_on = TODAY()
    with pytest.raises(Refused, match="撤销"):
        life.take(letter(), closed, by=user("dangzu"), since=TODAY())
    assert AuditEvent.objects.filter(action="member_taken").count() == 1


def test_six_months_without_taking_part_are_listed_until_he_comes(
    sign_in: Callable[[str], Client],
) -> None:
    member = taken()
    PartyMember.objects.filter(pk=member.pk).update(since=TODAY() - timedelta(days=400))
    old = met(member, on=TODAY() - timedelta(days=200))
    member.refresh_from_db()
    assert member.is_silent
    assert list(PartyMember.objects.silent(TODAY())) == [member]
    for who, shown in (("dangzu", True), ("dangzu_chibi", False)):
        home = sign_in(who).get(reverse("home")).content.decode()
        assert ("六个月未参加组织生活" in home) is shown
    recent = met(member, on=TODAY() - timedelta(days=3), topic="主题党日")
    member.refresh_from_db()
    assert member.active_on == recent.held_on
    assert not PartyMember.objects.silent(TODAY()).exists()
    life.record(recent, [], by=user("dangzu"))  # he was ticked by mistake
    member.refresh_from_db()
    assert member.active_on == old.held_on
    with pytest.raises(Refused, match="已经登记"):
        met(member, on=old.held_on)
    with pytest.raises(Refused, match="不能晚于今天"):
        met(member, on=TODAY() + timedelta(days=1), topic="x")
    with pytest.raises(Refused, match="只能纳入"):
        life.record(old, [], by=user("dangzu_chibi"))
    assert months_before(date(2026, 8, 31), 6) == date(2026, 2, 28)
    assert months_before(date(2026, 3, 5), 6) == date(2025, 9, 5)


def test_the_dead_and_those_who_left_are_on_no_list() -> None:
    case = make_transfer(at="done", party_member=True)
    member = taken(case)
    PartyMember.objects.update(active_on=TODAY() - timedelta(days=300))
    event = events.report(case, by=user("shequ"), kind="died", happened_on=TODAY())
    assert not PartyMember.objects.current().exists()
    other = make_transfer(at="done", party_member=True)
    events.report(other, by=user("shequ"), kind="died", happened_on=TODAY())
    assert not PartyMove.objects.to_take_in().exists()
    events.correct(event, by=user("shequ"), why="报错了人")
    assert list(PartyMember.objects.silent(TODAY())) == [member]
    facts = {"branch": branch(), "left_on": TODAY(), "left_why": "出国定居"}
    life.change(member, facts, by=user("dangzu"))
    assert not PartyMember.objects.current().exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        PartyMember.objects.update(left_why="")
    with pytest.raises(Refused, match="只能纳入"):
        life.change(member, facts | {"branch": branch(demo.PUQI)}, by=user("dangzu"))


def test_with_the_re_handover_he_is_taken_in_anew_at_the_other_place() -> None:
    case = make_transfer(at="done", party_member=True)
    member = taken(case)
    onward = rehandovers.propose(
        case, by=user("shequ"), community=Area.objects.get(pk=demo.WANNIAN), moved_on=TODAY(),
        card=Rehandover.Card.KEEP, party=Rehandover.Party.FOLLOW,
    )  # fmt: skip
    rehandovers.accept(onward, by=user("shequ_wannian"), officer="郑专管", officer_phone="1")
    member.refresh_from_db()
    assert (member.left_on, member.left_why) == (TODAY(), "居住地变更，组织关系转出")
    again = taken(case)
    assert (again.pk, again.left_on) == (member.pk, None)


def test_the_pages_from_waiting_to_the_meeting(sign_in: Callable[[str], Client]) -> None:
    move, client = letter(), sign_in("dangzu")
    name, members = move.transfer.retiree.name, reverse("party:members")

    def listed(show: str) -> bool:
        return name in client.get(members, {"show": show}).content.decode()

    assert listed("waiting")
    for who, shown in (("dangzu", True), ("qiye", False), ("dangzu_chibi", False)):
        assert ("纳入支部" in sign_in(who).get(reverse("home")).content.decode()) is shown
    assert not listed("")
    far = sign_in("dangzu_chibi")
    assert name not in far.get(members, {"show": "waiting"}).content.decode()
    url = reverse("party:member_take", args=[move.pk])
    assert client.post(url, {"since": str(TODAY())}).status_code == 422
    done = client.post(url, {"branch": branch().pk, "since": str(TODAY())})
    assert done["Location"] == members
    member = PartyMember.objects.get()
    assert client.get(url)["Location"] == members  # taken already
    page = reverse("party:member", args=[member.pk])
    told: dict[str, Any] = {"branch": branch().pk, "base": "6000", "dues_until": "2020-01",
                            "difficulty": "失能在家"}  # fmt: skip
    assert client.post(page, told | {"left_why": "x"}).status_code == 422
    assert client.post(page, told | {"full_on": "2999-01-01"}).status_code == 422
    assert client.post(page, told).status_code == 302
    member.refresh_from_db()
    assert (member.dues_standard, member.difficulty) == (Decimal("60.00"), "失能在家")
    assert listed("arrears")
    assert not listed("silent")
    add = reverse("party:meeting_add", args=[branch().pk])
    asked = {"kind": "theme", "held_on": str(TODAY()), "topic": "重温入党誓词"}
    assert name in client.get(add).content.decode()
    assert client.post(add, asked | {"came": [str(member.pk)]}).status_code == 302
    meeting = PartyMeeting.objects.get()
    assert [row.member for row in meeting.attendances.all()] == [member]
    again = client.post(add, asked)
    assert again.status_code == 422
    assert "已经登记" in again.content.decode()
    one = reverse("party:meeting", args=[meeting.pk])
    assert "checked" in client.get(one).content.decode()
    assert client.post(one, asked | {"topic": "学习条例"}).status_code == 302
    assert not meeting.attendances.exists()
    assert "学习条例" in client.get(reverse("party:meetings")).content.decode()
    for address in (page, one, add):
        assert far.get(address).status_code == 404
    assert name not in far.get(members).content.decode()
    # In a branch of another county he is its own, and what the former one did is not told there.
    life.record(meeting, [member], by=user("dangzu"))
    PartyMember.objects.update(branch=branch(demo.PUQI))
    told_there = far.get(page).content.decode()
    assert name in told_there
    assert meeting.topic not in told_there
    assert client.get(members, {"show": "x"}).status_code == 404


def test_who_is_on_probation_is_watched_until_he_is_a_full_member() -> None:
    member = taken()
    person = member.transfer.retiree
    person.political_status, person.party_joined_on = "02", date(2024, 2, 29)
    person.save()
    member = PartyMember.objects.get()
    assert member.full_due == date(2025, 2, 28)
    member.transfer.retiree.party_joined_on = date(2024, 5, 31)
    assert member.full_due == date(2025, 5, 31)
    assert list(PartyMember.objects.probationary()) == [member]
    life.change(member, {"branch": branch(), "full_on": TODAY()}, by=user("dangzu"))
    assert not PartyMember.objects.probationary().exists()
    assert PartyMember.objects.get().full_due is None
