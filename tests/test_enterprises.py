"""The list of state-owned enterprises: who lists, confirms, acknowledges; its changes; its workbook."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import Workbook, load_workbook

from enterprises.forms import EnterpriseForm, Places
from enterprises.models import Enterprise, Refused
from tests.factories import enterprise_of, make_transfer
from xianning import demo, standards
from xianning.models import Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db

COUNTY_OF = {"gzw": "咸安区", "gzw_chibi": "赤壁市", "gzw_xianan": "咸安区", "gzw_jiayu": "嘉鱼县"}
LEVEL_OF = {"gzw": "市企", "gzw_chibi": "县（市、区）企", "gzw_xianan": "县企", "gzw_jiayu": "县企"}


def code(n: int) -> str:
    return standards.make_credit_code(f"91421200MATEX{n:04d}")


def values(user: User, n: int = 1, **given: Any) -> dict[str, Any]:
    """What SASAC types for a made-up enterprise of its own level."""
    return {
        "name": f"测试企业{n}号公司", "credit_code": code(n), "level": LEVEL_OF[user.username],
        "holding": "国有独资", "county": COUNTY_OF[user.username], "contact": "测试联系人",
        "phone": "0715-8123000", "retiree_count": "12",
    } | given  # fmt: skip


def form_of(user: User, n: int = 1, **given: Any) -> EnterpriseForm:
    return EnterpriseForm(values(user, n, **given), places=Places(user))


def listed(user: User, n: int = 1, **given: Any) -> Enterprise:
    form = form_of(user, n, **given)
    assert form.is_valid(), form.errors
    return Enterprise.enter(by=user, **form.facts())


# --- who ----------------------------------------------------------------------------------------

# 第四条, 第六条第1项: 市、县两级国资部门各列本级企业；央企、省企由当地国资部门列入。
LISTS = [
    ("市企", "gzw", True), ("市企", "gzw_chibi", False), ("市企", "gzw_xianan", False),
    ("县企", "gzw_chibi", True), ("县企", "gzw_xianan", True), ("县企", "gzw", False),
    ("央企", "gzw", True), ("央企", "gzw_xianan", True),
    ("省企", "gzw", True), ("省企", "gzw_jiayu", True),
]  # fmt: skip


@pytest.mark.parametrize(("level", "username", "allowed"), LISTS)
def test_each_sasac_lists_the_enterprises_of_its_own_level(
    level: str, username: str, allowed: bool, people: People
) -> None:
    form = form_of(people[username], level=level)
    assert form.is_valid() is allowed
    if not allowed:
        assert "不能列入（第六条第1项）" in str(form.errors)


# Whose list → who may confirm an entry of it, who may acknowledge it.
DEEDS = {
    "gzw": ({"gzw"}, {"rs"}),
    "gzw_chibi": ({"gzw_chibi"}, {"rs_chibi"}),
    "gzw_xianan": ({"gzw_xianan"}, {"rs_xianan"}),
}
OFFICERS = ("gzw", "gzw_chibi", "gzw_xianan", "rs", "rs_chibi", "rs_xianan", "qiye", "shenji")


@pytest.mark.parametrize("lister", DEEDS)
def test_only_the_offices_of_the_same_level_confirm_and_acknowledge(
    lister: str, people: People
) -> None:
    confirmers, receivers = DEEDS[lister]
    entry = listed(people[lister])
    for username in OFFICERS:
        refusal = entry.why_not_confirm(people[username])
        assert (refusal is None) is (username in confirmers), username
        if refusal:
            assert "国资部门确认（第四条、第六条第1项）" in refusal
            with pytest.raises(Refused, match="国资部门确认"):
                entry.confirm(by=people[username])
    entry.confirm(by=people[lister])
    for username in OFFICERS:
        refusal = entry.why_not_acknowledge(people[username])
        assert (refusal is None) is (username in receivers), username


def test_the_city_sees_a_county_list_but_does_not_confirm_it(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    entry = listed(people["gzw_chibi"])
    path = reverse("enterprises:confirm", args=[entry.pk])
    response = sign_in("gzw").get(path)
    assert response.status_code == 403
    assert "赤壁市国资部门确认" in response.content.decode()
    assert sign_in("gzw_xianan").get(path).status_code == 404
    assert sign_in("rs_chibi").get(path).status_code == 403


# --- confirmation and acknowledgement -------------------------------------------------------------


def test_confirmation_is_checked_notified_acknowledged_and_happens_once(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    entry, sasac = listed(people["gzw_chibi"]), sign_in("gzw_chibi")
    reason = entry.why_not_open()
    assert reason
    assert "尚未经国资部门确认" in reason
    path = reverse("enterprises:confirm", args=[entry.pk])
    page = sasac.get(path)
    assert page.status_code == 200
    assert entry.credit_code in page.content.decode()
    assert Enterprise.objects.get(pk=entry.pk).confirmed_at is None
    assert sasac.post(path).status_code == 302

    entry = Enterprise.objects.get(pk=entry.pk)
    assert entry.why_not_open() is None
    assert (entry.confirmed_by, entry.listed_on) == (people["gzw_chibi"], timezone.localdate())
    notice = Notice.objects.get(about_enterprise=entry)
    assert (notice.role, notice.area_id) == ("hr", demo.CHIBI)
    again = sasac.post(path, follow=True).content.decode()
    assert f"已由{people['gzw_chibi']}于" in again
    assert "不必重复确认" in again

    assert list(Enterprise.objects.waiting_for_acknowledgement(people["rs_chibi"])) == [entry]
    hr, receipt = sign_in("rs_chibi"), reverse("enterprises:acknowledge", args=[entry.pk])
    assert "确认" in hr.get(receipt).content.decode()
    hr.post(receipt)
    entry.refresh_from_db()
    assert entry.acknowledged_by == people["rs_chibi"]
    assert "签收" in hr.post(receipt, follow=True).content.decode()
    assert Notice.objects.filter(about_enterprise=entry).count() == 1


def test_an_old_copy_in_memory_cannot_confirm_a_second_time(people: People) -> None:
    entry = listed(people["gzw"])
    stale = Enterprise.objects.get(pk=entry.pk)
    entry.confirm(by=people["gzw"])
    with pytest.raises(Refused, match="不必重复确认"):
        stale.confirm(by=people["gzw"])


def test_hr_acknowledges_all_that_waits_on_its_list_with_one_tick(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    entries = [listed(people["gzw_chibi"], n) for n in (1, 2, 3)]
    elsewhere = listed(people["gzw_xianan"], 4)
    for entry in entries:
        entry.confirm(by=people["gzw_chibi"])
    elsewhere.confirm(by=people["gzw_xianan"])
    path = reverse("enterprises:acknowledge", args=[entries[0].pk])
    assert "其余 2 家" in sign_in("rs_chibi").get(path).content.decode()
    sign_in("rs_chibi").post(path, {"all": "on"})
    assert list(Enterprise.objects.unread()) == [elsewhere]


# --- changes --------------------------------------------------------------------------------------


def typed(entry: Enterprise, user: User, **given: str) -> dict[str, str]:
    """The edit page's answers as the browser sends them back."""
    from enterprises.forms import ChangeForm

    form = ChangeForm(places=Places(user), enterprise=entry)
    old = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in old.items() if value is not None} | given


def test_a_change_after_confirmation_is_reported_to_hr_and_acknowledged_again(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    user, client = people["gzw_chibi"], sign_in("gzw_chibi")
    entry = listed(user)
    entry.confirm(by=user)
    entry.acknowledge(by=people["rs_chibi"])
    path = reverse("enterprises:edit", args=[entry.pk])
    bankrupt = {"status": "bankrupt", "department": "赤壁市建材工业局（测试）"}

    answers = typed(entry, user, **bankrupt)
    refused = client.post(path, answers)
    assert refused.status_code == 422
    assert "请写明变动原因" in refused.content.decode()

    answers["reason"] = "法院裁定破产"
    check = client.post(path, answers).content.decode()
    assert "由“正常经营”改为“破产”" in check
    assert "通报赤壁市人社部门" in check
    entry.refresh_from_db()
    assert (entry.status, entry.acknowledged_by) == ("normal", people["rs_chibi"])

    client.post(path, answers | {"confirmed": "1"})
    entry.refresh_from_db()
    assert entry.transferor == "赤壁市建材工业局（测试）"
    assert entry.confirmed_at
    assert entry.acknowledged_at is None
    newest = Notice.objects.filter(about_enterprise=entry).first()
    assert newest
    assert "经营状态、原主管部门" in newest.text
    told = sign_in("rs_chibi").get(reverse("enterprises:acknowledge", args=[entry.pk]))
    assert "<del>正常经营</del>" in told.content.decode()
    assert "法院裁定破产" in told.content.decode()
    entry.acknowledge(by=people["rs_chibi"])


def test_a_draft_changes_without_telling_anybody(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    entry = listed(people["gzw_chibi"])
    answers = typed(entry, people["gzw_chibi"], name="改名公司（测试）", confirmed="1")
    sign_in("gzw_chibi").post(reverse("enterprises:edit", args=[entry.pk]), answers)
    entry.refresh_from_db()
    assert entry.name == "改名公司（测试）"
    assert not Notice.objects.filter(about_enterprise=entry).exists()


def test_removal_says_how_many_open_cases_it_strands(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    make_transfer(at="verify")
    make_transfer(at="confirm")
    entry, client = enterprise_of("qiye"), sign_in("gzw")
    today = timezone.localdate().isoformat()
    answers = typed(entry, people["gzw"], removed_on=today, reason="划归省国资委")
    path = reverse("enterprises:edit", args=[entry.pk])
    assert "还有 2 件案卷正在办理" in client.post(path, answers).content.decode()
    client.post(path, answers | {"confirmed": "1"})
    entry.refresh_from_db()
    reason = entry.why_not_open()
    assert reason
    assert "移出国有企业名单" in reason
    assert entry in Enterprise.objects.waiting_for_acknowledgement(people["rs"])
    assert entry not in Enterprise.objects.confirmed()
    refusal = entry.why_not_confirm(people["gzw"])
    assert refusal
    assert "移出名单" in refusal


def test_a_stale_page_is_refused_and_keeps_what_was_typed(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    user, entry = people["gzw_chibi"], listed(people["gzw_chibi"])
    answers = typed(entry, user, contact="新联系人")
    entry.amend(by=user, phone="0715-8123999")
    response = sign_in("gzw_chibi").post(
        reverse("enterprises:edit", args=[entry.pk]), answers | {"confirmed": "1"}
    )
    assert response.status_code == 409
    assert "已被他人更改" in response.content.decode()
    assert "新联系人" in response.content.decode()
    entry.refresh_from_db()
    assert (entry.contact, entry.phone) == ("测试联系人", "0715-8123999")


# --- the form -------------------------------------------------------------------------------------

# What is typed → field and words of the refusal; no words: accepted.
REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"holding": "参股"}, "holding", "参股企业不纳入（第二条）"),
    ({"holding": "国有参股"}, "holding", "参股企业不纳入（第二条）"),
    ({"status": "破产"}, "department", "原主管部门，由其作为移交主体（第四条）"),
    ({"status": "改制", "department": "市工业局（测试）"}, "", ""),
    ({"credit_code": ""}, "credit_code", "只有已注销企业可以不填"),
    ({"credit_code": "", "status": "注销", "department": "市工业局（测试）"}, "", ""),
    ({"credit_code": "421200000012345"}, "credit_code", "应为18位"),
    ({"credit_code": "421200000012345", "status": "破产", "department": "市工业局"}, "", ""),
    ({"credit_code": "91350100M000100Y44"}, "credit_code", "校验码不符"),
    ({"credit_code": " 9135 0100 m000100y43 "}, "", ""),
    ({"level": "乡镇企业"}, "level", "无法识别"),
    ({"county": "武汉市"}, "county", "无法识别"),
    ({"county": "嘉鱼"}, "", ""),
    ({"phone": "123"}, "phone", ""),
    ({"retiree_count": "-1"}, "retiree_count", "0"),
    ({"agreement_on": "2020-10-14"}, "agreement_number", "移交协议号"),
    ({"listed_on": "2100-01-01"}, "listed_on", "不能晚于今天"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "field", "words"), REFUSALS)
def test_the_form_refuses_with_the_article(
    given: dict[str, Any], field: str, words: str, people: People
) -> None:
    form = form_of(people["gzw"], **given)
    assert list(form.errors) == ([field] if field else [])
    if field:
        assert words in str(form.errors[field])


def test_half_width_brackets_are_no_other_name(people: People) -> None:
    entry = listed(people["gzw_chibi"], name="测试（集团）公司")
    answers = values(people["gzw_chibi"], name="测试(集团)公司")
    form = EnterpriseForm(answers, places=Places(people["gzw_chibi"]), enterprise=entry)
    assert form.is_valid(), form.errors
    assert form.differences() == []


def test_an_enterprise_stands_once_on_one_list(people: People) -> None:
    listed(people["gzw_chibi"])
    twice = form_of(people["gzw"], name="另一家公司")
    assert "赤壁市国资部门的名单" in str(twice.errors["credit_code"])
    assert "同名" in str(form_of(people["gzw_chibi"], 1, credit_code=code(2)).errors["name"])
    with pytest.raises(Refused, match="刚由他人列入"):
        Enterprise.enter(by=people["gzw"], **_facts(people["gzw"]))


def _facts(user: User) -> dict[str, Any]:
    form = form_of(user, credit_code=code(9))
    assert form.is_valid()
    return form.facts() | {"credit_code": code(1)}


# --- the list ---------------------------------------------------------------------------------


def test_the_list_narrows_by_state_level_status_and_name(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    draft = listed(people["gzw_chibi"], 1, name="甲厂（测试）")
    done = listed(people["gzw_chibi"], 2, name="乙厂（测试）", status="停产")
    done.confirm(by=people["gzw_chibi"])
    client = sign_in("gzw_chibi")

    def names(**query: str) -> set[str]:
        page = client.get(reverse("enterprises:list"), query).context["page"]
        return {entry.name for entry in page.rows}

    usual = "赤壁市陆水建材公司（演示）"
    assert names() == {draft.name, done.name, usual}
    assert names(state="unconfirmed") == {draft.name}
    assert names(state="confirmed") == {done.name, usual}
    assert names(state="unread") == {done.name}
    assert names(status="stopped") == {done.name}
    assert names(q="甲厂") == {draft.name}
    assert names(level="central") == names(state="removed") == set()
    assert client.get(reverse("enterprises:list"), {"state": "x"}).status_code == 404
    assert draft.name not in sign_in("rs_xianan").get(reverse("enterprises:list")).content.decode()


def test_the_list_asks_the_database_equally_often_for_3_and_12_rows(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    client, counts = sign_in("gzw_jiayu"), []
    for numbers in (range(1, 3), range(3, 12)):
        for n in numbers:
            listed(people["gzw_jiayu"], n)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(reverse("enterprises:list"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- the workbook -------------------------------------------------------------------------------


def book(rows: list[list[Any]], headings: list[str] | None = None) -> SimpleUploadedFile:
    """A 名单 workbook: a title, a heading row, ROWS; None is an empty cell."""
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "名单"
    sheet.append(["赤壁市国有企业名单"])
    sheet.append(headings or HEADINGS)
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return SimpleUploadedFile("名单.xlsx", out.getvalue())


HEADINGS = ["序号", "企业名称", "统一社会信用代码", "企业层级", "控股类型", "实际所在县市区", "经营状态",
            "主管部门", "联系人电话", "退休人数底数"]  # fmt: skip


def row(n: int, **given: Any) -> list[Any]:
    usual = {
        "序号": n, "企业名称": f"测试企业{n}号公司", "统一社会信用代码": code(n), "企业层级": "县企",
        "控股类型": "独资", "实际所在县市区": "赤壁", "联系人电话": "0715-8123000", "退休人数底数": 30 + n,
    }  # fmt: skip
    return [(usual | given).get(heading) for heading in HEADINGS]


IMPORT, CONFIRM = "enterprises:import", "enterprises:import_detail"


def preview(client: Client, rows: list[list[Any]]) -> Any:
    return client.post(reverse(IMPORT), {"file": book(rows)})


def rows_of(response: Any) -> str:
    return str(dict(response.context["hidden"])["rows"])


def test_a_workbook_is_previewed_then_listed_and_confirmed_with_one_notice(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    client = sign_in("gzw_chibi")
    before = Enterprise.objects.count()
    shown = preview(client, [row(1), row(2, 经营状态="破产", 主管部门="市建材局（测试）")])
    assert shown.status_code == 200
    assert "新增 2 家，更改 0 家，不变 0 家" in shown.content.decode()
    assert Enterprise.objects.count() == before

    client.post(reverse(CONFIRM), {"rows": rows_of(shown), "confirm": "on"})
    first, second = (Enterprise.objects.get(credit_code=code(n)) for n in (1, 2))
    assert (first.authority_id, first.retiree_count) == (demo.CHIBI, 31)
    assert first.is_confirmed
    assert second.transferor == "市建材局（测试）"
    assert [n.text for n in Notice.objects.filter(about_enterprise__in=[first, second])] == [
        f"{first}等 2 家企业已确认列入国有企业名单，请签收（第六条第1项）。"
    ]
    again = preview(client, [row(1), row(2, 经营状态="破产", 主管部门="市建材局（测试）")])
    assert "新增 0 家，更改 0 家，不变 2 家" in again.content.decode()


def test_a_workbook_that_changes_a_confirmed_enterprise_needs_a_reason(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    client, entry = sign_in("gzw_chibi"), listed(people["gzw_chibi"], group="原集团（测试）")
    entry.confirm(by=people["gzw_chibi"])
    shown = preview(client, [row(1, 经营状态="停产")])
    assert "由“正常经营”改为“停产”" in shown.content.decode()
    answers = {"rows": rows_of(shown)}
    refused = client.post(reverse(CONFIRM), answers)
    assert refused.status_code == 422
    assert "请写明变动原因" in refused.content.decode()
    client.post(reverse(CONFIRM), answers | {"reason": "全面停产"})
    entry.refresh_from_db()
    assert (entry.status, entry.group) == ("stopped", "原集团（测试）")  # no such column: kept
    assert entry.acknowledged_at is None
    assert "全面停产" in sign_in("gzw_chibi").get(entry.get_absolute_url()).content.decode()


# A wrong cell → the row and column that are named, and the words.
WRONG_CELLS: list[tuple[dict[str, Any], str, str]] = [
    ({"统一社会信用代码": 914212000001}, "统一社会信用代码", "数字格式"),
    ({"统一社会信用代码": code(1)[:-1] + "#"}, "统一社会信用代码", "数字和英文字母"),
    ({"联系人电话": 13900000000}, "联系人电话", "数字格式"),
    ({"控股类型": "参股"}, "控股类型", "第二条"),
    ({"企业层级": "市企"}, "企业层级", "第六条第1项"),
    ({"企业层级": None}, "企业层级", "请选择"),
    ({"实际所在县市区": "黄石市"}, "实际所在县市区", "咸安区"),
    ({"经营状态": "注销"}, "主管部门", "第四条"),
    ({"企业名称": "测试企业1号公司"}, "企业名称", "与第 3 行重复"),
    ({"退休人数底数": "许多"}, "退休人数底数", "整数"),
    ({"统一社会信用代码": "=1/0"}, "统一社会信用代码", "公式"),
]  # fmt: skip


def test_every_wrong_cell_is_named_by_row_and_column_and_nothing_is_saved(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    before = Enterprise.objects.count()
    rows = [row(1), *(row(n + 2, **given) for n, (given, _, _) in enumerate(WRONG_CELLS))]
    response = preview(sign_in("gzw_chibi"), rows)
    assert response.status_code == 422
    problems = response.context["found"].problems
    for place, (_, column, words) in enumerate(WRONG_CELLS):
        mine = [(p.column, p.message) for p in problems if p.row == place + 4]
        assert len(mine) == 1, (place, mine)
        assert mine[0][0] == column
        assert words in mine[0][1]
    assert not [p for p in problems if p.row == 3]
    assert Enterprise.objects.count() == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "空"), (b"%PDF-1.7", ".xlsx"), (b"PK\x03\x04broken", "损坏"),
        (book([[1]], ["无关", "表头"]).read(), "找不到表头"),
        (book([], HEADINGS).read(), "没有数据"),
        (book([row(1)[:3]], [*HEADINGS[:3], "企业层级"]).read(), "缺少这一列"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_is_refused_with_a_sentence(
    data: bytes, words: str, sign_in: Callable[[str], Client]
) -> None:
    file = SimpleUploadedFile("名单.xlsx", data)
    response = sign_in("gzw_chibi").post(reverse(IMPORT), {"file": file})
    assert response.status_code == 422
    assert words in response.content.decode()


def test_a_preview_belongs_to_who_uploaded_it_and_ends_after_an_hour(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    answers = {"rows": rows_of(preview(sign_in("gzw_chibi"), [row(1)]))}
    for username, wait, changed in (
        ("gzw_xianan", 0, ""), ("gzw_chibi", 2, ""), ("gzw_chibi", 0, "x")
    ):  # fmt: skip
        with time_machine.travel(timezone.now() + timedelta(hours=wait), tick=False):
            client = sign_in(username)
            given = {"rows": answers["rows"] + changed}
            text = client.post(reverse(CONFIRM), given, follow=True).content.decode()
        assert "没有写入任何内容" in text
    assert not Enterprise.objects.filter(credit_code=code(1)).exists()
    assert sign_in("gzw_chibi").get(reverse(CONFIRM)).status_code == 302


def test_the_template_can_be_filled_in_and_uploaded(sign_in: Callable[[str], Client]) -> None:
    client = sign_in("gzw_chibi")
    filled = load_workbook(io.BytesIO(client.get(reverse("enterprises:template")).content))
    sheet = filled["国有企业名单"]
    headings = {cell.value: cell.column for cell in sheet[1]}
    for heading, value in zip(HEADINGS, row(1), strict=True):
        if heading in headings:
            sheet.cell(2, headings[heading]).value = value
    out = io.BytesIO()
    filled.save(out)
    file = SimpleUploadedFile("国有企业名单模板.xlsx", out.getvalue())
    shown = client.post(reverse(IMPORT), {"file": file})
    assert "新增 1 家" in shown.content.decode()
    assert shown.context["found"].unknown == []


def test_the_roster_of_enterprises_is_that_of_the_place(
    sign_in: Callable[[str], Client], people: People
) -> None:
    """A county sees its own list, a clerk his own enterprise, the city all of them."""
    names = {enterprise.name for enterprise in Enterprise.objects.all()}
    path = reverse("roster", args=["enterprises"])

    def listed(username: str) -> set[str]:
        page = sign_in(username).get(path).content.decode()
        return {name for name in names if f"<td>{name}</td>" in page}

    assert listed("gzw") == names
    assert listed("qiye") == {enterprise_of("qiye").name}
    chibi = set(Enterprise.objects.visible_to(people["gzw_chibi"]).values_list("name", flat=True))
    assert listed("gzw_chibi") == chibi == {
        enterprise.name for enterprise in Enterprise.objects.all()
        if enterprise.authority_id == people["gzw_chibi"].offices.get().area_id
        or str(enterprise.county_id or "").startswith("421281")
    }  # fmt: skip
