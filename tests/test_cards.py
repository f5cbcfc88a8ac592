"""社区联系卡 (第六条第5项): issued, lost, found, replaced, returned; a number is one card's for ever."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from communities import cards, events
from communities.models import ContactCard, Reception
from tests.factories import make_transfer
from transfers.models import PrintedPaper, Transfer
from transfers.refusal import Refused
from transfers.stages import BIT
from xianning.models import AccessLog, AuditEvent, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
CHECK = "/cards/check/"
PRINT = "/cards/print/"


def worker() -> User:
    return User.objects.get(username="shequ")


def entry() -> Reception:
    return Reception.objects.get(transfer=make_transfer(at="done"))


def press(client: Client, of: Reception, deed: str) -> str:
    answer = client.post(
        reverse("communities:card_person", args=[of.pk]), {"deed": deed}, follow=True
    )
    return answer.content.decode()


def test_a_lost_card_is_not_valid_until_it_is_found(sign_in: Callable[[str], Client]) -> None:
    one, client = entry(), sign_in("shequ")
    number = one.cards.get().number
    assert cards.is_valid(number)
    assert "已挂失，查验时显示无效" in press(client, one, "lost")
    assert not cards.is_valid(number)
    assert "此卡已经挂失" in press(client, one, "lost")  # twice is harmless
    assert "已撤销挂失" in press(client, one, "found")
    assert cards.is_valid(number)
    assert "此卡没有挂失" in press(client, one, "found")
    card = one.cards.get()
    assert (card.lost_on, card.lost_by) == (None, None)
    assert card.history.count() == 3
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"card_lost", "card_found"} <= told


@pytest.mark.parametrize(("deed", "why"), [("reissue", "lost"), ("renew", "damaged")])
def test_a_replaced_card_names_its_successor_and_is_void(
    deed: str, why: str, sign_in: Callable[[str], Client]
) -> None:
    one, client = entry(), sign_in("shequ")
    old = one.cards.get()
    press(client, one, deed)
    old.refresh_from_db()
    new = one.card
    assert new
    assert (old.why, old.voided_by, old.successor) == (why, worker(), new)
    assert (cards.is_valid(old.number), cards.is_valid(new.number)) == (False, True)
    page = client.get(reverse("communities:card_person", args=[one.pk])).content.decode()
    assert page.index(new.number) < page.index(old.number)  # the one that counts comes first
    assert old.get_why_display() in page


def test_a_returned_card_is_void_and_another_may_be_issued() -> None:
    one = entry()
    first = cards.act(one, "return", by=worker())
    assert (first.why, one.card) == ("returned", None)
    for deed in ("lost", "found", "reissue", "renew", "return"):
        with pytest.raises(Refused, match="没有在用的联系卡"):
            cards.act(one, deed, by=worker())
    second = cards.act(one, "issue", by=worker())
    assert second.number != first.number
    with pytest.raises(Refused, match="遗失或损坏的请补发"):
        cards.act(one, "issue", by=worker())


def test_nobody_else_and_nobody_gone_gets_a_card(sign_in: Callable[[str], Client]) -> None:
    one = entry()
    with pytest.raises(Refused, match="办理（第六条第5项）"):
        cards.act(one, "lost", by=User.objects.get(username="shequ_wannian"))
    events.report(one.transfer, by=worker(), kind="died", happened_on=timezone.localdate())
    assert one.cards.get().why == "died"
    with pytest.raises(Refused, match="不再办理联系卡"):
        cards.act(one, "issue", by=worker())
    client = sign_in("shequ")
    assert (
        "发新卡"
        not in client.get(reverse("communities:card_person", args=[one.pk])).content.decode()
    )
    answer = client.post(reverse("communities:card_person", args=[one.pk]), {"deed": "x"})
    assert answer.status_code == 404


def test_the_public_check_says_valid_or_not_and_whom_to_call(
    sign_in: Callable[[str], Client],
) -> None:
    one = entry()
    Office.objects.filter(role="community", area=one.community).update(phone="0715-8000009")
    number = one.cards.get().number
    page = Client().post(CHECK, {"number": number}).content.decode()
    assert "有效" in page
    assert "0715-8000009" in page
    for told in (one.transfer.retiree.name, one.community.name, one.ledger_number, number):
        assert told not in page
    cards.act(one, "lost", by=worker())
    page = Client().post(CHECK, {"number": number}).content.decode()
    assert "无效" in page
    assert "0715-8000009" not in page


def test_what_was_not_printed_is_listed_until_it_is_and_every_printing_is_on_record(
    sign_in: Callable[[str], Client],
) -> None:
    one, client = entry(), sign_in("shequ")
    name = one.transfer.retiree.name

    def fresh() -> bool:
        return name in client.get(PRINT, {"state": "fresh"}).content.decode()

    assert fresh()
    paper = client.post(PRINT, {"case": one.transfer_id})
    assert paper["Content-Disposition"].startswith("attachment")
    assert paper["X-Content-Type-Options"] == "nosniff"
    assert not fresh()
    client.post(PRINT, {"case": one.transfer_id})  # again: on record again
    assert PrintedPaper.objects.filter(transfer=one.transfer, paper="card").count() == 2
    assert AccessLog.objects.filter(transfer=one.transfer, what="社区联系卡").count() == 2
    cards.act(one, "reissue", by=worker())
    assert fresh()  # the new card was not printed
    assert name not in client.get(PRINT, {"state": "lost"}).content.decode()
    cards.act(one, "lost", by=worker())
    assert name in client.get(PRINT, {"state": "lost"}).content.decode()
    assert client.get(PRINT, {"state": "x"}).status_code == 404


def test_the_database_keeps_number_holder_and_reason() -> None:
    one, other = entry(), entry()
    card = ContactCard.objects.filter(pk=one.cards.get().pk)
    changes: tuple[dict[str, Any], ...] = (
        {"number": "AAAA-BBBB-CCCC"}, {"reception": other}, {"voided_on": timezone.localdate()},
        {"why": "lost"}, {"lost_on": timezone.localdate()},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(DatabaseError), transaction.atomic():
            card.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        ContactCard.objects.create(
            reception=one, issued_on=timezone.localdate(), issued_by=worker()
        )


@pytest.mark.parametrize("seed", [5, 6])
def test_whatever_is_done_one_card_at_most_is_held_and_the_sums_know(seed: int) -> None:
    rng, one = random.Random(seed), entry()
    for _ in range(25):
        deed = rng.choice(list(cards.DEEDS))
        try:
            cards.act(one, deed, by=worker())
        except Refused:
            continue
        held = one.cards.held().count()
        assert held <= 1
        case = Transfer.objects.get(pk=one.transfer_id)
        assert bool(case.reached & BIT["card"]) is (held == 1)
    chain = one.cards.exclude(voided_on=None).filter(why__in=("lost", "damaged"))
    assert all(card.successor for card in chain)
