"""`manage.py rotate_keys`: everything that is stored goes under the active key and algorithm."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from xianning import audit, rotation


class Command(BaseCommand):
    help = "把全部加密内容换到当前密钥和算法之下（网站照常使用；中断后再执行一次即可）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="每个事务的行数")

    def handle(self, *_: Any, batch: int, **__: Any) -> None:
        if not 1 <= batch <= 10_000:
            raise CommandError("--batch 应为 1 至 10000。")
        try:
            with audit.acting(name="命令 rotate_keys"):
                done = rotation.rotate(batch, self.stdout.write)
        except (ImproperlyConfigured, rotation.NotFinished) as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"完成：{done.values} 个加密值、{done.indexes} 个盲索引、{done.files} 个文件；"
            "旧密钥下的值 0 个。现在可以从 FIELD_KEYS 的 keys 中移除旧的数据密钥"
            "（备份若以旧密钥写成，请另行保存）；index_previous 须保留。"
        )
