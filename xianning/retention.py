"""The worker lets go what is past its time (个人信息保护法 19; the page 字段登记表 says how long).

A bounded batch of each kind at a time, found by an index, each in a transaction of its own. Cases of
people are not among it: they are erased by two people, one by one (`transfers/subject.py`).
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessLog as SignInLog
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.utils import timezone

from xianning import audit, audit_seals, jobs, watch
from xianning.accounts.sessions import age_limit
from xianning.models import Notice, SignInSession
from xianning.triggers import audit_days

REST = 3600.0  # seconds, once nothing was left
AT_ONCE = 1000  # rows of one kind
SEALS = 10  # seals of events, at most a thousand each

_rests_until = 0.0


@jobs.chore
def let_go_in_turn() -> int:
    """One batch of each kind at each call of the worker, then an hour's rest; how many rows went."""
    global _rests_until
    if time.monotonic() < _rests_until:
        return 0
    with audit.acting(name="到期清理"):
        gone = let_go()
    if not gone:
        _rests_until = time.monotonic() + REST
    return gone


def let_go(most: int = AT_ONCE) -> int:
    """Delete what is past its time, at most MOST rows of a kind; how many rows went."""
    limit = timezone.now() - timedelta(days=audit_days())
    return sum((
        _traced("通知", Notice.objects.filter(_made_before(limit)), most),
        # Whoever signed in so long before has been signed out by then, whatever the row says.
        _traced("登录会话", SignInSession.objects.filter(_made_before(limit - age_limit())), most),
        _oldest_sign_ins(limit, most),
        _delete(Session.objects.filter(expire_date__lt=timezone.now()), most),
        audit_seals.purge(SEALS),
        audit_seals.purge_access_log(most),
    ))  # fmt: skip


def _made_before(moment: datetime) -> models.Q:
    """Ids tell when a row was made: the primary key is the index of its time."""
    return models.Q(pk__lt=watch.first_id(moment))


@transaction.atomic
def _traced(kind: str, rows: models.QuerySet[Any], most: int) -> int:
    """Delete the oldest of ROWS, and tell the audit how many."""
    gone = _delete(rows, most)
    if gone:
        audit.write("let_go", facts={"kind": kind, "count": gone})
    return gone


def _delete(rows: models.QuerySet[Any], most: int) -> int:
    """The oldest MOST of ROWS by their key, never more however many wait."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    return rows.model._default_manager.filter(pk__in=keys).delete()[0] if keys else 0


def _oldest_sign_ins(limit: datetime, most: int) -> int:
    """The sign-ins that axes notes beside our audit; its table has no index of the time."""
    oldest = SignInLog.objects.order_by("pk").values_list("pk", "attempt_time")[:most]
    old = [pk for pk, at in oldest if at < limit]
    return _delete(SignInLog.objects.filter(pk__in=old), most) if old else 0
