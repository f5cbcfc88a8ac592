"""From each requirement to its test: ASVS 5.0.0 levels 1 and 2, and 等保 三级 安全计算环境.

The maps say `test` (with its tests), `reason` (why none applies, or who answers for it) or `open`
(what is missing). What is open is typed below, so that it can only become less.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {
    "asvs": ["id", "level", "words", "state", "evidence"],
    "dengbao": ["id", "words", "state", "evidence"],
}
# Chapter → requirements of level 1 and of level 2. Tokens (9), OAuth (10) and WebRTC (17) are left
# out: there is nothing of theirs in the application.
ASVS = {
    1: (8, 19), 2: (4, 7), 3: (8, 11), 4: (2, 8), 5: (4, 5), 6: (13, 22), 7: (6, 12), 8: (4, 3),
    11: (3, 11), 12: (3, 6), 13: (1, 12), 14: (2, 7), 15: (3, 10), 16: (0, 16),
}  # fmt: skip
# Section → numbers of its requirements of level 1 and 2; the others are of level 3.
ASVS_SECTIONS = {
    "1.1": range(1, 3), "1.2": range(1, 10), "1.3": range(1, 12), "1.4": range(1, 4),
    "1.5": range(1, 3), "2.1": range(1, 4), "2.2": range(1, 4), "2.3": range(1, 5), "2.4": [1],
    "3.2": range(1, 3), "3.3": range(1, 5), "3.4": range(1, 7), "3.5": range(1, 6), "3.7": [1, 2],
    "4.1": range(1, 4), "4.2": [1], "4.3": [1, 2], "4.4": range(1, 5), "5.1": [1],
    "5.2": range(1, 4), "5.3": [1, 2], "5.4": range(1, 4), "6.1": range(1, 4),
    "6.2": range(1, 13), "6.3": range(1, 5), "6.4": range(1, 5), "6.5": range(1, 6),
    "6.6": range(1, 4), "6.8": range(1, 5), "7.1": range(1, 4), "7.2": range(1, 5), "7.3": [1, 2],
    "7.4": range(1, 6), "7.5": [1, 2], "7.6": [1, 2], "8.1": [1, 2], "8.2": range(1, 4),
    "8.3": [1], "8.4": [1], "11.1": [1, 2], "11.2": range(1, 4), "11.3": range(1, 4),
    "11.4": range(1, 5), "11.5": [1], "11.6": [1], "12.1": range(1, 4), "12.2": [1, 2],
    "12.3": range(1, 5), "13.1": [1], "13.2": range(1, 6), "13.3": [1, 2], "13.4": range(1, 6),
    "14.1": [1, 2], "14.2": range(1, 5), "14.3": range(1, 4), "15.1": range(1, 4),
    "15.2": range(1, 4), "15.3": range(1, 8), "16.1": [1], "16.2": range(1, 6),
    "16.3": range(1, 5), "16.4": range(1, 4), "16.5": range(1, 4),
}  # fmt: skip
DENGBAO = {f"CES-{number:02}" for number in range(1, 36)} - {"CES-16"}  # there is no 16
OPEN: dict[str, set[str]] = {"asvs": set(), "dengbao": set()}
NODE = re.compile(r"(tests/test_\w+\.py)::(test_\w+)")


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    with (ROOT / "tests" / "maps" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the test functions of a file; none when there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return frozenset(n.name for n in body if isinstance(n, ast.FunctionDef))


def fault_of(row: dict[str, str]) -> str:
    """What is wrong with the evidence of a row; empty when nothing is."""
    evidence = row["evidence"]
    if row["state"] != "test":
        known = row["state"] in {"reason", "open"}
        return "" if known and len(evidence) >= 20 else "neither a test nor a full sentence"
    nodes = [NODE.fullmatch(node) for node in evidence.split(";")]
    if not all(nodes) or len(set(evidence.split(";"))) < len(nodes):
        return f"unreadable or twice the same: {evidence}"
    missing = [node[0] for node in nodes if node and node[2] not in names_in(node[1])]
    return f"no such test: {missing}" if missing else ""


def test_every_asvs_requirement_of_level_one_and_two_is_there_once() -> None:
    wanted = [f"{section}.{n}" for section, numbers in ASVS_SECTIONS.items() for n in numbers]
    assert [row["id"] for row in rows("asvs")] == wanted
    assert len(set(wanted)) == len(wanted) == 210
    counted = Counter((int(row["id"].split(".")[0]), row["level"]) for row in rows("asvs"))
    chapters = {chapter for chapter, _level in counted}
    assert {c: (counted[c, "1"], counted[c, "2"]) for c in chapters} == ASVS
    assert (sum(one for one, _ in ASVS.values()), sum(two for _, two in ASVS.values())) == (61, 149)


def test_every_item_of_dengbao_is_there_once() -> None:
    assert [row["id"] for row in rows("dengbao")] == sorted(DENGBAO)
    assert len(DENGBAO) == 34


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_every_row_names_tests_that_exist_or_says_why_not(name: str) -> None:
    faults = {row["id"]: fault for row in rows(name) if (fault := fault_of(row))}
    assert not faults
    for row in rows(name):
        assert list(row) == COLUMNS[name], row["id"]
        assert len(row["words"]) >= 5, row["id"]
    words = Counter(row["words"] for row in rows(name))
    assert not [text for text, times in words.items() if times > 1]


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_what_is_open_is_listed_here_and_only_becomes_less(name: str) -> None:
    found = {row["id"] for row in rows(name) if row["state"] == "open"}
    assert found - OPEN[name] == set(), "a requirement has lost its test"
    assert OPEN[name] - found == set(), "no longer open: take it out of OPEN"


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        ("test", ""), ("test", "tests/test_maps.py::test_no_such_thing"), ("reason", "short"),
        ("test", "tests/test_nowhere.py::test_x"), ("done", "a sentence that is long enough"),
        ("test", "tests/test_maps.py::fault_of"), ("open", ""), ("test", "README"),
        ("test", ";".join(["tests/test_maps.py::test_every_item_of_dengbao_is_there_once"] * 2)),
    ],
)  # fmt: skip
def test_wrong_evidence_is_noticed(state: str, evidence: str) -> None:
    assert fault_of({"id": "x", "words": "x", "state": state, "evidence": evidence})
