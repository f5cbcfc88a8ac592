"""The papers of a case: who prints them, when, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.urls import reverse

from archives.documents import delivery_note
from archives.models import PersonnelFile
from communities.documents import contact_card, contact_cards_sheet
from communities.models import ContactCard, Reception
from party.documents import introduction_letter, introduction_letters
from party.models import PartyMove
from transfers import notice, workflow
from transfers.documents import basic_information_form, basic_information_forms
from transfers.models import PrintedPaper, Transfer
from transfers.notice import privacy_notice, privacy_notices
from xianning import access, pdf
from xianning.access import user_of
from xianning.models import AccessLog

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User
    from xianning.pdf import Pdf


@dataclass(frozen=True)
class Paper:
    """One row: a paper, the role that prints it, and why it cannot be printed yet.

    PILE makes the papers of many cases as one file, where they are printed in piles; VERSION tells
    which version of the paper a case has now, and VERSION_IN_DB is the same asked of the database.
    READY narrows cases to those that want the paper now.
    """

    title: str
    article: str
    role: str
    why_not: Callable[[Transfer], str | None]
    make: Callable[[Transfer, HttpRequest], Pdf]
    pile: Callable[[Sequence[Transfer]], Pdf] | None = None
    version: Callable[[Transfer], str] = lambda _case: ""
    version_in_db: Any = None
    ready: Callable[[User], Q] | None = None

    def concerns(self, case: Transfer, user: User) -> bool:
        """Whether USER's office prints this paper for this case."""
        mine = access.scope(user)
        if self.role == "enterprise":
            return mine.may_act("enterprise", enterprise=case.enterprise_id)
        area = case.party_area_id if self.role == "party" else case.community_id
        return mine.may_act(self.role, area=area)

    def refusal(self, case: Transfer) -> str | None:
        """Why it cannot be printed, as a sentence; None when it can."""
        if case.state == case.State.ENDED:
            return "案卷已终止，不再打印文书。"
        return self.why_not(case)

    def note(
        self, case: Transfer, by: User, *, version: str | None = None, in_pile: bool = False,
        address: str = "",
    ) -> None:  # fmt: skip
        """Put on record that BY prints the paper, before it is given out (第十一条)."""
        AccessLog.write(by, AccessLog.Kind.PAPER, self.title, transfer=case, address=address)
        PrintedPaper.objects.create(
            transfer=case, paper=self.key, printed_by=by, in_pile=in_pile,
            version=self.version(case) if version is None else version,
        )  # fmt: skip

    def render(self, case: Transfer, request: HttpRequest) -> Pdf:
        """The paper. A character that no font has is left to the pen, and that is on record.

        Raises sandbox.Rejected or sandbox.SandboxError with a sentence for the user.
        """
        made = self.make(case, request)
        if made.missing:
            note = self.holes(made.missing)
            messages.warning(request, note)
            AccessLog.write(
                user_of(request), AccessLog.Kind.PAPER, note[:200], transfer=case,
                address=access.client_address(request),
            )  # fmt: skip
        return made

    def holes(self, missing: Sequence[str]) -> str:
        """What to say of characters that no font has."""
        return pdf.holes(missing, self.title)

    @property
    def key(self) -> str:
        """Its name in PAPERS."""
        return next(key for key, sheet in PAPERS.items() if sheet is self)


def _form_is_ready(case: Transfer) -> str | None:
    return None if case.community else "填写接收社区后才能打印（第五条）。"


def _file_is_sent(case: Transfer) -> str | None:
    files = PersonnelFile.objects.delivered().filter(transfer=case)
    sent = files.filter(lane=PersonnelFile.Lane.DELIVERED).exists()
    return None if sent else "移交人事档案后才能打印。"


def _letter_is_issued(case: Transfer) -> str | None:
    if not case.retiree.is_party_member:
        return "不是中共党员，没有介绍信。"
    issued = PartyMove.objects.filter(transfer=case, voided_at=None).exists()
    return None if issued else "开具介绍信后才能打印。"


def _card_is_issued(case: Transfer) -> str | None:
    entry = Reception.objects.filter(transfer=case).first()
    return None if entry and entry.card else "街道社区接收后才能打印。"


def _card_number(case: Transfer) -> str:
    held = ContactCard.objects.held().filter(reception__transfer=case)
    return held.values_list("number", flat=True).first() or ""


def _letter_of(case: Transfer) -> PartyMove:
    rows = PartyMove.objects.select_related("transfer__retiree", "issuer")
    return rows.get(transfer=case, voided_at=None)


def _letters(cases: Sequence[Transfer]) -> Pdf:
    return introduction_letters([_letter_of(case) for case in cases])


def _letter_version(case: Transfer) -> str:
    move = PartyMove.objects.filter(transfer=case, voided_at=None).first()
    return f"{move.year}-{move.serial}" if move else ""


def _standing_letter() -> QuerySet[PartyMove]:
    return PartyMove.objects.filter(transfer=OuterRef("pk"), voided_at=None)


# In a subquery of a subquery: the version of the letter of the case that is asked for.
_LETTER_IN_DB = Subquery(
    PartyMove.objects.filter(transfer=OuterRef(OuterRef("pk")), voided_at=None).values(
        version=Concat(Cast("year", CharField()), Value("-"), Cast("serial", CharField()))
    )[:1]
)


def _waits_for_form(user: User) -> Q:
    return Q(pk__in=workflow.waiting(user, workflow.CONFIRM).values("transfer_id"))


def _letter_is_out(_user: User) -> Q:
    """Issued and not yet received: a letter that was received needs no paper any more."""
    return Q(Exists(_standing_letter().filter(accepted_on=None)), state=Transfer.State.OPEN)


def _entry(case: Transfer) -> Reception:
    return Reception.objects.select_related("transfer__retiree", "community").get(transfer=case)


def _check_url(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("communities:card_check"))


def _letter(case: Transfer, request: HttpRequest) -> Pdf:
    move = _letter_of(case)
    page = request.build_absolute_uri(reverse("party:receipt", args=[move.pk]))
    return introduction_letter(move, receipt_url=page)


PAPERS: dict[str, Paper] = {
    "form": Paper(
        "《基本信息表》", "第六条第3项", "enterprise", _form_is_ready,
        lambda case, _request: basic_information_form(case),
        pile=basic_information_forms, version=lambda case: str(case.form_version),
        version_in_db=Cast(OuterRef("form_version"), CharField(max_length=20)),
        ready=_waits_for_form,
    ),
    "notice": Paper(
        "《个人信息告知书》和单独同意书", "第十一条", "enterprise", lambda _case: None,
        lambda case, _request: privacy_notice(case),
        pile=privacy_notices, version=lambda _case: notice.VERSION,
        version_in_db=Value(notice.VERSION), ready=_waits_for_form,
    ),
    "delivery": Paper(
        "档案转递单", "第六条第4项", "enterprise", _file_is_sent,
        lambda case, _request: delivery_note(PersonnelFile.of(case).item.handover),
    ),
    "card": Paper(
        "社区联系卡", "第六条第5项", "community", _card_is_issued,
        lambda case, request: contact_cards_sheet([_entry(case)], check_url=_check_url(request)),
        version=_card_number,
    ),
    "card_stock": Paper(
        "社区联系卡（名片卡纸）", "第六条第5项", "community", _card_is_issued,
        lambda case, request: contact_card(_entry(case), check_url=_check_url(request)),
        version=_card_number,
    ),
    "letter": Paper(
        "党员组织关系介绍信", "第六条第6项", "enterprise", _letter_is_issued,
        _letter,
        pile=_letters, version=_letter_version, version_in_db=_LETTER_IN_DB, ready=_letter_is_out,
    ),
}  # fmt: skip


def piled(step: str) -> list[tuple[str, Paper]]:
    """Papers that are printed in piles for those who wait at STEP, with their names."""
    if step != workflow.CONFIRM:
        return []
    return [(key, sheet) for key, sheet in PAPERS.items() if sheet.ready is _waits_for_form]
