"""Who reads too much, or at night: the quota of reveals, and alerts to those who audit (第十一条).

An alert is a notice and an event of the audit. It names the account and numbers, never a retiree,
and is given once an hour for each account and kind, so that it stays worth reading.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from xianning import access, audit, jobs
from xianning.models import AccessLog, AuditEvent, Notice, Office, User

if TYPE_CHECKING:
    from transfers.models import Transfer

HOUR = timedelta(hours=1)
NIGHT_FROM, NIGHT_UNTIL = 22, 6
# So many times the quota of reveals may be revealed, printed and opened in an hour without alert.
MASS = 3


def first_id(moment: datetime) -> uuid.UUID:
    """The lowest id (UUID of version 7) a row made at MOMENT can have: a bound for the index."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def is_night(moment: datetime) -> bool:
    """Whether nobody is at the office: from 22:00 to 06:00."""
    hour = timezone.localtime(moment).hour
    return hour >= NIGHT_FROM or hour < NIGHT_UNTIL


# --- the quota ----------------------------------------------------------------------------------


def over_quota(user: User, case: Transfer) -> bool:
    """Whether the person of CASE is one too many for USER in this hour; the auditors are told.

    Call it in the transaction that writes the access log: USER's row is locked, so that requests
    at the same moment are counted one after the other.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    lately = AccessLog.objects.filter(
        user=user, kind=AccessLog.Kind.REVEAL, at__gt=timezone.now() - HOUR
    )
    people = set(lately.order_by().values_list("transfer__retiree_id", flat=True))
    people.add(case.retiree_id)
    if len(people) <= settings.REVEAL_QUOTA:
        return False
    alert(
        "reveal_quota", user, f"一小时内查看第 {len(people)} 人的完整信息",
        area=case.authority_id, people=len(people), quota=settings.REVEAL_QUOTA,
    )  # fmt: skip
    return True


# --- alerts -------------------------------------------------------------------------------------


@transaction.atomic
def alert(kind: str, user: User, sentence: str, *, area: str | None, **facts: Any) -> bool:
    """Tell those who audit AREA that USER did what SENTENCE says; False when they know already."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    hour_ago = first_id(timezone.now() - HOUR)
    known = AuditEvent.objects.filter(user=user, action="alert", pk__gte=hour_ago, facts__kind=kind)
    if known.exists():
        return False
    audit.write("alert", user=user, object=user, area=area, facts={"kind": kind, **facts})
    office = user.offices.order_by("-area_id").first()
    text = f"请核查：{office or '未列入机构'} {user}（{user.username}）{sentence}。"
    for role, place in _watchers(area):
        Notice.objects.create(role=role, area_id=place, text=text[:300])
    return True


def _watchers(area: str | None) -> list[tuple[str, str]]:
    """Role and place of the desks that hear of alerts in AREA: its auditors, the city's office."""
    if area is None:
        places = Office.objects.filter(role="audit_admin", closed_on=None)
        return [("audit_admin", code) for code in places.values_list("area_id", flat=True) if code]
    auditors = Office.objects.filter(
        role="auditor", area_id__in=access.ancestors_of(area), closed_on=None
    )
    codes = auditors.order_by().values_list("area_id", flat=True).distinct()
    return [("audit_admin", city_of(area)), *(("auditor", code) for code in codes if code)]


def city_of(area: str) -> str:
    """The code of the city in which AREA lies (4 significant digits)."""
    return access.prefix(area)[:4].ljust(12, "0")


@jobs.chore
def look() -> int:
    """Alert for each account that saw very many people within the last hour; how many alerts."""
    most = MASS * settings.REVEAL_QUOTA
    lately = AccessLog.objects.filter(
        pk__gte=first_id(timezone.now() - HOUR), transfer__isnull=False
    )
    busy = (
        lately.order_by().values("user").annotate(people=Count("transfer__retiree", distinct=True))
    )
    told = 0
    for row in busy.filter(people__gt=most):
        user = User.objects.get(pk=row["user"])
        area = lately.filter(user=user).values_list("area_id", flat=True).first()
        sentence = f"一小时内查看、打印或打开 {row['people']} 人的个人信息"
        told += alert("mass_reading", user, sentence, area=area, people=row["people"])
    return told
