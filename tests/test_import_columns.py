"""Headings that nobody could foresee: explained once by hand, remembered for the enterprise."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from tests.factories import enterprise_of, values_for
from tests.workbooks import table
from transfers import column_views
from transfers.imports import choices, matching, reading, sessions
from transfers.models import ColumnChoice, ImportBatch, Retiree
from transfers.workflow import Refused
from xianning import workbook
from xianning.models import AuditEvent, User
from xianning.sandbox import Rejected
from xianning.workbook import Cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.imports.choices import SheetColumn

ODD = ["职工", "证件", "离岗", "手机1"]
MEANT = {"职工": "name", "证件": "id_number", "离岗": "retired", "手机1": "home_phone"}


def person(*names: str, **given: Any) -> list[Any]:
    values = values_for(**given)
    return [values[name] for name in names or MEANT.values()]


def layout(*rows: list[Any], chosen: dict[str, str] | None = None) -> matching.Layout | None:
    [sheet] = workbook.read(table(*rows))
    return matching.find(sheet, chosen or {})


def read(data: bytes, chosen: dict[str, str] | None = None) -> list[Any]:
    found = []
    for sheet in reading.read(data, None, chosen or {}):
        lines = list(sheet.lines()) if isinstance(sheet, reading.Table) else []
        found.append((sheet, lines))
    return found


def columns(data: bytes, chosen: dict[str, str] | None = None) -> list[SheetColumn]:
    return [
        c for sheet in reading.read(data, None, chosen or {}) for c in choices.columns_of(sheet)
    ]


# --- what a choice does to the matching ---------------------------------------------------------

PLAIN = ["姓名", "身份证号", "退休年月"]
THREE = {"name": "姓名", "id_number": "身份证号", "retired": "退休年月"}
# Headings, what was chosen by hand, what is read for what, and how each column came out.
CHOICES: tuple[tuple[list[Any], dict[str, str], dict[str, str], str], ...] = (
    ([*PLAIN, "备用1"], {}, THREE, "found found found unknown"),
    ([*PLAIN, "备用1"], {"备用1": "hobbies"}, THREE | {"hobbies": "备用1"}, "found found found chosen"),
    ([*PLAIN, "备用1"], {"备用1": ""}, THREE, "found found found left-out"),
    # A choice goes before what the matching would find, and frees or takes its column.
    ([*PLAIN, "特长"], {"特长": "hobbies"}, THREE | {"hobbies": "特长"}, "found found found chosen"),
    ([*PLAIN, "联系电话", "手机"], {}, THREE | {"home_phone": "联系电话"},
     "found found found found doubled"),
    ([*PLAIN, "联系电话", "手机"], {"联系电话": ""}, THREE | {"home_phone": "手机"},
     "found found found left-out found"),
    ([*PLAIN, "联系电话", "手机1"], {"手机1": "home_phone"}, THREE | {"home_phone": "手机1"},
     "found found found doubled chosen"),
    # 证件号码 is a pension book here.
    (["姓名", "证件号码", "身份证号", "退休年月"], {"证件号码": ""}, THREE, "found left-out found found"),
    (ODD, MEANT, {name: word for word, name in MEANT.items()}, "chosen chosen chosen chosen"),
    # What stands beside a chosen column belongs to its group.
    ([*PLAIN, "出生日期", "老伴大名", "出生年月", "工作单位"], {"老伴大名": "spouse_name"},
     THREE | {"born": "出生日期", "spouse_name": "老伴大名", "spouse_born": "出生年月",
              "former_employer": "工作单位"}, "found found found found chosen found found"),
    ([*PLAIN, "序号"], {}, THREE, "found found found ignored"),
    ([*PLAIN, "序号"], {"序号": "skills"}, THREE | {"skills": "序号"}, "found found found chosen"),
    # A field that a later version no longer has is as if nobody had chosen it (see `of`).
)  # fmt: skip


@pytest.mark.parametrize(("headings", "chosen", "expected", "how"), CHOICES)
def test_a_choice_made_by_hand_goes_before_the_matching(
    headings: list[Any], chosen: dict[str, str], expected: dict[str, str], how: str
) -> None:
    found = layout(headings, ["x"] * len(headings), chosen=chosen)
    assert found is not None
    assert found.headings == expected
    assert [h.how for h in found.all] == [word.replace("-", " ") for word in how.split()]
    assert {h.field: h.text for h in found.all if h.field} == expected


# The same word over several columns → by what each of them is told apart.
KEYS: tuple[tuple[list[list[Any]], list[tuple[str, str]]], ...] = (
    ([[*PLAIN, "电话", "电话"]], [("电话1", "电话（第 1 列）"), ("电话2", "电话（第 2 列）")]),
    ([[*PLAIN, "户口所在地", "电话", "常住地", "电话"]],
     [("户口所在地", "户口所在地"), ("户口所在地电话", "户口所在地/电话"), ("常住地", "常住地"),
      ("常住地电话", "常住地/电话")]),
    ([[*PLAIN, "甲方", None, "乙方", None], [None, None, None, "姓名", "关系", "关系", "姓名"]],
     [("甲方姓名", "甲方/姓名"), ("关系", "关系"), ("乙方关系", "乙方/关系"),
      ("乙方关系姓名", "乙方/关系/姓名")]),
    ([[*PLAIN, "电话（家）", "电话（单位）", "＊备注\n1"]],
     [("电话(家)", "电话(家)"), ("电话(单位)", "电话(单位)"), ("备注1", "*备注 1")]),
    ([[*PLAIN, "长" * 300, "（元）"]], [("长" * 120, "长" * 120), ("(元)", "(元)")]),
)  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), KEYS)
def test_columns_with_the_same_heading_are_told_apart(
    rows: list[list[Any]], expected: list[tuple[str, str]]
) -> None:
    found = layout(*rows, ["x"] * len(rows[0]))
    assert found is not None
    assert len({h.key for h in found.all}) == len(found.all)
    assert [(h.key, h.text) for h in found.all][3:] == expected


def test_headings_of_which_no_word_is_known_are_found_and_offered() -> None:
    data = table(["某厂花名册"], ODD, person(), person())
    [(sheet, _), (fault, _)] = read(data)
    assert (fault.is_fault, "核对表头" in fault.sentence) == (True, True)
    assert [(h.text, h.how) for h in sheet.layout.all] == [(word, "unknown") for word in ODD]
    [(sheet, lines)] = read(data, MEANT)
    assert sheet.faults == []
    assert [line.row for line in lines] == [3, 4]
    assert lines[0].texts.keys() == {"name", "id_number", "retired", "home_phone"}


@pytest.mark.parametrize(
    "rows",
    [
        [["张三", "42129919500308003X", "2010-05"], ["李四", "42129919500308003X", "2010-05"]],
        [["张三", "男", "汉族", "在岗"], ["李四", "男", "汉族", "在岗"]],
        [["张三", "咸安区桂花路", "1965年3月"], ["李四", "咸安区", "1965年3月"]],
        [["产品", "数量", "单价"]],
        [["产品", "数量"], ["螺丝", 12]],
        [[1, 2, 3], [4, 5, 6]],
    ],
)
def test_a_list_without_headings_is_not_taken_for_headings(rows: list[list[Any]]) -> None:
    with pytest.raises(Rejected, match="没有找到“姓名”和“身份证号”两列"):
        read(table(*rows))


SHAPES = (
    (Cell("text", "42129919500308003X"), "18 位号码"), (Cell("text", "0715-8255 555"), "11 位号码"),
    (Cell("text", "１３９１２３４５６７８"), "11 位号码"), (Cell("text", "1965年3月"), "年月或日期"),
    (Cell("text", "糖尿病"), "文字（3 字）"), (Cell("text", "桂花路 8 号"), "文字（7 字）"),
    (Cell("number", "42129919500308"), "14 位数字"), (Cell("date", "1965-03-01"), "日期"),
    (Cell("bool", "TRUE"), "逻辑值"), (Cell("error", "#N/A"), "错误值"),
    (Cell("formula-without-value", "=A1", True), "公式"),
)  # fmt: skip


@pytest.mark.parametrize(("cell", "words"), SHAPES)
def test_an_example_tells_the_shape_of_a_cell_and_nothing_of_it(cell: Cell, words: str) -> None:
    assert choices.shape(cell) == words


# --- what is remembered -------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    return User.objects.get(username="qiye")


@pytest.mark.parametrize(
    ("headings", "chosen", "sentence"),
    [
        (ODD, {}, "请指明哪一列是“身份证号”"),
        (ODD, MEANT | {"离岗": ""}, "没有“退休年月”列"),
        (ODD, MEANT | {"手机1": "name"}, "“职工”和“手机1”都指明为“姓名”。请只保留一列"),
        ([*PLAIN, "联系电话", "手机1"], {"手机1": "home_phone"}, "都指明为“常住地/电话”"),
        ([*PLAIN, "联系电话", "手机"], {"手机": "home_phone"}, "都指明为“常住地/电话”"),
        ([*PLAIN, "备用"], {"姓名": "hobbies"}, "没有“姓名”列"),
        ([*PLAIN, "备用"], {"身份证号": ""}, "请指明哪一列是“身份证号”"),
        ([*PLAIN, "备用"], {"没有的": "hobbies"}, "表头已有变化"),
        ([*PLAIN, "备用"], {"备用": "is_superuser"}, "表头已有变化"),
        ([*PLAIN, "电13912345678"], {"电13912345678": "hobbies"}, "不能作为表头记住"),
    ],
)
def test_a_choice_by_which_the_file_could_not_be_read_is_refused(
    headings: list[str], chosen: dict[str, str], sentence: str, clerk: User
) -> None:
    found = columns(table(headings, ["x"] * len(headings)))
    with pytest.raises(Refused) as refused:
        choices.save(enterprise_of("qiye"), chosen, clerk, found)
    assert sentence in str(refused.value)
    assert not ColumnChoice.objects.exists()


def test_a_required_column_may_be_left_out_where_the_file_has_another(clerk: User) -> None:
    """Names twice: the one in the first column is a nickname."""
    headings = ["姓名", "大名", "身份证号", "退休年月"]
    found = columns(table(headings, ["x"] * 4))
    enterprise = enterprise_of("qiye")
    choices.save(enterprise, {"姓名": "", "大名": "name"}, clerk, found)
    assert choices.of(enterprise) == {"姓名": "", "大名": "name"}
    assert choices.of(enterprise_of("zhuguan")) == {}
    [event] = AuditEvent.objects.filter(action="columns_chosen")
    assert event.facts == {"fields": ["name"], "not_read": 1, "forgotten": 0}
    # The same again writes nothing; what the matching finds by itself is forgotten.
    again = columns(table(headings, ["x"] * 4), choices.of(enterprise))
    choices.save(enterprise, {"姓名": "", "大名": "name"}, clerk, again)
    assert AuditEvent.objects.filter(action="columns_chosen").count() == 1
    choices.save(enterprise, {"姓名": "name", "大名": ""}, clerk, again)
    assert choices.of(enterprise) == {"大名": ""}
    ColumnChoice.objects.update(field="a_field_of_former_times")
    assert choices.of(enterprise) == {}


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def post(sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Any) -> Any:
    def send(path: str, data: dict[str, Any], username: str = "qiye") -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return sign_in(username).post(path, data)

    return send


def upload(post: Any, data: bytes, username: str = "qiye") -> ImportBatch:
    file = io.BytesIO(data)
    file.name = "名单.xlsx"
    path = post(reverse("transfers:import"), {"file": file}, username)["Location"]
    return ImportBatch.objects.get(pk=path.split("/")[-2])


def answer(**chosen: str) -> dict[str, str]:
    return {column_views._name_of(key): name for key, name in chosen.items()}


def test_headings_are_explained_once_and_known_from_then_on(
    post: Any, sign_in: Callable[[str], Client]
) -> None:
    someone = person()
    batch = upload(post, table(ODD, someone))
    client, page = sign_in("qiye"), reverse("transfers:import_columns", args=[batch.pk])
    assert "指明没有对上的列" in client.get(batch.get_absolute_url()).content.decode()
    shown = client.get(page).content.decode()
    for words in (*ODD, "18 位号码", "没有对上", "第一联系人/联系电话", "不读取"):
        assert words in shown, words
    for private in someone:
        assert str(private) not in shown
        assert str(private) not in str(sessions.report_of(batch)["columns"])
    refused = post(page, answer(证件="id_number", 职工="name"))
    assert refused.status_code == 422
    assert "没有“退休年月”列" in refused.content.decode()
    assert not ColumnChoice.objects.exists()
    assert post(page, answer(**MEANT))["Location"] == batch.get_absolute_url()
    batch.refresh_from_db()
    assert (batch.state, sessions.report_of(batch)["new"]) == ("checked", 1)
    assert "指明没有对上的列" not in client.get(batch.get_absolute_url()).content.decode()
    assert choices.of(batch.enterprise) == MEANT
    # The next file of the same enterprise is read at once, in any order of its columns.
    order = ["手机1", "离岗", "证件", "职工"]
    other = upload(post, table(order, person(*(MEANT[word] for word in order))))
    assert (other.state, sessions.report_of(other)["new"]) == ("checked", 1)
    post(other.get_absolute_url(), {"confirm": "1"})
    assert Retiree.objects.get().home_phone
    # A decided session asks no more; another enterprise has to explain its own headings.
    assert post(reverse("transfers:import_columns", args=[other.pk]), {}).status_code == 302
    foreign = upload(post, table(ODD, person(clerk="qiye_chibi")), "qiye_chibi")
    assert sessions.report_of(foreign)["whole_file_is_wrong"]
    assert sign_in("qiye_chibi").get(page).status_code == 404


def test_a_doubled_column_is_settled_on_the_page_and_a_found_one_can_be_changed(
    post: Any, sign_in: Callable[[str], Client]
) -> None:
    words = [*PLAIN, "联系电话", "手机", "特长"]
    names = ("name", "id_number", "retired", "home_phone", "household_phone", "hobbies")
    batch = upload(post, table(words, person(*names, hobbies="钓鱼")))
    assert sessions.report_of(batch)["whole_file_is_wrong"]
    page = reverse("transfers:import_columns", args=[batch.pk])
    shown = sign_in("qiye").get(page).content.decode()
    assert shown.count("<select") == 2  # the one that is read, and its double
    assert sign_in("qiye").get(page + "?all=1").content.decode().count("<select") == 6
    post(page + "?all=1", answer(联系电话="home_phone", 手机="household_phone", 特长="hobbies"))
    batch.refresh_from_db()
    assert choices.of(batch.enterprise) == {"手机": "household_phone", "特长": "hobbies"}
    post(batch.get_absolute_url(), {"confirm": "1"})
    found = Retiree.objects.get()
    assert found.home_phone
    assert found.household_phone
    assert (found.skills, found.hobbies) == ("", "钓鱼")


@pytest.mark.parametrize(
    ("facts", "words"),
    [({"state": "checked", "file": "x"}, "没有读到表头"), ({"state": "checked"}, "不能再核对表头"),
     ({"state": "done", "file": "x"}, "不能再核对表头")],
)  # fmt: skip
def test_where_there_is_nothing_to_explain_the_page_says_so(
    facts: dict[str, str], words: str, clerk: User, sign_in: Callable[[str], Client]
) -> None:
    batch = ImportBatch.objects.create(
        enterprise=enterprise_of("qiye"), uploaded_by=clerk, file_name="名单.xlsx", **facts
    )
    page = sign_in("qiye").get(reverse("transfers:import_columns", args=[batch.pk]), follow=True)
    assert words in page.content.decode()
    assert page.redirect_chain
