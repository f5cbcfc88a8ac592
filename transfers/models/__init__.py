"""The retiree, the case, its steps and what happened in them."""

from __future__ import annotations

from transfers.models.batches import ColumnChoice, ImportBatch, ImportChange
from transfers.models.cases import StepEvent, Transfer, TransferStep
from transfers.models.evidence import Scan, SignedForm
from transfers.models.handovers import Handover, HandoverItem, HandoverTurn
from transfers.models.letters import HandoverLetter
from transfers.models.limits import StepLimit
from transfers.models.printing import PrintedPaper, PrintPile
from transfers.models.reports import MonthlyReport
from transfers.models.retirees import PARTY_MEMBER, NameGram, Retiree
from transfers.models.rights import Consent, RightsRequest, Tombstone
from transfers.models.scans import SignedPage, SignedPile

__all__ = [
    "PARTY_MEMBER", "ColumnChoice", "Consent", "Handover", "HandoverItem", "HandoverLetter",
    "HandoverTurn", "ImportBatch", "ImportChange", "MonthlyReport", "NameGram", "PrintPile", "PrintedPaper",
    "Retiree", "RightsRequest", "Scan", "SignedForm", "SignedPage", "SignedPile", "StepEvent",
    "StepLimit",
    "Tombstone", "Transfer", "TransferStep",
]  # fmt: skip
