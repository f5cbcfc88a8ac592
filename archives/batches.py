"""Many personnel files at once: packed, sent, checked and taken back as one delivery.

Each person's step is written by the workflow and each item by `handovers`; here they are brought
together: the cases are locked first, in one order, then the delivery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from archives.models import CatalogueEntry, PersonnelFile
from transfers import handovers, workflow
from transfers.models import Transfer
from transfers.models.handovers import Counts, Desk, Handover, HandoverItem
from transfers.refusal import Refused

if TYPE_CHECKING:
    from xianning.models import User

NOT_COUNTED = Counts(volumes=1)
WAITING = HandoverItem.State.WAITING
MOST_FILES = 100  # they are counted on one page, and on one paper


@transaction.atomic
def pack(cases: Sequence[Transfer], *, by: User) -> Handover:
    """Put the files of CASES into what their enterprise is packing for their agency."""
    if not cases:
        raise Refused("没有选中待移交档案的人，或所选的人已由他人办理。")
    if len({(case.enterprise_id, case.archive_area_id) for case in cases}) > 1:
        raise Refused("一批档案只能由一个移交单位送往一个接收地，请分别选择。")
    handovers.lock_cases(case.pk for case in cases)
    for case in cases:
        row = workflow.rows_of(case)[workflow.DELIVER]
        if reason := workflow.why_not(case, row, by):
            raise Refused(f"{case.retiree.name}：{reason}")
    case = cases[0]
    handover = Handover.objects.filter(
        kind="personnel", state=Handover.State.PACKING, from_enterprise=case.enterprise,
        to_area=case.archive_area,
    ).first() or handovers.pack(
        "personnel", by=by, sender=Desk("enterprise", enterprise=case.enterprise),
        receiver=Desk("insurance", area=case.archive_area),
    )  # fmt: skip
    if handover.items.count() + len(cases) > MOST_FILES:
        raise Refused(f"一批最多 {MOST_FILES} 份档案，请先送出已整理的一批。")
    for case in cases:
        PersonnelFile.pack(handover, case, by=by, counts=NOT_COUNTED)
    return handover


@transaction.atomic
def recount(item: HandoverItem, *, by: User, counts: Counts, missing: str) -> None:
    """How much is in the file, and what is missing, before it is sent."""
    handovers.recount(item, by=by, counts=counts)
    file = PersonnelFile.objects.get(item=item)
    if file.missing != missing:
        file.missing = missing
        file.save()


@transaction.atomic
def take_out(item: HandoverItem, *, by: User) -> None:
    """The file stays with the enterprise for now; one that was returned tells again of its return."""
    file = PersonnelFile.objects.get(item=item)
    before = HandoverItem.objects.filter(transfer=item.transfer, kind=item.kind)
    if earlier := before.exclude(pk=item.pk).order_by("-pk").first():
        file.item = earlier
        file.save()
    else:
        file.delete()
    handovers.take_out(item, by=by)


@transaction.atomic
def drop(handover: Handover, *, by: User) -> None:
    """Give up a batch that was never sent."""
    handover = handovers.lock(handover)
    for item in handover.items.all():
        take_out(item, by=by)
    handovers.drop(handover, by=by)


@transaction.atomic
def send(handover: Handover, *, by: User, **how: Any) -> Handover:
    """The delivery gets its number, and every person in it is handed over (第六条第4项)."""
    keys = set(handover.items.values_list("transfer_id", flat=True))
    handovers.lock_cases(keys)
    handover = handovers.send(handover, by=by, **how)
    items = list(handover.items.select_related("transfer__retiree"))
    if {item.transfer_id for item in items} != keys:
        raise Refused("此批的内容刚有变化，请核对后再送出。")
    if blank := [item.name for item in items if not item.pieces]:
        raise Refused(f"请先填写{'、'.join(blank[:5])}的档案材料份数。")
    listed = CatalogueEntry.objects.counts_by_case(keys)
    for item in items:
        if differs := _differs_from_list(item, listed.get(item.transfer_id)):
            raise Refused(f"{item.name}：档案目录与所填数量不一致：{differs}，请核对。")
    for item in items:
        _of_case(workflow.complete, item, workflow.DELIVER, by=by, announce=False)
    return handover


def _differs_from_list(item: HandoverItem, listed: Counts | None) -> str:
    """Where the catalogue counts other pieces or pages than the delivery; nothing without one."""
    if listed is None or (listed.pieces, listed.pages) == (item.pieces, item.pages):
        return ""
    return f"目录 {listed.pieces} 份 {listed.pages} 页，填写 {item.pieces} 份 {item.pages} 页"


@transaction.atomic
def withdraw(handover: Handover, *, by: User, reason: str) -> int:
    """Take back every file that has not been received yet; how many those were."""
    waiting = handover.items.filter(state=WAITING)
    handovers.lock_cases(waiting.values_list("transfer_id", flat=True))
    handover = handovers.lock(handover)
    if refusal := handovers.why_not_take_back(handover, by):
        raise Refused(refusal)
    items = list(handover.items.filter(state=WAITING).select_related("transfer__retiree"))
    for item in items:
        _of_case(workflow.withdraw, item, workflow.DELIVER, by=by, code="other", reason=reason)
    return len(items)


@dataclass(frozen=True)
class Decision:
    """What the agency decided about one file: a return has a code, an acceptance has counts."""

    item: HandoverItem
    code: str = ""
    words: str = ""
    got: Counts | None = None
    number: str = ""
    location: str = ""


@transaction.atomic
def check(
    handover: Handover, decisions: Sequence[Decision], *, by: User, **receipt: Any
) -> tuple[int, list[str]]:
    """Accept or return each file by itself: how many were done, and why the others were not."""
    handovers.lock_cases(each.item.transfer_id for each in decisions)
    done, refused = 0, []
    for each in decisions:
        try:
            with transaction.atomic():
                _decide(each, by, receipt)
        except Refused as reason:
            refused.append(str(reason))
        else:
            done += 1
    return done, refused


def _decide(each: Decision, by: User, receipt: dict[str, Any]) -> None:
    if each.got is None:
        _of_case(workflow.send_back, each.item, workflow.ARCHIVES, by=by, code=each.code,
                 reason=each.words)  # fmt: skip
        return
    differs = bool(handovers.differences(each.item, each.got))
    _of_case(
        workflow.complete, each.item, workflow.ARCHIVES, by=by, got=each.got,
        archive_number=each.number, location=each.location,
        difference=each.words if differs else "", remarks="" if differs else each.words, **receipt,
    )  # fmt: skip


def _of_case(deed: Any, item: HandoverItem, key: str, **words: Any) -> None:
    """Do it in the item's case; a refusal names the person."""
    assert item.transfer is not None
    try:
        deed(item.transfer, key, **words)
    except Refused as reason:
        raise Refused(f"{item.name}：{reason}") from None


def numbers_from(first: str) -> Any:
    """`DA-2026-0099`, `DA-2026-0100`, … : the running number is the last digits of FIRST."""
    found = re.search(r"([0-9]+)([^0-9]*)$", first)
    if found is None:
        raise Refused("起始编号须以数字结尾，例如 2026-0001。")
    head, digits, tail = first[: found.start()], found[1], found[2]
    number = int(digits)
    while True:
        yield f"{head}{number:0{len(digits)}d}{tail}"
        number += 1
