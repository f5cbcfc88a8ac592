"""Printing a paper for many people at once."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from transfers import piles
from transfers.papers import PAPERS
from transfers.workflow import STEPS
from xianning.access import user_of

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict


@require_POST
def pile(request: HttpRequest, name: str) -> HttpResponse:
    """Who would be printed and who not, then the job: for ticked cases, a batch or a whole queue."""
    sheet = PAPERS.get(name)
    if sheet is None or sheet.pile is None:
        raise Http404
    user, again = user_of(request), request.POST.get("again") == "1"
    choice = _choice(request.POST).seen_by(user)
    plan = piles.plan(sheet, choice, user, again=again)
    if "confirmed" in request.POST and plan.cases:
        token = request.POST.get("token", "")[:32] or secrets.token_hex(8)
        apart = request.POST.get("apart") == "1"
        return redirect(piles.ask(user, sheet, plan.cases, token, apart=apart))
    if "confirmed" in request.POST:
        messages.error(request, "没有可以打印的人，请看下面的说明。")
    context = {
        "sheet": sheet, "name": name, "plan": plan, "again": again, "choice": choice,
        "token": secrets.token_hex(8), "limit": piles.LIMIT,
    }  # fmt: skip
    status = 422 if "confirmed" in request.POST else 200
    return render(request, "transfers/pile.html", context, status=status)


def _choice(given: QueryDict) -> piles.Choice:
    """For whom, as the page says. What is no id or no step is 404: no page of ours sends it."""
    waiting = given.get("waiting", "")
    ready = given.get("ready", "")
    known = not ready or (ready in PAPERS and PAPERS[ready].ready)
    if (waiting and waiting not in STEPS) or not known:
        raise Http404
    try:
        return piles.Choice(
            tuple(UUID(text) for text in given.getlist("case")[: piles.LIMIT]),
            waiting,
            _id(given.get("enterprise")),
            _id(given.get("batch")),
            ready,
        )
    except ValueError:
        raise Http404 from None


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
