"""Personnel files, what is in them, and who had them in his hands."""

from __future__ import annotations

from archives.models.catalogue import CatalogueEntry
from archives.models.files import PersonnelFile
from archives.models.loans import FileLoan

__all__ = ["CatalogueEntry", "FileLoan", "PersonnelFile"]
