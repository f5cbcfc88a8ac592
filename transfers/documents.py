"""《咸宁市国有企业退休人员社会化管理服务基本信息表》 (第六条第2、3项, annex)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfers.choices import (
    ARTICLE_8_GROUPS,
    Insurance,
    Residence,
    SpecialGroup,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from xianning import pdf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfers.models import Transfer

COPIES = ("第一联　企业留存", "第二联　个人留存", "第三联　街道社区留存")
LEVELS = {"central": "央企", "provincial": "省企", "city": "市企", "county": "县（市、区）企"}


@dataclass(frozen=True)
class Tick:
    """A box with its word."""

    word: str
    on: bool

    def __str__(self) -> str:
        return f"{'☑' if self.on else '□'}{self.word}"


def _ticks(choices: Iterable[tuple[str, str]], chosen: Iterable[str]) -> list[Tick]:
    on = set(chosen)
    return [Tick(label, value in on) for value, label in choices]


def _pairs(kind: Iterable[SpecialGroup]) -> list[tuple[str, str]]:
    return [(str(group.value), str(group.label)) for group in kind]


def basic_information_form(case: Transfer) -> bytes:
    """Three labelled copies, A4 landscape, a page each; empty fields are left for the pen."""
    person, enterprise = case.retiree, case.enterprise
    gone = enterprise.status in enterprise.NEEDS_DEPARTMENT
    income = person.low_income
    context = {
        "case": case,
        "person": person,
        "words": {name: person.words(name) for name in person.PRINTED},
        "levels": _ticks(LEVELS.items(), [enterprise.level]),
        "transferors": [
            Tick("正常经营企业", not gone),
            Tick("原主管部门（破产/改制/注销企业）", gone),
        ],
        "groups": _ticks(_pairs(ARTICLE_8_GROUPS), person.special_groups),
        "more_groups": _ticks(
            _pairs(g for g in SpecialGroup if g not in ARTICLE_8_GROUPS), person.special_groups
        ),
        "income": [Tick("是", income is True), Tick("否", income is False)],
        "insurances": _ticks(Insurance.choices, person.insurances),
        "residences": _ticks(Residence.choices, [person.residence]),
        "spouse": _ticks(SpouseStatus.choices, [person.spouse_status]),
        "local": _ticks(WishLocal.choices, [person.wish_local]),
        "away": _ticks(WishAway.choices, [person.wish_away]),
        "wishes": [
            Tick("本地移交", bool(person.wish_local)),
            Tick("异地移交", bool(person.wish_away)),
        ],
        "copies": [
            (label, pdf.qr(f"XN|{case.pk}|{case.form_version}|{number}"))
            for number, label in enumerate(COPIES, start=1)
        ],
    }
    return pdf.render("print/basic_information_form.html", context)
