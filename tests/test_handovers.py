"""Deliveries between offices: the rules of every kind, walked, raced and kept in time."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from communities.models import Area
from tests.factories import enterprise_of, make_many
from tests.test_concurrency import race
from transfers import handovers
from transfers.models import Handover, HandoverItem, HandoverTurn, Transfer
from transfers.models.handovers import Counts, Desk
from transfers.refusal import Refused
from xianning import demo
from xianning.models import AuditEvent, Notice, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

HOW: dict[str, Any] = {"means": "person", "carrier": "许档员"}
SIX = Counts(1, 0, 26, 84)
WHY = {"code": "missing", "reason": "缺招工登记表。"}


def user(name: str) -> User:
    return User.objects.get(username=name)


def sides(clerk: str = "qiye") -> dict[str, Desk]:
    enterprise = enterprise_of(clerk)
    area = Area.objects.get(pk=demo.XIANAN)
    return {"sender": Desk("enterprise", enterprise=enterprise),
            "receiver": Desk("insurance", area=area)}  # fmt: skip


def packed(*titles: str, by: str = "qiye") -> Handover:
    """A delivery with these items, not yet sent."""
    handover = handovers.pack("personnel", by=user(by), **sides())
    for title in titles:
        handovers.put_in(handover, by=user(by), counts=SIX, title=title)
    return handover


def sent(*titles: str, on: date | None = None) -> Handover:
    return handovers.send(
        packed(*titles), by=user("qiye"), handed_on=on or timezone.localdate(), **HOW
    )


def again(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def second_officer() -> User:
    other = User.objects.create(username="shebao2", full_name="方社保")
    Office.objects.get(users__username="shebao").admit(other)
    return other


@pytest.mark.django_db
class TestOneDelivery:
    def test_it_closes_when_every_item_is_settled_and_says_whose_turn_it_is(self) -> None:
        handover = packed("甲", "乙", "丙")
        assert handover.number == ""
        assert handover.turn == handover.sender
        handover = handovers.send(handover, by=user("qiye"), handed_on=date(2026, 1, 31), **HOW)
        assert handover.number == "档转字〔2026〕第1号"
        assert handover.turn == handover.receiver
        assert handover.due_on == date(2026, 2, 28)  # a month later, as months are
        first, second, third = handover.items.all()
        handovers.accept(first, by=user("shebao"), got=SIX)
        handovers.accept(second, by=user("shebao"), got=SIX._replace(pages=83), difference="缺末页")
        assert again(handover).state == "sent"
        [row] = Handover.objects.counted()
        assert (vars(row)["total"], vars(row)["waiting"]) == (3, 1)
        handovers.send_back(third, by=user("shebao"), **WHY)
        handover = again(handover)
        assert (handover.state, handover.turn) == ("closed", None)
        assert list(handover.items.values_list("state", "reason")) == [
            ("accepted", ""), ("noted", "数量差异：页数送 84、收 83，缺末页"), ("returned", "缺招工登记表。"),
        ]  # fmt: skip
        assert list(handover.turns.values_list("verb", "side", "by_name")) == [
            ("send", handover.sender_name, "华经办"),
            *[(verb, "咸安区社会保险经办机构（演示）", "陶社保")
              for verb in ("accept", "accept", "send_back", "close")],
        ]  # fmt: skip
        assert Notice.objects.visible_to(user("qiye")).filter(text__contains="回执已退回").exists()

    def test_names_of_both_sides_stay_as_they_were(self) -> None:
        handover = sent("甲")
        office = Office.objects.get(users__username="shebao")
        was, office.name = office.name, "咸安区社保服务中心（演示）"
        office.save()
        assert again(handover).receiver_name == was
        assert sent("乙").receiver_name == office.name

    def test_counts_that_differ_need_a_word_and_the_database_holds_it(self) -> None:
        item = sent("甲").items.get()
        with pytest.raises(Refused, match=r"正本（卷）送 1、收 2.*请说明差异，或退回移交方"):
            handovers.accept(item, by=user("shebao"), got=SIX._replace(volumes=2))
        item.state, item.settled_at, item.settled_by = "accepted", timezone.now(), user("shebao")
        item.settled_name, item.got_volumes = "陶社保", 2
        item.got_duplicates, item.got_pieces, item.got_pages = 0, 26, 84
        with pytest.raises(IntegrityError), transaction.atomic():
            item.save()

    @pytest.mark.parametrize(
        ("deed", "who", "says"),
        [
            ("accept", "qiye", "由接收方咸安区社会保险经办机构（演示）查收（第六条第4项）。"),
            ("accept", "shebao_chibi", "由接收方"),
            ("send_back", "qiye_chibi", "由接收方"),
            ("take_back", "shebao", "由移交方"),
            ("remind", "shebao", "由移交方"),
            ("remind", "qiye", "逾期后再催办"),
            ("put_in", "qiye", "不能再更改内容"),
            ("send", "qiye", "不能再更改内容"),
        ],
    )
    def test_each_deed_belongs_to_one_side(self, deed: str, who: str, says: str) -> None:
        handover = sent("甲")
        words: dict[str, dict[str, Any]] = {
            "accept": {"got": SIX}, "send_back": WHY, "take_back": {"reason": "重装"}, "remind": {},
            "put_in": {"counts": SIX, "title": "乙"}, "send": HOW | {"handed_on": date(2026, 1, 1)},
        }  # fmt: skip
        row = handover.items.get() if deed in ("accept", "send_back", "take_back") else handover
        with pytest.raises(Refused, match=says):
            getattr(handovers, deed)(row, by=user(who), **words[deed])
        assert again(handover).state == "sent"
        assert handover.turns.count() == 1

    def test_only_its_sender_packs_unpacks_and_drops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        handover = packed("甲")
        item, other = handover.items.get(), user("qiye_chibi")
        for deed in (
            partial(handovers.drop, handover), partial(handovers.take_out, item),
            partial(handovers.recount, item, counts=SIX),
            partial(handovers.pack, "personnel", sender=sides()["sender"],
                    receiver=sides()["receiver"]),
        ):  # fmt: skip
            with pytest.raises(Refused, match=r"由移交方.*整理和送出"):
                deed(by=other)
        handovers.recount(item, by=user("qiye"), counts=SIX._replace(pages=90), title="甲卷")
        assert (again(item).pages, again(item).title) == (90, "甲卷")
        monkeypatch.setattr(handovers, "MOST_ITEMS", 1)
        with pytest.raises(Refused, match="一批最多 1 件"):
            handovers.put_in(handover, by=user("qiye"), counts=SIX, title="乙")
        handovers.take_out(item, by=user("qiye"))
        assert not handover.items.exists()

    def test_nothing_is_settled_twice_nor_sent_back_without_a_word(self) -> None:
        first, second = sent("甲", "乙").items.all()
        for why in (WHY | {"code": ""}, WHY | {"reason": " "}):
            with pytest.raises(Refused, match=r"请选择原因|请填写原因说明"):
                handovers.send_back(first, by=user("shebao"), **why)
        handovers.accept(first, by=user("shebao"), got=SIX)
        with pytest.raises(Refused, match=r"“甲”已接收（陶社保，.*不能重复处理"):
            handovers.send_back(first, by=user("shebao"), **WHY)
        with pytest.raises(Refused, match="没有可以撤销的接收"):
            handovers.reopen(second, by=user("shebao"), reason="点错了。")
        with pytest.raises(Refused, match=r"由接收方.*撤销接收"):
            handovers.reopen(first, by=user("qiye"), reason="点错了。")
        handovers.send_back(second, by=user("shebao"), **WHY)
        with pytest.raises(Refused, match="已办结，无须催办"):
            handovers.remind(first.handover, by=user("qiye"))

    def test_an_acceptance_is_not_undone_while_the_file_is_on_another_way(self) -> None:
        [case], delivery = make_many(1), packed()
        item = handovers.put_in(delivery, by=user("qiye"), counts=SIX, case=case)
        handovers.send(delivery, by=user("qiye"), handed_on=timezone.localdate(), **HOW)
        handovers.accept(item, by=user("shebao"), got=SIX)
        handovers.put_in(packed(), by=user("qiye"), counts=SIX, case=case)
        with pytest.raises(Refused, match="已在另一批交接中，不能撤销接收"):
            handovers.reopen(item, by=user("shebao"), reason="点错了。")

    def test_who_sent_it_does_not_receive_it(self) -> None:
        Office.objects.get(users__username="shebao").admit(user("qiye"))
        item = sent("甲").items.get()
        with pytest.raises(Refused, match="由您本人送出，须由他人查收"):
            handovers.accept(item, by=user("qiye"), got=SIX)

    def test_what_was_packed_and_dropped_leaves_no_gap(self) -> None:
        with pytest.raises(Refused, match="还没有内容"):
            handovers.send(packed(), by=user("qiye"), handed_on=date(2026, 5, 1), **HOW)
        dropped = packed("甲")
        handovers.drop(dropped, by=user("qiye"))
        assert not Handover.objects.filter(pk=dropped.pk).exists()
        assert [sent("乙").serial, sent("丙").serial] == [1, 2]
        assert sent("丁", on=date(2025, 12, 30)).number == "档转字〔2025〕第1号"

    def test_one_file_is_in_one_delivery(self) -> None:
        [case] = make_many(1)
        first, second = packed("甲"), packed("乙")
        handovers.put_in(first, by=user("qiye"), counts=SIX, case=case)
        with pytest.raises(Refused, match="已在另一批交接中"):
            handovers.put_in(second, by=user("qiye"), counts=SIX, case=case)

    def test_what_is_accepted_by_mistake_waits_again(self) -> None:
        item = sent("甲").items.get()
        handovers.accept(item, by=user("shebao"), got=SIX)
        assert again(item.handover).state == "closed"
        handovers.reopen(item, by=user("shebao"), reason="点错了。")
        item = again(item)
        assert (item.state, item.got, item.handover.state) == ("waiting", None, "sent")
        assert list(item.turns.values_list("verb", flat=True)) == ["accept", "reopen"]

    def test_withdrawing_takes_what_waits_and_leaves_what_was_received(self) -> None:
        handover = sent("甲", "乙")
        handovers.accept(handover.items.get(position=1), by=user("shebao"), got=SIX)
        assert handovers.withdraw(handover, by=user("qiye"), reason="装错了。") == 1
        assert again(handover).state == "closed"
        whole = sent("丙", "丁")
        handovers.withdraw(whole, by=user("qiye"), reason="装错了。")
        assert again(whole).state == "withdrawn"
        with pytest.raises(Refused, match="不能撤回"):
            handovers.withdraw(whole, by=user("qiye"), reason="装错了。")


@pytest.mark.django_db
def test_a_receipt_overdue_by_a_month_is_asked_for_once_a_week() -> None:
    day = timezone.localdate()
    late, fresh = sent("甲", on=day - timedelta(days=40)), sent("乙")
    assert list(Handover.objects.overdue()) == [late]
    assert late.is_overdue
    assert not fresh.is_overdue
    assert (handovers.remind_overdue(), handovers.remind_overdue()) == (1, 0)
    for who in ("qiye", "shebao"):
        assert Notice.objects.visible_to(user(who)).filter(text__contains="已逾期").count() == 1
    assert AuditEvent.objects.filter(action="handover_remind", user=None).count() == 1
    with pytest.raises(Refused, match="今天已催办过"):
        handovers.remind(late, by=user("qiye"))
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert handovers.remind_overdue() == 1
        with pytest.raises(Refused, match="今天已催办过"):
            handovers.remind(late, by=user("qiye"))
    with time_machine.travel(timezone.now() + timedelta(days=10)):
        handovers.remind(late, by=user("qiye"))
    handovers.accept(late.items.get(), by=user("shebao"), got=SIX)
    with time_machine.travel(timezone.now() + timedelta(days=20)):
        assert handovers.remind_overdue() == 0


# Typed by hand: before it is sent nobody but the sender knows of it.
SEES_PACKED = {"qiye", "gzw", "shenji"}
SEES_SENT = SEES_PACKED | {"shebao"}


@pytest.mark.django_db
def test_a_delivery_is_seen_by_its_two_sides_and_those_above() -> None:
    handover, people = packed("甲"), list(User.objects.all())
    for wanted in (SEES_PACKED, SEES_SENT):
        seen = {u.username for u in people if Handover.objects.visible_to(u).exists()}
        assert seen == wanted
        if wanted is SEES_PACKED:
            handovers.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)


# --- races ----------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
class TestTwoAtOnce:
    def test_two_officers_accept_and_return_the_same_item(self) -> None:
        one, other = user("shebao"), second_officer()
        for _ in range(10):
            item = sent("甲").items.get()
            said = race([
                partial(handovers.accept, item, by=one, got=SIX),
                partial(handovers.send_back, item, by=other, **WHY),
            ])  # fmt: skip
            [refusal] = [answer for answer in said if isinstance(answer, Refused)]
            assert "不能重复处理" in str(refusal)
            item = again(item)
            assert item.state in ("accepted", "returned")
            assert item.handover.state == "closed"
            verbs = list(item.handover.turns.values_list("verb", flat=True))
            assert len(verbs) == 3
            assert verbs[2] == "close"

    def test_what_is_withdrawn_is_not_accepted_and_the_other_way_round(self) -> None:
        for _ in range(10):
            handover = sent("甲", "乙")
            first = handover.items.get(position=1)
            said = race([
                partial(handovers.withdraw, handover, by=user("qiye"), reason="装错了。"),
                partial(handovers.accept, first, by=user("shebao"), got=SIX),
            ])  # fmt: skip
            states = list(handover.items.values_list("state", flat=True))
            refused = [answer for answer in said if isinstance(answer, Refused)]
            assert not [a for a in said if isinstance(a, Exception) and a not in refused], said
            if states[0] == "accepted":
                assert not refused
                assert again(handover).state == "closed"
            else:
                assert len(refused) == 1
                assert again(handover).state == "withdrawn"
            assert states[1] == "withdrawn"

    def test_eight_writers_leave_no_gap_in_the_numbers(self) -> None:
        deliveries = [packed("甲") for _ in range(8)]
        by, day = user("qiye"), timezone.localdate()
        race([partial(handovers.send, one, by=by, handed_on=day, **HOW) for one in deliveries])
        assert sorted(again(one).serial for one in deliveries) == list(range(1, 9))

    def test_one_case_is_packed_into_one_of_two_deliveries(self) -> None:
        [case], by = make_many(1), user("qiye")
        pair = [packed("甲"), packed("乙")]
        said = race([partial(handovers.put_in, one, by=by, counts=SIX, case=case) for one in pair])
        assert len([answer for answer in said if isinstance(answer, Refused)]) == 1
        assert HandoverItem.objects.filter(transfer=case).count() == 1


# --- every order of deeds -------------------------------------------------------------------------


def machine(cases: list[Transfer], people: dict[str, User]) -> type[RuleBasedStateMachine]:
    """Deliveries of the same few files, packed, sent, received and taken back in any order."""
    pick = st.integers(0, 20)
    who = st.sampled_from(sorted(people))

    class Deliveries(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.undo = transaction.atomic()
            self.undo.__enter__()
            self.where: dict[Any, str] = {}  # item → its state, as the rules below say
            self.open: dict[Any, str] = {}  # delivery → its state
            self.serials = 0

        def teardown(self) -> None:
            if hasattr(self, "undo"):
                transaction.set_rollback(True)
                self.undo.__exit__(None, None, None)

        def _try(self, allowed: bool, deed: Callable[..., Any], *args: Any, **words: Any) -> Any:
            said, answer = "", None
            try:
                answer = deed(*args, **words)
            except Refused as refusal:
                said = str(refusal)
            assert allowed == (not said), (deed, args, words, said)
            assert not said or said.endswith("。")
            return answer

        def _delivery(self, n: int) -> Handover | None:
            keys = list(self.open)
            return Handover.objects.get(pk=keys[n % len(keys)]) if keys else None

        def _an_item(self, n: int) -> HandoverItem | None:
            keys = list(self.where)
            return HandoverItem.objects.get(pk=keys[n % len(keys)]) if keys else None

        @rule(by=who)
        def somebody_packs(self, by: str) -> None:
            made = self._try(by == "qiye", handovers.pack, "personnel", by=people[by], **sides())
            if made:
                self.open[made.pk] = "packing"

        @rule(n=pick, file=st.integers(0, len(cases) - 1), by=who)
        def somebody_puts_a_file_in(self, n: int, file: int, by: str) -> None:
            if (delivery := self._delivery(n)) is None:
                return
            free = not HandoverItem.objects.filter(
                transfer=cases[file], pk__in=[k for k, s in self.where.items() if s == "waiting"]
            ).exists()
            allowed = by == "qiye" and self.open[delivery.pk] == "packing" and free
            item = self._try(
                allowed, handovers.put_in, delivery, by=people[by], counts=SIX, case=cases[file]
            )
            if item:
                self.where[item.pk] = "waiting"

        @rule(n=pick, by=who)
        def somebody_sends(self, n: int, by: str) -> None:
            if (delivery := self._delivery(n)) is None:
                return
            full = delivery.items.exists()
            allowed = by == "qiye" and self.open[delivery.pk] == "packing" and full
            done = self._try(allowed, handovers.send, delivery, by=people[by],
                             handed_on=date(2026, 6, 1), **HOW)  # fmt: skip
            if done:
                self.open[delivery.pk] = "sent"
                self.serials += 1

        def _settle(self, item: HandoverItem, state: str) -> None:
            self.where[item.pk] = state
            states = {self.where[pk] for pk in item.handover.items.values_list("pk", flat=True)}
            if "waiting" not in states:
                over = "withdrawn" if states == {"withdrawn"} else "closed"
                self.open[item.handover_id] = over

        @rule(
            n=pick, by=who, pages=st.sampled_from((84, 84, 80)), word=st.sampled_from(("", "缺页"))
        )
        def somebody_accepts(self, n: int, by: str, pages: int, word: str) -> None:
            if (item := self._an_item(n)) is None:
                return
            waits = self.open[item.handover_id] == "sent" and self.where[item.pk] == "waiting"
            allowed = by == "shebao" and waits and (pages == 84 or bool(word))
            got = SIX._replace(pages=pages)
            if self._try(allowed, handovers.accept, item, by=people[by], got=got, difference=word):
                self._settle(item, "accepted" if pages == 84 else "noted")

        @rule(n=pick, by=who, reason=st.sampled_from(("缺材料", "缺材料", " ")))
        def somebody_returns(self, n: int, by: str, reason: str) -> None:
            if (item := self._an_item(n)) is None:
                return
            waits = self.open[item.handover_id] == "sent" and self.where[item.pk] == "waiting"
            allowed = by == "shebao" and waits and bool(reason.strip())
            if self._try(allowed, handovers.send_back, item, by=people[by], code="missing",
                         reason=reason):  # fmt: skip
                self._settle(item, "returned")

        @rule(n=pick, by=who)
        def somebody_takes_back(self, n: int, by: str) -> None:
            if (item := self._an_item(n)) is None:
                return
            waits = self.open[item.handover_id] == "sent" and self.where[item.pk] == "waiting"
            if self._try(by == "qiye" and waits, handovers.take_back, item, by=people[by],
                         reason="装错了"):  # fmt: skip
                self._settle(item, "withdrawn")

        @rule(n=pick, by=who)
        def somebody_reopens(self, n: int, by: str) -> None:
            if (item := self._an_item(n)) is None:
                return
            taken = self.where[item.pk] in ("accepted", "noted")
            packed_anew = HandoverItem.objects.filter(transfer=item.transfer, state="waiting")
            allowed = by == "shebao" and taken and not packed_anew.exists()
            if self._try(allowed, handovers.reopen, item, by=people[by], reason="点错了"):
                self.where[item.pk], self.open[item.handover_id] = "waiting", "sent"

        @invariant()
        def nothing_is_in_two_places_and_both_sides_count_alike(self) -> None:
            if not hasattr(self, "where"):
                return
            items = list(HandoverItem.objects.all())
            assert {item.pk: item.state for item in items} == self.where
            deliveries = dict(Handover.objects.values_list("pk", "state"))
            assert deliveries == self.open
            on_the_way = [item.transfer_id for item in items if item.state == "waiting"]
            assert len(on_the_way) == len(set(on_the_way))
            for item in items:
                if item.state == "accepted":
                    assert item.got == item.counts
                if item.state == "noted":
                    assert item.got is not None
                    assert "页数送 84、收 80" in item.reason
            closed = [i for i in items if deliveries[i.handover_id] in ("closed", "withdrawn")]
            assert all(item.settled_name and item.settled_at for item in closed)
            numbers = Handover.objects.order_by("serial").values_list("serial", flat=True)
            assert [n for n in numbers if n] == list(range(1, self.serials + 1))
            sendings = HandoverTurn.objects.filter(verb="send").count()
            assert sendings == self.serials

    return Deliveries


@pytest.mark.django_db
def test_no_order_of_deeds_loses_a_file() -> None:
    people = {name: user(name) for name in ("qiye", "shebao", "shebao_chibi", "shenji")}
    run_state_machine_as_test(
        machine(make_many(3), people),
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip
