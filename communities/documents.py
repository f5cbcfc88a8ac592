"""社区联系卡 (第六条第5项): 90 × 54 mm, alone on card stock or ten to an A4 sheet.

A card never carries an ID number; its QR code holds the public address that says whether the card
number is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xianning import pdf
from xianning.models import Office

if TYPE_CHECKING:
    from collections.abc import Sequence

    from communities.models import Area, Reception

CARDS_A_SHEET, COLUMNS = 10, 2
# Cutting marks at the edges of the cards, in millimetres from the left and the top of the sheet.
MARKS_ACROSS = (15, 105, 195)
MARKS_DOWN = tuple(13.5 + 54 * row for row in range(CARDS_A_SHEET // COLUMNS + 1))
NAME_SIZES = (20.0, 17.0, 13.0, 10.0, 9.0)
LINE_SIZES = (10.0, 9.5, 8.8, 8.0, 7.2, 6.5, 5.8, 5.2, 4.6)


def _line(
    label: str, *values: str, width: float, height: float = 4.5,
    sizes: Sequence[float] = LINE_SIZES,
) -> tuple[str, str, str]:  # fmt: skip
    """Label, value, and the size at which the value fits."""
    text = "　".join(filter(None, values))
    return label, text, pdf.fitting(text, width, height, sizes)


def _office(role: str, area: Area) -> Office | None:
    return Office.objects.at_desk(role, area_id=area.pk, enterprise_id=None).first()


def _card(entry: Reception, check_url: str) -> dict[str, Any] | None:
    """What stands on both sides; None without a valid card."""
    card = entry.card
    if card is None:
        return None
    name = entry.transfer.retiree.name
    desk, party = _office("community", entry.community), _office("party", entry.community)
    return {
        "number": card.number,
        "issued_on": card.issued_on,
        "name": name,
        "name_size": pdf.fitting(name, 64, 9.5, NAME_SIZES),
        "front": [
            _line("所属社区", entry.community.full_name, width=64, height=8.5),
            _line("社区地址", desk.address if desk else "", width=64, height=8.5),
        ],
        "hotline": _line("服务热线", desk.phone if desk else "", width=36,
                         height=5, sizes=(12.0, *LINE_SIZES)),
        "back": [
            _line("专管员", entry.officer, entry.officer_phone, width=34, height=9),
            _line("网格员", "", width=34),
            _line(
                "社区党组织", party.name if party else "", party.phone if party else "",
                width=34, height=9,
            ),
            _line("卫生服务中心", "", width=34),
        ],
        "code": pdf.qr(f"{check_url}?number={card.number}"),
    }  # fmt: skip


def contact_card(entry: Reception, *, check_url: str) -> pdf.Pdf:
    """Front and back on pages of the card's own size. CHECK_URL as for the sheet.

    Raises ValueError when the entry has no valid card.
    """
    card = _card(entry, check_url)
    if card is None:
        raise ValueError("this entry has no valid card")
    return pdf.render("print/contact_card.html", {"card": card})


def contact_cards_sheet(entries: Sequence[Reception], *, check_url: str) -> pdf.Pdf:
    """Fronts with cutting marks, then the backs mirrored for turning over the long edge.

    CHECK_URL is the absolute address of the public check. Entries without a valid card are left
    out.
    """
    cards = [card for entry in entries if (card := _card(entry, check_url))]
    sheets = []
    for start in range(0, len(cards), CARDS_A_SHEET):
        page = cards[start : start + CARDS_A_SHEET]
        rows: list[list[dict[str, Any] | None]] = [
            [*page[i : i + COLUMNS], *[None] * (COLUMNS - len(page[i : i + COLUMNS]))]
            for i in range(0, len(page), COLUMNS)
        ]
        sheets.append((rows, [row[::-1] for row in rows]))
    context = {"sheets": sheets, "across": MARKS_ACROSS, "down": MARKS_DOWN}
    return pdf.render("print/contact_cards.html", context)
