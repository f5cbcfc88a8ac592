"""人事档案目录: every piece of a personnel file, in ten categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q, Sum
from simple_history.models import HistoricalRecords

from transfers.models.handovers import Counts
from xianning.models import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfers.models import Transfer


class CatalogueQuerySet(models.QuerySet["CatalogueEntry"]):
    def in_order(self) -> CatalogueQuerySet:
        """By category and day; what has no day comes last in its category."""
        last = models.F("year").asc(nulls_last=True)
        return self.order_by("position", last, "month", "day", "pk")

    def counts(self) -> Counts | None:
        """Pieces and pages of all lines together; None when there is none."""
        sums = self.aggregate(pieces=Sum("copies"), pages=Sum("pages"))
        return Counts(1, 0, sums["pieces"], sums["pages"]) if sums["pieces"] else None

    def counts_by_case(self, cases: Iterable[Any]) -> dict[Any, Counts]:
        """The same for each of these cases that has a catalogue."""
        rows = self.filter(transfer__in=list(cases)).order_by().values_list("transfer")
        sums = rows.annotate(pieces=Sum("copies"), all_pages=Sum("pages"))
        return {case: Counts(1, 0, pieces, pages) for case, pieces, pages in sums}


class CatalogueEntry(Record):
    """One line: which material, of which day, how many copies and pages."""

    class Category(models.TextChoices):
        RECORD = "1", "一　履历类"
        SELF = "2", "二　自传和思想类"
        REVIEW = "3", "三　考核鉴定类"
        DEGREE = "4-1", "四-1　学历学位类"
        TITLE = "4-2", "四-2　专业技术职务（职称）类"
        RESEARCH = "4-3", "四-3　学术评鉴类"
        TRAINING = "4-4", "四-4　教育培训类"
        CHECK = "5", "五　政审、审计和审核类"
        PARTY = "6", "六　党、团类"
        PRAISE = "7", "七　表彰奖励类"
        DISCIPLINE = "8", "八　违规违纪违法处理处分类"
        WAGES = "9-1", "九-1　工资类"
        POSTS = "9-2", "九-2　任免类"
        ABROAD = "9-3", "九-3　出国类"
        HIRING = "9-4", "九-4　录用、招工、晋级及代表会议类"
        OTHER = "10", "十　其他可供组织参考的材料"

    transfer = models.ForeignKey("transfers.Transfer", models.PROTECT, related_name="catalogue")
    category = models.CharField("类号", max_length=4, choices=Category)
    position = models.PositiveSmallIntegerField(editable=False)  # of the category, for the order
    title = models.CharField("材料名称", max_length=120)
    year = models.PositiveSmallIntegerField("年", null=True, blank=True)
    month = models.PositiveSmallIntegerField("月", null=True, blank=True)
    day = models.PositiveSmallIntegerField("日", null=True, blank=True)
    copies = models.PositiveSmallIntegerField("份数", default=1)
    pages = models.PositiveSmallIntegerField("页数", default=1)
    remarks = models.CharField("备注", max_length=120, blank=True)
    history = HistoricalRecords()

    objects = CatalogueQuerySet.as_manager()

    class Meta:
        verbose_name = "人事档案目录"
        verbose_name_plural = "人事档案目录"
        constraints = [
            models.CheckConstraint(
                name="catalogue_counts_something", condition=Q(copies__gte=1, pages__gte=1)
            ),
            models.CheckConstraint(
                name="catalogue_day_in_a_month",
                condition=Q(day=None) | Q(month__isnull=False, day__gte=1, day__lte=31),
            ),
            models.CheckConstraint(
                name="catalogue_month_in_a_year",
                condition=Q(month=None) | Q(year__isnull=False, month__gte=1, month__lte=12),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "人事档案目录：材料名称、时间、份数和页数（第六条第4项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "category", "position", "title", "year", "month", "day", "copies", "pages",
            "remarks",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.title

    @classmethod
    def replace(cls, case: Transfer, lines: list[CatalogueEntry]) -> None:
        """The whole catalogue of CASE anew; what it was before is in the history."""
        for old in cls.objects.filter(transfer=case):
            old.delete()
        order = list(cls.Category.values)
        for line in lines:
            line.transfer, line.position = case, order.index(line.category)
            line.save()
