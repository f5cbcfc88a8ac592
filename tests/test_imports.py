"""Retirees from a workbook: what is recognised, what is refused, what is written."""

from __future__ import annotations

import io
import json
import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter

from communities.models import Area
from enterprises.models import Enterprise
from tests.factories import enterprise_of, make_transfer, values_for
from tests.test_concurrency import race
from tests.workbooks import WUHAN50, made_up_people, make_workbook, saved, table
from transfers import workflow
from transfers.imports import checking, columns, reading, sessions, writing
from transfers.models import ImportBatch, NameGram, Retiree, StepEvent, Transfer
from xianning import demo, standards, vault, walk
from xianning.models import Job, Notice, Sequence, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from django.test import Client

    from transfers.imports.checking import Report

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    return User.objects.get(username="qiye")


@pytest.fixture
def enterprise() -> Enterprise:
    return enterprise_of("qiye")


@pytest.fixture
def check(clerk: User, enterprise: Enterprise) -> Callable[[bytes], Report]:
    return lambda data: checking.check(data, enterprise, clerk)


def found(report: Report) -> list[tuple[str, int | None, str]]:
    return [(problem.sheet, problem.row, problem.column) for problem in report.errors]


def one(**given: Any) -> dict[str, Any]:
    """A made-up person whose employment is told by the sheet 全民."""
    return values_for(**given) | {"employment_kind": "全民"}


def plain(person: Retiree, **given: Any) -> dict[str, Any]:
    """A row with little more than the required cells, for a person on record."""
    return {
        "name": person.name, "id_number": person.id_number, "retired": f"{person.retired:%Y-%m}",
        "employment_kind": person.words("employment_kind"),
    } | given  # fmt: skip


# --- the form of fifty columns ------------------------------------------------------------------


def test_sixty_people_in_fifty_columns_are_read_checked_and_written(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    people = made_up_people(60, communities=Area.objects.receiving()[:30])
    report = check(make_workbook(people))
    assert (report.rows, report.new, report.errors) == (60, 60, [])
    writing.write(report, by=clerk)
    assert Retiree.objects.count() == Transfer.objects.count() == 60
    for person in people:
        case = Transfer.objects.with_id_number(person["id_number"]).get()
        retiree = case.retiree
        assert retiree.name == person["name"]
        assert retiree.words("employment_kind") == person["employment_kind"]
        assert (retiree.home_address, retiree.home_phone) == (
            person["home_address"], person["home_phone"],
        )  # fmt: skip
        assert retiree.household_phone == person["household_phone"]
        assert retiree.contact1_name == person["contact1_name"]
        assert retiree.contact1_relation == person["contact1_relation"]
        assert (retiree.spouse_name, retiree.contact2_name) == ("", "")
        assert case.community
        assert person["home_address"].startswith(case.community.full_name)
        assert list(Transfer.objects.named(person["name"][:2]).filter(pk=case.pk)) == [case]


def test_an_imported_person_stands_where_one_filed_by_hand_stands(
    check: Callable[[bytes], Report], clerk: User, enterprise: Enterprise
) -> None:
    [person] = made_up_people(1, seed=5)
    writing.write(check(make_workbook([person])), by=clerk)
    imported = Transfer.objects.get()
    by_hand = walk.file_person(values_for(party_member=True), enterprise, clerk)
    assert [(s.step, s.state, s.area_id, s.enterprise_id) for s in imported.steps.all()] == [
        (s.step, s.state, s.area_id, s.enterprise_id) for s in by_hand.steps.all()
    ]
    assert [(e.step, e.verb, e.by) for e in imported.events.all()] == [
        (e.step, e.verb, e.by) for e in by_hand.events.all()
    ]
    for record in (imported, imported.retiree):
        [line] = record.history.all()
        assert (line.history_type, line.history_user) == ("+", clerk)


def test_every_wrong_cell_is_reported_by_sheet_row_and_own_heading(
    check: Callable[[bytes], Report],
) -> None:
    people = [one() for _ in range(60)]
    people[2]["id_number"] = int(people[2]["id_number"][:15])
    people[10] |= {"id_number": people[10]["id_number"][:17] + "?", "contact1_phone": "12345"}
    people[30] |= {"retired": "2030年13月", "spouse_phone": 13912345678}
    report = check(make_workbook(people))
    assert found(report) == [
        ("全民", 11, "身份证号"),
        ("全民", 19, "身份证号"), ("全民", 19, "第一联系人/联系电话"),
        ("全民", 39, "退休年月"), ("全民", 39, "配偶情况/联系电话"),
    ]  # fmt: skip
    assert report.errors[0].message == (
        "身份证号是数字格式，Excel 会丢失后几位，请把该列设为文本后重新填写。"
    )
    assert (report.rows, report.new, report.wrong_rows) == (60, 57, 3)


def test_totals_signatures_and_phantom_rows_are_left_out_and_told(
    check: Callable[[bytes], Report],
) -> None:
    book = load_workbook(io.BytesIO(make_workbook([one() for _ in range(3)])))
    sheet = book["全民"]
    for row in range(20, 400):
        sheet.cell(row, 1, row - 8)  # a column of running numbers filled down
        sheet.cell(row, 11, 0)  # what a formula makes of an empty cell
    report = check(saved(book))
    assert (report.rows, report.new, report.errors) == (3, 3, [])
    assert [p.message for p in report.warnings] == ["第 13、14 行是合计、签字或说明，没有读取。"]


# --- headings -----------------------------------------------------------------------------------


def tables_of(data: bytes) -> list[reading.Table]:
    """The sheets with people; their rows are gone."""
    return [sheet for sheet in reading.read(data) if isinstance(sheet, reading.Table)]


def layout(data: bytes) -> dict[str, str]:
    """Field → the user's heading, of the only sheet."""
    [found_table] = tables_of(data)
    return found_table.layout.headings


def test_the_order_of_the_columns_does_not_matter() -> None:
    order = list(range(2, 51))
    random.Random(3).shuffle(order)
    book = Workbook()
    source = load_workbook(io.BytesIO(make_workbook([one()], footer=False)))["全民"]
    for place, old in enumerate(order, start=1):
        _, middle, leaf, _ = WUHAN50[old - 1]
        # Phones are headed 电话 only: they stay beside their address.
        heading = {28: "户口所在地电话", 30: "常住地电话", 32: "异地居住地电话"}.get(old)
        book.active.cell(1, place, heading or f"{middle}{leaf}")
        book.active.cell(2, place, source.cell(9, old).value)
    assert layout(saved(book)).keys() == {field for *_, field in WUHAN50 if field}


# What enterprises write above a column → the field it fills.
HEADINGS = (
    ("name", ("姓名", "姓 名", "姓\n名", "*姓名", "职工姓名", "1、姓名")),
    ("id_number", ("身份证号", "身份证号码", "公民身份号码", "证件号码", "身份证 号码（18位）",
                   "居民身份证号码", "身份证号：", "ｘ身份证".removeprefix("ｘ"))),
    ("sex", ("性别", "性别（男/女）")),
    ("born", ("出生年月", "出生日期", "出生年月（年/月）")),
    ("retired", ("退休年月", "退休时间", "退休日期")),
    ("work_started", ("参加工作时间", "参工时间")),
    ("political_status", ("政治面貌", "政治面目")),
    ("education", ("文化程度", "学历")),
    ("low_income", ("是否享受低保", "是否享受低保(是/否)", "低保")),
    ("household_phone", ("户口所在地电话", "户口所在地-电话", "户籍地联系电话")),
    ("home_address", ("常住地", "家庭住址", "现居住地")),
    ("home_phone", ("联系电话", "手机号码", "本人电话", "常住地/电话")),
    ("spouse_name", ("配偶姓名", "配偶情况-姓名", "爱人姓名", "配偶")),
    ("contact1_phone", ("第一联系人联系电话", "联系人1电话", "第一联系人：电话")),
    ("contact2_address", ("第二联系人详细地址及邮政编码", "第二联系人地址")),
    ("pension_place", ("社保关系所在地-养老保险", "社会保险关系所在地（养老保险）养老保险")),
    ("extra_benefits", ("社会保障统筹外待遇", "统筹外待遇")),
    ("community", ("接收社区", "接收社区（村）")),
    ("party_dues_until", ("党费交至", "党费缴至")),
)  # fmt: skip


@pytest.mark.parametrize(("field", "words"), HEADINGS, ids=[field for field, _ in HEADINGS])
def test_a_column_is_known_by_many_names(field: str, words: tuple[str, ...]) -> None:
    for word in words:
        first = {"name": "身份证号", "id_number": "姓名"}.get(field)
        row = [first or "姓名", word] if first else ["姓名", "身份证号", word]
        assert layout(table(row, ["a"] * 3)).get(field) is not None, word


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (["户口所在地", "电话", "常住地", "电话"],
         ["household_address", "household_phone", "home_address", "home_phone"]),
        (["家庭住址", "联系电话", "第一联系人姓名", "关系", "工作单位", "联系电话"],
         ["home_address", "home_phone", "contact1_name", "contact1_relation",
          "contact1_employer", "contact1_phone"]),
        (["出生年月", "健康状况", "配偶姓名", "出生年月", "目前状况", "健康状况"],
         ["born", "health", "spouse_name", "spouse_born", "spouse_status", "spouse_health"]),
        (["工作单位", "配偶姓名", "工作单位"], ["former_employer", "spouse_name",
                                          "spouse_employer"]),
    ],
)  # fmt: skip
def test_a_bare_word_belongs_to_the_column_on_its_left(
    headings: list[str], expected: list[str]
) -> None:
    row = ["姓名", "身份证号", *headings]
    [sheet] = tables_of(table(row, ["a"] * len(row)))
    assert [column.field for column in sheet.layout.columns.values()][2:] == expected


def test_groups_are_understood_without_merged_cells() -> None:
    data = table(
        ["某厂退休人员名册"],
        ["序号", "姓名", "身份证号", "退休年月", "配偶情况", None, "第一联系人", None],
        [None, None, None, None, "姓名", "联系电话", "姓名", "联系电话"],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, "张三", "x", "2001-01", "李四", "y", "王五", "z"],
    )
    assert layout(data) == {
        "name": "姓名", "id_number": "身份证号", "retired": "退休年月",
        "spouse_name": "配偶情况/姓名", "spouse_phone": "配偶情况/联系电话",
        "contact1_name": "第一联系人/姓名", "contact1_phone": "第一联系人/联系电话",
    }  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        [["产品", "数量"], ["螺丝", 12]],
        [["说明：请填写"], []],
        [["姓名"], ["张三"]],
    ],
)
def test_a_workbook_without_the_two_headings_is_refused_in_a_sentence(rows: list[Any]) -> None:
    with pytest.raises(Rejected, match=r"没有找到“姓名”和“身份证号”两列.*模板"):
        tables_of(table(*rows))


def test_a_list_without_numbers_a_missing_and_a_doubled_column_are_told(
    check: Callable[[bytes], Report],
) -> None:
    report = check(table(["姓名", "性别", "民族"], ["张三", "男", "汉族"], title="甲"))
    assert [(p.sheet, p.row, p.message) for p in report.errors] == [
        ("甲", None, "有“姓名”列，但没有“身份证号”列，无法导入这张工作表。")
    ]
    report = check(table(["姓名", "身份证号"], ["张三", "1"]))
    assert [p.message for p in report.errors] == ["缺少“退休年月”列。"]
    report = check(table(["姓名", "身份证号", "退休年月", "退休时间", "工资"], ["", "", "", ""]))
    assert "“退休时间”与另一列重复，请只保留一列。" in [p.message for p in report.errors]
    assert "以下列没有对应的内容，没有读取：工资。" in [p.message for p in report.warnings]


def test_hidden_sheets_are_not_read_hidden_rows_are_and_both_are_told(
    check: Callable[[bytes], Report],
) -> None:
    book = load_workbook(io.BytesIO(make_workbook([one(), one()], footer=False)))
    book.copy_worksheet(book["全民"]).title = "旧"
    book["旧"].sheet_state = "hidden"
    book["全民"].row_dimensions[10].hidden = True
    report = check(saved(book))
    assert (report.rows, report.errors) == (2, [])
    assert [(p.sheet, p.message) for p in report.warnings] == [
        ("全民", "第 10 行是隐藏的行，也已读取。"),
        ("旧", "这是隐藏的工作表，没有读取；如需导入请取消隐藏。"),
    ]


def test_an_empty_form_is_told_in_a_sentence(check: Callable[[bytes], Report]) -> None:
    report = check(make_workbook([one()], footer=False))
    assert report.rows == 1
    report = check(table(["姓名", "身份证号", "退休年月"]))
    assert [p.message for p in report.errors] == ["表头下面没有退休人员。请从表头的下一行起填写。"]


# --- values as people type them -----------------------------------------------------------------

MARCH = "1968-03-01"
VALUES: tuple[tuple[str, Any, Any], ...] = (
    ("work_started", "1968.3", MARCH), ("work_started", "1968年3月", MARCH),
    ("work_started", "1968-03-01", MARCH), ("work_started", "19680301", MARCH),
    ("work_started", "196803", MARCH), ("work_started", "1968/3/…", MARCH),
    ("work_started", "１９６８．３", MARCH), ("work_started", "1968. 3", MARCH),
    ("work_started", 1968.3, MARCH), ("work_started", 196803, MARCH),
    ("work_started", 19680301, MARCH), ("work_started", 0, "None"),
    ("work_started", "/", "None"), ("work_started", "无", "None"),
    ("sex", "男", "1"), ("sex", "男性", "1"), ("sex", "M", "1"), ("sex", "m", "1"),
    ("sex", 1, "1"), ("sex", "", "1"),
    ("ethnicity", "汉", "01"), ("ethnicity", "汉族", "01"), ("ethnicity", "土家", "15"),
    ("political_status", "党员", "01"), ("political_status", "中共党员", "01"),
    ("political_status", "预备", "02"), ("political_status", "中共预备党员", "02"),
    ("political_status", "群众", "13"), ("political_status", "", ""),
    ("education", "大专", "30"), ("education", "高中", "60"), ("education", "初中", "70"),
    ("special_groups", "80以上", ["aged"]), ("special_groups", "建国前参加工作", ["veteran"]),
    ("special_groups", "孤寡、重病", ["alone", "ill"]), ("special_groups", "特困/独居", ["hardship",
                                                                         "lives_alone"]),
    ("special_groups", "孤寡老人□ 八十岁以上高龄☑ 劳模√", ["aged", "model_worker"]),
    ("special_groups", "□孤寡 ☑重病 □高龄", ["ill"]), ("special_groups", 0, []),
    ("special_groups", "无", []),
    ("insurances", "养老保险☑ 医疗保险☑ 工伤保险□", ["pension", "medical"]),
    ("insurances", "养老，医疗", ["pension", "medical"]),
    ("low_income", "是", "yes"), ("low_income", "否", "no"), ("low_income", "有", "yes"),
    ("injury_grade", "七级", "7"), ("injury_grade", "7级", "7"), ("injury_grade", "无", ""),
    ("residence", "异地", "elsewhere"), ("residence", "出国（境）人员", "abroad"),
    ("residence", "", "local"),
    ("retirement_kind", "正常", "normal"), ("retirement_kind", "病退", "illness"),
    ("retirement_kind", "特殊工种", "special"), ("retirement_kind", "", "normal"),
    ("wish_local", "户籍所在地", "household"), ("spouse_status", "无业", "none"),
    ("spouse_status", "离休", "cadre_retired"),
    ("spouse_born", "1950.3", "1950-03"), ("spouse_born", "1950年10月12日", "1950-10"),
    ("spouse_born", 1950.3, "1950-03"),
    ("home_phone", "+86 139-1234-5678", "13912345678"),
    ("home_phone", "１３９１２３４５６７８", "13912345678"),
    ("home_phone", "139 1234 5678", "13912345678"),
    ("home_phone", "0715-8255555/13912345678", "0715-8255555、13912345678"),
    ("home_phone", "(0715)8255555", "0715-8255555"), ("home_phone", "无", ""),
    ("home_phone", 0, ""),
    ("name", "张 三", "张三"), ("name", "阿依古丽•买买提", "阿依古丽·买买提"), ("name", "王㛃", "王㛃"),
    ("name", "李四\u200b", "李四"),
    ("home_address", " 咸安区温泉街道  ", "咸安区温泉街道"), ("hobbies", 0, ""), ("hobbies", "—", ""),
    ("former_post", 303, "303"),
)  # fmt: skip


def test_values_are_read_as_people_type_them(check: Callable[[bytes], Report]) -> None:
    people = []
    for n, (field, value, _) in enumerate(VALUES):
        born = standards.make_id_number(demo.REGION, _birth(), n, "1")
        plain = {"name": "张三", "id_number": born, "retired": "2010-05",
                 "home_address": "咸安区温泉街道桂花路社区1号"}  # fmt: skip
        people.append(plain | {field: value})
    report = check(make_workbook(people, footer=False))
    assert [(p.row, p.column, p.message) for p in report.errors] == []
    read = [row.data[field] for row, (field, _, _) in zip(report.to_write, VALUES, strict=True)]
    expected = [value for _, _, value in VALUES]
    assert [v if isinstance(v, list) else str(v) for v in read] == expected


def _birth() -> date:
    return standards.parse_date("1950-03-08")


def test_dates_in_date_cells_are_read(check: Callable[[bytes], Report]) -> None:
    day = standards.parse_date("1968-03-15")
    number = standards.make_id_number(demo.REGION, _birth(), 1, "1")
    person = {"name": "张三", "id_number": number, "retired": "2010-05"}
    report = check(make_workbook([person | {"work_started": day, "spouse_born": day}]))
    [row] = report.to_write
    assert (str(row.data["work_started"]), row.data["spouse_born"]) == (MARCH, "1968-03")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("42129919500308003x", "42129919500308003X"), ("421299 19500308 003X", "42129919500308003X"),
        ("４２１２９９１９５００３０８００３Ｘ", "42129919500308003X"),
        ("421299500308003", "42129919500308003X"),
    ],
)  # fmt: skip
def test_an_id_number_is_read_as_people_type_it(
    typed: str, stored: str, check: Callable[[bytes], Report]
) -> None:
    assert standards.make_id_number("421299", _birth(), 1, "1") == stored
    person = {"name": "张三", "retired": "2010-05", "employment_kind": "全民"}
    [row] = check(make_workbook([person | {"id_number": typed}])).to_write
    assert row.data["id_number"] == stored


REFUSED: tuple[tuple[str, Any, str], ...] = (
    ("id_number", 421299195003080000, "数字格式"), ("id_number", 421299500308001, "数字格式"),
    ("id_number", "4.21299E+17", "疑似被 Excel 改成数字"),
    ("id_number", "421299195003080000", "疑似被 Excel 改成数字"),
    ("id_number", "421299195013080016", "出生日期"), ("id_number", "", "请填写此项"),
    ("home_phone", 13912345678, "数字格式"), ("home_phone", "12345", "11位手机号"),
    ("work_started", 1968.1, "1 月还是 10 月"), ("work_started", "六八年", "年月应写成"),
    ("retired", "", "请填写此项"), ("retired", "1940-01", "不足 35 周岁"),
    ("retired", "2090-01", "晚于本月"), ("sex", "女", "与身份证号不一致"),
    ("born", "1951-03", "与身份证号不一致"), ("education", "私塾三年", "可填写：研究生"),
    ("special_groups", "钓鱼", "可填写：孤寡"), ("name", "张3", "不能有数字"),
    ("name", "", "请填写此项"), ("home_address", "=1/0", "公式"),
    ("home_address", standards.parse_date("2001-03-05"), "日期格式"),
    ("former_post", 123456789012345, "长号码"), ("low_income", True, "逻辑值"),
    ("hobbies", "钓" * 61, "不能超过 60 个字，现为 61 个字"),
    ("retirement_kind", "离休", "第二条"), ("special_groups", "离休干部", "第二条"),
)  # fmt: skip


def test_what_cannot_be_taken_is_an_error_of_its_cell(check: Callable[[bytes], Report]) -> None:
    people = []
    for n, (field, value, _) in enumerate(REFUSED):
        number = standards.make_id_number(demo.REGION, _birth(), n, "1")
        people.append({"name": "张三", "id_number": number, "retired": "2010-05"} | {field: value})
    report = check(make_workbook(people, footer=False))
    told = {p.row: p for p in report.errors}
    assert len(report.errors) == len(REFUSED) == report.wrong_rows
    heading = {field: middle or leaf for _, middle, leaf, field in WUHAN50}
    for n, (field, _, sentence) in enumerate(REFUSED):
        problem = told[9 + n]
        assert sentence in problem.message, (field, problem)
        assert problem.column == {"home_phone": "常住地/电话"}.get(field, heading[field])


def test_a_birth_month_lost_in_a_number_cell_is_settled_by_the_id_number(
    check: Callable[[bytes], Report],
) -> None:
    numbers = {
        month: standards.make_id_number(demo.REGION, standards.parse_date(f"1950-{month}-08"), 1, "1")
        for month in ("01", "03", "10")
    }  # fmt: skip
    people = [{"name": "张三", "id_number": number, "retired": "2010-05", "born": 1950.1}
              for number in numbers.values()]  # fmt: skip
    report = check(make_workbook(people))
    assert [(p.row, p.column) for p in report.errors] == [(10, "出生年月")]


def test_unusual_facts_are_warnings_that_do_not_stop(check: Callable[[bytes], Report]) -> None:
    number = standards.make_id_number(demo.REGION, _birth(), 1, "1")
    person = one(
        id_number=number, born="1950-03", sex="1", retired="2001-05", home_address="",
        household_address="", community="421202001005",
    )  # fmt: skip
    del person["community"]
    report = check(make_workbook([person], footer=False))
    assert (report.new, report.errors) == (1, [])
    assert {p.column for p in report.warnings} >= {"接收社区"}


def test_the_community_is_taken_from_the_address(check: Callable[[bytes], Report]) -> None:
    expected = {
        "湖北省咸宁市咸安区温泉街道桂花路社区长安大道9号": "咸安区温泉街道桂花路社区",
        "咸安区向阳湖镇甘棠社区1号": "咸安区向阳湖镇甘棠社区",
        "咸安区向阳湖镇甘棠村委会2组": "咸安区向阳湖镇甘棠村委会",
        "赤壁市蒲圻街道北街社区3号": "赤壁市蒲圻街道北街社区居委会",
        "武汉市江汉区桂花路社区4号": "",
        "长安大道5号": "",
    }
    people = [one(home_address=address, household_address="") for address in expected]
    for person in people:
        person.pop("community")
    rows = check(make_workbook(people, footer=False)).to_write
    assert [
        row.data["community"].full_name if row.data["community"] else "" for row in rows
    ] == list(expected.values())


# --- who is known already -----------------------------------------------------------------------


def test_a_number_twice_in_the_file_is_told_with_both_places(
    check: Callable[[bytes], Report],
) -> None:
    person = one()
    report = check(make_workbook([person, one(), person | {"name": "李四"}]))
    assert [(p.row, p.column, p.message) for p in report.errors] == [
        (11, "身份证号", "与工作表“全民”第 9 行的身份证号重复。")
    ]


def test_a_person_of_another_enterprise_is_refused_without_saying_whose(
    check: Callable[[bytes], Report],
) -> None:
    case = make_transfer(clerk="qiye_chibi")
    report = check(make_workbook([plain(case.retiree)]))
    [problem] = report.errors
    assert problem.message == "此身份证号已由其他移交单位申报，请与国资部门核对。"
    told = json.dumps([report.as_json(), report.preview], ensure_ascii=False)
    for private in (case.number, "陆水", case.retiree.id_number):
        assert private not in told


def test_a_person_whose_former_case_ended_gets_a_new_case(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    old = make_transfer(clerk="qiye_chibi")
    workflow.end(old, by=User.objects.get(username="qiye_chibi"), code="mistake", reason="误申报")
    report = check(make_workbook([plain(old.retiree, hobbies="钓鱼")]))
    assert (report.new, report.errors) == (1, [])
    writing.write(report, by=clerk)
    person = Retiree.objects.get()
    assert (person.hobbies, person.transfers.count()) == ("钓鱼", 2)
    assert person.history.first().history_user == clerk


def test_the_same_file_again_changes_nothing(check: Callable[[bytes], Report], clerk: User) -> None:
    data = make_workbook(made_up_people(20))
    writing.write(check(data), by=clerk)
    before = _everything()
    report = check(data)
    assert (report.new, report.updated, report.unchanged) == (0, 0, 20)
    writing.write(report, by=clerk)
    assert _everything() == before


def test_only_what_changed_is_updated_and_blank_cells_keep_what_is_there(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    people = [one(), one()]
    writing.write(check(make_workbook(people)), by=clerk)
    people[1] |= {"home_phone": "13900000001", "hobbies": "书法", "contact1_name": "", "health": 0}
    report = check(make_workbook(people))
    assert (report.updated, report.unchanged) == (1, 1)
    assert report.preview[1]["changes"] == "兴趣及爱好、常住地电话"
    writing.write(report, by=clerk)
    person = Retiree.objects.with_id_number(people[1]["id_number"]).get()
    assert (person.home_phone, person.hobbies) == ("13900000001", "书法")
    assert person.contact1_name
    assert person.health
    assert person.history.first().history_user == clerk
    assert [e.verb for e in person.transfers.get().events.all()][-1] == "amend"


def test_a_change_of_a_signed_form_is_announced_and_asks_for_a_new_signature(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    case = make_transfer(at="community")
    report = check(make_workbook([plain(case.retiree, hobbies="垂钓")]))
    assert any("原签字失效" in p.message for p in report.warnings)
    writing.write(report, by=clerk)
    assert workflow.rows_of(case)["confirm"].state == "open"


def test_a_finished_case_cannot_be_changed_by_an_import(check: Callable[[bytes], Report]) -> None:
    person = make_transfer(at="done").retiree
    assert check(make_workbook([plain(person)])).unchanged == 1
    [problem] = check(make_workbook([plain(person, hobbies="垂钓")])).errors
    assert problem.message == "案卷已完成移交，不能更改信息。"


def test_an_unconfirmed_enterprise_cannot_import(clerk: User, enterprise: Enterprise) -> None:
    Enterprise.objects.filter(pk=enterprise.pk).update(
        confirmed_at=None, confirmed_by=None, acknowledged_at=None, acknowledged_by=None
    )
    enterprise.refresh_from_db()
    report = checking.check(make_workbook([one()]), enterprise, clerk)
    assert [(p.row, "尚未经国资部门确认" in p.message) for p in report.errors] == [(None, True)]


# --- all or nothing -----------------------------------------------------------------------------


def _everything() -> dict[str, Any]:
    models: tuple[Any, ...] = (
        Retiree, Retiree.history.model, Transfer, Transfer.history.model, StepEvent, NameGram,
        Notice, ImportBatch,
    )  # fmt: skip
    counts = {model.__name__: model.objects.count() for model in models}
    return counts | {"numbers": dict(Sequence.objects.values_list("key", "last"))}


def test_a_failure_in_the_middle_leaves_the_database_as_it_was(
    check: Callable[[bytes], Report], clerk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = one()
    writing.write(check(make_workbook([known])), by=clerk)
    report = check(make_workbook([known | {"hobbies": "垂钓"}, *(one() for _ in range(5))]))
    assert (report.new, report.updated) == (5, 1)
    before = _everything()

    def fails(*_: Any, **__: Any) -> None:
        assert Transfer.objects.count() == 6  # the new ones are written by now
        raise RuntimeError("power cut")

    monkeypatch.setattr(workflow, "amend", fails)
    with pytest.raises(RuntimeError, match="power cut"):
        writing.write(report, by=clerk)
    assert _everything() == before


def test_of_two_imports_of_one_file_the_second_reads_a_sentence(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    data = make_workbook([one() for _ in range(4)])
    first, second = check(data), check(data)
    writing.write(first, by=clerk)
    before = _everything()
    with pytest.raises(workflow.Refused, match="没有写入任何内容。请重新检查"):
        writing.write(second, by=clerk)
    assert _everything() == before
    assert check(data).unchanged == 4


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_eight_clerks_import_one_file_at_once_and_it_is_written_once(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    data = make_workbook([one() for _ in range(6)])
    reports = [check(data) for _ in range(8)]
    results = race([partial(writing.write, report, by=clerk) for report in reports])
    refusals = [result for result in results if isinstance(result, Exception)]
    assert [type(refusal) for refusal in refusals] == [workflow.Refused] * 7, results
    assert Retiree.objects.count() == Retiree.history.count() == Transfer.objects.count() == 6


def test_an_edit_after_the_check_is_not_overwritten(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    person = one()
    writing.write(check(make_workbook([person])), by=clerk)
    report = check(make_workbook([person | {"hobbies": "垂钓"}]))
    Retiree.objects.update(hobbies="垂钓", skills="木工")
    with pytest.raises(workflow.Refused):
        writing.write(report, by=clerk)


def test_the_check_asks_the_database_no_more_for_a_hundred_rows_than_for_ten(
    check: Callable[[bytes], Report], clerk: User
) -> None:
    people = made_up_people(100)
    writing.write(check(make_workbook(people)), by=clerk)

    def queries(n: int) -> int:
        data = make_workbook(people[:n], footer=False)
        with CaptureQueriesContext(connection) as captured:
            assert check(data).unchanged == n
        return len(captured)

    assert queries(100) <= queries(10)


# --- our own template ---------------------------------------------------------------------------


def test_the_template_is_read_back_with_every_column() -> None:
    book = load_workbook(io.BytesIO(columns.template()))
    assert book.sheetnames == ["全民", "大集体", "填写说明"]
    for sheet in (book["全民"], book["大集体"]):
        for place in range(2, len(columns.COLUMNS) + 2):
            assert sheet.column_dimensions[get_column_letter(place)].number_format == "@"
            sheet.cell(9, place, f"值{place}")
    found = []
    for found_table in reading.read(saved(book)):
        assert isinstance(found_table, reading.Table)
        assert (found_table.notes, found_table.faults) == ([], [])
        found.append(found_table.employment)
        [line] = found_table.lines()
        assert line.row == 9
        assert line.texts == {
            column.field: f"值{place}" for place, column in enumerate(columns.COLUMNS, start=2)
        }
    assert found == ["全民", "大集体"]


def test_the_template_begins_with_the_fifty_columns_in_their_order() -> None:
    assert [column.field for column in columns.WUHAN] == [field for *_, field in WUHAN50 if field]


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def post(
    sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Any
) -> Callable[..., Any]:
    """Post and let the background work happen."""

    def send(path: str, data: dict[str, Any], username: str = "qiye") -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return sign_in(username).post(path, data)

    return send


def _upload(post: Callable[..., Any], data: bytes, name: str = "名单.xlsx", **more: Any) -> Any:
    file = io.BytesIO(data)
    file.name = name
    return post(reverse("transfers:import"), {"file": file} | more)


def test_a_clerk_uploads_looks_confirms_and_reads_what_was_done(
    post: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    people = made_up_people(60)
    response = _upload(post, make_workbook(people))
    batch = ImportBatch.objects.get()
    assert response["Location"] == batch.get_absolute_url()
    assert (batch.state, Retiree.objects.count()) == ("checked", 0)
    page = sign_in("qiye").get(response["Location"]).content.decode()
    assert "确认导入 60 人" in page
    assert "共 60 人：新增 60，更新 0，不变 0，有误 0。" in page
    assert people[0]["id_number"] not in page
    assert people[0]["home_phone"] not in page
    stored = batch.file
    post(batch.get_absolute_url(), {"confirm": "1"})
    batch.refresh_from_db()
    assert (batch.state, Transfer.objects.filter(batch=batch).count()) == ("done", 60)
    assert batch.file == ""
    with pytest.raises(FileNotFoundError):
        vault.get(stored)
    page = sign_in("qiye").get(batch.get_absolute_url()).content.decode()
    assert "已写入：新增 60 人" in page
    listed = sign_in("qiye").get(reverse("transfers:import_list")).content.decode()
    assert "名单.xlsx" in listed
    assert "已写入：新增 60 人" in listed


def test_wrong_rows_stop_the_import_unless_only_the_good_ones_are_asked_for(
    post: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    people = [one() for _ in range(5)]
    people[1]["home_phone"] = "123"
    _upload(post, make_workbook(people))
    batch: Any = ImportBatch.objects.get()
    client = sign_in("qiye")
    page = client.get(batch.get_absolute_url()).content.decode()
    assert "电话号码应为11位手机号" in page
    assert "只导入没有错误的行" in page
    assert "填写的是“" not in page  # a telephone of three digits has no masked form
    assert "把单元格设为“文本”格式" in page
    answer = post(batch.get_absolute_url(), {"mark": "1"})
    marked = client.get(f"{answer['Location']}result/").content
    rows = list(load_workbook(io.BytesIO(marked))["问题"].values)
    assert ("全民", 10, "常住地/电话", "123") in [row[:4] for row in rows]
    again: Any = ImportBatch.objects.get(pk=_upload(post, marked)["Location"].split("/")[-2])
    assert again.report["states"] == batch.report["states"]  # uploaded as it is, it reads the same
    sessions.drop(again)
    post(batch.get_absolute_url(), {"confirm": "1"})
    batch.refresh_from_db()
    assert (batch.state, Retiree.objects.count()) == ("checked", 0)
    post(batch.get_absolute_url(), {"confirm": "1", "only_good": "1"})
    batch.refresh_from_db()
    assert (batch.state, Retiree.objects.count()) == ("done", 4)
    assert "1 行有误未导入" in batch.message


def test_a_dropped_import_writes_nothing_and_its_file_goes(post: Callable[..., Any]) -> None:
    _upload(post, make_workbook([one()]))
    batch = ImportBatch.objects.get()
    stored = batch.file
    for _ in range(2):  # a second press is harmless
        post(batch.get_absolute_url(), {"drop": "1"})
    batch.refresh_from_db()
    assert (batch.state, batch.file, Retiree.objects.count()) == ("dropped", "", 0)
    with pytest.raises(FileNotFoundError):
        vault.get(stored)
    post(batch.get_absolute_url(), {"confirm": "1"})
    assert Retiree.objects.count() == 0


def test_the_same_undecided_file_is_one_session_and_a_double_confirmation_one_import(
    post: Callable[..., Any],
) -> None:
    data = make_workbook([one(), one()])
    first, second = _upload(post, data), _upload(post, data)
    assert first["Location"] == second["Location"]
    for _ in range(2):
        post(first["Location"], {"confirm": "1"})
    assert (Retiree.objects.count(), Job.objects.filter(kind="import_write").count()) == (2, 1)


def test_what_changed_between_preview_and_confirmation_is_not_written(
    post: Callable[..., Any], check: Callable[[bytes], Report], clerk: User
) -> None:
    data = make_workbook([one(), one()])
    batch = ImportBatch.objects.get(pk=_upload(post, data)["Location"].split("/")[-2])
    writing.write(check(data), by=clerk)
    before = Transfer.history.count()
    post(batch.get_absolute_url(), {"confirm": "1"})
    batch.refresh_from_db()
    assert batch.state == "checked"
    assert batch.message == writing.MEANWHILE
    assert Transfer.history.count() == before
    post(batch.get_absolute_url(), {"again": "1"})
    batch.refresh_from_db()
    assert "不变 2" in batch.message


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "名单.xlsx", "0 字节"), (b"PK\x03\x04 broken", "名单.xlsx", "损坏"),
        (b"%PDF-1.4", "名单.xlsx", ""), (b"a,b,c", "名单.csv", "xlsx"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_workbook_is_refused_at_once(
    data: bytes, name: str, sentence: str, post: Callable[..., Any]
) -> None:
    response = _upload(post, data, name)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not ImportBatch.objects.exists()


def test_a_workbook_without_headings_ends_in_a_sentence_and_can_be_dropped(
    post: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    response = _upload(post, table(["产品", "数量"], ["螺丝", 1]))
    page = sign_in("qiye").get(response["Location"]).content.decode()
    assert "没有找到“姓名”和“身份证号”两列" in page
    assert "确认导入" not in page


def test_a_clerk_of_two_enterprises_says_for_which_one(
    post: Callable[..., Any], sign_in: Callable[[str], Client], clerk: User
) -> None:
    other = enterprise_of("zhuguan")
    other.offices.get().admit(clerk)
    assert "移交单位" in sign_in("qiye").get(reverse("transfers:import")).content.decode()
    assert _upload(post, make_workbook([one()])).status_code == 422
    foreign = enterprise_of("qiye_chibi")
    assert _upload(post, make_workbook([one()]), enterprise=str(foreign.pk)).status_code == 422
    _upload(post, make_workbook([one()]), enterprise=str(other.pk))
    assert ImportBatch.objects.get().enterprise == other


def test_a_stranger_finds_no_session_and_looking_writes_nothing(
    post: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    path = _upload(post, make_workbook([one()]))["Location"]
    assert sign_in("qiye_chibi").get(path).status_code == 404
    assert post(path, {"confirm": "1"}, "qiye_chibi").status_code == 404
    client = sign_in("qiye")
    for url in (path, reverse("transfers:template")):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        verbs = {q["sql"].split()[0] for q in captured}
        assert not verbs & {"INSERT", "UPDATE", "DELETE"}, url


# --- the command --------------------------------------------------------------------------------


def _command(path: Path, *options: str, username: str = "qiye") -> tuple[int, dict[str, Any]]:
    out, code = io.StringIO(), 0
    try:
        call_command(
            "import_roster", str(path), "--enterprise", enterprise_of("qiye").credit_code,
            "--as", username, "--json", *options, stdout=out, stderr=io.StringIO(),
        )  # fmt: skip
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())


def test_the_command_checks_writes_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    path.write_bytes(make_workbook([one() for _ in range(3)], footer=False))
    nothing: dict[str, Any] = {"errors": [], "warnings": []}
    assert _command(path, "--check") == (
        0, {"rows": 3, "new": 3, "updated": 0, "unchanged": 0} | nothing,
    )  # fmt: skip
    assert not Retiree.objects.exists()
    assert not ImportBatch.objects.exists()
    assert _command(path)[0] == 0
    assert Retiree.objects.count() == 3
    assert ImportBatch.objects.get().state == "done"
    assert _command(path) == (0, {"rows": 3, "new": 0, "updated": 0, "unchanged": 3} | nothing)


def test_the_command_tells_wrong_rows_with_1_and_a_bad_file_with_2(tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    people = [one(), one(home_phone="1")]
    path.write_bytes(make_workbook(people, footer=False))
    code, answer = _command(path)
    assert code == 1
    assert answer["errors"] == [
        {"sheet": "全民", "row": 10, "column": "常住地/电话",
         "message": "电话号码应为11位手机号，或带区号的固定电话（如0715-8255555）。"}
    ]  # fmt: skip
    assert not Retiree.objects.exists()
    path.write_bytes(b"PK\x03\x04nonsense")
    code, answer = _command(path)
    assert (code, answer["rows"]) == (2, 0)
    assert [(e["sheet"], e["row"], e["column"]) for e in answer["errors"]] == [("", None, "")]
    assert _command(tmp_path / "fehlt.xlsx")[0] == 2


@pytest.mark.parametrize("username", ["qiye_chibi", "rs", "nobody"])
def test_the_command_respects_the_scope_of_the_user(username: str, tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    path.write_bytes(make_workbook([one()]))
    code, answer = _command(path, username=username)
    assert code == 2
    [error] = answer["errors"]
    assert "不为" in error["message"] or "没有可用的账号" in error["message"]
    assert not Retiree.objects.exists()


def test_an_upload_that_nobody_decides_is_thrown_away_after_a_month() -> None:
    batch = ImportBatch.objects.create(
        enterprise=enterprise_of("qiye"), uploaded_by=User.objects.get(username="qiye"),
        file_name="名单.xlsx", sha256="0", state="checked", file=vault.put(b"x", "imports"),
    )  # fmt: skip
    name = batch.file
    assert sessions.drop_forgotten() == 0
    ImportBatch.objects.update(uploaded_at=timezone.now() - timedelta(days=31))
    assert sessions.drop_forgotten() == 1
    batch.refresh_from_db()
    assert (batch.state, batch.file) == ("dropped", "")
    for entry in connection.run_on_commit:
        entry[1]()
    with pytest.raises(FileNotFoundError):
        vault.get(name)
