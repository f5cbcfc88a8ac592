"""Where the audit listens: rows with a history, and signing in. Connected once, by apps.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models
from simple_history.signals import post_create_historical_record

from xianning import audit
from xianning.forms import username_of
from xianning.models import AuditEvent, User
from xianning.privacy import NotReadable

if TYPE_CHECKING:
    from django.http import HttpRequest

_WORDS = {"+": "created", "~": "changed", "-": "deleted"}
UNREADABLE = "（前一版本无法读取）"
Result = AuditEvent.Result


def connect() -> None:
    """Every row of history, every sign-in and sign-out, is an event."""
    post_create_historical_record.connect(note_history, dispatch_uid="audit")
    user_logged_in.connect(note_sign_in, dispatch_uid="audit")
    user_logged_out.connect(note_sign_out, dispatch_uid="audit")
    user_login_failed.connect(note_failed_sign_in, dispatch_uid="audit")
    user_locked_out.connect(note_lock, dispatch_uid="audit")


# --- rows with a history ------------------------------------------------------------------------


def note_history(
    sender: Any, instance: models.Model, history_instance: Any, history_user: Any, **_: Any
) -> None:
    """One event for each row of history: which row, what kind of change, names of the fields."""
    kind = history_instance.history_type
    facts = {"fields": _changed(sender, history_instance)} if kind == "~" else {}
    audit.write(
        _WORDS[kind], user=history_user, object=instance, area=_place_of(instance), facts=facts
    )


def _changed(history: Any, now: Any) -> list[str]:
    """Names of the fields in which NOW differs from the row of history before it."""
    fields = history.tracked_fields
    before = history.objects.filter(
        **{now.instance_type._meta.pk.attname: getattr(now, now.instance_type._meta.pk.attname)},
        history_id__lt=now.history_id,
    ).order_by("-history_id")
    try:
        old = before.first()
        return [] if old is None else [field.name for field in fields if _differs(field, old, now)]
    except NotReadable:
        return [UNREADABLE]


def _differs(field: Any, old: Any, now: Any) -> bool:
    """Compared as Python values: what was typed may be text still."""
    before, after = (field.to_python(getattr(row, field.attname)) for row in (old, now))
    return bool(before != after)


def _place_of(row: models.Model) -> str | None:
    """The area a row lies in, as far as the row itself tells."""
    if row._meta.label == "communities.Area":
        return row.pk
    return getattr(row, "authority_id", None) or getattr(row, "area_id", None)


# --- signing in ---------------------------------------------------------------------------------


def note_sign_in(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    audit.write("sign_in", user=user, object=user, request=request)


def note_sign_out(sender: Any, request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        audit.write("sign_out", user=user, object=user, request=request)


def note_failed_sign_in(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """What was typed is kept only when it is the name of an account: it may be a password."""
    _note_try("sign_in_failed", Result.FAILED, credentials.get("username"), request)


def note_lock(sender: Any, request: HttpRequest, username: str | None, **_: Any) -> None:
    _note_try("locked", Result.REFUSED, username, request)


def _note_try(action: str, result: str, typed: Any, request: HttpRequest | None) -> None:
    account = User.objects.filter(username=username_of(str(typed or ""))).first()
    audit.write(
        action, user=account, result=result, object=account, request=request,
        facts={"account": account is not None},
    )  # fmt: skip
