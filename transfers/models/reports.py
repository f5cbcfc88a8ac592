"""统计月报: the figures of a month as they were signed off, with the very files that went out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User

READERS = ("sasac", "hr", "auditor")


def areas_of(user: User) -> frozenset[str]:
    """The divisions whose reports USER may read: those he serves, and what lies below."""
    mine = access.scope(user).areas
    return frozenset().union(*(mine.get(slug, frozenset()) for slug in READERS))


class MonthlyReportQuerySet(models.QuerySet["MonthlyReport"]):
    def visible_to(self, user: User) -> MonthlyReportQuerySet:
        return self.filter(access.within("area_id", areas_of(user)))

    def current(self) -> MonthlyReportQuerySet:
        """Without those that a later revision of the same month corrects."""
        later = MonthlyReport.objects.filter(
            area=models.OuterRef("area"), month=models.OuterRef("month"),
            revision__gt=models.OuterRef("revision"),
        )  # fmt: skip
        return self.filter(~models.Exists(later))


class MonthlyReport(Record):
    """One month of one division, signed off; never changed (a trigger), corrected by a revision.

    `paper` and `workbook` are the files themselves, so that they stay byte for byte what was sealed,
    whatever becomes of the program that made them; `digest` is the SHA-256 of the paper.
    """

    area = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="地区", db_index=False
    )
    month = models.DateField("月份")
    revision = models.PositiveSmallIntegerField("版次")
    day = models.DateField("数据截至")
    content: Any = models.JSONField("内容", default=dict)
    leader = models.CharField("审批的主管领导", max_length=50)
    reason = models.CharField("更正原因", max_length=200, blank=True)
    paper = models.BinaryField("报表（PDF）")
    workbook = models.BinaryField("报表（Excel）")
    digest = models.CharField("校验值", max_length=64)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="制表人",
    )  # fmt: skip
    made_at = models.DateTimeField("制表时间", default=timezone.now)

    objects = MonthlyReportQuerySet.as_manager()

    class Meta:
        verbose_name = "统计月报"
        verbose_name_plural = "统计月报"
        ordering = ["-id"]
        indexes = [models.Index(fields=["area", "-id"], name="monthly_report_area")]
        constraints = [
            models.UniqueConstraint(
                fields=["area", "month", "revision"], name="monthly_report_number"
            ),
            models.CheckConstraint(
                name="monthly_report_correction_has_reason",
                condition=Q(revision=1) | ~Q(reason=""),
            ),
        ]

    class Privacy:
        about, kept = "public", "permanent"
        purpose = "留存向上级报送的统计数字（人数，不含个人）"
        private: dict[str, str] = {}
        open = {
            "area", "month", "revision", "day", "content", "leader", "reason", "paper", "workbook",
            "digest", "made_by", "made_at",
        }  # fmt: skip

    def __str__(self) -> str:
        again = f"（第 {self.revision} 版）" if self.revision > 1 else ""
        return f"{self.area.name} {self.month.year} 年 {self.month.month} 月统计月报{again}"

    def get_absolute_url(self) -> str:
        return reverse("transfers:report", args=[self.pk])
