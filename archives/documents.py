"""档案转递单 (第六条第4项): stub, notice and receipt on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xianning import pdf

if TYPE_CHECKING:
    from transfers.models.handovers import Handover, HandoverItem

FILES_ON_A_SLIP = 2  # a longer delivery has its list on a page of its own
SENTENCE_MM, SENTENCE_LINES = (173.0, 24.0), 1.6
MISSING_SIZES = (10.0, 9.0, 8.0, 7.2, 6.5, 5.8, 5.2, 4.6)


@dataclass(frozen=True)
class Line:
    """A file in the list, with the sizes at which name and post fit."""

    item: HandoverItem
    name: str
    post: str

    @property
    def name_size(self) -> str:
        return pdf.fitting(self.name, 26, 8)

    @property
    def post_size(self) -> str:
        return pdf.fitting(self.post, 69, 8)


def _line(item: HandoverItem) -> Line:
    assert item.transfer is not None
    person = item.transfer.retiree
    return Line(item, person.name, f"{person.former_employer}　{person.former_post}".strip("　"))


def delivery_note(note: Handover) -> pdf.Pdf:
    """The three parts, with the files that this delivery holds."""
    rows = note.items.select_related("transfer__retiree", "transfer__personnel_file")
    items = list(rows.exclude(state="withdrawn"))
    lines = [_line(item) for item in items]
    first = lines[0].name if lines else ""
    missing = "；".join(
        item.transfer.personnel_file.missing
        for item in items
        if item.transfer and item.transfer.personnel_file.missing
    )
    sender, goal = note.sender_name, note.receiver_name
    context = {
        "note": note,
        "lines": lines,
        "has_list": len(lines) > FILES_ON_A_SLIP,
        "who": f"{first}等 {len(lines)} 名" if len(lines) > 1 else first,
        "sender": sender,
        "carrier_size": pdf.fitting(f"送档人：{note.carrier}", 56, 8, pdf.TEXT_SIZES[2:]),
        "receiver": goal,
        "volumes": sum(item.volumes for item in items),
        "duplicates": sum(item.duplicates for item in items),
        "pieces": sum(item.pieces for item in items),
        "missing": missing,
        "missing_size": pdf.fitting(
            f"缺失材料及说明：{missing}", 173, 16, MISSING_SIZES, SENTENCE_LINES
        ),
        "size": pdf.fitting(
            first + sender + goal + "　" * 45, *SENTENCE_MM, pdf.TEXT_SIZES, SENTENCE_LINES
        ),
        "code": pdf.mark("NOTE", note.pk),
    }
    return pdf.render("print/delivery_note.html", context)
