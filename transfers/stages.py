"""Does the sum close: the stages of a hand-over, and the bits in which a case keeps those it reached.

A person has reached a stage when its act and those of all stages before it are done. Steps 4, 5
and 6 open together after 3, so that each of their lines is measured against the signed form. What
is reached and what is missing of a stage add up to the stage before it, by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CARD, MEMBER = "card", "member"


@dataclass(frozen=True)
class Stage:
    """One bar: the act that is done, and the stage of which it is a part."""

    key: str  # of the step, or one of the two above
    title: str
    missing: str
    article: str
    of: str = ""  # the stage before; nothing: all cases


STAGES: dict[str, Stage] = {
    stage.key: stage
    for stage in (
        Stage("declare", "已申报", "已登记未申报", "第六条第2项"),
        Stage("verify", "已核定待遇", "已申报未核定", "第六条第2项", "declare"),
        Stage("confirm", "已签字盖章", "已核定未签字", "第六条第3项", "verify"),
        Stage("archives", "档案已接收", "已签字档案未接收", "第六条第4项", "confirm"),
        Stage("community", "已报到", "已签字未报到", "第六条第5项", "confirm"),
        Stage(CARD, "已发联系卡", "已报到未发卡", "第六条第5项", "community"),
        Stage(MEMBER, "其中党员", "其中非党员", "第六条第6项", "confirm"),
        Stage("party", "组织关系转入", "党员组织关系未转入", "第六条第6项", MEMBER),
    )
}
BIT: dict[str, int] = {key: 1 << place for place, key in enumerate(STAGES)}
ALL = sum(BIT.values())


def bits(states: Mapping[str, str], *, has_card: bool) -> int:
    """`Transfer.reached` of a case whose steps stand as STATES say (by key)."""
    found = 0
    for key, stage in STAGES.items():
        if key == CARD:
            here = has_card
        elif key == MEMBER:
            here = states["letter"] != "skipped"
        else:
            here = states[key] == "done"
        if here and (not stage.of or found & BIT[stage.of]):
            found |= BIT[key]
    return found
