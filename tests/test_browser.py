"""In Chromium, as its users have it: the whole handover, accessibility, the keyboard, the phone.

The picture of the README is taken here too. It is written, to tests/pictures/home.png, only when
asked for: `WRITE_PICTURES=1 .venv/bin/pytest -m browser -k picture`.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import expect
from pypdf import PdfReader

from communities.models import Area
from tests.workbooks import FIRST_ROW, made_up_people, make_workbook
from transfers.models import Retiree, StepEvent, Transfer
from xianning import demo, walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser import Visitor

    Visit = Callable[..., Visitor]

pytest_plugins = ("tests.browser",)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
NEXT = "下一步：核对"


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


def fill(page: Page, answers: dict[str, str | bool]) -> None:
    """Answers by label: text, the word of a choice, or a tick."""
    for label, answer in answers.items():
        field = page.get_by_label(label)
        if answer is True:
            field.check()
        elif field.evaluate("e => e.tagName") == "SELECT":
            field.select_option(label=str(answer))
        else:
            field.fill(str(answer))


def act(
    who: Visitor, step: str, name: str, button: str, final: Callable[[], None] | None = None,
    scan: Path | None = None, **answers: str | bool,
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
    for answer in answers.values():
        if isinstance(answer, str):
            expect(who.page.locator("dd", has_text=answer).first).to_be_visible()
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
    """Three wrong rows are shown and nothing is saved; the corrected file is written."""
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
    upload(clerk, second)
    expect(clerk.page.get_by_role("region", name=re.compile("^错误"))).to_have_count(0)
    assert not Retiree.objects.exists()
    clerk.press("确认导入 60 人")
    clerk.told("已写入：新增 60 人，更新 0 人，不变 0 人。")
    assert Transfer.objects.count() == 60
    clerk.check()


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
    fill(clerk.page, {"文化程度": "普通高中"})
    clerk.press("保存")
    clerk.told("已更改：文化程度。")
    act(clerk, "企业退休申报", MEMBER, "申报", **{"所登记的信息属实，退休手续已办理": True})


def take_the_steps(visit: Visit, name: str, community: str, folder: Path) -> None:
    """Steps 2 to 5, each by its office."""
    clerk = visit("qiye")
    act(visit("rs"), "核定退休待遇", name, "核定",
        核定文号="咸人社核〔2026〕60号", 待遇领取起始年月="2016-03")  # fmt: skip
    scan = folder / "签字表.png"
    scan.write_bytes(walk.picture_of_a_form(name))
    open_case(clerk, "基本信息确认", name)
    form = clerk.download(clerk.page.get_by_role("button", name="打印《基本信息表》"))
    assert name in words_of(form.path())
    act(clerk, "基本信息确认", name, "确认", scan=scan, 企业经办人="华经办",
        **{"退休人员本人已签字": True, "企业经办人已签字、企业已盖章": True, "一式三份已备齐": True})  # fmt: skip
    act(clerk, "移交人事档案", name, "移交",
        **{"档案材料（份）": "26", "页数": "84", "送档人": "许档员"})  # fmt: skip
    note = clerk.download(clerk.page.get_by_role("button", name="打印档案转递单"))
    assert name in words_of(note.path())
    act(visit("shebao"), "接收人事档案", name, "接收", 接收人="陶社保",
        档案编号=f"DA-{name}", 存放位置="2库/15柜/3层")  # fmt: skip
    receive(visit(community), name)


def receive(officer: Visitor, name: str) -> None:
    """Step 5, pressed twice, and once more from a tab that was left open: one effect."""

    def twice_and_again() -> None:
        stale = officer.new_page()
        stale.goto(officer.page.url)
        fill(stale, {"已核对本人身份证": True, "已收《基本信息表》街道社区联": True})
        officer.press(NEXT, stale)
        expect(stale.get_by_role("heading", level=1)).to_contain_text("请核对")
        officer.page.get_by_role("button", name="确认接收并发联系卡").dblclick()
        officer.told(f"{name}：“街道社区接收”已办理。")
        officer.press("确认接收并发联系卡", stale)
        officer.told("不能重复办理。", stale)
        stale.close()

    act(officer, "街道社区接收", name, "接收并发联系卡", final=twice_and_again,
        已核对本人身份证=True, 专管员="王社区", 专管员电话="0715-8123456",
        **{"已收《基本信息表》街道社区联": True})  # fmt: skip


def move_the_party_member(visit: Visit) -> None:
    """Step 6: the letter, then the receipt."""
    clerk = visit("qiye")
    act(clerk, "开具组织关系介绍信", MEMBER, "开具介绍信",
        转出党组织="中共桂泉机械厂支部委员会", 党费已交至="2026-10")  # fmt: skip
    letter = clerk.download(clerk.page.get_by_role("button", name="打印党员组织关系介绍信"))
    assert MEMBER in words_of(letter.path())
    act(visit("dangzu"), "接收党员组织关系", MEMBER, "接收", 经办人="周党务", 回执编号="回2026001")


def check_the_card(visit: Visit) -> str:
    """The number on the printed card, which anybody may check; the number after it is not valid."""
    officer, stranger = visit("shequ"), visit()
    officer.go("名册")
    officer.follow("打印社区联系卡")
    row = officer.page.get_by_role("row").filter(has_text=MEMBER)
    row.get_by_role("checkbox").check()
    number = str(Transfer.objects.named(MEMBER).get().reception.card.number)
    expect(row).to_contain_text(number)
    sheet = officer.download(officer.page.get_by_role("button", name="打印所选的联系卡"))
    printed = words_of(sheet.path())
    assert number in printed
    assert MEMBER in printed
    assert not re.search(r"\d{17}[\dX]", printed)
    other = number[:-1] + ("2" if number[-1] != "2" else "3")
    for typed, answer in ((number.lower(), "有效"), (other, "无效")):
        stranger.open("communities:card_check")
        stranger.page.get_by_label("卡号").fill(typed)
        stranger.press("查验")
        result = stranger.page.locator(".notice")
        assert result.inner_text().split() == ["查验结果", answer]
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
        assert {c.data_type for row in cells for c in row if c.value is not None} == {"s"}
        values = [[c.value for c in row] for row in cells]
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
    file = officer.download(officer.page.get_by_role("link", name=re.compile("^下载 ")))
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
