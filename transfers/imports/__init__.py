"""Retirees from a workbook: columns, reading, matching of headings, checking, writing."""

from __future__ import annotations
