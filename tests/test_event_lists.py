"""第十条: the lists of the social-insurance agency become reports; what fits nobody goes back."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from communities import event_lists, events
from communities.models import Area, EventReceipt, LifeEvent, Reception
from tests import workbooks
from tests.factories import make_transfer
from transfers.refusal import Refused
from xianning import demo, standards
from xianning.downloads import XLSX
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

pytestmark = pytest.mark.django_db
STRANGER = standards.make_id_number("421299", date(1950, 3, 3), 77, "1")
HEADS = ["AAC002", "姓名", "日期", "AAE116", "AAE001"]
A_DAY = date(2026, 3, 5)


def user(name: str) -> User:
    return User.objects.get(username=name)


def row(case: Transfer, **other: str) -> list[str]:
    facts = {"number": case.retiree.id_number, "name": case.retiree.name,
             "day": A_DAY.isoformat(), "paid": "正常发放", "year": "2025"} | other  # fmt: skip
    return list(facts.values())


def book(*rows: list[str], heads: list[str] | None = None) -> bytes:
    return workbooks.table(heads or HEADS, *rows)


def upload(client: Client, data: bytes, kind: str = "uncertified") -> Any:
    file = SimpleUploadedFile("名单.xlsx", data, XLSX)
    return client.post(reverse("communities:event_lists"), {"kind": kind, "file": file})


def send(client: Client, name: str, preview: Any) -> Any:
    url = reverse(f"communities:event_list_{name}")
    return client.post(url, {"rows": preview.context["rows"]})


def test_a_list_reports_those_of_the_area_and_gives_the_others_back(
    sign_in: Callable[[str], Client],
) -> None:
    gone, paid_twice = (make_transfer(at="done") for _ in range(2))
    away = make_transfer(at="done")
    Reception.objects.filter(transfer=away).update(is_active=False)
    waiting = make_transfer(at="community")
    client = sign_in("shebao")
    preview = upload(client, book(
        row(gone), row(gone), row(paid_twice, name=f" {paid_twice.retiree.name} "), row(away),
        row(waiting), row(gone, number=STRANGER), row(paid_twice, number="42129919500101"),
        row(paid_twice, name="别人"), row(paid_twice, day="2999-01-01"),
    ))  # fmt: skip
    found = preview.context["found"]
    assert [line.number for line in found.taken] == [2, 4]
    assert {line.number: line.why for line in found.rest} == {
        3: "与第 2 行是同一人。", 5: "已不在社区管理，不再报告。",
        6: "本辖区各社区的管理台账中没有证件号码和姓名都相符的人。",
        7: "本辖区各社区的管理台账中没有证件号码和姓名都相符的人。", 8: "证件号码有误，请核对。",
        9: "本辖区各社区的管理台账中没有证件号码和姓名都相符的人。", 10: "与第 4 行是同一人。",
    }  # fmt: skip
    assert not LifeEvent.objects.exists()
    back = send(client, "rest", preview)
    sheet = load_workbook(io.BytesIO(back.content)).active
    assert sheet is not None
    assert [cell.value for cell in sheet[5]] == [
        STRANGER, gone.retiree.name, "2026-03-05", "正常发放", "2025", None, "7",
        "本辖区各社区的管理台账中没有证件号码和姓名都相符的人。",
    ]  # fmt: skip
    assert send(client, "confirm", preview).status_code == 302
    event = LifeEvent.objects.get(transfer=gone)
    assert (event.kind, event.happened_on, event.source) == ("uncertified", A_DAY, "list")
    assert "第 2 行；待遇发放状态：正常发放；认证年度：2025" in event.details
    assert {(r.role, r.area.name) for r in EventReceipt.objects.filter(event=event)} == {
        ("hr", "咸安区"),
        ("medical", "咸安区"),
    }
    assert LifeEvent.objects.count() == 2
    told = Notice.objects.get(role="community", text__contains="逾期未认证名单")
    assert gone.retiree.name in told.text
    assert told.area_id == event.community_id
    facts = {e.action: e.facts for e in AuditEvent.objects.filter(action__startswith="event_list")}
    assert facts["event_list_match"]["rows"] == 9
    assert facts["event_list"]["count"] == 2
    # A double click, and the same list a month later: nobody is reported twice.
    send(client, "confirm", preview)
    again = upload(client, book(row(gone))).context["found"]
    assert "已经报告过" in again.rest[0].why
    assert LifeEvent.objects.count() == 2
    later = upload(client, book(row(gone, day="2026-10-05"))).context["found"]
    assert len(later.taken) == 1  # another year is another report


def test_a_death_on_a_list_closes_the_ledger_until_the_community_corrects_it(
    sign_in: Callable[[str], Client],
) -> None:
    case = make_transfer(at="done")
    preview = upload(sign_in("rs_xianan"), book(row(case), heads=["公民身份号码", "姓名", "死亡时间"]),
                     kind="died")  # fmt: skip
    assert "台账停止管理" in preview.content.decode()
    send(sign_in("rs_xianan"), "confirm", preview)
    entry = Reception.objects.get(transfer=case)
    assert (entry.is_active, entry.card) == (False, None)
    events.correct(LifeEvent.objects.get(), by=user("shequ"), why="本人健在")
    entry.refresh_from_db()
    assert entry.is_active
    again = upload(sign_in("rs_xianan"), book(row(case)), kind="died").context["found"]
    assert len(again.taken) == 1
    events.report(case, by=user("shequ"), kind="died", happened_on=A_DAY)
    refused = upload(sign_in("rs_xianan"), book(row(case)), kind="double").context["found"]
    assert "已登记死亡（2026-03-05）" in refused.rest[0].why


def test_an_agency_learns_nothing_of_another_county(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="done")
    elsewhere = Area.objects.exclude(pk__startswith=demo.GUIHUA[:6]).filter(level="community")
    Reception.objects.filter(transfer=case).update(community=elsewhere[0])
    other = make_transfer(at="community")
    found = upload(sign_in("shebao"), book(row(case), row(other))).context["found"]
    whys = {line.why for line in found.rest}
    assert (len(found.taken), len(found.rest), len(whys)) == (0, 2, 1)
    assert "管理台账中没有" in whys.pop()


def test_a_preview_is_for_an_hour_and_for_who_made_it(sign_in: Callable[[str], Client]) -> None:
    case = make_transfer(at="done")
    preview = upload(sign_in("shebao"), book(row(case)))
    assert case.retiree.id_number not in preview.content.decode()
    client = sign_in("rs_xianan")
    for name in ("confirm", "rest"):
        answer = client.post(reverse(f"communities:event_list_{name}"),
                             {"rows": preview.context["rows"]}, follow=True)  # fmt: skip
        assert "预览已超过一小时或不完整" in answer.content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=False):
        assert event_lists.again(preview.context["rows"], user("shebao")) is None
    for broken in ("", "x", preview.context["rows"][:-2]):
        assert event_lists.again(broken, user("shebao")) is None
    assert not LifeEvent.objects.exists()


def test_what_happened_since_the_preview_is_looked_at_again() -> None:
    dead, gone, fine = (make_transfer(at="done") for _ in range(3))
    data = book(*map(row, (dead, gone, fine)), row(make_transfer(at="done"), day="1930-01-01"))
    found = event_lists.read(data, "名单.xlsx", "double", user("shebao"))
    assert [line.why for line in found.rest] == ["日期早于出生日期，请核对。"]
    events.report(dead, by=user("shequ"), kind="died", happened_on=A_DAY)
    Reception.objects.filter(transfer=gone).update(is_active=False)
    facts: dict[str, Any] = {"by": user("shebao"), "kind": "double", "happened_on": A_DAY,
                             "details": ""}  # fmt: skip
    with pytest.raises(Refused, match="已登记死亡"):
        events.report_listed(dead, **facts)
    with pytest.raises(Refused, match="已不在本社区管理"):
        events.report_listed(gone, **facts)
    with pytest.raises(Refused, match="还没有在社区报到"):
        events.report_listed(make_transfer(at="community"), **facts)
    assert event_lists.confirm(found, by=user("shebao")) == 1
    assert LifeEvent.objects.get(kind="double").transfer == fine


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no workbook", "xlsx"),
        (book(["1", "2"], heads=["编号", "姓名"]), "没有找到表头，须有：证件号码、姓名、日期"),
        (book(), "表头下面没有内容"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_a_sentence(
    data: bytes, sentence: str, sign_in: Callable[[str], Client]
) -> None:
    answer = upload(sign_in("shebao"), data)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    client = sign_in("shebao")
    assert client.post(reverse("communities:event_lists"), {}).status_code == 422


def test_a_list_too_long_is_refused(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_lists, "MOST_ROWS", 2)
    case = make_transfer(at="done")
    answer = upload(sign_in("shebao"), book(*[row(case)] * 3))
    assert answer.status_code == 422
    assert "请分成几个文件" in answer.content.decode()


def test_matching_takes_as_many_queries_for_many_as_for_one() -> None:
    cases = [make_transfer(at="done") for _ in range(6)]
    counts = []
    for some in (cases[:1], cases):
        data, agency = book(*map(row, some)), user("shebao")
        with CaptureQueriesContext(connection) as seen:
            found = event_lists.read(data, "名单.xlsx", "double", agency)
        assert len(found.taken) == len(some)
        counts.append(len(seen))
    assert counts[1] == counts[0]


def test_the_template_is_read_back() -> None:
    sheet = load_workbook(io.BytesIO(event_lists.template())).worksheets[0]
    assert tuple(cell.value for cell in sheet[1]) == event_lists.HEADINGS
