"""What SASAC keeps: the list of state-owned enterprises and who transfers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record
from xianning.roles import permissions_on

if TYPE_CHECKING:
    from xianning.models import User


class EnterpriseQuerySet(models.QuerySet["Enterprise"]):
    def visible_to(self, user: User) -> EnterpriseQuerySet:
        """Their clerks; SASAC, HR and auditors whose area holds the authority that lists them."""
        mine = access.scope(user)
        rows = Q(pk__in=mine.enterprises)
        for role in ("sasac", "hr", "auditor"):
            rows |= access.within("authority_id", mine.areas.get(role, frozenset()))
        return self.filter(rows)

    def confirmed(self) -> EnterpriseQuerySet:
        return self.filter(confirmed_at__isnull=False, removed_on=None)

    def waiting_for_confirmation(self, user: User) -> EnterpriseQuerySet:
        held = access.scope(user).areas.get("sasac", frozenset())
        return self.filter(authority_id__in=held, confirmed_at=None, removed_on=None)

    def waiting_for_acknowledgement(self, user: User) -> EnterpriseQuerySet:
        held = access.scope(user).areas.get("hr", frozenset())
        return self.filter(authority_id__in=held, acknowledged_at=None).confirmed()


class Enterprise(Record):
    """A state-owned or state-controlled enterprise on the list of its SASAC (第二条, 第六条第1项)."""

    class Level(models.TextChoices):
        CENTRAL = "central", "央企"
        PROVINCIAL = "provincial", "省企"
        CITY = "city", "市企"
        COUNTY = "county", "县（市、区）企"

    class Holding(models.TextChoices):
        SOLE = "sole", "国有独资"
        CONTROLLED = "controlled", "国有控股"

    class Status(models.TextChoices):
        NORMAL = "normal", "正常经营"
        STOPPED = "stopped", "停产"
        BANKRUPT = "bankrupt", "破产"
        RESTRUCTURED = "restructured", "改制"
        DEREGISTERED = "deregistered", "注销"

    # 第四条: for these the former supervising department is the transferor.
    NEEDS_DEPARTMENT = (Status.BANKRUPT, Status.RESTRUCTURED, Status.DEREGISTERED)

    name = models.CharField("企业名称", max_length=80)
    credit_code = models.CharField(
        "统一社会信用代码", max_length=18, blank=True, validators=[MinLengthValidator(9)],
        help_text="已注销的老企业可填 15 位注册号或 9 位组织机构代码",
    )  # fmt: skip
    level = models.CharField("企业层级", max_length=10, choices=Level)
    holding = models.CharField("控股类型", max_length=10, choices=Holding)
    status = models.CharField("经营状态", max_length=12, choices=Status, default=Status.NORMAL)
    group = models.CharField("一级集团公司", max_length=80, blank=True)
    investor = models.CharField("履行出资人职责机构", max_length=80, blank=True)
    authority = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="名单所属地区",
        help_text="提供名单的国资部门所在的市或县（市、区）",
    )  # fmt: skip
    county = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="企业所在地"
    )
    department = models.CharField(
        "原主管部门", max_length=80, blank=True,
        help_text="破产、改制、注销企业由原主管部门作为移交主体（第四条）",
    )  # fmt: skip
    contact = models.CharField("联系人", max_length=50, blank=True)
    phone = models.CharField("联系电话", max_length=40, blank=True)
    retiree_count = models.PositiveIntegerField("退休人员底数", null=True, blank=True)
    agreement_number = models.CharField("移交协议号", max_length=60, blank=True)
    agreement_on = models.DateField("协议签订日期", null=True, blank=True)
    listed_on = models.DateField("纳入日期", null=True, blank=True)
    removed_on = models.DateField("移出日期", null=True, blank=True)
    confirmed_at = models.DateTimeField("确认时间", null=True, editable=False)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    acknowledged_at = models.DateTimeField("人社签收时间", null=True, editable=False)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    history = HistoricalRecords()

    objects = EnterpriseQuerySet.as_manager()

    class Meta:
        verbose_name = "国有企业"
        verbose_name_plural = "国有企业"
        ordering = ["-id"]
        permissions = permissions_on("enterprise")
        indexes = [models.Index(fields=["authority", "-id"], name="enterprise_authority")]
        constraints = [
            models.UniqueConstraint(
                fields=["credit_code"], name="enterprise_code_once", condition=~Q(credit_code="")
            ),
            models.UniqueConstraint(fields=["name", "authority"], name="enterprise_name_once"),
            models.CheckConstraint(
                name="enterprise_confirmed_by_somebody",
                condition=Q(confirmed_at=None, confirmed_by=None)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="enterprise_acknowledged_after_confirmation",
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(
                    acknowledged_at__isnull=False,
                    acknowledged_by__isnull=False,
                    confirmed_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="enterprise_department_when_gone",
                condition=~Q(status__in=("bankrupt", "restructured", "deregistered"))
                | ~Q(department=""),
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "name", "credit_code", "level", "holding", "status", "group", "investor", "authority",
            "county", "department", "contact", "phone", "retiree_count", "agreement_number",
            "agreement_on", "listed_on", "removed_on", "confirmed_at", "confirmed_by",
            "acknowledged_at", "acknowledged_by",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("enterprises:detail", args=[self.pk])

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None and self.removed_on is None

    @property
    def transferor(self) -> str:
        """Who hands over: the enterprise, or its former supervising department (第四条)."""
        return self.department if self.status in self.NEEDS_DEPARTMENT else self.name

    @property
    def transferor_kind(self) -> str:
        gone = self.status in self.NEEDS_DEPARTMENT
        return "原主管部门（破产/改制/注销企业）" if gone else "正常经营企业"

    def why_not_open(self) -> str | None:
        """Why no case can start for it, as a sentence; None when one can (第四条, 第六条第1项)."""
        if self.removed_on:
            return (
                f"{self.name}已于 {self.removed_on} 移出国有企业名单，不能新申报（第六条第1项）。"
            )
        if self.confirmed_at is None:
            return f"{self.name}尚未经国资部门确认，不能申报（第四条、第六条第1项）。"
        return None

    def clean(self) -> None:
        errors: dict[str, Any] = {}
        if self.status in self.NEEDS_DEPARTMENT and not self.department:
            errors["department"] = (
                "破产、改制、注销企业须填写原主管部门，由其作为移交主体（第四条）。"
            )
        if not self.credit_code and self.status != self.Status.DEREGISTERED:
            errors["credit_code"] = "请填写统一社会信用代码；只有已注销企业可以不填。"
        if errors:
            raise ValidationError(errors)
