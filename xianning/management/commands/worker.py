"""`manage.py worker`: background work, and taking back what a dead worker left."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from xianning import checks, jobs


class Command(BaseCommand):
    help = "处理后台任务（导入、导出）"

    def handle(self, *_: Any, **__: Any) -> None:
        checks.require_right_keys()
        jobs.reap()
        stop = threading.Event()
        keeper = threading.Thread(target=jobs.look_after, args=(stop,), daemon=True)
        keeper.start()
        try:
            call_command("db_worker", interval=0.5, verbosity=0, startup_delay=False)
        finally:
            stop.set()
