"""Small requirements of ASVS 5.0.0 that no other test shows; the numbers stand in tests/maps."""

from __future__ import annotations

import ast
import json
import logging
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("home", "transfers:list", "rosters", "notices", "jobs", "account", "exports")


@pytest.mark.django_db
def test_every_text_answer_names_its_characters_and_every_page_the_way_out(
    sign_in: Callable[[str], Client],
) -> None:
    """ASVS 4.1.1, 7.4.4."""
    client = sign_in("shequ")
    for name in PAGES:
        response = client.get(reverse(name))
        assert response["Content-Type"] == "text/html; charset=utf-8", name
        page = response.content.decode()
        assert f'action="{reverse("sign_out")}"' in page, name
        assert "退出" in page, name
    assert client.get("/nothing/")["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.django_db
def test_a_password_is_typed_hidden_and_may_come_from_a_password_manager(
    sign_in: Callable[[str], Client],
) -> None:
    """ASVS 6.2.6, 6.2.7."""
    for page, fields in (
        (Client().get(reverse("sign_in")), 1),
        (sign_in("shequ").get(reverse("password_change")), 3),
    ):
        inputs = re.findall(r"<input[^>]*password[^>]*>", page.content.decode())
        typed = [tag for tag in inputs if 'type="password"' in tag]
        assert len(typed) == fields, inputs
        for tag in typed:
            assert re.search(r'autocomplete="(current|new)-password"', tag), tag
            assert "onpaste" not in tag


@pytest.mark.django_db
def test_a_password_counts_as_it_is_typed(people: dict[str, object]) -> None:
    """ASVS 6.2.8: no letter case folded, no blank cut off, nothing after the 64th character lost."""
    user = people["shequ"]
    long = " 桂花 " + "Aa" * 40 + " "
    user.set_password(long)  # type: ignore[attr-defined]
    check = user.check_password  # type: ignore[attr-defined]
    assert check(long)
    for other in (long.strip(), long.lower(), long.upper(), long[:-2], long[:64]):
        assert not check(other)


def test_production_hashes_slowly() -> None:
    """ASVS 11.4.2: what the tests use is not what production uses."""
    code = (
        "import django; django.setup();"
        "from django.contrib.auth.hashers import make_password; print(make_password('x'))"
    )
    keys = json.dumps({"active": "k1", "keys": {"k1": "A" * 43 + "="}, "index": "B" * 42 + "A="})
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "xianning.settings", "SECRET_KEY": "kX9-" * 15,
            "FIELD_KEYS": keys, "ALLOWED_HOSTS": "example.org", "PATH": "",
        },
    ).stdout.strip()  # fmt: skip
    algorithm, rounds, *_ = made.split("$")
    assert algorithm == "pbkdf2_sha256"
    assert int(rounds) >= 600_000


@pytest.mark.django_db
def test_trace_is_not_answered(sign_in: Callable[[str], Client]) -> None:
    """ASVS 13.4.4."""
    client = sign_in("shequ")
    for name in PAGES:
        response = client.trace(reverse(name))
        assert response.status_code in {403, 405}, name
        assert "sessionid" not in response.content.decode()


@pytest.mark.django_db
def test_times_of_lines_and_of_events_carry_their_zone() -> None:
    """ASVS 16.2.2: lines of the console in ISO 8601 with the offset, events in UTC."""
    from xianning import audit, settings
    from xianning.logs import Lines

    config = settings.LOGGING["formatters"]["line"]  # type: ignore[index]
    assert config["()"] == f"{Lines.__module__}.{Lines.__qualname__}"
    record = logging.makeLogRecord({"msg": "x", "name": "xianning", "levelname": "INFO"})
    record.created = 1_790_000_000.25
    shown = Lines(config["format"], style="{").format(record).split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00", shown)
    assert datetime.fromisoformat(shown).timestamp() == record.created
    event = audit.write("sign_in")
    event.refresh_from_db()
    assert event.at.tzinfo is UTC
    assert audit.text_of(event.at).endswith("+00:00")


@pytest.mark.django_db
def test_a_page_tells_of_the_failure_even_when_no_page_can_be_made(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """ASVS 16.5.1, 16.5.4: static files not collected, so that each template fails, 500.html too."""

    def missing(name: str) -> str:
        raise ValueError(f"Missing staticfiles manifest entry for {name!r}")

    client = sign_in("shequ")
    client.raise_request_exception = False
    monkeypatch.setattr(staticfiles_storage, "url", missing)
    for path in (reverse("home"), "/nothing/"):
        response = client.get(path)
        page = response.content.decode()
        assert response.status_code == 500
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "系统没有办成此事，本次更改没有保存" in page
        assert not re.search(r"static|manifest|Error|Traceback|<script|<style|style=", page)
    assert "collectstatic" in caplog.text
    monkeypatch.undo()
    assert client.get(reverse("home")).status_code == 200


def test_chance_comes_from_the_operating_system() -> None:
    """ASVS 6.5.3, 11.5.1: the module `random` makes up people, for the demo and to measure with."""
    users = set()
    for path in ROOT.glob("[a-z]*/**/*.py"):
        parts = path.relative_to(ROOT).parts
        if parts[0] in {"tests", "var"} or parts[:2] == ("xianning", "bench"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and any(n.name == "random" for n in node.names):
                users.add(path.name)
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                users.add(path.name)
    assert users == {"demo.py", "load_demo.py"}
