"""The number of a 社区联系卡 as people read it out and type it."""

from __future__ import annotations

from communities.models import ContactCard
from xianning import standards

_LOOK_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


def read_number(text: str) -> str:
    """The number in its groups of four: lower case, blanks, O for 0 and I or L for 1 are forgiven."""
    typed = standards.fold(text).upper().translate(_LOOK_ALIKE)
    letters = "".join(letter for letter in typed if letter.isalnum())
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def is_valid(text: str) -> bool:
    """Whether a card of this number is in force. An unknown and a void one cost the same query."""
    in_force = ContactCard.objects.filter(voided_on=None, reception__is_active=True)
    return in_force.filter(number=read_number(text)[:20]).exists()
