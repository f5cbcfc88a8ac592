"""An uploaded workbook on its way into cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from xianning import access
from xianning.models import Record
from xianning.privacy import EncryptedJSONField

if TYPE_CHECKING:
    from xianning.models import User


class ImportBatchQuerySet(models.QuerySet["ImportBatch"]):
    def hidden(self) -> ImportBatchQuerySet:
        """Sessions that are being written or undone: nobody sees their new cases."""
        return self.filter(state__in=ImportBatch.HIDDEN)

    def visible_to(self, user: User) -> ImportBatchQuerySet:
        return self.filter(enterprise_id__in=access.scope(user).enterprises)


class ImportBatch(Record):
    """An uploaded workbook on its way: read, checked, shown, then written or dropped.

    It is written and undone in many short transactions. While that goes on (`HIDDEN`) nobody sees
    its new cases, so that for everybody a session is there as a whole or not at all.
    """

    class State(models.TextChoices):
        READING = "reading", "正在检查"
        CHECKED = "checked", "待确认"
        WRITING = "writing", "正在写入"
        DONE = "done", "已导入"
        DROPPED = "dropped", "已放弃"
        FAILED = "failed", "未成功"
        RETREATING = "retreating", "正在退回"
        UNDOING = "undoing", "正在撤销"
        UNDONE = "undone", "已撤销"

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
    blocks = models.JSONField(default=list)  # files with what the check found (imports/spool.py)
    written = models.PositiveIntegerField(default=0)  # so many blocks are in the database
    state = models.CharField("状态", max_length=10, choices=State, default=State.READING)
    report = EncryptedJSONField(default=dict)  # {rows, new, updated, unchanged, errors, warnings}
    message = models.CharField(max_length=300, blank=True)
    job = models.ForeignKey("xianning.Job", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField("确认时间", null=True)

    objects = ImportBatchQuerySet.as_manager()

    HIDDEN = (State.WRITING, State.RETREATING, State.UNDOING)

    class Meta:
        ordering = ["-id"]
        verbose_name = "导入批次"
        verbose_name_plural = "导入批次"
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="batch_enterprise"),
            models.Index(
                fields=["state"], name="batch_hidden",
                condition=Q(state__in=("writing", "retreating", "undoing")),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "office", "work"
        purpose = "批量申报：检查结果和错误报告（第六条第2项）"
        private = {"report": "hidden"}
        open = {
            "enterprise", "uploaded_by", "uploaded_at", "file_name", "sha256", "file", "blocks",
            "written", "state", "message", "job", "decided_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("transfers:import_detail", args=[self.pk])


class ImportChange(models.Model):
    """What an import changed, and the versions from before: what undoing goes back to."""

    batch = models.ForeignKey(ImportBatch, models.CASCADE, related_name="changes")
    transfer = models.ForeignKey("transfers.Transfer", models.CASCADE, related_name="+")
    person_before = models.BigIntegerField()  # numbers of their rows of history
    case_before = models.BigIntegerField(null=True)  # empty: the case is new, the person was known

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "transfer"], name="import_change_once"),
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "撤销导入时恢复原来的内容（第六条第2项）"
        private: dict[str, str] = {}
        open = {"batch", "transfer", "person_before", "case_before"}

    def __str__(self) -> str:
        return f"{self.batch_id} {self.transfer_id}"


class ColumnChoice(models.Model):
    """A heading that an enterprise once said the meaning of: FIELD of the form, or nothing."""

    enterprise = models.ForeignKey("enterprises.Enterprise", models.CASCADE, related_name="+")
    heading = models.CharField(max_length=120)  # as `matching.normal` compares it
    field = models.CharField(max_length=40, blank=True)  # empty: not to be read
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["enterprise", "heading"], name="column_choice_once"),
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "记住移交单位工作簿的表头含义（第六条第2项）"
        private: dict[str, str] = {}
        open = {"enterprise", "heading", "field", "chosen_by", "chosen_at"}

    def __str__(self) -> str:
        return f"{self.heading} → {self.field}"
