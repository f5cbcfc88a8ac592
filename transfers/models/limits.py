"""How many working days a step may take: the text says only 及时, so this is local policy."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning.models import Record

MOST_DAYS = 120


class StepLimit(Record):
    """本地规定: within how many working days the office of a step acts, and when to remind it.

    Set by the SASAC office of a city or county for the enterprises that it lists; a county that
    sets nothing goes by the city.
    """

    authority = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="设定地区",
        db_index=False,
    )  # fmt: skip
    step = models.CharField("步骤", max_length=12)
    days = models.PositiveSmallIntegerField("办理期限（工作日）")
    warn = models.PositiveSmallIntegerField("提前提醒（工作日）", default=2)
    basis = models.CharField("设定依据", max_length=120)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="设定人",
    )  # fmt: skip
    set_at = models.DateTimeField("设定时间", default=timezone.now)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "办理期限"
        verbose_name_plural = "办理期限"
        ordering = ["authority", "step"]
        constraints = [
            models.UniqueConstraint(fields=["authority", "step"], name="limit_once"),
            models.CheckConstraint(
                name="limit_in_bounds",
                condition=models.Q(days__gte=1, days__lte=MOST_DAYS, warn__lt=models.F("days")),
            ),
        ]

    class Privacy:
        about, kept = "system", "permanent"
        purpose = "记载各步骤的办理期限（本地规定，办法只要求及时）"
        private: dict[str, str] = {}
        open = {"authority", "step", "days", "warn", "basis", "set_by", "set_at"}

    def __str__(self) -> str:
        return f"{self.days} 个工作日"
