"""One check-in day of a desk (第六条第5项): who came, and who was expected and did not."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from communities.models import Reception
from transfers import workflow
from transfers.handover_letters import PAPER as LETTER
from transfers.models import PrintedPaper, Transfer, TransferStep
from xianning import access, pdf
from xianning.models import AccessLog
from xianning.workdays import ONE

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from xianning.models import User

TITLE = "社区报到日清单"
MOST = 500  # people of one paper
State = TransferStep.State


def came(user: User, day: date) -> QuerySet[Reception]:
    """Who checked in on DAY at the communities of USER."""
    return (
        Reception.objects.visible_to(user)
        .filter(checked_in_on=day, is_active=True)
        .select_related("transfer__retiree", "transfer__enterprise", "community", "verified_by")
        .prefetch_related("cards")
    )


def awaited(user: User, day: date) -> QuerySet[Transfer]:
    """Whose form was signed by the end of DAY and who had not checked in by then.

    `letter` is the number of the 移交通知书 that named the person by then, or nothing.
    """
    end = timezone.make_aware(datetime.combine(day + ONE, time.min))
    desk = access.scope(user).places("community")
    waiting = TransferStep.objects.filter(
        desk,
        Q(state=State.OPEN) | Q(state=State.DONE, done_at__gte=end),
        transfer=OuterRef("pk"), step=workflow.COMMUNITY, opened_at__lt=end,
    )  # fmt: skip
    letters = PrintedPaper.objects.filter(
        transfer=OuterRef("pk"), paper=LETTER, printed_at__lt=end
    ).order_by("-pk")
    return (
        Transfer.objects.visible_to(user)
        .filter(Exists(waiting))
        .exclude(state=Transfer.State.ENDED)
        .annotate(letter=Subquery(letters.values("version")[:1]))
        .select_related("retiree", "enterprise", "community")
    )


def announced(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of ROWS (from `awaited`) whom an enterprise announced by a 移交通知书."""
    return rows.exclude(letter=None)


def paper(user: User, day: date, *, address: str) -> pdf.Pdf:
    """The list of DAY, A4, for signing: first who came, then who did not; each printing on record."""
    there = list(came(user, day).order_by("ledger_number")[:MOST])
    rest = awaited(user, day).order_by(F("letter").asc(nulls_last=True), "community", "pk")
    missing = list(rest[:MOST])
    AccessLog.write(
        user, AccessLog.Kind.PAPER, TITLE, rows=len(there) + len(missing), address=address
    )
    for case in [*(entry.transfer for entry in there), *missing]:
        AccessLog.write(user, AccessLog.Kind.PAPER, TITLE, transfer=case, address=address)
    office = user.offices.filter(role__in=("community", "street")).order_by("name").first()
    context = {
        "day": day, "came": there, "missing": missing, "office": office, "most": MOST,
        "made_at": timezone.localtime(),
    }  # fmt: skip
    return pdf.render("print/day_list.html", context)
