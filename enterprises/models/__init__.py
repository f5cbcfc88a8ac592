"""What SASAC keeps: the list of state-owned enterprises, and its editions, agreements, and venues (第九条)."""

from __future__ import annotations

from enterprises.models.agreements import Agreement
from enterprises.models.editions import Edition, EditionEntry
from enterprises.models.enterprise import Enterprise, EnterpriseQuerySet, Refused
from enterprises.models.venues import Venue

__all__ = [
    "Agreement",
    "Edition",
    "EditionEntry",
    "Enterprise",
    "EnterpriseQuerySet",
    "Refused",
    "Venue",
]
