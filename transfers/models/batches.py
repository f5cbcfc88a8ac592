"""An uploaded workbook on its way into cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from xianning import access
from xianning.models import Record
from xianning.privacy import EncryptedJSONField

if TYPE_CHECKING:
    from xianning.models import User


class ImportBatchQuerySet(models.QuerySet["ImportBatch"]):
    def visible_to(self, user: User) -> ImportBatchQuerySet:
        return self.filter(enterprise_id__in=access.scope(user).enterprises)


class ImportBatch(Record):
    """An uploaded workbook on its way: read, checked, shown, then written or dropped."""

    class State(models.TextChoices):
        READING = "reading", "正在检查"
        CHECKED = "checked", "待确认"
        WRITING = "writing", "正在写入"
        DONE = "done", "已导入"
        DROPPED = "dropped", "已放弃"
        FAILED = "failed", "未成功"

    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name="移交单位"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="上传人"
    )
    uploaded_at = models.DateTimeField("上传时间", default=timezone.now)
    file_name = models.CharField("文件", max_length=120)
    sha256 = models.CharField(max_length=64)
    file = models.CharField(max_length=100, blank=True)  # encrypted, removed once decided
    state = models.CharField("状态", max_length=10, choices=State, default=State.READING)
    report = EncryptedJSONField(default=dict)  # {rows, new, updated, unchanged, errors, warnings}
    message = models.CharField(max_length=300, blank=True)
    job = models.ForeignKey("xianning.Job", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField("确认时间", null=True)

    objects = ImportBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "导入批次"
        verbose_name_plural = "导入批次"
        indexes = [models.Index(fields=["enterprise", "-id"], name="batch_enterprise")]

    class Privacy:
        about, kept = "office", "work"
        purpose = "批量申报：检查结果和错误报告（第六条第2项）"
        private = {"report": "hidden"}
        open = {
            "enterprise", "uploaded_by", "uploaded_at", "file_name", "sha256", "file", "state",
            "message", "job", "decided_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("transfers:import_detail", args=[self.pk])
