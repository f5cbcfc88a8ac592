"""第八条: who needs care and why, how often he is visited, what was found and promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from transfers.choices import SpecialGroup
from xianning import access
from xianning.models import Record
from xianning.privacy import EncryptedTextField

if TYPE_CHECKING:
    from xianning.models import User


class CareGroup(Record):
    """One special group of one person under management, with its reason, from a day until a day.

    The group itself is sealed: it tells of health. 高龄 is never a row, it follows from the date of
    birth. Rows follow the ticks of the ledger entry (`communities.care.follow`).
    """

    reception = models.ForeignKey(
        "communities.Reception", models.PROTECT, related_name="care_groups", verbose_name="台账"
    )
    group = EncryptedTextField("特殊人员类别", max_length=20)
    reason = EncryptedTextField("认定原因", max_length=200, blank=True)
    evidence = EncryptedTextField("证明材料", max_length=200, blank=True)
    since = models.DateField("开始日期")
    until = models.DateField("结束日期", null=True, blank=True)
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="认定人",
    )  # fmt: skip
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="取消人",
    )  # fmt: skip
    history = HistoricalRecords()

    class Meta:
        verbose_name = "关爱类别"
        verbose_name_plural = "关爱类别"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="care_group_ended_by_somebody",
                condition=Q(until=None, ended_by=None)
                | Q(until__isnull=False, ended_by__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "掌握需要关爱的六类人员（第八条）"
        private = {"group": "text", "reason": "text", "evidence": "text"}
        open = {"reception", "since", "until", "begun_by", "ended_by"}
        sensitive = {"group", "reason", "evidence"}

    def __str__(self) -> str:
        return str(SpecialGroup(self.group).label)


class CarePlan(Record):
    """本地规定: how often a street's people of one group are visited, and before which holidays."""

    street = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", db_index=False, verbose_name="街道"
    )
    group = models.CharField("特殊人员类别", max_length=20, choices=SpecialGroup)
    times = models.PositiveSmallIntegerField("每年走访次数", default=0)
    festivals: Any = models.JSONField("节前走访", default=list, blank=True)
    basis = models.CharField("设定依据", max_length=120)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="设定人",
    )  # fmt: skip
    set_at = models.DateTimeField("设定时间", default=timezone.now)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "走访计划"
        verbose_name_plural = "走访计划"
        constraints = [
            models.UniqueConstraint(fields=["street", "group"], name="care_plan_once"),
            models.CheckConstraint(
                name="care_plan_at_most_monthly", condition=Q(times__gte=0, times__lte=12)
            ),
        ]

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "记载走访次数的本地规定（第八条）"
        private: dict[str, str] = {}
        open = {"street", "group", "times", "festivals", "basis", "set_by", "set_at"}

    def __str__(self) -> str:
        return f"{self.street.name}：{self.get_group_display()}每年 {self.times} 次"


class VisitQuerySet(models.QuerySet["Visit"]):
    def visible_to(self, user: User) -> VisitQuerySet:
        """Those to people whom a community of mine keeps now: what was found goes along with them."""
        mine = access.scope(user).areas
        held = mine.get("community", frozenset()) | mine.get("street", frozenset())
        return self.filter(access.within("reception__community_id", held))

    def open(self) -> VisitQuerySet:
        """With a promise that is not kept yet, to people under management."""
        return self.filter(
            promise_due_on__isnull=False, promise_done_on=None, reception__is_active=True
        )


class Visit(Record):
    """One visit: when, who, what was found; what was promised until when, and what became of it."""

    class Way(models.TextChoices):
        HOME = "home", "上门走访"
        PHONE = "phone", "电话慰问"
        OFFICE = "office", "来社区面谈"
        HOSPITAL = "hospital", "到医院、养老机构看望"

    reception = models.ForeignKey(
        "communities.Reception", models.PROTECT, related_name="visits", verbose_name="台账",
        db_index=False,
    )  # fmt: skip
    community = models.ForeignKey(
        "communities.Area",
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name="走访社区",
    )
    on = models.DateField("走访日期")
    way = models.CharField("方式", max_length=10, choices=Way, default=Way.HOME)
    visitors = models.CharField("走访人", max_length=80)
    found = EncryptedTextField("了解到的情况", max_length=500)
    promised = EncryptedTextField("答应办理的事", max_length=300, blank=True)
    promise_due_on = models.DateField("办理期限", null=True, blank=True)
    promise_done_on = models.DateField("办结日期", null=True, blank=True)
    promise_done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="办结人",
    )  # fmt: skip
    outcome = EncryptedTextField("办理结果", max_length=300, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="登记人",
    )  # fmt: skip
    at = models.DateTimeField("登记时间", default=timezone.now)
    history = HistoricalRecords()

    objects = VisitQuerySet.as_manager()

    class Meta:
        verbose_name = "走访记录"
        verbose_name_plural = "走访记录"
        ordering = ["-on", "-id"]
        indexes = [
            models.Index(fields=["reception", "-on", "-id"], name="visit_person"),
            models.Index(fields=["community", "on"], name="visit_community"),
            models.Index(
                fields=["promise_due_on", "id"], name="visit_promise",
                condition=Q(promise_due_on__isnull=False, promise_done_on=None),
            ),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(
                name="visit_promise_kept_by_somebody",
                condition=Q(promise_done_on=None, promise_done_by=None)
                | Q(promise_done_on__isnull=False, promise_done_by__isnull=False,
                    promise_due_on__isnull=False),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "person", "case"
        purpose = "定期走访慰问（第八条）"
        private = {"found": "text", "promised": "text", "outcome": "text"}
        open = {
            "reception", "community", "on", "way", "visitors", "promise_due_on", "promise_done_on",
            "promise_done_by", "by", "at",
        }  # fmt: skip
        sensitive = {"found", "promised", "outcome"}

    def __str__(self) -> str:
        return f"{self.on} {self.get_way_display()}"
