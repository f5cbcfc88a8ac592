"""统计月报 and 总览: sums that a plain recount confirms; what was signed stays byte for byte."""

from __future__ import annotations

import hashlib
import io
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from pypdf import PdfReader

from communities.models import Area
from enterprises.models import Enterprise
from party.models import PartyMove
from tests.factories import make_transfer, staff_of
from transfers import overview, reports, workflow
from transfers.deadlines import Clock
from transfers.models import MonthlyReport, StepLimit, Transfer, TransferStep
from transfers.refusal import Refused
from xianning import demo, walk
from xianning.models import AuditEvent, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))


def place(code: str) -> Area:
    return Area.objects.get(pk=code)


def gzw() -> User:
    return User.objects.get(username="gzw")


def _far() -> Transfer:
    """Somebody of the city's enterprise who was handed over to 赤壁市, all of him."""
    people = staff_of("qiye") | {
        role: User.objects.get(username=f"{name}_chibi")
        for role, name in (("insurance", "shebao"), ("community", "shequ"))
    }
    return walk.to(make_transfer(community=demo.BEIJIE), "done", people)


def _at(day: date) -> Any:
    return time_machine.travel(timezone.make_aware(datetime(day.year, day.month, day.day, 10)))


def _sum(content: dict[str, Any], key: str) -> int:
    people = reports.tables(content)[1]
    return people.total[key]


def _line(content: dict[str, Any], where: str) -> dict[str, Any]:
    (line,) = [line for line in content["people"] if line["place"] == where]
    return line


def test_a_month_that_is_over_is_told_as_its_last_day_was() -> None:
    with _at(date(2026, 9, 7)):
        walked = make_transfer(at="done", party_member=True)
        waiting = make_transfer(at="verify", party_member=True)
        make_transfer(at="deliver", extra_benefits="企业补贴")
    with _at(date(2026, 10, 12)):
        workflow.end(waiting, by=User.objects.get(username="qiye"), code="other", reason="误报。")
        _far()
    with _at(date(2026, 11, 20)):
        old, new = (reports.figures(place(demo.CITY), month) for month in (SEPTEMBER, OCTOBER))
        now = reports.figures(place(demo.CITY), NOVEMBER)
    assert (old["day"], new["day"], now["day"]) == ("2026-09-30", "2026-10-31", "2026-11-20")
    wanted = {"filed": 3, "verify": 2, "confirm": 2, "community": 1, "card": 1, "archives": 1,
              "members": 2, "party": 1, "receipts": 1, "extra": 1}  # fmt: skip
    assert {key: _sum(old, key) for key in wanted} == wanted
    later = wanted | {"verify": 3, "confirm": 3, "community": 2, "card": 2, "archives": 2,
                      "members": 1}  # fmt: skip
    for content in (new, now):
        assert {key: _sum(content, key) for key in wanted} == later
        assert _line(content, "赤壁市")["community"] == 1
        assert _line(content, "咸安区")["community"] == 1
    # A receipt counts from its day on, and not any more when its letter is void.
    PartyMove.objects.filter(transfer=walked).update(receipt_on=date(2026, 10, 2))
    with _at(date(2026, 11, 20)):
        assert _sum(reports.figures(place(demo.CITY), SEPTEMBER), "receipts") == 0
        assert _sum(reports.figures(place(demo.CITY), OCTOBER), "receipts") == 1


def test_enterprises_count_from_their_confirmation_to_their_removal() -> None:
    today = timezone.localdate()
    entry = Enterprise.objects.filter(authority_id=demo.CITY).confirmed().first()
    assert entry is not None
    month = today.replace(day=1)

    def listed(code: str) -> tuple[int, int, int]:
        total = reports.tables(reports.figures(place(code), month))[0].total
        return total["listed"], total["agreed"], total["retirees"]

    of_city = Enterprise.objects.filter(authority_id=demo.CITY).confirmed()
    of_all = Enterprise.objects.confirmed()
    for code, rows in ((demo.CITY, of_all), (demo.XIANAN, of_all.filter(authority_id=demo.XIANAN))):
        agreed = sum(1 for e in rows if e.agreement_on and e.agreement_on <= today)
        assert listed(code) == (len(rows), agreed, sum(e.retiree_count or 0 for e in rows))
    before = listed(demo.CITY)
    Enterprise.objects.filter(pk=entry.pk).update(removed_on=today)
    assert listed(demo.CITY)[0] == before[0] - 1
    Enterprise.objects.filter(pk=entry.pk).update(removed_on=today + timedelta(days=1))
    assert listed(demo.CITY) == before
    unread = {"acknowledged_at": None, "acknowledged_by": None}
    Enterprise.objects.filter(pk=entry.pk).update(confirmed_at=None, confirmed_by=None, **unread)
    assert listed(demo.CITY)[0] == before[0] - 1 == of_city.count() + of_all.exclude(
        authority_id=demo.CITY).count()  # fmt: skip


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "–"), (0, 7, "0.0%"), (2, 3, "66.6%"), (9999, 10000, "99.9%"), (5, 5, "100.0%")],
)
def test_a_share_is_never_rounded_up(part: int, whole: int, words: str) -> None:
    assert reports.share(part, whole) == words


def test_what_was_signed_stays_byte_for_byte_and_a_correction_is_a_revision(
    sign_in: Callable[[str], Client],
) -> None:
    make_transfer(at="done")
    month = timezone.localdate().replace(day=1)
    client = sign_in("gzw")
    url = reverse("transfers:report_sign", args=[demo.CITY])
    refused = client.post(url, {"month": f"{month:%Y-%m}", "leader": ""})
    assert refused.status_code == 422
    typed = {"month": f"{month:%Y-%m}", "leader": "赵主任"}
    page = client.post(url, typed)
    report = MonthlyReport.objects.get()
    address = report.get_absolute_url()
    assert page["Location"] == address
    assert AuditEvent.objects.filter(action="monthly_report", object_id=str(report.pk)).exists()
    files = {kind: client.get(f"{address}?format={kind}").content for kind in ("pdf", "xlsx")}
    assert hashlib.sha256(files["pdf"]).hexdigest() == report.digest
    text = "".join(p.extract_text() for p in PdfReader(io.BytesIO(files["pdf"])).pages)
    text = "".join(text.split())
    for words in ("情况月报表", "赵主任", "应移交人数", "（盖章）"):
        assert words in text
    sheet = load_workbook(io.BytesIO(files["xlsx"]))["人员、档案、党组织关系"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert rows[0][2] == "应移交人数"
    assert rows[-1][2] == _sum(report.content, "filed") == 1

    make_transfer(at="done")
    twice = client.post(url, typed)
    assert twice.status_code == 422
    assert "已经定稿" in twice.content.decode()
    client.post(url, typed | {"reason": "漏报一人"})
    second = MonthlyReport.objects.get(revision=2)
    assert _sum(second.content, "filed") == 2
    assert "更正的一版" in client.get(report.get_absolute_url()).content.decode()
    assert "更正的一版" not in client.get(second.get_absolute_url()).content.decode()
    for kind, content in files.items():
        assert client.get(f"{address}?format={kind}").content == content
    for change in (lambda: MonthlyReport.objects.update(leader="钱"), report.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_months_are_compared_with_the_last_revision_of_the_month_before() -> None:
    with _at(date(2026, 10, 30)):
        make_transfer(at="done")
        reports.sign(place(demo.CITY), OCTOBER, by=gzw(), leader="赵主任")
        make_transfer(at="verify")
        again = reports.sign(place(demo.CITY), OCTOBER, by=gzw(), leader="赵主任", reason="补报")
    with _at(date(2026, 11, 3)):
        make_transfer(at="verify")
        assert reports.report_before(place(demo.CITY), NOVEMBER) == again
        content = reports.figures(place(demo.CITY), NOVEMBER)
        found = {h: rest for h, *rest in reports.compared(content, again.content)}
        assert found["应移交人数"] == [3, 2, 1]
        assert reports.compared(content, None) == []
        assert reports.report_before(place(demo.XIANAN), NOVEMBER) is None


@pytest.mark.parametrize(
    ("month", "words"),
    [(date(2021, 10, 1), "此前没有月报"), (date(2099, 1, 1), "以后的月份")],
)
def test_a_month_without_figures_cannot_be_signed(month: date, words: str) -> None:
    with pytest.raises(Refused, match=words):
        reports.sign(place(demo.CITY), month, by=gzw(), leader="赵主任")
    assert not MonthlyReport.objects.exists()


def test_two_officers_who_sign_at_once_leave_one_report(monkeypatch: pytest.MonkeyPatch) -> None:
    month = timezone.localdate().replace(day=1)
    paper = reports._paper

    def slow(report: MonthlyReport) -> bytes:
        monkeypatch.setattr(reports, "_paper", paper)
        reports.sign(place(demo.CITY), month, by=gzw(), leader="先到")
        return paper(report)

    monkeypatch.setattr(reports, "_paper", slow)
    with pytest.raises(Refused, match="刚刚已有人"):
        reports.sign(place(demo.CITY), month, by=gzw(), leader="后到")
    assert MonthlyReport.objects.get().leader == "先到"


# --- 总览 -----------------------------------------------------------------------------------------


def test_the_overview_counts_people_where_they_are_received() -> None:
    make_transfer(at="done")
    make_transfer(at="community")
    _far()
    ended = make_transfer(at="verify")
    workflow.end(ended, by=User.objects.get(username="qiye"), code="other", reason="误报。")
    total, lines = overview.divisions(place(demo.CITY))
    assert (total["filed"], total["community"]) == (3, 2)
    assert {line.name: (line.counts["filed"], line.share) for line in lines if line.counts["filed"]} == {
        "咸安区": (2, 50), "赤壁市": (1, 100)
    }  # fmt: skip
    assert len(overview.tiles(lines)) == 6 == len({(t.x, t.y) for t in overview.tiles(lines)})
    shades = {tile.line.name: tile.shade for tile in overview.tiles(lines)}
    assert (shades["咸安区"], shades["赤壁市"], shades["通城县"]) == (2, 4, 0)
    total, lines = overview.divisions(place(demo.XIANAN))
    assert total["filed"] == 2 == sum(line.counts["filed"] for line in lines)
    assert overview.tiles(lines) == []
    street = place(f"{demo.GUIHUA[:9]}000")
    below = {line.code: line.counts["community"] for line in overview.divisions(street)[1]}
    assert below[demo.GUIHUA] == 1 == sum(below.values())


def test_check_ins_of_the_last_weeks_and_how_long_work_lies() -> None:
    today = date(2026, 11, 24)  # a Tuesday
    for day in (date(2026, 11, 23), date(2026, 11, 22), date(2026, 6, 1), date(2026, 5, 25)):
        with _at(day):
            make_transfer(at="done")
    for days, count in ((3, 1), (20, 2), (60, 1), (200, 1)):
        with _at(today - timedelta(days=days)):
            for _ in range(count):
                make_transfer(at="verify")
    with _at(today):
        weeks = overview.trend(place(demo.CITY), today)
        assert [week.count for week in weeks] == [1] + [0] * 23 + [1, 1]
        assert weeks[0].monday == date(2026, 6, 1)
        assert {week.height for week in weeks} == {0, 100}
        assert sum(w.count for w in overview.trend(place(demo.CHIBI), today)) == 0
        ages = {age.title: age.counts for age in overview.ages(place(demo.CITY), today)}
        assert ages == {workflow.STEPS["verify"].title: [1, 2, 1, 1]}
        assert overview.slow_desks(place(demo.CITY), Clock(today)) == []
        StepLimit.objects.create(authority_id=demo.CITY, step="verify", days=20, warn=3,
                                 basis="测试", set_by=gzw())  # fmt: skip
        (slow,) = overview.slow_desks(place(demo.CITY), Clock(today))
        assert (slow.count, slow.since) == (2, today - timedelta(days=200))
        late = Clock(today).overdue(
            TransferStep.objects.filter(step="verify", state="open"), "verify"
        )
        assert late.count() == 2
        assert overview.slow_desks(place(demo.CHIBI), Clock(today)) == []


@pytest.mark.parametrize(
    ("username", "code", "status"),
    [("gzw", "", 200), ("gzw", demo.GUIHUA, 404), ("gzw_chibi", demo.XIANAN, 404),
     ("gzw_chibi", "", 200), ("jiedao", demo.XIANAN, 404), ("jiedao", "", 200)],
)  # fmt: skip
def test_an_office_looks_at_its_own_place_and_below(
    sign_in: Callable[[str], Client], username: str, code: str, status: int
) -> None:
    page = sign_in(username).get(reverse("transfers:overview"), {"in": code} if code else {})
    assert page.status_code == status


def test_work_lies_at_the_county_of_its_enterprise_or_of_its_desk() -> None:
    make_transfer(at="confirm")  # waits for an enterprise in 咸安区
    today = timezone.localdate()
    title = workflow.STEPS["confirm"].title
    for code, wanted in ((demo.CITY, 1), (demo.XIANAN, 1), (demo.CHIBI, 0)):
        ages = {age.title: age.total for age in overview.ages(place(code), today)}
        assert ages.get(title, 0) == wanted, code


@pytest.mark.parametrize(
    ("username", "query", "status", "signs"),
    [("gzw", {"in": demo.CITY}, 200, True), ("gzw", {"in": demo.XIANAN}, 200, False),
     ("rs", {}, 200, False), ("gzw_chibi", {"in": demo.XIANAN}, 404, False),
     ("gzw", {"month": "2021-10"}, 404, False), ("gzw", {"month": "2099-01"}, 404, False),
     ("gzw", {"month": "2026-13"}, 404, False), ("gzw", {"month": "2021-11"}, 200, True)],
)  # fmt: skip
def test_the_figures_are_asked_by_place_and_month_and_signed_by_the_office_itself(
    sign_in: Callable[[str], Client], username: str, query: dict[str, str], status: int, signs: bool
) -> None:
    page = sign_in(username).get(reverse("transfers:reports"), query)
    assert page.status_code == status
    assert ("留存此月报" in page.content.decode()) == signs
