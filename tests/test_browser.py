"""In Chromium, as its users have it: the whole handover, accessibility, the keyboard, the phone.

The picture of the README is taken here too. It is written, to tests/pictures/home.png, only when
asked for: `WRITE_PICTURES=1 .venv/bin/pytest -m browser -k picture`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from openpyxl import load_workbook
from playwright.sync_api import expect
from pypdf import PdfReader

from communities.models import Area
from enterprises.models import Enterprise
from tests.factories import enterprise_of, make_transfer, staff_of
from tests.stops import (
    NEXT,
    Answers,
    Stop,
    answer,
    fill,
    follow,
    forget,
    press,
    send,
    tick_all,
    too_many_fields,
    unfold,
)
from tests.stops_community import (
    pages_of_the_agreements,
    pages_of_the_cards,
    pages_of_the_care,
    pages_of_the_editions,
    pages_of_the_events,
    pages_of_the_funds,
    pages_of_the_ledger,
    pages_of_the_rehandovers,
    pages_of_the_venues,
)
from tests.stops_handovers import pages_of_the_branches, pages_of_the_handovers
from tests.workbooks import FIRST_ROW, WUHAN50, as_shown, made_up_people, make_workbook, table
from transfers import notice, workflow
from transfers.models import ImportBatch, Retiree, RightsRequest, StepEvent, Transfer
from xianning import demo, exports, standards, walk
from xianning.access import REGISTRY
from xianning.management.commands.load_demo import PASSWORD
from xianning.models import AuditEvent, Export, Grant, Job, Office, User

if TYPE_CHECKING:
    from tests.browser import Visitor

    Visit = Callable[..., Visitor]

pytest_plugins = ("tests.browser",)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


# --- the journey --------------------------------------------------------------------------------

MEMBER, OTHER = "李㻁", "阿依古丽·买买提"  # the first lives in 桂花路, the second in 万年路
# Row of the workbook (data from row 9), heading, and what is said of the cell.
WRONG = (
    (13, "身份证号", "校验码不符"),
    (26, "身份证号", "身份证号是数字格式，Excel 会丢失后几位"),
    (42, "退休类别", "离休人员原则上保持现有管理方式不变，不纳入移交范围（第二条）。"),
)
SHEETS = {  # roster → the office that gives it out
    "国有企业名单": "gzw",
    "国有企业退休人员档案移交名册": "shebao",
    "国有企业退休人员社会化管理服务管理台账": "shequ",
    "国有企业退休人员党员组织关系转接名册": "dangzu",
}
CHECKED: dict[str, str | bool] = {"已核对本人身份证": True, "已收《基本信息表》街道社区联": True}
SIGNED: Answers = {
    "企业经办人": "华经办", "退休人员本人已签字": True, "企业经办人已签字、企业已盖章": True,
    "一式三份已备齐（企业、个人、街道社区各一份）": True,
    f"已向本人送达《个人信息告知书》（版本 {notice.VERSION}）": True,
}  # fmt: skip


def sixty() -> list[dict[str, Any]]:
    """Sixty people of one sheet; the first a Party member, the second not."""
    places = [Area.objects.get(code=code) for code in (demo.GUIHUA, demo.WANNIAN)]
    people = made_up_people(60, seed=60, communities=places, employer="桂泉机械厂")
    for person in people:
        person["employment_kind"] = "全民"
    people[0] |= {"name": MEMBER, "education": "初中"}
    people[1] |= {"name": OTHER, "ethnicity": "维吾尔族"}
    assert (people[0]["political_status"], people[1]["political_status"]) == ("中共党员", "群众")
    return people


def with_three_wrong(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same people as the clerk first kept them; the rows of WRONG."""
    kept = [dict(person) for person in people]
    number = kept[13 - FIRST_ROW]["id_number"]
    kept[13 - FIRST_ROW]["id_number"] = number[:17] + ("1" if number[17] != "1" else "2")
    kept[26 - FIRST_ROW]["id_number"] = int(kept[26 - FIRST_ROW]["id_number"][:17])
    kept[42 - FIRST_ROW]["retirement_kind"] = "离休"
    return kept


def upload(clerk: Visitor, file: Path) -> None:
    clerk.go("导入")
    clerk.page.get_by_role("link", name="导入表格").first.click()
    clerk.page.get_by_label("退休人员工作簿").set_input_files(file)
    expect(clerk.page.get_by_text(f"已选：{file.name}")).to_be_visible()
    clerk.press("上传并检查")
    clerk.heading(file.name)


def open_case(who: Visitor, step: str, name: str) -> None:
    """From home through what waits at STEP to the case of NAME."""
    who.go("待办")
    who.page.locator(".todo-cards").get_by_role("link", name=step).click()
    who.heading(f"待办：{step}")
    if not who.page.get_by_role("link", name=name).count():  # fifty a page, the oldest first
        who.page.get_by_role("link", name="下一页").click()
    who.follow(name)
    who.heading(name)


def act(
    who: Visitor, step: str, name: str, button: str, answers: Answers, *,
    scan: Path | None = None, final: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """Take STEP of NAME: open, answer, check the answers, confirm. FINAL presses the last button."""
    open_case(who, step, name)
    who.follow(f"{button}：{step}")
    who.heading(step)
    if scan:
        who.page.get_by_label("签字盖章后的扫描件").set_input_files(scan)
    fill(who.page, answers)
    who.press(NEXT)
    who.heading("请核对")
    for said in answers.values():
        if isinstance(said, str):
            expect(who.page.locator("dd", has_text=said).first).to_be_visible()
    if final:
        final()
    else:
        who.press(f"确认{button}")
    who.told(f"{name}：“{step}”已办理。")
    who.check()


def test_the_handover_from_the_workbook_to_the_four_rosters(visit: Visit, tmp_path: Path) -> None:
    people = sixty()
    clerk = visit("qiye")
    import_people(clerk, people, tmp_path)
    return_and_file_again(visit("rs"), clerk)
    for name, community in ((MEMBER, "shequ"), (OTHER, "shequ_wannian")):
        take_the_steps(visit, name, community, tmp_path)
    expect(clerk.page.locator("#main")).to_contain_text("不是中共党员，无须转接组织关系")
    move_the_party_member(visit)
    for name in (MEMBER, OTHER):
        case = Transfer.objects.named(name).get()
        assert case.state == Transfer.State.DONE, case.number
        once = StepEvent.objects.filter(
            transfer=case, verb=StepEvent.Verb.COMPLETE, step="community"
        )
        assert once.count() == 1
    number = check_the_card(visit)
    read_back_the_rosters(visit, people, number, tmp_path)


def import_people(clerk: Visitor, people: list[dict[str, Any]], folder: Path) -> None:
    """Three wrong rows are shown and nothing is saved; the clerk's own file comes back marked, is
    mended and written; that is undone; the file as it should have been is written again.
    """
    first, second = folder / "退休人员登记表.xlsx", folder / "退休人员登记表-改正.xlsx"
    first.write_bytes(make_workbook(with_three_wrong(people)))
    second.write_bytes(make_workbook(people))
    upload(clerk, first)
    table = clerk.page.get_by_role("region", name="错误 3 处")
    for row, column, sentence in WRONG:
        line = table.get_by_role("row").filter(has=clerk.page.get_by_role("cell", name=str(row)))
        expect(line).to_have_count(1)
        expect(line).to_contain_text("全民")
        expect(line).to_contain_text(column)
        expect(line).to_contain_text(sentence)
    expect(clerk.page.get_by_role("button", name="确认导入 60 人")).to_have_count(0)
    assert not Retiree.objects.exists()
    upload(clerk, mended(clerk, people, folder))
    expect(clerk.page.get_by_role("region", name=re.compile("^错误"))).to_have_count(0)
    clerk.press("确认导入 60 人")
    clerk.told("已写入：新增 60 人，更新 0 人，不变 0 人。")
    clerk.page.get_by_text("撤销此次导入").first.click()
    clerk.press("撤销此次导入")
    clerk.told("已撤销：收回新增的 60 人，恢复更新的 0 人。")
    assert not Retiree.objects.exists()
    upload(clerk, second)
    clerk.press("确认导入 60 人")
    clerk.told("已写入：新增 60 人，更新 0 人，不变 0 人。")
    assert Transfer.objects.count() == 60
    clerk.check()


def mended(clerk: Visitor, people: list[dict[str, Any]], folder: Path) -> Path:
    """The marked file, with the cells that its own list of problems names put right."""
    clerk.press("取回标注后的工作簿")
    link = clerk.page.get_by_role("link", name=re.compile("下载"))
    expect(link).to_be_visible(timeout=30_000)
    path = folder / "标注.xlsx"
    clerk.download(link).save_as(path)
    book = load_workbook(path)
    fields = {
        middle or leaf: (place, field)
        for place, (_, middle, leaf, field) in enumerate(WUHAN50, start=1)
    }
    listed = [row for row in book["问题"].iter_rows(values_only=True) if row[0] == "全民"]
    listed = [row for row in listed if row[1]]
    assert {(int(str(row[1])), row[2]) for row in listed} == {(row, word) for row, word, _ in WRONG}
    for _, row, heading, *_ in listed:
        place, field = fields[str(heading)]
        cell = book["全民"].cell(int(str(row)), place)
        assert cell.comment is not None
        assert cell.fill.fgColor.rgb not in ("00000000", None)
        cell.value = people[int(str(row)) - FIRST_ROW][field]
    mended_path = folder / "标注-改正.xlsx"
    book.save(mended_path)
    return mended_path


def return_and_file_again(hr: Visitor, clerk: Visitor) -> None:
    """HR sends the case back with a reason; the clerk amends and files once more."""
    open_case(hr, "核定退休待遇", MEMBER)
    hr.follow("退回：核定退休待遇")
    hr.press("退回")  # without a reason
    expect(hr.page.get_by_role("alert")).to_contain_text("请改正以下各项")
    fill(hr.page, {"原因": "信息有误", "说明": "文化程度与档案不一致，请核对。"})
    hr.press("退回")
    hr.told(f"{MEMBER}：“核定退休待遇”已退回。")
    clerk.go("待办")
    expect(clerk.page.locator(".todo-cards")).to_contain_text("其中被退回 1 件")
    open_case(clerk, "企业退休申报", MEMBER)
    expect(clerk.page.locator(".timeline")).to_contain_text(
        "信息有误：文化程度与档案不一致，请核对。"
    )
    clerk.follow("更改信息")
    fill(clerk.page, {"更改理由": "按人社部门意见更正"})
    clerk.press("打开")
    fill(clerk.page, {"文化程度": "普通高中"})
    clerk.press("保存")
    clerk.told("已更改：文化程度。")
    act(clerk, "企业退休申报", MEMBER, "申报", {"所登记的信息属实，退休手续已办理": True})


def take_the_steps(visit: Visit, name: str, community: str, folder: Path) -> None:
    """Steps 2 to 5, each by its office."""
    clerk = visit("qiye")
    act(visit("rs"), "核定退休待遇", name, "核定",
        {"核定文号": "咸人社核〔2026〕60号", "待遇领取起始年月": "2016年3月"})  # fmt: skip
    scan = folder / "签字表.png"
    scan.write_bytes(walk.picture_of_a_form(name))
    open_case(clerk, "基本信息确认", name)
    form = clerk.download(clerk.page.get_by_role("button", name="打印《基本信息表》"))
    assert name in words_of(form.path())
    act(clerk, "基本信息确认", name, "登记签字", SIGNED, scan=scan)
    act(clerk, "移交人事档案", name, "移交",
        {"档案材料（份）": "26", "页数": "84", "送档人": "许档员"})  # fmt: skip
    note = clerk.download(clerk.page.get_by_role("button", name="打印档案转递单"))
    assert name in words_of(note.path())
    act(visit("shebao"), "接收人事档案", name, "接收",
        {"接收人": "陶社保", "档案编号": f"DA-{name}", "存放位置": "2库/15柜/3层"})  # fmt: skip
    receive(visit(community), name)


def receive(officer: Visitor, name: str) -> None:
    """Step 5, pressed twice, and once more from a tab that was left open: one effect."""

    def twice_and_again() -> None:
        stale = officer.new_page()
        stale.goto(officer.page.url)
        fill(stale, CHECKED)
        officer.press(NEXT, stale)
        expect(stale.get_by_role("heading", level=1)).to_contain_text("请核对")
        officer.page.get_by_role("button", name="确认接收并发联系卡").dblclick()
        officer.told(f"{name}：“街道社区接收”已办理。")
        officer.press("确认接收并发联系卡", stale)
        officer.told("不能重复办理。", stale)
        stale.close()

    act(officer, "街道社区接收", name, "接收并发联系卡", final=twice_and_again,
        answers=CHECKED | {"专管员": "王社区", "专管员电话": "0715-8123456"})  # fmt: skip


def move_the_party_member(visit: Visit) -> None:
    """Step 6: the letter, then the receipt."""
    clerk = visit("qiye")
    act(clerk, "开具组织关系介绍信", MEMBER, "开具介绍信",
        {"转出党支部": "中共桂泉机械厂支部委员会", "党费已交至": "2026年10月"})  # fmt: skip
    letter = clerk.download(clerk.page.get_by_role("button", name="打印党员组织关系介绍信"))
    assert MEMBER in words_of(letter.path())
    act(visit("dangzu"), "接收党员组织关系", MEMBER, "接收",
        {"经办人": "周党务", "回执编号": "回2026001"})  # fmt: skip


def check_the_card(visit: Visit) -> str:
    """The number on the printed card, which anybody may check; the number after it is not valid."""
    officer, stranger = visit("shequ"), visit()
    officer.go("名册")
    officer.follow("打印社区联系卡")
    row = officer.page.get_by_role("row").filter(has_text=MEMBER)
    row.get_by_role("checkbox").check()
    number = row.get_by_role("cell").nth(4).inner_text()
    sheet = officer.download(officer.page.get_by_role("button", name="打印所选的联系卡"))
    printed = words_of(sheet.path())
    assert number in printed
    assert MEMBER in printed
    assert not re.search(r"\d{17}[\dX]", printed)
    other = number[:-1] + ("2" if number[-1] != "2" else "3")
    # Whoever found a card learns whom to call, and nothing of its holder.
    desk = Office.objects.get(users__username="shequ")
    valid = ["有效", "，社区服务电话", desk.phone]
    for typed, said in ((number.lower(), valid), (other, ["无效"])):
        stranger.open("communities:card_check")
        stranger.page.get_by_label("卡号").fill(typed)
        stranger.press("查验")
        result = stranger.page.locator(".notice")
        assert result.inner_text().split() == ["查验结果", *said]
        assert MEMBER not in stranger.page.content()
    return number


def read_back_the_rosters(
    visit: Visit, people: list[dict[str, Any]], card: str, folder: Path
) -> None:
    """The four rosters as workbook, in full, and as PDF, masked."""
    texts, lines = {}, {}
    for title, username in SHEETS.items():
        officer = visit(username)
        book = export(officer, title, "Excel 工作簿", "完整", folder)
        sheet = load_workbook(book).active
        assert sheet is not None
        cells = [row for row in sheet.iter_rows() if any(c.value for c in row)]
        values = [[as_shown(c) for c in row] for row in cells]
        head = next(row for row in values if "企业名称" in row or "姓名" in row)
        place = head.index("企业名称") if "企业名称" in head else head.index("姓名")
        lines[title] = {row[place]: dict(zip(head, row, strict=True)) for row in values}
        texts[title] = words_of(export(officer, title, "PDF 文件", "脱敏", folder))
        assert title in texts[title]
    companies, archives, ledger, party = (lines[title] for title in SHEETS)
    company = next(name for name in companies if name and "桂泉机械厂" in name)
    assert companies[company]["统一社会信用代码"].startswith("91421200MADEM0001")
    assert company in texts["国有企业名单"]
    for name, person in ((MEMBER, people[0]), (OTHER, people[1])):
        assert archives[name]["公民身份号码"] == person["id_number"]
        assert archives[name]["档案编号"] == f"DA-{name}"
        assert (archives[name]["正本（卷）"], archives[name]["材料（份）"]) == ("1", "26")
    assert ledger[MEMBER]["公民身份号码"] == people[0]["id_number"]
    assert card in ledger[MEMBER]["联系卡号/发卡日期"]
    assert OTHER not in ledger  # he is on the ledger of the other community
    assert party[MEMBER]["党费交至"] == "2026-10"
    assert party[MEMBER]["回执编号/日期"].startswith("回2026001")
    assert OTHER not in party
    for title, *names in (
        ("国有企业退休人员档案移交名册", MEMBER, OTHER),
        ("国有企业退休人员社会化管理服务管理台账", MEMBER, card),
        ("国有企业退休人员党员组织关系转接名册", MEMBER, "回2026001"),
    ):
        assert [name for name in names if name not in texts[title]] == []
        assert people[0]["id_number"] not in texts[title]


def export(officer: Visitor, title: str, format_: str, privacy: str, folder: Path) -> Path:
    """The file that the page of a roster gives out."""
    officer.go("名册")
    officer.follow(title)
    officer.page.get_by_text("导出为 Excel 或 PDF").click()
    officer.page.get_by_label("格式").select_option(label=format_)
    chosen = officer.page.get_by_label("个人信息")
    chosen.select_option(index=1 if privacy == "完整" else 0)
    if privacy == "完整":
        officer.page.get_by_label("理由").fill("移交双方核对名册")
    officer.press("导出")
    file = officer.download(officer.page.get_by_role("button", name=re.compile("^下载 ")))
    path = folder / file.suggested_filename
    assert path.name.startswith(title)
    file.save_as(path)
    officer.check()
    return path


def words_of(pdf: Any) -> str:
    """The text of a PDF without blanks and line breaks."""
    with open(pdf, "rb") as file:
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(file.read())).pages]
    return re.sub(r"[\s\u200b]+", "", "".join(pages))


# --- every page ---------------------------------------------------------------------------------


# URL names that give no page of their own: files, redirects, parts of pages.
NO_PAGE = {
    "sign_out", "health", "notice_read", "communities:area_choices", "transfers:search",
    "transfers:scan", "transfers:paper", "transfers:template", "enterprises:template",
    "alive", "text_size", "communities:day_paper",
    "session_end", "sessions_end", "audit_export", "transfers:rights_copy",
    "transfers:consent_withdraw", "transfers:letter", "transfers:letter_issue",
    "archives:batch_paper", "archives:catalogue_paper", "archives:catalogue_template",
    "communities:event_list_rest", "communities:event_list_template",
    "archives:records_paper", "archives:records_template",
    "transfers:signed_page", "transfers:signed_go_on",
    # Their pages are walked through in test_browser_accounts.py.
    "account", "prove", "second_factor", "sessions", "setup", "sign_in_code",
}  # fmt: skip
SAID = {"原因": "其他", "说明": "材料需要核对。"}
GOOD, BAD, NEITHER, ODD = "正确.xlsx", "有误.xlsx", "说明.xlsx", "自编.xlsx"


@pytest.fixture
def cases() -> dict[str, Transfer]:
    """A case at each step, one returned, one ended."""
    steps = ("verify", "confirm", "deliver", "archives", "community", "letter", "party", "done")
    made = {at: make_transfer(at=at, party_member=True) for at in steps}
    staff = staff_of("qiye")
    made["returned"] = make_transfer()
    why = {"code": "wrong_facts", "reason": "退休年月与档案不一致，请核对。"}
    workflow.send_back(made["returned"], "verify", by=staff["hr"], **why)
    made["ended"] = make_transfer()
    workflow.end(made["ended"], by=staff["enterprise"], code="mistake", reason="重复填报。")
    return made


def pages_for_anybody() -> list[Stop]:
    wrong = (answer({"用户名": "nobody", "密码": "not-the-password"}), press("登录"))
    return [
        Stop("", "sign_in"),
        Stop("", "sign_in", do=(press("登录"),)),
        Stop("", "communities:card_check"),
        Stop("", "communities:card_check", do=(answer({"卡号": "A1B2-C3D4-E5F6"}), press("查验"))),
        Stop("", "home", query="nothing/", status=404),
        Stop("", "communities:card_check", do=(too_many_fields, press("查验")), status=400),
        Stop("", "sign_in", do=(forget, press("登录")), status=403),
        Stop("", "sign_in", do=wrong * 5, status=429),
    ]


def pages_of_the_clerk(cases: dict[str, Transfer]) -> list[Stop]:
    clerk = User.objects.get(username="qiye")
    enterprise = enterprise_of("qiye")
    job = {"kind": "import_check", "title": "导出移交名册", "owner": clerk, "back_url": "/rosters/"}
    failed = Job.objects.create(state="failed", message="未能完成，请重新提交。", **job)
    running = Job.objects.create(state="running", done=3, total=10, **job)
    gone = Job.objects.create(state="done", result_name="移交名册.xlsx", **job)
    reading = ImportBatch.objects.create(
        enterprise=enterprise, uploaded_by=clerk, file_name="名单.xlsx", sha256="0",
        state="reading", job=running,
    )  # fmt: skip
    people = made_up_people(3, seed=7)
    wrong = [people[0] | {"id_number": "123", "home_phone": "1"}, *people[1:]]
    at = {name: (case.pk,) for name, case in cases.items()}
    scan = send("签字盖章后的扫描件", "签字表.png", walk.picture_of_a_form())
    handed = {"档案材料（份）": "26", "送档人": "许档员"}
    verified: Answers = {"核定文号": "咸人社核〔2026〕1号", "待遇领取起始年月": "2025-01"}
    workbook = "退休人员工作簿"
    upload = (send(workbook, GOOD, make_workbook(people)), press("上传并检查"))
    refused = (send(workbook, BAD, make_workbook(wrong)), press("上传并检查"))
    nothing = (send(workbook, NEITHER, table(["序号"], ["1"])), press("上传并检查"))
    unknown = table(["身份证号", "职工大名"], [people[0]["id_number"], people[0]["name"]])
    odd = (send(workbook, ODD, unknown), press("上传并检查"), follow("指明没有对上的列"))
    return [
        Stop("qiye", "home"),
        Stop("qiye", "home", query="nothing/", status=404),
        Stop("qiye", "users", status=403),
        Stop("qiye", "password_change"),
        Stop("qiye", "password_change", do=(press("修改密码"),)),
        Stop("qiye", "notices"),
        Stop("qiye", "jobs"),
        Stop("qiye", "job", (failed.pk,)),
        Stop("qiye", "job", (running.pk,)),
        Stop("qiye", "job_result", (gone.pk,), status=410),
        Stop("qiye", "rosters"),
        *(Stop("qiye", "roster", (name,))
          for name in ("enterprises", "transfers", "archives", "party", "proof")),
        Stop("qiye", "roster", ("proof",), do=(unfold, press("导出")), status=422,
             also="roster_export"),
        Stop("qiye", "transfers:letters"),
        Stop("qiye", "transfers:letters", do=(press("制作通知书"),)),
        Stop("qiye", "roster", ("transfers",), do=(unfold, press("导出")), also="export"),
        Stop("qiye", "exports"),
        Stop("qiye", "roster", ("transfers",), status=422, also="roster_export",
             do=(unfold, answer({"个人信息": "完整"}), press("导出"))),
        Stop("qiye", "enterprises:list"),
        Stop("qiye", "enterprises:detail", (enterprise.pk,)),
        Stop("qiye", "transfers:list"),
        Stop("qiye", "transfers:list", query="?waiting=deliver"),
        Stop("qiye", "transfers:list", do=(
            lambda page: page.get_by_label("姓名或完整身份证号").fill("查无此人"), press("查找"))),
        *(Stop("qiye", "transfers:detail", pk) for pk in at.values()),
        Stop("qiye", "transfers:act", (*at["returned"], "declare"), do=(press(NEXT),), status=422),
        Stop("qiye", "transfers:act", (*at["confirm"], "confirm")),
        Stop("qiye", "transfers:act", (*at["confirm"], "confirm"), do=(press(NEXT),), status=422),
        Stop("qiye", "transfers:act", (*at["confirm"], "confirm"),
             do=(scan, answer(SIGNED), press(NEXT))),
        Stop("qiye", "transfers:act", (*at["confirm"], "confirm"),
             do=(scan, answer(SIGNED), press(NEXT), press("返回修改"))),
        Stop("qiye", "transfers:act", (*at["deliver"], "deliver"),
             do=(answer(handed), press(NEXT))),
        Stop("qiye", "transfers:act", (*at["letter"], "letter"), do=(press(NEXT),)),
        Stop("qiye", "transfers:withdraw", (*at["party"], "letter")),
        Stop("qiye", "transfers:withdraw", (*at["party"], "letter"), do=(press("撤回"),), status=422),
        Stop("qiye", "transfers:end", at["verify"]),
        Stop("qiye", "transfers:end", at["verify"], do=(press("终止案卷"),), status=422),
        Stop("qiye", "transfers:add"),
        Stop("qiye", "transfers:add", do=(press("保存"),), status=422),
        Stop("qiye", "transfers:edit", at["verify"]),
        Stop("qiye", "transfers:edit", at["verify"], do=(press("打开"),), status=422),
        Stop("qiye", "transfers:detail", at["verify"], status=422, do=(press("查看"),),
             also="transfers:reveal"),
        Stop("qiye", "transfers:detail", at["verify"], also="transfers:reveal",
             do=(answer({"内容": "住址与电话", "查看理由": "本人来电核对住址"}), press("查看"))),
        Stop("qiye", "transfers:list", query="?waiting=confirm", also="transfers:pile",
             do=(press("打印所选人的《基本信息表》"),)),
        Stop("qiye", "transfers:list", query="?waiting=confirm", also="transfers:pile",
             do=(tick_all, press("打印所选人的《基本信息表》"))),
        Stop("rs", "transfers:list", query="?waiting=verify", also="transfers:bulk",
             do=(tick_all, press("办理所选"))),
        Stop("rs", "transfers:list", query="?waiting=verify", also="transfers:bulk", status=422,
             do=(tick_all, press("办理所选"), press(NEXT))),
        Stop("rs", "transfers:list", query="?waiting=verify", also="transfers:bulk",
             do=(tick_all, press("办理所选"), answer(verified), press(NEXT))),
        Stop("qiye", "transfers:import_list"),
        Stop("qiye", "transfers:import"),
        Stop("qiye", "transfers:import", do=(press("上传并检查"),), status=422),
        Stop("qiye", "transfers:import", do=nothing, also="transfers:import_detail"),
        Stop("qiye", "transfers:import", do=refused, also="transfers:import_detail"),
        Stop("qiye", "transfers:import", do=upload, also="transfers:import_detail"),
        Stop("qiye", "transfers:import", do=(*upload, press("确认导入 3 人")),
             also="transfers:import_detail"),
        Stop("qiye", "transfers:import", do=odd, also="transfers:import_columns"),
        Stop("qiye", "transfers:import_detail", (reading.pk,)),
        Stop("qiye", "transfers:import_list"),
        Stop("qiye", "jobs"),
    ]  # fmt: skip


def pages_of_the_receivers(cases: dict[str, Transfer]) -> list[Stop]:
    """Human resources, social insurance, community, sub-district, Party, and who only looks on."""
    at = {name: (case.pk,) for name, case in cases.items()}
    wish = exports.Wish(exports.ROSTERS["ledger"], "xlsx", True, "年度核对台账")
    given = exports.ask(User.objects.get(username="shequ"), wish, queue=False)
    exports.keep(given, exports.make(given, lambda *_: None))
    waiting = exports.ask(User.objects.get(username="shequ"), wish, queue=False)
    Export.objects.filter(pk=waiting.pk).update(state="asked")
    leaked = f"{cases['done'].retiree.name} 编号 {given.serial}"
    asked = RightsRequest.objects.create(
        transfer_id=at["community"][0], kind="correct", applicant="self", text="电话有误",
        asked_on=timezone.localdate(), recorded_by=User.objects.get(username="shequ"),
    )  # fmt: skip
    wished = Grant.ask(
        User.objects.get(username="shequ_wannian"), Office.objects.get(users__username="shequ"),
        by=User.objects.get(username="guanli"), reason="轮岗通知3号",
    )  # fmt: skip
    return [
        Stop("rs", "home"),
        Stop("rs", "notices"),
        Stop("rs", "transfers:list", query="?waiting=verify"),
        Stop("rs", "transfers:act", (*at["verify"], "verify"), do=(press(NEXT),), status=422),
        Stop("rs", "transfers:act", (*at["verify"], "verify"),
             do=(answer({"待遇领取起始年月": "2016-03"}), press(NEXT))),
        Stop("rs", "transfers:send_back", (*at["verify"], "verify")),
        Stop("rs", "transfers:send_back", (*at["verify"], "verify"), do=(press("退回"),), status=422),
        Stop("shebao", "home"),
        Stop("shebao", "transfers:act", (*at["archives"], "archives")),
        Stop("shebao", "transfers:act", (*at["archives"], "archives"), status=422,
             do=(answer({"实收材料（份）": "1"}), press(NEXT))),
        Stop("shebao", "transfers:act", (*at["archives"], "archives"),
             do=(answer({"接收人": "陶社保", "档案编号": "DA-2"}), press(NEXT))),
        Stop("shequ", "home"),
        Stop("shequ", "transfers:act", (*at["community"], "community"), do=(press(NEXT),), status=422),
        Stop("shequ", "transfers:act", (*at["community"], "community"),
             do=(answer(CHECKED), press(NEXT))),
        Stop("shequ", "roster", ("ledger",)),
        Stop("shequ", "communities:card_paper"),
        Stop("shequ", "communities:desk"),
        Stop("shequ", "communities:desk", do=(press("查找"),), status=422),
        Stop("shequ", "communities:check_in", at["community"]),
        Stop("shequ", "communities:check_in", at["community"],
             do=(press("接收并发联系卡"),), status=422),
        Stop("shequ", "communities:card_paper", do=(press("打印所选的联系卡"),), status=422),
        Stop("dangzu", "home"),
        Stop("dangzu", "transfers:act", (*at["party"], "party"), do=(press(NEXT),), status=422),
        Stop("dangzu", "transfers:act", (*at["party"], "party"),
             do=(answer({"经办人": "周党务"}), press(NEXT))),
        Stop("jiedao", "home"),
        Stop("jiedao", "transfers:detail", at["community"]),
        Stop("yibao", "transfers:detail", at["done"]),
        Stop("dangan", "home"),
        Stop("shenji", "access_log"),
        Stop("shenji", "leaks"),
        Stop("shenji", "leaks", do=(press("追查"),), status=422),
        Stop("shenji", "leaks", do=(answer({"编号或泄露的内容": leaked}), press("追查"))),
        Stop("shenji", "leaks", do=(answer({"用户名": "shequ"}), press("统计")), also="leak_people"),
        Stop("shenji", "transfers:accesses", at["done"]),
        Stop("shenji", "permissions"),
        Stop("shenji", "register"),
        Stop("shenji", "transfers:list"),
        Stop("shequ", "transfers:rights", at["community"]),
        Stop("shequ", "transfers:rights", at["community"], do=(press("受理"),), status=422),
        Stop("shequ", "transfers:rights_list"),
        Stop("shequ", "transfers:rights_answer", (asked.pk,)),
        Stop("shequ", "transfers:rights_answer", (asked.pk,), do=(press("显示申请内容（留痕）"),)),
        Stop("shequ", "transfers:rights_answer", (asked.pk,), do=(press("答复"),), status=422),
        Stop("anquan", "grant", (wished.pk,)),
        Stop("anquan", "grant", (wished.pk,), do=(press("提交"),), status=422),
        Stop("shenjiguan", "audit"),
        Stop("shenjiguan", "audit_event", (AuditEvent.objects.latest("pk").pk,)),
        Stop("shenjiguan", "audit_state"),
        Stop("anquan", "home"),
        Stop("anquan", "exports"),
        Stop("anquan", "export", (waiting.pk,)),
        Stop("anquan", "export", (waiting.pk,), do=(press("提交"),), also="export_decide", status=422),
        Stop("anquan", "grants"),
        Stop("anquan", "account_review"),
    ]  # fmt: skip


def pages_of_the_keepers() -> list[Stop]:
    """SASAC, human resources about enterprises, and the administrator."""
    mine, changed = enterprise_of("qiye").pk, enterprise_of("zhuguan")
    unconfirmed = Enterprise.objects.get(authority_id=demo.JIAYU).pk
    Enterprise.objects.filter(pk=changed.pk).update(acknowledged_at=None, acknowledged_by=None)
    office = Office.objects.get(users__username="shequ").pk
    account = User.objects.get(username="shequ").pk
    headings = ["企业名称", "统一社会信用代码", "企业层级", "控股类型", "实际所在县市区"]
    code = standards.make_credit_code("91421200MADEM0099")
    listed = table(headings, ["新列入的公司", code, "市企", "独资", "咸安区"])
    wrong = table(headings, ["新列入的公司", "1", "村企", "参股", "某地"])
    sheet = "名单工作簿"
    other_contact = (answer({"联系人": "新联系人", "变动原因": "人员调整"}), press(NEXT))
    return [
        Stop("gzw", "home"),
        Stop("gzw", "enterprises:list"),
        Stop("gzw", "enterprises:detail", (mine,)),
        Stop("gzw", "enterprises:add"),
        Stop("gzw", "enterprises:add", do=(press("保存"),), status=422),
        Stop("gzw", "enterprises:edit", (mine,)),
        Stop("gzw", "enterprises:edit", (mine,), do=other_contact),
        Stop("gzw", "enterprises:import"),
        Stop("gzw", "enterprises:import", do=(press("上传并检查"),), status=422),
        Stop("gzw", "enterprises:import", do=(send(sheet, BAD, wrong), press("上传并检查")), status=422),
        Stop("gzw", "enterprises:import", do=(send(sheet, GOOD, listed), press("上传并检查"))),
        Stop("gzw", "enterprises:import", also="enterprises:import_detail",
             do=(send(sheet, GOOD, listed), press("上传并检查"), press("确认导入"))),
        Stop("gzw_jiayu", "enterprises:confirm", (unconfirmed,)),
        Stop("rs", "enterprises:acknowledge", (changed.pk,)),
        Stop("guanli", "home"),
        Stop("guanli", "communities:areas"),
        Stop("guanli", "communities:areas", query="?under=421202001000"),
        Stop("guanli", "communities:area_edit", (demo.GUIHUA,)),
        Stop("guanli", "communities:area_edit", (demo.GUIHUA,), status=422,
             do=(answer({"并入": "万年路社区"}), press("保存"))),
        Stop("guanli", "offices"),
        Stop("guanli", "offices", query="?q=没有此机构"),
        Stop("guanli", "office_add"),
        Stop("guanli", "office_add", do=(press("保存"),), status=422),
        Stop("guanli", "office_edit", (office,)),
        Stop("guanli", "users"),
        Stop("guanli", "user_add"),
        Stop("guanli", "user_add", do=(press("开设账号"),), status=422),
        Stop("guanli", "user_edit", (account,)),
        Stop("guanli", "user_edit", (account,), do=(press("重置密码"),)),
    ]  # fmt: skip


def test_every_page_passes_axe_and_fits_a_phone(visit: Visit, cases: dict[str, Transfer]) -> None:
    stops = [
        *pages_for_anybody(), *pages_of_the_clerk(cases), *pages_of_the_receivers(cases),
        *pages_of_the_rehandovers(),
        *pages_of_the_funds(),
        *pages_of_the_ledger(),
        *pages_of_the_care(),
        *pages_of_the_agreements(),
        *pages_of_the_branches(),
        *pages_of_the_venues(),
        *pages_of_the_cards(),
        *pages_of_the_editions(),
        *pages_of_the_events(),  # before a keeper gives the community's worker a new password
        *pages_of_the_keepers(), *pages_of_the_handovers(cases),
    ]  # fmt: skip
    reached = {stop.name for stop in stops} | {stop.also for stop in stops if stop.also}
    assert reached | NO_PAGE == set(REGISTRY)
    found = [f"{stop}: {words}" for stop in stops for words in _faults_at(stop, visit(stop.user))]
    assert found == []


def test_the_page_of_a_failure_passes_axe_too(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("made for this test")

    clerk = visit("qiye")
    monkeypatch.setattr("xianning.views.capped", broken)
    clerk.open("home")
    assert clerk.status == 500
    clerk.heading("系统出错")
    assert clerk.faults() == []
    [said] = clerk.problems
    assert said.startswith("qiye: 500 ")
    clerk.problems.clear()


def _faults_at(stop: Stop, visitor: Visitor) -> list[str]:
    page = visitor.open(stop.name, *stop.arguments, query=stop.query)
    for deed in stop.do:
        deed(page)
    wrong = [] if visitor.status == stop.status else [f"answered {visitor.status}"]
    summary = page.locator(".error-summary")
    if summary.count() and not summary.evaluate("element => element === document.activeElement"):
        wrong.append("the error summary has no focus")
    return wrong + visitor.faults()


def test_what_a_page_does_wrong_is_noticed(visit: Visit) -> None:
    """The tests above find nothing because there is nothing, not because nobody looks."""
    somebody = visit()
    page = somebody.open("sign_in")
    page.evaluate(
        """() => {
          const bad = document.createElement("div");
          bad.innerHTML = "<h1>二</h1><img src='/nothing.png'><p style='width: 3000px'>宽</p>";
          document.querySelector("main").append(bad);
          bad.lastChild.style.width = "3000px";
          console.error("said by a script");
        }"""
    )
    page.wait_for_load_state("networkidle")
    faults = "\n".join(somebody.faults())
    for words in ("image-alt", "390 px: scrolls sideways", "640 px: scrolls sideways", "2 h1"):
        assert words in faults
    problems = "\n".join(somebody.problems)
    for words in ("CSP style-src-attr", "said by a script", "404 "):
        assert words in problems
    somebody.problems.clear()


# --- without a mouse, on a phone, without scripts -----------------------------------------------


def test_the_main_path_works_by_keyboard_alone(visit: Visit) -> None:
    case = make_transfer()
    name, hr = case.retiree.name, visit()
    page, keys = hr.open("sign_in"), hr.page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(page.get_by_label("用户名")).to_be_focused()
    keys.type("rs")
    hr.tab_to(page.get_by_label("密码"))
    keys.type(PASSWORD)
    keys.press("Enter")
    hr.heading("等我办理的事项")
    for words in ("核定退休待遇", name, "核定"):
        hr.tab_to(page.get_by_role("main").get_by_role("link", name=words).first)
        with page.expect_navigation():
            keys.press("Enter")
    hr.heading("核定退休待遇")
    hr.tab_to(page.get_by_role("button", name=NEXT))
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    hr.tab_to(page.get_by_role("alert").get_by_role("link").first)
    keys.press("Enter")
    expect(page.get_by_label("待遇领取起始年月")).to_be_focused()
    keys.type("2016-03")
    hr.tab_to(page.get_by_role("button", name=NEXT))
    keys.press("Enter")
    hr.heading("请核对")
    hr.tab_to(page.get_by_role("button", name="确认核定"))
    keys.press("Enter")
    hr.told(f"{name}：“核定退休待遇”已办理。")


def test_a_phone_opens_the_menu_and_signs_out(visit: Visit) -> None:
    clerk = visit("qiye")
    clerk.page.set_viewport_size({"width": 390, "height": 800})
    entry = clerk.page.get_by_role("navigation", name="主导航").get_by_role("link", name="案卷")
    expect(entry).to_be_hidden()
    clerk.press("菜单")
    expect(clerk.page.get_by_role("button", name="菜单", expanded=True)).to_be_visible()
    entry.click()
    clerk.heading("案卷")
    clerk.press("菜单")
    clerk.press("退出")
    clerk.heading("登录")
    clerk.open("transfers:list")
    clerk.heading("登录")


def test_a_step_is_taken_without_scripts(visit: Visit) -> None:
    name = make_transfer(at="community").retiree.name
    officer = visit("shequ", scripts=False)
    act(officer, "街道社区接收", name, "接收并发联系卡", CHECKED)


# --- the picture of the README ------------------------------------------------------------------


def test_the_picture_of_the_readme_shows_what_waits(
    visit: Visit, cases: dict[str, Transfer]
) -> None:
    clerk = visit("qiye")
    expect(clerk.page.locator(".todo-cards").get_by_role("link")).to_have_count(4)
    expect(clerk.page.locator(".todo-cards")).to_contain_text("其中被退回 1 件")
    picture = clerk.page.screenshot()
    assert len(picture) < 150_000
    kept = Path(__file__).parent / "pictures" / "home.png"
    if os.environ.get("WRITE_PICTURES"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(picture)
    assert kept.read_bytes()[:8] == picture[:8] == b"\x89PNG\r\n\x1a\n"
