"""`manage.py first_code`: the one-time code that opens the page of the first administrators."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.urls import reverse

from xianning import audit
from xianning.accounts.setup import VALID, Refused, make_code


class Command(BaseCommand):
    help = "生成设立首批管理员的一次性设立码（24 小时内有效；已有管理员时不生成）"

    def handle(self, *_: Any, **__: Any) -> None:
        with audit.acting(name="first_code"):
            try:
                code = make_code()
            except Refused as reason:
                raise CommandError(str(reason)) from None
            except DatabaseError:
                raise CommandError("数据库还没有准备好，请先运行 manage.py prepare。") from None
            audit.write("setup", facts={"code": "made"})
        self.stdout.write(f"一次性设立码：{code}")
        self.stdout.write(
            f"请在 {int(VALID.total_seconds() // 3600)} 小时内打开 {reverse('setup')} 页面，"
            "填写设立码和三名管理员。设立码只显示这一次，重新运行本命令则前一个作废。"
        )
