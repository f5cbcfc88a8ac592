"""Party organisations: who may issue letters, who receives, where their receipts are posted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Record

if TYPE_CHECKING:
    from transfers.models import Transfer
    from xianning.models import User


class PartyOrganizationQuerySet(models.QuerySet["PartyOrganization"]):
    def visible_to(self, user: User) -> PartyOrganizationQuerySet:
        """Those of my enterprises, and those inside the area of my Party office."""
        mine = access.scope(user)
        held = mine.areas.get("party", frozenset())
        return self.filter(Q(enterprise__in=mine.enterprises) | access.within("area_id", held))

    def standing(self) -> PartyOrganizationQuerySet:
        return self.filter(closed_on=None)

    def of_sender(self, case: Transfer) -> PartyOrganizationQuerySet:
        """Those of the enterprise that hands the case over."""
        return self.standing().filter(enterprise=case.enterprise_id)

    def of_residence(self, case: Transfer) -> PartyOrganizationQuerySet:
        """第六条第6项: those of the street and community where the member lives."""
        if case.party_area_id is None:
            return self.none()
        places = [code for code in access.ancestors_of(case.party_area_id) if code[6:] != "000000"]
        return self.standing().filter(area__in=places)


class PartyOrganization(Record):
    """A committee, or a general branch or branch below it, of an enterprise, street or community.

    中国共产党党员教育管理工作条例第二十五条: a 基层党委 that may approve probationary members
    transfers and receives directly in the whole country; nobody else does.
    """

    class Kind(models.TextChoices):
        COMMITTEE = "committee", "基层党委"
        GENERAL = "general", "党总支"
        BRANCH = "branch", "党支部"

    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="所属企业",
    )  # fmt: skip
    area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="所在街道、社区",
    )  # fmt: skip
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="below",
        verbose_name="上级党组织",
    )  # fmt: skip
    kind = models.CharField("类别", max_length=10, choices=Kind)
    name = models.CharField("党组织名称", max_length=80)
    may_transfer = models.BooleanField("有审批预备党员权限", default=False)
    address = models.CharField("通讯地址", max_length=120, blank=True)
    phone = models.CharField("联系电话", max_length=40, blank=True)
    fax = models.CharField("传真", max_length=40, blank=True)
    postcode = models.CharField("邮编", max_length=6, blank=True)
    closed_on = models.DateField("撤销日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = PartyOrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = "党组织"
        verbose_name_plural = "党组织"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="party_organization_at_one_place",
                condition=Q(enterprise=None, area__isnull=False)
                | Q(area=None, enterprise__isnull=False),
            ),
            models.CheckConstraint(
                name="party_only_committees_transfer",
                condition=Q(may_transfer=False) | Q(kind="committee"),
                violation_error_message="只有基层党委可以有审批预备党员的权限。",
            ),
            models.UniqueConstraint(
                fields=["enterprise", "name"], name="party_name_once_in_enterprise",
                violation_error_message="本单位已登记同名的党组织。",
            ),
            models.UniqueConstraint(
                fields=["area", "name"], name="party_name_once_in_area",
                violation_error_message="此地已登记同名的党组织。",
            ),
        ]  # fmt: skip

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "党员组织关系转接的转出和接收党组织（第五条、第六条第6项）"
        private: dict[str, str] = {}
        open = {
            "enterprise", "area", "parent", "kind", "name", "may_transfer", "address", "phone",
            "fax", "postcode", "closed_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        return (
            str(self.enterprise) if self.enterprise_id else str(self.area and self.area.full_name)
        )

    @property
    def reach(self) -> list[str]:
        """What the letter says about where the receipt goes."""
        return [self.address, self.phone, self.fax, self.postcode]

    def why_not_transfer(self, deed: str) -> str | None:
        """Why it cannot issue or receive (DEED) a letter, as a sentence; None when it can."""
        if self.closed_on:
            return f"{self.name}已于 {self.closed_on:%Y-%m-%d} 撤销，不能{deed}介绍信。"
        if self.may_transfer:
            return None
        above = f"，请选择其上级“{self.parent}”" if self.parent and self.parent.may_transfer else ""
        return (
            f"{self.name}没有审批预备党员的权限，不能直接{deed}介绍信{above}"
            "（《中国共产党党员教育管理工作条例》第二十五条）。"
        )

    def why_not_close(self) -> str | None:
        """Why it cannot be dissolved now, as a sentence; None when it can."""
        below = PartyOrganization.objects.filter(parent=self, closed_on=None).first()
        if below is not None:
            return f"“{below}”还在它之下，请先改变其上级。"
        waiting = self.letters_on_the_way()
        return f"还有 {waiting} 封介绍信没有回执，不能撤销。" if waiting else None

    def letters_on_the_way(self) -> int:
        """How many letters it has sent or awaits without a receipt."""
        issued: Any = self.issued.filter(voided_at=None, receipt_on=None)
        received: Any = self.received.filter(voided_at=None, receipt_on=None)
        return int(issued.count() + received.count())
