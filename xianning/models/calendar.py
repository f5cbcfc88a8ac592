"""Which days are worked: holidays and make-up working days by notice of the State Council."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class CalendarDay(models.Model):
    """A day that differs from its week: a holiday, or a weekend day that is worked (调休).

    A year whose rows name a notice is known; the days of any other year are an estimate (暂估):
    its statutory days without the exchanges that the notice will order.
    """

    day = models.DateField("日期", primary_key=True)
    works = models.BooleanField("上班")
    name = models.CharField("节日", max_length=20)
    notice = models.CharField("依据", max_length=80, blank=True)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    set_at = models.DateTimeField("导入时间", null=True)

    class Meta:
        verbose_name = "工作日历"
        verbose_name_plural = "工作日历"
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(
                name="calendar_set_by_somebody",
                condition=models.Q(set_by=None, set_at=None)
                | models.Q(set_by__isnull=False, set_at__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "计算工作日（国务院办公厅放假安排通知）"
        private: dict[str, str] = {}
        open = {"day", "works", "name", "notice", "set_by", "set_at"}

    def __str__(self) -> str:
        return f"{self.day} {self.name}{'上班' if self.works else '放假'}"
