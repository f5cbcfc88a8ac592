"""Personnel files and what is in them."""

from __future__ import annotations

from archives.models.catalogue import CatalogueEntry
from archives.models.files import PersonnelFile

__all__ = ["CatalogueEntry", "PersonnelFile"]
