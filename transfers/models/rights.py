"""What a person was told and agreed to, what he asked for, and what is left after erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from transfers.models.cases import Transfer
from transfers.notice import VERSION
from xianning import access
from xianning.models import Record
from xianning.privacy import EncryptedTextField

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User


class ConsentQuerySet(models.QuerySet["Consent"]):
    def visible_to(self, user: User) -> ConsentQuerySet:
        return self.filter(access.cases(user, "transfer__"))

    def standing(self) -> ConsentQuerySet:
        return self.filter(withdrawn_on=None)


class Consent(Record):
    """《个人信息告知书》 was handed over, or 单独同意 was given (个人信息保护法 17, 23, 29)."""

    class Kind(models.TextChoices):
        TOLD = "told", "已告知"
        AGREED = "agreed", "单独同意"

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="consents")
    kind = models.CharField("事项", max_length=6, choices=Kind)
    version = models.CharField("告知书版本", max_length=20)
    given_on = models.DateField("日期")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="登记人"
    )
    recorded_at = models.DateTimeField("登记时间", default=timezone.now)
    withdrawn_on = models.DateField("撤回日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = "告知与同意"
        verbose_name_plural = "告知与同意"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["transfer", "kind", "version"],
                name="consent_once",
                condition=Q(withdrawn_on=None),
            )
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "告知和单独同意的凭证（第十一条）"
        private: dict[str, str] = {}
        open = {
            "transfer", "kind", "version", "given_on", "recorded_by", "recorded_at", "withdrawn_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.version}"

    @classmethod
    def record(cls, case: Transfer, *, by: User, on: date, agreed: bool) -> None:
        """He was told, and perhaps agreed, by the present version of the notice."""
        kinds = [cls.Kind.TOLD, *([cls.Kind.AGREED] if agreed else [])]
        for kind in kinds:
            cls.objects.get_or_create(
                transfer=case, kind=kind, version=VERSION, withdrawn_on=None,
                defaults={"given_on": on, "recorded_by": by},
            )  # fmt: skip


class RightsRequestQuerySet(models.QuerySet["RightsRequest"]):
    def visible_to(self, user: User) -> RightsRequestQuerySet:
        return self.filter(access.cases(user, "transfer__"))

    def open(self) -> RightsRequestQuerySet:
        return self.filter(state=RightsRequest.State.ASKED)


class RightsRequest(Record):
    """A person, or the family of a dead one, asks for his data (个人信息保护法 44–50)."""

    class Kind(models.TextChoices):
        COPY = "copy", "查阅、复制"
        CORRECT = "correct", "更正、补充"
        ERASE = "erase", "删除"

    class State(models.TextChoices):
        ASKED = "asked", "待答复"
        DONE = "done", "已办理"
        REFUSED = "refused", "不予办理"

    class Applicant(models.TextChoices):
        SELF = "self", "本人"
        AGENT = "agent", "代理人"
        FAMILY = "family", "近亲属（本人已去世）"
        OFFICE = "office", "依职权（保存期满）"

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="rights_requests")
    kind = models.CharField("事项", max_length=8, choices=Kind)
    applicant = models.CharField("申请人身份", max_length=8, choices=Applicant)
    applicant_name = EncryptedTextField("申请人姓名", max_length=50, blank=True)
    text = EncryptedTextField("申请内容", max_length=500)
    asked_on = models.DateField("申请日期")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="受理人"
    )
    recorded_at = models.DateTimeField("受理时间", default=timezone.now)
    state = models.CharField("状态", max_length=8, choices=State, default=State.ASKED)
    answer = models.CharField("答复", max_length=300, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="答复人"
    )
    answered_at = models.DateTimeField("答复时间", null=True)
    history = HistoricalRecords()

    objects = RightsRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "个人信息权利申请"
        verbose_name_plural = "个人信息权利申请"
        ordering = ["-id"]
        constraints = [
            # Erasure cannot be undone: who recorded the request does not decide it.
            models.CheckConstraint(
                name="rights_second_person",
                condition=~Q(kind="erase") | Q(answered_by=None) | ~Q(answered_by=F("recorded_by")),
            ),
        ]

    class Privacy:
        about, kept = "person", "processing"
        purpose = "受理查阅、复制、更正、删除申请（第十一条）"
        private = {"applicant_name": "text", "text": "text"}
        open = {
            "transfer", "kind", "applicant", "asked_on", "recorded_by", "recorded_at", "state",
            "answer", "answered_by", "answered_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()}（{self.get_state_display()}）"


class Tombstone(Record):
    """What is left of an erased person: that there was a case, why and on whose word it went."""

    transfer = models.OneToOneField(Transfer, models.PROTECT, related_name="tombstone")
    reason = models.CharField("删除原因", max_length=200)
    basis = models.CharField("依据", max_length=120)
    erased_at = models.DateTimeField("删除时间", default=timezone.now)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="申请人"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="核准人"
    )
    counts = models.JSONField("删除数量", default=dict)  # table → rows or values erased

    class Meta:
        verbose_name = "删除凭证"
        verbose_name_plural = "删除凭证"
        ordering = ["-id"]

    class Privacy:
        about, kept = "case", "permanent"
        purpose = "删除的凭证：何时、为何、经谁核准"
        private: dict[str, str] = {}
        open = {
            "transfer", "reason", "basis", "erased_at", "asked_by", "approved_by", "counts",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.erased_at:%F} 删除"
