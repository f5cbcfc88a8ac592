"""What is signed about files (第六条第4项): 档案转递单, 档案移交名册, 人事档案目录."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archives.models import CatalogueEntry, RecordsEntry
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


def _record(name: str) -> Callable[[HandoverItem], Any]:
    """NAME of the line; what is called to be told in words is called."""

    def text(item: HandoverItem) -> Any:
        value = getattr(item.record, name)
        return value() if callable(value) else value

    return text


RECORDS_COLUMNS = (
    Column("门类", 12, _record("get_category_display")),
    Column("案卷（盒）号", 28, _record("number")),
    Column("题名", 82, lambda item: item.title),
    Column("起止年度", 20, _record("years")),
    Column("保管期限", 14, _record("get_retention_display")),
    Column("卷", 10, lambda item: item.volumes or "—"),
    Column("件", 12, lambda item: item.pieces or "—"),
    Column("页数", 14, lambda item: item.pages or "—"),
    Column("密级", 12, _record("get_secrecy_display")),
    Column("载体", 12, _record("get_carrier_display")),
    Column("备注", 42, lambda item: _what_came_of(item)),
)


def _what_came_of(item: HandoverItem) -> str:
    words = [item.record.remarks, item.reason]
    if item.state == item.State.RETURNED:
        words.insert(0, f"已退回：{item.code_label}")
    return "；".join(word for word in words if word)


def records_list(handover: Handover) -> pdf.Pdf:
    """其他档案交接清单 in duplicate, with the boxes 移交, 接收 and 监交."""
    items = _records(handover)
    return signed_list("国有企业其他档案交接清单", handover, RECORDS_COLUMNS, items, _total(items))


def records_deed(handover: Handover) -> pdf.Pdf:
    """交接文据 in duplicate: what was handed over in sums by category, and the three boxes.

    What came back is not handed over: it is counted apart.
    """
    listed = _records(handover)
    items = [item for item in listed if item.state != item.State.RETURNED]
    sums = [
        Sum(str(label), [item for item in items if item.record.category == code])
        for code, label in RecordsEntry.Category.choices
    ]
    sums = [each for each in sums if each.items]
    context = {
        "handover": handover, "sums": sums, "whole": Sum("合计", items), "back": len(listed) - len(items),
        "copies": ("移交单位存", "接收单位存"), "code": pdf.mark("LIST", handover.pk),
        "years": _years(items),
    }  # fmt: skip
    return pdf.render("print/records_deed.html", context)


@dataclass(frozen=True)
class Sum:
    """How much there is of one category."""

    label: str
    items: list[HandoverItem]

    @property
    def volumes(self) -> int:
        return sum(item.volumes for item in self.items)

    @property
    def pieces(self) -> int:
        return sum(item.pieces for item in self.items)

    @property
    def pages(self) -> int:
        return sum(item.pages for item in self.items)


def _records(handover: Handover) -> list[HandoverItem]:
    rows = handover.items.select_related("record").exclude(state="withdrawn")
    return list(rows.order_by("position"))


def _years(items: list[HandoverItem]) -> str:
    first = min((item.record.year_from for item in items), default=0)
    last = max((item.record.year_to for item in items), default=0)
    return f"{first} 年" if first == last else f"{first} 年至 {last} 年"


def _total(items: list[HandoverItem]) -> str:
    whole = Sum("", items)
    return f"合计 {len(items)} 条，{whole.volumes} 卷、{whole.pieces} 件、{whole.pages} 页"


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
