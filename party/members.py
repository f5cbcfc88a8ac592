"""Members in the branch of where they live, and what they take part in (第六条第6项, 第八条)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from party.organizations import PartyOrganization
from xianning.models import Record
from xianning.privacy import EncryptedTextField
from xianning.standards import months_before

if TYPE_CHECKING:
    from xianning.models import User

SILENT_MONTHS = 6  # 条例第三十一条第六项: six months without taking part, without a reason
PROBATIONARY = "02"  # GB/T 4762


def died() -> Exists:
    """Whether the death of the person of a row's `transfer` is reported, and stands."""
    events = apps.get_model("communities", "LifeEvent").objects
    return Exists(events.filter(transfer=OuterRef("transfer"), kind="died", corrected_at=None))


class PartyMemberQuerySet(models.QuerySet["PartyMember"]):
    def visible_to(self, user: User) -> PartyMemberQuerySet:
        """Those in the branches that my Party office keeps."""
        return self.filter(branch__in=PartyOrganization.objects.visible_to(user).values("pk"))

    def current(self) -> PartyMemberQuerySet:
        """Without those who left, and without the dead."""
        return self.filter(~died(), left_on=None)

    def silent(self, today: date) -> PartyMemberQuerySet:
        """Who has taken part in nothing for six months."""
        return self.current().filter(active_on__lt=months_before(today, SILENT_MONTHS))

    def probationary(self) -> PartyMemberQuerySet:
        """Who has still to become a full member."""
        return self.current().filter(transfer__retiree__political_status=PROBATIONARY, full_on=None)

    def in_arrears(self, today: date) -> PartyMemberQuerySet:
        """Whose dues are not paid up to the month before this one."""
        return self.current().filter(dues_until__lt=months_before(today).replace(day=1))


class PartyMember(Record):
    """One member in a branch: since when, posts, dues, when last seen in organisation life."""

    transfer = models.OneToOneField(
        "transfers.Transfer", models.PROTECT, related_name="party_member", verbose_name="案卷"
    )
    branch = models.ForeignKey(
        PartyOrganization, models.PROTECT, related_name="members", verbose_name="所在党组织",
        db_index=False,
    )  # fmt: skip
    since = models.DateField("纳入日期")
    posts = models.CharField("党内职务", max_length=60, blank=True)
    difficulty = EncryptedTextField("困难情况", max_length=200, blank=True)
    full_on = models.DateField("转正日期", null=True, blank=True)
    dues_standard = models.DecimalField(
        "月党费标准（元）", max_digits=7, decimal_places=2, null=True, blank=True
    )
    dues_until = models.DateField("党费交至", null=True, blank=True)
    # The last meeting attended, before the first one the day of `since`; kept by `party.life`.
    active_on = models.DateField("最近参加组织生活", editable=False)
    left_on = models.DateField("转出日期", null=True, blank=True)
    left_why = models.CharField("转出原因", max_length=120, blank=True)
    history = HistoricalRecords(excluded_fields=["active_on"])

    objects = PartyMemberQuerySet.as_manager()

    class Meta:
        verbose_name = "支部党员"
        verbose_name_plural = "支部党员"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["branch", "-id"], name="member_branch"),
            models.Index(
                fields=["branch", "active_on"], name="member_active", condition=Q(left_on=None)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="member_left_with_reason",
                condition=Q(left_on=None, left_why="") | Q(left_on__isnull=False) & ~Q(left_why=""),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "将移交的退休党员纳入基层党组织、组织开展党员生活（第六条第6项、第八条）"
        private = {"difficulty": "text"}
        open = {
            "transfer", "branch", "since", "posts", "full_on", "dues_standard", "dues_until",
            "active_on", "left_on", "left_why",
        }  # fmt: skip
        sensitive = {"branch", "posts", "difficulty", "full_on", "dues_standard", "dues_until",
                     "active_on"}  # fmt: skip

    def __str__(self) -> str:
        return self.transfer.retiree.name

    def get_absolute_url(self) -> str:
        return reverse("party:member", args=[self.pk])

    @property
    def full_due(self) -> date | None:
        """When the probation of a year is over; nothing for a full member."""
        person = self.transfer.retiree
        if person.political_status != PROBATIONARY or self.full_on or not person.party_joined_on:
            return None
        return months_before(person.party_joined_on, -12)

    @property
    def is_silent(self) -> bool:
        return self.active_on < months_before(timezone.localdate(), SILENT_MONTHS)


class PartyMeetingQuerySet(models.QuerySet["PartyMeeting"]):
    def visible_to(self, user: User) -> PartyMeetingQuerySet:
        return self.filter(branch__in=PartyOrganization.objects.visible_to(user).values("pk"))


class PartyMeeting(Record):
    """One occasion of organisation life of a branch, and who came."""

    class Kind(models.TextChoices):
        MEETING = "meeting", "支部党员大会"
        GROUP = "group", "党小组会"
        LECTURE = "lecture", "党课"
        THEME = "theme", "主题党日"
        LIFE = "life", "组织生活会"
        HOME = "home", "送学上门"

    branch = models.ForeignKey(
        PartyOrganization, models.PROTECT, related_name="meetings", verbose_name="党组织",
        db_index=False,
    )  # fmt: skip
    kind = models.CharField("类别", max_length=10, choices=Kind)
    held_on = models.DateField("日期")
    topic = models.CharField("主题", max_length=120)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False,
        verbose_name="登记人",
    )  # fmt: skip
    recorded_at = models.DateTimeField("登记时间", default=timezone.now)
    history = HistoricalRecords()

    objects = PartyMeetingQuerySet.as_manager()

    class Meta:
        verbose_name = "组织生活"
        verbose_name_plural = "组织生活"
        ordering = ["-id"]
        indexes = [models.Index(fields=["branch", "-id"], name="meeting_branch")]
        constraints = [
            models.UniqueConstraint(
                fields=["branch", "kind", "held_on", "topic"], name="meeting_once"
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "组织开展党员生活（第六条第6项、第八条）"
        private: dict[str, str] = {}
        open = {"branch", "kind", "held_on", "topic", "recorded_by", "recorded_at"}

    def __str__(self) -> str:
        return f"{self.get_kind_display()}：{self.topic}"

    def get_absolute_url(self) -> str:
        return reverse("party:meeting", args=[self.pk])


class PartyAttendance(Record):
    """That one member came to one meeting."""

    meeting = models.ForeignKey(
        PartyMeeting, models.CASCADE, related_name="attendances", verbose_name="组织生活",
        db_index=False,
    )  # fmt: skip
    member = models.ForeignKey(
        PartyMember, models.PROTECT, related_name="attendances", verbose_name="党员"
    )

    history = HistoricalRecords(no_db_index=["meeting", "member"])

    class Meta:
        verbose_name = "参加组织生活"
        verbose_name_plural = "参加组织生活"
        constraints = [
            models.UniqueConstraint(fields=["meeting", "member"], name="attendance_once")
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "组织开展党员生活（第六条第6项、第八条）"
        private: dict[str, str] = {}
        open = {"meeting", "member"}

    def __str__(self) -> str:
        return f"{self.member}：{self.meeting}"
