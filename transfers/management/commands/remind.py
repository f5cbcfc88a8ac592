"""`manage.py remind`: the digest of the morning about deadlines; once a working day, from cron."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from communities import care
from transfers import reminders
from xianning import audit


class Command(BaseCommand):
    help = "发出当天的期限提醒（每个工作日一次，重复执行不会重发）"

    def handle(self, *_: Any, **__: Any) -> None:
        with audit.acting(name="命令 remind"):
            made = reminders.remind()
            older = care.birthdays()
        self.stdout.write(f"期限提醒：{made} 条通知；新满 80 周岁，已排走访：{older} 人。")
