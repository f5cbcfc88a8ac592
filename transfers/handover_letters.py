"""移交通知书: one letter for those of a street who wait there and were in no letter before.

第五条 names street and community as the receiver; the letter is what the street signs for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from communities.models import Area
from enterprises.models import Enterprise
from transfers import workflow
from transfers.models import HandoverLetter, PrintedPaper, Transfer, TransferStep
from xianning import access, audit, pdf
from xianning.models import AccessLog, Notice, Office, Sequence

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from xianning.models import User

TITLE = "移交通知书"
PAPER = "handover"
LIMIT = 500  # people of one letter
TOWNSHIP_DIGITS = 9


class NobodyLeft(Exception):
    """There is nobody for a letter; the text is a sentence."""


@dataclass(frozen=True)
class Due:
    """How many people of ENTERPRISE wait in the communities of STREET and are in no letter yet."""

    enterprise: Enterprise
    street: Area
    people: int


def _due(enterprises: set[UUID]) -> QuerySet[Transfer]:
    """Cases of ENTERPRISES that wait for the community and are in no letter."""
    waiting = TransferStep.objects.filter(
        transfer=OuterRef("pk"), step=workflow.COMMUNITY, state=TransferStep.State.OPEN
    )
    told = PrintedPaper.objects.filter(transfer=OuterRef("pk"), paper=PAPER)
    return Transfer.objects.filter(
        Exists(waiting), ~Exists(told), enterprise__in=enterprises, state=Transfer.State.OPEN
    )


def due(user: User) -> list[Due]:
    """For which streets USER can write letters, in the order of the divisions."""
    rows = _due(set(access.scope(user).enterprises)).order_by()
    counted: dict[tuple[UUID, str], int] = {}
    for enterprise, community, count in rows.values_list("enterprise", "community").annotate(
        Count("pk")
    ):
        place = enterprise, _street(community)
        counted[place] = counted.get(place, 0) + count
    firms = Enterprise.objects.in_bulk({firm for firm, _ in counted})
    streets = Area.objects.in_bulk({street for _, street in counted})
    return [
        Due(firms[firm], streets[street], counted[firm, street])
        for firm, street in sorted(counted, key=lambda place: (place[1], str(place[0])))
    ]


def _street(community: str) -> str:
    """The code of the street or township of a COMMUNITY."""
    return community[:TOWNSHIP_DIGITS].ljust(len(community), "0")


def issue(user: User, enterprise: Enterprise, street: Area, token: str) -> HandoverLetter:
    """The next letter of ENTERPRISE to STREET, on record for everybody in it.

    TOKEN names the press of a button: pressed twice it is one letter. Raises NobodyLeft.
    """
    try:
        with transaction.atomic():
            return _issue(user, enterprise, street, token)
    except IntegrityError:
        return HandoverLetter.objects.get(
            issued_by=user, token=token, enterprise=enterprise, area=street
        )


def _issue(user: User, enterprise: Enterprise, street: Area, token: str) -> HandoverLetter:
    # Two clerks at once: the second one waits here and finds nobody left.
    Enterprise.objects.select_for_update(no_key=True).get(pk=enterprise.pk)
    pressed = HandoverLetter.objects.filter(
        issued_by=user, token=token, enterprise=enterprise, area=street
    )
    if known := pressed.first():
        return known
    low, high = street.pk, street.pk[:TOWNSHIP_DIGITS] + "999"
    rows = _due({enterprise.pk}).filter(community__gte=low, community__lte=high)
    cases = list(rows.order_by("community", "pk").select_related("community")[:LIMIT])
    if not cases:
        raise NobodyLeft(f"{street.full_name}没有待通知的人，可能已由同事办理。")
    today = timezone.localdate()
    letter = HandoverLetter.objects.create(
        enterprise=enterprise, area=street, year=today.year, issued_on=today, issued_by=user,
        serial=Sequence.next(f"handover/{enterprise.pk}/{today.year}"), people=len(cases),
        token=token,
    )  # fmt: skip
    PrintedPaper.objects.bulk_create(
        PrintedPaper(transfer=case, paper=PAPER, version=letter.number, printed_by=user,
                     in_pile=True)
        for case in cases
    )  # fmt: skip
    audit.write(
        "handover_letter", user=user, object=letter, area=enterprise.authority_id,
        facts={"number": letter.number, "street": street.pk, "people": len(cases)},
    )  # fmt: skip
    Notice.objects.create(
        role="street",
        area=street,
        about_enterprise=enterprise,
        text=f"{enterprise.transferor}发来{TITLE}{letter.number}，移交 {len(cases)} 人。",
    )
    return letter


def people_of(letter: HandoverLetter) -> QuerySet[Transfer]:
    """Who is named in LETTER, community by community."""
    named = PrintedPaper.objects.filter(paper=PAPER, version=letter.number).values("transfer")
    rows = Transfer.objects.filter(enterprise=letter.enterprise_id, pk__in=named)
    return rows.select_related("retiree", "community").order_by("community", "pk")


def note(letter: HandoverLetter, by: User, address: str) -> None:
    """Put on record that BY prints LETTER, for everybody in it, before it is given out."""
    what = f"{TITLE}{letter.number}"
    for case in people_of(letter):
        AccessLog.write(by, AccessLog.Kind.PAPER, what, transfer=case, address=address)


def handover_letter(letter: HandoverLetter) -> pdf.Pdf:
    """The letter with its list of people, A4, in the measures of GB/T 9704."""
    cases = list(people_of(letter))
    contact = Office.objects.filter(role="enterprise", enterprise=letter.enterprise_id)
    context = {
        "letter": letter,
        "cases": cases,
        "members": sum(case.retiree.is_party_member for case in cases),
        "sender": letter.enterprise.transferor,
        "contact": contact.order_by("pk").first(),
    }
    return pdf.render("print/handover_letter.html", context)
