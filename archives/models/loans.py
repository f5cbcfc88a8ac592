"""查阅和借出登记 of the agency: who had a file, why, from when, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from archives.models.files import PersonnelFile
from transfers.models.handovers import HandoverItem
from transfers.refusal import Refused
from xianning import access, audit
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User


class FileLoanQuerySet(models.QuerySet["FileLoan"]):
    def visible_to(self, user: User) -> FileLoanQuerySet:
        """The register of one's own agency."""
        held = access.scope(user).areas.get("insurance", frozenset())
        return self.filter(file__area__in=held)

    def out(self) -> FileLoanQuerySet:
        """Files that have not come back."""
        return self.filter(back_on=None)

    def overdue(self) -> FileLoanQuerySet:
        return self.out().filter(due_on__lt=timezone.localdate())


class FileLoan(Record):
    """One consultation in the reading room, or one file lent out of it."""

    class Kind(models.TextChoices):
        READ = "read", "查阅"
        LEND = "lend", "借出"

    file = models.ForeignKey(PersonnelFile, models.PROTECT, related_name="loans")
    kind = models.CharField("方式", max_length=4, choices=Kind)
    person = models.CharField("查（借）阅人", max_length=50)
    office = models.CharField("单位", max_length=80)
    letter = models.CharField("介绍信或证件", max_length=60)
    purpose = models.CharField("事由", max_length=120)
    what = models.CharField("查（借）阅内容", max_length=120)
    taken_on = models.DateField("起")
    due_on = models.DateField("止")
    back_on = models.DateField("归还日期", null=True, blank=True)
    back_note = models.CharField("归还情况", max_length=120, blank=True)
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="登记人"
    )
    history = HistoricalRecords()

    objects = FileLoanQuerySet.as_manager()

    class Meta:
        verbose_name = "档案查借阅登记"
        verbose_name_plural = "档案查借阅登记"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["file"], name="loan_one_at_a_time", condition=Q(back_on=None)
            ),
            models.CheckConstraint(
                name="loan_days_in_order",
                condition=Q(due_on__gte=F("taken_on"))
                & (Q(back_on=None) | Q(back_on__gte=F("taken_on"))),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "人事档案的查阅和借出（第六条第4项）"
        private: dict[str, str] = {}
        open = {
            "file", "kind", "person", "office", "letter", "purpose", "what", "taken_on", "due_on",
            "back_on", "back_note", "registered_by",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()}：{self.person}"

    @property
    def is_overdue(self) -> bool:
        return self.back_on is None and self.due_on < timezone.localdate()

    @staticmethod
    def why_not(file: PersonnelFile, by: User) -> str | None:
        """Why BY cannot give this file out, as a sentence; None when he can."""
        if not access.scope(by).may_act("insurance", area=file.area_id):
            return f"档案由{file.area.full_name}社会保险经办机构保管，由其登记查阅和借出。"
        if file.item.state not in HandoverItem.TAKEN:
            return "此人的档案尚未接收入库，不能查阅或借出。"
        if not file.item.got_volumes:
            return f"没有在库的档案（{file.get_lane_display()}），不能查阅或借出。"
        if other := file.loans.filter(back_on=None).first():
            return f"此档案由{other.office}{other.person}{other.get_kind_display()}，应于 {other.due_on} 归还。"
        return None

    @classmethod
    @transaction.atomic
    def give(
        cls, file: PersonnelFile, *, by: User, taken_on: date, due_on: date, **facts: str
    ) -> FileLoan:
        """Register who has the file from now on; the row of the file is locked meanwhile."""
        file = (
            PersonnelFile.objects.select_for_update(of=("self",))
            .select_related("item", "area")
            .get(pk=file.pk)
        )
        if refusal := cls.why_not(file, by):
            raise Refused(refusal)
        loan = cls.objects.create(
            file=file, registered_by=by, taken_on=taken_on, due_on=due_on, **facts
        )
        audit.write("file_given", user=by, object=loan, area=file.area_id,
                    facts={"kind": loan.kind})  # fmt: skip
        return loan

    def take_back(self, *, by: User, note: str) -> None:
        """The file is back in its place."""
        if not access.scope(by).may_act("insurance", area=self.file.area_id):
            raise Refused("由保管档案的社会保险经办机构登记归还。")
        if self.back_on:
            raise Refused(f"此档案已于 {self.back_on} 归还。")
        self.back_on, self.back_note = timezone.localdate(), note
        self.save()
        audit.write("file_back", user=by, object=self, area=self.file.area_id)
