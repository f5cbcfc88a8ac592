"""社区联系卡 (第六条第5项): its number as people read it out, and what becomes of a card.

Issued with the check-in; reported lost, found again; replaced by one with a new number; returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from communities.models import ContactCard, Reception
from transfers.refusal import Refused
from xianning import access, audit, standards
from xianning.models import Office

if TYPE_CHECKING:
    from collections.abc import Callable

    from xianning.models import User

_LOOK_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})
Why = ContactCard.Why


def read_number(text: str) -> str:
    """The number in its groups of four: lower case, blanks, O for 0 and I or L for 1 are forgiven."""
    typed = standards.fold(text).upper().translate(_LOOK_ALIKE)
    letters = "".join(letter for letter in typed if letter.isalnum())
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def is_valid(text: str) -> bool:
    """Whether a card of this number is in force. An unknown and a void one cost the same query."""
    return ContactCard.objects.valid().filter(number=read_number(text)[:20]).exists()


def desk_phone(text: str) -> str:
    """The telephone of the community that looks after the holder of a valid card; else nothing."""
    found = ContactCard.objects.valid().filter(number=read_number(text)[:20])
    area = found.values_list("reception__community_id", flat=True).first()
    desks = Office.objects.at_desk("community", area_id=area or "", enterprise_id=None)
    return desks.exclude(phone="").values_list("phone", flat=True).first() or ""


# --- guards: a sentence, or None ----------------------------------------------------------------


def why_not(entry: Reception, user: User) -> str | None:
    """Why USER can do nothing with the cards of this ledger line."""
    if not access.scope(user).may_act("community", area=entry.community_id):
        return f"联系卡由{entry.community.full_name}办理（第六条第5项）。"
    if not entry.is_active:
        return "此人已不在本社区管理，不再办理联系卡。"
    return None


def _held(entry: Reception) -> str | None:
    return None if entry.card else "没有在用的联系卡。"


def why_not_lose(entry: Reception) -> str | None:
    return _held(entry) or ("此卡已经挂失。" if entry.card and entry.card.lost_on else None)


def why_not_find(entry: Reception) -> str | None:
    return _held(entry) or (None if entry.card and entry.card.lost_on else "此卡没有挂失。")


def why_not_issue(entry: Reception) -> str | None:
    return "已有在用的联系卡，遗失或损坏的请补发。" if entry.card else None


# --- deeds --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deed:
    """What a worker does with a card: its word, why not now, and how it is done."""

    title: str
    why_not: Callable[[Reception], str | None]
    do: Callable[[Reception, User], ContactCard]
    done: str


def _lose(entry: Reception, by: User) -> ContactCard:
    card = _card_of(entry)
    card.lost_on, card.lost_by = timezone.localdate(), by
    card.save()
    return card


def _find(entry: Reception, by: User) -> ContactCard:
    card = _card_of(entry)
    card.lost_on = card.lost_by = None
    card.__dict__["_change_reason"] = "找到了，撤销挂失"
    card.save()
    return card


def _give_back(entry: Reception, by: User) -> ContactCard:
    card = _card_of(entry)
    card.void(timezone.localdate(), why=Why.RETURNED, by=by)
    return card


def replace(entry: Reception, *, by: User, why: str) -> ContactCard:
    """A card with a new number; the old one, if there is one, is void for this reason."""
    old, today = entry.card, timezone.localdate()
    if old:
        old.void(today, why=why, by=by)
    return ContactCard.objects.create(reception=entry, issued_on=today, issued_by=by, replaces=old)


def _card_of(entry: Reception) -> ContactCard:
    card = entry.card
    assert card is not None
    return card


DEEDS: dict[str, Deed] = {
    "lost": Deed("挂失", why_not_lose, _lose, "已挂失，查验时显示无效；找到了可以撤销。"),
    "found": Deed("找到了，撤销挂失", why_not_find, _find, "已撤销挂失，原卡有效。"),
    "reissue": Deed("遗失，补发新卡", _held, lambda entry, by: replace(entry, by=by, why=Why.LOST),
                    "已补发，原卡号作废；请打印新卡。"),
    "renew": Deed("损坏，换发新卡", _held,
                  lambda entry, by: replace(entry, by=by, why=Why.DAMAGED),
                  "已换发，原卡号作废；请打印新卡。"),
    "return": Deed("本人交回", _held, _give_back, "已收回，卡号作废。"),
    "issue": Deed("发新卡", why_not_issue,
                  lambda entry, by: replace(entry, by=by, why=Why.RETURNED),
                  "已发新卡，请打印。"),
}  # fmt: skip
_ACTIONS = {"lost": "card_lost", "found": "card_found", "return": "card_return"}


def open_deeds(entry: Reception, user: User) -> dict[str, Deed]:
    """What USER may do with the cards of this person now."""
    if why_not(entry, user):
        return {}
    return {key: deed for key, deed in DEEDS.items() if deed.why_not(entry) is None}


@transaction.atomic
def act(entry: Reception, key: str, *, by: User) -> ContactCard:
    """Do the deed KEY of DEEDS; the card that it was done to. Raises Refused."""
    entry = (
        Reception.objects.select_for_update(of=("self",))
        .select_related("community", "transfer")
        .get(pk=entry.pk)
    )
    if reason := why_not(entry, by) or DEEDS[key].why_not(entry):
        raise Refused(reason)
    card = DEEDS[key].do(entry, by)
    facts: dict[str, Any] = {"article": "第六条第5项", "why": card.why}
    audit.write(_ACTIONS.get(key, "card_reissue"), user=by, object=card, area=entry.community_id,
                facts=facts)  # fmt: skip
    return card
