"""What streets and communities keep: divisions, check-in, contact card, ledger, events, who manages."""

from __future__ import annotations

from communities.models.divisions import Area, AreaQuerySet
from communities.models.events import EventReceipt, LifeEvent
from communities.models.funds import FundSheet, FundStandard
from communities.models.management import Management, Rehandover
from communities.models.reception import (
    CARD_LETTERS,
    ContactCard,
    Reception,
    ReceptionQuerySet,
    new_card_number,
)

__all__ = [
    "CARD_LETTERS", "Area", "AreaQuerySet", "ContactCard", "EventReceipt", "FundSheet", "FundStandard",
    "LifeEvent", "Management", "Reception", "ReceptionQuerySet", "Rehandover", "new_card_number",
]  # fmt: skip
