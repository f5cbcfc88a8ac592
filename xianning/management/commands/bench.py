"""Benchmarks with their floors, on a scratch database."""

from __future__ import annotations

import select
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from xianning.bench import desk, imports, papers, reports


class Command(BaseCommand):
    help = "性能测量：与同一次运行中的下限并列，使用临时数据库"

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True)
        bench = kinds.add_parser("import", help="导入 50 列的工作簿")
        bench.add_argument("--rows", default="10000,100000", help="行数，逗号分隔")
        pile = kinds.add_parser("papers", help="成批打印《基本信息表》")
        pile.add_argument("--people", default="100,500", help="人数，逗号分隔")
        rosters = kinds.add_parser("rosters", help="移交人员名册")
        rosters.add_argument("--rows", default="2000,10000", help="行数，逗号分隔")
        found = kinds.add_parser("desk", help="社区报到时查找人员和管理台账")
        found.add_argument("--people", default="20000", help="人数，逗号分隔")
        sums = kinds.add_parser("reports", help="对账和经费测算")
        sums.add_argument("--people", default="20000", help="人数，逗号分隔")
        kinds.add_parser("watch", help="import 用来观察其他用户")

    def handle(self, *_: Any, kind: str, **options: Any) -> None:
        if kind == "import":
            imports.run([int(count) for count in options["rows"].split(",")], self._say)
        elif kind == "papers":
            papers.run([int(count) for count in options["people"].split(",")], self._say)
        elif kind == "rosters":
            papers.rosters([int(count) for count in options["rows"].split(",")], self._say)
        elif kind == "desk":
            desk.run([int(count) for count in options["people"].split(",")], self._say)
        elif kind == "reports":
            reports.run([int(count) for count in options["people"].split(",")], self._say)
        else:
            imports.watch(self._say, _input_is_closed)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _input_is_closed() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])
