"""Take each guard away in turn: a test of the suite must notice it (mutants.py, removals.py).

`maps/guards.csv` names for each guard the test that fails without it. A part of the guards, some of
each kind, is tried every time; LONG=1 tries all of them.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import Switches, all_mutants
from tests.removals import Entry, table

pytestmark = pytest.mark.only("sqlite")

LONG = bool(os.environ.get("LONG"))
NOTICED = 0.98
HERE = Path(__file__).parent

# Some of each kind whose test is quick, in every corner of the program.
SAMPLE = (
    "answer enterprises.models.enterprise.Enterprise.is_desk_of#0",
    "answer transfers.models.cases.TransferQuerySet.visible_to#0",
    "answer transfers.workflow.is_mine#0",
    "answer xianning.access.is_fresh#0",
    "answer xianning.accounts.sessions.why_over#0",
    "answer xianning.models.accounts.Grant.why_not_decide#0",
    "call enterprises.models.enterprise.Enterprise.acknowledge#0",
    "call xianning.accounts.setup.setup#0",
    "filter enterprises.views._authorities#0",
    "filter transfers.import_views.upload#0",
    "filter xianning.leaks.in_area#0",
    "filter xianning.office_forms.OfficeForm.__init__#0",
    "method communities.views.area_choices",
    "method enterprises.views.detail",
    "method xianning.job_views.job_result",
    "middleware axes.middleware.AxesMiddleware",
    "middleware django_otp.middleware.OTPMiddleware",
    "middleware xianning.audit.AuditMiddleware",
    "refusal enterprises.models.enterprise.Enterprise.why_not_confirm#2",
    "refusal enterprises.views.confirm#0",
    "refusal transfers.act_views.bulk#0",
    "refusal transfers.workflow.start#0",
    "refusal xianning.access.AccessMiddleware.process_view#1",
    "refusal xianning.accounts.setup.make_code#1",
    "refusal xianning.exports.why_not#0",
    "refusal xianning.grant_views.grant#0",
    "refusal xianning.leaks.trace#0",
    "refusal xianning.models.accounts.Grant.ask#0",
    "rule access_log",
    "rule account_review",
    "rule audit_export fresh",
    "scope communities.views.areas#0",
    "scope enterprises.rosters#0",
    "scope transfers.imports.sessions.run_mark#0",
    "scope transfers.piles.Choice.cases#0",
    "scope xianning.audit_views.Search.rows#0",
    "step archives needs",
    "step declare guard",
    "step party unless",
    "step verify returns_to",
)


def names() -> set[str]:
    with Switches().built_in() as switches:
        return {mutant.name for mutant in all_mutants(switches)}


def test_every_guard_has_its_test_or_its_reason() -> None:
    guards = names()
    missing, gone = sorted(guards - table().keys()), sorted(table().keys() - guards)
    assert missing == [], "run: python -m tests.removals --search --write"
    assert gone == [], "gone: take the row out of tests/maps/guards.csv"


def test_every_test_that_a_guard_names_exists() -> None:
    wanted = {_function(entry) for entry in table().values() if entry.state == "test"}
    found = {
        f"tests/{file.name}::{name}"
        for file in HERE.glob("test_*.py")
        for name in _tests_in(ast.parse(file.read_text("utf-8")))
    }
    assert not wanted - found


def _tests_in(body: ast.AST, within: str = "") -> list[str]:
    """Names of the functions of a module, those of a class as `Class::function`."""
    names = []
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.ClassDef):
            names += _tests_in(node, f"{node.name}::")
        elif isinstance(node, ast.FunctionDef):
            names.append(within + node.name)
    return names


def _function(entry: Entry) -> str:
    return entry.evidence.partition("[")[0]


def test_what_no_test_can_notice_is_little_and_has_a_reason() -> None:
    entries = table().values()
    assert Counter(entry.state for entry in entries).keys() <= {"test", "equal"}
    equal = [entry for entry in entries if entry.state == "equal"]
    assert len(equal) <= (1 - NOTICED) * len(entries)
    assert all(entry.evidence.endswith(".") for entry in equal)


def removed(*wanted: str) -> tuple[float, list[str]]:
    """The share of the WANTED removals (or of all) that their tests notice, and the others."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "LONG"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.removals", *wanted], cwd=HERE.parent, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    summary = re.search(r"^noticed (\d+) of (\d+)$", done.stdout, re.M)
    assert summary, done.stdout[-3000:] + done.stderr[-3000:]
    unnoticed = re.findall(r"^unnoticed (.+)$", done.stdout, re.M)
    return int(summary[1]) / int(summary[2]), unnoticed


def test_each_guard_of_the_sample_is_noticed_when_it_is_away() -> None:
    kinds = {name.partition(" ")[0] for name in table()}
    assert {name.partition(" ")[0] for name in SAMPLE} == kinds
    assert removed(*SAMPLE) == (1.0, [])


if LONG:

    def test_nearly_every_guard_is_noticed_when_it_is_away() -> None:
        share, others = removed()
        assert share >= NOTICED, f"{share:.1%}; unnoticed:\n" + "\n".join(others)
