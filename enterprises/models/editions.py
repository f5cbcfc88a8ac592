"""第六条第1项: the list as dated evidence. An edition is numbered, published, and never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import datetime

    from enterprises.models.enterprise import Enterprise
    from xianning.models import User


class EditionQuerySet(models.QuerySet["Edition"]):
    def visible_to(self, user: User) -> EditionQuerySet:
        """SASAC, HR and auditors whose area holds the authority that published it."""
        held = access.scope(user).areas
        mine = [code for role in ("sasac", "hr", "auditor") for code in held.get(role, ())]
        return self.filter(access.within("authority_id", mine))

    def in_force(self, authority_id: str, at: datetime) -> Edition | None:
        """The edition of this authority that was the last one published at that moment."""
        rows = self.filter(authority=authority_id, published_at__lte=at)
        return rows.order_by("-serial").first()

    def waiting_for(self, user: User) -> EditionQuerySet:
        """Those that HR offices of mine have not acknowledged."""
        held = access.scope(user).areas.get("hr", frozenset())
        return self.filter(authority_id__in=held, acknowledged_at=None)


class Edition(Record):
    """One published state of the list of one SASAC, sent to HR of the same level.

    Only the acknowledgement is written later; the rest a trigger keeps.
    """

    authority = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="名单所属地区",
        db_index=False,
    )  # fmt: skip
    serial = models.PositiveIntegerField("版次")
    published_at = models.DateTimeField("发布时间", default=timezone.now)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="发布人",
    )  # fmt: skip
    note = models.CharField("发布说明", max_length=200, blank=True)
    acknowledged_at = models.DateTimeField("人社签收时间", null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="人社签收人",
    )  # fmt: skip

    objects = EditionQuerySet.as_manager()

    class Meta:
        verbose_name = "国有企业名单版次"
        verbose_name_plural = "国有企业名单版次"
        ordering = ["-id"]
        indexes = [models.Index(fields=["authority", "-id"], name="edition_authority")]
        constraints = [
            models.UniqueConstraint(fields=["authority", "serial"], name="edition_number"),
            models.CheckConstraint(
                name="edition_acknowledged_by_somebody",
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "国有企业名单的发布和签收（第六条第1项）"
        private: dict[str, str] = {}
        open = {
            "authority", "serial", "published_at", "published_by", "note", "acknowledged_at",
            "acknowledged_by",
        }  # fmt: skip

    def __str__(self) -> str:
        day = timezone.localtime(self.published_at)
        return f"{self.authority.name}国有企业名单第 {self.serial} 版（{day:%Y-%m-%d}）"

    def get_absolute_url(self) -> str:
        return reverse("enterprises:edition", args=[self.pk])


class EditionEntry(Record):
    """An enterprise as it stood in one edition."""

    # Taken over from the entry of the list, as words of that day.
    FACTS = (
        "name", "credit_code", "level", "holding", "status", "transferor", "county",
        "retiree_count", "listed_on",
    )  # fmt: skip

    edition = models.ForeignKey(Edition, models.PROTECT, related_name="entries", db_index=False)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, related_name="+", verbose_name="企业"
    )
    name = models.CharField("企业名称", max_length=80)
    credit_code = models.CharField("统一社会信用代码", max_length=18, blank=True)
    level = models.CharField("企业层级", max_length=20)
    holding = models.CharField("控股类型", max_length=20)
    status = models.CharField("经营状态", max_length=20)
    transferor = models.CharField("移交主体", max_length=80)
    county = models.CharField("企业所在地", max_length=80)
    retiree_count = models.PositiveIntegerField("退休人员底数", null=True)
    listed_on = models.DateField("纳入日期", null=True)

    class Meta:
        verbose_name = "名单版次中的企业"
        verbose_name_plural = "名单版次中的企业"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["edition", "enterprise"], name="edition_entry_once")
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "国有企业名单的发布和签收（第六条第1项）"
        private: dict[str, str] = {}
        open = {
            "edition", "enterprise", "name", "credit_code", "level", "holding", "status",
            "transferor", "county", "retiree_count", "listed_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, entry: Enterprise) -> EditionEntry:
        """ENTRY as it stands now (not saved, of no edition yet)."""
        facts: dict[str, Any] = {
            "name": entry.name, "credit_code": entry.credit_code,
            "level": entry.get_level_display(), "holding": entry.get_holding_display(),
            "status": entry.get_status_display(), "transferor": entry.transferor,
            "county": entry.county.full_name, "retiree_count": entry.retiree_count,
            "listed_on": entry.listed_on,
        }  # fmt: skip
        return cls(enterprise_id=entry.pk, **facts)

    @classmethod
    def label(cls, name: str) -> str:
        field = cls._meta.get_field(name)
        assert isinstance(field, models.Field)
        return str(field.verbose_name)
