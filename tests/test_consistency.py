"""What a reviewer would otherwise have to look for by hand."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import override_settings

from xianning import register
from xianning.roles import RIGHTS, ROLES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path for app in register.OUR_APPS for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts
]  # fmt: skip
OF_THE_TEST_RUNNER = {"templates.E002"}  # it makes undefined template variables fail a test
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def test_the_system_checks_find_nothing() -> None:
    assert [p for p in run_checks() if p.id not in OF_THE_TEST_RUNNER] == []


def test_each_model_says_what_it_keeps_about_whom_why_and_how_long() -> None:
    assert register.gaps() == []
    entries = register.entries()
    assert {entry.level for entry in entries} == set(register.LEVELS)
    for entry in entries:
        assert entry.purpose, entry
        assert entry.roles, entry
        assert entry.retention, entry
    level = {(e.table, e.field): e.level for e in entries}
    assert level["transfers_retiree", "health"] == "sensitive"
    assert level["transfers_retiree", "home_phone"] == "personal"
    assert level["communities_area", "name"] == "public"
    assert level["xianning_office", "phone"] == "internal"


def test_only_the_workflow_writes_the_state_of_steps_and_cases() -> None:
    """Neither an assignment to `.state` of a case or step, nor a bulk write, anywhere else."""
    others = []
    for path in SOURCES:
        if path.name == "workflow.py":
            continue
        text = path.read_text(encoding="utf-8")
        if re.search(r"(TransferStep|StepEvent)(\.objects\.(create|bulk|update|get_or)|\()", text):
            others.append(str(path))
        for node in ast.walk(ast.parse(text)):
            targets = getattr(node, "targets", [])
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == "state":
                    owner = ast.unparse(target.value)
                    if owner in {"case", "transfer", "row", "step", "t"}:
                        others.append(f"{path}: {ast.unparse(node)}")
    assert [o for o in others if "transfers/models/" not in o] == []


def test_each_template_is_used() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in [*SOURCES, *TEMPLATES])
    django_names = {
        "400.html", "403.html", "404.html", "500.html", "403_csrf.html", "lockout.html",
        "registration/login.html", "registration/password_change_form.html",
    }  # fmt: skip
    unused = []
    for path in TEMPLATES:
        name = str(path.relative_to(ROOT / "templates"))
        # Views of an app with many pages build the name: `_page(request, "act")`.
        views = (ROOT / path.parent.name).glob("*.py")
        built = any(f'"{path.stem}"' in v.read_text(encoding="utf-8") for v in views)
        if name not in django_names and name not in text and not built:
            unused.append(name)
    assert not unused


@pytest.mark.parametrize(
    "pattern",
    [
        r"<script(?![^>]*\bsrc=)", r"\son\w+=\"", r"\sstyle=\"", r"hx-on", r"\|\s*safe\b",
        r"https?://(?!www\.w3\.org)",
    ],
)  # fmt: skip
def test_no_page_carries_what_the_content_security_policy_forbids(pattern: str) -> None:
    bad = [
        str(p.relative_to(ROOT)) for p in TEMPLATES
        if "print" not in p.parts and re.search(pattern, p.read_text(encoding="utf-8"))
    ]  # fmt: skip
    assert bad in ([], ["templates/_partials/field_notes.html"])


@pytest.mark.parametrize(
    "construct", ["mark_safe", "shell=True", "pickle", "eval(", ".extra(", ".raw("]
)
def test_no_source_uses_a_dangerous_construct(construct: str) -> None:
    found = [str(p) for p in SOURCES if construct in p.read_text(encoding="utf-8")]
    assert found == []


def test_no_file_names_a_package_host_or_a_path_of_a_machine() -> None:
    words = re.compile(r"pypi\.org|pythonhosted|/work/|/root/|registry\.npm|debian\.org")
    ours = [*SOURCES, *(ROOT / "requirements").iterdir(), ROOT / "Makefile", ROOT / "pyproject.toml",
            *(ROOT / ".ci").iterdir(), ROOT / "README.md"]  # fmt: skip
    assert [str(p) for p in ours if words.search(p.read_text(encoding="utf-8"))] == []


def test_the_diagram_in_the_readme_is_the_table() -> None:
    call_command("workflow_diagram", check=str(ROOT / "README.md"), stdout=io.StringIO())


def test_the_table_of_roles_is_sound() -> None:
    for role in ROLES.values():
        assert role.rights <= RIGHTS.keys()
        assert (role.place == "enterprise") == (not role.levels)
        assert set(role.acts_as) <= ROLES.keys()


def test_production_settings_pass_the_deployment_check() -> None:
    with override_settings(
        DEBUG=False, SECURE_HSTS_SECONDS=31536000, SECURE_SSL_REDIRECT=True,
        SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True, ALLOWED_HOSTS=["example.invalid"],
        SECURE_HSTS_INCLUDE_SUBDOMAINS=True, SECURE_HSTS_PRELOAD=True,
        SECRET_KEY="".join(chr(33 + n % 90) for n in range(70)),
    ):  # fmt: skip
        problems = run_checks(include_deployment_checks=True)
    assert [p for p in problems if p.id not in {*OF_THE_TEST_RUNNER, "axes.W006"}] == []


def test_no_file_of_the_project_holds_a_real_looking_id_number() -> None:
    """Only numbers of the unassigned region 421299, or the specimen of the standard itself."""
    from xianning import standards

    specimen = {"11010519491231002X"}
    found = set()
    for path in [*SOURCES, *TEMPLATES, *(ROOT / "tests").rglob("*.py"), ROOT / "README.md"]:
        for number in re.findall(r"(?<![0-9A-Za-z])[1-8]\d{16}[0-9X]", path.read_text("utf-8")):
            try:
                standards.parse_id_number(number)
            except standards.NotValid:
                continue
            if not number.startswith("421299") and number not in specimen:
                found.add(f"{path.name}: {number}")
    assert not found


def test_no_file_of_the_project_holds_a_half_done_merge() -> None:
    left = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    documents = [ROOT / "README.md", *(ROOT / "xianning").glob("*.md")]
    found = [
        path.name
        for path in [*SOURCES, *TEMPLATES, *(ROOT / "tests").rglob("*.py"), *documents]
        if left.search(path.read_text("utf-8"))
    ]
    assert found == []
