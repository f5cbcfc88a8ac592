"""xianning/SECURITY.md says what the code does: figures, names, classes, keys, logs, kinds of files."""

from __future__ import annotations

import importlib
import logging
import re
from datetime import timedelta
from math import log2
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands

from communities.models import CARD_LETTERS
from xianning import checks, register, sealing
from xianning.accounts import guard, second_factor, setup
from xianning.office_forms import first_password
from xianning.roles import ROLES
from xianning.sandbox import MB
from xianning.uploads.kinds import EXTENSIONS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "xianning" / "SECURITY.md").read_text(encoding="utf-8")
CHAPTERS = {
    part.partition("\n")[0]: part.partition("\n")[2] for part in TEXT.split("\n## ")[1:]
}  # fmt: skip
NAME = re.compile(r"`([a-z_]+(?:\.[A-Za-z_]+)+)`")
# Figures without which a chapter would say nothing (ASVS 6.1.1, 7.1.1, 7.1.2, 5.1.1, 15.1.3).
NEEDED = {
    "Guessing": {"accounts.guard.ACCOUNT", "accounts.guard.DEVICE", "accounts.guard.ADDRESS",
                 "accounts.guard.PROOF", "accounts.guard.SETUP", "settings.AXES_FAILURE_LIMIT"},
    "Sessions": {"settings.SESSION_IDLE", "settings.SESSION_COOKIE_AGE", "settings.SESSION_LIMIT",
                 "settings.STEP_UP"},
    "Files that are taken": {"uploads.limits.WORKBOOK_BYTES", "uploads.limits.SCAN_BYTES",
                             "uploads.containers.MAX_INFLATED", "settings.UPLOAD_DAILY_MB"},
    "What costs much, and its bounds": {"exports.XLSX_LIMIT", "exports.PDF_LIMIT", "pdf.WALL_SECONDS",
                                        "settings.EXPORT_ROWS_ALONE", "jobs.ATTEMPTS"},
    "Logs": {"triggers.LEAST_DAYS", "triggers.ACCESS_DAYS"},
}  # fmt: skip
SECONDS = {"s": 1, "min": 60, "h": 3600, "days": 86400}
OTHERS = {"manage.py", "gunicorn.error"}  # a command and a logger, no names of ours


def cells(chapter: str) -> list[list[str]]:
    """The rows of all tables of a chapter, without headings."""
    rows = [line.strip("| ").split(" | ") for line in CHAPTERS[chapter].splitlines() if "|" in line]
    return [row for at, row in enumerate(rows) if set("".join(row)) - set("-| ") and (
        at + 1 == len(rows) or set("".join(rows[at + 1])) - set("-| ")
    )]  # fmt: skip


def value_of(name: str) -> Any:
    """What NAME is in the code, below `xianning` or as it stands. Raises AttributeError."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for head in (["xianning", *parts[:length]], parts[:length]):
            try:
                found: Any = importlib.import_module(".".join(head))
            except ModuleNotFoundError:
                continue
            for part in parts[length:]:
                found = getattr(found, part)
            return found
    raise AttributeError(name)


def is_said(figure: str, value: Any) -> bool:
    """Whether FIGURE, as the document writes it, is VALUE."""
    if isinstance(value, guard.Bound):
        return figure == f"{value.burst}, then {value.refill} in 15 min"
    number, _, unit = figure.partition(" ")
    said = float(number)
    if isinstance(value, timedelta):
        return said * SECONDS[unit] == value.total_seconds()
    if unit == "MB":
        return value in {said, said * MB}
    if unit in SECONDS:
        return value in {said, said * SECONDS[unit]}
    return not unit and said == value


FIGURE = re.compile(r"[0-9.]+( (s|min|h|days|MB)|, then [0-9]+ in 15 min)?")
FIGURES = [
    (chapter, row[1], NAME.fullmatch(row[2]))
    for chapter in CHAPTERS
    for row in cells(chapter)
    if len(row) >= 3 and NAME.fullmatch(row[2]) and FIGURE.fullmatch(row[1])
]


@pytest.mark.parametrize(
    ("figure", "value", "fits"),
    [
        ("30 min", 1800, True), ("31 min", 1800, False), ("24 h", timedelta(days=1), True),
        ("20 MB", 20 * MB, True), ("20 MB", 21 * MB, False), ("2000 MB", 2000, True), ("3", 3, True),
        ("3", 4, False), ("6, then 4 in 15 min", guard.Bound(6, 4), True), ("0.25 h", 0.25, True),
        ("6, then 4 in 15 min", guard.Bound(6, 5), False), ("25 h", timedelta(days=1), False),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_noticed(figure: str, value: Any, fits: bool) -> None:
    assert is_said(figure, value) is fits


def test_each_figure_is_that_of_the_code() -> None:
    """ASVS 5.1.1, 6.1.1, 7.1.1, 7.1.2, 15.1.3."""
    names: dict[str, set[str]] = {chapter: set() for chapter in CHAPTERS}
    wrong = []
    for chapter, figure, match in FIGURES:
        assert match
        names[chapter].add(match[1])
        if not is_said(figure, value_of(match[1])):
            wrong.append((match[1], figure, value_of(match[1])))
    assert not wrong
    assert len(FIGURES) >= 40
    assert {chapter: needed - names[chapter] for chapter, needed in NEEDED.items()} == {
        chapter: set() for chapter in NEEDED
    }


def test_each_name_is_in_the_code() -> None:
    """ASVS 2.1.1, 2.1.2: where the rules of values stand, and everything else that is named."""
    found = set(NAME.findall(TEXT)) - OTHERS
    for name in found:
        value_of(name)
    rules = NAME.findall(CHAPTERS["Rules of values"])
    assert len(set(rules)) >= 15
    variables = set(re.findall(r"`([A-Z][A-Z_]+)`", TEXT))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert variables == {name for name in variables if f"`{name}`" in readme}
    assert "xianning/SECURITY.md" in readme
    for command in [*re.findall(r"`manage\.py (\w+)", TEXT), "rotate_keys", "first_code"]:
        assert command in get_commands(), command


def test_what_is_read_up_to_which_class_is_what_the_roles_say() -> None:
    """ASVS 14.1.2: each class has its rules, each role its class."""
    rows = cells("Classes of data")
    said = {row[0]: row for row in rows if len(row) == 7}
    assert [name.partition(":")[0] for name in said] == list(register.LEVELS)
    assert all(all(cell.strip() for cell in row) for row in said.values())
    reads = {row[0]: set(row[1].split(", ")) for row in rows if len(row) == 2}
    of_roles: dict[str, set[str]] = {}
    for slug, role in ROLES.items():
        of_roles.setdefault(role.clearance, set()).add(slug)
    assert reads == of_roles
    assert not checks.no_role_reads_above_its_label()


def test_every_key_has_its_algorithm_its_keeper_and_its_end() -> None:
    """ASVS 11.1.1, 11.1.2."""
    rows = cells("Keys and algorithms")
    assert all(len(row) == 5 and all(cell.strip() for cell in row) for row in rows), rows
    keys = " ".join(row[0] for row in rows)
    for name in ("`FIELD_KEYS`, `keys`", "`FIELD_KEYS`, `index`", "`SECRET_KEY`", "phone", "password",
                 "set-up code", "TLS of browsers", "TLS of the database"):  # fmt: skip
        assert name in keys
    algorithms = " ".join(row[2] for row in rows)
    words = {"aes": ("AES-256-GCM", "HMAC-SHA-256"), "sm": ("SM4-GCM", "HMAC-SM3")}
    assert words.keys() == sealing.PROVIDERS.keys() == sealing.DIGESTS.keys()
    assert all(word in algorithms for pair in words.values() for word in pair)


def test_the_bits_of_secrets_are_those_that_are_made() -> None:
    """ASVS 11.5.1: what is shorter than 128 bits is listed with its reason."""
    said = {row[0]: row[1] for row in cells("Guessing") if len(row) == 3 and "`" not in row[2]}
    assert setup.LONG * log2(len(setup._LETTERS)) >= 128
    assert set(second_factor._LETTERS) == set(setup._LETTERS)  # read off paper: no 0, 1, i, l, o
    bits = log2(len(second_factor._LETTERS))
    made = {
        "first password, from the administrator": len(first_password().replace("-", "")) * bits,
        "recovery code": second_factor.LONG * bits,
        "number of a contact card": 12 * log2(len(CARD_LETTERS)),
    }
    for name, found in made.items():
        assert int(said[name]) == int(found), name
    assert said["phone's secret"] == "160"
    assert said["random part of an id in an address"] == "62"


def test_logs_go_where_the_list_says_and_nowhere_else() -> None:
    """ASVS 16.1.1, 16.2.3."""
    listed = " ".join(row[0] for row in cells("Logs") if len(row) == 5)
    for name in ("AuditEvent", "AccessLog", "histories", "xianning", "gunicorn.error", "proxy"):
        assert name in listed, name
    config: Any = settings.LOGGING
    assert config["handlers"].keys() == {"console"}
    assert config["handlers"]["console"]["class"] == "logging.StreamHandler"  # standard error
    assert config["root"]["handlers"] == ["console"]
    assert not any("handlers" in logger for logger in config["loggers"].values())
    sources = [
        path for app in register.OUR_APPS for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
    ]  # fmt: skip
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(File|SysLog|HTTP|Socket|SMTP)Handler\b|--access-logfile", text), (
            path
        )
        for name in re.findall(r'getLogger\(("[^"]*"|\w+)\)', text):
            listened = name == '"weasyprint"' and path.name == "pdf.py"  # to know missing glyphs
            assert name == "__name__" or name.startswith('"xianning') or listened, (path, name)
    for name in ("xianning", "django", "django.request"):
        handlers = [type(each) for each in logging.getLogger(name).handlers]
        assert not any(issubclass(each, logging.FileHandler) for each in handlers), name


def test_every_kind_of_file_that_is_taken_is_listed() -> None:
    """ASVS 5.1.1."""
    rows = [row for row in cells("Files that are taken") if row[0].startswith(".")]
    assert {kind for row in rows for kind in row[0].split()} == EXTENSIONS.keys()
    assert all(len(row) == 3 for row in rows)
