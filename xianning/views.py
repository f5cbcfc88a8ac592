"""Home (what waits for me), notices, health, error pages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template import loader
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities.ledger_filters import certified
from communities.models import EventReceipt, LifeEvent, Reception, Rehandover
from enterprises.models import Agreement, Edition, Enterprise
from party.models import PartyMember, PartyMove
from transfers import workflow
from transfers.deadlines import Clock
from transfers.models import Transfer
from transfers.workflow import SIX_STEPS, STEPS
from xianning import access
from xianning.access import user_of
from xianning.context import capped
from xianning.models import Export, Grant, Notice
from xianning.pages import keyset
from xianning.roles import ROLES
from xianning.workdays import ONE

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    from xianning.models import User

log = logging.getLogger("xianning.views")


@dataclass(frozen=True)
class Card:
    """What waits at one step: how many, since when, and where they are."""

    number: int
    title: str
    article: str
    count: str
    oldest: datetime | None
    url: str
    returned: str = "0"
    over: str = "0"
    soon: str = "0"
    rule: str = "本地规定"  # which sets the days


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What waits for me, by step."""
    mine = access.scope(user_of(request))
    return render(
        request,
        "xianning/home.html",
        {
            "cards": [
                *_enterprise_cards(user_of(request)),
                *_step_cards(user_of(request)),
                *_ledger_cards(user_of(request)),
                *_care_cards(user_of(request)),
                *_certify_cards(user_of(request)),
                *_event_cards(user_of(request)),
                *_rehandover_cards(user_of(request)),
                *_party_cards(user_of(request)),
                *_approval_cards(user_of(request)),
            ],
            "newest": Notice.objects.visible_to(user_of(request)).unread()[:5],
            "roles": [ROLES[slug] for slug in ROLES if slug in mine.roles],
            "six_steps": SIX_STEPS,
        },
    )


def _enterprise_cards(user: Any) -> list[Card]:
    cards = []
    for title, rows, state in (
        ("国有企业确认", Enterprise.objects.waiting_for_confirmation(user), "unconfirmed"),
        ("签收国有企业名单", Enterprise.objects.waiting_for_acknowledgement(user), "unread"),
    ):
        if (count := capped(rows)) != "0":
            url = f"{reverse('enterprises:list')}?state={state}"
            cards.append(Card(1, title, "第六条第1项", count, None, url))
    if (count := capped(Agreement.objects.waiting_for(user))) != "0":
        url = f"{reverse('enterprises:agreements')}?state=applied"
        cards.append(Card(1, "批复移交协议", "第四条", count, None, url))
    if (count := capped(Edition.objects.waiting_for(user))) != "0":
        url = reverse("enterprises:editions")
        cards.append(Card(1, "签收名单版次", "第六条第1项", count, None, url))
    return cards


def _ledger_cards(user: Any) -> list[Card]:
    """Entries of my ledger that nobody verified for a year."""
    rows = Reception.objects.kept_by(user).stale()
    if (count := capped(rows)) == "0":
        return []
    url = f"{reverse('communities:ledger')}?state=stale"
    return [Card(5, "核实台账信息（一年一次）", "第六条第5项", count, None, url)]


def _certify_cards(user: Any) -> list[Card]:
    """People of my communities whose 资格认证 is due within 60 days."""
    rows = certified(Reception.objects.kept_by(user), "soon")
    if (count := capped(rows)) == "0":
        return []
    url = f"{reverse('communities:ledger')}?certify=soon"
    return [Card(5, "资格认证（60 天内到期）", "第十条", count, None, url)]


def _care_cards(user: Any) -> list[Card]:
    """Whom my communities should have visited by now."""
    rows = Reception.objects.kept_by(user).to_visit(timezone.localdate() - ONE)
    if (count := capped(rows)) == "0":
        return []
    return [
        Card(
            5,
            "走访慰问（已到期）",
            "第八条",
            count,
            None,
            f"{reverse('communities:care')}?show=missed",
        )
    ]


def _event_cards(user: Any) -> list[Card]:
    """Reports of 第十条 that an office of mine has not answered."""
    rows = EventReceipt.objects.waiting_for(user)
    oldest = rows.order_by("pk").values_list("event__reported_at", flat=True).first()
    if oldest is None:
        return []
    late = capped(rows.filter(event__due_on__lt=timezone.localdate()))
    url = f"{reverse('communities:events')}?state=mine"
    return [
        Card(6, "签收状态变动报告", "第十条", capped(rows), oldest, url, over=late,
             rule="社会保险经办条例")
    ]  # fmt: skip


def _rehandover_cards(user: Any) -> list[Card]:
    """People whom another community asks mine to take."""
    rows = Rehandover.objects.incoming(user).open()
    oldest = rows.order_by("pk").values_list("proposed_at", flat=True).first()
    if oldest is None:
        return []
    url = f"{reverse('communities:rehandovers')}?state=open&way=in"
    return [Card(5, "接收转交人员", "第十条", capped(rows), oldest, url)]


def _party_cards(user: Any) -> list[Card]:
    """Members who are in no branch yet, or take part in nothing."""
    if "party" not in access.scope(user).roles:
        return []
    cards, today = [], timezone.localdate()
    for title, rows, show in (
        ("纳入支部", PartyMove.objects.visible_to(user).to_take_in(), "waiting"),
        ("六个月未参加组织生活", PartyMember.objects.visible_to(user).silent(today), "silent"),
    ):
        if (count := capped(rows)) != "0":
            url = f"{reverse('party:members')}?show={show}"
            cards.append(Card(6, title, "第六条第6项", count, None, url))
    return cards


def _approval_cards(user: Any) -> list[Card]:
    """What waits for the second person."""
    rights, cards = access.scope(user).rights, []
    for right, title, rows, page in (
        ("approve_grants", "核准授权", Grant.objects.visible_to(user).waiting(), "grants"),
        ("approve_exports", "核准导出", Export.objects.visible_to(user).waiting(), "exports"),
    ):
        if right in rights and (count := capped(rows)) != "0":
            oldest = rows.order_by("pk").values_list("asked_at", flat=True).first()
            cards.append(Card(0, title, "第十一条", count, oldest, f"{reverse(page)}?state=asked"))
    return cards


def _step_cards(user: Any) -> list[Card]:
    """One card for each step at which something waits; a few indexed queries a step."""
    served = access.scope(user).served
    cards, clock = [], Clock()
    for step in STEPS.values():
        if step.role not in served:
            continue
        rows = workflow.waiting(user, step.key)
        oldest = rows.values_list("opened_at", flat=True).first()
        if oldest is None:
            continue
        url = f"{reverse('transfers:list')}?waiting={step.key}"
        returned = capped(rows.filter(returned=True))
        over = soon = "0"
        if clock.has_limit(step.key):
            over = capped(clock.overdue(rows, step.key))
            soon = capped(clock.soon(rows, step.key))
        cards.append(
            Card(
                step.number,
                step.title,
                step.article,
                capped(rows),
                oldest,
                url,
                returned,
                over,
                soon,
            )
        )
    return cards


@require_GET
def notices(request: HttpRequest) -> HttpResponse:
    """Notices to my offices, the newest first."""
    rows = Notice.objects.visible_to(user_of(request)).select_related(
        "transfer", "about_enterprise", "read_by"
    )
    page = keyset(request, rows)
    return render(request, "xianning/notices.html", {"page": page})


@require_POST
def notice_read(request: HttpRequest, pk: Any) -> HttpResponse:
    """Mark a notice as read and go where it leads."""
    notice = get_object_or_404(Notice.objects.visible_to(user_of(request)), pk=pk)
    if notice.read_at is None:
        notice.read_at, notice.read_by = timezone.now(), user_of(request)
        notice.save()
    if notice.transfer and (page := _page_about(notice.transfer, user_of(request))):
        return redirect(page)
    if notice.about_enterprise:
        visible = Enterprise.objects.visible_to(user_of(request))
        if visible.filter(pk=notice.about_enterprise.pk).exists():
            return redirect(notice.about_enterprise)
    return redirect("notices")


def _page_about(case: Transfer, user: User) -> Any:
    """Where USER reads on about CASE: the case itself, or what of it was sent to his office."""
    if Transfer.objects.visible_to(user).filter(pk=case.pk).exists():
        return case
    for rows, page in (
        (Rehandover.objects.visible_to(user), "communities:rehandover"),
        (LifeEvent.objects.visible_to(user), "communities:event"),
    ):
        if found := rows.filter(transfer=case).order_by("-pk").first():
            return reverse(page, args=[found.pk])
    return None


@login_not_required
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Whether the application and its database answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def _error(request: HttpRequest, name: str, status: int, sentence: str = "") -> HttpResponse:
    page = loader.render_to_string(name, {"sentence": sentence}, request=request)
    return HttpResponse(page, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, "400.html", 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, "403.html", 403, str(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, "404.html", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without context processors: it must not need a user or a database."""
    try:
        page: str = loader.render_to_string("500.html")
    except Exception:  # whatever failed may be what the page needs too, such as its static files
        log.error("the page 500.html cannot be shown either; is collectstatic done?")
        page = PLAIN_ERROR
    return HttpResponse(page, status=500)


# What is shown when nothing else can be: no template, no file, no setting.
PLAIN_ERROR = """<!DOCTYPE html>
<html lang="zh-Hans">
<head><meta charset="utf-8"><title>系统出错</title><link rel="icon" href="data:,"></head>
<body>
<h1>系统出错</h1>
<p>系统没有办成此事，本次更改没有保存，原有数据不受影响。</p>
<p>请返回上一页，刷新后再试；仍不成功的，请把时间和所办事项告诉系统管理员。</p>
<p><a href="/">回到首页</a></p>
</body>
</html>
"""
