"""`manage.py restore --from DIR`: a verified backup into an empty database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from xianning import audit, backup


class Command(BaseCommand):
    help = "校验备份，恢复到空的数据库和空的上传目录"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="folder", type=Path, required=True, help="备份目录")

    def handle(self, *_: Any, folder: Path, **__: Any) -> None:
        try:
            with audit.acting(name="命令 restore"):
                manifest = backup.restore(folder)
        except (backup.Refused, ImproperlyConfigured) as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as problem:
            raise CommandError(f"恢复没有完成：{problem.strerror}。") from None
        self.stdout.write(
            f"已恢复 {manifest['made_at']} 的备份，共 {len(manifest['files'])} 个文件。"
            "请运行 manage.py audit verify 核对审计记录。"
        )
