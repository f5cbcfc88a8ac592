"""其他档案 (第五条, 第六条第4项): listed, delivered, checked line by line, with its papers."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.urls import reverse
from openpyxl import Workbook, load_workbook

from archives import documents, records
from archives.models import RecordsEntry
from archives.records import COLUMNS, HIDDEN_TITLE, NO_DESTRUCTION
from tests.factories import enterprise_of
from tests.test_documents import pages
from transfers import handovers
from transfers.models.handovers import Counts, Handover, HandoverItem
from transfers.refusal import Refused
from xianning.models import AccessLog, AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
HOW: dict[str, Any] = {"means": "person", "carrier": "许档员", "handed_on": date(2026, 11, 2)}
LINE = {"category": "accounting", "number": "K-1998-01", "title": "1998 年总账", "year_from": "1998",
        "retention": "30", "volumes": "1", "pages": "120", "secrecy": "open", "carrier": "paper"}  # fmt: skip
ROWS = (
    ("文书", "W-1", "厂长办公会会议纪要", "1991-1995", "", "永久", 3, "", 420, "内部", "纸质", ""),
    ("会计", "K-1", "总账", "1998年", "", "30年", 1, "", 120, "", "", ""),
    ("声像", "S-1", "建厂三十周年录像", 1988, 1988, "10年", 0, 2, "", "公开", "磁带", "两盒"),
)


def user(name: str) -> User:
    return User.objects.get(username=name)


def book(*rows: tuple[Any, ...], headings: tuple[str, ...] = tuple(COLUMNS)) -> SimpleUploadedFile:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in (("某厂其他档案清单",), headings, *rows):
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return SimpleUploadedFile("清单.xlsx", out.getvalue())


def begun() -> Handover:
    return records.begin(enterprise_of("qiye"), by=user("qiye"))


def listed(*rows: tuple[Any, ...]) -> Handover:
    handover = begun()
    found = records.read(book(*(rows or ROWS)).read(), "清单.xlsx")
    assert found.problems == []
    records.replace(handover, found, by=user("qiye"))
    return handover


def sent(*rows: tuple[Any, ...]) -> Handover:
    return handovers.send(listed(*rows), by=user("qiye"), **HOW)


def typed(*lines: dict[str, Any], initial: int = 0, **more: Any) -> dict[str, Any]:
    """The page of a list, as it is typed."""
    data: dict[str, Any] = {"line-TOTAL_FORMS": len(lines), "line-INITIAL_FORMS": initial}
    for n, line in enumerate(lines):
        data |= {f"line-{n}-{name}": value for name, value in line.items()}
    return data | more


def deed(client: Client, handover: Handover, name: str, data: dict[str, Any]) -> Any:
    return client.post(reverse("archives:records_deed", args=[handover.pk, name]), data)


def stored(handover: Handover) -> list[tuple[Any, ...]]:
    rows = RecordsEntry.objects.filter(item__handover=handover).order_by("item__position")
    return list(
        rows.values_list("category", "number", "item__title", "year_from", "year_to", "retention",
                         "item__volumes", "item__pieces", "item__pages", "secrecy", "carrier",
                         "remarks")
    )  # fmt: skip


# --- the list -----------------------------------------------------------------------------------


def test_a_list_is_typed_changed_and_thinned_line_by_line(
    sign_in: Callable[[str], Client],
) -> None:
    client = sign_in("qiye")
    answer = client.post(
        reverse("archives:records_begin"), {"enterprise": enterprise_of("qiye").pk}
    )
    handover = Handover.objects.get(kind="records")
    assert answer["Location"] == handover.get_absolute_url()
    again = client.post(reverse("archives:records_begin"), {"enterprise": enterprise_of("qiye").pk})
    assert again["Location"] == handover.get_absolute_url()  # pressed twice: one list
    other = LINE | {"number": "K-1999-01", "title": "1999 年总账", "year_from": "1999"}
    assert deed(client, handover, "fill", typed(LINE, other)).status_code == 302
    first, second = handover.items.order_by("position")
    mended = LINE | {"item": first.pk, "title": "总账", "year_to": "2001"}
    gone = other | {"item": second.pk, "DELETE": "on"}
    assert deed(client, handover, "fill", typed(mended, gone, initial=2)).status_code == 302
    assert stored(handover) == [
        ("accounting", "K-1998-01", "总账", 1998, 2001, "30", 1, 0, 120, "open", "paper", "")
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"remarks": "到期，拟销毁"}, NO_DESTRUCTION),
        ({"secrecy": "secret"}, "涉密档案的题名不得录入本系统"),
        ({"title": ""}, "请填写题名"),
        ({"year_to": "1997"}, "终止年度不能早于起始年度"),
        ({"volumes": "0"}, "卷数、件数至少填写一项"),
        ({"category": ""}, "请选择"),
        ({"retention": "20"}, "20"),
    ],
)
def test_what_cannot_be_on_a_list_is_said_and_the_typing_stays(
    given: dict[str, str], sentence: str, sign_in: Callable[[str], Client]
) -> None:
    handover, client = begun(), sign_in("qiye")
    answer = deed(client, handover, "fill", typed(LINE | given))
    text = answer.content.decode()
    assert (answer.status_code, sentence in text, "K-1998-01" in text) == (422, True, True)
    assert not handover.items.exists()


def test_the_title_of_classified_material_is_not_kept(sign_in: Callable[[str], Client]) -> None:
    handover = begun()
    deed(sign_in("qiye"), handover, "fill", typed(LINE | {"secrecy": "top", "title": ""}))
    [entry] = RecordsEntry.objects.all()
    assert (entry.item.title, entry.get_secrecy_display()) == (HIDDEN_TITLE, "绝密")


def test_a_workbook_becomes_the_list_and_what_is_wrong_in_it_is_named_by_row(
    sign_in: Callable[[str], Client],
) -> None:
    handover, client = begun(), sign_in("qiye")
    deed(client, handover, "fill", typed(LINE))
    bad = book(
        ROWS[0], ("会计", "K-2", "旧账", "一九九八", "", "30年", 1), (*ROWS[2][:11], "已销毁")
    )
    answer = deed(client, handover, "import", {"file": bad})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "第 4 行：起始年度" in text
    assert f"第 5 行：备注：{NO_DESTRUCTION}" in text
    assert len(stored(handover)) == 1  # nothing was written
    assert deed(client, handover, "import", {"file": book(*ROWS)}).status_code == 302
    assert stored(handover) == [
        ("document", "W-1", "厂长办公会会议纪要", 1991, 1995, "permanent", 3, 0, 420, "internal",
         "paper", ""),
        ("accounting", "K-1", "总账", 1998, 1998, "30", 1, 0, 120, "open", "paper", ""),
        ("audiovisual", "S-1", "建厂三十周年录像", 1988, 1988, "10", 0, 2, 0, "open", "tape", "两盒"),
    ]  # fmt: skip
    assert AuditEvent.objects.filter(action="imported", facts__kind="records").exists()


def test_the_template_is_read_as_a_list_once_it_is_filled(sign_in: Callable[[str], Client]) -> None:
    data = sign_in("qiye").get(reverse("archives:records_template")).content
    made = load_workbook(io.BytesIO(data))
    assert [cell.value for cell in made.worksheets[0][1]] == list(COLUMNS)
    with pytest.raises(Exception, match="没有内容"):
        records.read(data, "模板.xlsx")
    made.worksheets[0].append(ROWS[0])
    out = io.BytesIO()
    made.save(out)
    assert len(records.read(out.getvalue(), "清单.xlsx").lines) == 1


# --- delivered and checked ----------------------------------------------------------------------


def test_each_line_is_accepted_noted_or_returned_and_the_receipt_goes_back(
    sign_in: Callable[[str], Client],
) -> None:
    handover = sent()
    keeper = sign_in("dangan")
    assert Notice.objects.filter(role="archives_office", text__contains=handover.number).exists()
    one, two, three = handover.items.order_by("position")

    def row(item: HandoverItem, decision: str, **given: Any) -> dict[str, Any]:
        counts = {"volumes": item.volumes, "pieces": item.pieces, "pages": item.pages}
        data = counts | {"decision": decision} | given
        return {f"{item.pk}-{name}": value for name, value in data.items()}

    wrong = row(one, "accept", pages=400) | row(two, "") | row(three, "")
    answer = deed(keeper, handover, "check", wrong)
    assert (answer.status_code, "页送 420、收 400" in answer.content.decode()) == (422, True)
    data = (
        row(one, "accept", pages=400, words="第 3 卷缺 20 页")
        | row(two, "missing", words="封面破损，请重装")
        | row(three, "")
        | {"shelf": "3库/2柜"}
    )
    assert deed(keeper, handover, "check", data).status_code == 302
    handover.refresh_from_db()
    assert [item.state for item in handover.items.order_by("position")] == [
        "noted", "returned", "waiting",
    ]  # fmt: skip
    assert handover.state == "sent"  # partly settled
    assert "部分已查收" in keeper.get(handover.get_absolute_url()).content.decode()
    rest = row(three, "") | {"rest": "on"}
    assert deed(keeper, handover, "check", rest).status_code == 302
    handover.refresh_from_db()
    assert handover.state == "closed"
    entry = RecordsEntry.objects.get(item=one)
    assert (entry.location, entry.item.got) == ("3库/2柜", Counts(3, 0, 0, 400))
    assert Notice.objects.filter(role="enterprise", text__contains="回执已退回").exists()


def test_nobody_acts_for_the_other_side(sign_in: Callable[[str], Client]) -> None:
    handover = sent()
    assert deed(sign_in("qiye"), handover, "check", {}).status_code == 403
    assert deed(sign_in("dangan"), handover, "withdraw", {"reason": "错"}).status_code == 403
    assert deed(sign_in("qiye_chibi"), handover, "withdraw", {"reason": "错"}).status_code == 404
    late = deed(sign_in("qiye"), handover, "fill", typed(LINE))
    assert late.status_code == 302
    assert handover.items.count() == 3


def test_a_list_is_begun_for_one_s_own_enterprise_only(sign_in: Callable[[str], Client]) -> None:
    for wanted in (str(enterprise_of("zhuguan").pk), "x"):
        answer = sign_in("qiye").post(reverse("archives:records_begin"), {"enterprise": wanted})
        assert answer["Location"] == reverse("archives:records")
    assert not Handover.objects.of_kind("records").exists()
    handover = sent()
    for name, seen in (("qiye", True), ("dangan", True), ("qiye_chibi", False), ("shenji", True)):
        page = sign_in(name).get(reverse("archives:records"))
        assert (handover.number in page.content.decode()) is seen, name
    assert RecordsEntry.objects.visible_to(user("qiye")).count() == 3
    assert not RecordsEntry.objects.visible_to(user("qiye_chibi")).exists()


def test_a_receipt_that_is_late_is_chased_once_a_day(sign_in: Callable[[str], Client]) -> None:
    handover, client = sent(), sign_in("qiye")
    deed(client, handover, "remind", {})
    assert not Handover.objects.exclude(reminded_at=None).exists()  # in time
    Handover.objects.filter(pk=handover.pk).update(due_on=date(2026, 1, 1))
    listed = client.get(reverse("archives:records"), {"overdue": "1"}).content.decode()
    assert handover.number in listed
    for _ in range(2):
        deed(client, handover, "remind", {})
    assert Notice.objects.filter(role="archives_office", text__contains="已逾期").count() == 1


def test_an_empty_list_is_not_sent_and_a_list_is_withdrawn_with_a_reason(
    sign_in: Callable[[str], Client],
) -> None:
    client, empty = sign_in("qiye"), begun()
    answer = deed(client, empty, "fill", typed() | {"send": "1"} | HOW)
    assert answer.status_code == 302
    empty.refresh_from_db()
    assert (empty.state, empty.serial) == ("packing", None)
    deed(client, empty, "drop", {})
    assert not Handover.objects.filter(pk=empty.pk).exists()
    handover = sent()
    deed(client, handover, "withdraw", {"reason": ""})
    handover.refresh_from_db()
    assert handover.state == "sent"
    deed(client, handover, "withdraw", {"reason": "清单有误"})
    handover.refresh_from_db()
    assert handover.state == "withdrawn"


def test_numbers_run_without_gaps_and_lines_too() -> None:
    first = listed()
    records.take_out(first.items.order_by("position")[1], by=user("qiye"))
    first = handovers.send(first, by=user("qiye"), **HOW)
    assert list(first.items.order_by("position").values_list("position", flat=True)) == [1, 2]
    begun()
    records.drop(begun(), by=user("qiye"))
    second = sent()
    assert (first.number, second.number) == ("档交字〔2026〕第1号", "档交字〔2026〕第2号")
    with pytest.raises(Refused, match="不能再更改内容"):
        records.replace(second, records.Read(), by=user("qiye"))


def test_years_in_the_wrong_order_are_refused_by_the_database() -> None:
    entry = RecordsEntry.objects.get(item=listed(ROWS[0]).items.get())
    entry.year_from, entry.year_to = 2000, 1999
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.save()


def test_a_long_list_is_shown_in_pages_and_costs_the_same(
    sign_in: Callable[[str], Client], django_assert_max_num_queries: Any
) -> None:
    client, counts = sign_in("dangan"), []
    for size in (3, 60):
        handover = sent(*(("文书", f"W-{n}", f"卷{n}号", 1990, "", "永久", 1) for n in range(size)))
        with django_assert_max_num_queries(60) as queries:
            text = client.get(handover.get_absolute_url()).content.decode()
        counts.append(len(queries))
        assert text.count("-decision") >= min(size, records.SHOWN)
    assert counts[0] == counts[1]
    assert "第 26 行起" in text
    second = client.get(handover.get_absolute_url(), {"from": "26"}).content.decode()
    assert ("卷25号" in second, "卷24号" in second) == (True, False)


# --- papers -------------------------------------------------------------------------------------


def test_the_papers_are_in_duplicate_with_three_boxes_and_on_record(
    sign_in: Callable[[str], Client],
) -> None:
    handover = sent()
    [line] = pages(bytes(documents.records_list(sent(ROWS[2]))))[:1]
    for words in ("声像", "S-1", "建厂三十周年录像", "1988", "10年", "2", "公开", "磁带", "两盒"):
        assert words in line
    assert "object" not in line  # a word, not how Python writes a thing
    for made in (documents.records_list(handover), documents.records_deed(handover)):
        texts = pages(bytes(made))
        assert len(texts) == 2
        for text, copy in zip(texts, ("移交单位存", "接收单位存"), strict=True):
            for words in (
                handover.number,
                copy,
                "移交人",
                "接收人",
                "监交人",
                handover.receiver_name,
            ):
                assert words.replace(" ", "") in text.replace(" ", "")
    text = "".join(pages(bytes(documents.records_deed(handover))))
    assert text.replace(" ", "").count("1988年至1998年") == 2
    item = handover.items.order_by("position")[1]
    handovers.send_back(item, by=user("dangan"), code="missing", reason="封面破损")
    text = "".join(pages(bytes(documents.records_deed(handover)))).replace(" ", "")
    assert ("会计档案" in text, "另有1条已退回移交单位" in text) == (False, True)
    client = sign_in("qiye")
    paper = reverse("archives:records_paper", args=[handover.pk, "deed"])
    assert client.post(paper)["Content-Type"] == "application/pdf"
    trace = AccessLog.objects.get(kind="paper")
    assert (trace.what, trace.user.username) == (f"档案交接文据：{handover.number}", "qiye")
    packing = begun()
    early = client.post(reverse("archives:records_paper", args=[packing.pk, "list"]), follow=True)
    assert "送出后才能打印" in early.content.decode()


def test_an_address_of_no_deed_and_no_paper_is_not_found(sign_in: Callable[[str], Client]) -> None:
    handover, client = sent(), sign_in("qiye")
    assert deed(client, handover, "burn", {}).status_code == 404
    paper = reverse("archives:records_paper", args=[handover.pk, "burn"])
    assert client.post(paper).status_code == 404
