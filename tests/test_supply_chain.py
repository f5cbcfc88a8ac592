"""What we build on: pinned and hashed, without known holes, listed with licence and cage (ASVS V15)."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tomllib
from datetime import date, timedelta
from importlib.metadata import distribution, distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in ("app", "dev")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def script(name: str) -> ModuleType:
    """A program of .ci, which is no package; nothing compiled is left beside it."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


audit, sbom = script("audit"), script("sbom")
SNAPSHOT = (ROOT / ".ci" / "advisories.json").read_text("utf-8")
TAKEN = date.fromisoformat(json.loads(SNAPSHOT)["snapshot"])
PINS = [pin for text in LOCKS.values() for pin in audit.pins(text)]


# --- S1: pinned, hashed, few, each with a reason ------------------------------------------------


def blocks(text: str) -> list[str]:
    """Each requirement with its continued lines."""
    return [b.strip() for b in re.split(r"\n(?=\S)", text.strip())]


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_each_requirement_is_one_version_with_hashes(name: str) -> None:
    bad = []
    for block in blocks(LOCKS[name]):
        head, *hashes = [line.strip(" \\") for line in block.splitlines()]
        exact = re.fullmatch(r"[a-z0-9-]+(\[[a-z,]+\])?==[0-9][0-9a-z.]*( ; [^;]+)?", head)
        if not exact or not hashes:
            bad.append(head)
        bad += [h for h in hashes if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h)]
    assert not bad
    names = [pin[0] for pin in audit.pins(LOCKS[name])]
    assert len(names) == len(set(names)) == len(blocks(LOCKS[name]))
    assert not re.search(r"(?m)^-|://|@ ", LOCKS[name])  # no index, no option, no address


def test_what_the_application_runs_with_is_what_the_tests_run_with() -> None:
    app, dev = (set(audit.pins(LOCKS[name])) for name in ("app", "dev"))
    assert app <= dev
    assert len(app) <= 47


def test_only_wheels_with_known_hashes_are_installed() -> None:
    """A source archive runs its own code while it is built."""
    setup = (ROOT / ".ci" / "setup").read_text("utf-8")
    commands = re.sub(r"\\\n\s*", " ", setup)
    installs = re.findall(r"(?m)^.*\bpip\b.*\binstall\b.*-r .*$", commands)
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "--only-binary :all:" in installs[0]


def test_each_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    silent = [
        wanted for wanted in listed
        if not re.search(rf"(?m)^    \"{re.escape(wanted)}\", +# \S.{{4,}}$", text)
    ]  # fmt: skip
    assert not silent
    for name, group in (("app", PROJECT["project"]["dependencies"]),
                        ("dev", PROJECT["dependency-groups"]["dev"])):  # fmt: skip
        lines = (ROOT / "requirements" / f"{name}.in").read_text("utf-8").split("\n")
        assert [line for line in lines if line and not line.startswith(("-", "#"))] == group


# --- S2: the audit fails closed -----------------------------------------------------------------

CLEAN = [("django", "5.2.19"), ("pillow", "13.0.0")]


def test_what_is_locked_has_no_hole_that_the_snapshot_knows() -> None:
    """On the day of the snapshot, so that this test means the same on every day."""
    assert len(PINS) > 60
    assert audit.problems(SNAPSHOT, TAKEN, PINS) == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("django", "5.2.1"), ("django", "5.2.16"), ("weasyprint", "69.5"), ("weasyprint", "61.1"),
        ("pillow", "12.2.0"), ("pypdf", "6.21.3"), ("gunicorn", "21.2.0"), ("openpyxl", "2.4.1"),
        ("sqlparse", "0.4.4"), ("cryptography", "46.0.4"), ("brotli", "1.1.0"),
    ],
)  # fmt: skip
def test_a_version_with_a_hole_is_named_with_its_day(name: str, version: str) -> None:
    found = audit.problems(SNAPSHOT, TAKEN, [*CLEAN, (name, version)])
    assert found
    assert all(f"{name}=={version} 有已知漏洞" in sentence for sentence in found)
    assert all(re.search(r"应在 20\d\d-\d\d-\d\d 前更新", sentence) for sentence in found)


def test_the_days_to_patch_are_three_seven_and_thirty() -> None:
    for severity, days in (("critical", 3), ("high", 7), ("other", 30), (None, 3)):
        entry = {"package": "x", "affected": ["<2"], "ids": ["CVE-1"], "known_since": "2026-10-20"}
        text = with_entries(entry | ({"severity": severity} if severity else {}))
        due = date(2026, 10, 20) + timedelta(days=days)
        assert f"应在 {due} 前更新" in audit.problems(text, TAKEN, [("x", "1.9")])[0]


@pytest.mark.parametrize(
    ("days", "told"),
    [(-1, "之后"), (0, ""), (30, ""), (31, "已超过 30 天"), (400, "已超过 30 天")],
)
def test_an_old_snapshot_does_not_count(days: int, told: str) -> None:
    found = audit.problems(SNAPSHOT, TAKEN + timedelta(days=days), CLEAN)
    assert len(found) == bool(told)
    assert told in "".join(found)


def with_entries(*more: dict[str, Any], without: str = "") -> str:
    found = json.loads(SNAPSHOT)
    kept = [e for e in found["advisories"] if e["package"] != without]
    return json.dumps(found | {"advisories": [*kept, *more]})


BAD: list[dict[str, Any]] = [
    {"package": "x", "affected": ["<2"], "ids": []},
    {"package": "x", "affected": [], "ids": ["CVE-1"]},
    {"package": "", "affected": ["<2"], "ids": ["CVE-1"]},
    {"package": "x", "affected": ["about two"], "ids": ["CVE-1"]},
    {"package": "x", "affected": ["<2"], "ids": ["CVE-1"], "severity": "funny"},
    {"package": "x", "affected": ["<2"], "ids": ["CVE-1"], "known_since": "lately"},
    {"affected": ["<2"], "ids": ["CVE-1"]},
]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "读不出来"), ("FileNotFoundError", "读不出来"), ("[]", "读不出来"),
        ("{}", "读不出来"), (SNAPSHOT[:-40], "读不出来"), ('{"snapshot": "2026-11-01"}', "读不出来"),
        ('{"snapshot": "soon", "advisories": []}', "读不出来"),
        ('{"snapshot": "2026-11-01", "advisories": []}', "是空的"),
        (with_entries(without="django"), "没有报告试样 django==5.2.1"),
        *[(with_entries(entry), "读不出来") for entry in BAD],
    ],
)  # fmt: skip
def test_a_snapshot_that_cannot_be_trusted_is_a_failure(text: str, told: str) -> None:
    found = audit.problems(text, TAKEN, CLEAN)
    assert len(found) == 1
    assert told in found[0]


def test_nothing_to_look_at_and_unreadable_versions_are_failures() -> None:
    assert "没有可查的软件包" in audit.problems(SNAPSHOT, TAKEN, [])[0]
    assert "无法判断" in audit.problems(SNAPSHOT, TAKEN, [("django", "latest")])[0]


def run_audit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, today: date = TAKEN,
    snapshot: str = SNAPSHOT, pip_audit: str | None = None,
) -> int:  # fmt: skip
    """The program's exit code on a moved clock, with a pip-audit that prints PIP_AUDIT."""

    class Clock(date):
        @classmethod
        def today(cls) -> Clock:
            return cls(today.year, today.month, today.day)

    (tmp_path / "advisories.json").write_text(snapshot)
    program = tmp_path / "pip-audit"
    if pip_audit is not None:
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{pip_audit}\nEND\n")
        program.chmod(0o755)
    monkeypatch.setattr(audit, "date", Clock)
    monkeypatch.setattr(audit, "SNAPSHOT", tmp_path / "advisories.json")
    monkeypatch.setattr(audit.shutil, "which", lambda _: str(program) if pip_audit else None)
    return int(audit.main())


def test_the_program_fails_when_it_cannot_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later = TAKEN + timedelta(days=31)
    hole = json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]})
    nothing = json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": []}]})
    assert run_audit(monkeypatch, tmp_path) == 0
    assert run_audit(monkeypatch, tmp_path, today=later) == 1
    assert run_audit(monkeypatch, tmp_path, snapshot="") == 1
    assert run_audit(monkeypatch, tmp_path, pip_audit=hole) == 1
    assert run_audit(monkeypatch, tmp_path, pip_audit="no index") == 0  # says nothing either way
    # That pip-audit found nothing does not make an old snapshot good.
    assert run_audit(monkeypatch, tmp_path, pip_audit=nothing, today=later) == 1


# --- S3: the list of parts ----------------------------------------------------------------------


def test_the_list_of_parts_is_what_is_installed(tmp_path: Path) -> None:
    made = sbom.document(LOCKS["app"], PROJECT["project"])
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    listed = {part["name"]: part["version"] for part in made["components"]}
    here = {canonicalize_name(d.name): d.version for d in distributions()}
    assert listed == {name: here[name] for name in listed}
    # Everything that the direct dependencies need, found anew by following what is installed.
    reached: set[str] = set()
    waiting: set[str] = {
        canonicalize_name(re.split(r"[\[~><=]", d)[0]) for d in PROJECT["project"]["dependencies"]
    }
    waiting |= {"psycopg-binary", "psycopg-pool"}  # two extras of psycopg
    # Extras that others ask for: the renderer compresses fonts.
    waiting |= {"brotli", "zopfli"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for need in sbom.needs(distribution(name), here):
            other = need.removeprefix("pkg:pypi/").split("@")[0]
            waiting |= {other} - reached
    assert set(listed) == reached
    references = [part["bom-ref"] for part in made["components"]]
    assert len(set(references)) == len(references)
    graph = {row["ref"]: row["dependsOn"] for row in made["dependencies"]}
    own = made["metadata"]["component"]["bom-ref"]
    assert set(graph) == {*references, own}
    assert {ref for refs in graph.values() for ref in refs} <= set(references)
    monitored = [inner for part in made["components"] for inner in part.get("components", [])]
    assert {inner["name"] for inner in monitored} == {"bootstrap", "htmx.org"}


# A copyleft licence that reaches our own code must be a decision, not an accident.
LICENCES = {
    "MIT", "MIT-0", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "PSF-2.0", "Apache-2.0",
    "Unlicense", "MPL-2.0", "LGPL-3.0-only", "Apache-2.0 OR BSD-3-Clause", "Apache-2.0 OR BSD-2-Clause",
    "GPL-2.0-or-later OR LGPL-2.1-or-later OR MPL-1.1", "BSD-3-Clause AND Apache-2.0",
}  # fmt: skip


def test_each_part_has_a_licence_that_we_may_use() -> None:
    made = sbom.document(LOCKS["app"], PROJECT["project"])
    terms = {part["name"]: part["licenses"][0]["expression"] for part in made["components"]}
    assert {name: words for name, words in terms.items() if words not in LICENCES} == {}


def test_each_part_that_is_written_in_c_or_reads_foreign_bytes_has_a_cage() -> None:
    in_c = {
        canonicalize_name(d.name) for d in distributions()
        if any(f.suffix in {".so", ".pyd"} for f in d.files or [])
    }  # fmt: skip
    foreign = {"openpyxl", "defusedxml", "pypdf", "pikepdf", "weasyprint", "pydyf", "gunicorn"}
    parts = {p["name"] for p in sbom.document(LOCKS["app"], PROJECT["project"])["components"]}
    assert (in_c & parts) | foreign <= sbom.CAGES.keys() <= parts
    for cage in sbom.CAGES.values():
        files = re.findall(r"\(([\w/]+\.py)\)", cage)
        assert files
        assert all((ROOT / file).exists() for file in files)


def test_a_part_that_is_missing_or_different_stops_the_list() -> None:
    for line, told in (
        ("nosuch==1.0 \\\n", "not installed"),
        ("django==5.2.1 \\\n", "installed as"),
    ):
        with pytest.raises(ValueError, match=told):
            sbom.document(LOCKS["app"] + line, PROJECT["project"])


def test_the_program_writes_the_same_file_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for name in ("a.json", "b.json"):
        monkeypatch.setattr(sys, "argv", ["sbom", str(tmp_path / name)])
        assert sbom.main() == 0
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0])["metadata"]["component"]["name"] == "xianning"
