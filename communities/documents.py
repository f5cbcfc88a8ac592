"""社区联系卡: 90 × 54 mm, ten to an A4 sheet, backs mirrored for printing on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xianning import pdf
from xianning.models import Office

if TYPE_CHECKING:
    from collections.abc import Sequence

    from communities.models import Area, Reception

CARDS_A_SHEET, COLUMNS = 10, 2


def _offices(area: Area) -> dict[str, Office | None]:
    """The desks whose numbers stand on the back."""
    found = {}
    for role in ("community", "party"):
        found[role] = Office.objects.at_desk(role, area_id=area.pk, enterprise_id=None).first()
    return found


def contact_cards_sheet(receptions: Sequence[Reception], *, check_url: str) -> bytes:
    """Fronts and backs, ten a page. CHECK_URL is the absolute address of the public check.

    Entries without a valid card are left out.
    """
    cards = []
    for entry in receptions:
        card = entry.card
        if card is None:
            continue
        cards.append(
            {
                "entry": entry,
                "card": card,
                "name": entry.transfer.retiree.name,
                "community": entry.community,
                "offices": _offices(entry.community),
                "code": pdf.qr(f"{check_url}?number={card.number}"),
            }
        )
    sheets = []
    for start in range(0, len(cards), CARDS_A_SHEET):
        page = cards[start : start + CARDS_A_SHEET]
        rows = [page[i : i + COLUMNS] for i in range(0, len(page), COLUMNS)]
        rows = [row + [None] * (COLUMNS - len(row)) for row in rows]  # type: ignore[list-item]
        sheets.append((rows, [row[::-1] for row in rows]))
    return pdf.render("print/contact_cards.html", {"sheets": sheets})
