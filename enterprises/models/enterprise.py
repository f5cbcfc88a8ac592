"""What SASAC keeps: the list of state-owned enterprises and who transfers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Notice, Record
from xianning.roles import ROLES, permissions_on

if TYPE_CHECKING:
    from datetime import date

    from enterprises.agreements import Terms
    from xianning.models import User


class Refused(Exception):
    """An act on the list that cannot be done; the text is a sentence for the user."""


class EnterpriseQuerySet(models.QuerySet["Enterprise"]):
    def visible_to(self, user: User) -> EnterpriseQuerySet:
        """Their clerks; SASAC, HR and auditors whose area holds the authority that lists them."""
        mine = access.scope(user)
        rows = Q(pk__in=mine.enterprises)
        for role in ("sasac", "hr", "auditor"):
            rows |= access.within("authority_id", mine.areas.get(role, frozenset()))
        return self.filter(rows)

    def unconfirmed(self) -> EnterpriseQuerySet:
        return self.filter(confirmed_at=None, removed_on=None)

    def confirmed(self) -> EnterpriseQuerySet:
        return self.filter(confirmed_at__isnull=False, removed_on=None)

    def unread(self) -> EnterpriseQuerySet:
        """Confirmed, changed or removed, and not yet acknowledged by HR."""
        return self.filter(confirmed_at__isnull=False, acknowledged_at=None)

    def waiting_for_confirmation(self, user: User) -> EnterpriseQuerySet:
        held = access.scope(user).areas.get("sasac", frozenset())
        return self.filter(authority_id__in=held).unconfirmed()

    def waiting_for_acknowledgement(self, user: User) -> EnterpriseQuerySet:
        held = access.scope(user).areas.get("hr", frozenset())
        return self.filter(authority_id__in=held).unread()


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
    # What SASAC writes on the list; the rest is written by the deeds below.
    FACTS = (
        "name", "credit_code", "level", "holding", "status", "department", "group",
        "parent_company", "investor", "authority", "registered_place", "county", "contact",
        "phone", "retiree_count", "agreement_number", "agreement_on", "listed_on", "removed_on",
    )  # fmt: skip

    name = models.CharField("企业名称", max_length=80)
    credit_code = models.CharField(
        "统一社会信用代码", max_length=18, blank=True, validators=[MinLengthValidator(9)],
        help_text="已注销的老企业可填 15 位注册号或 9 位组织机构代码",
    )  # fmt: skip
    level = models.CharField("企业层级", max_length=10, choices=Level)
    holding = models.CharField("控股类型", max_length=10, choices=Holding)
    status = models.CharField("经营状态", max_length=12, choices=Status, default=Status.NORMAL)
    group = models.CharField("一级集团公司", max_length=80, blank=True)
    parent_company = models.CharField("上级企业", max_length=80, blank=True)
    investor = models.CharField("履行出资人职责机构", max_length=80, blank=True)
    authority = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="名单所属地区",
        help_text="提供名单的国资部门所在的市或县（市、区）",
    )  # fmt: skip
    registered_place = models.CharField("注册地", max_length=80, blank=True)
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
        about, kept = "office", "permanent"
        purpose = "国有企业名单的确认和签收（第六条第1项）"
        private: dict[str, str] = {}
        open = {
            "name", "credit_code", "level", "holding", "status", "group", "parent_company",
            "investor", "authority", "registered_place", "county", "department", "contact",
            "phone", "retiree_count", "agreement_number", "agreement_on", "listed_on",
            "removed_on", "confirmed_at", "confirmed_by", "acknowledged_at", "acknowledged_by",
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

    @classmethod
    def label(cls, name: str) -> str:
        """What a field is called on the list."""
        field = cls._meta.get_field(name)
        assert isinstance(field, models.Field)
        return str(field.verbose_name)

    def words(self, name: str) -> str:
        """The value of a field as a page shows it; empty for nothing."""
        display = getattr(self, f"get_{name}_display", None)
        value = display() if display else getattr(self, name)
        return "" if value is None else str(getattr(value, "full_name", value))

    # --- the deeds of 第六条第1项: lock, re-read, check, write ---

    @property
    def version(self) -> int:
        """Number of the last saved state; a page that was made from an older one is stale."""
        found = self.history.order_by("-history_id").values_list("history_id", flat=True).first()
        return int(found or 0)

    def desk(self, role: str) -> str:
        """The office of ROLE that keeps or receives this list, such as 赤壁市国资部门."""
        return f"{self.authority.name}{ROLES[role].name}"

    def is_desk_of(self, role: str, user: User) -> bool:
        return access.scope(user).may_act(role, area=self.authority_id)

    def why_not_confirm(self, by: User) -> str | None:
        """Why BY cannot confirm it, as a sentence (第四条, 第六条第1项)."""
        if not self.is_desk_of("sasac", by):
            return f"{self.name}由{self.desk('sasac')}确认（第四条、第六条第1项）。"
        if self.removed_on:
            return f"{self.name}已于 {self.removed_on} 移出名单，不能确认。"
        if self.confirmed_at is not None:
            when = timezone.localtime(self.confirmed_at)
            return (
                f"{self.name}已由{self.confirmed_by}于 {when:%Y-%m-%d %H:%M} 确认，不必重复确认。"
            )
        return None

    def why_not_acknowledge(self, by: User) -> str | None:
        """Why BY cannot acknowledge the entry or its last change (第六条第1项)."""
        if not self.is_desk_of("hr", by):
            return f"{self.name}的名单由{self.desk('hr')}签收（第六条第1项）。"
        if self.confirmed_at is None:
            return f"{self.name}尚未经{self.desk('sasac')}确认，还不能签收。"
        if self.acknowledged_at is not None:
            when = timezone.localtime(self.acknowledged_at)
            return f"{self.name}已由{self.acknowledged_by}于 {when:%Y-%m-%d %H:%M} 签收。"
        return None

    def why_not_amend(self, by: User) -> str | None:
        """Why BY cannot change the entry (第六条第1项)."""
        if not self.is_desk_of("sasac", by):
            return f"{self.name}的名单由{self.desk('sasac')}维护（第六条第1项）。"
        return None

    @classmethod
    @transaction.atomic
    def enter(cls, *, by: User, reason: str = "列入名单", **facts: Any) -> Enterprise:
        """Put an enterprise on the list as a draft. Raises Refused at another authority's list."""
        entry = cls(**facts)
        _refuse(entry.why_not_amend(by))
        entry._keep(by, reason)
        return entry

    @transaction.atomic
    def confirm(self, *, by: User, tell: bool = True) -> None:
        """第四条, 第六条第1项: from now on it may file; HR of the same level is notified."""
        self._lock()
        _refuse(self.why_not_confirm(by))
        self.confirmed_at, self.confirmed_by = timezone.now(), by
        self.listed_on = self.listed_on or timezone.localdate()
        self._keep(by, "确认")
        if tell:
            self._tell_hr(f"{self}已确认列入国有企业名单，请签收（第六条第1项）。")

    @transaction.atomic
    def acknowledge(self, *, by: User) -> None:
        """HR of the same level has taken note of the entry and of its last change."""
        self._lock()
        _refuse(self.why_not_acknowledge(by))
        self.acknowledged_at, self.acknowledged_by = timezone.now(), by
        self._keep(by, "人社部门签收")

    @transaction.atomic
    def amend(
        self, *, by: User, reason: str = "", version: int | None = None, **facts: Any
    ) -> list[str]:
        """Change FACTS; after confirmation HR is told and has to acknowledge again.

        Returns the labels of what changed. Raises Refused, also when somebody saved another
        VERSION since the page was made.
        """
        self._lock()
        _refuse(self.why_not_amend(by))
        if version is not None and version != self.version:
            raise Refused(f"{self.name}在您打开页面之后已被他人更改，请核对最新内容后再改。")
        changed = [name for name in facts if getattr(self, name) != facts[name]]
        if not changed:
            return []
        was_removed = self.removed_on
        for name in changed:
            setattr(self, name, facts[name])
        if self.confirmed_at is not None:
            self.acknowledged_at = self.acknowledged_by = None
        self._keep(by, f"变动：{reason}" if reason else "更改")
        labels = [self.label(name) for name in changed]
        if self.confirmed_at is not None:
            self._tell_hr(self._change_in_words(labels, was_removed))
        return labels

    def agree(self, number: str, on: date, *, by: User) -> None:
        """Its first agreement was signed (第四条); the list names it. The list itself is unchanged."""
        self._lock()
        if not self.agreement_number:
            self.agreement_number, self.agreement_on = number, on
            self._keep(by, "签订移交协议")

    @property
    def door(self) -> str:
        """第四条: by which door it came into scope, in words; nothing before it did."""
        if self.confirmed_at is None:
            return ""
        agreed = self.agreement_on and self.agreement_on <= timezone.localdate(self.confirmed_at)
        return "已签订移交协议，直接纳入" if agreed else "未签订移交协议，经国资部门确认后纳入"

    @cached_property
    def terms(self) -> Terms:
        """What its agreements settle otherwise today (第五条), read once a page or workbook."""
        from enterprises import agreements  # they stand on this model

        return agreements.terms(self)

    @staticmethod
    def tell_hr_of(entries: list[Enterprise]) -> None:
        """One notice to HR for each list on which several entries were confirmed together."""
        lists: dict[str, list[Enterprise]] = {}
        for entry in entries:
            lists.setdefault(entry.authority_id, []).append(entry)
        for same in lists.values():
            more = f"等 {len(same)} 家企业" if len(same) > 1 else ""
            same[0]._tell_hr(f"{same[0]}{more}已确认列入国有企业名单，请签收（第六条第1项）。")

    def _change_in_words(self, labels: list[str], was_removed: Any) -> str:
        """The sentence by which HR learns of a change (及时通报变动)."""
        if self.removed_on and not was_removed:
            return f"{self}已于 {self.removed_on} 移出国有企业名单，请签收（第六条第1项）。"
        if was_removed and not self.removed_on:
            return f"{self}重新列入国有企业名单，请签收（第六条第1项）。"
        return f"{self}的名单信息有变动（{'、'.join(labels)}），请签收（第六条第1项）。"[:300]

    def _lock(self) -> None:
        self.refresh_from_db(from_queryset=Enterprise.objects.select_for_update())

    def _keep(self, by: User, reason: str) -> None:
        """Save with who and why; two at once with one name or code is a sentence, not a fault."""
        self._history_user, self._change_reason = by, reason
        try:
            with transaction.atomic():
                self.save()
        except IntegrityError:
            raise Refused(f"{self.name}或其代码刚由他人列入名单，请刷新名单后核对。") from None

    def _tell_hr(self, text: str) -> None:
        Notice.objects.create(
            role="hr", area_id=self.authority_id, about_enterprise=self, text=text
        )


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise Refused(reason)
