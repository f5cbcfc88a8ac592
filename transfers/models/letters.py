"""移交通知书: with which letters an enterprise hands people over to a street."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User


class HandoverLetterQuerySet(models.QuerySet["HandoverLetter"]):
    def visible_to(self, user: User) -> HandoverLetterQuerySet:
        return self.filter(enterprise_id__in=access.scope(user).enterprises)


class HandoverLetter(Record):
    """移交通知书 to one street or township, numbered by its sender without gaps.

    Who is named in it stands in the print log, under its number.
    """

    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, related_name="+")
    area = models.ForeignKey("communities.Area", models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField("年度")
    serial = models.PositiveIntegerField("序号")
    issued_on = models.DateField("成文日期")
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    people = models.PositiveIntegerField("人数")
    token = models.CharField(max_length=32)  # of the press of the button

    objects = HandoverLetterQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "移交通知书"
        verbose_name_plural = "移交通知书"
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "year", "serial"], name="handover_number_once"
            ),
            models.UniqueConstraint(
                fields=["issued_by", "token", "enterprise", "area"], name="handover_once"
            ),
            models.CheckConstraint(condition=models.Q(people__gt=0), name="handover_of_somebody"),
        ]
        indexes = [models.Index(fields=["enterprise", "-id"], name="handover_of_enterprise")]

    class Privacy:
        about, kept = "office", "case"
        purpose = "移交通知书（第五条、第六条第5项）"
        private: dict[str, str] = {}
        open = {
            "enterprise", "area", "year", "serial", "issued_on", "issued_by", "people", "token",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"退管移字〔{self.year}〕第{self.serial}号"
