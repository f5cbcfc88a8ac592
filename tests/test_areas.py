"""Divisions: loaded once, renamed, closed, merged; choices for address fields; card numbers."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from django import forms
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from communities import cards
from communities.forms import AreaForm
from communities.models import Area, ContactCard
from tests.factories import make_transfer
from transfers import workflow
from xianning import demo
from xianning.fields import AreaField
from xianning.models import AccessLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db


# --- loading ------------------------------------------------------------------------------------


def test_the_divisions_are_complete_and_say_whose_codes_they_are() -> None:
    levels = ("province", "city", "county", "township", "community")
    assert [Area.objects.filter(level=level).count() for level in levels] == [1, 1, 6, 89, 1096]
    assert not Area.objects.exclude(source__startswith="国家统计局 2023-06-30").exists()
    towns = Area.objects.filter(level="township", source__contains="民政部")
    assert towns.count() == 13
    assert Area.objects.get(full_name="通山县黄沙铺镇").source.endswith("421224108000")


# Name (or code) → receives retirees, from the kind of unit.
RECEIVES = {
    "咸安区温泉街道桂花路社区": True, "421281200200": True, "421202570498": False,
    "421202100501": False, "421222500598": False, "421281403200": False, "421221450200": False,
}  # fmt: skip


def test_committees_of_streets_and_townships_receive_and_nothing_else_does() -> None:
    for key, expected in RECEIVES.items():
        area = Area.objects.get(**({"pk": key} if key.isdigit() else {"full_name": key}))
        assert area.receives is expected, area.full_name
    assert Area.objects.receiving().count() == 1063
    assert not Area.objects.filter(receives=True).exclude(level="community").exists()


def test_a_name_that_the_source_has_wrong_is_right() -> None:
    assert Area.objects.get(pk="421221107000").full_name == "嘉鱼县簰洲湾镇"
    assert not Area.objects.filter(full_name__contains="牌洲湾镇").exists()


def test_loading_again_adds_what_is_missing_and_leaves_what_was_changed() -> None:
    Area.objects.filter(pk=demo.WANNIAN).update(name="新万年路社区")
    Area.objects.get(pk="421281404498").delete()
    started = time.perf_counter()
    call_command("load_areas", stdout=io.StringIO())
    assert time.perf_counter() - started < 2
    assert Area.objects.get(pk=demo.WANNIAN).name == "新万年路社区"
    again = Area.objects.get(pk="421281404498")
    assert (again.full_name, again.receives) == ("赤壁市赤壁市经济开发区经济开发区虚拟社区", False)


# --- changing -----------------------------------------------------------------------------------


def post(client: Client, code: str, **given: str) -> int:
    area = Area.objects.get(pk=code)
    usual = {"name": area.name} | ({"receives": "on"} if area.receives else {})
    return client.post(reverse("communities:area_edit", args=[code]), usual | given).status_code


def test_a_new_name_of_a_street_reaches_the_full_names_below_and_the_history(
    sign_in: Callable[[str], Client],
) -> None:
    assert post(sign_in("guanli"), demo.WENQUAN, name="温泉新街道", reason="市批〔2026〕1号") == 302
    assert Area.objects.get(pk=demo.GUIHUA).full_name == "咸安区温泉新街道桂花路社区"
    assert not Area.objects.filter(full_name__contains="温泉街道").exists()
    page = sign_in("guanli").get(reverse("communities:area_edit", args=[demo.WENQUAN]))
    assert "<del>温泉街道</del>" in page.content.decode()
    assert "市批〔2026〕1号" in page.content.decode()


def test_a_merged_community_keeps_its_cases_and_takes_no_new_ones(
    sign_in: Callable[[str], Client],
) -> None:
    case = make_transfer(at="community")
    today = timezone.localdate().isoformat()
    admin = sign_in("guanli")
    assert post(admin, demo.GUIHUA, closed_on=today, successor="咸安区温泉街道万年路社区") == 302
    old = Area.objects.get(pk=demo.GUIHUA)
    assert old.today().pk == demo.WANNIAN
    case.refresh_from_db()
    assert case.community_id == demo.GUIHUA
    refusal = workflow.destination_is_known(case)
    assert refusal
    assert "请改为咸安区温泉街道万年路社区" in refusal
    listing = admin.get(reverse("communities:areas"), {"under": demo.WENQUAN}).content.decode()
    assert "并入咸安区温泉街道万年路社区" in listing
    assert post(admin, demo.GUIHUA) == 302
    assert Area.objects.get(pk=demo.GUIHUA).today().pk == demo.GUIHUA


# What is typed → field and words of the refusal.
REFUSALS = [
    (demo.WENQUAN, {"closed_on": "2026-01-01"}, "closed_on", "没有撤销的区划"),
    (demo.GUIHUA, {"successor": demo.WANNIAN}, "closed_on", "同时填写撤销日期"),
    (demo.GUIHUA, {"successor": demo.GUIHUA, "closed_on": "2026-01-01"}, "successor", "自己"),
    (demo.GUIHUA, {"successor": demo.WENQUAN, "closed_on": "2026-01-01"}, "successor", "同级"),
    (demo.GUIHUA, {"successor": "没有社区", "closed_on": "2026-01-01"}, "successor", "找不到"),
    (demo.GUIHUA, {"closed_on": "2100-01-01"}, "closed_on", "不能晚于今天"),
    (demo.GUIHUA, {"name": "万年路社区"}, "name", "同名"),
]


@pytest.mark.parametrize(("code", "given", "field", "words"), REFUSALS)
def test_a_change_that_makes_no_sense_is_refused_with_a_sentence(
    code: str, given: dict[str, str], field: str, words: str
) -> None:
    area = Area.objects.get(pk=code)
    form = AreaForm({"name": area.name, "receives": "on"} | given, instance=area)
    assert list(form.errors) == [field]
    assert words in str(form.errors[field])


def test_the_areas_page_leads_down_and_finds_by_name(sign_in: Callable[[str], Client]) -> None:
    client, path = sign_in("guanli"), reverse("communities:areas")

    def names(**query: str) -> list[str]:
        return [area.name for area in client.get(path, query).context["rows"]]

    assert names() == ["咸安区", "嘉鱼县", "通城县", "崇阳县", "通山县", "赤壁市"]
    assert names(under=demo.CHIBI)[0] == "蒲圻街道"
    assert names(q="温泉 桂花路") == ["桂花路社区"]
    assert names(under=demo.XIANAN, receives="no", q="虚拟") == [
        "咸安商贸物流区虚拟社区", "咸宁市经济技术开发区虚拟社区", "湖北咸安经济开发区虚拟社区",
    ]  # fmt: skip
    assert client.get(path, {"under": "420000000000"}).status_code == 404
    with CaptureQueriesContext(connection) as few:
        names(under=demo.WENQUAN)
    with CaptureQueriesContext(connection) as many:
        names(q="社区")
    assert len(few) == len(many)


def test_choices_for_an_address_field_are_options_of_what_fits(
    sign_in: Callable[[str], Client],
) -> None:
    client, path = sign_in("qiye"), reverse("communities:area_choices")
    asked = {"field": "community", "community": "桂花路", "level": "community", "receiving": "1"}
    text = client.get(path, asked).content.decode()
    assert '<option value="咸安区温泉街道桂花路社区"></option>' in text
    assert client.get(path, {"q": "虚拟", "receiving": "1"}).content.decode().strip() == ""
    assert client.get(path).content.decode().strip() == ""


def test_an_address_field_offers_choices_and_reads_plain_text_all_the_same() -> None:
    class Form(forms.Form):
        community = AreaField(level="community", receiving=True, suggest=True)

    html = str(Form()["community"])
    assert 'list="id_community_options"' in html
    assert '<datalist id="id_community_options"></datalist>' in html
    assert "field=community&amp;level=community&amp;receiving=1" in html
    form = Form({"community": "温泉街道桂花路社区"})
    assert form.is_valid()
    assert form.cleaned_data["community"].pk == demo.GUIHUA


# --- contact cards ------------------------------------------------------------------------------


def test_a_card_number_is_read_as_people_type_it() -> None:
    assert cards.read_number("ab0-1 cd23ｅｆ45") == "AB01-CD23-EF45"
    assert cards.read_number("aboi cd23 ef4l") == "AB01-CD23-EF41"


def test_the_public_page_says_valid_or_not_and_nothing_else(people: People, client: Client) -> None:
    case = make_transfer(at="done", party_member=False)
    card = ContactCard.objects.get(reception__transfer=case)
    path = reverse("communities:card_check")

    def answer(number: str, *, by_get: bool = False) -> str:
        ask = client.get if by_get else client.post
        return ask(path, {"number": number}).content.decode()

    def plain(text: str) -> str:
        head, _, rest = text.partition("csrfmiddlewaretoken")
        return head + rest[200:]

    valid = answer(card.number.lower().replace("-", " "))
    assert "有效" in valid
    assert "无效" not in valid
    assert "有效" in answer(card.number, by_get=True)
    for secret in (case.retiree.name, case.number, "桂花路", card.number):
        assert secret not in valid
    unknown = answer("ZZZZ-ZZZZ-ZZZZ")
    with CaptureQueriesContext(connection) as for_unknown:
        answer("ZZZZ-ZZZZ-ZZZ0")
    workflow.withdraw(case, "community", by=people["shequ"], code="by_mistake", reason="测试撤回")
    void = answer(card.number)
    with CaptureQueriesContext(connection) as for_void:
        answer(card.number)
    assert "无效" in void
    assert plain(void) == plain(unknown)
    assert len(for_void) == len(for_unknown) == 1
    nonsense = answer("'; --")
    assert plain(nonsense) == plain(unknown)
    assert "查验结果" not in answer("  ")


def test_cards_are_printed_for_ticked_people_and_leave_a_trace(
    sign_in: Callable[[str], Client],
) -> None:
    case = make_transfer(at="done")
    path = reverse("communities:card_paper")
    assert case.retiree.name in sign_in("shequ").get(path).content.decode()
    assert sign_in("shequ").post(path, {}).status_code == 422
    foreign = sign_in("shequ_wannian").post(path, {"case": str(case.pk)})
    assert foreign.status_code == 422
    assert not AccessLog.objects.filter(what="社区联系卡").exists()
    sheet = sign_in("shequ").post(path, {"case": str(case.pk)})
    assert sheet["Content-Type"] == "application/pdf"
    assert sheet.content.startswith(b"%PDF")
    assert AccessLog.objects.get(what="社区联系卡").transfer == case
