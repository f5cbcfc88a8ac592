"""档案转递单 (第六条第4项): stub, notice and receipt on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xianning import pdf
from xianning.models import Office

if TYPE_CHECKING:
    from archives.models import DeliveryNote, PersonnelFile

FILES_ON_A_SLIP = 2  # a longer delivery has its list on a page of its own
SENTENCE_MM, SENTENCE_LINES = (173.0, 24.0), 1.6
MISSING_SIZES = (10.0, 9.0, 8.0, 7.2, 6.5, 5.8, 5.2, 4.6)


@dataclass(frozen=True)
class Line:
    """A file in the list, with the sizes at which name and post fit."""

    file: PersonnelFile
    name: str
    post: str

    @property
    def name_size(self) -> str:
        return pdf.fitting(self.name, 26, 8)

    @property
    def post_size(self) -> str:
        return pdf.fitting(self.post, 69, 8)


def _line(file: PersonnelFile) -> Line:
    person = file.transfer.retiree
    return Line(file, person.name, f"{person.former_employer}　{person.former_post}".strip("　"))


def delivery_note(note: DeliveryNote) -> pdf.Pdf:
    """The three parts, with the files that this delivery holds."""
    files = list(note.files.select_related("transfer__retiree").order_by("pk"))
    receiver = Office.objects.filter(role="insurance", area=note.receiver).first()
    goal = receiver.name if receiver else f"{note.receiver.full_name}社会保险经办机构"
    first = files[0].transfer.retiree.name if files else ""
    sender = note.enterprise.transferor
    missing = "；".join(file.missing for file in files if file.missing)
    context = {
        "note": note,
        "lines": [_line(file) for file in files],
        "has_list": len(files) > FILES_ON_A_SLIP,
        "who": f"{first}等 {len(files)} 名" if len(files) > 1 else first,
        "sender": sender,
        "carrier_size": pdf.fitting(f"送档人：{note.carrier}", 56, 8, pdf.TEXT_SIZES[2:]),
        "receiver": goal,
        "originals": sum(file.originals for file in files),
        "duplicates": sum(file.duplicates for file in files),
        "items": sum(file.items for file in files),
        "missing": missing,
        "missing_size": pdf.fitting(
            f"缺失材料及说明：{missing}", 173, 16, MISSING_SIZES, SENTENCE_LINES
        ),
        "size": pdf.fitting(
            first + sender + goal + "　" * 45, *SENTENCE_MM, pdf.TEXT_SIZES, SENTENCE_LINES
        ),
        "codes": [pdf.mark("NOTE", note.pk, copy=part) for part in (1, 2, 3)],
    }
    return pdf.render("print/delivery_note.html", context)
