"""`manage.py audit seal|anchor|verify|purge`: the audit from the command line (README, 审计)."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandParser

from xianning import audit, audit_seals
from xianning.models import AuditSeal

if TYPE_CHECKING:
    from collections.abc import Callable


class Command(BaseCommand):
    help = "审计记录：封存、抄录锚点、校验、清理到期记录"

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        deeds.add_parser("seal", help="封存尚未封存的记录，并写锚点")
        deeds.add_parser("anchor", help="输出最新封存的锚点，供抄到另一台机器")
        verify = deeds.add_parser("verify", help="逐条校验；有不符时退出码为 1")
        verify.add_argument("--anchors", type=Path, help="另一处保存的锚点目录")
        verify.add_argument("--json", action="store_true", help="输出一个 JSON 对象")
        deeds.add_parser("purge", help="清理超过保存期限的记录（留痕）")

    def handle(self, *_: Any, deed: str, **options: Any) -> None:
        with audit.acting(name=f"命令 audit {deed}"):
            getattr(self, f"_{deed}")(**options)

    def _seal(self, **_: Any) -> None:
        made = audit_seals.seal()
        for row in made:
            self.stdout.write(f"第 {row.number} 号封存：{row.count} 条，摘要 {row.digest}")
        if not made:
            self.stdout.write("没有待封存的记录。")

    def _anchor(self, **_: Any) -> None:
        head = AuditSeal.objects.order_by("-number").first()
        if head is not None:
            self.stdout.write(audit_seals.anchor_line(head))

    def _verify(self, *, anchors: Path | None, json: bool, **_: Any) -> None:
        began = time.monotonic()
        report = audit_seals.verify(anchors)
        seconds = time.monotonic() - began
        if json:
            self.stdout.write(_as_json(report, seconds))
        else:
            self._say(report, seconds)
        if not report.good:
            raise SystemExit(1)

    def _say(self, report: audit_seals.Report, seconds: float) -> None:
        for sentence in (*report.findings, *report.notes):
            self.stdout.write(sentence)
        self.stdout.write(report.sentence())
        rate = report.events / max(seconds, 0.001)
        self.stdout.write(f"用时 {seconds:.1f} 秒（每秒 {rate:.0f} 条）。")

    def _purge(self, **_: Any) -> None:
        events, entries = _until_none(audit_seals.purge), _until_none(audit_seals.purge_access_log)
        self.stdout.write(f"已清理审计记录 {events} 条、访问记录 {entries} 条。")


def _until_none(purge: Callable[[], int]) -> int:
    """Batch after batch, each committed by itself; how many went."""
    return sum(iter(purge, 0))


def _as_json(report: audit_seals.Report, seconds: float) -> str:
    facts = asdict(report) | {"good": report.good, "seconds": round(seconds, 2)}
    return json.dumps(facts, ensure_ascii=False)
