"""`manage.py backup --out DIR`: database and uploads with a manifest, without the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from xianning import audit, backup


class Command(BaseCommand):
    help = "备份数据库和上传文件到一个新目录（网站照常使用；密钥不在其中，须另行保存）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="新目录")

    def handle(self, *_: Any, out: Path, **__: Any) -> None:
        try:
            with audit.acting(name="命令 backup"):
                files = backup.make(out)["files"]
        except backup.Refused as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as problem:
            raise CommandError(f"备份没有完成：{problem.strerror}。") from None
        size = sum(file["bytes"] for file in files.values()) / 1024 / 1024
        self.stdout.write(f"已备份到 {out}：{len(files)} 个文件，{size:.1f} MB。")
        self.stdout.write("FIELD_KEYS 和 SECRET_KEY 不在备份中，请另行妥善保存。")
