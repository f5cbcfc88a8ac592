"""`manage.py rescan`: look through the scans that wait for the virus scanner."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from xianning import audit, quarantine
from xianning.uploads import scanner


class Command(BaseCommand):
    help = "对待查杀的扫描件再次查杀：通过的放行，带病毒的销毁（记录保留）"

    def handle(self, *_: Any, **__: Any) -> None:
        if reason := scanner.problem():
            raise CommandError(reason)
        if not scanner.is_configured():
            raise CommandError("没有设置 CLAMD，不能查杀。")
        with audit.acting(name="rescan"):
            outcome = quarantine.rescan(limit=100_000)
        self.stdout.write(
            f"放行 {outcome.released} 件，销毁 {outcome.destroyed} 件，仍待查杀 {outcome.waiting} 件。"
        )
        if outcome.waiting:
            raise CommandError("病毒查杀服务不可用，或文件缺失；请查看日志。")
