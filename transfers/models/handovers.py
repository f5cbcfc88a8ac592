"""One delivery from one office to another: who gives, who takes, what is in it, whose turn it is.

The same two tables serve personnel files, other archives, letters, retirees in a batch and
re-handovers between communities; what a kind keeps besides stands in a table of its own that points
at `HandoverItem`. Written by `transfers.handovers` and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from transfers.choices import ReturnReason
from xianning import access
from xianning.models import Office, Record
from xianning.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from communities.models import Area
    from enterprises.models import Enterprise
    from xianning.models import User


PHRASES = ("正本 {} 卷", "副本 {} 卷", "材料 {} 份", "{} 页")


class Counts(NamedTuple):
    """How much there is of one item; a letter or a person is one piece."""

    volumes: int = 0  # 正本，案卷
    duplicates: int = 0  # 副本
    pieces: int = 0  # 材料，件
    pages: int = 0

    def __str__(self) -> str:
        return self.said(PHRASES)

    def said(self, phrases: Sequence[str]) -> str:
        """What there is, in PHRASES with a {} for each number."""
        words = zip(self, phrases, strict=True)
        return "、".join(word.format(n) for n, word in words if n) or "0"


COUNT_WORDS = {
    "volumes": "正本（卷）",
    "duplicates": "副本（卷）",
    "pieces": "材料（份）",
    "pages": "页数",
}


@dataclass(frozen=True)
class Kind:
    """What is handed over: between which roles, by which article, under which number."""

    slug: str
    title: str
    article: str
    sender: str  # role
    receiver: str  # role
    number: str  # with {year} and {serial}
    series: str  # key of the running number, a row of Sequence for each sender and year
    words: Mapping[str, str] = field(default_factory=lambda: COUNT_WORDS)
    phrases: tuple[str, ...] = PHRASES
    receipt_months: int = 1  # then the receipt is asked for (domain: 逾期一个月未退回应催问)


KINDS: dict[str, Kind] = {
    kind.slug: kind
    for kind in (
        Kind("personnel", "人事档案", "第六条第4项", "enterprise", "insurance",
             "档转字〔{year}〕第{serial}号", "delivery"),
        Kind("records", "其他档案", "第六条第4项", "enterprise", "archives_office",
             "档交字〔{year}〕第{serial}号", "records",
             words={"volumes": "卷", "duplicates": "副本", "pieces": "件", "pages": "页"},
             phrases=("{} 卷", "副本 {} 卷", "{} 件", "{} 页")),
        # No file goes: the enterprise states where it is, and the agency answers.
        Kind("statement", "档案情况说明", "第六条第4项", "enterprise", "insurance",
             "档说字〔{year}〕第{serial}号", "statement"),
        Kind("letter", "党员组织关系", "第六条第6项", "enterprise", "party",
             "组介字〔{year}〕第{serial}号", "letter"),
        Kind("retirees", "退休人员", "第六条第5项", "enterprise", "community",
             "移交字〔{year}〕第{serial}号", "retirees"),
        Kind("rehandover", "社区间转交", "第十条", "community", "community",
             "转交字〔{year}〕第{serial}号", "rehandover"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """One side of a delivery: a role at an area or at an enterprise."""

    role: str
    area: Area | None = None
    enterprise: Enterprise | None = None

    def columns(self, side: str) -> dict[str, Any]:
        """The columns of Handover that hold this desk as its SIDE (`from` or `to`)."""
        names = (f"{side}_role", f"{side}_area", f"{side}_enterprise")
        return dict(zip(names, (self.role, self.area, self.enterprise), strict=True))

    @property
    def name(self) -> str:
        """What the office is called on paper now."""
        if self.enterprise is not None:
            return self.enterprise.transferor
        assert self.area is not None
        offices = Office.objects.at_desk(self.role, area_id=self.area.pk, enterprise_id=None)
        role = ROLES[self.role]
        if office := offices.first():
            return office.name
        return f"{self.area.full_name}{role.desk or role.name}".strip()


class HandoverQuerySet(models.QuerySet["Handover"]):
    def visible_to(self, user: User) -> HandoverQuerySet:
        """What my offices send; what was sent to them; to the level above, what its own sent."""
        mine = access.scope(user)
        rows = mine.desks("from_") | (mine.desks("to_") & ~Q(state=Handover.State.PACKING))
        for slug in ("sasac", "auditor"):
            held = mine.areas.get(slug, frozenset())
            rows |= access.within("from_enterprise__authority_id", held, deepest=6)
        return self.filter(rows)

    def of_kind(self, kind: str) -> HandoverQuerySet:
        return self.filter(kind=kind)

    def overdue(self) -> HandoverQuerySet:
        """Sent, and the receipt has not come in time."""
        return self.filter(state=Handover.State.SENT, due_on__lt=timezone.localdate())

    def counted(self) -> HandoverQuerySet:
        """With `total` and `waiting`, the numbers of its items, counted for the rows shown only."""
        items = HandoverItem.objects.filter(handover=OuterRef("pk")).order_by().values("handover")
        number = Coalesce(Subquery(items.annotate(n=Count("pk")).values("n")), 0)
        left = items.filter(state=HandoverItem.State.WAITING)
        waiting = Coalesce(Subquery(left.annotate(n=Count("pk")).values("n")), 0)
        return self.annotate(total=number, waiting=waiting)


class Handover(Record):
    """A delivery. Packing: the sender's turn; sent: the receiver's; closed or withdrawn: nobody's.

    It has a number from the moment it is sent, so that what was packed and dropped leaves no gap.
    """

    class State(models.TextChoices):
        PACKING = "packing", "整理中"
        SENT = "sent", "已送出"
        CLOSED = "closed", "已办结"
        WITHDRAWN = "withdrawn", "已撤回"

    class Means(models.TextChoices):
        PERSON = "person", "专人送达"
        COURIER = "courier", "机要通信"
        EMS = "ems", "邮政特快专递（EMS）"
        HERE = "here", "本系统"

    kind = models.CharField(
        "交接事项", max_length=12, choices=[(k.slug, k.title) for k in KINDS.values()]
    )
    from_role = models.CharField(max_length=20)
    from_area = models.ForeignKey("communities.Area", models.PROTECT, null=True, related_name="+")
    from_enterprise = models.ForeignKey(
        "enterprises.Enterprise",
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name="移交单位",
    )
    to_role = models.CharField(max_length=20)
    to_area = models.ForeignKey("communities.Area", models.PROTECT, null=True, related_name="+")
    to_enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, related_name="+"
    )
    # What both were called when it was sent.
    sender_name = models.CharField("移交方", max_length=80, blank=True)
    receiver_name = models.CharField("接收方", max_length=80, blank=True)
    year = models.PositiveSmallIntegerField("年度", null=True)
    serial = models.PositiveIntegerField("序号", null=True)
    state = models.CharField("状态", max_length=10, choices=State, default=State.PACKING)
    means = models.CharField("送达方式", max_length=8, choices=Means, default=Means.PERSON)
    carrier = models.CharField("送交人", max_length=50, blank=True)
    handed_on = models.DateField("送交日期", null=True)
    packed_at = models.DateTimeField("建立时间", default=timezone.now)
    packed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    sent_at = models.DateTimeField("送出时间", null=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    due_on = models.DateField("回执期限", null=True)
    closed_at = models.DateTimeField("办结时间", null=True)
    reminded_at = models.DateTimeField("催办时间", null=True)
    history = HistoricalRecords()

    objects = HandoverQuerySet.as_manager()

    class Meta:
        verbose_name = "交接单"
        verbose_name_plural = "交接单"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["kind", "from_enterprise", "-id"], name="handover_from_enterprise"),
            models.Index(fields=["kind", "from_area", "-id"], name="handover_from_area"),
            models.Index(fields=["kind", "to_area", "-id"], name="handover_to_area"),
            models.Index(
                fields=["due_on"], name="handover_due", condition=Q(state="sent"),
            ),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "from_enterprise", "year", "serial"], name="handover_serial_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "from_role", "from_area", "year", "serial"],
                name="handover_serial_once_area",
            ),
            models.CheckConstraint(
                name="handover_one_place_each",
                condition=(
                    (Q(from_area=None) & Q(from_enterprise__isnull=False))
                    | (Q(from_area__isnull=False) & Q(from_enterprise=None))
                )
                & (
                    (Q(to_area=None) & Q(to_enterprise__isnull=False))
                    | (Q(to_area__isnull=False) & Q(to_enterprise=None))
                ),
            ),
            models.CheckConstraint(
                name="handover_sent_is_numbered",
                condition=Q(state="packing", serial=None, sent_at=None, sent_by=None)
                | (
                    ~Q(state="packing") & ~Q(sender_name="") & ~Q(receiver_name="")
                    & Q(year__isnull=False, serial__isnull=False, sent_at__isnull=False,
                        sent_by__isnull=False, handed_on__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="handover_closed_when_over",
                condition=Q(state__in=("packing", "sent"), closed_at=None)
                | Q(state__in=("closed", "withdrawn"), closed_at__isnull=False),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "case", "case"
        purpose = "交接单：移交方、接收方和经过（第五条、第六条）"
        private: dict[str, str] = {}
        open = {
            "kind", "from_role", "from_area", "from_enterprise", "to_role", "to_area",
            "to_enterprise", "sender_name", "receiver_name", "year", "serial", "state", "means",
            "carrier", "handed_on", "packed_at", "packed_by", "sent_at", "sent_by", "due_on",
            "closed_at", "reminded_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.number or f"{self.spec.title}（整理中）"

    @property
    def spec(self) -> Kind:
        return KINDS[self.kind]

    def get_absolute_url(self) -> str:
        name = {"personnel": "archives:batch", "records": "archives:records_batch"}[self.kind]
        return reverse(name, args=[self.pk])

    @property
    def number(self) -> str:
        """Its number on paper; empty until it is sent."""
        if self.serial is None:
            return ""
        return self.spec.number.format(year=self.year, serial=self.serial)

    @property
    def sender(self) -> Desk:
        return Desk(self.from_role, self.from_area, self.from_enterprise)

    @property
    def receiver(self) -> Desk:
        return Desk(self.to_role, self.to_area, self.to_enterprise)

    @property
    def turn(self) -> Desk | None:
        """Whose turn it is; nobody's when it is over."""
        turns = {self.State.PACKING: self.sender, self.State.SENT: self.receiver}
        return turns.get(self.State(self.state))

    @property
    def is_overdue(self) -> bool:
        return bool(
            self.state == self.State.SENT and self.due_on and self.due_on < timezone.localdate()
        )

    def serves(self, side: str, user: User) -> bool:
        """Whether USER serves the desk of this SIDE (`from` or `to`)."""
        return access.scope(user).may_act(
            getattr(self, f"{side}_role"), area=getattr(self, f"{side}_area_id"),
            enterprise=getattr(self, f"{side}_enterprise_id"),
        )  # fmt: skip


class HandoverItem(Record):
    """One thing in a delivery: the file, letter or person of a case, or what TITLE says."""

    class State(models.TextChoices):
        WAITING = "waiting", "待查收"
        ACCEPTED = "accepted", "已接收"
        NOTED = "noted", "附注接收"
        RETURNED = "returned", "已退回"
        WITHDRAWN = "withdrawn", "已撤回"

    TAKEN = (State.ACCEPTED, State.NOTED)

    handover = models.ForeignKey(Handover, models.PROTECT, related_name="items", db_index=False)
    kind = models.CharField(max_length=12)  # of the handover: what the constraint below needs
    position = models.PositiveIntegerField("序号")
    transfer = models.ForeignKey(
        "transfers.Transfer", models.PROTECT, null=True, related_name="handover_items",
        verbose_name="案卷", db_index=False,
    )  # fmt: skip
    title = models.CharField("题名", max_length=200, blank=True)
    volumes = models.PositiveIntegerField("正本（卷）", default=0)
    duplicates = models.PositiveIntegerField("副本（卷）", default=0)
    pieces = models.PositiveIntegerField("材料（份）", default=0)
    pages = models.PositiveIntegerField("页数", default=0)
    state = models.CharField("状态", max_length=10, choices=State, default=State.WAITING)
    got_volumes = models.PositiveIntegerField("实收正本（卷）", null=True)
    got_duplicates = models.PositiveIntegerField("实收副本（卷）", null=True)
    got_pieces = models.PositiveIntegerField("实收材料（份）", null=True)
    got_pages = models.PositiveIntegerField("实收页数", null=True)
    code = models.CharField("原因", max_length=12, blank=True)
    reason = models.CharField(
        "说明", max_length=300, blank=True
    )  # note, difference, or why it came back
    settled_at = models.DateTimeField("处理时间", null=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    settled_name = models.CharField("处理人", max_length=80, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "交接明细"
        verbose_name_plural = "交接明细"
        ordering = ["position"]
        indexes = [models.Index(fields=["transfer", "-id"], name="handover_item_case")]
        constraints = [
            models.UniqueConstraint(fields=["handover", "position"], name="handover_item_once"),
            # Nothing is on two ways at once.
            models.UniqueConstraint(
                fields=["kind", "transfer"], name="handover_item_one_way",
                condition=Q(state="waiting"),
            ),
            models.CheckConstraint(
                name="handover_item_is_of_something",
                condition=Q(transfer__isnull=False) | ~Q(title=""),
            ),
            models.CheckConstraint(
                name="handover_item_settled_by_somebody",
                condition=Q(state="waiting", settled_at=None, settled_by=None, settled_name="")
                | (~Q(state="waiting") & ~Q(settled_name="")
                   & Q(settled_at__isnull=False, settled_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="handover_item_back_with_reason",
                condition=~Q(state__in=("returned", "withdrawn", "noted")) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="handover_item_counts_agree",
                condition=~Q(state="accepted")
                | Q(got_volumes=F("volumes"), got_duplicates=F("duplicates"),
                    got_pieces=F("pieces"), got_pages=F("pages")),
            ),
            models.CheckConstraint(
                name="handover_item_noted_is_counted",
                condition=~Q(state="noted")
                | Q(got_volumes__isnull=False, got_duplicates__isnull=False,
                    got_pieces__isnull=False, got_pages__isnull=False),
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "person", "case"
        purpose = "交接单中的每一份：送出和收到的数量、结果（第六条）"
        private: dict[str, str] = {}
        open = {
            "handover", "kind", "position", "transfer", "title", "volumes", "duplicates", "pieces",
            "pages", "state", "got_volumes", "got_duplicates", "got_pieces", "got_pages", "code",
            "reason", "settled_at", "settled_by", "settled_name",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.title or f"第 {self.position} 件"

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return self.title or (self.transfer.person.name if self.transfer else "")

    @property
    def counts(self) -> Counts:
        return Counts(self.volumes, self.duplicates, self.pieces, self.pages)

    @property
    def got(self) -> Counts | None:
        """How much arrived; None until somebody has counted it."""
        if self.got_volumes is None:
            return None
        return Counts(
            self.got_volumes, self.got_duplicates or 0, self.got_pieces or 0, self.got_pages or 0
        )

    @property
    def sent_text(self) -> str:
        """How much was sent, in the words of its kind."""
        return self.counts.said(KINDS[self.kind].phrases)

    @property
    def got_text(self) -> str:
        """How much arrived; empty until somebody has counted it."""
        return self.got.said(KINDS[self.kind].phrases) if self.got else ""

    @property
    def code_label(self) -> str:
        return str(dict(ReturnReason.choices).get(self.code, ""))


class HandoverTurn(Record):
    """What happened to a delivery: who, for which office, when, why. Never changed."""

    class Verb(models.TextChoices):
        SEND = "send", "送出"
        ACCEPT = "accept", "接收"
        SEND_BACK = "send_back", "退回"
        TAKE_BACK = "take_back", "撤回"
        REOPEN = "reopen", "撤销接收"
        CLOSE = "close", "办结，回执退回"
        REMIND = "remind", "催办回执"

    handover = models.ForeignKey(Handover, models.PROTECT, related_name="turns", db_index=False)
    item = models.ForeignKey(HandoverItem, models.PROTECT, null=True, related_name="turns")
    verb = models.CharField("事项", max_length=10, choices=Verb)
    side = models.CharField("单位", max_length=80)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    by_name = models.CharField("办理人", max_length=80)
    at = models.DateTimeField("时间", default=timezone.now)
    reason = models.CharField("说明", max_length=300, blank=True)

    class Meta:
        verbose_name = "交接经过"
        verbose_name_plural = "交接经过"
        ordering = ["id"]
        indexes = [models.Index(fields=["handover", "id"], name="handover_turn_order")]

    class Privacy:
        about, kept = "case", "case"
        purpose = "交接经过：谁、何时、为何（第六条）"
        private: dict[str, str] = {}
        open = {"handover", "item", "verb", "side", "by", "by_name", "at", "reason"}

    def __str__(self) -> str:
        return self.get_verb_display()
