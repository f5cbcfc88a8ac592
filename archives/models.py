"""第六条第4项: personnel files on their way from the enterprise to the social-insurance agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record, Sequence

if TYPE_CHECKING:
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User


class DeliveryNote(Record):
    """档案转递单: one delivery of one or several files, numbered by its sender without gaps."""

    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, related_name="+")
    receiver = models.ForeignKey("communities.Area", models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField("年度")
    serial = models.PositiveIntegerField("序号")
    delivered_on = models.DateField("转递日期")
    carrier = models.CharField("送档人", max_length=50)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "档案转递单"
        verbose_name_plural = "档案转递单"
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "year", "serial"], name="delivery_number_once"
            )
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "档案转递单（第六条第4项）"
        private: dict[str, str] = {}
        open = {"enterprise", "receiver", "year", "serial", "delivered_on", "carrier"}

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"档转字〔{self.year}〕第{self.serial}号"


class PersonnelFileQuerySet(models.QuerySet["PersonnelFile"]):
    def visible_to(self, user: User) -> PersonnelFileQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class PersonnelFile(Record):
    """人事档案 of one retiree: what was sent, what was received, where it stands."""

    class Reason(models.TextChoices):
        RETIRED = "retired", "退休社会化管理移交"
        SUPPLEMENT = "supplement", "补充材料"

    transfer = models.OneToOneField(
        "transfers.Transfer", models.PROTECT, related_name="personnel_file"
    )
    note = models.ForeignKey(
        DeliveryNote, models.PROTECT, related_name="files", verbose_name="转递单"
    )
    originals = models.PositiveSmallIntegerField("正本（卷）", default=1)
    duplicates = models.PositiveSmallIntegerField("副本（卷）", default=0)
    items = models.PositiveSmallIntegerField("材料（份）")
    pages = models.PositiveIntegerField("页数", null=True, blank=True)
    area = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="接收地"
    )
    reason = models.CharField("转递原因", max_length=12, choices=Reason, default=Reason.RETIRED)
    missing = models.CharField("缺失材料及说明", max_length=200, blank=True)
    accepted_on = models.DateField("接收日期", null=True, blank=True)
    accepted_by = models.CharField("接收人", max_length=50, blank=True)
    archive_number = models.CharField("档案编号", max_length=40, blank=True)
    location = models.CharField("存放位置（库/柜/层）", max_length=60, blank=True)
    remarks = models.CharField("备注", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = PersonnelFileQuerySet.as_manager()

    class Meta:
        verbose_name = "人事档案"
        verbose_name_plural = "人事档案"
        constraints = [
            # Within one agency: a number refused to one must not tell what another has received.
            models.UniqueConstraint(
                fields=["area", "archive_number"], name="archive_number_once",
                condition=~models.Q(archive_number=""),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "person", "case"
        purpose = "人事档案的移交和接收（第六条第4项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "note", "area", "originals", "duplicates", "items", "pages", "reason",
            "missing", "accepted_on", "accepted_by", "archive_number", "location", "remarks",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.note} {self.originals}+{self.duplicates} 卷 {self.items} 份"

    @classmethod
    def deliver(
        cls, case: Transfer, *, by: User, carrier: str, delivered_on: date, originals: int,
        duplicates: int, items: int, pages: int | None, missing: str,
    ) -> str:  # fmt: skip
        """第六条第4项: a note with the next number of this sender, and the file on it."""
        note = DeliveryNote.objects.create(
            enterprise_id=case.enterprise_id, receiver_id=str(case.archive_area_id),
            year=delivered_on.year, delivered_on=delivered_on, carrier=carrier,
            serial=Sequence.next(f"delivery/{case.enterprise_id}/{delivered_on.year}"),
        )  # fmt: skip
        file = cls.objects.filter(transfer=case).first() or cls(transfer=case)
        file.note, file.originals, file.duplicates = note, originals, duplicates
        file.items, file.pages, file.missing = items, pages, missing
        file.area_id = note.receiver_id
        file.save()
        return f"{note.number}，正本 {originals} 卷、副本 {duplicates} 卷、材料 {items} 份"

    @classmethod
    def accept(
        cls, case: Transfer, *, by: User, accepted_on: date, accepted_by: str,
        archive_number: str, location: str, remarks: str,
    ) -> str:  # fmt: skip
        """The agency has checked the file against the note and gives it its own number."""
        file = cls.objects.get(transfer=case)
        file.accepted_on, file.accepted_by = accepted_on, accepted_by
        file.archive_number, file.location, file.remarks = archive_number, location, remarks
        file.area_id = str(case.archive_area_id)
        file.save()
        return f"档案编号 {archive_number}"

    @classmethod
    def unaccept(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The agency takes its acceptance back."""
        file = cls.objects.get(transfer=case)
        file.accepted_on, file.accepted_by, file.archive_number = None, "", ""
        file.save()
