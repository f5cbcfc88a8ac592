"""What was signed: the scan and the version of the form it stands for (第六条第3项)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from transfers.models.cases import Transfer
from transfers.models.rights import Consent
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User


class ScanQuerySet(models.QuerySet["Scan"]):
    def visible_to(self, user: User) -> ScanQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class Scan(Record):
    """An uploaded scan, stored encrypted under a random name outside the web root."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="scans")
    title = models.CharField("名称", max_length=80)
    file = models.CharField(max_length=100)  # random name below MEDIA_ROOT/scans
    original_name = models.CharField("文件名", max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField("大小（字节）")
    sha256 = models.CharField("SHA-256", max_length=64)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField("上传时间", default=timezone.now)
    quarantined = models.BooleanField("待查杀", default=False)  # the scanner was not there
    destroyed_at = models.DateTimeField("销毁时间", null=True, blank=True)
    destroyed_why = models.CharField("销毁原因", max_length=200, blank=True)

    objects = ScanQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = "扫描件"
        verbose_name_plural = "扫描件"

    class Privacy:
        about, kept = "case", "case"
        purpose = "保存签字盖章的原件影像（第六条第3项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "title", "file", "original_name", "content_type", "size", "sha256",
            "uploaded_by", "uploaded_at", "quarantined", "destroyed_at", "destroyed_why",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.title

    @classmethod
    def keep(cls, case: Transfer, title: str, facts: dict[str, Any], by: User) -> Scan:
        """Put a stored file on record. FACTS are those of `uploads.Received`."""
        return cls.objects.create(
            transfer=case, title=title, file=facts["file"], original_name=facts["name"],
            content_type=facts["type"], size=facts["size"], sha256=facts["sha256"],
            uploaded_by=by, quarantined=facts["quarantined"],
        )  # fmt: skip

    def why_not_open(self) -> str | None:
        """Why nobody can open the scan, as a sentence; None when it can be opened."""
        if self.destroyed_at:
            return f"扫描件已于{timezone.localtime(self.destroyed_at):%Y-%m-%d}销毁：{self.destroyed_why}"
        if self.quarantined:
            return "待查杀：上传时病毒查杀服务不可用，查杀通过后才能打开。"
        return None


class SignedForm(Record):
    """第六条第3项: a version of the form, signed by the retiree and the clerk, and sealed."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="forms")
    version = models.PositiveSmallIntegerField("版本")
    fingerprint = models.CharField(max_length=64)
    scan = models.OneToOneField(Scan, models.PROTECT, related_name="form", verbose_name="扫描件")
    signed_on = models.DateField("签字日期")
    clerk = models.CharField("企业经办人", max_length=50)
    invalid_since = models.DateTimeField("失效时间", null=True, blank=True)
    invalid_reason = models.CharField("失效原因", max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "签字表格"
        verbose_name_plural = "签字表格"
        constraints = [
            models.UniqueConstraint(
                fields=["transfer"], name="form_one_valid", condition=Q(invalid_since=None)
            ),
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "确认《基本信息表》的签字版本（第六条第3项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "version", "fingerprint", "scan", "signed_on", "clerk", "invalid_since",
            "invalid_reason",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"第 {self.version} 版"

    @classmethod
    def sign(
        cls, case: Transfer, *, by: User, scan: dict[str, Any], signed_on: date, clerk: str,
        version: int, **ticks: bool,
    ) -> str:  # fmt: skip
        """Freeze the present version with its scan. TICKS are what the clerk vouched for."""
        stored = Scan.keep(case, f"《基本信息表》第 {version} 版", scan, by)
        cls.objects.create(
            transfer=case, version=version, fingerprint=case.fingerprint(), scan=stored,
            signed_on=signed_on, clerk=clerk,
        )  # fmt: skip
        Consent.record(case, by=by, on=signed_on, agreed=ticks.get("agreed", False))
        return f"第 {version} 版，{signed_on:%Y-%m-%d} 签字"

    @classmethod
    def unsign(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The signature no longer holds; the paper stays in the record."""
        for form in cls.objects.filter(transfer=case, invalid_since=None):
            form.invalid_since, form.invalid_reason = timezone.now(), reason[:200]
            form.save()
