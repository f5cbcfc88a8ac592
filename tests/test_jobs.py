"""Background work: told in words, done once, taken over from a dead worker, given to its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from xianning import jobs, privacy, vault
from xianning.models import Job, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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
    [(Rejected("文件损坏。"), "文件损坏。"), (KeyError("id_number 421299"), "请告知编号")],
)
def test_a_failure_is_told_as_a_sentence_without_data(
    work: dict[str, Any], problem: Exception, sentence: str
) -> None:
    def fail(progress: jobs.Progress) -> None:
        raise problem

    work["test"] = fail
    made = _job()
    jobs.run_job.call(str(made.pk))
    made.refresh_from_db()
    assert made.state == "failed"
    assert sentence in made.message
    assert "421299" not in made.message


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


def test_a_job_that_dies_three_times_fails(work: dict[str, Any]) -> None:
    made = _job(state="running", attempt=jobs.ATTEMPTS, lease_until=timezone.now() - timedelta(1))
    jobs.reap()
    made.refresh_from_db()
    assert made.state == "failed"
    assert "多次中断" in made.message


def test_a_result_is_for_its_owner_and_for_a_day(
    work: dict[str, Any], sign_in: Callable[[str], Client]
) -> None:
    work["test"] = lambda progress: jobs.Result(b"PK", "名册.xlsx")
    made = _job()
    jobs.run_job.call(str(made.pk))
    path = reverse("job_result", args=[made.pk])
    response = sign_in("qiye").get(path)
    assert response.content == b"PK"
    assert "filename*=UTF-8''%E5%90%8D%E5%86%8C.xlsx" in response["Content-Disposition"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert sign_in("zhuguan").get(path).status_code == 404
    Job.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    assert jobs.cleanup() == 1
    gone = sign_in("qiye").get(path)
    assert gone.status_code == 410
    assert "只保留 24 小时" in gone.content.decode()


SCRIPT = """
import sys, time
import django; django.setup()
from datetime import timedelta
from xianning import jobs
jobs.LEASE, jobs.HEARTBEAT = timedelta(seconds=2), 0.5
@jobs.job("slow")
def slow(progress):
    from pathlib import Path
    here = Path(sys.argv[1])
    with here.open("a") as file:
        file.write("started\\n")
    time.sleep(0.5 if here.read_text().count("started") > 1 else 60)
    return jobs.Result(b"done", "x.txt")
from django.core.management import call_command
import threading
stop = threading.Event()
threading.Thread(target=jobs.look_after, args=(stop, 0.5), daemon=True).start()
call_command("db_worker", interval=0.2, verbosity=0, startup_delay=False)
"""


def test_a_killed_worker_s_job_is_done_by_the_next(tmp_path: Path) -> None:
    """With real processes on a database of their own."""
    surroundings = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "VAR_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 60, "DEMO": "1", "DJANGO_SETTINGS_MODULE": "xianning.settings",
        "FIELD_KEYS": privacy.new_keys(),
    }  # fmt: skip

    def manage(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            env=surroundings, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    manage(
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from xianning.models import User; from xianning import jobs\n"
        "u = User.objects.create(username='a', full_name='a')\n"
        "jobs.submit('slow', '慢', u, {})"
    )
    marks = tmp_path / "marks"
    command = [sys.executable, "-c", SCRIPT, str(marks)]
    with open(os.devnull, "w") as quiet:
        first = subprocess.Popen(command, env=surroundings, stderr=quiet, stdout=quiet)
        _until(lambda: marks.exists())
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        second = subprocess.Popen(command, env=surroundings, stderr=quiet, stdout=quiet)
        try:
            _until(lambda: marks.read_text().count("started") == 2)
            state = "from xianning.models import Job; print(Job.objects.get().state)"
            _until(lambda: manage(state) == "done")
        finally:
            second.terminate()
            second.wait(10)


def _until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("did not happen within 20 s")
