"""Take each guard away in turn and run the tests that it decides: which of them fails?

    python -m tests.removals [--write] [--search] [guard …]

The suite runs once with every guard in its place, which tells what each test reaches. Then, for
each guard, a child of this process runs first the test that `maps/guards.csv` names and then those
that reach the guard, the quickest first, until one fails. A failure counts when the same test
passes in a child in which every guard stands. A child has a copy of the database, and what a
broken test leaves behind ends with it.

--search looks beyond the tests of the table; --write puts what was found into the table.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol
from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.mutants import Mutant, Switches

HERE = Path(__file__).parent
TABLE = HERE / "maps" / "guards.csv"
# About files, machines and time, which no guard decides; or about the guards themselves.
ELSEWHERE = re.compile(
    r"test_(mutants|standards|supply_chain|sandbox|server|backup|maps|browser\w*|forbidden|"
    r"consistency|upload_fuzz|upload_pdfs|workbook_values|concurrency|security_document|documents|queries)\.py"
)
MOST_TESTS, MOST_SECONDS = 250, 30.0  # for one guard
PATIENCE = 300.0  # a child that takes longer hangs
JOBS = 2


@dataclass(frozen=True)
class Entry:
    """A row of the table: the test that notices the removal, or why none can."""

    guard: str
    state: str  # test, equal
    evidence: str


def table() -> dict[str, Entry]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["guard"]: Entry(**row) for row in csv.DictReader(file)}


def write_table(entries: list[Entry]) -> None:
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["guard", "state", "evidence"])
        for entry in sorted(entries, key=lambda each: each.guard):
            writer.writerow([entry.guard, entry.state, entry.evidence])


# --- children ------------------------------------------------------------------------------------


def in_children(tasks: Sequence[Callable[[], Any]]) -> Iterator[tuple[int, Any]]:
    """(Number, answer) of each task, done in a copy of this process; None when it died."""
    with tempfile.TemporaryDirectory() as folder:
        waiting, running = list(enumerate(tasks)), dict[int, tuple[int, float]]()
        waiting.reverse()
        while waiting or running:
            while waiting and len(running) < JOBS:
                number, task = waiting.pop()
                running[_fork(task, Path(folder) / str(number))] = number, time.monotonic()
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid not in running:
                for child, (_number, began) in running.items():
                    if time.monotonic() - began > PATIENCE:
                        os.killpg(child, signal.SIGKILL)
                time.sleep(0.01)
                continue
            number, _began = running.pop(pid)
            answer = Path(folder) / str(number)
            yield number, json.loads(answer.read_text("utf-8")) if answer.exists() else None
            answer.unlink(missing_ok=True)
            for file in Path(folder).glob(f"{number}.sqlite3*"):
                file.unlink()


def _fork(task: Callable[[], Any], answer: Path) -> int:
    if pid := os.fork():
        return pid
    try:
        os.setpgid(0, 0)  # what a test leaves running ends with it
        copy = answer.with_suffix(".sqlite3")
        shutil.copy(connection.settings_dict["NAME"], copy)
        connection.settings_dict["NAME"] = str(copy)
        found = task()
        part = answer.with_suffix(".part")
        part.write_text(json.dumps(found), "utf-8")
        part.rename(answer)
    finally:
        os._exit(0)


# --- tests ---------------------------------------------------------------------------------------


@dataclass
class Run:
    """One test with every guard in its place."""

    passed: bool
    seconds: float
    decided: list[str]


def run_file(items: list[Any], switches: Switches) -> dict[str, tuple[bool, float, list[str]]]:
    """A Run of each test of a file, one after the other."""
    found = {}
    for item, following in zip(items, [*items[1:], None], strict=True):
        switches.decided.clear()
        passed, seconds = run(item, following)
        found[item.nodeid] = passed, seconds, sorted(switches.decided)
    return found


def run(item: Any, following: Any) -> tuple[bool, float]:
    """Whether the test passes, and in which time; FOLLOWING keeps what it shares with it."""
    item._initrequest()
    # The next is the folder: the fixtures of the module end, those of the run stay.
    folder = item.getparent(pytest.Module).parent
    reports = runtestprotocol(item, log=False, nextitem=following or folder)
    return all(report.passed for report in reports), sum(report.duration for report in reports)


def passes(item: Any) -> bool:
    return run(item, None)[0]


def first_failure(items: list[Any], mutant: Mutant, switches: Switches) -> str:
    """The test that fails without the guard, or nothing."""
    began = time.monotonic()
    with mutant.removed(switches):
        for item, following in zip(items, [*items[1:], None], strict=True):
            if not run(item, following)[0]:
                return str(item.nodeid)
            if time.monotonic() - began > MOST_SECONDS:
                break
    return ""


@dataclass
class Removals:
    """What pytest calls in place of its own loop over the tests."""

    wanted: list[str]
    search: bool = False
    found: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)
    sound: dict[str, bool] = field(default_factory=dict)

    def pytest_runtestloop(self, session: Any) -> bool:
        from tests.mutants import Switches, all_mutants

        items = {item.nodeid: item for item in session.items}
        first = next(item for item in session.items if "db" in item.fixturenames)
        run(first, None)  # makes the database
        connections.close_all()
        with Switches().built_in() as switches:
            known = {mutant.name: mutant for mutant in all_mutants(switches)}
            self.known = set(known)
            entries = table() if TABLE.exists() else {}
            equal = {name for name, entry in entries.items() if entry.state == "equal"}
            self.tried = self.wanted or [name for name in known if name not in equal]
            named = {
                name: found for name in self.tried
                if name in entries and (found := named_by(entries[name], items))
            }  # fmt: skip
            self._try(named, known, switches)
            if self.search:
                left = [name for name in self.tried if name not in self.found]
                reach = self._reach(list(items.values()), switches)
                ordered = {name: order(reach, name, items)[:MOST_TESTS] for name in left}
                self._try(
                    {name: tests for name, tests in ordered.items() if tests}, known, switches
                )
        return True

    def _try(
        self, candidates: dict[str, list[Any]], known: dict[str, Mutant], switches: Switches
    ) -> None:
        """Notes which guard is noticed by which of its CANDIDATES."""
        while candidates:
            names = list(candidates)
            tasks = [
                partial(first_failure, candidates[name], known[name], switches) for name in names
            ]
            failed = {}
            for number, answer in in_children(tasks):
                print(names[number], "→", answer, file=sys.__stderr__, flush=True)
                if answer:
                    failed[names[number]] = answer
            self._check(failed, {item.nodeid: item for c in candidates.values() for item in c})
            self.found |= {name: test for name, test in failed.items() if self.sound[test]}
            # What fails without any removal says nothing: go on behind it.
            candidates = {
                name: rest for name, test in failed.items()
                if not self.sound[test] and (rest := _behind(candidates[name], test))
            }  # fmt: skip

    def _check(self, failed: dict[str, str], items: dict[str, Any]) -> None:
        """Learns which of the failed tests pass alone, with every guard in its place."""
        new = sorted(set(failed.values()) - self.sound.keys())
        tasks = [partial(passes, items[test]) for test in new]
        for number, answer in in_children(tasks):
            self.sound[new[number]] = bool(answer)

    def _reach(self, items: list[Any], switches: Switches) -> dict[str, Run]:
        by_file = defaultdict(list)
        for item in items:
            by_file[item.path].append(item)
        files = list(by_file.values())
        tasks = [partial(run_file, part, switches) for part in files]
        found: dict[str, Run] = {}
        for number, answer in in_children(tasks):
            print("reached", files[number][0].path.name, len(answer or ()),
                  file=sys.__stderr__, flush=True)  # fmt: skip
            found |= {test: Run(*each) for test, each in (answer or {}).items()}
        return found


def named_by(entry: Entry, items: dict[str, Any]) -> list[Any]:
    """The test of ENTRY; when its parameters were renamed, all tests of the function."""
    if entry.evidence in items:
        return [items[entry.evidence]]
    function = entry.evidence.partition("[")[0]
    return [item for test, item in items.items() if test.partition("[")[0] == function]


def _behind(items: list[Any], test: str) -> list[Any]:
    return items[[item.nodeid for item in items].index(test) + 1 :]


# What has no switch may decide anywhere: where it most probably does.
LIKELY = {
    "step": re.compile(r"test_(workflow|small_promises|rights|matrix)"),
    "middleware": re.compile(r"test_(sessions|guessing|transport|access|second_factor|audit)"),
}


def order(reach: dict[str, Run], guard: str, items: dict[str, Any]) -> list[Any]:
    """The tests that reach GUARD: one of each function, some of each file, the quickest first.

    A test of a file that is named like the guard may take five times as long.
    """
    likely = LIKELY.get(guard.partition(" ")[0])
    tests = [
        (each.seconds, test) for test, each in reach.items() if each.passed
        and (guard in each.decided or (likely and likely.search(test)))
    ]  # fmt: skip
    words = set(re.findall(r"[a-z]{4,}?(?=s?\b|s?_)", guard))
    of_function: dict[str, int] = defaultdict(int)
    of_file: dict[str, int] = defaultdict(int)
    ranked = []
    for seconds, test in sorted(tests):
        function, file = test.partition("[")[0], test.partition("::")[0]
        of_function[function] += 1
        of_file[file] += of_function[function] == 1
        is_near = any(word in file for word in words)
        ranked.append((
            of_function[function] > 1, of_file[file] // 8, seconds / (5 if is_near else 1), test,
        ))  # fmt: skip
    return [items[test] for *_rank, test in sorted(ranked)]


# --- the command ---------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Returns 1 when a removal was not noticed."""
    write, search = "--write" in arguments, "--search" in arguments
    wanted = [name for name in arguments if not name.startswith("--")]
    plugin = Removals(wanted, search)
    entries = table() if TABLE.exists() else {}
    if search:
        files = [str(f) for f in sorted(HERE.glob("test_*.py")) if not ELSEWHERE.fullmatch(f.name)]
    else:
        files = sorted({entries[name].evidence.partition("::")[0] for name in wanted or entries
                        if entries[name].state == "test"})  # fmt: skip
    code = pytest.main(["-q", "-p", "no:randomly", "-m", "not browser", *files], plugins=[plugin])
    unnoticed = sorted(set(plugin.tried) - plugin.found.keys())
    if write:
        entries = {name: entry for name, entry in entries.items() if name in plugin.known}
        entries |= {name: Entry(name, "test", test) for name, test in plugin.found.items()}
        write_table(list(entries.values()))
    print(f"\nnoticed {len(plugin.found)} of {len(plugin.tried)}")
    print(*(f"unnoticed {name}" for name in unnoticed), sep="\n")
    return 1 if unnoticed or code not in (0, 5) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
