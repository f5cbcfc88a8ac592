"""Divisions: from the province down to the community and the village."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models import Traced
from xianning.roles import permissions_on

if TYPE_CHECKING:
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
