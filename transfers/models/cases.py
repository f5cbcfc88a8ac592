"""The case, its steps, and what happened in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from simple_history.models import HistoricalRecords

from transfers.choices import (
    EndReason,
    ReturnReason,
)
from transfers.models.retirees import NameGram, Retiree
from transfers.stages import ALL, BIT, CARD
from xianning import access, standards
from xianning.models import Record
from xianning.privacy import blind_index, blind_indexes

if TYPE_CHECKING:
    from datetime import date

    from transfers.models.evidence import SignedForm
    from xianning.models import User


class TransferQuerySet(models.QuerySet["Transfer"]):
    def visible_to(self, user: User) -> TransferQuerySet:
        """The cases of my enterprises and those whose desk lies in my area (the only door)."""
        return self.filter(access.cases(user))

    def named(self, text: str) -> TransferQuerySet:
        """People whose name contains TEXT, found through the index of name pieces."""
        pieces = standards.bigrams(text)
        longest = {p for p in pieces if len(p) == min(2, len(text))}
        rows = self
        for piece in sorted(longest):
            rows = rows.filter(
                Exists(NameGram.objects.filter(gram=piece, retiree=OuterRef("retiree")))
            )
        return rows.filter(retiree__name__contains=text) if len(text) > 2 else rows

    def with_id_number(self, id_number: str) -> TransferQuerySet:
        return self.filter(retiree__id_index__in=blind_indexes(id_number, "id_number"))

    def with_id_tail(self, tail: str) -> TransferQuerySet:
        """People whose number ends with TAIL (its last four characters)."""
        return self.filter(retiree__tail_index__in=blind_indexes(tail, "id_tail"))

    def with_phone(self, number: str) -> TransferQuerySet:
        """People whose first number to call is NUMBER."""
        digits = "".join(filter(str.isdigit, number))
        return self.filter(retiree__phone_index__in=blind_indexes(digits, "phone_text"))


class Transfer(Record):
    """A case: one retiree on the way from one enterprise to one community.

    The desks of 第五条 are columns, because scope must be found by an index (each has one with the id,
    so the foreign key needs none of its own): `enterprise` files,
    `authority` is the area whose SASAC lists the enterprise and whose HR verifies the treatment,
    `archive_area` the social-insurance agency, `community` the receiver of 第六条第5项, and
    `party_area` the Party organisation of long-term residence (empty for non-members).
    """

    class State(models.TextChoices):
        OPEN = "open", "办理中"
        DONE = "done", "已完成移交"
        ENDED = "ended", "已终止"

    number = models.CharField("案卷编号", max_length=20, unique=True)
    retiree = models.ForeignKey(
        Retiree, models.PROTECT, related_name="transfers", verbose_name="退休人员"
    )
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, related_name="transfers", verbose_name="移交单位",
        db_index=False,
    )  # fmt: skip
    authority = models.ForeignKey(
        "communities.Area",
        models.PROTECT,
        related_name="+",
        verbose_name="主管层级",
        db_index=False,
    )
    community = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="接收社区", db_index=False,
    )  # fmt: skip
    archive_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="档案接收地", db_index=False,
    )  # fmt: skip
    party_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="长期居住地党组织", db_index=False,
    )  # fmt: skip
    # What the signed form names, once a person was handed on to another community (第十条); before
    # that the two columns above say it.
    declared_community = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="移交时的接收社区", db_index=False,
    )  # fmt: skip
    declared_party_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="移交时的长期居住地", db_index=False,
    )  # fmt: skip
    state = models.CharField("状态", max_length=6, choices=State, default=State.OPEN)
    # Which stages of the hand-over were reached (`stages.BIT`): for sums over a million cases. It
    # follows from the steps and the card, and is written by those who write them.
    reached = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    form_version = models.PositiveSmallIntegerField("表格版本", default=1)
    treatment_verified_on = models.DateField("待遇核定日期", null=True, blank=True)
    treatment_document = models.CharField("待遇核定文号", max_length=60, blank=True)
    pension_from = models.DateField("待遇领取起始年月", null=True, blank=True)
    pension_agency = models.CharField("待遇核定机构", max_length=80, blank=True)
    batch = models.ForeignKey(
        "transfers.ImportBatch", models.PROTECT, null=True, blank=True, verbose_name="导入批次"
    )
    filed_at = models.DateTimeField("建案时间", default=timezone.now)
    filed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="建案人",
        db_index=False,
    )  # fmt: skip
    closed_at = models.DateTimeField("办结时间", null=True, blank=True)
    # A history is read by its case: indexes of the other columns would only slow the writing.
    history = HistoricalRecords(
        excluded_fields=["reached"],
        no_db_index=[
            "number", "retiree", "enterprise", "authority", "community", "archive_area", "party_area",
            "batch", "filed_by", "declared_community", "declared_party_area",
        ]
    )  # fmt: skip

    objects = TransferQuerySet.as_manager()

    class Meta:
        verbose_name = "案卷"
        verbose_name_plural = "案卷"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="transfer_enterprise"),
            models.Index(fields=["authority", "-id"], name="transfer_authority"),
            models.Index(fields=["community", "-id"], name="transfer_community"),
            models.Index(fields=["archive_area", "-id"], name="transfer_archive"),
            models.Index(
                fields=["party_area", "-id"],
                name="transfer_party",
                condition=Q(party_area__isnull=False),
            ),
            # Holds all that the sums of 对账 ask for, so that they are read from it alone.
            models.Index(
                fields=[
                    "authority",
                    "enterprise",
                    "community",
                    "declared_community",
                    "reached",
                    "state",
                    "batch",
                ],
                name="transfer_sums",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["retiree"], name="transfer_one_per_retiree", condition=~Q(state="ended")
            ),
            models.CheckConstraint(
                name="transfer_closed_when_over",
                condition=Q(state="open", closed_at=None)
                | Q(state__in=("done", "ended"), closed_at__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "记载移交案卷和接收单位（第五条、第六条）"
        private: dict[str, str] = {}
        open = {
            "number", "retiree", "enterprise", "authority", "community", "archive_area",
            "party_area", "state", "form_version", "treatment_verified_on",
            "treatment_document", "pension_from", "pension_agency", "batch", "filed_at",
            "filed_by", "closed_at", "declared_community", "declared_party_area",
            "reached",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.number} {self.retiree.name}"

    def get_absolute_url(self) -> str:
        return reverse("transfers:detail", args=[self.pk])

    @property
    def valid_form(self) -> SignedForm | None:
        """The signed form that still agrees with the data."""
        return self.forms.filter(invalid_since=None).first()

    @property
    def person(self) -> Retiree:
        """The retiree; of an ended case as he stood then: another enterprise may file him anew."""
        return self._person_then if self.state == self.State.ENDED else self.retiree

    @cached_property
    def _person_then(self) -> Retiree:
        then = self.retiree.history.filter(history_date__lte=self.closed_at).first()
        return then.instance if then else self.retiree

    @property
    def was_moved(self) -> bool:
        """Whether another community than that of the form manages the person now (第十条)."""
        return self.declared_community_id is not None

    @property
    def destination(self) -> Any:
        """第五条: the community to which the form hands over."""
        return self.declared_community if self.was_moved else self.community

    @property
    def party_destination(self) -> Any:
        """第六条第6项: the place of the Party organisation that the form names."""
        return self.declared_party_area if self.was_moved else self.party_area

    def fingerprint(self) -> str:
        """Keyed digest of everything that stands on the form: the person and the receivers."""
        moved = self.was_moved
        community = self.declared_community_id if moved else self.community_id
        party_area = self.declared_party_area_id if moved else self.party_area_id
        receivers = f"{community}|{party_area}"
        return blind_index(self.retiree.fingerprint() + receivers, "form")

    def mark_card(self, *, has_card: bool) -> None:
        """The card was issued or voided (`ContactCard.save`): `reached` says so for who checked in."""
        rows = Transfer.objects.filter(pk=self.pk)
        if has_card:
            checked_in = Exact(F("reached").bitand(BIT["community"]), BIT["community"])
            rows.filter(checked_in).update(reached=F("reached").bitor(BIT[CARD]))
        else:
            rows.update(reached=F("reached").bitand(ALL - BIT[CARD]))

    def record_treatment(
        self, *, by: User, verified_on: date, document: str, pension_from: date
    ) -> str:
        """第六条第2项: what HR verified (saved with the case by the workflow)."""
        self.treatment_verified_on, self.treatment_document = verified_on, document
        self.pension_from = pension_from
        self.pension_agency = f"{self.authority.name}人社部门"
        return f"自 {pension_from:%Y-%m} 起领取养老金"


class TransferStep(models.Model):
    """Where one step of one case stands. Written by `transfers.workflow` and by nothing else."""

    class State(models.TextChoices):
        BLOCKED = "blocked", "未到"
        OPEN = "open", "待办"
        DONE = "done", "已办"
        SKIPPED = "skipped", "不适用"

    # Indexes: the case by `step_once`, the desks by those below; more would slow a large import.
    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="steps", db_index=False)
    step = models.CharField("步骤", max_length=12)
    role = models.CharField(max_length=20)
    area = models.ForeignKey("communities.Area", models.PROTECT, null=True, db_index=False)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, db_index=False
    )
    state = models.CharField("状态", max_length=8, choices=State)
    returned = models.BooleanField("被退回", default=False)
    opened_at = models.DateTimeField("转入时间", null=True)
    used = models.PositiveSmallIntegerField("以前停留的工作日", default=0, db_default=0)
    done_at = models.DateTimeField("办结时间", null=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    done_office = models.ForeignKey(
        "xianning.Office", models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["step", "area", "opened_at", "transfer"], name="step_waiting_area",
                condition=Q(state="open", area__isnull=False),
            ),
            models.Index(
                fields=["enterprise", "step", "opened_at", "transfer"], name="step_waiting_enterprise",
                condition=Q(state="open", enterprise__isnull=False),
            ),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(fields=["transfer", "step"], name="step_once"),
            models.CheckConstraint(
                name="step_done_by_somebody",
                condition=Q(state="done", done_at__isnull=False, done_by__isnull=False)
                | (~Q(state="done") & Q(done_at=None, done_by=None, done_office=None)),
            ),
            models.CheckConstraint(
                name="step_open_since",
                condition=~Q(state="open") | Q(opened_at__isnull=False),
            ),
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "记载各步骤的办理状态（第六条）"
        private: dict[str, str] = {}
        open = {
            "transfer", "step", "role", "area", "enterprise", "state", "returned", "opened_at",
            "used", "done_at", "done_by", "done_office",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.step}: {self.get_state_display()}"


class StepEvent(Record):
    """What happened in the procedure: who, for which office, when, what, why. Never changed."""

    class Verb(models.TextChoices):
        START = "start", "建案"
        COMPLETE = "complete", "办结"
        SEND_BACK = "send_back", "退回"
        WITHDRAW = "withdraw", "撤回"
        AMEND = "amend", "更改信息"
        INVALIDATE = "invalidate", "签字失效"
        END = "end", "终止"
        MOVE = "move", "转交"

    # These are about the case, whatever step they stand beside.
    OF_THE_CASE = (Verb.START, Verb.END, Verb.AMEND, Verb.MOVE)

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="events", db_index=False)
    step = models.CharField(max_length=12)
    verb = models.CharField(max_length=10, choices=Verb)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    office = models.ForeignKey(
        "xianning.Office", models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    code = models.CharField(max_length=12, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["transfer", "id"], name="event_transfer")]
        constraints = [
            models.CheckConstraint(
                name="event_return_has_reason",
                condition=~Q(verb__in=("send_back", "withdraw", "end"))
                | (~Q(code="") & ~Q(reason="")),
            ),
        ]

    class Privacy:
        about, kept = "case", "case"
        purpose = "记载办理经过：谁、何时、为何（第六条）"
        private: dict[str, str] = {}
        open = {"transfer", "step", "verb", "by", "office", "at", "code", "reason", "note"}

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.step}"

    @property
    def code_label(self) -> str:
        labels = dict(ReturnReason.choices) | dict(EndReason.choices)
        return str(labels.get(self.code, self.code))
