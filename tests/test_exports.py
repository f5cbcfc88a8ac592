"""What leaves the building: a serial on every sheet, a second person above a number, one download."""

from __future__ import annotations

import io
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from pypdf import PdfReader

from tests.factories import make_many, make_transfer
from tests.giving import REASON, ask, fetch
from tests.test_concurrency import race
from xianning import access, exports, jobs, serials, vault
from xianning.models import AccessLog, AuditEvent, Export, ExportedPerson, Job, Notice, Office, User
from xianning.roster import ROWS_A_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


State = Export.State
THREADS = 8


def _approve(export: Export, by: str = "anquan") -> Export:
    user = User.objects.get(username=by)
    return exports.decide(export, approve=True, answer="已核对用途", by=user)


def _in_words(pdf: bytes, page: int) -> str:
    run = ["pdftotext", "-f", str(page), "-l", str(page), "-layout", "-", "-"]
    return subprocess.run(run, input=pdf, capture_output=True, check=True).stdout.decode()


# --- serial, watermark, trace -------------------------------------------------------------------


def test_a_serial_finds_every_slip_of_one_or_two_characters() -> None:
    serial = serials.new()
    assert serials.find(f"页脚 编号 {serial.lower()}　个人信息已脱敏") == [serial]
    assert (
        serials.find(serial.replace("-", " ")) == serials.find(serial.replace("-", "")) == [serial]
    )
    bare = serial.replace("-", "")
    wrong = {bare[:i] + other + bare[i + 1 :]
             for i in range(13) for other in serials.ALPHABET if other != bare[i]}  # fmt: skip
    for i in range(12):
        for j in range(i + 1, 12):
            swapped = list(bare)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            wrong.add("".join(swapped))
    wrong.discard(bare)
    assert len(wrong) > 13 * 30
    assert [text for text in wrong if serials.find(text)] == []
    assert len({serials.new() for _ in range(2000)}) == 2000


@pytest.mark.django_db
def test_the_serial_stands_on_every_page_and_sheet_and_leads_back_to_the_reason(
    press: Callable[..., Any],
) -> None:
    people = make_many(ROWS_A_PAGE + 1)
    for format_ in ("pdf", "xlsx"):
        export = ask("qiye", "transfers", format_)
        file = exports.make(export, lambda *_: None)
        serial = export.serial
        exports.keep(export, file)
        if format_ == "pdf":
            reader = PdfReader(io.BytesIO(file.data))
            assert len(reader.pages) == 2
            for number in (1, 2):
                words = _in_words(file.data, number)
                line = next(line for line in words.splitlines() if f"编号 {serial}" in line)
                assert "华经办" in line
                assert "退管科" in line
                assert f"{timezone.localtime(export.log.at):%Y-%m-%d %H:%M}" in line
                assert f"第{number}页共2页" in words.replace(" ", "")
            assert reader.metadata is not None
            assert serial in str(reader.metadata["/Keywords"])
        else:
            book = load_workbook(io.BytesIO(file.data))
            for sheet in book.worksheets:
                head = str(sheet["A2"].value)
                assert serial in head
                assert "华经办" in head
                assert "退管科" in head
                assert f"{timezone.localtime(export.log.at):%Y-%m-%d %H:%M}" in head
                assert sheet.print_title_rows == "$1:$3"  # the line stands on every printed page
                assert serial in sheet.oddFooter.center.text
            assert book.properties.keywords == book.properties.identifier == serial
        export.refresh_from_db()
        assert export.sha256 == vault.digest(file.data)
        assert set(export.people.values_list("transfer", flat=True)) == {p.pk for p in people}
        log = AccessLog.objects.get(export__serial=serial)
        assert (log.user.username, log.reason, log.rows) == ("qiye", REASON, len(people))
        event = AuditEvent.objects.get(action="export", facts__log=str(log.pk))
        assert serial in event.facts["what"]
        made = AuditEvent.objects.get(action="export_made", facts__serial=serial)
        assert (made.facts["rows"], made.facts["sha256"]) == (len(people), export.sha256)


@pytest.mark.django_db
def test_dates_narrow_a_roster_and_the_narrowing_is_on_record() -> None:
    make_transfer()
    today = timezone.localdate()
    inside = ask("qiye", "transfers", since=today, until=today)
    outside = ask("qiye", "transfers", until=today - timedelta(days=1))
    assert (inside.rows, outside.rows) == (1, 0)
    assert inside.filters["since"] == today.isoformat()
    event = AuditEvent.objects.get(action="export", facts__log=str(inside.log_id))
    assert f"建案日期 {today} 至 {today}" in event.facts["what"]
    assert exports.make(inside, lambda *_: None).rows == 1


# --- one download -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_file_is_fetched_once_by_its_owner_and_is_gone(
    press: Callable[..., Any], sign_in: Any
) -> None:
    case = make_transfer(at="done")
    form = {"format": "xlsx", "clear": "1", "reason": REASON, "token": "a1"}
    page = press("shequ", "roster_export", "ledger", **form)
    export = Export.objects.get()
    assert page["Location"] == reverse("export", args=[export.pk])
    assert export.job is not None
    assert export.job.state == "done", export.job.message
    shown = sign_in("shequ").get(page["Location"]).content.decode()
    assert export.serial in shown
    assert case.retiree.name not in shown
    assert sign_in("shequ").get(reverse("job_result", args=[export.job.pk])).status_code == 302
    for stranger in ("jiedao", "anquan", "shenji"):
        assert fetch(stranger, export, press).status_code == 404
    first = fetch("shequ", export, press)
    export.refresh_from_db()
    assert (export.state, vault.digest(first.content)) == (State.FETCHED, export.sha256)
    assert export.serial in first["Content-Disposition"]
    assert "no-store" in first["Cache-Control"]
    again = fetch("shequ", export, press)
    assert again.status_code == 410
    assert "只能下载一次" in again.content.decode()
    assert AuditEvent.objects.filter(action="export_fetched").count() == 1
    # A file of another kind of work may be fetched again and again.
    name = vault.put(b"report", jobs.FOLDER)
    report = Job.objects.create(kind="import_check", title="检查", owner=export.owner, state="done",
                                result_file=name, result_name="报告.xlsx",
                                finished_at=timezone.now())  # fmt: skip
    address = reverse("job_result", args=[report.pk])
    assert [sign_in("shequ").get(address).content for _ in range(2)] == [b"report"] * 2


@pytest.mark.django_db
def test_a_file_nobody_fetches_is_over_after_a_day(
    press: Callable[..., Any],
) -> None:
    make_transfer(at="done")
    press("shequ", "roster_export", "ledger", format="xlsx", clear="0", token="a")
    export = Export.objects.get()
    assert export.job is not None
    file = export.job.result_file
    assert vault.get(file)
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1)):
        answer = fetch("shequ", export, press)  # before anybody has cleaned up
        assert answer.status_code == 410
        assert "已过下载期限" in answer.content.decode()
        assert [exports.expire(), exports.expire()] == [1, 0]
    export.refresh_from_db()
    assert export.state == State.EXPIRED
    assert Job.objects.get(pk=export.job.pk).result_file == ""
    assert AuditEvent.objects.filter(action="export_expired").count() == 1


@pytest.mark.django_db
def test_an_altered_file_is_not_given_out(press: Callable[..., Any]) -> None:
    make_transfer(at="done")
    press("shequ", "roster_export", "ledger", format="xlsx", clear="0", token="a")
    export = Export.objects.get()
    Export.objects.update(sha256="0" * 64)
    assert fetch("shequ", export, press).status_code == 410


# --- the second person --------------------------------------------------------------------------


@pytest.mark.django_db
def test_one_row_too_many_waits_for_a_second_person(
    press: Callable[..., Any], sign_in: Any, settings: Any
) -> None:
    settings.EXPORT_ROWS_ALONE = 2
    cases = [make_transfer(at="done") for _ in range(2)]
    form = {"format": "xlsx", "clear": "1", "reason": REASON}
    press("shequ", "roster_export", "ledger", **form, token="1")
    assert Export.objects.get().state == State.MADE
    cases.append(make_transfer(at="done"))
    press("shequ", "roster_export", "ledger", **form, token="2")
    export = Export.objects.get(state=State.ASKED)
    assert (export.rows, export.job) == (3, None)
    press("shequ", "roster_export", "ledger", format="xlsx", clear="0", token="3")
    assert Export.objects.get(clear=False).state == State.MADE  # masked: ten times as many
    told = Notice.objects.visible_to(User.objects.get(username="anquan")).get()
    assert export.serial in told.text
    # The approver sees who, what and why, and no retiree.
    page = sign_in("anquan").get(reverse("export", args=[export.pk])).content.decode()
    for fact in ("王社区", "桂花路社区居民委员会", "管理台账", REASON, export.serial, "核准意见"):
        assert fact in page, fact
    listed = sign_in("anquan").get(reverse("exports")).content.decode()
    assert export.serial in listed
    for case in cases:
        assert case.retiree.name not in page + listed
        assert case.number not in page + listed
    assert (
        press("anquan", "export_decide", export.pk, decision="yes", answer="好").status_code == 422
    )
    for stranger in ("shequ", "guanli", "shenjiguan", "shenji", "gzw"):
        answer = press(stranger, "export_decide", export.pk, decision="yes", answer="我来核准")
        assert answer.status_code == 403, stranger
    press("anquan", "export_decide", export.pk, decision="yes", answer="已核对用途")
    export.refresh_from_db()
    assert export.decided_by is not None
    assert (export.state, export.decided_by.username) == (State.MADE, "anquan")
    assert export.job is not None
    assert (export.job.owner.username, export.people.count()) == ("shequ", 3)
    own = Notice.objects.visible_to(export.owner).filter(text__contains=export.serial).get()
    assert "已核准" in own.text
    assert fetch("shequ", export, press).content[:2] == b"PK"
    assert fetch("anquan", export, press).status_code == 404
    actions = AuditEvent.objects.filter(object_id=export.pk).values_list("action", flat=True)
    assert {"export_approved", "export_made", "export_fetched"} <= set(actions)


@pytest.mark.django_db
def test_a_refusal_carries_its_sentence_and_nobody_decides_twice(
    press: Callable[..., Any], settings: Any, sign_in: Any
) -> None:
    settings.EXPORT_ROWS_ALONE = 0
    make_transfer(at="done")
    export = ask()
    press("anquan", "export_decide", export.pk, decision="no", answer="用途不明，请补充")
    export.refresh_from_db()
    assert (export.state, export.job) == (State.REFUSED, None)
    assert "用途不明" in Notice.objects.visible_to(export.owner).filter(
        text__contains=export.serial).get().text  # fmt: skip
    assert "用途不明" in sign_in("shequ").get(reverse("export", args=[export.pk])).content.decode()
    with pytest.raises(exports.Refused, match="无须再办"):
        _approve(export)
    assert not Job.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("by", "sentence"),
    [("shequ", "申请人不能核准"), ("guanli", "由安全管理员核准"), ("shenji", "由安全管理员核准")],
)
def test_only_a_second_person_with_the_right_decides(by: str, sentence: str, settings: Any) -> None:
    """Said by the rule itself, whichever page or command asks."""
    settings.EXPORT_ROWS_ALONE = 0
    make_transfer(at="done")
    with pytest.raises(exports.Refused, match=sentence):
        _approve(ask(), by=by)


# Who, which roster, with whole values, reason → the sentence, or nothing (第十一条).
WISHES = [
    ("shequ", "ledger", True, REASON, ""),
    ("shequ", "party", False, "", "不使用《"),
    ("yibao", "transfers", False, "", "不使用《"),
    ("shenji", "transfers", False, "", ""),
    ("shenji", "transfers", True, REASON, "只能导出脱敏的名册"),
    ("shequ", "ledger", True, "核对", "须填写理由"),
    ("shequ", "ledger", False, "", ""),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("username", "name", "clear", "reason", "sentence"), WISHES)
def test_a_roster_is_given_to_its_own_office_with_a_reason_and_masked_to_auditors(
    username: str, name: str, clear: bool, reason: str, sentence: str, monkeypatch: Any
) -> None:
    user, roster = User.objects.get(username=username), exports.ROSTERS[name]
    found = exports.why_not(user, roster, clear=clear, reason=reason) or ""
    assert sentence in found
    assert bool(sentence) == bool(found)
    if sentence:
        with pytest.raises(exports.Refused, match=sentence):
            ask(username, name, clear=clear, reason=reason)
    monkeypatch.setattr(user, "is_active", False)
    stopped = exports.why_not(user, roster, clear=clear, reason=reason)
    assert stopped == "导出人的账号已停用。"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("username", "name", "reason", "at"),
    [("shequ", "ledger", "核对", "reason"), ("shenji", "transfers", REASON, "clear")],
)
def test_the_page_says_at_its_field_why_nothing_is_given(
    username: str, name: str, reason: str, at: str, press: Callable[..., Any]
) -> None:
    page = press(username, "roster_export", name, format="xlsx", clear="1", reason=reason)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [at]
    assert not Export.objects.exists()


@pytest.mark.django_db
def test_too_many_rows_and_an_office_without_the_right_are_refused(monkeypatch: Any) -> None:
    make_transfer(at="done")
    for format_, limit in (("xlsx", "XLSX_LIMIT"), ("pdf", "PDF_LIMIT")):
        monkeypatch.setattr(exports, limit, 0)
        with pytest.raises(exports.Refused, match="共 1 行，超过 0 行"):
            ask(format_=format_)
    monkeypatch.setattr(access.Scope, "rights", frozenset({"reveal_private"}))
    with pytest.raises(exports.Refused, match="您的岗位没有导出权限"):
        ask()


@pytest.mark.django_db
def test_slices_of_one_roster_add_up_and_growth_is_asked_for_again(settings: Any) -> None:
    settings.EXPORT_ROWS_ALONE = 2
    for _ in range(2):
        make_transfer()
    today = timezone.localdate()
    assert ask("qiye", "transfers", since=today).state == State.APPROVED
    assert ask("qiye", "transfers", since=today).state == State.APPROVED  # the same once more
    assert ask("qiye", "transfers", until=today).state == State.ASKED
    grows = Export.objects.filter(state=State.APPROVED).first()
    assert grows is not None
    make_transfer()
    with pytest.raises(exports.Refused, match="由 2 行增至 3 行"):
        exports.make(grows, lambda *_: None)


def _leave_the_office(user: User) -> None:
    for office in Office.objects.filter(users=user):
        office.dismiss(user)


def _lose_the_account(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _move_elsewhere(user: User) -> None:
    _leave_the_office(user)
    Office.objects.get(users__username="shequ_wannian").admit(user)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("withdraw", "sentence"),
    [(_leave_the_office, "不使用"), (_lose_the_account, "已停用"), (_move_elsewhere, "已经变更")],
)
def test_a_withdrawal_acts_before_the_approval_the_work_and_the_download(
    withdraw: Callable[[User], None],
    sentence: str,
    settings: Any,
    sign_in: Any,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    settings.EXPORT_ROWS_ALONE = 0
    make_transfer(at="done")
    asked, approved, made = ask(), ask(), ask()
    with django_capture_on_commit_callbacks(execute=True):
        made = _approve(made)
    made.refresh_from_db()
    assert made.state == State.MADE
    approved = _approve(approved)  # queued, the work has not begun
    client = sign_in("shequ")
    withdraw(User.objects.get(username="shequ"))
    with pytest.raises(exports.Refused, match=sentence):
        _approve(asked)
    assert approved.job is not None
    jobs.run_job.call(str(approved.job.pk))
    approved.refresh_from_db()
    assert (approved.state, approved.people.count()) == (State.FAILED, 0)
    work = Job.objects.get(pk=approved.job.pk)
    assert (work.state, work.result_file) == ("failed", "")
    assert sentence in work.message
    assert made.job is not None
    answer = client.post(reverse("job_result", args=[made.job.pk]))
    assert answer.status_code in (302, 403)
    if answer.status_code == 302:
        assert reverse("sign_in") in answer["Location"]
    made.refresh_from_db()
    assert made.state == State.MADE  # not used up
    assert Job.objects.get(pk=made.job.pk).result_file


# --- twice at once ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_double_click_makes_one_export(press: Callable[..., Any]) -> None:
    make_transfer(at="done")
    form = {"format": "xlsx", "clear": "0", "reason": "", "token": "same"}
    pages = {press("shequ", "roster_export", "ledger", **form)["Location"] for _ in range(3)}
    assert (len(pages), Export.objects.count(), Job.objects.count()) == (1, 1, 1)
    assert AccessLog.objects.filter(kind="export").count() == 1
    press("shequ", "roster_export", "ledger", **form | {"token": "other"})
    press("jiedao", "roster_export", "ledger", **form)  # another person with the same token
    assert Export.objects.count() == 3


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_eight_at_once_make_one_export_one_decision_and_one_download(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_enqueue", lambda _job: None)  # the work is done below
    make_transfer(at="done")
    user = User.objects.get(username="shequ")
    wish = exports.Wish(exports.ROSTERS["ledger"], "xlsx", True, REASON)
    settings.EXPORT_ROWS_ALONE = 0

    def press_export() -> object:
        return exports.ask(User.objects.get(pk=user.pk), wish, token="t").pk

    asked = race([press_export] * THREADS)
    export = Export.objects.get()
    assert asked == [export.pk] * THREADS
    second = User.objects.create(username="anquan2", full_name="第二安全")
    Office.objects.get(users__username="anquan").admit(second)
    names = iter(["anquan", "anquan2"] * THREADS)
    decided = race([lambda: _approve(Export.objects.get(), next(names))] * THREADS)
    refusals = [result for result in decided if isinstance(result, exports.Refused)]
    assert len(refusals) == THREADS - 1, decided
    assert (Job.objects.count(), AuditEvent.objects.filter(action="export_approved").count()) == (
        1,
        1,
    )
    jobs.run_job.call(str(Job.objects.get().pk))
    export.refresh_from_db()
    assert export.state == State.MADE
    files = race([lambda: exports.fetch(Export.objects.get(), by=user)] * THREADS)
    assert sorted(type(file).__name__ for file in files) == ["NoneType"] * (THREADS - 1) + ["bytes"]


@pytest.mark.django_db
def test_the_command_leaves_the_same_traces_and_waits_for_the_second_person(
    tmp_path: Path, settings: Any
) -> None:
    case = make_transfer(at="done")
    out = tmp_path / "台账.xlsx"
    options = {"format": "xlsx", "username": "shequ", "out": out, "clear": True, "reason": REASON}
    with open("/dev/null", "w") as quiet:
        call_command("export_roster", "ledger", **options, stdout=quiet, stderr=quiet)
    export = Export.objects.get()
    assert (export.state, export.sha256) == (State.FETCHED, vault.digest(out.read_bytes()))
    assert [each.transfer for each in ExportedPerson.objects.all()] == [case]
    assert AuditEvent.objects.get(action="export_made").user == export.owner
    settings.EXPORT_ROWS_ALONE = 0
    out.unlink()
    with pytest.raises(CommandError, match="须由安全管理员核准"):
        call_command("export_roster", "ledger", **options)
    assert not out.exists()
    assert Export.objects.filter(state=State.ASKED).count() == 1
