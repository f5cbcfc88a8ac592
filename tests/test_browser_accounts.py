"""In Chromium: the telephone set up and used, the first administrators, what stays after leaving."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django_otp.oath import totp
from playwright.sync_api import expect

from tests.factories import make_transfer
from xianning.accounts.setup import make_code
from xianning.management.commands.load_demo import PASSWORD
from xianning.models import Installation, Membership, Office, TotpDevice, User
from xianning.roles import ADMINISTRATORS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser import Visitor

    Visit = Callable[..., Visitor]

pytest_plugins = ("tests.browser",)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
CODE = "手机上的 6 位口令"
_PLANT = """() => { localStorage.planted = sessionStorage.planted = "李某某"; }"""
_KEPT = """async () => [
  ...Object.values(localStorage), ...Object.values(sessionStorage), ...(await caches.keys()),
  ...(await indexedDB.databases())]"""


def _fill_code(page: Page, secret: bytes) -> None:
    """What the phone shows now; the same code may be used again here."""
    TotpDevice.objects.update(last_step=-1, throttling_failure_count=0)
    page.get_by_label(CODE).fill(f"{totp(secret):06d}")


def test_a_telephone_is_set_up_used_and_changed(visit: Visit, settings: Any) -> None:
    clerk = visit("qiye")
    page = clerk.page
    settings.SECOND_FACTOR = True
    faults: list[str] = []

    def look(heading: str) -> None:
        clerk.heading(heading)
        faults.extend(f"{heading}: {words}" for words in clerk.faults())

    clerk.open("transfers:list")
    look("启用手机动态口令")
    clerk.press("开始启用")
    expect(page.get_by_role("img", name="动态口令的二维码")).to_be_visible()
    page.get_by_text("不能扫描？手工输入密钥").click()
    look("启用手机动态口令")
    secret = base64.b32decode("".join(page.locator(".code-groups code").all_inner_texts()))
    page.get_by_label(CODE).fill("000000")
    clerk.press("启用")
    look("启用手机动态口令")
    _fill_code(page, secret)
    clerk.press("启用")
    look("备用码")
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    clerk.follow("已保管好，去办理业务")
    clerk.heading("等我办理的事项")
    for name, heading in (("account", "我的账号"), ("second_factor", "手机动态口令")):
        clerk.open(name)
        look(heading)

    settings.STEP_UP = -1
    clerk.press("重新生成备用码")
    look("再次确认是您本人")
    settings.STEP_UP = 300
    _fill_code(page, secret)
    clerk.press("确认，继续办理")
    clerk.heading("备用码")
    assert page.locator(".codes code").all_inner_texts() != codes
    codes = page.locator(".codes code").all_inner_texts()

    clerk.press("退出")
    clerk.sign_in()
    look("登录：手机动态口令")
    page.get_by_label(CODE).fill("000000")
    clerk.press("登录")
    look("登录：手机动态口令")
    clerk.follow("改用纸上的备用码")
    look("登录：备用码")
    page.get_by_label("备用码").fill(codes[3].upper())
    clerk.press("登录")
    clerk.heading("等我办理的事项")
    clerk.open("sessions")
    expect(page.get_by_role("table")).to_contain_text("退出登录")
    look("登录会话")
    assert faults == []


def test_nothing_stays_in_the_browser_after_signing_out(visit: Visit) -> None:
    case = make_transfer(at="community")
    name, clerk = case.retiree.name, visit("shequ")
    page = clerk.page
    pages = ("home", "transfers:list", "notices", "rosters", "jobs", "account", "sessions")
    for each in pages * 4:
        clerk.open(each)
    clerk.open("transfers:detail", case.pk)
    assert name in page.content()
    page.evaluate(_PLANT)
    clerk.press("退出")
    clerk.heading("登录")
    # htmx notes the address of the page it is on, which is this one.
    assert page.evaluate(_KEPT) == [reverse("sign_in")]
    cookies = {cookie["name"]: cookie for cookie in clerk.context.cookies()}
    assert "sessionid" not in cookies
    for _ in range(3):
        page.go_back()
        clerk.heading("登录")
        assert name not in page.content()


def test_the_page_tells_before_the_session_ends_and_typing_keeps_it(visit: Visit) -> None:
    clerk = visit("qiye")
    page = clerk.page
    page.clock.install()
    clerk.open("transfers:add")
    note = page.locator(".idle-note")
    page.clock.fast_forward("26:00")
    expect(note).to_have_count(0)
    page.clock.fast_forward("01:10")
    expect(note).to_contain_text("两分钟内将自动退出登录")
    assert clerk.faults() == []
    with page.expect_response(f"**{reverse('alive')}"):
        clerk.press("继续使用")
    expect(note).to_have_count(0)
    page.clock.fast_forward("20:00")
    with page.expect_response(f"**{reverse('alive')}"):
        page.get_by_role("textbox", name="姓名").first.press_sequentially("李")
    page.clock.fast_forward("20:00")
    expect(note).to_have_count(0)
    page.clock.fast_forward("09:30")
    expect(note).to_contain_text("请先复制保存")


def test_the_first_administrators_are_set_up_on_one_page(visit: Visit) -> None:
    Membership.objects.all().delete()
    Office.objects.filter(role__in=ADMINISTRATORS).delete()
    Installation.objects.update(is_demo=False)
    code, somebody = make_code(), visit()
    page = somebody.open("setup")
    somebody.heading("设立首批管理员")
    assert somebody.faults() == []
    somebody.press("设立三名管理员")
    assert somebody.status == 422
    assert somebody.faults() == []
    people = (("系统管理员", "朱明"), ("安全管理员", "沈宁"), ("审计管理员", "韩清"))
    for number, (title, name) in enumerate(people):
        page.get_by_label(f"{title}姓名").fill(name)
        page.get_by_label(f"{title}用户名").fill(f"keeper_{number}")
    page.get_by_label("一次性设立码").fill(code)
    somebody.press("设立三名管理员")
    somebody.heading("首批管理员已设立")
    assert somebody.faults() == []
    password = page.locator("code").nth(1).inner_text()
    assert User.objects.get(username="keeper_0").check_password(password)
    assert password != PASSWORD
