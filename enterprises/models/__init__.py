"""What SASAC keeps: the list of state-owned enterprises, and the editions in which it is published."""

from __future__ import annotations

from enterprises.models.editions import Edition, EditionEntry
from enterprises.models.enterprise import Enterprise, EnterpriseQuerySet, Refused

__all__ = ["Edition", "EditionEntry", "Enterprise", "EnterpriseQuerySet", "Refused"]
