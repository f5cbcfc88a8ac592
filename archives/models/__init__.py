"""Personnel files, what is in them, who had them in his hands; other archives."""

from __future__ import annotations

from archives.models.catalogue import CatalogueEntry
from archives.models.files import PersonnelFile
from archives.models.loans import FileLoan
from archives.models.records import RecordsEntry

__all__ = ["CatalogueEntry", "FileLoan", "PersonnelFile", "RecordsEntry"]
