"""`manage.py workflow_diagram`: the step table as a Mermaid diagram (README carries it, checked)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from transfers.workflow import SIX_STEPS, STEPS
from xianning.roles import ROLES


def diagram() -> str:
    """Mermaid text: one box an act, grouped by the six steps; dotted lines are returns."""
    lines = ["flowchart TD"]
    for number, title in SIX_STEPS.items():
        lines.append(f'  subgraph S{number}["{number} {title}（第六条第{number}项）"]')
        lines += [
            f'    {step.key}["{step.title}<br/>{ROLES[step.role].name}"]'
            for step in STEPS.values()
            if step.number == number
        ]
        lines.append("  end")
    for step in STEPS.values():
        lines += [f"  {need} --> {step.key}" for need in step.needs]
    lines += [
        f"  {step.key} -. 退回 .-> {step.returns_to}" for step in STEPS.values() if step.returns_to
    ]
    return "\n".join(lines)


class Command(BaseCommand):
    help = "输出六步流程图（Mermaid）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", metavar="FILE", help="核对文件中的流程图是否最新")

    def handle(self, *_: Any, check: str | None, **__: Any) -> None:
        if check is None:
            self.stdout.write(diagram())
            return
        with open(check, encoding="utf-8") as file:
            if diagram() not in file.read():
                raise SystemExit(f"{check} 中的流程图不是最新的。")
