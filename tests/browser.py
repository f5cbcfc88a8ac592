"""Chromium for the tests: one browser a run, a profile of its own for each user.

A plugin of pytest (see `pytest_plugins` in test_browser.py). Whatever a page complains about in its
console, a breach of the Content-Security-Policy, a failed part of a page or an answer of 500 fails
the test. When a test fails, every open page is kept as a picture below var/pictures/.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings as site
from django.urls import reverse
from playwright.sync_api import Error, expect, sync_playwright

from xianning.management.commands.load_demo import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Download,
        Locator,
        Page,
        Response,
    )

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, ZOOMED, PHONE = (1280, 900), (640, 450), (390, 800)  # ZOOMED: a WIDE window at 200 %
PATIENCE = 30_000  # milliseconds; a busy machine makes a PDF in several seconds
PICTURES = Path(site.BASE_DIR) / "var" / "pictures"
_TELL = """addEventListener("securitypolicyviolation", (event) =>
  tellViolation(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));"""

_BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SKIPS = """(() => {
  if (!document.querySelector("nav, .skip-link")) return true;  // nothing to skip
  const first = document.querySelector("a[href], button, input:not([type=hidden]), [tabindex]");
  return first.matches(".skip-link") && document.querySelector(first.hash)?.matches("main");
})()"""
_FOCUSED = "document.activeElement.outerHTML.slice(0, 200)"
# Two frames later: the browser scrolls to what has the focus before it paints, not at the key.
_SHOWS_FOCUS = """(async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const element = document.activeElement, style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return element.matches("body, main") || (style.outlineStyle !== "none"
    && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight);
})()"""


class Visitor:
    """Somebody at a browser: his pages, and what went wrong on them."""

    def __init__(self, context: BrowserContext, address: str, username: str = "") -> None:
        self.context, self.address, self.username = context, address, username
        self.problems: list[str] = []
        self.status = 0  # of the last page
        context.set_default_timeout(PATIENCE)
        context.expose_function("tellViolation", lambda words: self._note(f"CSP {words}"))
        context.add_init_script(_TELL)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._note(f"script {error.error}"))
        context.on("response", self._look)
        self.page = self.new_page()

    def new_page(self) -> Page:
        """One more tab."""
        page = self.context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())  # leaving a form half filled in
        return page

    def _note(self, what: str) -> None:
        self.problems.append(f"{self.username or 'nobody'}: {what}")

    def _hear(self, message: ConsoleMessage) -> None:
        # That a page answers 404 or 422 is the browser's own remark; `_look` judges it.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self._note(f"console {message.text} ({message.location.get('url')})")

    def _look(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if is_page:
            self.status = response.status
        if response.status >= 500 or (response.status >= 400 and not is_page):
            self._note(f"{response.status} {response.url}")

    def check(self) -> None:
        """Raises AssertionError with everything that was noted."""
        found, self.problems = self.problems, []
        assert found == []

    def faults(self) -> list[str]:
        """What makes the page hard to use: axe's rules wide and on a phone, sideways scrolling …"""
        page, found = self.page, []
        page.evaluate(AXE_SCRIPT)
        for width, height in (WIDE, ZOOMED, PHONE):
            page.set_viewport_size({"width": width, "height": height})
            if (width, height) != ZOOMED:
                found += [f"{width} px: {words}" for words in _violations(page)]
            if (beyond := page.evaluate(_BEYOND)) > 0:
                found.append(f"{width} px: scrolls sideways by {beyond} px")
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        if (heads := page.locator("h1").count()) != 1:
            found.append(f"{heads} h1")
        if not page.evaluate(_SKIPS):
            found.append("the first stop of the keyboard does not lead to the content")
        if page.locator(".error-summary").count() and not page.title().startswith("错误："):
            found.append(f"title {page.title()}")
        return found

    # --- going about ---

    def open(self, name: str, *arguments: object, query: str = "") -> Page:
        """Type an address by the name of its URL."""
        self.page.goto(f"{self.address}{reverse(name, args=arguments)}{query}")
        return self.page

    def sign_in(self, password: str = PASSWORD) -> Page:
        """By the sign-in page, as everybody."""
        self.open("sign_in")
        self.page.get_by_label("用户名").fill(self.username)
        self.page.get_by_label("密码").fill(password)
        self.press("登录")
        return self.page

    def press(self, name: str, page: Page | None = None) -> None:
        """The button of exactly this name."""
        (page or self.page).get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        """The link of exactly this name in the page's own part.

        Chromium reads a blank before words that are there for screen readers only.
        """
        pattern = r"\s*".join(re.escape(part) for part in re.split("(：)", name))
        wanted = re.compile(rf"^\s*{pattern}\s*$")
        self.page.get_by_role("main").get_by_role("link", name=wanted).click()

    def go(self, entry: str) -> None:
        """The entry of the main navigation (a count may follow its name)."""
        bar = self.page.get_by_role("navigation", name="主导航")
        bar.get_by_role("link", name=entry).click()

    def tab_to(self, target: Locator) -> None:
        """By the keyboard alone; each place on the way shows that it has the focus."""
        for _ in range(120):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(_SHOWS_FOCUS), self.page.evaluate(_FOCUSED)
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"{target} is not reached by the keyboard")

    def download(self, control: Locator) -> Download:
        """The file that CONTROL gives."""
        with self.page.expect_download(timeout=PATIENCE) as waiting:
            control.click()
        return waiting.value

    def heading(self, words: str) -> None:
        """This page is about WORDS."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(words)

    def told(self, words: str, page: Page | None = None) -> None:
        """A message of the last act says WORDS."""
        expect((page or self.page).locator(".notice").filter(has_text=words)).to_be_visible()


def _violations(page: Page) -> list[str]:
    """What axe-core finds: rule and place."""
    found = page.evaluate("axe.run({reporter: 'no-passes'}).then(found => found.violations)")
    return [f"{rule['id']} {node['target']}" for rule in found for node in rule["nodes"]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this run."""
    # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def visit(chromium: Browser, live_server: Any, settings: Any) -> Iterator[Callable[..., Visitor]]:
    """`visit("rs")`: that user in a window of his own, signed in; `visit()`: somebody who is not.

    The same name gives the same visitor again. Their problems fail the test at its end.
    Offices sign in by their password alone, as in the demo, and prove it once an hour: a journey
    on a busy machine takes longer than five minutes.
    """
    settings.SECOND_FACTOR, settings.STEP_UP = False, 3600
    visitors: dict[str, Visitor] = {}

    def visitor(username: str = "", scripts: bool = True) -> Visitor:
        if username not in visitors:
            context = chromium.new_context(
                locale="zh-CN", timezone_id="Asia/Shanghai", java_script_enabled=scripts,
                viewport={"width": WIDE[0], "height": WIDE[1]},
            )  # fmt: skip
            visitors[username] = Visitor(context, live_server.url, username)
            if username:
                visitors[username].sign_in()
                expect(visitors[username].page.get_by_role("button", name="退出")).to_be_visible()
        return visitors[username]

    yield visitor
    problems = [problem for each in visitors.values() for problem in each.problems]
    for each in visitors.values():
        each.context.close()
    assert problems == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep pictures of a test that failed."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("chromium")
    if report.when == "call" and report.failed and browser:
        kept = _keep_pictures(browser, re.sub(r"\W+", "-", item.name))
        report.sections.append(("Open pages", "\n".join(kept)))
    return report


def _keep_pictures(browser: Browser, name: str) -> Iterator[str]:
    """A picture of each open page; yields its address and its file."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    pages = [page for context in browser.contexts for page in context.pages]
    for number, page in enumerate(pages, start=1):
        path = PICTURES / f"{name}-{number}.png"
        with contextlib.suppress(Error):  # a page that hangs must not hide why the test failed
            page.screenshot(path=path, full_page=True, timeout=5000)
            yield f"{page.url} {path}"
