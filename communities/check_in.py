"""The desk on check-in day (第六条第5项): who stands before it, and whether he can check in now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from communities.models import Reception
from transfers import workflow
from transfers.choices import Residence
from transfers.models import Transfer, TransferStep
from transfers.models.retirees import TAIL
from transfers.refusal import Refused
from transfers.scans.reading import Code
from xianning import standards

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from xianning.models import User

LEAST_DIGITS = 7  # of a telephone number
LIMIT = 20  # people of one answer; more are found by typing more
EXPECTED = (
    "请扫描《基本信息表》上的二维码，或输入姓名（两个字以上）、身份证号末四位或完整号码、电话号码。"
)
_TAIL = re.compile(rf"[0-9]{{{TAIL - 1}}}[0-9X]")
_ID = re.compile(r"[0-9]{17}[0-9X]")
_SCAN = re.compile(r"XN:[A-Z]+:[0-9A-F:]+")


@dataclass(frozen=True)
class Question:
    """What was scanned or typed: KIND is code, name, tail, id or phone."""

    kind: str
    text: str
    code: Code | None = None

    @classmethod
    def read(cls, typed: str) -> Question:
        """Raises NotValid with a sentence for what is none of them."""
        text = standards.fold(typed)
        close = text.replace(" ", "").upper()
        if _SCAN.fullmatch(close):
            code = Code.parse(close)
            if code is None or code.paper != "FORM":
                raise standards.NotValid("这不是《基本信息表》上的二维码，请扫描表右上角的二维码。")
            return cls("code", close, code)
        if _TAIL.fullmatch(close):
            return cls("tail", close)
        if _ID.fullmatch(close):
            return cls("id", close)
        if sum(letter.isdigit() for letter in close) in range(1, LEAST_DIGITS):
            raise standards.NotValid(EXPECTED)
        if any(letter.isdigit() for letter in close):
            return cls("phone", standards.parse_phone(text))
        if len(close) < 2:
            raise standards.NotValid(EXPECTED)
        return cls("name", text)

    def answer(self, user: User) -> QuerySet[Transfer]:
        """The cases of USER that it means, the newest first."""
        rows = Transfer.objects.visible_to(user)
        if self.code is not None:
            rows = rows.filter(pk=self.code.pk)
        elif self.kind == "tail":
            rows = rows.with_id_tail(self.text)
        elif self.kind == "id":
            rows = rows.with_id_number(self.text)
        elif self.kind == "phone":
            rows = rows.with_phone(self.text)
        else:
            rows = rows.named(self.text)
        # How each of them stands is told, too: read with the cases, not one by one.
        return workflow.with_steps(rows).select_related("reception").order_by("-pk")

    def elsewhere(self) -> str | None:
        """Where somebody belongs whose form is in the hand, when it is no community of mine.

        The form names the community in words, so its code tells its holder nothing new.
        """
        if self.code is None:
            return None
        case = Transfer.objects.filter(pk=self.code.pk).first()
        if case is None or case.community is None:
            return None
        return (
            f"此人的接收社区是{case.community.full_name}，不是本社区，请其到该社区报到（第五条）。"
        )


class Colour(StrEnum):
    """How a person stands, told by a word and by the colour of the box around it."""

    GREEN, YELLOW, RED = "done", "warn", "bad"

    @property
    def word(self) -> str:
        return {"done": "可以报到", "warn": "请注意", "bad": "不能报到"}[self]


@dataclass(frozen=True)
class Standing:
    """The answer of the desk about one person: a colour and why, in sentences."""

    colour: Colour
    word: str
    reasons: list[str]
    is_open: bool = False  # the form may be taken now


def standing(case: Transfer, user: User, version: int | None = None) -> Standing:
    """How CASE stands at the desk of USER; VERSION is that of the form in the person's hand."""
    row = workflow.rows_of(case)[workflow.COMMUNITY]
    if row.state == TransferStep.State.DONE:
        return Standing(Colour.YELLOW, "已经报到", [_earlier(case, row)])
    if not workflow.is_mine(row, user):
        right = case.community.full_name if case.community else "（未定）"
        return Standing(
            Colour.RED, "不是本社区", [f"接收社区是{right}，请其到该社区报到（第五条）。"]
        )
    reasons = [reason for reason in (workflow.why_not(case, row, user),) if reason]
    if case.state == Transfer.State.OPEN and not reasons and version is not None:
        reasons += _outdated(case, version)
    if reasons:
        return Standing(Colour.RED, Colour.RED.word, reasons)
    if notes := _notes(case):
        return Standing(Colour.YELLOW, Colour.YELLOW.word, notes, is_open=True)
    return Standing(
        Colour.GREEN, Colour.GREEN.word, ["《基本信息表》已签字盖章，没有缺项。"], is_open=True
    )


def _earlier(case: Transfer, row: TransferStep) -> str:
    """When and by whom somebody was checked in before."""
    entry = getattr(case, "reception", None)
    when = timezone.localtime(row.done_at)
    number = f"，台账号 {entry.ledger_number}" if entry else ""
    return f"已于 {when:%Y-%m-%d %H:%M} 由{row.done_by}办理报到{number}，不用再办。"


def _outdated(case: Transfer, version: int) -> list[str]:
    if version == case.form_version:
        return []
    return [
        f"手中的《基本信息表》是第 {version} 版，现行为第 {case.form_version} 版；"
        f"请向{case.enterprise.transferor}换取签字盖章的新表（第六条第3项）。"
    ]


def _notes(case: Transfer) -> list[str]:
    """What the desk should know before it takes the form."""
    person, notes = case.retiree, []
    if person.residence != Residence.LOCAL:
        kind = person.get_residence_display()
        notes.append(f"登记为{kind}：请先与本人核对由哪里管理服务，再收表（第五条）。")
    if person.is_party_member:
        notes.append("是中共党员：组织关系由党组织另行接收，请提醒本人（第六条第6项）。")
    return notes


def today(user: User) -> QuerySet[Reception]:
    """Who checked in today at the communities of USER, the last first."""
    return (
        Reception.objects.kept_by(user)
        .filter(is_active=True, checked_in_on=timezone.localdate())
        .select_related("transfer__retiree", "community", "verified_by")
        .order_by("-pk")
    )


def check_in(case: Transfer, *, by: User, version: int | None, **answers: Any) -> Reception:
    """Take the form through the one writer of steps. Raises Refused, also for an outdated form."""
    if version is not None and (reasons := _outdated(case, version)):
        raise Refused(reasons[0])
    workflow.complete(case, workflow.COMMUNITY, by=by, **answers)
    return Reception.objects.get(transfer=case)
