"""工作经费纳入同级财政预算: what a person a year costs by local policy, and budget sheets that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User

# Who plans, who looks after people, who checks.
READERS = ("sasac", "hr", "street", "auditor")


def areas_of(user: User) -> frozenset[str]:
    """The divisions whose budget USER may read: those that he serves, and what lies below."""
    mine = access.scope(user).areas
    return frozenset().union(*(mine.get(slug, frozenset()) for slug in READERS))


class FundStandard(Record):
    """本地规定: yuan for one person under management in one year; no rate is built in.

    A county that sets none goes by the city.
    """

    area = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="设定地区",
        db_index=False,
    )  # fmt: skip
    year = models.PositiveSmallIntegerField("年度")
    amount = models.DecimalField("人均标准（元/年）", max_digits=8, decimal_places=2)
    source = models.CharField("依据", max_length=120)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="设定人",
    )  # fmt: skip
    set_at = models.DateTimeField("设定时间", default=timezone.now)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "经费标准"
        verbose_name_plural = "经费标准"
        ordering = ["area", "-year"]
        constraints = [
            models.UniqueConstraint(fields=["area", "year"], name="fund_standard_once"),
            models.CheckConstraint(name="fund_standard_positive", condition=Q(amount__gt=0)),
        ]

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "记载社会化管理服务工作经费的人均标准（本地规定，纳入同级财政预算）"
        private: dict[str, str] = {}
        open = {"area", "year", "amount", "source", "set_by", "set_at"}

    def __str__(self) -> str:
        return f"{self.year} 年 {self.amount} 元"


class FundSheetQuerySet(models.QuerySet["FundSheet"]):
    def visible_to(self, user: User) -> FundSheetQuerySet:
        return self.filter(access.within("area_id", areas_of(user)))


class FundSheet(Record):
    """A budget sheet as it was signed for: the figures of that moment, never changed (a trigger)."""

    area = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="地区", db_index=False
    )
    serial = models.PositiveIntegerField("序号")
    day = models.DateField("人数截至")
    lines: Any = models.JSONField("分行", default=list)
    people = models.PositiveIntegerField("管理服务人数")
    amount = models.DecimalField("经费（元）", max_digits=14, decimal_places=2, null=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="制表人",
    )  # fmt: skip
    made_at = models.DateTimeField("制表时间", default=timezone.now)

    objects = FundSheetQuerySet.as_manager()

    class Meta:
        verbose_name = "经费测算表"
        verbose_name_plural = "经费测算表"
        ordering = ["-id"]
        indexes = [models.Index(fields=["area", "-id"], name="fund_sheet_area")]
        constraints = [models.UniqueConstraint(fields=["area", "serial"], name="fund_sheet_number")]

    class Privacy:
        about, kept = "public", "permanent"
        purpose = "留存当时的管理服务人数和经费测算"
        private: dict[str, str] = {}
        open = {"area", "serial", "day", "lines", "people", "amount", "made_by", "made_at"}

    def __str__(self) -> str:
        return f"{self.area.name}经费测算表 第 {self.serial} 号"
