"""`manage.py export_roster NAME --format xlsx|pdf --as USERNAME --out FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from enterprises.models import Enterprise
from xianning import audit, exports
from xianning.models import Export, User
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from uuid import UUID


class Command(BaseCommand):
    help = "以某用户的权限导出名册（留痕，大批的须核准）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(exports.ROSTERS))
        parser.add_argument("--format", choices=sorted(exports.FORMATS), required=True)
        parser.add_argument("--as", dest="username", required=True, help="用户名")
        parser.add_argument("--out", type=Path, required=True, help="写到哪个文件")
        parser.add_argument("--clear", action="store_true", help="完整个人信息（须 --reason）")
        parser.add_argument("--reason", default="", help="理由")
        parser.add_argument("--enterprise", default="", help="统一社会信用代码（proof 须填）")

    def handle(self, *_: Any, name: str, username: str, out: Path, **options: Any) -> None:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"没有可用的账号 {username}。")
        roster = exports.ROSTERS[name]
        wish = exports.Wish(
            roster, options["format"], options["clear"], options["reason"],
            enterprise=self._enterprise(user, options["enterprise"]),
        )  # fmt: skip
        with audit.acting(user):
            try:
                export = exports.ask(user, wish, queue=False)
            except exports.Refused as refused:
                raise CommandError(str(refused)) from None
            if export.state == Export.State.ASKED:
                raise CommandError(
                    f"共 {export.rows} 行，须由安全管理员核准（编号 {export.serial}）；"
                    "核准后请由导出人登录，在“名册—我的导出”中下载。"
                )
            data = self._make(export, out)
        self.stdout.write(
            f"{roster.title}：{export.rows} 行，编号 {export.serial}，"
            f"已写入 {out.name}（{len(data)} 字节）。"
        )

    @staticmethod
    def _enterprise(user: User, code: str) -> UUID | None:
        if not code:
            return None
        firm = Enterprise.objects.visible_to(user).filter(credit_code=code).first()
        if firm is None:
            raise CommandError(f"没有代码为 {code} 的移交单位，或不归您办理。")
        return firm.pk

    def _make(self, export: Export, out: Path) -> bytes:
        """The file, written to OUT: with it the export is handed over."""
        try:
            file = exports.make(export, self._tell)
        except (exports.Refused, Rejected, SandboxError) as reason:
            exports.fail(export, str(reason))
            raise CommandError(str(reason)) from None
        with transaction.atomic():
            exports.keep(export, file, Export.State.FETCHED)
            out.write_bytes(file.data)
        return file.data

    def _tell(self, done: int, total: int) -> None:
        self.stderr.write(f"  {done}/{total}")
