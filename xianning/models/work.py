"""Notices, numbers, background work, and what this installation is."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from xianning import access
from xianning.models.accounts import User
from xianning.models.base import Record


class NoticeQuerySet(models.QuerySet["Notice"]):
    def visible_to(self, user: User) -> NoticeQuerySet:
        return self.filter(access.scope(user).desks())

    def unread(self) -> NoticeQuerySet:
        return self.filter(read_at=None)


class Notice(Record):
    """A sentence for the office whose turn it is, or whose matter changed."""

    role = models.CharField(max_length=20)
    area = models.ForeignKey("communities.Area", models.PROTECT, null=True)
    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, null=True)
    transfer = models.ForeignKey("transfers.Transfer", models.PROTECT, null=True)
    about_enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, related_name="notices_about"
    )
    text = models.CharField("内容", max_length=300)
    at = models.DateTimeField("时间", default=timezone.now)
    read_at = models.DateTimeField(null=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = "通知"
        verbose_name_plural = "通知"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["role", "area", "-id"], name="notice_area"),
            models.Index(fields=["enterprise", "-id"], name="notice_enterprise"),
            models.Index(
                fields=["role", "area"], name="notice_unread_area", condition=Q(read_at=None)
            ),
            models.Index(
                fields=["enterprise"], name="notice_unread_ent", condition=Q(read_at=None)
            ),
        ]

    class Privacy:
        about, kept = "office", "work"
        purpose = "通知下一步的办理单位（第六条）"
        private: dict[str, str] = {}
        open = {
            "role", "area", "enterprise", "transfer", "about_enterprise", "text", "at", "read_at",
            "read_by",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.text


class Sequence(models.Model):
    """Numbers without gaps or repeats: the row is locked until the paper's transaction commits."""

    key = models.CharField(max_length=120, primary_key=True)
    last = models.PositiveIntegerField(default=0)

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "文书连续编号"
        private: dict[str, str] = {}
        open = {"key", "last"}

    def __str__(self) -> str:
        return f"{self.key}: {self.last}"

    @classmethod
    def next(cls, key: str, count: int = 1) -> int:
        """The first of the next COUNT numbers of KEY; call it in the transaction that uses them."""
        cls.objects.get_or_create(key=key)
        cls.objects.filter(key=key).update(last=F("last") + count)
        return cls.objects.get(key=key).last - count + 1


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> JobQuerySet:
        """A job and its result belong to who asked for it."""
        return self.filter(owner=user) if user.is_active else self.none()


class Job(Record):
    """Long work outside the request: whose, how far, with what result (see xianning/jobs.py)."""

    class State(models.TextChoices):
        QUEUED = "queued", "排队中"
        RUNNING = "running", "进行中"
        DONE = "done", "已完成"
        FAILED = "failed", "未完成"

    kind = models.CharField(max_length=40)
    title = models.CharField("事项", max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    params = models.JSONField(default=dict)  # ids and options only, never personal data
    state = models.CharField("状态", max_length=10, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    back_url = models.CharField(max_length=200, blank=True)
    result_file = models.CharField(max_length=100, blank=True)  # random name below MEDIA_ROOT
    result_name = models.CharField(max_length=120, blank=True)  # what the user's browser calls it
    attempt = models.PositiveSmallIntegerField(default=0)  # fencing number: an old one cannot write
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField("提交时间", default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = "后台任务"
        verbose_name_plural = "后台任务"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["owner", "-id"], name="job_owner"),
            models.Index(fields=["lease_until"], name="job_running", condition=Q(state="running")),
        ]

    class Privacy:
        about, kept = "staff", "work"
        purpose = "后台导入、导出的进度和结果"
        private: dict[str, str] = {}
        open = {
            "kind", "title", "owner", "params", "state", "done", "total", "message", "back_url",
            "result_file", "result_name", "attempt", "lease_until", "created_at", "finished_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.title}（{self.get_state_display()}）"

    def get_absolute_url(self) -> str:
        return reverse("job", args=[self.pk])

    @property
    def is_over(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED}


class Installation(models.Model):
    """One row: what this database is, and the proof that the data keys fit it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    is_demo = models.BooleanField()
    key_check = models.TextField()
    made_at = models.DateTimeField(auto_now_add=True)
    # The one-time code that opens the page of the first administrators; only its digest.
    setup_digest = models.CharField(max_length=64, blank=True)
    setup_until = models.DateTimeField(null=True)

    class Manager(models.Manager["Installation"]):
        def get_demo_state(self) -> bool | None:
            """True for a demo database, False for a real one, None for an empty one."""
            return self.values_list("is_demo", flat=True).first()

    objects = Manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="installation_is_one", condition=Q(id=1)),
        ]

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "确认数据密钥与数据库相符"
        private: dict[str, str] = {}
        open = {"id", "is_demo", "key_check", "made_at", "setup_digest", "setup_until"}

    def __str__(self) -> str:
        return "演示库" if self.is_demo else "正式库"
