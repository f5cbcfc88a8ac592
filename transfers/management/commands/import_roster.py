"""`manage.py import_roster FILE --enterprise CODE --as USERNAME [--check] [--json]`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from enterprises.models import Enterprise
from transfers.imports import checking, sessions, writing
from transfers.imports.checking import Problem, Report
from transfers.models import ImportBatch
from transfers.workflow import Refused
from xianning import audit, vault
from xianning.models import User
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING_WRONG, ROW_ERRORS, UNREADABLE = 0, 1, 2


class NotDone(Exception):
    """Nothing could be checked; the text is a sentence."""


class Command(BaseCommand):
    help = "以某经办人的权限导入退休人员工作簿：全部写入，或有错误时一人也不写入"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help=".xlsx 工作簿")
        parser.add_argument("--enterprise", required=True, help="移交单位的统一社会信用代码或名称")
        parser.add_argument("--as", dest="username", required=True, help="用户名")
        parser.add_argument("--check", action="store_true", help="只检查，不写入")
        parser.add_argument("--json", action="store_true", help="输出一个 JSON 对象")

    def handle(self, *_: Any, file: Path, enterprise: str, username: str, **options: Any) -> None:
        try:
            user = _user(username)
            with audit.acting(user):
                report, written = self._run(file, _enterprise(enterprise), user, options["check"])
            code = ROW_ERRORS if report.errors else NOTHING_WRONG
            answer = report.as_json()
            words = f"{report.in_words}{'已写入。' if written else '没有写入。'}"
        except (NotDone, Rejected, SandboxError, Refused) as reason:
            code, words = UNREADABLE, ""
            answer = _nothing(str(reason))
        if options["json"]:
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self._say(answer, words)
        if code:
            raise SystemExit(code)

    def _run(
        self, file: Path, enterprise: Enterprise, user: User, only_check: bool
    ) -> tuple[Report, bool]:
        """The report, and whether anything was written."""
        if reason := checking.why_not_import(enterprise, user):
            raise NotDone(reason)
        try:
            data = file.read_bytes()
        except OSError:
            raise NotDone(f"无法读取文件 {file.name}。") from None
        report = checking.check(
            data, enterprise, user, file_name=file.name, tell=self._teller("检查")
        )
        if only_check or report.errors or not report.to_write:
            return report, False
        self.stderr.write(f"写入 {len(report.to_write)} 人……")
        _write(report, user, file.name, vault.digest(data))
        return report, True

    def _teller(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.stderr.write(f"{what} {done}/{total}")

    def _say(self, answer: dict[str, Any], words: str) -> None:
        if words:
            self.stdout.write(words)
        for title, name in (("错误", "errors"), ("提醒", "warnings")):
            for problem in answer[name]:
                where = [problem["sheet"], f"第 {problem['row']} 行" if problem["row"] else "",
                         problem["column"]]  # fmt: skip
                place = " ".join(filter(None, where)) or "整个文件"
                self.stdout.write(f"{title}　{place}：{problem['message']}")


def _user(username: str) -> User:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise NotDone(f"没有可用的账号 {username}。")
    return user


def _enterprise(text: str) -> Enterprise:
    """By code, else by a name that only one has."""
    found = list(Enterprise.objects.filter(Q(credit_code=text.upper()) | Q(name=text))[:2])
    if not found:
        raise NotDone(f"没有名称或统一社会信用代码为“{text}”的企业。")
    if len(found) > 1:
        raise NotDone(f"名称“{text}”对应多家企业，请用统一社会信用代码。")
    return found[0]


@transaction.atomic
def _write(report: Report, user: User, file_name: str, digest: str) -> None:
    """Write the rows, and leave the record that the page leaves."""
    batch = ImportBatch.objects.create(
        enterprise=report.enterprise, uploaded_by=user, file_name=file_name[-120:], sha256=digest,
        state=ImportBatch.State.DONE, decided_at=timezone.now(),
        message=f"命令行导入。{report.in_words}",
    )  # fmt: skip
    writing.write(report, by=user, batch=batch)
    sessions.keep_report(batch, report)


def _nothing(sentence: str) -> dict[str, Any]:
    """The object for a file that was not read."""
    counts = dict.fromkeys(("rows", "new", "updated", "unchanged"), 0)
    error = Problem("", None, "", sentence)
    return counts | {"errors": [error._asdict()], "warnings": []}
