#!/usr/bin/env python3
"""Refuse versions with known holes; refuse too when that cannot be known (fail closed).

    .venv/bin/python .ci/audit.py

Asked are the pins of requirements/*.txt and what is installed, against the snapshot of advisories
in .ci/advisories.json. A snapshot that is unreadable, empty, older than 30 days, or does not report
the canary is itself a failure: an audit that found nothing and one that did not look must not look
alike. `pip-audit --strict` is asked as well where it is installed; it may only turn the result red,
because an index without advisory data lets it find nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / ".ci" / "advisories.json"
CANARY = ("django", "5.2.1")  # has known holes: a snapshot that does not say so is worth nothing
AGE_LIMIT = timedelta(days=30)
# Days until a hole must be closed; one that nobody has rated counts as critical.
PATCH_DAYS = {"critical": 3, "high": 7, "other": 30}

Pin = tuple[str, str]


def pins(text: str) -> list[Pin]:
    """Name and version of each line of a requirements file, whatever platform it is for."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text)
    return [(canonicalize_name(name), version) for name, version in found]


def installed() -> list[Pin]:
    """Name and version of everything this Python can import."""
    return [(canonicalize_name(found.name), found.version) for found in distributions()]


def reported(entries: list[Any], name: str, version: str) -> list[dict[str, Any]]:
    """The advisories that concern VERSION of NAME.

    Raises KeyError, TypeError, InvalidSpecifier or InvalidVersion on an entry or version that
    cannot be judged.
    """
    number = Version(version)
    return [
        entry for entry in entries
        if canonicalize_name(entry["package"]) == name
        and any(SpecifierSet(part).contains(number, prereleases=True) for part in entry["affected"])
    ]  # fmt: skip


def read(text: str, today: date) -> tuple[list[Any], date]:
    """Entries and date of a snapshot. Raises ValueError with the reason why it does not count."""
    try:
        found = json.loads(text)
        taken = date.fromisoformat(found["snapshot"])
        entries = found["advisories"]
        for entry in entries:
            if not (entry["package"] and entry["affected"] and entry["ids"]):
                raise ValueError(entry["package"])
            if entry.get("severity", "critical") not in PATCH_DAYS:
                raise ValueError(entry["severity"])
            date.fromisoformat(entry.get("known_since", found["snapshot"]))
            reported([entry], canonicalize_name(entry["package"]), "1.0")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSpecifier) as problem:
        raise ValueError(f"漏洞快照读不出来：{type(problem).__name__} {problem}") from None
    if not entries:
        raise ValueError("漏洞快照是空的。")
    if taken > today:
        raise ValueError(f"漏洞快照的日期 {taken} 在今天 {today} 之后。")
    if today - taken > AGE_LIMIT:
        raise ValueError(f"漏洞快照是 {taken} 的，已超过 {AGE_LIMIT.days} 天，请更新后再查。")
    if not reported(entries, *CANARY):
        raise ValueError(f"漏洞快照没有报告试样 {'=='.join(CANARY)}，不可信。")
    return entries, taken


def problems(text: str, today: date, versions: Iterable[Pin]) -> list[str]:
    """Why this set of VERSIONS must not be used, as sentences; none when nothing is known.

    TEXT is the snapshot, TODAY the day on which it is judged.
    """
    try:
        entries, taken = read(text, today)
    except ValueError as reason:
        return [str(reason)]
    asked = sorted(set(versions))
    if not asked:
        return ["没有可查的软件包。"]
    found = []
    for name, version in asked:
        try:
            concerned = reported(entries, name, version)
        except InvalidVersion:
            found.append(f"{name} 的版本号 {version} 无法判断。")
            continue
        for entry in concerned:
            since = date.fromisoformat(entry.get("known_since", taken.isoformat()))
            due = since + timedelta(days=PATCH_DAYS[entry.get("severity", "critical")])
            found.append(
                f"{name}=={version} 有已知漏洞 {'、'.join(entry['ids'])}"
                f"（受影响版本 {'，'.join(entry['affected'])}），应在 {due} 前更新。"
            )
    return found


def second_opinion(files: list[Path]) -> list[str]:
    """What pip-audit found, if it is installed; its silence says nothing."""
    program = shutil.which("pip-audit")
    if program is None:
        print("没有安装 pip-audit，只按快照检查。")
        return []
    found: list[str] = []
    for path in files:
        command = [program, "--strict", "--format", "json", "--disable-pip", "-r", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        try:
            listed = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError, TypeError):
            print(f"pip-audit 没有查成 {path.name}（返回 {done.returncode}），不作为依据。")
            continue
        found += [
            f"{entry['name']}=={entry.get('version')} 有已知漏洞 {hole['id']}（pip-audit）。"
            for entry in listed
            for hole in entry.get("vulns", [])
        ]
    return found


def main() -> int:
    files = sorted((ROOT / "requirements").glob("*.txt"))
    versions = [pin for path in files for pin in pins(path.read_text(encoding="utf-8"))]
    try:
        text = SNAPSHOT.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as problem:
        text = f"{type(problem).__name__}"  # no JSON: told below like any other unreadable snapshot
    found = problems(text, date.today(), [*versions, *installed()]) + second_opinion(files)
    for sentence in found:
        print(sentence, file=sys.stderr)
    print(f"查了 {len(set(versions))} 个锁定版本，发现 {len(found)} 个问题。")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
