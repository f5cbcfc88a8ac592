"""What was printed: every paper with its version, by whom and when; and piles on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from transfers.models.cases import Transfer
from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xianning.models import User


class PrintPile(Record):
    """A paper for many people, made as one file in the background.

    Blocks that are made are kept under `parts`, so that work which was interrupted goes on behind
    them. The row gives no right: whether its owner still may is asked for each person.
    """

    paper = models.CharField(max_length=20)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField("提交时间", default=timezone.now)
    cases = models.JSONField(default=list)  # ids, in the order of the pages
    apart = models.BooleanField("每个单位一个文件", default=False)
    parts = models.JSONField(default=list)  # stored files, a block of people each, in order
    job = models.OneToOneField("xianning.Job", models.PROTECT, null=True, related_name="+")
    token = models.CharField(max_length=32)  # of the press of the button

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["owner", "token"], name="pile_once")]
        verbose_name = "成批打印"
        verbose_name_plural = "成批打印"

    class Privacy:
        about, kept = "office", "work"
        purpose = "成批打印文书（第六条第3项）"
        private: dict[str, str] = {}
        open = {"paper", "owner", "asked_at", "cases", "apart", "parts", "job", "token"}

    def __str__(self) -> str:
        return f"{self.paper} {len(self.cases)}"


class PrintedPaperQuerySet(models.QuerySet["PrintedPaper"]):
    def visible_to(self, user: User) -> PrintedPaperQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class PrintedPaper(Record):
    """One printing of a paper of a case. VERSION is that of the paper, empty when it has none."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="printed")
    paper = models.CharField("文书", max_length=20)
    version = models.CharField("版本", max_length=20, blank=True)
    printed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    printed_at = models.DateTimeField("打印时间", default=timezone.now)
    in_pile = models.BooleanField("成批打印", default=False)

    objects = PrintedPaperQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "打印记录"
        verbose_name_plural = "打印记录"
        indexes = [models.Index(fields=["transfer", "paper", "-id"], name="printed_of_case")]

    class Privacy:
        about, kept = "case", "case"
        purpose = "文书打印记录（第六条第3项）"
        private: dict[str, str] = {}
        open = {"transfer", "paper", "version", "printed_by", "printed_at", "in_pile"}

    def __str__(self) -> str:
        return f"{self.paper} {self.version}"

    @classmethod
    def times(cls, cases: Iterable[Transfer], paper: str) -> dict[tuple[object, str], int]:
        """How often PAPER was printed, by case and version."""
        rows = cls.objects.filter(transfer__in=cases, paper=paper).order_by()
        counted = rows.values_list("transfer_id", "version").annotate(n=models.Count("pk"))
        return {(case, version): n for case, version, n in counted}
