"""Workbooks as enterprises keep them, typed by hand from the form of domain.md §1.2; made-up people."""

from __future__ import annotations

import io
import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook

from xianning import demo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from communities.models import Area

# Columns A to AX: what stands in row 4, 5 and 6 (merged down to row 7), and the field it fills.
WUHAN50: tuple[tuple[str, str, str, str], ...] = (
    ("序号", "", "", ""),
    ("基本情况", "姓名", "", "name"), ("基本情况", "性别", "", "sex"),
    ("基本情况", "民族", "", "ethnicity"), ("基本情况", "出生年月", "", "born"),
    ("基本情况", "身份证号", "", "id_number"), ("基本情况", "政治面貌", "", "political_status"),
    ("基本情况", "健康状况", "", "health"), ("基本情况", "原工作单位", "", "former_employer"),
    ("基本情况", "原任职务", "", "former_post"), ("基本情况", "参加工作时间", "", "work_started"),
    ("基本情况", "退休年月", "", "retired"), ("基本情况", "档案存放地点", "", "archive_place"),
    ("基本情况", "文化程度", "", "education"), ("基本情况", "特长技能", "", "skills"),
    ("基本情况", "退休类别", "", "retirement_kind"), ("基本情况", "兴趣及爱好", "", "hobbies"),
    ("基本情况", "特殊人员", "", "special_groups"),
    ("社会保障情况", "是否享受低保", "", "low_income"),
    ("社会保障情况", "社保关系所在地", "养老保险", "pension_place"),
    ("社会保障情况", "社保关系所在地", "医疗保险", "medical_place"),
    ("社会保障情况", "参保情况", "", "insurances"),
    ("社会保障情况", "工伤伤残等级", "", "injury_grade"),
    ("社会保障情况", "工伤部位", "", "injury_part"),
    ("社会保障情况", "社会保障统筹外待遇", "", "extra_benefits"),
    ("家庭情况", "居住情况", "", "residence"),
    ("家庭情况", "户口所在地", "", "household_address"),
    ("家庭情况", "电话", "", "household_phone"),
    ("家庭情况", "常住地", "", "home_address"), ("家庭情况", "电话", "", "home_phone"),
    ("家庭情况", "异地居住地", "", "away_address"), ("家庭情况", "电话", "", "away_phone"),
    ("家庭情况", "配偶情况", "姓名", "spouse_name"),
    ("家庭情况", "配偶情况", "出生年月", "spouse_born"),
    ("家庭情况", "配偶情况", "联系电话", "spouse_phone"),
    ("家庭情况", "配偶情况", "工作单位", "spouse_employer"),
    ("家庭情况", "配偶情况", "目前状况", "spouse_status"),
    ("家庭情况", "配偶情况", "健康状况", "spouse_health"),
    ("家庭情况", "第一联系人", "姓名", "contact1_name"),
    ("家庭情况", "第一联系人", "关系", "contact1_relation"),
    ("家庭情况", "第一联系人", "工作单位", "contact1_employer"),
    ("家庭情况", "第一联系人", "联系电话", "contact1_phone"),
    ("家庭情况", "第一联系人", "详细地址及\n邮政编码", "contact1_address"),
    ("家庭情况", "第二联系人", "姓名", "contact2_name"),
    ("家庭情况", "第二联系人", "关系", "contact2_relation"),
    ("家庭情况", "第二联系人", "工作单位", "contact2_employer"),
    ("家庭情况", "第二联系人", "电话", "contact2_phone"),
    ("家庭情况", "第二联系人", "详细地址及\n邮政编码", "contact2_address"),
    ("个人移交意愿", "本地移交", "", "wish_local"), ("个人移交意愿", "异地移交", "", "wish_away"),
)  # fmt: skip
assert len(WUHAN50) == 50
FIRST_ROW = 9


def made_up_people(
    n: int, seed: int = 1, communities: Iterable[Area] = (), employer: str = "演示机械厂"
) -> list[dict[str, Any]]:
    """N people by field of RetireeForm, in words; homes in COMMUNITIES in turn (else 桂花路).

    The receiving community stands in the address only, as in the 50-column form.
    """
    from communities.models import Area

    rng = random.Random(seed)
    places = list(communities) or [Area.objects.get(code=demo.GUIHUA)]
    people: list[dict[str, Any]] = []
    taken: set[str] = set()
    while len(people) < n:
        index = len(people)
        person = demo.person(rng, index, places[index % len(places)], employer)
        if person["id_number"] in taken:
            continue
        taken.add(person["id_number"])
        del person["community"]
        people.append(person)
    return people


def make_workbook(
    people: list[dict[str, Any]], layout: str = "wuhan50", *, footer: bool = True
) -> bytes:
    """PEOPLE as a workbook (.xlsx): sheets 全民 and 大集体, data from row 9, totals below.

    A value that is not text is written as it is (a number cell, a date cell).
    """
    columns = {"wuhan50": WUHAN50}[layout]
    book = Workbook()
    book.remove(book.active)
    for title in ("全民", "大集体"):
        mine = [p for p in people if p.get("employment_kind", "全民") == title]
        if mine:
            _fill(book.create_sheet(title), columns, mine, footer)
    return saved(book)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def table(*rows: list[Any], title: str = "名单") -> bytes:
    """A workbook of one plain sheet."""
    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    return saved(book)


def _fill(
    sheet: Any, columns: tuple[tuple[str, str, str, str], ...], people: list[dict[str, Any]],
    footer: bool,
) -> None:  # fmt: skip
    for row, text in enumerate(
        ("国有企业退休人员社会化管理服务基本信息表", "（□央企  □省企  ☑市企  □区企）",
         "移交单位：演示机械厂    企业所在地：咸安区    集团公司（一级）："), start=1,
    ):  # fmt: skip
        sheet.cell(row, 1, text)
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=len(columns))
    for place, (top, middle, leaf, _) in enumerate(columns, start=1):
        sheet.cell(4, place, top)
        sheet.cell(5, place, middle or None)
        sheet.cell(6, place, leaf or None)
    _merge(sheet, columns)
    for number, person in enumerate(people, start=1):
        row = FIRST_ROW + number - 1
        sheet.cell(row, 1, number)
        for place, (*_, field) in enumerate(columns, start=1):
            if field and person.get(field, "") != "":
                sheet.cell(row, place, person[field])
    if footer:
        below = FIRST_ROW + len(people) + 1
        sheet.cell(below, 1, "合计")
        sheet.cell(below, 3, len(people))
        sheet.cell(below + 1, 2, "填表人：")
        sheet.cell(below + 1, 9, "单位负责人（签字）：")


def _merge(sheet: Any, columns: tuple[tuple[str, str, str, str], ...]) -> None:
    """Row 4 over its section; rows 5 to 7 down, or row 5 over a group with rows 6 and 7 below."""
    for level, row in ((0, 4), (1, 5)):
        start = 0
        for place in range(1, len(columns) + 1):
            same = (
                place < len(columns) and columns[place][: level + 1] == columns[start][: level + 1]
            )
            if same and (level == 0 or columns[start][2]):
                continue
            if place - start > 1:
                sheet.merge_cells(
                    start_row=row, end_row=row, start_column=start + 1, end_column=place
                )
            start = place
    sheet.merge_cells("A4:A7")
    for place, (_, middle, leaf, _field) in enumerate(columns, start=1):
        if place > 1 and middle:
            top = 6 if leaf else 5
            sheet.merge_cells(start_row=top, end_row=7, start_column=place, end_column=place)


def as_shown(cell: Any) -> Any:
    """The words a program shows for a cell of one of the formats that are used."""
    if isinstance(cell.value, datetime):
        return f"{cell.value:%Y-%m-%d}"[: 10 if "dd" in cell.number_format else 7]
    if isinstance(cell.value, int | float):
        return f"{cell.value:.2f}" if cell.number_format == "0.00" else f"{cell.value:.0f}"
    return cell.value
