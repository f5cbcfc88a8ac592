"""其他档案 of an enterprise (第六条第4项): what an item of a delivery is, beside how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from transfers.models.handovers import Handover, HandoverItem
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User


class RecordsQuerySet(models.QuerySet["RecordsEntry"]):
    def visible_to(self, user: User) -> RecordsQuerySet:
        return self.filter(item__handover__in=Handover.objects.visible_to(user))


class RecordsEntry(Record):
    """One volume or box of documents other than personnel files.

    Its title and counts stand in the item of the delivery. A title of classified material is never
    kept here: this is no network for state secrets.
    """

    class Category(models.TextChoices):
        DOCUMENT = "document", "文书"
        SCIENCE = "science", "科技"
        ACCOUNTING = "accounting", "会计"
        BUILDING = "building", "基建"
        EQUIPMENT = "equipment", "设备"
        AUDIOVISUAL = "audiovisual", "声像"
        OBJECT = "object", "实物"
        ELECTRONIC = "electronic", "电子"

    class Retention(models.TextChoices):
        PERMANENT = "permanent", "永久"
        YEARS30 = "30", "30年"
        YEARS10 = "10", "10年"

    class Secrecy(models.TextChoices):
        OPEN = "open", "公开"
        INTERNAL = "internal", "内部"
        SECRET = "secret", "秘密"
        CONFIDENTIAL = "confidential", "机密"
        TOP = "top", "绝密"

    class Carrier(models.TextChoices):
        PAPER = "paper", "纸质"
        PHOTO = "photo", "照片"
        TAPE = "tape", "磁带"
        DISC = "disc", "光盘"
        DISK = "disk", "硬盘"
        FILM = "film", "胶片"
        OBJECT = "object", "实物"

    CLASSIFIED = (Secrecy.SECRET, Secrecy.CONFIDENTIAL, Secrecy.TOP)

    item = models.OneToOneField(
        HandoverItem, models.PROTECT, related_name="record", verbose_name="交接明细"
    )
    category = models.CharField("门类", max_length=12, choices=Category)
    number = models.CharField("案卷（盒）号", max_length=40)
    year_from = models.PositiveSmallIntegerField("起始年度")
    year_to = models.PositiveSmallIntegerField("终止年度")
    retention = models.CharField("保管期限", max_length=10, choices=Retention)
    secrecy = models.CharField("密级", max_length=12, choices=Secrecy, default=Secrecy.OPEN)
    carrier = models.CharField("载体", max_length=8, choices=Carrier, default=Carrier.PAPER)
    remarks = models.CharField("备注", max_length=120, blank=True)
    location = models.CharField("存放位置（库/柜/层）", max_length=60, blank=True)
    history = HistoricalRecords()

    objects = RecordsQuerySet.as_manager()

    class Meta:
        verbose_name = "其他档案"
        verbose_name_plural = "其他档案"
        constraints = [
            models.CheckConstraint(
                name="records_years_in_order", condition=Q(year_from__lte=F("year_to"))
            ),
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "其他档案的移交和接收（第五条、第六条第4项）"
        private: dict[str, str] = {}
        open = {
            "item", "category", "number", "year_from", "year_to", "retention", "secrecy", "carrier",
            "remarks", "location",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_category_display()} {self.number}"

    @property
    def years(self) -> str:
        """1998, or 1998–2003."""
        return (
            str(self.year_from)
            if self.year_from == self.year_to
            else f"{self.year_from}–{self.year_to}"
        )
