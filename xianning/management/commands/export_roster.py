"""`manage.py export_roster NAME --format xlsx|pdf --as USERNAME --out FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from xianning import exports
from xianning.models import User


class Command(BaseCommand):
    help = "以某用户的权限导出名册（留痕）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(exports.ROSTERS))
        parser.add_argument("--format", choices=sorted(exports.FORMATS), required=True)
        parser.add_argument("--as", dest="username", required=True, help="用户名")
        parser.add_argument("--out", type=Path, required=True, help="写到哪个文件")
        parser.add_argument("--clear", action="store_true", help="完整个人信息（须 --reason）")
        parser.add_argument("--reason", default="", help="理由")

    def handle(self, *_: Any, name: str, username: str, out: Path, **options: Any) -> None:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"没有可用的账号 {username}。")
        roster, clear, reason = exports.ROSTERS[name], options["clear"], options["reason"]
        if refusal := exports.why_not(user, roster, clear=clear, reason=reason):
            raise CommandError(refusal)
        log = exports.record(user, roster, clear=clear, reason=reason)
        try:
            data = exports.make(user, roster, options["format"], log, clear=clear, tell=self._tell)
        except exports.Refused as refused:
            raise CommandError(str(refused)) from None
        out.write_bytes(data)
        self.stdout.write(f"{roster.title}：{log.rows} 行，已写入 {out.name}（{len(data)} 字节）。")

    def _tell(self, done: int, total: int) -> None:
        self.stderr.write(f"  {done}/{total}")
