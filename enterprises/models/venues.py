"""第九条: rooms and facilities for retirees that go over to streets and communities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from enterprises.models.enterprise import Enterprise
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User


class VenueQuerySet(models.QuerySet["Venue"]):
    def visible_to(self, user: User) -> VenueQuerySet:
        """Of my enterprises and those of my level's list, and what comes to a community of mine."""
        mine = access.scope(user).areas
        held = mine.get("community", frozenset()) | mine.get("street", frozenset())
        return self.filter(
            Q(enterprise__in=Enterprise.objects.visible_to(user).values("pk"))
            | access.within("community_id", held)
        )


class Venue(Record):
    """One room or facility: whose it is, to which community it goes and how, where that stands."""

    class Kind(models.TextChoices):
        ROOM = "room", "活动室"
        COLLEGE = "college", "老年大学、教室"
        SPORTS = "sports", "文体场地"
        DINING = "dining", "食堂、助餐点"
        EQUIPMENT = "equipment", "设备器材"
        OTHER = "other", "其他"

    class Way(models.TextChoices):
        FREE = "free", "无偿划转"
        EXCHANGE = "exchange", "调换"

    class State(models.TextChoices):
        OPEN = "open", "待接收"
        RECEIVED = "received", "已接收"
        RETURNED = "returned", "已退回"
        WITHDRAWN = "withdrawn", "已撤回"

    enterprise = models.ForeignKey(
        Enterprise, models.PROTECT, related_name="venues", verbose_name="企业", db_index=False
    )
    community = models.ForeignKey(
        "communities.Area",
        models.PROTECT,
        related_name="+",
        verbose_name="接收社区",
        db_index=False,
    )
    name = models.CharField("名称", max_length=60)
    kind = models.CharField("类别", max_length=10, choices=Kind)
    address = models.CharField("坐落地址", max_length=120)
    area = models.DecimalField(
        "面积（平方米）", max_digits=9, decimal_places=2, null=True, blank=True
    )
    value = models.DecimalField(
        "账面价值（元）", max_digits=13, decimal_places=2, null=True, blank=True
    )
    way = models.CharField("移交方式", max_length=10, choices=Way)
    exchanged_for = models.CharField("调换何物", max_length=120, blank=True)
    papers = models.CharField("权属证明、批准文号", max_length=160, blank=True)
    state = models.CharField("状态", max_length=10, choices=State, default=State.OPEN)
    filed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="登记人",
    )  # fmt: skip
    filed_at = models.DateTimeField("登记时间", default=timezone.now)
    answered_on = models.DateField("接收或退回日期", null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="接收经办人",
    )  # fmt: skip
    note = models.CharField("接收情况、退回或撤回原因", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = VenueQuerySet.as_manager()

    class Meta:
        verbose_name = "活动场所设施"
        verbose_name_plural = "活动场所设施"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="venue_enterprise"),
            models.Index(fields=["community", "-id"], name="venue_community"),
        ]
        constraints = [
            models.CheckConstraint(
                name="venue_exchange_names_what",
                condition=Q(way="free", exchanged_for="") | (Q(way="exchange") & ~Q(exchanged_for="")),
            ),
            models.CheckConstraint(
                name="venue_answered_by_somebody",
                condition=Q(state__in=("open", "withdrawn"), answered_on=None, answered_by=None)
                | Q(state__in=("received", "returned"), answered_on__isnull=False,
                    answered_by__isnull=False),
            ),
            models.CheckConstraint(
                name="venue_return_has_reason",
                condition=~Q(state__in=("returned", "withdrawn")) | ~Q(note=""),
            ),
            models.CheckConstraint(
                name="venue_measured",
                condition=(Q(area=None) | Q(area__gt=0)) & (Q(value=None) | Q(value__gte=0)),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "public", "permanent"
        purpose = "登记活动场所和设施的划转、调换（第九条）"
        private: dict[str, str] = {}
        open = {
            "enterprise", "community", "name", "kind", "address", "area", "value", "way",
            "exchanged_for", "papers", "state", "filed_by", "filed_at", "answered_on",
            "answered_by", "note",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("enterprises:venue", args=[self.pk])
