"""移交通知书: one letter a street, nobody twice, numbers without gaps, on paper as GB/T 9704 has it."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader

from communities.models import Area
from tests.factories import make_transfer
from tests.test_concurrency import race
from transfers import handover_letters
from transfers.models import HandoverLetter, PrintedPaper, Transfer
from xianning import demo, pdf
from xianning.models import AccessLog, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client


MM = 72 / 25.4
WENQUAN = "421202001000"


@pytest.mark.django_db
def test_those_who_wait_are_named_once_and_the_street_hears_of_it(
    press: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = [make_transfer(at="community", party_member=n == 0) for n in range(3)]
    make_transfer(at="confirm")  # not signed yet
    make_transfer(at="done")  # received already
    elsewhere = make_transfer(at="community", clerk="qiye_chibi")
    page = sign_in("qiye").get(reverse("transfers:letters")).content.decode()
    assert "3 人" in page
    assert elsewhere.enterprise.name not in page
    firm = cases[0].enterprise_id
    for _ in range(2):  # a double click
        press("qiye", "transfers:letter_issue", firm, street=WENQUAN, token="once")
    letter = HandoverLetter.objects.get()
    assert (letter.number, letter.people) == (f"退管移字〔{letter.year}〕第1号", 3)
    assert set(handover_letters.people_of(letter)) == set(cases)
    notice = Notice.objects.get(role="street", area=WENQUAN, text__contains=letter.number)
    assert "3 人" in notice.text
    url = reverse("transfers:letter_issue", args=[firm])
    again = sign_in("qiye").post(url, {"street": WENQUAN, "token": "again"}, follow=True)
    assert "没有待通知的人" in again.content.decode()
    late = make_transfer(at="community")
    press("qiye", "transfers:letter_issue", firm, street=WENQUAN, token="later")
    second = HandoverLetter.objects.order_by("pk").last()
    assert second is not None
    assert (second.serial, second.people) == (2, 1)
    assert [case.pk for case in handover_letters.people_of(second)] == [late.pk]


@pytest.mark.django_db
def test_the_letter_has_the_measures_of_the_standard_and_its_printing_is_on_record(
    press: Callable[..., Any], people: dict[str, User]
) -> None:
    names = [make_transfer(at="community", party_member=n == 0).retiree.name for n in range(3)]
    case = Transfer.objects.all()[0]
    press("qiye", "transfers:letter_issue", case.enterprise_id, street=WENQUAN, token="x")
    letter = HandoverLetter.objects.get()
    before = AccessLog.objects.count()
    answer = press("qiye", "transfers:letter", letter.pk)
    assert AccessLog.objects.count() == before + 3
    assert answer["Content-Type"] == "application/pdf"
    first, *others = PdfReader(io.BytesIO(answer.content)).pages
    text = "".join(first.extract_text().split())
    for words in ("国有企业退休人员社会化管理移交通知书", "咸安区温泉街道：", "3名（其中中共党员1名）",
                  letter.number, case.enterprise.transferor, "—1—"):  # fmt: skip
        assert words in text
    listed = "".join("".join(page.extract_text().split()) for page in others)
    assert all(name in listed for name in names)
    assert case.retiree.id_number not in text + listed
    places: list[tuple[float, float]] = []

    def note(words: str, cm: list[float], tm: list[float], _font: Any, _size: float) -> None:
        if words.strip() and "—" not in words:
            places.append((cm[0] * tm[4] + cm[4], cm[3] * tm[5] + cm[5]))

    first.extract_text(visitor_text=note)
    lefts, width = [x for x, _ in places], float(first.mediabox.width)
    assert min(lefts) / MM == pytest.approx(28, abs=1)  # 订口
    assert max(lefts) < width - 26 * MM
    assert float(first.mediabox.height) - max(y for _, y in places) > 37 * MM  # 天头


@pytest.mark.django_db
def test_28_characters_stand_on_a_line_and_22_lines_on_a_page(people: dict[str, User]) -> None:
    style = render_to_string("print/style.css") + render_to_string("print/_official.css")
    body = f'<p class="flush">{"移" * 28 * 22}</p>'
    made = pdf.write(f'<html lang="zh-Hans"><style>{style}</style><body class="official">{body}')
    [only] = PdfReader(io.BytesIO(made)).pages
    lines = [line for line in only.extract_text().split("\n") if "移" in line]
    assert [len(line) for line in lines] == [28] * 22


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_clerks_at_once_name_nobody_twice() -> None:
    cases = [make_transfer(at="community") for _ in range(4)]
    user = User.objects.get(username="qiye")
    firm, street = cases[0].enterprise, Area.objects.get(pk=WENQUAN)

    def write(token: str) -> object:
        return handover_letters.issue(user, firm, street, token)

    found = race([partial(write, token) for token in "abcd"])
    assert sum(isinstance(each, handover_letters.NobodyLeft) for each in found) == 3
    assert HandoverLetter.objects.get().serial == 1
    assert PrintedPaper.objects.filter(paper="handover").count() == 4


@pytest.mark.django_db
def test_the_page_asks_as_often_for_many_as_for_few(
    sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(reverse("transfers:letters")).status_code == 200
        return len(asked)

    client = sign_in("qiye")
    make_transfer(at="community")
    few = count()
    for community in (demo.GUIHUA, demo.WANNIAN, demo.GUIHUA):
        make_transfer(at="community", community=community)
    assert count() <= few + 1
