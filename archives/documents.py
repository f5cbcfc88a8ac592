"""档案转递单: stub, notice and receipt on one sheet (第六条第4项)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xianning import pdf
from xianning.models import Office

if TYPE_CHECKING:
    from archives.models import DeliveryNote


def delivery_note(note: DeliveryNote) -> bytes:
    """The three parts, with the files that this delivery holds."""
    files = list(note.files.select_related("transfer__retiree").order_by("pk"))
    receiver = Office.objects.filter(role="insurance", area=note.receiver).first()
    first = files[0].transfer.retiree.name if files else ""
    context = {
        "note": note,
        "files": files,
        "who": f"{first}等 {len(files)} 名" if len(files) > 1 else first,
        "receiver": receiver.name if receiver else f"{note.receiver}社会保险经办机构",
        "originals": sum(file.originals for file in files),
        "duplicates": sum(file.duplicates for file in files),
        "items": sum(file.items for file in files),
    }
    return pdf.render("print/delivery_note.html", context)
