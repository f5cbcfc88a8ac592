"""《交接整体协议》 between a transferor and a county: applied for, approved, signed (第四条, 第五条)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from enterprises.models.enterprise import Enterprise
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User

MOST_DAYS = 120  # as for the limits that an office sets
PARTIES = ("sasac", "hr", "auditor")


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def visible_to(self, user: User) -> AgreementQuerySet:
        """Of my enterprises, of those on the lists of my level, and those with a county of mine."""
        mine = access.scope(user).areas
        held = frozenset[str]().union(*(mine.get(role, frozenset()) for role in PARTIES))
        return self.filter(
            Q(enterprise__in=Enterprise.objects.visible_to(user).values("pk"))
            | access.within("county_id", held, deepest=6)
        )

    def waiting_for(self, user: User) -> AgreementQuerySet:
        """Applied for, to be answered by a SASAC office of mine."""
        held = access.scope(user).areas.get("sasac", frozenset())
        return self.filter(county_id__in=held, state=Agreement.State.APPLIED)

    def with_clauses_on(self, day: date) -> AgreementQuerySet:
        """Signed ones whose clauses on special matters hold on DAY, the oldest first."""
        return self.filter(
            Q(clauses_until=None) | Q(clauses_until__gte=day),
            state=Agreement.State.SIGNED,
            signed_on__lte=day,
        ).order_by("signed_on", "id")


class Agreement(Record):
    """One agreement, or a supplement to one: parties, numbers, and what it settles otherwise.

    第五条 lets an agreement settle special matters: another receiver, another archive, another
    deadline. They hold for its enterprise while it is signed, to the day `clauses_until`.
    """

    class State(models.TextChoices):
        APPLIED = "applied", "已申请，待批复"
        RETURNED = "returned", "已退回"
        APPROVED = "approved", "已批复，待签订"
        SIGNED = "signed", "已签订"
        WITHDRAWN = "withdrawn", "已撤回"

    OPEN = (State.APPLIED, State.RETURNED, State.APPROVED)

    enterprise = models.ForeignKey(
        Enterprise, models.PROTECT, related_name="agreements", verbose_name="企业", db_index=False
    )
    county = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="接收县（市、区）",
        db_index=False,
    )  # fmt: skip
    main = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="supplements",
        verbose_name="补充的原协议",
    )  # fmt: skip
    party_a = models.CharField("甲方", max_length=80)
    party_b = models.CharField("乙方", max_length=80)
    base_on = models.DateField("移交基准日")
    people = models.PositiveIntegerField("移交人数")
    members = models.PositiveIntegerField("其中党员")
    volumes = models.PositiveIntegerField("人事档案（卷）")
    special = models.CharField("特殊事项", max_length=400, blank=True)
    receiver = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        db_index=False, verbose_name="约定的接收社区",
    )  # fmt: skip
    archive_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        db_index=False, verbose_name="约定的档案接收地",
    )  # fmt: skip
    limit_step = models.CharField("约定期限的步骤", max_length=12, blank=True)
    limit_days = models.PositiveSmallIntegerField("约定期限（工作日）", null=True, blank=True)
    clauses_until = models.DateField("特殊约定有效至", null=True, blank=True)
    state = models.CharField("状态", max_length=10, choices=State, default=State.APPLIED)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="申请人",
    )  # fmt: skip
    applied_at = models.DateTimeField("申请时间", default=timezone.now)
    approval = models.CharField("批复文号", max_length=60, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="批复经办人",
    )  # fmt: skip
    answered_at = models.DateTimeField("批复时间", null=True, blank=True)
    number = models.CharField("协议号", max_length=60, blank=True)
    signed_on = models.DateField("签订日期", null=True, blank=True)
    note = models.CharField("退回或撤回原因", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = AgreementQuerySet.as_manager()

    class Meta:
        verbose_name = "交接整体协议"
        verbose_name_plural = "交接整体协议"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="agreement_enterprise"),
            models.Index(fields=["county", "-id"], name="agreement_county"),
            models.Index(
                fields=["signed_on"], name="agreement_clauses", condition=Q(state="signed")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["county", "number"], name="agreement_number_once", condition=~Q(number="")
            ),
            models.CheckConstraint(
                name="agreement_signed_with_number",
                condition=Q(state="signed", signed_on__isnull=False) & ~Q(number="")
                | ~Q(state="signed") & Q(signed_on=None, number=""),
            ),
            models.CheckConstraint(
                name="agreement_approved_with_number",
                condition=~Q(state__in=("approved", "signed"))
                | Q(answered_at__isnull=False, answered_by__isnull=False) & ~Q(approval=""),
            ),
            models.CheckConstraint(
                name="agreement_return_has_reason",
                condition=~Q(state__in=("returned", "withdrawn")) | ~Q(note=""),
            ),
            models.CheckConstraint(
                name="agreement_members_are_people", condition=Q(members__lte=models.F("people"))
            ),
            models.CheckConstraint(
                name="agreement_limit_whole",
                condition=Q(limit_step="", limit_days=None)
                | Q(limit_days__isnull=False, limit_days__gte=1, limit_days__lte=MOST_DAYS)
                & ~Q(limit_step=""),
            ),
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "移交协议的申请、批复和签订，特殊事项的约定（第四条、第五条）"
        private: dict[str, str] = {}
        open = {
            "enterprise", "county", "main", "party_a", "party_b", "base_on", "people", "members",
            "volumes", "special", "receiver", "archive_area", "limit_step", "limit_days",
            "clauses_until", "state", "applied_by", "applied_at", "approval", "answered_by",
            "answered_at", "number", "signed_on", "note",
        }  # fmt: skip

    def __str__(self) -> str:
        kind = "补充协议" if self.main_id else "移交协议"
        return f"{kind} {self.number}" if self.number else kind

    def get_absolute_url(self) -> str:
        return reverse("enterprises:agreement", args=[self.pk])

    def holds_on(self, day: date) -> bool:
        """Whether its clauses on special matters hold on DAY."""
        return (
            self.state == self.State.SIGNED
            and self.signed_on is not None
            and self.signed_on <= day
            and (self.clauses_until is None or day <= self.clauses_until)
        )
