"""Uploads on their way into the vault and out again: scanner, quarantine, quota, full disk."""

from __future__ import annotations

import errno
import io
import os
import resource
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from tests.clamd import EICAR, FOUND, clamd
from tests.factories import enterprise_of, make_transfer
from tests.test_upload_pdfs import ACTIVE, made
from tests.workbooks import table
from transfers.models import ImportBatch, Scan, Transfer
from xianning import quarantine, uploads, vault, walk
from xianning.models import AccessLog, AuditEvent, Notice, Sequence
from xianning.sandbox import MB, Rejected
from xianning.uploads import intake, scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db
PNG = walk.picture_of_a_form()
NOWHERE = "unix:/nonexistent/clamd.ctl"


@pytest.fixture(autouse=True)
def _no_scanner(settings: Any) -> None:
    settings.CLAMD = ""
    settings.FILE_UPLOAD_HANDLERS = ["xianning.uploads.handlers.BoundedUploadHandler"]


def send(client: Client, case: Transfer, data: bytes = PNG, name: str = "签字表.png") -> Any:
    """Upload a scan on the page of the step, and confirm it when the page asks for that."""
    page = reverse("transfers:act", args=[case.pk, "confirm"])
    answers = walk.answers(case, "confirm")
    asked = client.post(page, answers | {"scan": SimpleUploadedFile(name, data)})
    if asked.status_code != 200:
        return asked
    token = asked.context["form"].data["scan_token"]
    assert client.post(page, answers | {"scan_token": token, "confirmed": "1"}).status_code == 302
    return asked


def fetch(client: Client, scan: Scan) -> Any:
    return client.post(reverse("transfers:scan", args=[scan.pk]))


def files() -> list[str]:
    """Names of everything in the vault."""
    root = Path(intake.settings.MEDIA_ROOT)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# The scanner


def test_the_scanner_gets_every_byte_over_either_kind_of_socket(
    settings: Any, tmp_path: Path
) -> None:
    large = os.urandom(3 * scanner.PIECE + 7)
    for place in (None, tmp_path / "clamd.ctl"):
        with clamd(place) as (settings.CLAMD, server):
            assert scanner.problem() is None
            assert [scanner.look(data) for data in (large, b"", b"x" + EICAR)] == [
                None,
                None,
                FOUND,
            ]
            assert server.seen == [large, b"", b"x" + EICAR]


@pytest.mark.parametrize(
    ("answer", "keeps"),
    [
        (None, None), (b"", 10), (b"ERROR\0", None), (b"stream: OK", None), (b"\0", None),
        (b"OK\0", None), (b"stream: FOUND\0", None), (b"x" * 100_000, None),
    ],
)  # fmt: skip
def test_no_clear_verdict_is_no_verdict(
    settings: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, keeps: int | None
) -> None:
    monkeypatch.setattr(scanner, "TOTAL_SECONDS", 0.3)
    started = time.monotonic()
    running = clamd(answer=answer, keeps=keeps)
    with running as (settings.CLAMD, _), pytest.raises(scanner.Unavailable):
        scanner.look(bytes(300_000))
    assert time.monotonic() - started < 2


def test_a_wrong_setting_is_told_and_lets_nothing_through(settings: Any) -> None:
    for setting in ("clamd", "unix:", "unix:relative", "tcp:host", "tcp:host:x", "tcp::3310",
                    "tcp:h:0", "tcp:h:65536", "http://h:1",
                    "tcp:10.0.0.5:3310", "tcp:scanner.example:3310", "tcp:[2001:db8::1]:3310",
                    "tcp:127.evil.example:3310"):  # fmt: skip
        settings.CLAMD = setting
        assert setting in (scanner.problem() or "")
        with pytest.raises(scanner.Unavailable):
            scanner.look(PNG)
    assert "在网络上明文传输" in (scanner.problem() or "")
    for setting in ("unix:/run/clamd.ctl", "tcp:localhost:3310", "tcp:127.0.0.1:1", "tcp:[::1]:1"):
        settings.CLAMD = setting
        assert scanner.problem() is None
    settings.CLAMD = ""
    assert scanner.problem() is None


def test_an_infected_upload_is_refused_noted_and_not_kept(
    sign_in: Callable[[str], Client], settings: Any, people: People
) -> None:
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    with clamd() as (settings.CLAMD, server):
        infected = PNG + EICAR
        page = send(client, case, infected)
        assert page.status_code == 422
        assert f"查杀程序在文件中发现病毒（{FOUND}），文件没有保存" in page.content.decode()
        assert server.seen == [infected]
    assert not Scan.objects.exists()
    assert files() == []
    event = AuditEvent.objects.get(action="upload_refused")
    assert (event.result, event.user_name, event.user_id) == (
        "refused", people["qiye"].full_name, people["qiye"].pk,
    )  # fmt: skip
    assert event.facts["malware"] == FOUND


def test_a_workbook_is_looked_through_too(
    people: People, settings: Any, sign_in: Callable[[str], Client]
) -> None:
    data = table(["姓名", EICAR.decode()])
    page = {"file": SimpleUploadedFile("名单.xlsx", data + EICAR)}
    with clamd() as (settings.CLAMD, _):
        answer = sign_in("qiye").post(reverse("transfers:import"), page)
    assert (answer.status_code, FOUND in answer.content.decode()) == (422, True)
    settings.CLAMD = NOWHERE
    page = {"file": SimpleUploadedFile("名单.xlsx", data)}
    answer = sign_in("qiye").post(reverse("transfers:import"), page)
    assert (answer.status_code, "查杀服务暂不可用" in answer.content.decode()) == (422, True)
    assert (ImportBatch.objects.count(), files()) == (0, [])


# Quarantine


@pytest.fixture
def quarantined(sign_in: Callable[[str], Client], settings: Any) -> Scan:
    """A scan filed while the scanner was away."""
    settings.CLAMD = NOWHERE
    asked = send(sign_in("qiye"), make_transfer(at="confirm"))
    assert "待查杀" in asked.content.decode()
    scan = Scan.objects.get()
    assert scan.quarantined
    return scan


def test_a_scan_that_was_not_looked_through_is_kept_but_not_opened(
    quarantined: Scan, sign_in: Callable[[str], Client]
) -> None:
    [name] = files()
    stored = (Path(intake.settings.MEDIA_ROOT) / name).read_bytes()
    assert b"PNG" not in stored[:64]
    for username in ("qiye", "shequ", "rs"):
        client = sign_in(username)
        page = client.get(quarantined.transfer.get_absolute_url()).content.decode()
        assert "待查杀：上传时病毒查杀服务不可用" in page
        assert reverse("transfers:scan", args=[quarantined.pk]) not in page
        refused = fetch(client, quarantined)
        assert refused.status_code == 423
        assert "查杀通过后才能打开" in refused.content.decode()
    assert not AccessLog.objects.exists()


def test_the_scanner_that_comes_back_releases_it(
    quarantined: Scan, sign_in: Callable[[str], Client], settings: Any
) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match="不可用"):
        call_command("rescan", stdout=out)
    settings.CLAMD = ""
    with pytest.raises(CommandError, match="没有设置 CLAMD"):
        call_command("rescan", stdout=out)
    assert quarantine.rescan() == (0, 0, 1)
    with clamd() as (settings.CLAMD, server):
        call_command("rescan", stdout=out)
        assert server.seen == [vault.get(quarantined.file)]
    assert "放行 1 件，销毁 0 件，仍待查杀 0 件" in out.getvalue()
    given = fetch(sign_in("shequ"), quarantined)
    assert (given.status_code, given.content[:4]) == (200, b"\x89PNG")
    assert AuditEvent.objects.filter(action="scan_released").count() == 1


def test_what_the_scanner_finds_later_is_destroyed_and_its_row_stays(
    quarantined: Scan, sign_in: Callable[[str], Client], settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    Scan.objects.update(file=vault.put(PNG + EICAR, "scans"))
    vault.remove(quarantined.file)
    with clamd() as (settings.CLAMD, _), django_capture_on_commit_callbacks(execute=True):
        quarantine.look_after_uploads()
    assert files() == []
    scan = Scan.objects.get()
    assert (scan.quarantined, scan.file, scan.sha256) == (False, "", quarantined.sha256)
    assert FOUND in scan.destroyed_why
    client = sign_in("qiye")
    answer = fetch(client, scan)
    assert (answer.status_code, FOUND in answer.content.decode()) == (410, True)
    assert "销毁" in client.get(scan.transfer.get_absolute_url()).content.decode()
    told = Notice.objects.get(text__contains="查出病毒")
    assert (told.role, told.enterprise) == ("enterprise", scan.transfer.enterprise)
    assert AuditEvent.objects.get(action="scan_destroyed").facts["malware"] == FOUND


def test_one_file_without_a_verdict_does_not_hold_up_the_others(
    quarantined: Scan, settings: Any
) -> None:
    other = Scan.objects.get()
    other.pk, other._state.adding = None, True
    other.id = Scan._meta.pk.get_default()
    other.file = vault.put(b"small", "scans")
    other.save()
    with clamd(keeps=100) as (settings.CLAMD, _):
        assert quarantine.rescan() == (1, 0, 1)
    assert Scan.objects.get(quarantined=True).pk == quarantined.pk


# Served


def test_a_scan_is_served_by_the_checked_view_only_and_is_inert(
    sign_in: Callable[[str], Client],
) -> None:
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    asked = send(client, case, made(ACTIVE["script on opening"][0]), "签字\u202eFDP.表.pdf")
    assert "已移除：动作" in asked.content.decode()
    scan = Scan.objects.get()
    assert scan.original_name == "签字FDP.表.pdf"
    given = fetch(client, scan)
    assert given.status_code == 200
    assert (given["Content-Type"], given["X-Content-Type-Options"]) == (
        "application/pdf",
        "nosniff",
    )
    assert given["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert given["Content-Disposition"].startswith("attachment; filename*=UTF-8''%E7%AD%BE")
    assert "no-store" in given["Cache-Control"]
    assert given["Cross-Origin-Resource-Policy"] == "same-origin"
    assert b"/JavaScript" not in given.content
    assert vault.digest(given.content) == scan.sha256
    assert client.get(reverse("transfers:scan", args=[scan.pk])).status_code == 405
    assert fetch(sign_in("qiye_chibi"), scan).status_code == 404
    for path in (f"/media/{scan.file}", f"/{scan.file}", f"/var/media/{scan.file}",
                 f"/static/../var/media/{scan.file}", f"/static/%2e%2e/media/{scan.file}"):  # fmt: skip
        assert client.get(path).status_code == 404


def test_a_stored_file_that_is_missing_or_altered_is_told_and_not_given(
    sign_in: Callable[[str], Client],
) -> None:
    client = sign_in("qiye")
    send(client, make_transfer(at="confirm"))
    scan = Scan.objects.get()
    path = Path(intake.settings.MEDIA_ROOT) / scan.file
    altered = bytearray(path.read_bytes())
    altered[-1] ^= 1
    path.write_bytes(altered)
    assert "缺失或被改动" in fetch(client, scan).content.decode()
    path.unlink()
    assert fetch(client, scan).status_code == 410
    assert not AccessLog.objects.exists()


# Quota and room


def test_one_person_uploads_so_much_a_day_and_no_more(
    sign_in: Callable[[str], Client], settings: Any, people: People
) -> None:
    settings.UPLOAD_DAILY_MB = 1
    case, client = make_transfer(at="confirm", clerk="qiye"), sign_in("qiye")
    Sequence.objects.filter(key__startswith="upload/").delete()
    padded = PNG + bytes(500 * 1024)
    for _ in range(2):
        uploads.admit(padded, "a.png", people["qiye"])
    refused = send(client, case, padded)
    assert refused.status_code == 422
    assert "今天上传的文件合计已达上限 1 MB" in refused.content.decode()
    assert (Scan.objects.count(), files()) == (0, [])
    uploads.admit(padded, "a.png", people["qiye_chibi"])
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        uploads.admit(padded, "a.png", people["qiye"])
        assert intake.forget_old_counts() == 2
        assert intake.forget_old_counts() == 0
    with pytest.raises(Rejected, match="内容是纯文本"):
        uploads.admit(b"a" * 1024, "a.png", people["rs"])
    assert Sequence.objects.get(key__endswith=f"/{people['rs'].pk}").last == 1  # it counted


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow over SIZE: the write breaks off in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(65536), pytest.raises(Rejected, match="存储空间已满"):
        intake.store(os.urandom(300_000), "scans")
    assert files() == []
    case, client = make_transfer(at="confirm"), sign_in("qiye")

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(vault, "put", full)
        refused = send(client, case)
        assert (refused.status_code, intake.FULL in refused.content.decode()) == (422, True)
        workbook = {"file": SimpleUploadedFile("名单.xlsx", table(["姓名", "身份证号"]))}
        refused = client.post(reverse("transfers:import"), workbook)
        assert (refused.status_code, intake.FULL in refused.content.decode()) == (422, True)
    monkeypatch.setattr(intake.shutil, "disk_usage", lambda _: type("Usage", (), {"free": MB}))
    assert intake.FULL in send(client, case).content.decode()
    assert (Scan.objects.count(), ImportBatch.objects.count(), files()) == (0, 0, [])
    monkeypatch.undo()
    assert send(client, case).status_code == 200  # and it goes on afterwards


def test_what_arrives_is_never_written_in_the_clear_and_too_much_is_not_kept(
    sign_in: Callable[[str], Client], settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = "/nonexistent"  # a temporary file could not be made
    case, client = make_transfer(at="confirm"), sign_in("qiye")
    large = made() + b"\n%" + b"x" * (9 * MB) + b"\n%%EOF\n"
    assert send(client, case, large, "大.pdf").status_code == 200
    case = make_transfer(at="confirm")
    for size, sentence in ((11, "11.0 MB，超过上限 10 MB"), (24, "24.0 MB，超过上限 10 MB")):
        refused = send(client, case, bytes(size * MB))
        assert (refused.status_code, sentence in refused.content.decode()) == (422, True)


# Leftovers


def test_uploads_that_were_never_filed_go_and_filed_ones_stay(
    sign_in: Callable[[str], Client], settings: Any
) -> None:
    client = sign_in("qiye")
    send(client, make_transfer(at="confirm"))
    filed = Scan.objects.get().file
    batch = ImportBatch.objects.create(
        enterprise=enterprise_of("qiye"), uploaded_by=Scan.objects.get().uploaded_by,
        file_name="a.xlsx", sha256="", file=vault.put(b"x", "imports"),
    )  # fmt: skip
    left = {age: vault.put(PNG, "scans") for age in (1, 3, 80)}
    for name, age in ((filed, 3), (batch.file, 3), *((n, a) for a, n in left.items())):
        moment = time.time() - age * 3600
        os.utime(Path(settings.MEDIA_ROOT) / name, (moment, moment))
    assert quarantine.remove_leftovers() == 1
    assert files() == sorted([filed, batch.file, left[1], left[80]])
    # Files beside a database that knows none of them are not leftovers.
    moment = time.time() - 3 * 3600
    for _ in range(quarantine.SUSPICIOUS + 10):
        os.utime(Path(settings.MEDIA_ROOT) / vault.put(b"x", "scans"), (moment, moment))
    before = files()
    assert quarantine.remove_leftovers() == 0
    assert files() == before
