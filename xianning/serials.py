"""Serials of what is given out: short enough to type off a page, too many to guess.

Twelve characters (59 bits) and a check character, written `7KQ2-M9XT-PA4CR`. The alphabet has 31
characters, a prime, none of which looks like another: the weighted sum then finds every single
wrong character and every exchange of two.
"""

from __future__ import annotations

import re
import secrets

from xianning import privacy
from xianning.standards import fold

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 12
_BLANKS = r"[\s\-–—‐‑]*"
_WRITTEN = re.compile(
    rf"(?<![0-9A-Z]){_BLANKS.join([f'[{ALPHABET}]'] * (LENGTH + 1))}(?![0-9A-Z])", re.IGNORECASE
)


def new(seed: str = "") -> str:
    """A serial: random, or with SEED always the same one, that nobody without the key can tell."""
    number = int(privacy.blind_index(seed or secrets.token_hex(16), "export serial"), 16)
    body = ""
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        body += ALPHABET[digit]
    return _spaced(body + check(body))


def check(body: str) -> str:
    """The check character of the first twelve."""
    total = sum(
        weight * ALPHABET.index(character) for weight, character in enumerate(body, start=1)
    )
    return ALPHABET[total % len(ALPHABET)]


def _spaced(text: str) -> str:
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def find(text: str) -> list[str]:
    """The serials that stand in TEXT, in their usual spelling, each once."""
    found: dict[str, None] = {}
    for match in _WRITTEN.finditer(fold(text)):
        bare = re.sub(_BLANKS, "", match[0]).upper()
        if check(bare[:LENGTH]) == bare[LENGTH]:
            found[_spaced(bare)] = None
    return list(found)
