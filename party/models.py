"""第六条第6项: Party relations on their way to the organisation of long-term residence."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record, Sequence

if TYPE_CHECKING:
    from transfers.models import Transfer
    from xianning.models import User

VALID_DAYS_USUAL, VALID_DAYS_MOST = 30, 90


class PartyMoveQuerySet(models.QuerySet["PartyMove"]):
    def visible_to(self, user: User) -> PartyMoveQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class PartyMove(Record):
    """The introduction letter of one Party member, and its receipt.

    A letter that came back is voided and keeps its number; the next letter gets a new one.
    """

    class Means(models.TextChoices):
        PAPER = "paper", "纸质介绍信"
        PROVINCE = "province", "省系统"
        NATION = "nation", "全国系统"

    transfer = models.ForeignKey("transfers.Transfer", models.PROTECT, related_name="party_moves")
    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField("年度")
    serial = models.PositiveIntegerField("序号")
    from_organization = models.CharField("转出党组织", max_length=80)
    from_committee = models.CharField("原所在基层党委", max_length=80)
    to_organization = models.CharField("转入党组织", max_length=80)
    means = models.CharField("转接方式", max_length=10, choices=Means, default=Means.PAPER)
    issued_on = models.DateField("开具日期")
    valid_days = models.PositiveSmallIntegerField("有效期（天）", default=VALID_DAYS_USUAL)
    dues_until = models.DateField("党费交至")
    dues_standard = models.DecimalField(
        "月党费标准（元）", max_digits=7, decimal_places=2, null=True, blank=True
    )
    accepted_on = models.DateField("接收日期", null=True, blank=True)
    accepted_by = models.CharField("经办人", max_length=50, blank=True)
    receipt_number = models.CharField("回执编号", max_length=40, blank=True)
    receipt_on = models.DateField("回执日期", null=True, blank=True)
    remarks = models.CharField("备注", max_length=200, blank=True)
    voided_at = models.DateTimeField("作废时间", null=True, blank=True)
    history = HistoricalRecords()

    objects = PartyMoveQuerySet.as_manager()

    class Meta:
        verbose_name = "组织关系转接"
        verbose_name_plural = "组织关系转接"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "year", "serial"], name="letter_number_once"
            ),
            models.UniqueConstraint(
                fields=["transfer"], name="letter_one_valid", condition=Q(voided_at=None)
            ),
            models.CheckConstraint(
                name="letter_valid_at_most_90_days",
                condition=Q(valid_days__gte=1, valid_days__lte=VALID_DAYS_MOST),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "党员组织关系转接（第六条第6项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "enterprise", "year", "serial", "from_organization", "from_committee",
            "to_organization", "means", "issued_on", "valid_days", "dues_until",
            "dues_standard", "accepted_on", "accepted_by", "receipt_number", "receipt_on",
            "remarks", "voided_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"组介字〔{self.year}〕第{self.serial}号"

    @classmethod
    def issue(
        cls, case: Transfer, *, by: User, issued_on: date, dues_until: date, **facts: Any
    ) -> str:
        """第六条第6项: a letter with the next number of this sender."""
        move = cls.objects.create(
            transfer=case, enterprise_id=case.enterprise_id, year=issued_on.year,
            serial=Sequence.next(f"letter/{case.enterprise_id}/{issued_on.year}"),
            issued_on=issued_on, dues_until=dues_until, **facts,
        )  # fmt: skip
        return f"{move.number}，党费交至 {dues_until:%Y-%m}，有效期 {move.valid_days} 天"

    @classmethod
    def void(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The letter came back or was taken back: its number stays used."""
        for move in cls.objects.filter(transfer=case, voided_at=None):
            move.voided_at = timezone.now()
            move.save()

    @classmethod
    def accept(
        cls, case: Transfer, *, by: User, accepted_on: date, accepted_by: str,
        receipt_number: str, receipt_on: date, remarks: str,
    ) -> str:  # fmt: skip
        """The organisation of long-term residence has taken the member in."""
        move = cls.objects.get(transfer=case, voided_at=None)
        move.accepted_on, move.accepted_by = accepted_on, accepted_by
        move.receipt_number, move.receipt_on, move.remarks = receipt_number, receipt_on, remarks
        move.save()
        return f"回执 {receipt_number}"

    @classmethod
    def unaccept(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The organisation takes its acceptance back; the letter is still valid."""
        move = cls.objects.get(transfer=case, voided_at=None)
        move.accepted_on = move.receipt_on = None
        move.accepted_by = move.receipt_number = ""
        move.save()

    @property
    def expires_on(self) -> date:
        return self.issued_on + timedelta(days=self.valid_days)
