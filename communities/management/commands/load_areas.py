"""`manage.py load_areas`: the divisions of Xianning (1,193 rows); what is there already stays."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from simple_history.utils import bulk_create_with_history

from communities.models import Area
from xianning import audit

DATA = Path(__file__).resolve().parents[2] / "data"
SOURCE = "国家统计局 2023-06-30"
LEVELS = {"village": Area.Level.COMMUNITY}
# A fault of the statistical data: the Ministry of Civil Affairs and the town itself write 簰.
CORRECTED = {"421221107000": ("牌洲湾镇", "簰洲湾镇")}
# Paired by elimination, because name and number both differ.
INFERRED = "421281104000"
# 400 and above are no townships (development zones, farms, parks) in digits 7-9, and no
# residents' or villagers' committees (virtual communities, living quarters) in digits 10-12.
NOT_A_UNIT = "400"


class Command(BaseCommand):
    help = "载入咸宁市行政区划（已有的不改动，可重复执行）"

    def handle(self, *_: Any, **__: Any) -> None:
        with audit.acting(name="命令 load_areas"), transaction.atomic():
            made = load()
        self.stdout.write(f"行政区划：新增 {made} 个，共 {Area.objects.count()} 个。")


def load() -> int:
    """Insert the divisions that are missing; returns how many. Renamed or closed ones stay so."""
    known = {area.code: area for area in Area.objects.all()}
    ministry = _ministry_codes()
    missing = []
    for row in _rows("xianning_divisions.csv"):
        if row["code"] not in known:
            known[row["code"]] = _area(row, known.get(row["parent_code"]), ministry)
            missing.append(known[row["code"]])
    # Parents stand before their children in the file.
    bulk_create_with_history(
        missing, Area, batch_size=500, default_change_reason=f"载入（{SOURCE}）"
    )
    audit.write_many("areas_loaded", missing)
    return len(missing)


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _area(row: dict[str, str], parent: Area | None, ministry: dict[str, str]) -> Area:
    code = row["code"]
    wrong, right = CORRECTED.get(code, ("", ""))
    area = Area(
        code=code,
        name=right if row["name"] == wrong else row["name"],
        level=LEVELS.get(row["level"], row["level"]),
        parent=parent,
        source=SOURCE + ministry.get(code, ""),
    )
    area.receives = area.level == Area.Level.COMMUNITY and _is_a_unit(code)
    area.full_name = area.path()
    return area


def _is_a_unit(code: str) -> bool:
    """Whether CODE is a residents' or villagers' committee of a street, town or township (第五条)."""
    return code[6:9] < NOT_A_UNIT and code[9:] < NOT_A_UNIT


def _ministry_codes() -> dict[str, str]:
    """By our code, how the Ministry of Civil Affairs numbers the same township (2025-12-31)."""
    found = {}
    for row in _rows("xianning_townships_mca.csv"):
        if row["level"] != "township":
            continue
        ours, theirs = row["nbs2023_code"], row["code"]
        if ours == INFERRED:
            found[ours] = f"；民政部：{row['name']} {theirs}（推定）"
        elif ours != theirs:
            found[ours] = f"；民政部代码 {theirs}"
    return found
