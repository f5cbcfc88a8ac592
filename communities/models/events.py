"""第十条: what happens to a retiree, reported to HR and to medical insurance, and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record
from xianning.privacy import EncryptedTextField

if TYPE_CHECKING:
    from xianning.models import User

RED_LINE = 20  # working days, 社会保险经办条例: benefits that are no longer due are stopped
RECEIVERS = ("hr", "medical")


class LifeEventQuerySet(models.QuerySet["LifeEvent"]):
    def visible_to(self, user: User) -> LifeEventQuerySet:
        """Those of my communities, and those that were sent to a desk of mine. Never an enterprise's."""
        mine = access.scope(user)
        held = mine.areas.get("community", frozenset()) | mine.areas.get("street", frozenset())
        sent = EventReceipt.objects.at_desks_of(user).filter(event=OuterRef("pk"))
        return self.filter(access.within("community_id", held) | Exists(sent))

    def standing(self) -> LifeEventQuerySet:
        """Without those that were reported by mistake."""
        return self.filter(corrected_at=None)

    def open(self) -> LifeEventQuerySet:
        """Standing, and not yet acknowledged by both."""
        waiting = EventReceipt.objects.filter(event=OuterRef("pk"), acknowledged_at=None)
        return self.standing().filter(Exists(waiting))


class LifeEvent(Record):
    """One report: what happened to whom, when; who must know; by which working day they answer."""

    class Kind(models.TextChoices):
        MOVED = "moved", "居住地变更"
        SENTENCED = "sentenced", "被判刑"
        DIED = "died", "死亡"
        MISSING = "missing", "失踪"
        UNCERTIFIED = "uncertified", "逾期未认证"
        DOUBLE = "double", "重复领取养老金"

    class Source(models.TextChoices):
        COMMUNITY = "community", "社区上报"
        LIST = "list", "社保比对名单"

    transfer = models.ForeignKey(
        "transfers.Transfer", models.PROTECT, related_name="life_events", verbose_name="案卷"
    )
    community = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="社区", db_index=False
    )
    kind = models.CharField("事项", max_length=12, choices=Kind)
    happened_on = models.DateField("发生日期")
    details = EncryptedTextField("情况说明", max_length=300, blank=True)
    source = models.CharField("来源", max_length=10, choices=Source, default=Source.COMMUNITY)
    reported_at = models.DateTimeField("报告时间", default=timezone.now)
    reported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="报告人",
        db_index=False,
    )  # fmt: skip
    due_on = models.DateField("答复期限")
    corrected_at = models.DateTimeField("更正时间", null=True, blank=True)
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="更正人",
    )  # fmt: skip
    corrected_why = models.CharField("更正原因", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = LifeEventQuerySet.as_manager()

    class Meta:
        verbose_name = "状态变动"
        verbose_name_plural = "状态变动"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["community", "-id"], name="event_community"),
            models.Index(fields=["due_on"], name="event_due", condition=Q(corrected_at=None)),
        ]
        constraints = [
            # Dead is dead once; a second report of it is a mistake of somebody else.
            models.UniqueConstraint(
                fields=["transfer", "kind"],
                name="event_once",
                condition=Q(corrected_at=None, kind__in=("died", "missing", "sentenced")),
            ),
            models.CheckConstraint(
                name="event_corrected_by_somebody",
                condition=Q(corrected_at=None, corrected_by=None, corrected_why="")
                | (
                    Q(corrected_at__isnull=False, corrected_by__isnull=False) & ~Q(corrected_why="")
                ),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "报告人员状态变动（第十条）"
        private = {"details": "text"}
        open = {
            "transfer", "community", "kind", "happened_on", "source", "reported_at", "reported_by",
            "due_on", "corrected_at", "corrected_by", "corrected_why",
        }  # fmt: skip
        sensitive = {"kind", "happened_on", "details", "corrected_why"}

    def __str__(self) -> str:
        return self.get_kind_display()


class EventReceiptQuerySet(models.QuerySet["EventReceipt"]):
    def at_desks_of(self, user: User) -> EventReceiptQuerySet:
        """Those that an office of mine owes or gave."""
        mine = access.scope(user)
        rows = Q(pk__in=[])
        for role in mine.served & {*RECEIVERS}:
            rows |= Q(role=role) & mine.places(role)
        return self.filter(rows)

    def waiting_for(self, user: User) -> EventReceiptQuerySet:
        """Those that an office of mine still owes."""
        return self.at_desks_of(user).filter(acknowledged_at=None, event__corrected_at=None)


class EventReceipt(Record):
    """One of the two receivers of a report: that it knows, and what it did."""

    class Deed(models.TextChoices):
        STOPPED = "stopped", "已停发待遇"
        ALLOWANCE = "allowance", "已核发丧葬补助金、抚恤金"
        RESUMED = "resumed", "已恢复待遇"
        RECOVERING = "recovering", "已通知退还多领待遇"
        CHANGED = "changed", "已变更登记"
        NOTED = "noted", "已知悉，无须处理"

    event = models.ForeignKey(LifeEvent, models.PROTECT, related_name="receipts", db_index=False)
    role = models.CharField("接收部门", max_length=20)
    area = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="地区", db_index=False
    )
    acknowledged_at = models.DateTimeField("签收时间", null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="签收人",
    )  # fmt: skip
    office_name = models.CharField("签收机构", max_length=80, blank=True)
    deed = models.CharField("处理结果", max_length=12, choices=Deed, blank=True)
    note = models.CharField("处理说明", max_length=200, blank=True)
    reminded_on = models.DateField("催办日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = EventReceiptQuerySet.as_manager()

    class Meta:
        verbose_name = "状态变动签收"
        verbose_name_plural = "状态变动签收"
        ordering = ["event", "role"]
        indexes = [
            models.Index(
                fields=["role", "area", "-id"], name="event_inbox",
                condition=Q(acknowledged_at=None),
            ),
            models.Index(fields=["role", "area", "event"], name="event_desk"),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(fields=["event", "role"], name="event_receiver_once"),
            models.CheckConstraint(
                name="event_acknowledged_with_its_deed",
                condition=Q(acknowledged_at=None, acknowledged_by=None, deed="")
                | (Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False) & ~Q(deed="")),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "人社、医保部门签收状态变动报告（第十条）"
        private: dict[str, str] = {}
        open = {
            "event", "role", "area", "acknowledged_at", "acknowledged_by", "office_name", "deed",
            "note", "reminded_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.get_deed_display() or "待签收"
