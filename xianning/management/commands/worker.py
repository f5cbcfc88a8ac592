"""`manage.py worker`: background work, and taking back what a dead worker left."""

from __future__ import annotations

import logging
import threading
import time
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection

from xianning import checks, jobs

log = logging.getLogger("xianning.jobs")


class Command(BaseCommand):
    help = "处理后台任务（导入、导出）"

    def handle(self, *_: Any, **__: Any) -> None:
        checks.require_right_keys()
        import_module(settings.ROOT_URLCONF)  # the pages import every kind of work
        for chores in ("xianning.quarantine", "xianning.retention"):  # what is done in between
            import_module(chores)
        jobs.reap()
        stop = threading.Event()
        keeper = threading.Thread(target=jobs.look_after, args=(stop,), daemon=True)
        keeper.start()
        try:
            while not _worked_off():
                time.sleep(2)
        finally:
            stop.set()
            keeper.join(5)


def _worked_off() -> bool:
    """Work until a signal ends it; False when the database was away for a moment."""
    try:
        call_command("db_worker", interval=0.5, verbosity=0, startup_delay=False, reload=False)
    except (OperationalError, InterfaceError):
        log.exception("the database does not answer")
        connection.close()
        return False
    return True
