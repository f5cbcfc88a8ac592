"""What every app shares: accounts, offices, jobs, and the record of who did and saw what."""

from __future__ import annotations

from xianning.models.accounts import (
    Grant,
    GrantRefused,
    GuessBucket,
    Membership,
    Office,
    OfficeQuerySet,
    PasswordHistory,
    RecoveryCode,
    SignInSession,
    TotpDevice,
    User,
)
from xianning.models.base import Record, Traced, label_of, new_id
from xianning.models.calendar import CalendarDay
from xianning.models.records import (
    AccessLog,
    AccessLogQuerySet,
    AuditEvent,
    AuditEventQuerySet,
    AuditSeal,
    Export,
    ExportedPerson,
)
from xianning.models.work import Installation, Job, JobQuerySet, Notice, NoticeQuerySet, Sequence

__all__ = [
    "AccessLog", "AccessLogQuerySet", "AuditEvent", "AuditEventQuerySet", "AuditSeal", "CalendarDay", "Export",
    "ExportedPerson", "Grant", "GrantRefused", "GuessBucket", "Installation", "Job", "JobQuerySet",
    "Membership", "Notice", "NoticeQuerySet", "Office", "OfficeQuerySet", "PasswordHistory",
    "Record", "RecoveryCode", "Sequence", "SignInSession", "TotpDevice", "Traced", "User",
    "label_of", "new_id",
]  # fmt: skip
