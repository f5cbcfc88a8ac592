"""All divisions in memory: finding one by what people type, or inside a written address."""

from __future__ import annotations

import difflib
import re
from functools import cached_property
from typing import TYPE_CHECKING

from communities.models import Area
from xianning import standards

if TYPE_CHECKING:
    from collections.abc import Iterable

# Words of an address that say it lies in a province, city or county (not 市场, not 小区).
_ELSEWHERE = re.compile(r"省|市(?![场民政])|县")
_URBAN = re.compile(r"(社区|居委会|居民委员会)$")
_SUFFIX = re.compile(r"(社区居民委员会|社区居委会|居民委员会|村民委员会|居委会|村委会|社区|村)$")


def short(name: str) -> str:
    """A name without its kind: 万年路社区 → 万年路, 大屋村委会 → 大屋."""
    return _SUFFIX.sub("", name) or name


class Directory:
    """One reading of the divisions (about 1,200 rows), made for one page or one workbook."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, bool], Area | standards.NotValid] = {}

    def read(self) -> None:
        """Ask the database now, and not when the first name is looked up."""
        self.areas  # noqa: B018

    @cached_property
    def areas(self) -> dict[str, Area]:
        return {area.code: area for area in Area.objects.order_by("code")}

    @cached_property
    def _by_beginning(self) -> dict[str, list[tuple[Area, tuple[str, ...]]]]:
        """Receiving communities by the first two characters, and how addresses write each.

        The spellings go from sure to doubtful: 甘棠村委会 stands beside 甘棠社区, and 马桥村 may have
        become 马桥社区.
        """
        found: dict[str, list[tuple[Area, tuple[str, ...]]]] = {}
        for area in self._pool(Area.Level.COMMUNITY, receiving=True):
            name = short(area.name)
            kinds = ("社区", "村") if _URBAN.search(area.name) else ("村", "社区")
            if len(name) > 1:
                spellings = (area.name, *(f"{name}{kind}" for kind in kinds))
                found.setdefault(name[:2], []).append((area, spellings))
        return found

    @cached_property
    def _counties(self) -> list[Area]:
        return [a for a in self.areas.values() if a.level == Area.Level.COUNTY]

    def above(self, area: Area, level: str) -> Area | None:
        """The division of LEVEL in which AREA lies."""
        found: Area | None = area
        while found is not None and found.level != level:
            found = self.areas.get(found.parent_id or "")
        return found

    def _pool(self, level: str, receiving: bool) -> list[Area]:
        levels = set(level.split("|")) if level else set()
        return [
            area
            for area in self.areas.values()
            if (not levels or area.level in levels)
            and (not receiving or (area.receives and area.closed_on is None))
        ]

    def find(self, text: str, *, level: str = "", receiving: bool = False) -> Area:
        """The division that TEXT names. LEVEL may name several, joined by `|`.

        Raises NotValid with the nearest names when none or more than one fits.
        """
        key = (text, level, receiving)
        if key not in self._found:
            try:
                self._found[key] = self._find(text, level, receiving)
            except standards.NotValid as reason:
                self._found[key] = reason
        found = self._found[key]
        if isinstance(found, standards.NotValid):
            raise standards.NotValid(str(found))
        return found

    def _find(self, text: str, level: str, receiving: bool) -> Area:
        wanted = standards.fold(text).replace(" ", "").removeprefix("湖北省").removeprefix("咸宁市")
        if not wanted:
            wanted = "咸宁市"
        pool = self._pool(level, receiving)
        exact = [a for a in pool if wanted in (a.code, a.full_name)]
        found = exact or [a for a in pool if a.name == wanted]
        found = found or [a for a in pool if wanted in a.full_name]
        found = found or [a for a in pool if self._matches(a, wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            some = "、".join(a.full_name for a in found[:4])
            raise standards.NotValid(f"“{text}”对应多个：{some}，请写明县和街道（乡镇）。")
        near = self.nearest(wanted, pool)
        hint = f"，相近的有：{'、'.join(near)}" if near else ""
        raise standards.NotValid(f"找不到“{text}”{hint}。")

    @staticmethod
    def _matches(area: Area, text: str) -> bool:
        return short(area.name) == short(text) and len(short(text)) > 1

    @staticmethod
    def nearest(text: str, pool: Iterable[Area], limit: int = 3) -> list[str]:
        """Full names that look most like TEXT."""
        wanted = set(short(text))
        alike = sorted(pool, key=lambda area: -len(wanted & set(area.name)))[:40]
        names = {short(a.name): a.full_name for a in alike}
        close = difflib.get_close_matches(short(text), list(names), n=limit, cutoff=0.5)
        return [names[name] for name in close]

    def search(self, text: str, *, level: str, receiving: bool, limit: int = 12) -> list[Area]:
        """Divisions whose full name contains every word of TEXT, for a list to choose from."""
        words = standards.fold(text).split()
        pool = self._pool(level, receiving)
        return [a for a in pool if all(word in a.full_name for word in words)][:limit]

    def locate(self, address: str) -> Area | None:
        """The receiving community that a written ADDRESS names, when exactly one fits."""
        text = standards.fold(address).replace(" ", "")
        hits: dict[str, tuple[int, Area]] = {}  # how doubtful, and which
        for start in range(len(text) - 1):
            for area, spellings in self._by_beginning.get(text[start : start + 2], ()):
                for doubt, spelling in enumerate(spellings):
                    if text.startswith(spelling, start):
                        hits[area.code] = min((doubt, area), hits.get(area.code, (9, area)),
                                              key=lambda hit: hit[0])  # fmt: skip
                        break
        return self._only_one(list(hits.values()), text) if hits else None

    def _only_one(self, hits: list[tuple[int, Area]], text: str) -> Area | None:
        """The one of HITS that agrees with the county and the township named in TEXT."""
        counties = {county.code for county in self._counties if county.name in text}
        if counties:
            hits = [hit for hit in hits if self._county_code(hit[1]) in counties]
        elif "咸宁" not in text and _ELSEWHERE.search(text):
            return None
        hits = [hit for hit in hits if self._names_above(hit[1], text)] or hits
        surest = min((doubt for doubt, _ in hits), default=0)
        areas = [area for doubt, area in hits if doubt == surest]
        longest = max((len(area.name) for area in areas), default=0)
        areas = [area for area in areas if len(area.name) == longest]
        return areas[0] if len(areas) == 1 else None

    def _county_code(self, area: Area) -> str:
        county = self.above(area, Area.Level.COUNTY)
        return county.code if county else ""

    def _names_above(self, area: Area, text: str) -> bool:
        township = self.areas.get(area.parent_id or "")
        return township is not None and re.sub(r"(街道|镇|乡)$", "", township.name) in text
