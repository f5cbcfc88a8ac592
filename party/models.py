"""第六条第6项: Party relations on their way to the organisation of long-term residence."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from party.members import PartyAttendance, PartyMeeting, PartyMember, died
from party.organizations import PartyOrganization
from transfers.refusal import Refused
from xianning import access, standards
from xianning.models import Record, Sequence

if TYPE_CHECKING:
    from transfers.models import Transfer
    from xianning.models import User

__all__ = [
    "LetterReminder", "PartyAttendance", "PartyMeeting", "PartyMember", "PartyMove",
    "PartyOrganization",
]  # fmt: skip

VALID_DAYS_USUAL, VALID_DAYS_MOST = 30, 90


class Stage(models.TextChoices):
    """How far a letter has come; told by its dates, never stored."""

    ISSUED = "issued", "已开，待接收"
    EXPIRED = "expired", "已过期，须重开"
    ACCEPTED = "accepted", "已接收，待回执"
    SETTLED = "settled", "已回执，办结"
    VOID = "void", "作废"


POCKET = "pocket"  # 口袋党员: the receipt never came


class PartyMoveQuerySet(models.QuerySet["PartyMove"]):
    def visible_to(self, user: User) -> PartyMoveQuerySet:
        return self.filter(access.cases(user, "transfer__"))

    def in_life(self, stage: str) -> PartyMoveQuerySet:
        """Letters that have come as far as STAGE says today; all of them for no stage."""
        today = timezone.localdate()
        sent = Q(voided_at=None, accepted_on=None)
        taken = Q(voided_at=None, accepted_on__isnull=False, receipt_on=None)
        pocket = sent & Q(expires_on__lt=today) | taken & Q(
            accepted_on__lt=standards.months_before(today)
        )
        stages = {
            Stage.ISSUED: sent & Q(expires_on__gte=today),
            Stage.EXPIRED: sent & Q(expires_on__lt=today),
            Stage.ACCEPTED: taken,
            Stage.SETTLED: Q(voided_at=None, receipt_on__isnull=False),
            Stage.VOID: Q(voided_at__isnull=False),
            POCKET: pocket,
        }
        return self.filter(stages[stage]) if stage else self

    def to_take_in(self) -> PartyMoveQuerySet:
        """Accepted here, and the member is in no branch yet; not the dead."""
        return self.filter(
            ~died(), voided_at=None, accepted_on__isnull=False, taken_on=None,
            receiver__isnull=False,
        )  # fmt: skip


class PartyMove(Record):
    """The introduction letter of one Party member, and its receipt.

    A letter that came back is voided and keeps its number; the next letter gets a new one.
    """

    class Means(models.TextChoices):
        HERE = "here", "本系统"
        PAPER = "paper", "纸质介绍信"
        PROVINCE = "province", "省系统"
        NATION = "nation", "全国系统"

    class Way(models.TextChoices):
        HAND = "hand", "人工登记"
        PAGE = "page", "回执页"

    transfer = models.ForeignKey("transfers.Transfer", models.PROTECT, related_name="party_moves")
    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, related_name="+")
    issuer = models.ForeignKey(
        PartyOrganization, models.PROTECT, related_name="issued", verbose_name="开具介绍信的党委"
    )
    receiver = models.ForeignKey(
        PartyOrganization, models.PROTECT, null=True, blank=True, related_name="received",
        verbose_name="接收党委（咸宁市外的为空）",
    )  # fmt: skip
    year = models.PositiveSmallIntegerField("年度")
    serial = models.PositiveIntegerField("序号")
    from_organization = models.CharField("转出党组织", max_length=80)
    from_committee = models.CharField("原所在基层党委", max_length=80)
    to_organization = models.CharField("转入党组织", max_length=80)
    means = models.CharField("转接方式", max_length=10, choices=Means, default=Means.PAPER)
    outside_number = models.CharField("其他系统编号", max_length=40, blank=True)
    issued_on = models.DateField("开具日期")
    valid_days = models.PositiveSmallIntegerField("有效期（天）", default=VALID_DAYS_USUAL)
    expires_on = models.DateField("有效期至")
    dues_until = models.DateField("党费交至")
    dues_standard = models.DecimalField(
        "月党费标准（元）", max_digits=7, decimal_places=2, null=True, blank=True
    )
    accepted_on = models.DateField("接收日期", null=True, blank=True)
    accepted_by = models.CharField("经办人", max_length=50, blank=True)
    receipt_number = models.CharField("回执编号", max_length=40, blank=True)
    receipt_on = models.DateField("回执日期", null=True, blank=True)
    receipt_way = models.CharField("回执途径", max_length=4, choices=Way, blank=True)
    taken_on = models.DateField("纳入支部日期", null=True, blank=True, editable=False)
    remarks = models.CharField("备注", max_length=200, blank=True)
    voided_at = models.DateTimeField("作废时间", null=True, blank=True)
    void_reason = models.CharField("作废原因", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = PartyMoveQuerySet.as_manager()

    class Meta:
        verbose_name = "组织关系转接"
        verbose_name_plural = "组织关系转接"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "year", "serial"], name="letter_number_once"),
            models.UniqueConstraint(
                fields=["transfer"], name="letter_one_valid", condition=Q(voided_at=None)
            ),
            models.CheckConstraint(
                name="letter_valid_at_most_90_days",
                condition=Q(valid_days__gte=1, valid_days__lte=VALID_DAYS_MOST),
            ),
            models.CheckConstraint(
                name="letter_receipt_after_acceptance",
                condition=Q(receipt_on=None) | Q(accepted_on__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_on"], name="letter_without_receipt",
                condition=Q(voided_at=None, receipt_on=None),
            ),
            models.Index(
                fields=["receiver", "-id"], name="letter_to_take_in",
                condition=Q(voided_at=None, accepted_on__isnull=False, taken_on=None),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "person", "case"
        purpose = "党员组织关系转接（第六条第6项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "enterprise", "issuer", "receiver", "outside_number", "year",
            "serial", "from_organization", "from_committee", "to_organization", "means",
            "issued_on", "valid_days", "dues_until",
            "dues_standard", "accepted_on", "accepted_by", "receipt_number", "receipt_on",
            "receipt_way", "remarks", "voided_at", "void_reason", "expires_on", "taken_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"组介字〔{self.year}〕第{self.serial}号"

    @classmethod
    def issue(
        cls,
        case: Transfer,
        *,
        by: User,
        issuer: PartyOrganization,
        receiver: PartyOrganization | None,
        to_organization: str,
        issued_on: date,
        dues_until: date,
        **facts: Any,
    ) -> str:
        """第六条第6项: a letter with the next number of its committee, and the names of that day."""
        ids = {issuer.pk} | ({receiver.pk} if receiver else set())
        # In the order of the ids, so that two clerks never wait for each other.
        kept = {
            each.pk: each
            for each in PartyOrganization.objects.select_for_update(of=("self",))
            .select_related("parent")
            .filter(pk__in=ids)
            .order_by("pk")
        }
        issuer, receiver = kept[issuer.pk], kept[receiver.pk] if receiver else None
        if reason := issuer.why_not_transfer("开具"):
            raise Refused(reason)
        if receiver and (reason := receiver.why_not_transfer("接收")):
            raise Refused(reason)
        move = cls.objects.create(
            transfer=case, enterprise_id=case.enterprise_id, issuer=issuer, receiver=receiver,
            year=issued_on.year, serial=Sequence.next(f"letter/{issuer.pk}/{issued_on.year}"),
            from_committee=issuer.name,
            to_organization=receiver.name if receiver else to_organization,
            issued_on=issued_on, dues_until=dues_until,
            expires_on=issued_on + timedelta(days=facts["valid_days"]), **facts,
        )  # fmt: skip
        return f"{move.number}，党费交至 {dues_until:%Y-%m}，有效期 {move.valid_days} 天"

    @classmethod
    def void(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The letter came back or was taken back: its number stays used."""
        for move in cls.objects.filter(transfer=case, voided_at=None):
            move.voided_at, move.void_reason = timezone.now(), reason[:200]
            move.save()

    @classmethod
    def accept(
        cls, case: Transfer, *, by: User, accepted_on: date, accepted_by: str,
        receipt_number: str, receipt_on: date | None, remarks: str, way: str = Way.HAND,
        elsewhere: bool = False,
    ) -> str:  # fmt: skip
        """The organisation of long-term residence has taken the member in."""
        move = cls.objects.select_for_update().get(transfer=case, voided_at=None)
        if reason := move.why_not_accept(accepted_on, elsewhere=elsewhere):
            raise Refused(reason)
        move.receipt_way = way if receipt_on else ""
        move.accepted_on, move.accepted_by = accepted_on, accepted_by
        move.receipt_number, move.receipt_on, move.remarks = receipt_number, receipt_on, remarks
        move.save()
        return f"回执 {receipt_number}" if receipt_on else "已接收，回执待寄回"

    @classmethod
    def unaccept(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The organisation takes its acceptance back; the letter is still valid."""
        move = cls.objects.get(transfer=case, voided_at=None)
        if move.receiver_id is None:
            raise Refused("回执来自咸宁市外的接收党组织，不能在本地撤回。")
        if move.taken_on:
            raise Refused("党员已纳入支部，不能撤回接收。")
        move.accepted_on = move.receipt_on = None
        move.accepted_by = move.receipt_number = move.receipt_way = ""
        move.save()

    @property
    def stage(self) -> Stage:
        if self.voided_at:
            return Stage.VOID
        if self.receipt_on:
            return Stage.SETTLED
        if self.accepted_on:
            return Stage.ACCEPTED
        return Stage.EXPIRED if self.expires_on < timezone.localdate() else Stage.ISSUED

    @property
    def responsible(self) -> str:
        """条例第二十五条: who answers for the member: the sender until the receipt is there."""
        return self.to_organization if self.stage is Stage.SETTLED else self.from_committee

    def why_not_accept(self, on: date, *, elsewhere: bool = False) -> str | None:
        """Why the member cannot be taken in on the day ON, as a sentence; None when he can."""
        if self.receiver_id is None and not elsewhere:
            return f"介绍信开往{self.to_organization}，由该党组织接收，回执由{self.from_committee}登记。"
        if on < self.issued_on:
            return "接收日期不能早于介绍信开具日期。"
        if on > self.expires_on:
            return f"介绍信有效期至 {self.expires_on:%Y-%m-%d}，已过期；请由移交单位重新开具。"
        return None

    def why_not_receipt(self) -> str | None:
        """Why no receipt can be entered now, as a sentence; None when it can."""
        if self.voided_at:
            return f"{self.number}已作废，不能登记回执。"
        if self.receipt_on:
            return f"{self.number}的回执已于 {self.receipt_on:%Y-%m-%d} 登记，不能重复登记。"
        if self.receiver_id and not self.accepted_on:
            return f"{self.to_organization}尚未接收，不能登记回执。"
        if not self.accepted_on and self.expires_on < timezone.localdate():
            return f"介绍信有效期至 {self.expires_on:%Y-%m-%d}，已过期；请由移交单位重新开具。"
        return None

    def why_not_reissue(self) -> str | None:
        """Why it is not issued again, as a sentence; None when it is time to."""
        if self.stage is Stage.EXPIRED:
            return None
        if self.stage is Stage.ISSUED:
            return f"{self.number}有效期至 {self.expires_on:%Y-%m-%d}，尚未过期，不能重新开具。"
        return f"{self.number}{self.stage.label}，不能重新开具。"


class LetterReminder(Record):
    """That both sides were reminded of a letter on a day: once, whoever works then."""

    letter = models.ForeignKey(PartyMove, models.PROTECT, related_name="reminders")
    on = models.DateField("催办日期")

    class Meta:
        verbose_name = "介绍信催办"
        verbose_name_plural = "介绍信催办"
        constraints = [
            models.UniqueConstraint(fields=["letter", "on"], name="letter_reminded_once_a_day")
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "催办介绍信的接收和回执（第六条第6项）"
        private: dict[str, str] = {}
        open = {"letter", "on"}

    def __str__(self) -> str:
        return f"{self.letter} {self.on:%Y-%m-%d}"
