"""A page that the browser tests stop at, and what may be done there first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

NEXT = "下一步：核对"
Answers = Mapping[str, str | bool]  # by label


@dataclass(frozen=True)
class Stop:
    """A page: who opens which URL name, what he does there, and how that is answered."""

    user: str
    name: str
    arguments: tuple[object, ...] = ()
    query: str = ""
    do: tuple[Callable[[Page], object], ...] = ()
    status: int = 200
    also: str = ""  # the URL name to which the deeds lead

    def __str__(self) -> str:
        return f"{self.user or 'nobody'} {self.name}{self.query} {self.also} {len(self.do)}"


def press(name: str) -> Callable[[Page], None]:
    """The button NAME, until the next page is there."""

    def deed(page: Page) -> None:
        with page.expect_navigation():
            page.get_by_role("main").get_by_role("button", name=name).first.click()

    return deed


def follow(name: str) -> Callable[[Page], None]:
    """The link NAME, until the next page is there."""

    def deed(page: Page) -> None:
        with page.expect_navigation():
            page.get_by_role("main").get_by_role("link", name=name).first.click()

    return deed


def answer(answers: Answers) -> Callable[[Page], None]:
    return lambda page: fill(page, answers)


def send(label: str, name: str, data: bytes) -> Callable[[Page], None]:
    """Choose a file."""
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    return lambda page: page.get_by_label(label).set_input_files(file)  # type: ignore[arg-type]


def tick_all(page: Page) -> None:
    page.get_by_label("全选本页").check()


def unfold(page: Page) -> None:
    page.get_by_text("导出为 Excel 或 PDF").click()


def forget(page: Page) -> None:
    """As after signing in again elsewhere: the cookies are others."""
    page.context.clear_cookies()


def too_many_fields(page: Page) -> None:
    page.evaluate(
        """() => { for (let i = 0; i < 3100; i++) {
          const field = document.createElement("input");
          field.type = "hidden"; field.name = "x" + i;
          document.querySelector("main form").append(field); } }"""
    )


def fill(page: Page, answers: Answers) -> None:
    """Answers by whole label: text, the word of a choice, or a tick."""
    for label, answer in answers.items():
        field = page.get_by_label(re.compile(rf"^\s*{re.escape(label)}\s*(必填)?\s*$"))
        if answer is True:
            field.check()
        elif field.evaluate("e => e.tagName") == "SELECT":
            field.select_option(label=str(answer))
        else:
            field.fill(str(answer))
