"""Backup and restoration of the database and the uploads, without the keys (等保 CES-29).

A backup is a folder: `database` (SQLite's own copy, or pg_dump's archive), `media/` as it lies on
the disk, sealed, and `manifest.json` with the size and SHA-256 of each file under a keyed digest.
FIELD_KEYS and SECRET_KEY are never in it: they are kept elsewhere, and without them nobody reads
a private value of the backup. The audit's anchors stay outside as well, or they would prove nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from xianning import audit, checks, vault

FORMAT = 1
DATABASE, MEDIA, MANIFEST = "database", "media", "manifest.json"


class Refused(Exception):
    """Nothing was made or changed; the text is a sentence for whoever asked."""


# --- making one ---------------------------------------------------------------------------------


def make(out: Path) -> dict[str, Any]:
    """Write a backup to the new folder OUT and return its manifest; people go on working.

    The database comes first: a file that is added later belongs to no row and is swept, and one
    that is removed meanwhile was no longer wanted. Files keep their times, because sweeping goes
    by them. Raises Refused, OSError.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused(f"{out} 已经存在，请另指定一个新目录。")
    audit.write("backup_made", facts={"database": connection.vendor})
    out.parent.mkdir(parents=True, exist_ok=True)
    # Under the final name there is never half a backup.
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _dump(draft / DATABASE)
        files = {DATABASE: _facts(draft / DATABASE)}
        for name in vault.names():
            copy = draft / MEDIA / name
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copy2(Path(settings.MEDIA_ROOT) / name, copy)
            except FileNotFoundError:
                continue
            files[f"{MEDIA}/{name}"] = _facts(copy)
        manifest = {
            "format": FORMAT, "made_at": timezone.now().isoformat(timespec="seconds"),
            "database": connection.vendor, "files": files,
        }  # fmt: skip
        text = json.dumps(manifest | {"mac": audit.keyed(_signed(manifest))}, indent=1)
        (draft / MANIFEST).write_text(text, "utf-8")
        for path in draft.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        os.sync()
        draft.rename(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def _signed(manifest: dict[str, Any]) -> bytes:
    """What the keyed digest covers."""
    kept = {name: value for name, value in manifest.items() if name != "mac"}
    return b"backup\n" + json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


# --- bringing one back --------------------------------------------------------------------------


def read(folder: Path) -> dict[str, Any]:
    """The manifest of FOLDER when everything is there as it was written. Raises Refused."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        files, mac, form = manifest["files"], manifest["mac"], manifest["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(f"{folder} 中没有可用的备份清单 {MANIFEST}。") from None
    if not audit.fits(_signed(manifest), str(mac)):
        raise Refused("备份清单与 FIELD_KEYS 不符：密钥不是备份时的密钥，或清单被改动。")
    if form != FORMAT or manifest["database"] != connection.vendor:
        raise Refused(f"这份备份出自 {manifest['database']}，不能恢复到 {connection.vendor}。")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    wrong = sorted(found ^ {*files, MANIFEST})
    wrong += [name for name in files if name in found and _facts(folder / name) != files[name]]
    if wrong:
        raise Refused(f"备份不完整或被改动：{'、'.join(wrong[:5])}，共 {len(wrong)} 个文件。")
    return manifest


def restore(folder: Path) -> dict[str, Any]:
    """Bring the backup FOLDER into the empty database and the empty store of uploads.

    Everything is verified before the first byte is written. Returns the manifest. Raises Refused,
    ImproperlyConfigured when the keys do not fit, OSError.
    """
    manifest = read(folder)
    if connection.introspection.table_names():
        raise Refused("数据库不是空的：只能恢复到新建的空数据库。")
    if next(vault.names(), None):
        raise Refused("上传文件目录不是空的：只能恢复到空目录。")
    try:
        _put_back(folder, [name for name in manifest["files"] if name != DATABASE])
        _load(folder / DATABASE)
    except BaseException:  # so that the next try finds it empty again
        for name in list(vault.names()):
            vault.remove(name)
        raise
    call_command("migrate", verbosity=0)  # the backup may be older than the program
    checks.require_right_keys()
    facts = {"made_at": manifest["made_at"], "files": len(manifest["files"])}
    audit.write("backup_restored", facts=facts)
    return manifest


def _put_back(folder: Path, names: list[str]) -> None:
    for name in names:
        place = Path(settings.MEDIA_ROOT) / Path(name).relative_to(MEDIA)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(folder / name, place)
        place.chmod(0o600)


# --- the two databases --------------------------------------------------------------------------


def _dump(path: Path) -> None:
    """A consistent copy of what is committed."""
    if connection.vendor == "postgresql":
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")
        return
    with closing(_sqlite(connection.settings_dict["NAME"])) as ours, closing(
        sqlite3.connect(path)
    ) as copy:  # fmt: skip
        ours.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise Refused("数据库的副本没有通过校验，没有生成备份。")


def _load(path: Path) -> None:
    if connection.vendor == "postgresql":
        name = f"--dbname={connection.settings_dict['NAME']}"
        _run("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", name, str(path))
        return
    connection.close()
    target = sqlite3.connect(connection.settings_dict["NAME"])
    with closing(_sqlite(path)) as copy, closing(target):
        copy.backup(target)


def _sqlite(path: Any) -> sqlite3.Connection:
    """For reading only."""
    return sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)


def _run(program: str, *words: str) -> None:
    """One of PostgreSQL's own programs, of the server's version, with our access to it."""
    connection.ensure_connection()
    major = connection.pg_version // 10000  # type: ignore[attr-defined]  # of PostgreSQL's backend
    path = Path(f"/usr/lib/postgresql/{major}/bin/{program}")
    found = str(path) if path.exists() else shutil.which(program)
    if found is None:
        raise Refused(f"缺少 {program}：请安装 postgresql-client-{major}。")
    facts = connection.settings_dict
    access = {f"PG{name}": str(facts[name]) for name in ("HOST", "PORT", "USER", "PASSWORD")}
    access["PGDATABASE"] = str(facts["NAME"])
    access |= {f"PG{k.upper()}": v for k, v in facts["OPTIONS"].items() if k.startswith("ssl")}
    done = subprocess.run(
        [found, "--no-password", *words], env=os.environ | {k: v for k, v in access.items() if v},
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"{program} 没有完成：{audit.one_line(done.stderr.strip(), 300)}")
