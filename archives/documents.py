"""What is signed about files (第六条第4项): 档案转递单, 档案移交名册, 人事档案目录."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archives.models import CatalogueEntry
from xianning import pdf

if TYPE_CHECKING:
    from transfers.models import Transfer
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
        "codes": [pdf.mark("NOTE", note.pk, copy=part) for part in (1, 2, 3)],
    }
    return pdf.render("print/delivery_note.html", context)


@dataclass(frozen=True)
class Column:
    """A column of a list that is signed: heading, width in mm, what stands in it."""

    heading: str
    width: float
    text: Callable[[HandoverItem], Any]


LINE_MM = 11.0  # the height of a row: three lines of the smallest words


def _person(name: str) -> Callable[[HandoverItem], Any]:
    return lambda item: getattr(item.transfer.retiree, name) if item.transfer else ""


def _file(name: str) -> Callable[[HandoverItem], Any]:
    return lambda item: getattr(item.transfer.personnel_file, name) if item.transfer else ""


def _month(name: str) -> Callable[[HandoverItem], str]:
    return lambda item: f"{_person(name)(item):%Y-%m}"


ROSTER_COLUMNS = (
    Column("姓名", 20, _person("name")),
    Column(
        "性别", 9, lambda item: item.transfer.retiree.get_sex_display() if item.transfer else ""
    ),
    Column("公民身份号码", 37, _person("id_number")),
    Column("出生年月", 17, _month("birth_date")),
    Column("退休年月", 17, _month("retired")),
    Column("原工作单位", 42, _person("former_employer")),
    Column("正本（卷）", 12, lambda item: item.volumes),
    Column("副本（卷）", 12, lambda item: item.duplicates or "—"),
    Column("材料（份）", 12, lambda item: item.pieces),
    Column("页数", 12, lambda item: item.pages or "—"),
    Column("缺失材料及说明", 36, _file("missing")),
    Column("档案编号", 24, _file("archive_number")),
    Column("备注", 18, lambda item: item.get_state_display() if item.code else ""),
)


def delivery_roster(handover: Handover) -> pdf.Pdf:
    """档案移交名册 in duplicate, signed by who hands over, who receives and who witnesses."""
    rows = handover.items.select_related("transfer__retiree", "transfer__personnel_file")
    items = list(rows.exclude(state="withdrawn").order_by("position"))
    total = (
        f"合计 {len(items)} 人，正本 {sum(i.volumes for i in items)} 卷，"
        f"副本 {sum(i.duplicates for i in items)} 卷，材料 {sum(i.pieces for i in items)} 份"
    )
    return signed_list("国有企业退休人员档案移交名册", handover, ROSTER_COLUMNS, items, total)


def signed_list(
    title: str, handover: Handover, columns: tuple[Column, ...], items: list[HandoverItem],
    total: str, deed: tuple[str, ...] = (),
) -> pdf.Pdf:  # fmt: skip
    """A list in duplicate with the boxes 移交, 接收 and 监交; DEED are sentences before it."""
    lines = []
    for item in items:
        texts = [(str(column.text(item)), column.width) for column in columns]
        cells = [(text, pdf.fitting(text, width - 1.6, LINE_MM - 1)) for text, width in texts]
        lines.append((item.position, cells))
    context = {
        "title": title, "handover": handover, "columns": columns, "lines": lines, "total": total,
        "deed": deed, "copies": ("移交单位存", "接收单位存"), "article": handover.spec.article,
        "code": pdf.mark("LIST", handover.pk),
    }  # fmt: skip
    return pdf.render("print/signed_list.html", context)


def catalogue(case: Transfer) -> pdf.Pdf:
    """人事档案目录: the lines of each category, and empty ones for the pen where there is nothing."""
    rows = list(CatalogueEntry.objects.filter(transfer=case).in_order())
    groups = [
        (label, [row for row in rows if row.category == code])
        for code, label in CatalogueEntry.Category.choices
    ]
    context = {
        "case": case, "groups": groups, "code": pdf.mark("CATALOGUE", case.pk),
        "copies": sum(row.copies for row in rows), "pages": sum(row.pages for row in rows),
        "name_size": pdf.fitting(case.retiree.name, 60, 7),
        "employer_size": pdf.fitting(case.retiree.former_employer, 90, 7),
    }  # fmt: skip
    return pdf.render("print/catalogue.html", context)
