"""What is signed or stamped: complete, in words, with every character, and fetching nothing."""

from __future__ import annotations

import http.server
import io
import threading
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from archives.documents import delivery_note
from communities.documents import contact_cards_sheet
from party.documents import introduction_letter
from tests.factories import make_transfer
from transfers.documents import COPIES, basic_information_form
from xianning import pdf, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transfers.models import Transfer

RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽"


def pages(data: bytes) -> list[str]:
    """The text of each page without blanks."""
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    return ["".join(text.split()) for text in texts]


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
            person.id_number, person.home_phone, "咸安区温泉街道桂花路社区", "☑孤寡", "☑重病", "□特困",
            "三级", "☑退休", "王秀兰", "李志", "☑市企", "☑正常经营企业", "党费交至", "2026年10月",
            "退休人员签字", "企业经办人签字", "移交单位（盖章）", "街道（乡镇）社区接收人签字（盖章）",
            "移交企业、退休人员本人、街道（乡镇）社区各留存一份", "户口簿户主页和本人页复印件各一份",
        ):  # fmt: skip
            assert wanted in text, wanted


def test_the_party_row_is_printed_for_members_only(plain: Transfer) -> None:
    text = pages(basic_information_form(plain))[0]
    assert "党费交至" not in text


def test_a_gone_enterprise_is_named_with_its_former_department(plain: Transfer) -> None:
    plain.enterprise.status, plain.enterprise.department = "bankrupt", "咸宁市轻工行业管理办公室"
    text = pages(basic_information_form(plain))[0]
    assert "☑原主管部门（破产/改制/注销企业）" in text
    assert "移交单位：咸宁市轻工行业管理办公室" in text


def test_overlong_values_shrink_and_stay_on_their_page(plain: Transfer) -> None:
    person = plain.retiree
    for name in person.PRINTED:
        field = person._meta.get_field(name)
        length = getattr(field, "max_length", None)
        if length and length > 20 and not getattr(field, "choices", None):
            setattr(person, name, ("长" * length)[:length])
    assert len(pages(basic_information_form(plain))) == 3


def test_the_letter_says_what_the_annex_says(member: Transfer) -> None:
    move = member.party_moves.get()
    [text] = pages(introduction_letter(move))
    for wanted in (
        "介绍信存根", "回执联", member.retiree.id_number, "身份证号码", "请接转组织关系",
        "贰零贰陆年零壹拾月", "有效期叁拾天", "转出党组织负有管理责任", "一个月内", "骑缝",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert text.count(move.number) >= 3


def test_the_delivery_note_counts_and_asks_for_its_receipt(member: Transfer) -> None:
    note = member.personnel_file.note
    [text] = pages(delivery_note(note))
    for wanted in (
        "档案转递单（存根）", "回执", "正本1卷，副本0卷，材料共26份", "请按档案目录清单查收",
        "已全部收到，现将回执退回", "不得由本人自带", member.retiree.name,
    ):  # fmt: skip
        assert wanted in text, wanted
    assert text.count(note.number) >= 4


def test_a_card_tells_whom_to_call_and_no_number_of_the_person(member: Transfer) -> None:
    person, entry = member.retiree, member.reception
    front, back = pages(contact_cards_sheet([entry], check_url="https://example.invalid/c/"))
    assert person.name in front
    assert entry.cards.get().number in front
    for wanted in ("王社区", "12333", "120", "资格认证"):
        assert wanted in back
    assert person.id_number not in front + back
    assert person.id_number[6:14] not in front + back


@pytest.mark.parametrize("name", [RARE[:6], RARE[6:], "阿依古丽·买买提", "簰洲湾"])
def test_rare_characters_print(plain: Transfer, name: str) -> None:
    plain.retiree.name = name
    assert name in pages(basic_information_form(plain))[0]


def test_a_character_no_font_has_is_told_instead_of_a_hole() -> None:
    with pytest.raises(sandbox.Rejected, match="字库中没有这些字"):
        pdf.write("<p>\U0001fae9\ue7c7</p>")


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
