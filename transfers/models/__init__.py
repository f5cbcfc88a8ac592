"""The retiree, the case, its steps and what happened in them."""

from __future__ import annotations

from transfers.models.batches import ImportBatch
from transfers.models.cases import StepEvent, Transfer, TransferStep
from transfers.models.evidence import Scan, SignedForm
from transfers.models.retirees import PARTY_MEMBER, NameGram, Retiree

__all__ = [
    "PARTY_MEMBER", "ImportBatch", "NameGram", "Retiree", "Scan", "SignedForm", "StepEvent",
    "Transfer", "TransferStep",
]  # fmt: skip
