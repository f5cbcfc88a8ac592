"""The one-time code on the receipt slip of a letter that leaves Xianning."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from xianning import serials

if TYPE_CHECKING:
    from party.models import PartyMove


def code_of(letter: PartyMove) -> str:
    """The code of LETTER: nobody without the key of this installation can make it."""
    return serials.new(f"letter receipt {letter.pk}")


def is_code_of(letter: PartyMove, typed: str) -> bool:
    """Whether TYPED is the code of LETTER; blanks, hyphens and lower case are forgiven."""
    found = serials.find(typed[:100]) or [""]
    return hmac.compare_digest(found[0].encode(), code_of(letter).encode())
