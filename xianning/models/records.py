"""Who saw what, who did what, and what was given out."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from xianning import access
from xianning.models.accounts import User
from xianning.models.base import Record

APPEND_ONLY = "审计记录只能追加，不能更改或删除。"


_CHARACTER = re.compile(r"U\+[0-9A-F]{4,6}")  # a rare character of a name, not to be told


class AccessLogQuerySet(models.QuerySet["AccessLog"]):
    def visible_to(self, user: User) -> AccessLogQuerySet:
        """Auditors read the log of their area."""
        mine = access.scope(user).areas.get("auditor", frozenset())
        return self.filter(access.within("area_id", mine))

    def update(self, **_: Any) -> int:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)


class AccessLog(Record):
    """Somebody saw private values: written before they are shown (第十一条)."""

    class Kind(models.TextChoices):
        REVEAL = "reveal", "查看完整信息"
        EXPORT = "export", "导出名册"
        PAPER = "paper", "打印文书"
        SCAN = "scan", "查看扫描件"

    kind = models.CharField("事项", max_length=10, choices=Kind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="人员")
    office_name = models.CharField("机构", max_length=80, blank=True)
    area = models.ForeignKey("communities.Area", models.PROTECT, null=True, verbose_name="地区")
    at = models.DateTimeField("时间", default=timezone.now)
    reason = models.CharField("理由", max_length=200, blank=True)
    transfer = models.ForeignKey(
        "transfers.Transfer", models.PROTECT, null=True, blank=True, verbose_name="案卷"
    )
    what = models.CharField("内容", max_length=200)
    rows = models.PositiveIntegerField("人数", default=1)
    address = models.CharField("来源地址", max_length=45, blank=True)

    objects = AccessLogQuerySet.as_manager()

    class Meta:
        verbose_name = "个人信息访问记录"
        verbose_name_plural = "个人信息访问记录"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["area", "-id"], name="access_area"),
            models.Index(fields=["transfer", "-id"], name="access_transfer"),
            models.Index(fields=["user", "kind", "-at"], name="access_user"),
        ]

    class Privacy:
        about, kept = "staff", "processing"
        purpose = "记录谁查看了谁的个人信息（第十一条）"
        private: dict[str, str] = {}
        open = {
            "kind", "user", "office_name", "area", "at", "reason", "transfer", "what", "rows",
            "address",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.user} {self.get_kind_display()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)

    @classmethod
    @transaction.atomic
    def write(cls, user: User, kind: str, what: str, **facts: Any) -> AccessLog:
        """Note that USER is about to see private values. FACTS: transfer, reason, rows, address.

        The audit gets an event in the same transaction, without the reason: it is free text.
        """
        from xianning import audit  # the audit is written with these models

        office = user.offices.order_by("-area_id").first()
        transfer = facts.get("transfer")
        area_id = transfer.authority_id if transfer else None
        if area_id is None and office is not None:
            area_id = office.area_id or getattr(office.enterprise, "authority_id", None)
        entry = cls.objects.create(
            user=user, kind=kind, what=what, area_id=area_id,
            office_name=office.name if office else "", **facts,
        )  # fmt: skip
        audit.write(
            kind, user=user, object=transfer or entry, area=area_id,
            facts={"what": _CHARACTER.sub("U+…", what), "rows": entry.rows, "log": str(entry.pk)},
        )  # fmt: skip
        return entry


class AuditSealQuerySet(models.QuerySet["AuditSeal"]):
    def update(self, **_: Any) -> int:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)


class AuditSeal(models.Model):
    """A batch of events under one keyed digest that also covers the seal before it."""

    number = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField("封存时间", default=timezone.now)
    count = models.PositiveIntegerField("条数")
    first = models.UUIDField()
    last = models.UUIDField()
    digest = models.CharField("摘要", max_length=64)
    previous = models.CharField("上一摘要", max_length=64, blank=True)

    objects = AuditSealQuerySet.as_manager()

    class Meta:
        verbose_name = "审计封存"
        verbose_name_plural = "审计封存"
        ordering = ["-number"]

    class Privacy:
        about, kept = "system", "audit"
        purpose = "防止审计记录被篡改"
        private: dict[str, str] = {}
        open = {"number", "at", "count", "first", "last", "digest", "previous"}

    def __str__(self) -> str:
        return f"第 {self.number} 号封存"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, user: User) -> AuditEventQuerySet:
        """Auditors and the audit administrator read the events of their area."""
        held = access.scope(user).areas
        mine = held.get("auditor", frozenset()) | held.get("audit_admin", frozenset())
        rows = access.within("area_id", mine)
        # Events without a place (a stranger's failed sign-in, a command) are the city's.
        if any(access.prefix(code) == access.prefix(code)[:4] for code in mine):
            rows |= Q(area=None)
        return self.filter(rows) if mine else self.none()

    def update(self, **_: Any) -> int:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)

    def seal_with(self, seal: AuditSeal) -> int:
        """Give the events their seal: the one change that the triggers let through."""
        return super(AuditEventQuerySet, self.filter(seal=None)).update(seal=seal)

    def purge(self) -> int:
        """Delete; the triggers refuse what is younger than AUDIT_DAYS."""
        return self._raw_delete(self.db)


class AuditEvent(Record):
    """An act, a read of personal data, a refusal, a sign-in, a grant, an export (第十一条).

    Append-only: triggers refuse every change but the number of the seal, once. FACTS hold no
    personal data of retirees. MAC is a keyed digest of the row without the seal.
    """

    class Result(models.TextChoices):
        OK = "ok", "成功"
        REFUSED = "refused", "拒绝"
        FAILED = "failed", "失败"

    at = models.DateTimeField("时间", default=timezone.now)
    action = models.CharField("事项", max_length=40)
    result = models.CharField("结果", max_length=8, choices=Result, default=Result.OK)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, verbose_name="人员"
    )
    user_name = models.CharField("姓名", max_length=80, blank=True)
    office_name = models.CharField("机构", max_length=80, blank=True)
    area = models.ForeignKey("communities.Area", models.PROTECT, null=True, verbose_name="地区")
    object_kind = models.CharField("对象", max_length=40, blank=True)
    object_id = models.CharField("对象编号", max_length=40, blank=True)
    facts = models.JSONField("内容", default=dict)
    address = models.CharField("来源地址", max_length=45, blank=True)
    request_id = models.CharField("请求编号", max_length=32, blank=True)
    mac = models.CharField(max_length=64)
    seal = models.ForeignKey(AuditSeal, models.PROTECT, null=True, related_name="events")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = "审计记录"
        verbose_name_plural = "审计记录"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["area", "-id"], name="audit_area"),
            models.Index(fields=["user", "-id"], name="audit_user"),
            models.Index(fields=["object_id", "-id"], name="audit_object"),
            models.Index(fields=["action", "-id"], name="audit_action"),
            models.Index(fields=["id"], name="audit_unsealed", condition=Q(seal=None)),
        ]

    class Privacy:
        about, kept = "staff", "audit"
        purpose = "审计：谁在何时做了什么（第十一条）"
        private: dict[str, str] = {}
        open = {
            "at", "action", "result", "user", "user_name", "office_name", "area", "object_kind",
            "object_id", "facts", "address", "request_id", "mac", "seal",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.user_name} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)


class ExportQuerySet(models.QuerySet["Export"]):
    def visible_to(self, user: User) -> ExportQuerySet:
        """One's own; those that wait for a second person, for the security administrator."""
        mine = access.scope(user).areas.get("security_admin", frozenset())
        rows = Q(owner=user) | access.within("log__area_id", mine)
        return self.filter(rows) if user.is_active else self.none()

    def waiting(self) -> ExportQuerySet:
        return self.filter(state=Export.State.ASKED)


class Export(Record):
    """A roster given out as a file: what, by whom, on whose approval, and until when."""

    class State(models.TextChoices):
        ASKED = "asked", "待核准"
        APPROVED = "approved", "制作中"
        REFUSED = "refused", "不予核准"
        MADE = "made", "可下载"
        FETCHED = "fetched", "已下载"
        EXPIRED = "expired", "已过期"
        FAILED = "failed", "未完成"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="导出人"
    )
    log = models.OneToOneField(AccessLog, models.PROTECT, related_name="export")
    job = models.OneToOneField("xianning.Job", models.PROTECT, null=True, related_name="export")
    roster = models.CharField("名册", max_length=20)
    format = models.CharField("格式", max_length=4)
    clear = models.BooleanField("完整个人信息")
    filters = models.JSONField("条件", default=dict)
    serial = models.CharField("编号", max_length=20, unique=True)
    rows = models.PositiveIntegerField("人数")
    state = models.CharField("状态", max_length=8, choices=State, default=State.ASKED)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="核准人"
    )
    decided_at = models.DateTimeField("核准时间", null=True)
    answer = models.CharField("核准意见", max_length=200, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    asked_at = models.DateTimeField("申请时间", default=timezone.now)
    made_at = models.DateTimeField("制作时间", null=True)
    expires_at = models.DateTimeField("失效时间", null=True)
    fetched_at = models.DateTimeField("下载时间", null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        verbose_name = "导出"
        verbose_name_plural = "导出"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_owner"),
            models.Index(fields=["state", "-id"], name="export_state"),
        ]
        constraints = [
            models.CheckConstraint(
                name="export_second_person",
                condition=Q(decided_by=None) | ~Q(decided_by=F("owner")),
            ),
        ]

    class Privacy:
        about, kept = "staff", "processing"
        purpose = "名册导出的核准、编号和追查（第十一条）"
        private: dict[str, str] = {}
        open = {
            "owner", "log", "job", "roster", "format", "clear", "filters", "serial", "rows",
            "state", "decided_by", "decided_at", "answer", "sha256", "asked_at", "made_at",
            "expires_at", "fetched_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.serial


class ExportedPerson(models.Model):
    """Who stood in an exported file: the answer of the leak drill does not depend on today."""

    export = models.ForeignKey(Export, models.PROTECT, related_name="people")
    transfer = models.ForeignKey("transfers.Transfer", models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["export", "transfer"], name="exported_person_once")
        ]
        indexes = [models.Index(fields=["transfer"], name="exported_person")]

    class Privacy:
        about, kept = "person", "processing"
        purpose = "泄露时确定哪些人在名册中（第十一条）"
        private: dict[str, str] = {}
        open = {"export", "transfer"}

    def __str__(self) -> str:
        return f"{self.export_id} {self.transfer_id}"
