"""Made-up private values that can be told from everything else, and where they turn up."""

from __future__ import annotations

import re
from datetime import date, timedelta

from tests.doors import ALL
from xianning import demo, standards

MARK = "暗记"
_TEXTS = sorted(name for name in ALL if not name.endswith("phone") and name != "id_number")
_PHONES = sorted(name for name in ALL if name.endswith("phone"))
assert len(_PHONES) <= 10
# Eight digits with which the phones begin, and nothing else does.
PHONES = tuple(f"137999{k}0" for k in range(len(_PHONES)))
VALUE = re.compile(rf"{MARK}[a-z]\d{{4}}|137999\d{{5}}|{demo.REGION}\d{{11}}[\dX]")


def person(n: int) -> dict[str, str]:
    """The private values of the N-th person (0…999), typed as RetireeForm takes them."""
    texts = {name: f"{MARK}{chr(97 + k)}{n:04d}" for k, name in enumerate(_TEXTS)}
    phones = {name: f"137999{k}{n:04d}" for k, name in enumerate(_PHONES)}
    birth = date(1951, 1, 1) + timedelta(days=n)
    return texts | phones | {"id_number": standards.make_id_number(demo.REGION, birth, 411, "1")}


def request_of(n: int) -> str:
    """What the N-th person writes when he asks for a copy of his data."""
    return f"{MARK}z{n:04d}"


def others(n: int) -> dict[str, str]:
    """What has to agree with the number of `person(n)` in a filled form."""
    born = standards.id_birth_date(person(n)["id_number"])
    return {"sex": "男", "born": "", "work_started": "1975-01",
            "retired": f"{born.year + 60}-{born.month:02d}", "party_joined_on": ""}  # fmt: skip


def values_in(text: str) -> set[str]:
    """The private values that stand in TEXT."""
    return set(VALUE.findall(text))
