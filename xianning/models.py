"""What every app shares: accounts, offices, jobs, and the record of who looked at whom."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.roles import ROLES, permission


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): ordered by time for keyset pages, 62 random bits for URLs."""
    now = time.time_ns()
    milliseconds, rest = divmod(now, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64
    return uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62))


def label_of(model: type[models.Model], name: str) -> str:
    """What the field is called on paper and page."""
    return str(getattr(model._meta.get_field(name), "verbose_name", name))


class Record(models.Model):
    """A row whose id may stand in a URL."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True


class User(AbstractUser):
    """A person with an account. What he may do comes from the offices he belongs to."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    full_name = models.CharField("姓名", max_length=50)
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    offices = models.ManyToManyField(
        "xianning.Office",
        through="xianning.Membership",
        through_fields=("user", "office"),
        related_name="users",
        verbose_name="机构",
    )
    must_change_password = models.BooleanField("首次登录须改密码", default=False)
    history = HistoricalRecords(excluded_fields=["password", "last_login"])

    class Meta:
        verbose_name = "用户"
        verbose_name_plural = "用户"

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "username", "full_name", "email", "password", "last_login", "is_superuser", "is_staff",
            "is_active", "date_joined", "must_change_password",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return self.full_name


class OfficeQuerySet(models.QuerySet["Office"]):
    def visible_to(self, user: User) -> OfficeQuerySet:
        """Administrators maintain the offices inside their area."""
        mine = access.scope(user).areas.get("administrator", frozenset())
        return self.filter(
            access.within("area_id", mine) | access.within("enterprise__authority_id", mine)
        )

    def at_desk(self, role: str, *, area_id: str | None, enterprise_id: Any) -> OfficeQuerySet:
        """The offices that may act at a desk, the one at the desk's own place first."""
        if ROLES[role].place == "enterprise":
            return self.filter(role=role, enterprise_id=enterprise_id)
        places = access.ancestors_of(area_id or "") if ROLES[role].acts_below else [area_id]
        return self.filter(role=role, area_id__in=places).order_by("-area_id")


class Office(Record):
    """A body that takes part: one role at one place, with the name and address on its papers."""

    role = models.CharField(
        "职责", max_length=20, choices=[(r.slug, r.name) for r in ROLES.values()]
    )
    name = models.CharField("机构名称", max_length=80)
    area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, verbose_name="辖区"
    )
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, blank=True, verbose_name="移交单位",
        related_name="offices",
    )  # fmt: skip
    address = models.CharField("地址", max_length=120, blank=True)
    postcode = models.CharField("邮政编码", max_length=6, blank=True)
    phone = models.CharField("联系电话", max_length=40, blank=True)
    fax = models.CharField("传真", max_length=40, blank=True)
    contact = models.CharField("联系人", max_length=50, blank=True)
    closed_on = models.DateField("撤销日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = OfficeQuerySet.as_manager()

    class Meta:
        verbose_name = "机构"
        verbose_name_plural = "机构"
        ordering = ["role", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["role", "area", "name"], name="office_once", condition=Q(enterprise=None)
            ),
            models.UniqueConstraint(
                fields=["role", "enterprise", "name"],
                name="office_once_at_enterprise",
                condition=Q(area=None),
            ),
            models.CheckConstraint(
                name="office_has_one_place",
                condition=Q(role="enterprise", enterprise__isnull=False, area__isnull=True)
                | (~Q(role="enterprise") & Q(enterprise__isnull=True, area__isnull=False)),
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "role", "name", "area", "enterprise", "address", "postcode", "phone", "fax",
            "contact", "closed_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> Any:
        """The Area or Enterprise at which the role holds."""
        return self.enterprise if ROLES[self.role].place == "enterprise" else self.area

    @transaction.atomic
    def admit(self, user: User, *, by: User | None = None) -> Membership:
        """Let USER act for this office from now on. The only giver of groups and permissions."""
        membership, _ = Membership.objects.get_or_create(
            user=user, office=self, defaults={"added_by": by}
        )
        user.groups.add(Group.objects.get(name=self.role))
        assign_perm(permission(self.role), user, self.place)
        user.__dict__.pop("_scope", None)
        return membership

    @transaction.atomic
    def dismiss(self, user: User) -> None:
        """End USER's part in this office; what another office of his gives stays."""
        Membership.objects.filter(user=user, office=self).delete()
        others = Office.objects.filter(membership__user=user, role=self.role)
        if not others.filter(area=self.area, enterprise=self.enterprise).exists():
            remove_perm(permission(self.role), user, self.place)
        if not others.exists():
            user.groups.remove(Group.objects.get(name=self.role))
        user.__dict__.pop("_scope", None)


class Membership(models.Model):
    """A user belongs to an office."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    office = models.ForeignKey(Office, models.PROTECT)
    added_at = models.DateTimeField(auto_now_add=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    history = HistoricalRecords()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "office"], name="membership_once")]

    class Privacy:
        private: dict[str, str] = {}
        open = {"user", "office", "added_at", "added_by"}

    def __str__(self) -> str:
        return f"{self.user}（{self.office}）"


class AccessLogQuerySet(models.QuerySet["AccessLog"]):
    def visible_to(self, user: User) -> AccessLogQuerySet:
        """Auditors read the log of their area."""
        mine = access.scope(user).areas.get("auditor", frozenset())
        return self.filter(access.within("area_id", mine))


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
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "kind", "user", "office_name", "area", "at", "reason", "transfer", "what", "rows",
            "address",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.user} {self.get_kind_display()}"

    @classmethod
    def write(cls, user: User, kind: str, what: str, **facts: Any) -> AccessLog:
        """Note that USER is about to see private values. FACTS: transfer, reason, rows, address."""
        office = user.offices.order_by("-area_id").first()
        transfer = facts.get("transfer")
        area_id = transfer.authority_id if transfer else None
        if area_id is None and office is not None:
            area_id = office.area_id or getattr(office.enterprise, "authority_id", None)
        return cls.objects.create(
            user=user, kind=kind, what=what, area_id=area_id,
            office_name=office.name if office else "", **facts,
        )  # fmt: skip


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

    class Manager(models.Manager["Installation"]):
        def get_demo_state(self) -> bool | None:
            """True for a demo database, False for a real one, None for an empty one."""
            return self.values_list("is_demo", flat=True).first()

    objects = Manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="installation_is_one", condition=Q(id=1)),
        ]

    def __str__(self) -> str:
        return "演示库" if self.is_demo else "正式库"
