"""What streets and communities keep: the divisions, the check-in, the contact card, the ledger."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record, Sequence, Traced
from xianning.roles import permissions_on

if TYPE_CHECKING:
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User


class AreaQuerySet(models.QuerySet["Area"]):
    def visible_to(self, user: User) -> AreaQuerySet:
        """Divisions are public; administrators maintain those below their own."""
        mine = access.scope(user).areas.get("system_admin", frozenset())
        return self.filter(access.within("code", mine))

    def receiving(self) -> AreaQuerySet:
        """Communities and villages that retirees can be handed over to today."""
        return self.filter(level=Area.Level.COMMUNITY, receives=True, closed_on=None)

    def below(self, code: str) -> AreaQuerySet:
        return self.filter(access.within("code", [code]))


class Area(Traced):
    """A division: province, city, county, township level, community or village.

    The code is the 12-digit statistical code; `source` says whose numbering it is, because the
    Ministry of Civil Affairs gives some townships other numbers.
    """

    class Level(models.TextChoices):
        PROVINCE = "province", "省"
        CITY = "city", "市"
        COUNTY = "county", "县（市、区）"
        TOWNSHIP = "township", "街道（乡镇）"
        COMMUNITY = "community", "社区（村）"

    code = models.CharField("区划代码", max_length=12, primary_key=True)
    name = models.CharField("名称", max_length=60)
    level = models.CharField("级别", max_length=10, choices=Level)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name="上级"
    )
    full_name = models.CharField("全称", max_length=200, editable=False, default="")
    source = models.CharField("代码来源", max_length=60, default="国家统计局 2023-06-30")
    receives = models.BooleanField("接收退休人员", default=False)
    successor = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+", verbose_name="并入"
    )
    closed_on = models.DateField("撤销日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = AreaQuerySet.as_manager()

    class Meta:
        verbose_name = "行政区划"
        verbose_name_plural = "行政区划"
        ordering = ["code"]
        permissions = permissions_on("area")
        indexes = [models.Index(fields=["parent", "code"], name="area_children")]
        constraints = [
            models.CheckConstraint(
                name="area_successor_only_when_closed",
                condition=Q(successor=None) | Q(closed_on__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "public", "permanent"
        purpose = "行政区划"
        private: dict[str, str] = {}
        open = {
            "code", "name", "level", "parent", "full_name", "source", "receives", "successor",
            "closed_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.full_name = self.path()
        super().save(*args, **kwargs)

    def path(self) -> str:
        """Names from the county down, as an address begins: 咸安区温泉街道…"""
        above = self.parent.path() if self.parent and self.parent.level != self.Level.CITY else ""
        return ("" if above == "湖北省" else above) + self.name

    def ancestor(self, level: str) -> Area | None:
        """The division of LEVEL that this one lies in (itself included)."""
        area: Area | None = self
        while area is not None and area.level != level:
            area = area.parent
        return area

    def today(self) -> Area:
        """This division, or the one it was merged into, followed to the end."""
        area, seen = self, {self.code}
        while area.successor is not None and area.successor_id not in seen:
            area = area.successor
            seen.add(area.code)
        return area


class ReceptionQuerySet(models.QuerySet["Reception"]):
    def visible_to(self, user: User) -> ReceptionQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class Reception(Record):
    """第六条第5项: checked in, filed, entered in the ledger of the community."""

    transfer = models.OneToOneField("transfers.Transfer", models.PROTECT, related_name="reception")
    community = models.ForeignKey(Area, models.PROTECT, verbose_name="接收社区")
    ledger_number = models.CharField("台账号", max_length=30, unique=True)
    checked_in_on = models.DateField("报到日期")
    form_received = models.BooleanField("已收《基本信息表》社区联", default=True)
    officer = models.CharField("专管员", max_length=50)
    officer_phone = models.CharField("专管员电话", max_length=40)
    verified_on = models.DateField("信息核实日期", null=True, blank=True)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, verbose_name="信息核实人",
        related_name="+", db_index=False,
    )  # fmt: skip
    remarks = models.CharField("备注", max_length=200, blank=True)
    is_active = models.BooleanField("在管", default=True)
    history = HistoricalRecords()

    objects = ReceptionQuerySet.as_manager()

    class Meta:
        verbose_name = "社区接收"
        verbose_name_plural = "社区接收"
        indexes = [
            models.Index(fields=["community", "-id"], name="reception_community"),
            models.Index(fields=["community", "checked_in_on"], name="reception_day"),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "报到备案和管理台账（第六条第5项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "community", "ledger_number", "checked_in_on", "form_received", "officer",
            "officer_phone", "verified_on", "verified_by", "remarks", "is_active",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.ledger_number

    @property
    def card(self) -> ContactCard | None:
        """The card that is valid now."""
        return self.cards.filter(voided_on=None).first()

    @classmethod
    def register(
        cls, case: Transfer, *, by: User, checked_in_on: date, form_received: bool, officer: str,
        officer_phone: str, remarks: str,
    ) -> str:  # fmt: skip
        """第六条第5项: file the person, enter the ledger line and issue the contact card."""
        entry = cls.objects.filter(transfer=case).first()
        if entry is None or entry.community_id != case.community_id:
            entry = entry or cls(transfer=case)
            entry.community_id = str(case.community_id)
            number = Sequence.next(f"ledger/{case.community_id}/{checked_in_on.year}")
            entry.ledger_number = f"{case.community_id}-{checked_in_on.year}-{number:04d}"
        entry.checked_in_on, entry.form_received = checked_in_on, form_received
        entry.officer, entry.officer_phone, entry.remarks = officer, officer_phone, remarks
        entry.verified_on, entry.verified_by, entry.is_active = checked_in_on, by, True
        entry.save()
        card = ContactCard.objects.create(reception=entry, issued_on=checked_in_on, issued_by=by)
        return f"台账号 {entry.ledger_number}，联系卡 {card.number}"

    @classmethod
    def unregister(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The check-in is taken back: the card is void, the ledger line no longer active."""
        entry = cls.objects.get(transfer=case)
        if card := entry.card:
            card.void(timezone.localdate())
        entry.is_active = False
        entry.save()


# No I, L, O, U: a card number is read out over the telephone.
CARD_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_card_number() -> str:
    """Twelve random characters in three groups (60 bits): says nothing about person or place."""
    letters = [secrets.choice(CARD_LETTERS) for _ in range(12)]
    return "-".join("".join(letters[i : i + 4]) for i in (0, 4, 8))


class ContactCard(Record):
    """社区联系卡: numbered, issued, replaced; an old number stays known as not valid."""

    reception = models.ForeignKey(Reception, models.PROTECT, related_name="cards")
    number = models.CharField("卡号", max_length=14, unique=True, default=new_card_number)
    issued_on = models.DateField("发卡日期")
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="发卡人", related_name="+"
    )
    voided_on = models.DateField("作废日期", null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "社区联系卡"
        verbose_name_plural = "社区联系卡"
        constraints = [
            models.UniqueConstraint(
                fields=["reception"], name="card_one_valid", condition=Q(voided_on=None)
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "社区联系卡（第六条第5项）"
        private: dict[str, str] = {}
        open = {"reception", "number", "issued_on", "issued_by", "voided_on"}

    def __str__(self) -> str:
        return self.number

    @property
    def is_valid(self) -> bool:
        return self.voided_on is None and self.reception.is_active

    def void(self, on: date) -> None:
        self.voided_on = on
        self.save()
