"""《咸宁市国有企业退休人员社会化管理服务基本信息表》 (第六条第2、3项, annex).

The grid is declared here row by row, in units of a 48-column table, because the size at which a
value fits follows from the width of its box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from communities.models import Area
from enterprises.models import Enterprise
from transfers.choices import (
    ARTICLE_8_GROUPS,
    Insurance,
    Residence,
    SpecialGroup,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from transfers.models import PrintedPaper, Retiree, Transfer
from xianning import pdf
from xianning.templatetags.ui import cn_date, month

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


COPIES = ("第一联　企业留存", "第二联　个人留存", "第三联　街道社区留存")
LEVELS = {"central": "央企", "provincial": "省企", "city": "市企", "county": "县（市、区）企"}

# Millimetres on A4 landscape: margins, where the table begins, its grid, the signatures below it.
LEFT, TABLE_TOP, SIDE, WIDTH = 13.0, 32.9, 7.0, 271.0
UNIT, ROW, RULE, PADDING = 5.5, 7.5, 0.14, 1.6
SIGNATURES, SIGNATURES_OF_MEMBER = 26.4, 19.0
HEADING_TOP, HEADING_EM = 24.5, 3.175
COLUMNS = 48
MONTH_FOR_THE_PEN = "　　年　　月"


class Tick(NamedTuple):
    """A box with its word."""

    word: str
    on: bool

    def __str__(self) -> str:
        return f"{'☑' if self.on else '□'}{self.word}"


@dataclass(frozen=True)
class Cell:
    """A box of the form: `kind` is `label`, `value`, `wide` (from the left) or `ticks`.

    LINES tells that the text may need more than one line.
    """

    kind: str
    text: str
    span: int
    size: str = ""
    lines: bool = False


@dataclass(frozen=True)
class Box:
    """Where a cell lies on the page, in millimetres; NAME is the same on every form."""

    name: str
    cell: Cell
    left: float
    top: float
    width: float
    height: float

    @property
    def at(self) -> str:
        """Its place as a style."""
        return (
            f"left: {self.left:.2f}mm; top: {self.top:.2f}mm;"
            f" width: {self.width:.2f}mm; height: {self.height:.2f}mm"
        )

    @property
    def pen_line(self) -> str:
        """The place of a thing whose lower edge is the line for the pen in an empty box."""
        return replace(self, left=self.left + 1.5, width=self.width - 3,
                       height=self.height / 2 + 1.8).at  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row of HEIGHT millimetres."""

    height: float
    cells: list[Cell]


@dataclass(frozen=True)
class Section:
    """Rows under one name, which is written downwards."""

    title: str
    rows: list[Row]


def _row(*parts: tuple[object, ...], height: float = ROW) -> Row:
    """Parts are (label, units) or (kind, value, units); together they fill the grid."""
    cells = []
    for part in parts:
        kind, text, span = part if len(part) == 3 else ("label", *part)
        assert isinstance(span, int)
        room = span * UNIT - PADDING
        size = "" if kind == "label" else pdf.fitting(str(text), room, height - 0.5)
        cells.append(Cell(str(kind), str(text), span, size, not pdf.is_line(str(text), room, size)))
    if sum(cell.span for cell in cells) != COLUMNS:
        raise ValueError(f"{cells[0].text}: the row does not fill the grid")
    return Row(height, cells)


def _ticks(choices: Iterable[tuple[str, str]], chosen: Iterable[str], gap: str = "　") -> str:
    on = set(chosen)
    return gap.join(str(Tick(label, value in on)) for value, label in choices)


def _pairs(kind: Iterable[SpecialGroup]) -> list[tuple[str, str]]:
    return [(str(group.value), str(group.label)) for group in kind]


def _account_hidden(bank: str) -> str:
    """A bank with, at most, the last four digits of an account somebody typed after it."""
    return re.sub(
        r"\d(?: ?\d){7,}", lambda run: f"****{run[0].replace(' ', '')[-4:]}", bank, flags=re.ASCII
    )


def _sections(case: Transfer) -> list[Section]:
    person = case.retiree
    say = person.words

    def value(name: str, units: int) -> tuple[str, str, int]:
        return "value", say(name), units

    def since(name: str, units: int) -> tuple[str, str, int]:
        return "value", say(name) or MONTH_FOR_THE_PEN, units

    groups = "\n".join(
        _ticks(_pairs(some), person.special_groups)
        for some in (ARTICLE_8_GROUPS, [g for g in SpecialGroup if g not in ARTICLE_8_GROUPS])
    )
    income = f"{Tick('是', person.low_income is True)}　{Tick('否', person.low_income is False)}"
    local = _ticks(WishLocal.choices, [person.wish_local])
    away = _ticks(WishAway.choices, [person.wish_away])
    born = "value", month(person.birth_date), 4
    certified = "value", cn_date(person.certified_on) or "　　年　月　日", 5
    sections = [
        Section("基本情况", [
            _row(("姓名", 3), value("name", 8), ("性别", 2), value("sex", 2), ("民族", 2),
                 value("ethnicity", 4), ("出生年月", 4), born, ("身份证号", 4),
                 value("id_number", 8), ("政治面貌", 3), value("political_status", 4)),
            _row(("原工作单位", 4), value("former_employer", 13), ("原任职务", 4),
                 value("former_post", 8), ("参加工作时间", 5), since("work_started", 5),
                 ("退休年月", 4), since("retired", 5)),
            _row(("文化程度", 4), value("education", 6), ("退休类别", 4),
                 value("retirement_kind", 7), ("健康状况", 4), value("health", 8),
                 ("档案存放地点", 5), value("archive_place", 10)),
            _row(("特长技能", 4), value("skills", 20), ("兴趣及爱好", 4), value("hobbies", 20)),
            _row(("特殊人员", 4), ("ticks", groups, 44), height=11),
        ]),
        Section("社会保障", [
            _row(("享受低保", 4), ("ticks", income, 5), ("养老保险关系所在地", 7),
                 value("pension_place", 7), ("医疗保险关系所在地", 7), value("medical_place", 7),
                 ("ticks", _ticks(Insurance.choices, person.insurances, " "), 11)),
            _row(("工伤伤残等级", 5), value("injury_grade", 4), ("工伤部位", 4),
                 value("injury_part", 9), ("社会保障统筹外待遇", 7), value("extra_benefits", 19)),
            _row(("待遇核定机构", 5), ("value", case.pension_agency, 9), ("待遇领取起始", 5),
                 ("value", month(case.pension_from) or MONTH_FOR_THE_PEN, 5),
                 ("养老金发放银行", 5), ("value", _account_hidden(say("pension_bank")), 9),
                 ("最近资格认证", 5), certified),
        ]),
        Section("家庭情况", [
            _row(("居住情况", 4), ("ticks", _ticks(Residence.choices, [person.residence]), 44),
                 height=6.5),
            *(
                _row((label, 4), ("wide", say(f"{where}_address"), 30), ("电话", 3),
                     value(f"{where}_phone", 11))
                for label, where in (
                    ("户口所在地", "household"), ("常住地", "home"), ("异地居住地", "away")
                )
            ),
            _row(("配偶姓名", 4), value("spouse_name", 8), ("出生年月", 4), value("spouse_born", 5),
                 ("联系电话", 4), value("spouse_phone", 8), ("工作单位", 4),
                 value("spouse_employer", 11)),
            _row(("目前状况", 4),
                 ("ticks", _ticks(SpouseStatus.choices, [person.spouse_status]), 20),
                 ("健康状况", 4), value("spouse_health", 20)),
            _row(("家庭联系人", 4), ("姓名", 8), ("与本人关系", 5), ("工作单位", 10),
                 ("联系电话", 7), ("详细地址及邮政编码", 14), height=5.5),
            *(
                _row((label, 4), value(f"{which}_name", 8), value(f"{which}_relation", 5),
                     value(f"{which}_employer", 10), value(f"{which}_phone", 7),
                     ("wide", say(f"{which}_address"), 14))
                for label, which in (("第一联系人", "contact1"), ("第二联系人", "contact2"))
            ),
        ]),
        Section("意愿", [
            _row(("个人移交意愿", 6),
                 ("ticks", f"{Tick('本地移交', bool(person.wish_local))}（{local}）", 25),
                 ("ticks", f"{Tick('异地移交', bool(person.wish_away))}（{away}）", 17)),
        ]),
    ]  # fmt: skip
    if person.is_party_member:
        goal = case.party_destination.full_name if case.party_destination else ""
        sections.append(Section("党员", [
            _row(("入党时间", 4), since("party_joined_on", 5), ("原党组织", 4),
                 value("party_branch", 11), ("党费交至", 4), since("party_dues_until", 5),
                 ("拟转入党组织", 5), ("value", goal, 10)),
        ]))  # fmt: skip
    return sections


@dataclass(frozen=True)
class Layout:
    """The table: its boxes, the names beside the sections, and its outer frame."""

    boxes: list[Box]
    sides: list[Box]
    frame: Box


def _layout(sections: Iterable[Section]) -> Layout:
    boxes, sides, top, number = [], [], TABLE_TOP, 0
    for section in sections:
        begun = top
        for row in section.rows:
            left = LEFT + SIDE
            for place, cell in enumerate(row.cells):
                width = cell.span * UNIT
                name = f"r{number}c{place}"
                boxes.append(Box(name, cell, left, top, width, row.height + RULE))
                left += width
            top += row.height + RULE
            number += 1
        side = Cell("label", section.title, 0)
        sides.append(Box("side", side, LEFT, begun, SIDE, top - begun))
    frame = Box("frame", Cell("", "", 0), LEFT, TABLE_TOP, WIDTH, top - TABLE_TOP)
    return Layout(boxes, sides, frame)


def _heading(case: Transfer) -> list[Box]:
    """The line above the table: labels and values."""
    enterprise = case.enterprise
    line = (
        ("移交单位", enterprise.transferor, 62.0),
        ("企业所在地", enterprise.county.full_name, 22.0),
        ("集团公司（一级）", enterprise.group, 52.0),
        ("移交至", case.destination.full_name if case.destination else "", 56.0),
    )
    found, left = [], LEFT
    for number, (label, text, room) in enumerate(line):
        width = (len(label) + 1) * HEADING_EM
        given = Cell("given", text, 0, pdf.fitting(text, room - 1, 6.8))
        found += [
            Box(f"l{number}", Cell("label", f"{label}：", 0), left, HEADING_TOP, width, 7.2),
            Box(f"h{number}", given, left + width, HEADING_TOP, room, 7.2),
        ]
        left += width + room
    return found


@lru_cache(maxsize=2)
def _ground(member: bool) -> pdf.Pdf:
    """What is the same on every form, of members and of others: a page for each copy.

    It is laid out once in the life of a process; a form is only the words upon it.
    """
    someone = Retiree(political_status="01" if member else "13", birth_date=date(1950, 1, 1))
    nobody = Transfer(retiree=someone, enterprise=Enterprise(county=Area()))
    layout = _layout(_sections(nobody))
    frame = layout.frame
    height = SIGNATURES_OF_MEMBER if member else SIGNATURES
    below = frame.top + frame.height
    context = {
        "heading": _heading(nobody),
        "layout": layout,
        "signatures": replace(frame, top=below, height=height),
        "foot": replace(frame, top=below + height + 1, height=4),
        "member": member,
        "copies": COPIES,
    }
    return pdf.render("print/basic_information_ground.html", context)


def basic_information_form(case: Transfer) -> pdf.Pdf:
    """Three labelled copies, A4 landscape, a page each; empty fields have a line for the pen."""
    return _forms([case], noted=True)


def basic_information_forms(cases: Sequence[Transfer]) -> pdf.Pdf:
    """The forms of CASES one behind the other, three copies each; put on record afterwards."""
    return _forms(cases, noted=False)


def _forms(cases: Sequence[Transfer], *, noted: bool) -> pdf.Pdf:
    """A version that was printed before says on its face which printing it is.

    NOTED tells whether this printing is on record already.
    """
    times = PrintedPaper.times(cases, "form")
    so_far = [times.get((case.pk, str(case.form_version)), 0) for case in cases]
    sheets = [
        _sheet(case, count if noted else count + 1)
        for case, count in zip(cases, so_far, strict=True)
    ]
    # The boxes of all forms lie at the same places; those of members are more.
    places = {box.name: box for sheet in sheets for box in sheet["boxes"]}
    words = pdf.render(
        "print/basic_information_form.html", {"sheets": sheets, "places": places.values()},
        copies=len(COPIES),
    )  # fmt: skip
    members = [case.retiree.is_party_member for case in cases]
    kinds = sorted(set(members))
    copies = range(len(COPIES))
    which = [len(COPIES) * kinds.index(member) + copy for member in members for copy in copies]
    return pdf.on_grounds(words, [_ground(member) for member in kinds], which)


def _sheet(case: Transfer, times: int) -> dict[str, Any]:
    enterprise = case.enterprise
    gone = enterprise.status in enterprise.NEEDS_DEPARTMENT
    boxes = [*_layout(_sections(case)).boxes, *_heading(case)]
    return {
        "case": case,
        "times": times,
        "levels": _ticks(LEVELS.items(), [enterprise.level]),
        "transferors": (
            f"{Tick('正常经营企业', not gone)}　{Tick('原主管部门（破产/改制/注销企业）', gone)}"
        ),
        "boxes": [box for box in boxes if box.cell.kind != "label"],
        "codes": [
            pdf.mark("FORM", case.pk, case.form_version, number)
            for number in range(1, len(COPIES) + 1)
        ],
    }
