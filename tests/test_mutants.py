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
SAMPLE = ()


def names() -> set[str]:
    with Switches().built_in() as switches:
        return {mutant.name for mutant in all_mutants(switches)}


def test_every_guard_has_its_test_or_its_reason() -> None:
    guards = names()
    assert not guards - table().keys(), "run: python -m tests.removals --search --write"
    assert not table().keys() - guards, "gone: take the row out of tests/maps/guards.csv"


def test_every_test_that_a_guard_names_exists() -> None:
    wanted = {_function(entry) for entry in table().values() if entry.state == "test"}
    found = {
        f"tests/{file.name}::{node.name}"
        for file in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert not wanted - found


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
