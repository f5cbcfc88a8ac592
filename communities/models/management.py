"""Which community manages a person on which day, and the re-handover between two (第十条: 居住地变更)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from datetime import date

    from communities.models.events import LifeEvent
    from transfers.models import Transfer
    from xianning.models import User


class ManagementQuerySet(models.QuerySet["Management"]):
    def on(self, day: date) -> ManagementQuerySet:
        """Who was under management on DAY, and where: one row a person."""
        return self.filter(Q(until=None) | Q(until__gt=day), since__lte=day)


class Management(Record):
    """One community's time with one person: from the day `since` to the day before `until`.

    Times of one person follow each other and never overlap; the open one is the community that
    answers for him now. A time that began and ended on the same day covers no day.
    """

    class Began(models.TextChoices):
        CHECK_IN = "check_in", "报到"
        REHANDOVER = "rehandover", "转交接收"

    class Ended(models.TextChoices):
        WITHDRAWN = "withdrawn", "报到撤回"
        REHANDOVER = "rehandover", "转交其他社区"
        DIED = "died", "死亡"

    transfer = models.ForeignKey(
        "transfers.Transfer", models.PROTECT, related_name="managements", verbose_name="案卷",
        db_index=False,
    )  # fmt: skip
    community = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="社区", db_index=False
    )
    since = models.DateField("开始日期")
    until = models.DateField("结束日期", null=True, blank=True)
    began = models.CharField("开始原因", max_length=10, choices=Began)
    ended = models.CharField("结束原因", max_length=10, choices=Ended, blank=True)
    history = HistoricalRecords(no_db_index=["transfer", "community"])

    objects = ManagementQuerySet.as_manager()

    class Meta:
        verbose_name = "社区管理期间"
        verbose_name_plural = "社区管理期间"
        ordering = ["transfer", "since", "id"]
        indexes = [
            models.Index(fields=["transfer", "since"], name="management_person"),
            models.Index(fields=["community", "since"], name="management_community"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["transfer"], name="management_one_now", condition=Q(until=None)
            ),
            models.CheckConstraint(
                name="management_ends_after_it_began",
                condition=Q(until=None, ended="") | (Q(until__gte=F("since")) & ~Q(ended="")),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "记载由哪个社区、从哪天到哪天管理服务（第六条第5项、第十条）"
        private: dict[str, str] = {}
        open = {"transfer", "community", "since", "until", "began", "ended"}

    def __str__(self) -> str:
        return f"{self.since}–{self.until or ''}"

    @classmethod
    def begin(cls, case: Transfer, community_id: str, *, since: date, why: str) -> None:
        """COMMUNITY manages the person from SINCE on, or from where the time before ended."""
        before = cls.objects.filter(transfer=case).order_by("since", "id").last()
        if before and before.until and before.until > since:
            since = before.until
        cls.objects.create(transfer=case, community_id=community_id, since=since, began=why)

    @classmethod
    def finish(cls, case: Transfer, *, until: date, why: str, by: User) -> None:
        """The time ends with the day before UNTIL, or with none when he came later.

        What was on the way to another community is not any more.
        """
        for onward in Rehandover.objects.open().filter(transfer=case):
            onward.close(Rehandover.State.WITHDRAWN, by=by, why=str(cls.Ended(why).label))
        now = cls.objects.filter(transfer=case, until=None).first()
        if now:
            now.until, now.ended = max(until, now.since), why
            now.save()

    @classmethod
    def resume(cls, case: Transfer) -> None:
        """The end of the last time was a mistake: it goes on as if nothing had happened."""
        last = cls.objects.filter(transfer=case).order_by("since", "id").last()
        if last and last.until:
            last.until, last.ended = None, ""
            last.save()


class RehandoverQuerySet(models.QuerySet["Rehandover"]):
    def visible_to(self, user: User) -> RehandoverQuerySet:
        """Those that a community of mine gives or is to receive."""
        return self.filter(
            self._mine("from_community_id", user) | self._mine("to_community_id", user)
        )

    def incoming(self, user: User) -> RehandoverQuerySet:
        """Those that a community of mine is to receive or received."""
        return self.filter(self._mine("to_community_id", user))

    def outgoing(self, user: User) -> RehandoverQuerySet:
        """Those that a community of mine gives or gave."""
        return self.filter(self._mine("from_community_id", user))

    def open(self) -> RehandoverQuerySet:
        return self.filter(state=Rehandover.State.OPEN)

    def _mine(self, column: str, user: User) -> Q:
        areas = access.scope(user).areas
        held = areas.get("community", frozenset()) | areas.get("street", frozenset())
        return access.within(column, held)


class Rehandover(Record):
    """居住地变更: a person under management goes on to another community, which accepts or refuses.

    Until it accepts, the giving community answers for the person.
    """

    class State(models.TextChoices):
        OPEN = "open", "待接收"
        ACCEPTED = "accepted", "已接收"
        REFUSED = "refused", "不接收"
        WITHDRAWN = "withdrawn", "已撤回"

    class Card(models.TextChoices):
        KEEP = "keep", "联系卡随人走"
        REISSUE = "reissue", "由接收社区换发新卡"

    class Party(models.TextChoices):
        NONE = "", "不是党员"
        FOLLOW = "follow", "组织关系随迁"
        STAY = "stay", "组织关系暂不转"

    class Refusal(models.TextChoices):
        NOT_HERE = "not_here", "本人不住本社区"
        UNREACHABLE = "unreachable", "联系不上本人"
        STAYS = "stays", "本人不愿转"
        OTHER = "other", "其他"

    transfer = models.ForeignKey(
        "transfers.Transfer", models.PROTECT, related_name="rehandovers", verbose_name="案卷"
    )
    event = models.OneToOneField(
        "communities.LifeEvent", models.PROTECT, related_name="rehandover", verbose_name="状态变动"
    )
    from_community = models.ForeignKey(
        "communities.Area",
        models.PROTECT,
        related_name="+",
        verbose_name="移出社区",
        db_index=False,
    )
    to_community = models.ForeignKey(
        "communities.Area",
        models.PROTECT,
        related_name="+",
        verbose_name="接收社区",
        db_index=False,
    )
    state = models.CharField("状态", max_length=10, choices=State, default=State.OPEN)
    card = models.CharField("联系卡", max_length=8, choices=Card)
    party = models.CharField("党员组织关系", max_length=8, choices=Party, blank=True)
    proposed_at = models.DateTimeField("提出时间", default=timezone.now)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="提出人",
        db_index=False,
    )  # fmt: skip
    decided_at = models.DateTimeField("办结时间", null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="办结人",
        db_index=False,
    )  # fmt: skip
    refusal = models.CharField("不接收原因", max_length=12, choices=Refusal, blank=True)
    why = models.CharField("说明", max_length=200, blank=True)
    history = HistoricalRecords(no_db_index=["transfer", "from_community", "to_community"])

    objects = RehandoverQuerySet.as_manager()

    class Meta:
        verbose_name = "转交"
        verbose_name_plural = "转交"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["from_community", "-id"], name="rehandover_from"),
            models.Index(fields=["to_community", "-id"], name="rehandover_to"),
            models.Index(
                fields=["to_community", "id"], name="rehandover_waiting", condition=Q(state="open")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["transfer"], name="rehandover_one_open", condition=Q(state="open")
            ),
            models.CheckConstraint(
                name="rehandover_between_two", condition=~Q(from_community=F("to_community"))
            ),
            models.CheckConstraint(
                name="rehandover_decided_by_somebody",
                condition=Q(state="open", decided_at=None, decided_by=None)
                | (~Q(state="open") & Q(decided_at__isnull=False, decided_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="rehandover_refused_with_reason",
                condition=(Q(state="refused") & ~Q(refusal="") & ~Q(why=""))
                | (~Q(state="refused") & Q(refusal="")),
            ),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "居住地变更后转交其他社区管理服务（第十条）"
        private: dict[str, str] = {}
        open = {
            "transfer", "event", "from_community", "to_community", "state", "card", "party",
            "proposed_at", "proposed_by", "decided_at", "decided_by", "refusal", "why",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.get_state_display()

    def close(self, state: str, *, by: User, why: str = "", refusal: str = "") -> None:
        """Decided, with who and when."""
        self.state, self.why, self.refusal = state, why[:200], refusal
        self.decided_at, self.decided_by = timezone.now(), by
        self.save()

    @classmethod
    def of_event(cls, event: LifeEvent) -> Rehandover | None:
        return cls.objects.filter(event=event).first()
