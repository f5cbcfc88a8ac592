"""等保 CES-29: a backup can be brought back, and a damaged or foreign one is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories import make_transfer
from tests.test_transport import ROOT, surroundings
from xianning import audit, audit_seals, backup, privacy, vault
from xianning.models import AuditEvent, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = (
    "import json; from django.apps import apps; print(json.dumps("
    "{m._meta.label: m._base_manager.count() for m in apps.get_models()}))"
)


@contextmanager
def empty_database(folder: Path) -> Iterator[str]:
    """The DATABASE_URL of a new database of the same kind."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{folder / 'fresh.sqlite3'}"
        return
    facts, name = connection.settings_dict, f"drill_{os.getpid()}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield f"postgres://{facts['USER']}@/{name}?host={quote(facts['HOST'])}"
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def command(surrounding: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words], env=surrounding, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_backup_comes_back_on_an_empty_machine_with_every_row_file_and_seal(
    settings: Any, tmp_path: Path
) -> None:
    """The drill: what it prints is the record of the restoration."""
    Installation.objects.get_or_create(
        id=1, defaults={"is_demo": True, "key_check": privacy.make_key_check()}
    )
    make_transfer(at="deliver")
    scan = vault.put(b"%PDF-1.7 scan", "scans")
    audit_seals.seal()
    out = tmp_path / "backups" / "monday"
    call_command("backup", out=out)
    rows = {m._meta.label: m._base_manager.count() for m in apps.get_models()}
    keys = json.loads(settings.PRIVACY_KEYS)
    for path in out.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        kept = path.read_bytes() if path.is_file() else b""
        for secret in (keys["index"], *keys["keys"].values(), settings.SECRET_KEY):
            assert secret.encode() not in kept, path

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with empty_database(fresh) as url:
        machine = surroundings(
            fresh, DATABASE_URL=url, FIELD_KEYS=settings.PRIVACY_KEYS, DEMO="1",
            AUDIT_ANCHORS=str(settings.AUDIT_ANCHORS),
        )  # fmt: skip
        assert "已恢复" in command(machine, "restore", "--from", str(out))
        rows["xianning.AuditEvent"] += 1  # that it was restored
        # After "imported automatically" and the like, the last line is ours.
        assert json.loads(command(machine, "shell", "-c", COUNTS).splitlines()[-1]) == rows
        verified = json.loads(command(machine, "audit", "verify", "--json").splitlines()[-1])
        assert verified["good"], verified
        assert verified["events"] == rows["xianning.AuditEvent"]
    assert (fresh / "media" / scan).read_bytes() == (Path(settings.MEDIA_ROOT) / scan).read_bytes()


def _flip(folder: Path) -> None:
    content = bytearray((folder / "database").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "database").write_bytes(content)


def _cut(folder: Path) -> None:
    content = (folder / "database").read_bytes()
    (folder / "database").write_bytes(content[:-100])


def _lose(folder: Path) -> None:
    next((folder / "media").rglob("????????*")).unlink()


def _add(folder: Path) -> None:
    (folder / "media" / "scans" / "more").write_bytes(b"x")


def _edit(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"bytes": ', '"bytes": 1'), "utf-8")


def _elsewhere(folder: Path) -> None:
    """As it would be signed had it been made from another kind of database."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8")) | {"database": "mysql"}
    manifest["mac"] = audit.keyed(backup._signed(manifest))
    path.write_text(json.dumps(manifest), "utf-8")


def _forget(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.django_db
def test_what_is_damaged_foreign_or_would_overwrite_is_refused(
    settings: Any, tmp_path: Path
) -> None:
    name = vault.put(b"%PDF-1.7 scan", "scans")
    out = tmp_path / "whole"
    backup.make(out)
    assert backup.read(out)["files"].keys() == {"database", f"media/{name}"}
    for harm, sentence in (
        (_flip, "被改动：database"), (_cut, "被改动：database"), (_lose, "不完整"),
        (_add, "media/scans/more"), (_edit, "与 FIELD_KEYS 不符"), (_elsewhere, "出自 mysql"),
        (_forget, "没有可用的备份清单"),
    ):  # fmt: skip
        copy = tmp_path / harm.__name__
        shutil.copytree(out, copy)
        harm(copy)
        with pytest.raises(CommandError, match=sentence):
            call_command("restore", folder=copy)
    with pytest.raises(backup.Refused, match="数据库不是空的"):
        backup.restore(out)
    with pytest.raises(CommandError, match="已经存在"):
        call_command("backup", out=out)
    assert vault.get(name) == b"%PDF-1.7 scan"
    settings.PRIVACY_KEYS = privacy.new_keys()
    with pytest.raises(backup.Refused, match="与 FIELD_KEYS 不符"):
        backup.read(out)


@pytest.mark.django_db
def test_half_a_backup_is_none_and_leaves_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_dump", full)
    with pytest.raises(CommandError, match="备份没有完成"):
        call_command("backup", out=tmp_path / "full")
    assert list(tmp_path.iterdir()) == []
    assert AuditEvent.objects.get(action="backup_made").user_name == "命令 backup"


@pytest.mark.django_db
def test_a_restoration_that_fails_half_way_leaves_the_store_empty(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = vault.put(b"%PDF-1.7 scan", "scans")
    backup.make(tmp_path / "whole")
    vault.remove(name)

    def broken(path: Path) -> None:
        assert (Path(settings.MEDIA_ROOT) / name).exists()
        raise backup.Refused("pg_restore 没有完成：broken")

    monkeypatch.setattr(backup, "_load", broken)
    monkeypatch.setattr(connection.introspection, "table_names", lambda: [])
    with pytest.raises(CommandError, match="没有完成"):
        call_command("restore", folder=tmp_path / "whole")
    assert list(vault.names()) == []
