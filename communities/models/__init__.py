"""What streets and communities keep: divisions, check-in, contact card, ledger, care, events, who manages."""

from __future__ import annotations

from communities.models.care import CareGroup, CarePlan, Visit
from communities.models.divisions import Area, AreaQuerySet
from communities.models.events import EventReceipt, LifeEvent
from communities.models.funds import FundSheet, FundStandard
from communities.models.ledger import SavedView, SavedViewQuerySet
from communities.models.management import Management, Rehandover
from communities.models.reception import (
    CARD_LETTERS,
    VERIFIED_FOR,
    ContactCard,
    Reception,
    ReceptionQuerySet,
    new_card_number,
)

__all__ = [
    "CARD_LETTERS", "VERIFIED_FOR", "Area", "AreaQuerySet", "CareGroup", "CarePlan", "ContactCard",
    "EventReceipt", "FundSheet",
    "FundStandard", "LifeEvent", "Management", "Reception", "ReceptionQuerySet", "Rehandover",
    "SavedView", "SavedViewQuerySet", "Visit", "new_card_number",
]  # fmt: skip
