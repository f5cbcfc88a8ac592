"""Background work: told in words, done once, taken over from a dead worker, given to its owner."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as project
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from xianning import jobs, privacy, vault
from xianning.models import Job, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def work() -> Iterator[dict[str, Any]]:
    """Kinds of work that a test adds are gone afterwards."""
    before = dict(jobs._WORK)
    yield jobs._WORK
    jobs._WORK.clear()
    jobs._WORK.update(before)


def _job(kind: str = "test", **facts: Any) -> Job:
    owner = User.objects.get(username="qiye")
    facts.setdefault("back_url", "/rosters/transfers/")
    return Job.objects.create(kind=kind, title="试验", owner=owner, **facts)


def test_a_job_ends_done_with_its_file(work: dict[str, Any]) -> None:
    work["test"] = lambda progress, word: jobs.Result(word.encode(), "结果.txt")
    made = _job(params={"word": "好"})
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.result_name, made.attempt) == ("done", "结果.txt", 1)
    assert vault.get(made.result_file) == "好".encode()
    jobs.run_job.call(str(made.pk))  # called twice by the queue: nothing happens
    made.refresh_from_db()
    assert made.attempt == 1


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (Rejected("文件损坏。"), "文件损坏。"),
        (ValidationError(["缺少姓名。", "日期不对。"]), "缺少姓名。；日期不对。"),
        (Rejected("长" * 400), "长" * 300),
    ],
)
def test_a_refusal_is_told_in_its_own_words(
    work: dict[str, Any], problem: Exception, sentence: str
) -> None:
    def fail(progress: jobs.Progress) -> None:
        raise problem

    work["test"] = fail
    made = _job()
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.message) == ("failed", sentence)


@pytest.mark.parametrize("problem", [KeyError("id_number 421299"), ValueError("'421299' is bad")])
def test_a_fault_is_told_without_data_and_logged_under_the_told_reference(
    work: dict[str, Any], problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(progress: jobs.Progress) -> None:
        with transaction.atomic():
            progress.job.owner.full_name = "undone"
            progress.job.owner.save()
            progress.step(3, 9)
            raise problem

    work["test"] = fail
    made = _job()
    with caplog.at_level(logging.ERROR, "xianning.jobs"):
        jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.done, made.total) == ("failed", 3, 9)  # not undone with the work
    assert made.owner.full_name != "undone"
    assert "421299" not in made.message
    (entry,) = caplog.records
    reference = made.message.partition("编号 ")[2].rstrip("。")
    assert len(reference) == 8
    assert reference in entry.getMessage()
    assert entry.exc_info
    assert entry.exc_info[1] is problem


def test_a_submitted_job_runs_once_the_transaction_is_committed(
    work: dict[str, Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    work["test"] = lambda progress, word: jobs.Result(word.encode(), "x" * 200 + ".pdf")
    owner = User.objects.get(username="qiye")
    with django_capture_on_commit_callbacks(execute=True):
        made = jobs.submit("test", "试验", owner, {"word": "好"}, "/")
        made.refresh_from_db()
        assert made.state == "queued"
    made.refresh_from_db()
    assert (made.state, made.owner, made.back_url) == ("done", owner, "/")
    assert len(made.result_name) == 120
    assert made.result_name.endswith("x.pdf")


def test_a_worker_that_wakes_up_late_can_write_nothing(work: dict[str, Any]) -> None:
    def slow(progress: jobs.Progress) -> jobs.Result:
        Job.objects.filter(pk=progress.job.pk).update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        assert jobs.reap() == 1
        with pytest.raises(jobs.Superseded):
            progress.step(1, 2)
        return jobs.Result(b"too late", "spät.txt")

    work["test"] = slow
    made = _job()
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.result_file) == ("queued", "")


def test_what_a_superseded_attempt_did_in_its_transaction_is_undone(work: dict[str, Any]) -> None:
    def slow(progress: jobs.Progress) -> jobs.Result:
        Job.objects.filter(pk=progress.job.pk).update(attempt=2)  # another worker runs it already
        with transaction.atomic():
            User.objects.filter(pk=progress.job.owner.pk).update(full_name="twice")
            progress.hold()
        return jobs.Result(b"too late", "late.txt")

    work["test"] = slow
    made = _job()
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.attempt, made.result_file) == ("running", 2, "")
    assert made.owner.full_name != "twice"


def test_a_file_finished_too_late_is_not_left_behind(work: dict[str, Any]) -> None:
    def slow(progress: jobs.Progress) -> jobs.Result:
        Job.objects.filter(pk=progress.job.pk).update(attempt=2)
        return jobs.Result(b"too late", "late.txt")

    work["test"] = slow
    jobs.run_job.call(str(_job().pk))
    assert not list((Path(project.MEDIA_ROOT) / "jobs").iterdir())


def test_a_job_runs_three_times_and_then_fails(
    work: dict[str, Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    runs: list[int] = []

    def die(progress: jobs.Progress) -> None:
        runs.append(progress.attempt)
        raise SystemExit  # what the process does, not what the work says

    work["test"] = die
    made = _job()
    with pytest.raises(SystemExit):
        jobs.run_job.call(str(made.pk))
    for _ in range(4):
        assert jobs.reap() == 0  # the lease still holds, or the job is over
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        with django_capture_on_commit_callbacks(execute=True):
            jobs.reap()
    made.refresh_from_db()
    assert runs == [1, 2, 3]
    assert (made.state, made.message) == ("failed", "多次中断，未能完成，请重新提交。")


def test_a_waiting_job_that_the_queue_does_not_know_is_queued_again(
    settings: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    made = _job(created_at=timezone.now() - timedelta(minutes=2))
    _job()  # new: its own asker may still be about to queue it
    with django_capture_on_commit_callbacks(execute=True):
        assert jobs.reap() == 1
    assert DBTaskResult.objects.get().args_kwargs["args"] == [str(made.pk)]
    with django_capture_on_commit_callbacks(execute=True):
        assert jobs.reap() == 0


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_lease_is_renewed_and_progress_seen_while_the_work_says_little(
    work: dict[str, Any], settings: Any
) -> None:
    settings.JOB_LEASE = 1
    seen: list[tuple[int, int]] = []

    def slow(progress: jobs.Progress) -> None:
        progress.step(1, 4)
        progress.step(2)  # within half a second of the first: written by the next round
        for _ in range(8):
            time.sleep(0.25)
            assert jobs.reap() == 0
            seen.append(Job.objects.values_list("done", "total").get())

    work["test"] = slow
    made = _job()
    threads = threading.active_count()
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert (made.state, made.attempt, made.done, made.message) == ("done", 1, 4, "")
    assert seen[-1] == (2, 4)
    assert threading.active_count() == threads


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_transaction_of_the_work_and_the_lease_do_not_block_each_other(
    work: dict[str, Any], settings: Any
) -> None:
    settings.JOB_LEASE = 2

    def slow(progress: jobs.Progress) -> None:
        with transaction.atomic():
            User.objects.filter(pk=progress.job.owner.pk).update(email="a@example.org")
            for done in range(4):
                time.sleep(0.3)
                progress.step(done, 4)
            progress.hold()

    work["test"] = slow
    made = _job()
    start = time.monotonic()
    jobs.run_job.call(str(made.pk))
    assert time.monotonic() - start < 5
    made.refresh_from_db()
    assert (made.state, made.attempt, made.done, made.total) == ("done", 1, 4, 4)
    assert made.owner.email == "a@example.org"


def test_a_result_is_for_its_owner_and_for_a_day(
    work: dict[str, Any], sign_in: Callable[[str], Client]
) -> None:
    work["test"] = lambda progress: jobs.Result(b"PK", "名册.xlsx")
    made = _job()
    path = reverse("job_result", args=[made.pk])
    owner = sign_in("qiye")
    assert owner.get(path)["Location"] == made.get_absolute_url()  # not over yet
    jobs.run_job.call(str(made.pk))
    response = owner.get(path)
    assert response.content == b"PK"
    assert "filename*=UTF-8''%E5%90%8D%E5%86%8C.xlsx" in response["Content-Disposition"]
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "no-store"
    assert sign_in("zhuguan").get(path).status_code == 404
    made.refresh_from_db()
    (file,) = (Path(project.MEDIA_ROOT) / "jobs").iterdir()
    assert f"jobs/{file.name}" == made.result_file
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"PK" not in file.read_bytes()

    Job.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    gone = owner.get(path)  # also before the file is removed
    assert gone.status_code == 410
    assert "只保留 24 小时" in gone.content.decode()
    assert 'href="/rosters/transfers/">重新提交' in gone.content.decode()
    assert jobs.cleanup() == 1
    assert not file.exists()
    assert owner.get(path).status_code == 410
    User.objects.filter(username="qiye").update(is_active=False)
    assert owner.get(path).status_code != 410


def test_files_that_no_job_names_any_more_are_removed(work: dict[str, Any]) -> None:
    lost, fresh = vault.put(b"a", "jobs"), vault.put(b"b", "jobs")
    old = time.time() - timedelta(hours=26).total_seconds()
    os.utime(Path(project.MEDIA_ROOT) / lost, (old, old))
    assert jobs.cleanup() == 1
    assert vault.get(fresh) == b"b"
    with pytest.raises(FileNotFoundError):
        vault.get(lost)


def test_the_pages_show_my_jobs_only_and_write_nothing(sign_in: Callable[[str], Client]) -> None:
    running = _job(state="running", done=3, total=9, attempt=1)
    failed = _job(state="failed", message="文件损坏。")
    before = list(Job.objects.values())
    owner, other = sign_in("qiye"), sign_in("zhuguan")
    page = owner.get(running.get_absolute_url()).content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert 'max="9" value="3"' in page
    page = owner.get(failed.get_absolute_url()).content.decode()
    assert "hx-trigger" not in page
    assert "文件损坏。" in page
    mine = owner.get(reverse("jobs")).content.decode()
    assert running.get_absolute_url() in mine
    assert failed.get_absolute_url() in mine
    assert other.get(running.get_absolute_url()).status_code == 404
    assert running.get_absolute_url() not in other.get(reverse("jobs")).content.decode()
    assert list(Job.objects.values()) == before


SETTINGS = """
from xianning.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "slow_work.Config"]
JOB_LEASE = 2
"""
APP = """
import time
from pathlib import Path
from django.apps import AppConfig

class Config(AppConfig):
    name = "slow_work"

    def ready(self):
        from xianning import jobs

        @jobs.job("slow")
        def slow(progress, marks):
            with Path(marks).open("a") as file:
                file.write("started\\n")
            time.sleep(60 if progress.attempt == 1 else 2.5)
            return jobs.Result(b"done", "x.txt")
"""


def test_a_killed_worker_s_job_is_done_by_the_next(tmp_path: Path) -> None:
    """With real processes of `manage.py worker` on a database of their own."""
    (tmp_path / "slow_settings.py").write_text(SETTINGS)
    (tmp_path / "slow_work").mkdir()
    (tmp_path / "slow_work" / "__init__.py").write_text(APP)
    surroundings = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "VAR_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 60, "DEMO": "1", "DJANGO_SETTINGS_MODULE": "slow_settings",
        "FIELD_KEYS": privacy.new_keys(), "PYTHONPATH": str(tmp_path),
    }  # fmt: skip
    manage = [sys.executable, str(project.BASE_DIR / "manage.py")]
    marks = tmp_path / "marks"
    prepare = f"""
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from xianning import jobs, models
owner = models.User.objects.create(username="a", full_name="a")
jobs.submit("slow", "慢", owner, {{"marks": {str(marks)!r}}})
"""
    subprocess.run([sys.executable, "-c", prepare], env=surroundings, check=True, timeout=60)
    started: list[subprocess.Popen[str]] = []

    def worker() -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [*manage, "worker"], env=surroundings, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    try:
        first = worker()
        _until(lambda: marks.exists() and "started" in marks.read_text())
        first.kill()
        first.communicate()
        second = worker()
        _until(lambda: marks.read_text().count("started") == 2)
        second.send_signal(signal.SIGTERM)  # it ends the job first: that takes longer than a lease
        _, noise = second.communicate(timeout=20)
        assert (second.returncode, noise) == (0, "")
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
                each.communicate()
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        rows = database.execute("select state, attempt, result_name from xianning_job").fetchall()
    database.close()
    assert rows == [("done", 2, "x.txt")]


def _until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("did not happen within 20 s")
