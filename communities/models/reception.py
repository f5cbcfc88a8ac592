"""The check-in, the ledger and the contact card of a community (第六条第5项)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from communities.models.divisions import Area
from communities.models.management import Management
from xianning import access, standards
from xianning.models import Record, Sequence

if TYPE_CHECKING:
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User


VERIFIED_FOR = 365  # days after which the facts of an entry are read over with the person again


class ReceptionQuerySet(models.QuerySet["Reception"]):
    def visible_to(self, user: User) -> ReceptionQuerySet:
        return self.filter(access.cases(user, "transfer__"))

    def kept_by(self, user: User) -> ReceptionQuerySet:
        """The ledger that USER keeps: of his communities, and of those of his street.

        Less than he may see of cases in another office, and found by one index alone.
        """
        mine = access.scope(user).areas
        held = mine.get("community", frozenset()) | mine.get("street", frozenset())
        return self.filter(access.within("community_id", held))

    def stale(self, before: date | None = None) -> ReceptionQuerySet:
        """Under management, and not verified for a year (since BEFORE)."""
        day = before or timezone.localdate() - timedelta(days=VERIFIED_FOR)
        return self.filter(Q(verified_on__lt=day) | Q(verified_on=None), is_active=True)

    def to_visit(self, before: date) -> ReceptionQuerySet:
        """Under management, and due to be visited by BEFORE or overdue (第八条)."""
        return self.filter(is_active=True, visit_due_on__isnull=False, visit_due_on__lte=before)

    def found_by(self, text: str) -> ReceptionQuerySet:
        """Entries of people whose name contains TEXT, or whose ID number it is."""
        cases = apps.get_model("transfers", "Transfer").objects.filter(pk=OuterRef("transfer"))
        known = standards.is_whole_number(text)
        return self.filter(Exists(cases.with_id_number(text) if known else cases.named(text)))


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
    # Both follow from the visits, the groups and the plan of the street, and are written by
    # `communities.care`: lists of who is due open no sealed group.
    visited_on = models.DateField("最近走访", null=True, blank=True, editable=False)
    visit_due_on = models.DateField("下次走访期限", null=True, blank=True, editable=False)
    history = HistoricalRecords(excluded_fields=["visited_on", "visit_due_on"])

    objects = ReceptionQuerySet.as_manager()

    class Meta:
        verbose_name = "社区接收"
        verbose_name_plural = "社区接收"
        indexes = [
            models.Index(fields=["community", "-id"], name="reception_community"),
            models.Index(fields=["community", "checked_in_on", "-id"], name="reception_day"),
            models.Index(fields=["community", "verified_on", "id"], name="reception_verified"),
            models.Index(
                fields=["community", "visit_due_on", "id"],
                name="reception_visit",
                condition=Q(is_active=True, visit_due_on__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "报到备案和管理台账（第六条第5项）"
        private: dict[str, str] = {}
        open = {
            "transfer", "community", "ledger_number", "checked_in_on", "form_received", "officer",
            "officer_phone", "verified_on", "verified_by", "remarks", "is_active", "visited_on",
            "visit_due_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.ledger_number

    def get_absolute_url(self) -> str:
        return reverse("communities:ledger_entry", args=[self.pk])

    @property
    def is_stale(self) -> bool:
        """Whether its facts wait for the yearly check."""
        limit = timezone.localdate() - timedelta(days=VERIFIED_FOR)
        return self.is_active and (self.verified_on is None or self.verified_on < limit)

    @property
    def card(self) -> ContactCard | None:
        """The card that is not void, if there is one; it may be reported lost."""
        return self.cards.held().first()

    @classmethod
    def register(
        cls, case: Transfer, *, by: User, checked_in_on: date, form_received: bool, officer: str,
        officer_phone: str, remarks: str,
    ) -> str:  # fmt: skip
        """第六条第5项: file the person, enter the ledger line and issue the contact card."""
        from communities import care  # it stands on this model

        entry = cls.objects.filter(transfer=case).first() or cls(transfer=case)
        if entry.community_id != case.community_id:
            entry.enter(str(case.community_id), checked_in_on)
        entry.checked_in_on, entry.form_received = checked_in_on, form_received
        entry.officer, entry.officer_phone, entry.remarks = officer, officer_phone, remarks
        entry.verified_on, entry.verified_by, entry.is_active = checked_in_on, by, True
        entry.save()
        Management.begin(
            case, entry.community_id, since=checked_in_on, why=Management.Began.CHECK_IN
        )
        entry.transfer = case
        care.follow(entry, by=by)
        card = ContactCard.objects.create(reception=entry, issued_on=checked_in_on, issued_by=by)
        return f"台账号 {entry.ledger_number}，联系卡 {card.number}"

    @classmethod
    def unregister(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The check-in is taken back: the card is void, the ledger line no longer active."""
        entry = cls.objects.get(transfer=case)
        if card := entry.card:
            card.void(timezone.localdate(), why=ContactCard.Why.WITHDRAWN, by=by)
        entry.is_active = False
        entry.save()
        Management.finish(case, until=timezone.localdate(), why=Management.Ended.WITHDRAWN, by=by)

    def enter(self, community_id: str, on: date) -> None:
        """Take the next line in the ledger of COMMUNITY (not saved)."""
        self.community_id = community_id
        number = Sequence.next(f"ledger/{community_id}/{on.year}")
        self.ledger_number = f"{community_id}-{on.year}-{number:04d}"


# No I, L, O, U: a card number is read out over the telephone.
CARD_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_card_number() -> str:
    """Twelve random characters in three groups (60 bits): says nothing about person or place."""
    letters = [secrets.choice(CARD_LETTERS) for _ in range(12)]
    return "-".join("".join(letters[i : i + 4]) for i in (0, 4, 8))


class ContactCardQuerySet(models.QuerySet["ContactCard"]):
    def held(self) -> ContactCardQuerySet:
        """Those that are not void: valid, or reported lost and not yet replaced."""
        return self.filter(voided_on=None)

    def valid(self) -> ContactCardQuerySet:
        """Those that the public check says are valid."""
        return self.held().filter(lost_on=None, reception__is_active=True)


class ContactCard(Record):
    """社区联系卡: numbered, issued, lost, replaced, returned; an old number stays known as not valid.

    A number is never changed (a trigger); what becomes of a card is written by `communities.cards`
    and by those who end the management of its holder.
    """

    class Why(models.TextChoices):
        LOST = "lost", "遗失补发"
        DAMAGED = "damaged", "损坏换发"
        RETURNED = "returned", "本人交回"
        MOVED = "moved", "转交其他社区换发"
        DIED = "died", "本人死亡"
        WITHDRAWN = "withdrawn", "报到撤回"

    reception = models.ForeignKey(Reception, models.PROTECT, related_name="cards")
    number = models.CharField("卡号", max_length=14, unique=True, default=new_card_number)
    issued_on = models.DateField("发卡日期")
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="发卡人", related_name="+"
    )
    lost_on = models.DateField("挂失日期", null=True, blank=True)
    lost_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="挂失经办人",
    )  # fmt: skip
    voided_on = models.DateField("作废日期", null=True, blank=True)
    voided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False,
        verbose_name="作废经办人",
    )  # fmt: skip
    why = models.CharField("作废原因", max_length=10, choices=Why, blank=True)
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="successor",
        verbose_name="替换的旧卡",
    )  # fmt: skip
    history = HistoricalRecords()

    objects = ContactCardQuerySet.as_manager()

    class Meta:
        verbose_name = "社区联系卡"
        verbose_name_plural = "社区联系卡"
        constraints = [
            models.UniqueConstraint(
                fields=["reception"], name="card_one_valid", condition=Q(voided_on=None)
            ),
            models.CheckConstraint(
                name="card_void_with_reason",
                condition=Q(voided_on=None, voided_by=None, why="")
                | (Q(voided_on__isnull=False) & ~Q(why="")),
            ),
            models.CheckConstraint(
                name="card_lost_by_somebody",
                condition=Q(lost_on=None, lost_by=None)
                | Q(lost_on__isnull=False, lost_by__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "社区联系卡（第六条第5项）"
        private: dict[str, str] = {}
        open = {
            "reception", "number", "issued_on", "issued_by", "lost_on", "lost_by", "voided_on",
            "voided_by", "why", "replaces",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def is_valid(self) -> bool:
        return self.voided_on is None and self.lost_on is None and self.reception.is_active

    @property
    def state(self) -> str:
        """How the card stands, in a word."""
        if self.voided_on:
            return f"已作废（{self.get_why_display()}）"
        return "已挂失" if self.lost_on else "有效"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The case keeps whether its person has a card, for the sums of 对账."""
        super().save(*args, **kwargs)
        entry = self.reception
        entry.transfer.mark_card(has_card=entry.cards.held().exists())

    def void(self, on: date, *, why: str, by: User) -> None:
        self.voided_on, self.voided_by, self.why = on, by, why
        self.save()
