"""The one way in which a deed says no."""

from __future__ import annotations


class Refused(Exception):
    """An act that cannot be done; the text is a sentence for the user."""
