"""Check-in day in Chromium: ten people on a phone by the keyboard alone; and the large type."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.core import signals
from django.utils import timezone
from playwright.sync_api import expect

from communities.models import Reception
from tests.factories import make_transfer
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser import Visitor

    Visit = Callable[..., Visitor]

pytest_plugins = ("tests.browser",)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
PEOPLE = 10
MEDIAN, MOST = 0.25, 1.0  # seconds of the server a request, on a busy machine of two cores


@pytest.fixture
def spent() -> Iterator[list[tuple[str, float]]]:
    """What the server needed for each page: its path, seconds."""
    began: dict[Any, float] = {}
    found: list[tuple[str, float]] = []

    def start(environ: Any = None, scope: Any = None, **_: Any) -> None:
        began["now"] = time.perf_counter()
        began["path"] = (environ or scope)["PATH_INFO"]

    def stop(**_: Any) -> None:
        if not str(began.get("path", "/static/")).startswith("/static/"):
            found.append((str(began["path"]), time.perf_counter() - began["now"]))

    signals.request_started.connect(start, weak=False)
    signals.request_finished.connect(stop, weak=False)
    yield found
    signals.request_started.disconnect(start)
    signals.request_finished.disconnect(stop)


def test_ten_people_check_in_on_a_phone_by_the_keyboard_alone(
    visit: Visit, spent: list[tuple[str, float]]
) -> None:
    cases = [make_transfer(at="community") for _ in range(PEOPLE)]
    worker = visit("shequ")
    page, keys = worker.page, worker.page.keyboard
    page.set_viewport_size({"width": 390, "height": 800})
    worker.open("communities:desk")
    spent.clear()
    began = time.perf_counter()
    for number, case in enumerate(cases):
        field = page.get_by_label("扫码，或输入")
        expect(field).to_be_focused()
        person = case.retiree
        if number % 2:  # a scanner types the code of the form and presses Enter
            keys.type(f"XN:FORM:{case.pk.hex}:{case.form_version}:3".upper())
        else:
            keys.type(person.id_number[-4:])
        with page.expect_navigation():
            keys.press("Enter")
        if page.get_by_role("heading", name="找到的人").count():
            link = page.get_by_role("link", name=person.name).first
            worker.tab_to(link)
            with page.expect_navigation():
                keys.press("Enter")
        expect(page.locator(".desk-state")).to_contain_text("可以报到")
        for _ in range(6):  # what was read over with the person
            keys.press("Space")
            keys.press("Tab")
        with page.expect_navigation():
            keys.press("Enter")
        if not page.get_by_label("扫码，或输入").count():
            expect(page.get_by_role("link", name="接待下一位")).to_be_focused()
            with page.expect_navigation():
                keys.press("Enter")
    took = time.perf_counter() - began
    today = Reception.objects.filter(transfer__in=cases, checked_in_on=timezone.localdate())
    assert today.count() == PEOPLE
    seconds = [each for _path, each in spent]
    print(f"\n{PEOPLE} people in {took:.0f} s of the browser, a page of the server: median "
          f"{1000 * statistics.median(seconds):.0f} ms, longest {1000 * max(seconds):.0f} ms")  # fmt: skip
    assert took / PEOPLE < 60  # 在一分钟内
    assert statistics.median(seconds) < MEDIAN
    assert max(seconds) < MOST, max(spent, key=lambda each: each[1])


# Pages that a worker of 58 has before her all day, in both sizes of type.
PAGES = (
    "home", "communities:desk", "communities:events", "transfers:list", "notices", "account",
    "transfers:waterfall", "communities:card_paper", "rosters",
)  # fmt: skip
# Words that a user reads are 18 px or larger, and what he hits is 44 px high or wide enough.
_TOO_SMALL = """() => {
  const shown = (e) => e.offsetParent !== null && !e.closest(".visually-hidden");
  const words = [...document.querySelectorAll("main *, nav *, header *, footer *")].filter((e) =>
    shown(e) && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    && parseFloat(getComputedStyle(e).fontSize) < 17.99);
  const controls = [...document.querySelectorAll("main button, main select, main .btn, nav a, nav button,"
    + " main input:not([type=hidden]):not([type=checkbox]):not([type=radio])")].filter((e) =>
    shown(e) && e.getBoundingClientRect().height < 43.9);
  return [...words, ...controls].map((e) => e.outerHTML.slice(0, 120));
}"""


def test_large_type_is_kept_for_its_user_and_every_page_holds_it(visit: Visit) -> None:
    case = make_transfer(at="community")
    worker = visit("shequ")
    worker.open("communities:desk")
    worker.press("大字号")
    worker.heading("社区报到")  # back where it was asked for
    assert User.objects.get(username="shequ").large_type
    found = []
    for name in PAGES:
        worker.open(name)
        found += [f"{name}: {fault}" for fault in worker.faults()]
        found += [f"{name}: {words}" for words in worker.page.evaluate(_TOO_SMALL)]
    worker.open("communities:check_in", case.pk)
    found += [f"check_in: {fault}" for fault in worker.faults()]
    found += [f"check_in: {words}" for words in worker.page.evaluate(_TOO_SMALL)]
    assert found == []
    other = visit("jiedao")
    assert other.page.locator("html.large").count() == 0
    worker.press("标准字号")
    assert worker.page.locator("html.large").count() == 0
