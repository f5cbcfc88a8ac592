"""`manage.py prepare`: bring the database and the static files to what the code needs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from communities.models import Area
from xianning import checks
from xianning.models import Installation, User


class Command(BaseCommand):
    help = "迁移数据库，载入区划（演示方式下还有演示数据），收集静态文件"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true")

    def handle(self, *_: Any, demo: bool, **__: Any) -> None:
        self.check()
        if demo:
            _refuse_real_database()
        call_command("migrate", verbosity=0)
        # All or nothing: an interrupted first start must find an empty database again.
        with transaction.atomic():
            self._fill(demo)
        self._collect_static()

    def _fill(self, demo: bool) -> None:
        was_empty = Installation.objects.get_demo_state() is None
        try:
            checks.install(demo=demo)
        except ImproperlyConfigured as refusal:
            raise CommandError(str(refusal)) from None
        if not Area.objects.exists():
            call_command("load_areas", stdout=self.stdout)
        if demo and was_empty:
            self.stdout.write("正在载入演示数据……")
            call_command("load_demo", stdout=self.stdout)

    def _collect_static(self) -> None:
        """Collect only when a file of ours or of a package has changed."""
        facts = hashlib.sha256()
        for finder in finders.get_finders():
            for path, storage in finder.list([]):
                info = Path(storage.path(path)).stat()
                facts.update(f"{path}:{info.st_size}:{info.st_mtime_ns}\n".encode())
        stamp = Path(settings.STATIC_ROOT) / ".collected"
        if stamp.exists() and stamp.read_text() == facts.hexdigest():
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(facts.hexdigest())


def _refuse_real_database() -> None:
    """A demo must not even migrate a database that is not one: ask before the first change.

    A database without its mark but with accounts in it was set up by hand, and is real.
    """
    tables = connection.introspection.table_names()
    has_rows = {model: model._meta.db_table in tables for model in (Installation, User)}
    state = Installation.objects.get_demo_state() if has_rows[Installation] else None
    by_hand = state is None and has_rows[User] and User.objects.exists()
    if state is False or by_hand:
        raise CommandError("这是正式数据库，不能以演示方式启动。 Not a demo database.")
