"""Piles of signed scans: what was uploaded, and each page of it until it is filed (第六条第3项)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from transfers.models.cases import Transfer
from transfers.models.evidence import Scan
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User


class SignedPileQuerySet(models.QuerySet["SignedPile"]):
    def visible_to(self, user: User) -> SignedPileQuerySet:
        """Whoever uploaded it; which of its pages he may file is asked for each of them."""
        return self.filter(owner=user)


class SignedPile(Record):
    """Signed papers of many people, uploaded together, read page by page in the background."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField("上传时间", default=timezone.now)
    name = models.CharField("文件", max_length=150)
    # What is to be read, in order: stored file, type, pages (0 until they were counted), and
    # whether the virus scanner has yet to look at it.
    sources = models.JSONField(default=list)
    job = models.ForeignKey("xianning.Job", models.PROTECT, null=True, related_name="+")
    token = models.CharField(max_length=32)  # of the press of the button
    cleared_at = models.DateTimeField("清理时间", null=True, blank=True)  # its files are gone

    objects = SignedPileQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "成批扫描件"
        verbose_name_plural = "成批扫描件"
        constraints = [models.UniqueConstraint(fields=["owner", "token"], name="signed_pile_once")]

    class Privacy:
        about, kept = "office", "work"
        purpose = "成批归入签字盖章的文书（第六条第3项）"
        private: dict[str, str] = {}
        open = {"owner", "uploaded_at", "name", "sources", "job", "token", "cleared_at"}

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("transfers:signed_pile", args=[self.pk])

    @property
    def page_count(self) -> int:
        """How many pages there are, as far as they were counted."""
        return sum(source["pages"] for source in self.sources)

    @property
    def is_counted(self) -> bool:
        return all(source["pages"] for source in self.sources)


class SignedPageQuerySet(models.QuerySet["SignedPage"]):
    def visible_to(self, user: User) -> SignedPageQuerySet:
        """My own pages: those that belong to nobody yet, and those of cases that I see."""
        mine = self.filter(pile__owner=user)
        return mine.filter(Q(transfer=None) | access.cases(user, "transfer__"))


class SignedPage(Record):
    """One page of a pile: for whom it is, and whether it was filed.

    A page that is refused names no case, so that a pile tells nothing of other offices' people.
    """

    class State(models.TextChoices):
        FOUND = "found", "待确认"
        UNREAD = "unread", "待认领"
        REFUSED = "refused", "不能归入"
        FILED = "filed", "已归入"
        DROPPED = "dropped", "已删去"

    OPEN = (State.FOUND, State.UNREAD)

    pile = models.ForeignKey(SignedPile, models.PROTECT, related_name="pages")
    place = models.PositiveSmallIntegerField("页")
    transfer = models.ForeignKey(
        Transfer, models.PROTECT, null=True, blank=True, related_name="signed_pages"
    )
    paper = models.CharField("文书", max_length=10, blank=True)
    version = models.PositiveIntegerField("版本", null=True, blank=True)
    copy = models.PositiveSmallIntegerField("联", null=True, blank=True)
    by_hand = models.BooleanField("人工认领", default=False)
    state = models.CharField("状态", max_length=10, choices=State)
    reason = models.CharField("说明", max_length=200, blank=True)
    file = models.CharField(max_length=100, blank=True)  # the page alone; gone when settled
    picture = models.CharField(max_length=100, blank=True)  # small; gone with the file
    content_type = models.CharField(max_length=40, blank=True)
    size = models.PositiveIntegerField("大小（字节）", default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    quarantined = models.BooleanField("待查杀", default=False)
    scan = models.ForeignKey(Scan, models.PROTECT, null=True, blank=True, related_name="+")
    settled_at = models.DateTimeField("处理时间", null=True, blank=True)

    objects = SignedPageQuerySet.as_manager()

    class Meta:
        ordering = ["place"]
        verbose_name = "扫描页"
        verbose_name_plural = "扫描页"
        constraints = [
            models.UniqueConstraint(fields=["pile", "place"], name="signed_page_once"),
            models.CheckConstraint(
                name="signed_page_filed_has_scan",
                condition=~Q(state="filed") | Q(scan__isnull=False, transfer__isnull=False),
            ),
            models.CheckConstraint(
                name="signed_page_found_has_case",
                condition=~Q(state="found") | Q(transfer__isnull=False, version__isnull=False),
            ),
            models.CheckConstraint(
                name="signed_page_refused_names_nobody",
                condition=~Q(state="refused") | Q(transfer__isnull=True, file="", picture=""),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "case", "case"
        purpose = "把签字盖章的文书逐页归入案卷（第六条第3项）"
        private: dict[str, str] = {}
        open = {
            "pile", "place", "transfer", "paper", "version", "copy", "by_hand", "state", "reason",
            "file", "picture", "content_type", "size", "sha256", "quarantined", "scan",
            "settled_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"第 {self.place + 1} 页"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN
