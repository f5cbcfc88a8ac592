"""What is signed or stamped: complete, in words, with every character, and fetching nothing."""

from __future__ import annotations

import http.server
import io
import re
import resource
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
import segno
import weasyprint
from django.contrib.messages import get_messages
from django.template.loader import render_to_string
from django.urls import reverse
from pypdf import PdfReader

from archives.documents import delivery_note
from communities.documents import (
    CARDS_A_SHEET,
    LINE_SIZES,
    NAME_SIZES,
    contact_card,
    contact_cards_sheet,
)
from party.documents import introduction_letter
from tests.factories import make_transfer
from transfers.choices import SpecialGroup
from transfers.documents import COPIES, basic_information_form
from xianning import pdf, sandbox
from xianning.models import AccessLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.test import Client

    from transfers.models import Handover, Retiree, Transfer

RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽"
LONG = "湖北省咸宁市嘉鱼县簰洲湾镇中堡社区银泉大道北段第二棉纺织印染总厂职工家属院十七栋"
UNKNOWN = "\ue7c7"  # a private code point, as old bank systems use it: in no font
CHECK_URL = "https://example.invalid/cards/check/"
MM = 72 / 25.4


def poppler(data: bytes, page: int, *options: str) -> str:
    number = str(page + 1)
    command = ["pdftotext", *options, "-f", number, "-l", number, "-", "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


def text_of(data: bytes, page: int = 0) -> str:
    """The text of one page without blanks."""
    return "".join(poppler(data, page, "-raw").split())


def count(data: bytes) -> int:
    """How many pages."""
    return len(PdfReader(io.BytesIO(data)).pages)


def pages(data: bytes) -> list[str]:
    """The text of each page without blanks."""
    return [text_of(data, page) for page in range(count(data))]


def places(data: bytes, page: int = 0) -> list[tuple[str, float, float]]:
    """Words with the distance of their middle from the left and the top in millimetres."""
    found = re.findall(
        r'<word xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)</word>',
        poppler(data, page, "-bbox"),
    )
    return [
        (word, (float(left) + float(right)) / 2 / MM, (float(top) + float(bottom)) / 2 / MM)
        for left, top, right, bottom, word in found
    ]


def place(data: bytes, text: str, page: int = 0) -> tuple[float, float]:
    """Where the first word that contains TEXT stands."""
    return among(places(data, page), text)


def beside(data: bytes, label: str, page: int = 0) -> list[str]:
    """The words on the right of the first one that contains LABEL, at the same height."""
    words = places(data, page)
    left, height = among(words, label)
    line = [(x, word) for word, x, y in words if x > left and abs(y - height) < 1.5]
    return [word for _, word in sorted(line)]


def among(words: list[tuple[str, float, float]], text: str) -> tuple[float, float]:
    return next((x, y) for word, x, y in words if text in word)


def overlong(person: Retiree, filler: str) -> list[str]:
    """Every free field as long as its form lets it be, each with another beginning and end."""
    values = []
    for n, name in enumerate(person.PRINTED, start=10):
        field = person._meta.get_field(name)
        length = getattr(field, "max_length", None)
        if length and length > 18 and not getattr(field, "choices", None):
            values.append(f"{n}{filler[: length - 4]}{n}")
            setattr(person, name, values[-1])
    person.special_groups = [group.value for group in SpecialGroup]  # type: ignore[assignment]
    return values


@pytest.fixture
def member(db: None) -> Transfer:
    return make_transfer(
        at="done", party_member=True, special_groups="孤寡、重病", spouse_name="王秀兰",
        spouse_status="退休", injury_grade="三级", contact2_name="李志",
    )  # fmt: skip


@pytest.fixture
def plain(db: None) -> Transfer:
    return make_transfer(at="confirm")


def test_the_form_has_three_labelled_copies_with_everything_on_each(member: Transfer) -> None:
    person = member.retiree
    texts = pages(basic_information_form(member))
    assert len(texts) == 3
    for text, label in zip(texts, COPIES, strict=True):
        assert label.replace("　", "") in text
        for wanted in (
            "咸宁市国有企业退休人员社会化管理服务基本信息表", member.number, "第1版", person.name,
            person.id_number, person.home_phone, "咸安区温泉街道桂花路社区", "☑孤寡", "☑重病", "□特困", "□失能",
            "三级", "☑退休", "王秀兰", "李志", "☑市企", "☑正常经营企业", "党费交至", "2026年10月",
            "退休人员签字", "企业经办人签字", "移交单位（盖章）", "街道（乡镇）社区接收人签字（盖章）",
            "移交企业、退休人员本人、街道（乡镇）社区各留存一份", "户口簿户主页和本人页复印件各一份",
        ):  # fmt: skip
            assert wanted in text, wanted


def test_the_party_row_is_printed_for_members_only(plain: Transfer) -> None:
    text = text_of(basic_information_form(plain))
    assert "党费交至" not in text


def test_a_gone_enterprise_is_named_with_its_former_department(plain: Transfer) -> None:
    plain.enterprise.status, plain.enterprise.department = "bankrupt", "咸宁市轻工行业管理办公室"
    made = basic_information_form(plain)
    assert "☑原主管部门（破产/改制/注销企业）" in text_of(made)
    assert beside(made, "移交单位：")[0] == "咸宁市轻工行业管理办公室"


@pytest.mark.parametrize("filler", [LONG * 4, "W" * 200])
def test_overlong_values_shrink_and_move_nothing(
    member: Transfer, plain: Transfer, filler: str
) -> None:
    for case in (member, plain):
        usual = basic_information_form(case)
        values = overlong(case.retiree, filler)
        case.enterprise.name = case.enterprise.group = case.pension_agency = filler[:80]
        full = basic_information_form(case)
        assert count(full) == 3
        before, after = places(usual), places(full)
        for fixed in ("附件：", "家庭联系人", "个人移交意愿"):
            assert among(after, fixed) == pytest.approx(among(before, fixed), abs=0.1), fixed
        printed = text_of(full, 2)
        hidden = set() if case.retiree.is_party_member else {case.retiree.party_branch}
        assert {value for value in values if value not in printed} == hidden


def test_empty_fields_are_left_for_the_pen(plain: Transfer) -> None:
    plain.retiree.work_started = plain.pension_from = plain.retiree.certified_on = None
    made = basic_information_form(plain)
    assert "".join(beside(made, "参加工作时间")).startswith("年月退休年月")
    assert "".join(beside(made, "最近资格认证")) == "年月日"
    assert "None" not in text_of(made)


def test_the_version_that_is_signed_is_printed_and_printing_makes_none(plain: Transfer) -> None:
    plain.form_version = 3
    plain.save()
    assert "第3版" in text_of(basic_information_form(plain), 2)
    plain.refresh_from_db()
    assert plain.form_version == 3


def test_an_account_typed_after_the_bank_is_not_printed(plain: Transfer) -> None:
    plain.retiree.pension_bank = "工商银行咸宁分行 6222 0218 1200 0123 456"
    text = text_of(basic_information_form(plain))
    assert "工商银行咸宁分行****3456" in text
    assert not re.search(r"6222|0218|0123", text.replace(plain.retiree.id_number, ""))


def test_the_code_of_a_sheet_names_case_paper_version_and_copy(plain: Transfer) -> None:
    hexes = f"{plain.pk.hex}".upper()
    assert pdf.mark("FORM", plain.pk, 2, 3) == pdf.qr(f"XN:FORM:{hexes}:2:3")
    code = segno.make(f"XN:LETTER:{hexes}:12:3", error="m", micro=False)
    assert (code.mode, code.version) == ("alphanumeric", 3)  # large squares, also when scanned


def test_the_letter_says_what_the_annex_says(member: Transfer) -> None:
    move = member.party_moves.get()
    [text] = pages(introduction_letter(move))
    for wanted in (
        "介绍信存根", "（预备/正式）党员，组织关系由", "回执联", member.retiree.id_number, "身份证号码",
        "（正式/预备）党员，身份证号码", "请接转组织关系",
        "贰零贰陆年零壹拾月", "有效期叁拾天", "转出党组织负有管理责任", "一个月内", "骑缝",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert text.count(move.number) >= 3


def test_the_delivery_note_counts_and_asks_for_its_receipt(member: Transfer) -> None:
    note = member.personnel_file.item.handover
    [text] = pages(delivery_note(note))
    for wanted in (
        "档案转递单（存根）", "回执", "正本1卷，副本0卷，材料共26份", "请按档案目录清单查收",
        "已全部收到，现将回执退回", "不得由本人自带", member.retiree.name,
    ):  # fmt: skip
        assert wanted in text, wanted
    assert text.count(note.number) >= 4


def test_a_letter_with_the_longest_names_stays_on_its_slips(member: Transfer) -> None:
    move = member.party_moves.get()
    member.retiree.name = (LONG * 2)[:50]
    move.transfer = member
    for name in ("from_organization", "from_committee", "to_organization"):
        setattr(move, name, ("中共" + LONG * 3)[:80])
    data = introduction_letter(move)
    assert count(data) == 1
    order = [
        "转到",
        "贴回执联处",
        "请接转组织关系",
        "有效期",
        "党员联系电话",
        "特此回复",
        "经办人",
        "注：",
    ]
    downwards = [place(data, text)[1] for text in order]
    assert downwards == sorted(downwards)
    assert downwards[-1] < 290


def test_the_word_that_does_not_apply_is_struck(member: Transfer) -> None:
    move = member.party_moves.get()
    for status, struck in (("01", "预备"), ("02", "正式")):
        member.retiree.political_status = status
        move.transfer = member
        html: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pdf, "write", lambda text, copies, to=html: to.append(text))
            introduction_letter(move)
        assert set(re.findall(r'class="struck">(..)<', html[0])) == {struck}


def add_to(note: Handover, case: Transfer) -> None:
    """The file of CASE as one more item of this delivery."""
    item = case.personnel_file.item
    item.handover, item.position = note, note.items.count() + 1
    item.save()


def test_a_long_delivery_has_its_list_on_a_page_of_its_own(member: Transfer) -> None:
    note = member.personnel_file.item.handover
    for _ in range(3):
        add_to(note, make_transfer(at="archives"))
    sheet, names = pages(delivery_note(note))
    assert "等4名同志的档案正本4卷，副本0卷，材料共104份" in sheet
    assert sheet.count("（名单附后）") == 2
    for item in note.items.all():
        assert item.transfer is not None
        assert item.transfer.retiree.name in names


def test_missing_material_and_the_longest_names_stay_on_the_slips(member: Transfer) -> None:
    note, other = member.personnel_file.item.handover, make_transfer(at="archives")
    add_to(note, other)
    for case in (member, other):
        file, person = case.personnel_file, case.retiree
        file.missing = (LONG * 6)[:200]
        file.save()
        person.name, person.former_employer = (LONG * 2)[:50], (LONG * 2)[:80]
        person.former_post = (LONG * 2)[:60]
        person.save()
    note.sender_name, note.carrier = (LONG * 3)[:80], LONG[:50]
    data = delivery_note(note)
    [text] = pages(data)
    assert text.count((LONG * 6)[:200]) == 2
    order = ["送档人", "兹将", "缺失材料", "发件人签名", "你处于", "收件人签名"]
    downwards = [place(data, words)[1] for words in order]
    assert downwards == sorted(downwards)
    rows = [y for piece, _, y in places(data) if piece == "26"]
    assert len(rows) == 4
    assert max(rows[:2]) < place(data, "送档人")[1] - 3
    assert max(rows[2:]) < place(data, "缺失材料")[1]


def test_a_card_tells_whom_to_call_and_no_number_of_the_person(member: Transfer) -> None:
    person, entry = member.retiree, member.reception
    for print_ in (contact_card, lambda one, **k: contact_cards_sheet([one], **k)):
        front, back = pages(print_(entry, check_url=CHECK_URL))
        assert person.name in front
        assert entry.cards.get().number in front
        assert "咸安区温泉街道桂花路社区" in front
        for wanted in ("王社区", "网格员", "12333", "12345", "120", "资格认证", "发卡日期"):
            assert wanted in back
        for number in (person.id_number, person.id_number[6:14], person.home_phone):
            assert number not in front + back


def test_a_card_is_90_by_54_millimetres(member: Transfer) -> None:
    data = contact_card(member.reception, check_url=CHECK_URL)
    sizes = [tuple(page.mediabox[2:]) for page in PdfReader(io.BytesIO(data)).pages]
    assert sizes == [pytest.approx((90 * MM, 54 * MM), abs=0.5)] * 2


def test_an_overlong_card_keeps_its_lines_apart(member: Transfer) -> None:
    entry = member.reception
    entry.transfer.retiree.name = (LONG * 2)[:50]
    entry.officer, entry.officer_phone = (
        (LONG * 2)[:50],
        "0715-8123456、13900000000（儿子）、0715-1",
    )
    entry.community.full_name = (LONG * 3)[:100]
    data = contact_card(entry, check_url=CHECK_URL)
    assert count(data) == 2
    assert place(data, "社区地址")[1] + 3 < place(data, "服务热线")[1] < 52
    assert place(data, "卫生服务中心", 1)[1] + 3 < place(data, "人社", 1)[1] < 52


def test_backs_lie_behind_their_fronts_when_the_sheet_is_turned(member: Transfer) -> None:
    entry = member.reception
    card = entry.cards.get()
    issued = [f"AAAA-BBBB-{n:04d}" for n in range(CARDS_A_SHEET + 1)]

    class Copy:
        """The same entry with another card and officer."""

        transfer, community, officer_phone = entry.transfer, entry.community, ""

        def __init__(self, number: str) -> None:
            self.card = type(card)(number=number, issued_on=card.issued_on)
            self.officer = f"专员{number[-4:]}"

    copies: list[Any] = [Copy(number) for number in issued]
    data = contact_cards_sheet(copies, check_url=CHECK_URL)
    assert count(data) == 4
    for n, number in enumerate(issued):
        sheet = 0 if n < CARDS_A_SHEET else 2
        (x, y), (back_x, back_y) = (
            place(data, number[-4:], sheet), place(data, f"专员{number[-4:]}", sheet + 1)
        )  # fmt: skip
        row, column = divmod(n % CARDS_A_SHEET, 2)
        assert 15 + 90 * column < x < 105 + 90 * column
        assert 15 + 90 * (1 - column) < back_x < 105 + 90 * (1 - column)
        for height in (y, back_y):
            assert 13.5 + 54 * row < height < 13.5 + 54 * (row + 1)


# --- characters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [RARE[:6], RARE[6:], "阿依古丽·买买提", "簰洲湾镇"])
def test_rare_characters_print_on_every_paper(member: Transfer, name: str) -> None:
    member.retiree.name = name
    move, entry = member.party_moves.get(), member.reception
    move.transfer = entry.transfer = member
    for data in (
        basic_information_form(member),
        introduction_letter(move),
        contact_card(entry, check_url=CHECK_URL),
    ):
        assert data.missing == ()
        assert name in text_of(data)


def test_a_character_no_font_has_fails_a_test() -> None:
    with pytest.raises(pdf.MissingGlyph, match="U\\+E7C7"):
        pdf.write(f"<p>{UNKNOWN}</p>")


def test_in_use_it_is_left_to_the_pen_and_named_on_record(
    member: Transfer, sign_in: Callable[[str], Client], settings: Any
) -> None:
    settings.TESTING = False
    member.retiree.name = f"王{UNKNOWN}明"
    member.retiree.save()
    client = sign_in("qiye")
    answer = client.post(reverse("transfers:paper", args=[member.pk, "form"]))
    assert f"王{pdf.HOLE}明" in text_of(answer.content)
    [message] = get_messages(answer.wsgi_request)
    assert "U+E7C7" in str(message)
    assert AccessLog.objects.filter(transfer=member, what__contains="U+E7C7").count() == 1


def test_a_machine_without_chinese_fonts_prints_nothing(settings: Any) -> None:
    settings.TESTING = False
    with pytest.raises(pdf.MissingGlyph, match="安装字体"):
        pdf.write("<p>" + "".join(chr(0xF1000 + n) for n in range(pdf.MOST_HOLES + 1)))


def test_every_size_has_its_class() -> None:
    styles = "".join(render_to_string(f"print/{name}.css") for name in ("style", "_card"))
    for size in {*pdf.CELL_SIZES, *pdf.TEXT_SIZES, *LINE_SIZES, *NAME_SIZES}:
        assert f".z{round(size * 10)} {{ font-size: {size:g}pt; }}" in styles


def test_values_are_printed_as_they_are(plain: Transfer) -> None:
    plain.retiree.former_employer = "<b>一&amp;二</b>{{ case }}"
    assert "<b>一&amp;二</b>{{case}}" in text_of(basic_information_form(plain))


# --- cost and cage --------------------------------------------------------------------------------


def test_a_form_takes_less_than_a_second_of_processor_time(member: Transfer) -> None:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        basic_information_form(member)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost() for _ in range(3)) < 1


def test_a_common_page_that_runs_over_is_refused() -> None:
    tall = "<p>a<p style='break-before: page'>b<p style='break-before: page'>c"
    with pytest.raises(sandbox.Crashed):
        pdf.write(tall, copies=1)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address that notes who calls."""
    asked: list[str] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = http.server.HTTPServer(("127.0.0.1", 0), Ear)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


VECTORS = (
    "<img src='{u}'>", "<link rel=attachment href='{u}'>", "<a rel=attachment href='{u}'>x</a>",
    "<style>@import '{u}';</style>", "<link rel=stylesheet href='{u}'>",
    "<svg><image href='{u}'/></svg>",
    "<style>@font-face{{font-family:x;src:url('{u}')}}p{{font-family:x}}</style>",
    "<p style=\"background:url('{u}')\">x</p>", "<object data='{u}'></object>", "<embed src='{u}'>",
    "<style>li{{list-style-image:url('{u}')}}</style><li>x", "<iframe src='{u}'></iframe>",
    "<style>p::after{{content:url('{u}')}}</style><p>x", "<base href='{u}'><img src='y.png'>",
    "<link rel=stylesheet href=\"data:text/css,@import '{u}'\">",
    "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='{u}'/></svg>\">",
)  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS)
def test_a_paper_loads_nothing(
    vector: str, listener: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = listener
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    for url in (f"{address}/x", secret.as_uri()):
        try:
            data = pdf.write(f"<p>x</p>{vector.format(u=url)}")
        except (sandbox.SandboxError, sandbox.Rejected):
            continue
        assert b"TOP-SECRET" not in data
    assert asked == []


def test_the_listener_hears_what_is_not_caged(listener: tuple[str, list[str]]) -> None:
    address, asked = listener
    weasyprint.HTML(string=f"<img src='{address}/x'>").write_pdf()
    assert asked == ["/x"]
