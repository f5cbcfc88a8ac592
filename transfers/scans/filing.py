"""For whom a signed page is, why it cannot be filed, and how it is filed (第六条第3项).

A signed 《基本信息表》 becomes the evidence of step 3 through the form and the verb of that step, as
one that is uploaded by hand; further copies and receipts are kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone

from archives.models import PersonnelFile
from party.models import PartyMove
from transfers import notice, workflow
from transfers.documents import COPIES
from transfers.forms import ConfirmForm
from transfers.models import Scan, SignedForm, SignedPage, Transfer, TransferStep
from transfers.models.handovers import Handover, HandoverItem
from transfers.workflow import CONFIRM
from xianning import access, audit, vault
from xianning.privacy import NotReadable
from xianning.sandbox import Rejected
from xianning.uploads import intake

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from transfers.scans.reading import Code
    from xianning.models import User

State = SignedPage.State
SLIPS = ("存根", "正联", "回执")
NOBODY = "此页不是您经办的人的文书，没有归入，也没有保留。请交给经办单位。"
NOT_READ = "没有读出二维码，请对照此页认领。"


@dataclass(frozen=True)
class Paper:
    """A paper that comes back signed: how its code leads to cases, and why a sheet is outdated."""

    title: str
    copies: tuple[str, ...]
    cases: Callable[[UUID], list[UUID]]
    outdated: Callable[[Code], str | None]
    of_case: Callable[[Transfer], UUID | None]  # what its code names now


def _old_form(code: Code) -> str | None:
    now = Transfer.objects.filter(pk=code.pk).values_list("form_version", flat=True).first()
    if now == code.version:
        return None
    return (
        f"此页是《基本信息表》第 {code.version} 版，打印后信息已更改，现为第 {now} 版。"
        "请重新打印，签字盖章后再上传。"
    )


def _old_notice(code: Code) -> str | None:
    if code.version == notice.number():
        return None
    return f"此页不是现行版本（{notice.VERSION}）的《个人信息告知书》。请重新打印，签字后再上传。"


def _void_letter(code: Code) -> str | None:
    move = PartyMove.objects.get(pk=code.pk)
    return f"介绍信 {move.number} 已作废，请上传现行介绍信的回执。" if move.voided_at else None


def _letter_of(case: Transfer) -> UUID | None:
    rows = PartyMove.objects.filter(transfer=case, voided_at=None)
    return rows.values_list("pk", flat=True).first()


def _old_note(code: Code) -> str | None:
    if PersonnelFile.objects.filter(item__handover=code.pk).exists():
        return None
    return f"{Handover.objects.get(pk=code.pk)}已由新的转递单代替，请上传现行转递单的回执。"


PAPERS: dict[str, Paper] = {
    "FORM": Paper("《基本信息表》", COPIES, lambda pk: [pk], _old_form, lambda case: case.pk),
    "NOTICE": Paper("《个人信息告知书》", ("",), lambda pk: [pk], _old_notice,
                    lambda case: case.pk),
    "LETTER": Paper(
        "党员组织关系介绍信", SLIPS,
        lambda pk: list(PartyMove.objects.filter(pk=pk).values_list("transfer_id", flat=True)),
        _void_letter, _letter_of,
    ),
    "NOTE": Paper(
        "档案转递单", SLIPS,
        lambda pk: list(HandoverItem.objects.filter(handover=pk, kind="personnel")
                        .values_list("transfer_id", flat=True)),
        _old_note,
        lambda case: PersonnelFile.objects.filter(transfer=case)
        .values_list("item__handover_id", flat=True).first(),
    ),
}  # fmt: skip


def copy_name(page: SignedPage) -> str:
    """Which copy or slip a page is, in words."""
    names = PAPERS[page.paper].copies if page.paper else ()
    return names[page.copy - 1] if page.copy and page.copy <= len(names) else ""


def title_of(page: SignedPage) -> str:
    """What the page is called in the record of the case."""
    version = f"第 {page.version} 版" if page.paper == "FORM" else ""
    return " ".join(filter(None, (PAPERS[page.paper].title, version, copy_name(page))))


def own_cases(user: User) -> QuerySet[Transfer]:
    """The cases for which USER may file papers: those of his own enterprises."""
    return Transfer.objects.visible_to(user).filter(enterprise__in=access.scope(user).enterprises)


def place(page: SignedPage, code: Code, user: User) -> None:
    """Write into PAGE for whom it is, or why it cannot be filed; does not save."""
    paper = PAPERS[code.paper]
    case = own_cases(user).filter(pk__in=paper.cases(code.pk)).order_by("pk").first()
    refusal = NOBODY if case is None else paper.outdated(code)
    if case is not None and code.copy > len(paper.copies):
        refusal = "二维码中的联次不存在，请核对此页。"
    page.paper, page.version, page.copy = code.paper, code.version, code.copy
    if case is None or refusal:
        _refuse(page, refusal or NOBODY)
        return
    page.state, page.transfer, page.reason = State.FOUND, case, ""


def _forget_files(page: SignedPage) -> None:
    """Its files go when what was written is committed."""
    names = [name for name in (page.file, page.picture) if name]
    for name in names:
        transaction.on_commit(partial(vault.remove, name))
    page.file = page.picture = ""


def _refuse(page: SignedPage, reason: str) -> None:
    """Nothing of the page is kept: the paper is with whoever uploaded it."""
    _forget_files(page)
    if reason == NOBODY:
        page.paper, page.version, page.copy = "", None, None
    page.state, page.reason, page.transfer = State.REFUSED, reason, None
    page.sha256 = ""
    page.settled_at = timezone.now()


def why_not(page: SignedPage, case: Transfer, user: User) -> str | None:
    """Why a page cannot be filed to CASE now, as a sentence; None when it can."""
    if not page.is_open or page.state == State.UNREAD:
        return f"{page}{page.get_state_display()}，不能再归入。"
    if not access.scope(user).may_act("enterprise", enterprise=case.enterprise_id):
        return f"签字的文书由移交单位{case.enterprise.transferor}归入（第六条第3项）。"
    if case.state == case.State.ENDED:
        return "案卷已终止，不再归入文书。"
    if page.paper == "FORM" and page.version != case.form_version:
        return (
            f"此页是第 {page.version} 版，打印后信息已更改，现为第 {case.form_version} 版。"
            "请重新打印，签字盖章后再上传。"
        )
    if is_signature(page, case):
        return workflow.why_not(case, case.steps.get(step=CONFIRM), user)
    return None


def is_signature(page: SignedPage, case: Transfer) -> bool:
    """Whether filing the page completes step 3: a form, and no signature holds yet."""
    if page.paper != "FORM":
        return False
    return case.steps.get(step=CONFIRM).state != TransferStep.State.DONE


def filed_before(page: SignedPage, case: Transfer) -> SignedPage | None:
    """The same sheet, filed already under the signature that holds (another scan of it is none)."""
    rows = SignedPage.objects.filter(
        transfer=case, paper=page.paper, version=page.version, copy=page.copy, state=State.FILED
    ).exclude(pk=page.pk)
    if page.paper == "FORM":
        signed = SignedForm.objects.filter(transfer=case, invalid_since=None).first()
        if signed is None:
            return None
        rows = rows.filter(scan__pk__gte=signed.scan_id)
    return rows.order_by("-pk").first()


class NotFiled(Exception):
    """A page that was not filed; the text is a sentence for the user."""


@transaction.atomic
def file(asked: SignedPage, *, by: User, answers: Mapping[str, Any]) -> str:
    """File a page that was found; what was done, in words. ANSWERS are those of step 3.

    A sheet that is filed already changes nothing. Raises NotFiled.
    """
    case = asked.transfer and own_cases(by).filter(pk=asked.transfer.pk).first()
    if case is not None:  # the case first, then the page: whoever comes second sees the first
        case = Transfer.objects.select_for_update(of=("self",)).get(pk=case.pk)
    page = SignedPage.objects.select_for_update(of=("self",)).get(pk=asked.pk)
    if page.state == State.FILED:
        return f"{page}已经归入。"
    if case is None:
        raise NotFiled(NOBODY)
    if reason := why_not(page, case, by):
        raise NotFiled(reason)
    if filed_before(page, case):
        settle(page, State.DROPPED, "同一联已经归入，此页没有再存一份。")
        return f"{case.retiree.name}：同一联已经归入，没有再存一份。"
    page.scan = (
        _sign(page, case, by, answers) if is_signature(page, case) else _keep(page, case, by)
    )
    settle(page, State.FILED, "")
    audit.write(
        "scan_filed", user=by, object=page.scan, area=case.authority_id,
        facts={"paper": page.paper, "version": page.version, "copy": page.copy,
               "by_hand": page.by_hand},
    )  # fmt: skip
    return f"{case.retiree.name}：{title_of(page)}已归入。"


def _stored(page: SignedPage) -> dict[str, Any]:
    """The page as a file of its own among the scans, as an upload by hand would have left it."""
    try:
        data = vault.get(page.file)
    except (FileNotFoundError, NotReadable):
        raise NotFiled(f"{page}的文件缺失或被改动，请重新扫描上传。") from None
    try:
        name = intake.store(data, intake.SCANS)
    except Rejected as reason:
        raise NotFiled(str(reason)) from None
    end = "pdf" if page.content_type.endswith("pdf") else page.content_type.rpartition("/")[2]
    return {
        "file": name, "name": f"{page.pile.name[:90]}-{page.place + 1}.{end}",
        "type": page.content_type, "size": page.size, "sha256": page.sha256,
        "quarantined": page.quarantined, "left_out": [],
    }  # fmt: skip


def _sign(page: SignedPage, case: Transfer, by: User, answers: Mapping[str, Any]) -> Scan:
    """Complete step 3 by its own form, with the page as its scan."""
    typed = QueryDict(mutable=True)
    typed.update({name: str(value) for name, value in answers.items()})
    facts = _stored(page) | {"case": str(case.pk)}
    typed.update({
        "version": str(page.version), "scan_token": signing.dumps(facts, salt=ConfirmForm.SALT),
    })  # fmt: skip
    form = ConfirmForm(typed, transfer=case, by=by)
    if not form.is_valid():
        words = [str(word) for errors in form.errors.values() for word in errors]
        raise NotFiled("；".join(words))
    try:
        workflow.complete(case, CONFIRM, by=by, **form.cleaned_data)
    except workflow.Refused as reason:
        raise NotFiled(str(reason)) from None
    return SignedForm.objects.get(transfer=case, invalid_since=None).scan


def _keep(page: SignedPage, case: Transfer, by: User) -> Scan:
    """A further copy or a receipt, in the record of every case that the sheet is about."""
    cases = [case.pk]
    if page.paper == "NOTE" and (file := PersonnelFile.objects.filter(transfer=case).first()):
        cases = list(file.item.handover.items.values_list("transfer_id", flat=True))
    rows = own_cases(by).filter(pk__in=cases).order_by("pk")
    made = {row.pk: Scan.keep(row, title_of(page), _stored(page), by) for row in rows}
    return made[case.pk]


def settle(page: SignedPage, state: str, reason: str) -> None:
    _forget_files(page)
    page.state, page.reason, page.settled_at = state, reason, timezone.now()
    page.save()


@transaction.atomic
def claim(
    asked: SignedPage, case: Transfer, *, by: User, paper: str, version: int | None, copy: int
) -> str:  # fmt: skip
    """Say by hand for whom an unread page is; what follows, in words. Raises NotFiled.

    CASE is one of the clerk's own. It is filed when it is confirmed, like one that was read.
    """
    page = SignedPage.objects.select_for_update(of=("self",)).get(pk=asked.pk)
    if not page.is_open:
        raise NotFiled(f"{page}{page.get_state_display()}，不能再认领。")
    kind = PAPERS[paper]
    if kind.of_case(case) is None:
        raise NotFiled(f"{case.retiree.name}没有开出{kind.title}。")
    if copy > len(kind.copies):
        raise NotFiled(f"{kind.title}没有这一联。")
    if paper == "FORM" and version is None:
        raise NotFiled("请填写此页左上角印的版本。")
    if paper == "FORM" and version != case.form_version:
        raise NotFiled(
            f"此页是第 {version} 版，打印后信息已更改，现为第 {case.form_version} 版。"
            "请重新打印，签字盖章后再上传。"
        )
    page.paper, page.version, page.copy = paper, version if paper == "FORM" else 1, copy
    page.transfer, page.by_hand, page.state, page.reason = case, True, State.FOUND, ""
    page.save()
    audit.write(
        "scan_claimed", user=by, object=case, area=case.authority_id,
        facts={"paper": paper, "copy": copy, "page": page.place + 1},
    )  # fmt: skip
    return f"{page}已认领为{case.retiree.name}的{title_of(page)}，请核对后确认归入。"


@transaction.atomic
def drop(asked: SignedPage, *, by: User) -> str:
    """Let a page go: a blank side, or one that does not belong here. Raises NotFiled."""
    page = SignedPage.objects.select_for_update(of=("self",)).get(pk=asked.pk)
    if not page.is_open:
        raise NotFiled(f"{page}{page.get_state_display()}，不能删去。")
    settle(page, State.DROPPED, "")
    audit.write("scan_dropped", user=by, object=page.pile, facts={"page": page.place + 1})
    return f"{page}已删去，原件请自行保管。"
