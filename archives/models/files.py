"""第六条第4项: personnel files on their way from the enterprise to the social-insurance agency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from simple_history.models import HistoricalRecords

from transfers import handovers
from transfers.models.handovers import Counts, Desk, Handover, HandoverItem
from transfers.refusal import Refused
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User


class PersonnelFileQuerySet(models.QuerySet["PersonnelFile"]):
    def visible_to(self, user: User) -> PersonnelFileQuerySet:
        return self.filter(access.cases(user, "transfer__"))

    def delivered(self) -> PersonnelFileQuerySet:
        """Those that have left the enterprise: what is only packed is no delivery."""
        return self.exclude(item__handover__state=Handover.State.PACKING)


class PersonnelFile(Record):
    """人事档案 of one retiree: in which delivery it lies, what is missing, where it stands.

    How much was sent and received is told by its item in the delivery.
    """

    class Reason(models.TextChoices):
        RETIRED = "retired", "退休社会化管理移交"
        SUPPLEMENT = "supplement", "补充材料"

    class Lane(models.TextChoices):
        """Where the file is. All but the first are stated with evidence instead of delivered."""

        DELIVERED = "delivered", "移交档案"
        HELD = "held", "档案已在接收的经办机构"
        ELSEWHERE = "elsewhere", "档案存放在其他机构"
        NONE = "none", "无人事档案"

    transfer = models.OneToOneField(
        "transfers.Transfer", models.PROTECT, related_name="personnel_file"
    )
    lane = models.CharField("档案情况", max_length=10, choices=Lane, default=Lane.DELIVERED)
    holder = models.CharField("存放机构", max_length=80, blank=True)
    evidence = models.CharField("依据", max_length=200, blank=True)
    evidence_on = models.DateField("依据日期", null=True, blank=True)
    item = models.OneToOneField(
        HandoverItem, models.PROTECT, related_name="file", verbose_name="交接明细"
    )
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
            models.CheckConstraint(
                name="file_stated_with_evidence",
                condition=models.Q(lane="delivered", evidence="", evidence_on=None, holder="")
                | (
                    models.Q(lane__in=("held", "none"), evidence_on__isnull=False, holder="")
                    & ~models.Q(evidence="")
                )
                | (
                    models.Q(lane="elsewhere", evidence_on__isnull=False)
                    & ~models.Q(evidence="") & ~models.Q(holder="")
                ),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "person", "case"
        purpose = "人事档案的移交和接收（第六条第4项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "item", "area", "lane", "holder", "evidence", "evidence_on", "reason",
            "missing", "accepted_on", "accepted_by",
            "archive_number", "location", "remarks",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.item.handover} {self.item.counts}"

    @property
    def statement(self) -> str:
        """Where the file is, and by which evidence; empty when it is delivered."""
        if self.lane == self.Lane.DELIVERED:
            return ""
        place = f"（{self.holder}）" if self.holder else ""
        return f"{self.get_lane_display()}{place}，依据：{self.evidence}（{self.evidence_on}）"

    @property
    def explained(self) -> str:
        """What the roster says of it: the statement, or what is missing."""
        return self.statement or self.missing

    @classmethod
    def pack(
        cls, handover: Handover, case: Transfer, *, by: User, counts: Counts, missing: str = ""
    ) -> PersonnelFile:
        """Put the file of CASE into a delivery that is being packed."""
        if case.archive_area_id != handover.to_area_id:
            raise Refused(
                f"{case.retiree.name}的档案接收地不是{handover.receiver.name}，请另装一批。"
            )
        return cls._put_in(handover, case, by=by, counts=counts, missing=missing)

    @classmethod
    def _put_in(
        cls, handover: Handover, case: Transfer, *, by: User, counts: Counts, missing: str = "",
        lane: str = Lane.DELIVERED, holder: str = "", evidence: str = "",
        evidence_on: date | None = None,
    ) -> PersonnelFile:  # fmt: skip
        item = handovers.put_in(handover, by=by, counts=counts, case=case)
        file = cls.objects.filter(transfer=case).first() or cls(transfer=case)
        file.item, file.missing, file.area_id = item, missing, str(case.archive_area_id)
        file.lane, file.holder = lane, holder
        file.evidence, file.evidence_on = evidence, evidence_on
        file.save()
        return file

    @classmethod
    def of(cls, case: Transfer) -> PersonnelFile:
        """The file of CASE with its item and delivery."""
        return cls.objects.select_related("item__handover").get(transfer=case)

    # --- what the steps of the case do to it ---

    @classmethod
    def deliver(
        cls, case: Transfer, *, by: User, counts: Counts | None = None, missing: str = "",
        lane: str = Lane.DELIVERED, stated: dict[str, Any] | None = None, **how: Any,
    ) -> str:  # fmt: skip
        """第六条第4项: send it. Without COUNTS it lies in a delivery that was just sent as a whole.

        Where there is no file to send, LANE and what is STATED (holder, evidence, evidence_on) go
        instead, as a hand-over of its own kind and number.
        """
        if counts is not None:
            packed = HandoverItem.objects.filter(transfer=case, kind="personnel", state="waiting")
            if packed.exists():
                raise Refused("此人的档案已装入一批待移交档案，请在“档案移交”中随该批送出。")
            handover = handovers.pack(
                "personnel" if lane == cls.Lane.DELIVERED else "statement", by=by,
                sender=Desk("enterprise", enterprise=case.enterprise),
                receiver=Desk("insurance", area=case.archive_area),
            )  # fmt: skip
            cls._put_in(handover, case, by=by, counts=counts, missing=missing, lane=lane,
                        **stated or {})  # fmt: skip
            handovers.send(handover, by=by, announce=False, **how)  # the workflow does
        file = cls.of(case)
        return f"{file.item.handover.number}，{file.statement or file.item.counts}"

    @classmethod
    def come_back(cls, case: Transfer, *, by: User, code: str, reason: str) -> None:
        """The agency returns it."""
        handovers.send_back(cls.of(case).item, by=by, code=code, reason=reason)

    @classmethod
    def take_back(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The enterprise takes it back before it is received."""
        handovers.take_back(cls.of(case).item, by=by, reason=reason)

    @classmethod
    def accept(
        cls, case: Transfer, *, by: User, got: Counts, accepted_on: date, accepted_by: str,
        archive_number: str, location: str, remarks: str, difference: str = "",
    ) -> str:  # fmt: skip
        """The agency has checked the file against the note and gives it its own number."""
        file = cls.of(case)
        handovers.accept(file.item, by=by, got=got, note=remarks, difference=difference)
        taken = cls.objects.filter(area=file.area, archive_number=archive_number)
        if taken.exclude(pk=file.pk).exists():
            raise Refused(f"档案编号 {archive_number} 已使用，请换一个。")
        file.accepted_on, file.accepted_by = accepted_on, accepted_by
        file.archive_number, file.location, file.remarks = archive_number, location, remarks
        file.save()
        lane = "" if file.lane == cls.Lane.DELIVERED else f"（{file.get_lane_display()}）"
        return f"档案编号 {archive_number}{lane}"

    @classmethod
    def unaccept(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The agency takes its acceptance back."""
        file = cls.of(case)
        handovers.reopen(file.item, by=by, reason=reason)
        file.accepted_on, file.accepted_by, file.archive_number = None, "", ""
        file.save()
