#!/usr/bin/env python3
"""An update for a server without Internet: the program and its packages as one signed file.

    .venv/bin/python .ci/bundle.py key FOLDER                  make a pair of keys, once
    .venv/bin/python .ci/bundle.py make KEY WHEELS BUNDLE      from HEAD and `pip download` into WHEELS
    .venv/bin/python .ci/bundle.py unpack PUBLIC BUNDLE TARGET  on the server; TARGET must not exist

The signature (Ed25519, RFC 8032) covers a list of every file with its SHA-256. Nothing is unpacked
before the list is proven and nothing stays when a file differs from it; every wheel must be one of
those that requirements/app.txt names by hash. Ends with 1 and a sentence for whatever is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ROOT = Path(__file__).resolve().parent.parent
LIST, SIGNATURE = "files.json", "files.sig"
LOCK = "program/requirements/app.txt"
MOST_BYTES, LONGEST_LIST = 2 << 30, 8 << 20
_CHUNK = 1 << 20


class Refused(Exception):
    """A bundle that is not taken; the text is a sentence."""


def make_keys(folder: Path) -> None:
    """Write `update.key` (for its owner only) and `update.pub` into FOLDER."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, data, mode in (("update.key", private, 0o600), ("update.pub", public, 0o644)):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


# --- making ---------------------------------------------------------------------------------------


def make(key: Path, wheels: Path, bundle: Path, root: Path = ROOT) -> str:
    """Write BUNDLE from the last commit of ROOT and the wheels of its lock; a sentence on it.

    Raises Refused for a wheel the lock does not name, or when one that it names is missing.
    """
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise Refused(f"{key} 不是 Ed25519 私钥。")
    files = {f"program/{name}": data for name, data in _committed(root).items()}
    for path in sorted(wheels.glob("*.whl")):
        files[f"wheels/{path.name}"] = path.read_bytes()
    _check_wheels(files)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    listed = json.dumps({"commit": _commit(root), "files": digests}, sort_keys=True).encode()
    head = {LIST: listed, SIGNATURE: private.sign(listed)}
    with tarfile.open(bundle, "w") as out:
        for name, data in (head | files).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            executable = data.startswith(b"#!") and not name.startswith("wheels/")
            member.mode = 0o755 if executable else 0o644
            out.addfile(member, io.BytesIO(data))
    return f"{bundle}：{len(files)} 个文件。"


def _committed(root: Path) -> dict[str, bytes]:
    """The files of the last commit, by name."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", "HEAD"], cwd=root, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return {member.name: _read(members, member).read() for member in members if member.isfile()}


def _commit(root: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, cwd=root, capture_output=True, check=True, text=True
    ).stdout.strip()


def _check_wheels(files: dict[str, bytes]) -> None:
    """Exactly the packages of the lock, each with one of its hashes."""
    lock = files.get(LOCK, b"").decode()
    hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock))
    found = {}
    for name, data in files.items():
        if name.startswith("wheels/"):
            if hashlib.sha256(data).hexdigest() not in hashes:
                raise Refused(f"{name} 不是 requirements/app.txt 锁定的软件包。")
            found[_project(name)] = name
    wanted = {
        re.sub(r"[-_.]+", "-", line.split("==")[0].split("[")[0]).lower()
        for line in lock.splitlines() if "==" in line and ";" not in line
    }  # fmt: skip
    if missing := sorted(wanted - found.keys()):
        raise Refused(f"缺少软件包：{'、'.join(missing)}。")


def _project(wheel: str) -> str:
    return re.sub(r"[-_.]+", "-", PurePosixPath(wheel).name.split("-")[0]).lower()


# --- unpacking ------------------------------------------------------------------------------------


def unpack(public: Path, bundle: Path, target: Path) -> str:
    """Prove BUNDLE and lay its files into TARGET; all of them or none. Raises Refused."""
    key = serialization.load_pem_public_key(public.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise Refused(f"{public} 不是 Ed25519 公钥。")
    if target.exists():
        raise Refused(f"{target} 已存在。")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".update-", dir=target.parent))
    try:
        with tarfile.open(bundle, "r:") as members:
            listed = _proven(key, members)
            _lay(members, listed["files"], folder)
        _check_wheels({p.relative_to(folder).as_posix(): p.read_bytes()
                       for p in (folder / LOCK, *sorted(folder.glob("wheels/*")))})  # fmt: skip
        folder.chmod(0o755)
        folder.rename(target)
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"更新包损坏，没有采用（{type(error).__name__}）。") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"{target}：{len(listed['files'])} 个文件，版本 {listed['commit'][:12]}，签名有效。"


def _proven(key: Ed25519PublicKey, members: tarfile.TarFile) -> dict[str, Any]:
    """The list of files, the first two members of the bundle."""
    found = []
    for name in (LIST, SIGNATURE):
        member = members.next()
        if member is None or member.name != name or not member.isfile():
            raise Refused("更新包没有签名的文件清单。")
        if member.size > LONGEST_LIST:
            raise Refused("更新包的文件清单过大。")
        found.append(_read(members, member).read())
    try:
        key.verify(found[1], found[0])
    except InvalidSignature:
        raise Refused("更新包的签名无效：不是本单位签发，或已被改动。") from None
    listed: dict[str, Any] = json.loads(found[0])
    return listed


def _lay(members: tarfile.TarFile, listed: dict[str, str], folder: Path) -> None:
    """Write the members of the list below FOLDER, each compared with it."""
    left, total = dict(listed), 0
    while (member := members.next()) is not None:
        wanted = left.pop(member.name, None)
        path = PurePosixPath(member.name)
        if wanted is None or not member.isfile() or path.is_absolute() or ".." in path.parts:
            raise Refused(f"更新包中有清单以外的文件：{member.name[:80]}")
        total += member.size
        if total > MOST_BYTES:
            raise Refused("更新包过大。")
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if _copied(_read(members, member), place) != wanted:
            raise Refused(f"更新包中的文件已被改动：{member.name[:80]}")
        place.chmod(0o755 if member.mode & 0o100 else 0o644)
    if left:
        raise Refused(f"更新包缺少 {len(left)} 个文件，例如 {min(left)[:80]}。")


def _copied(source: IO[bytes], place: Path) -> str:
    digest = hashlib.sha256()
    with place.open("xb") as out:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _read(members: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = members.extractfile(member)
    assert file is not None
    return file


def main(words: list[str]) -> int:
    """Do what the command line says; 0, 1 (refused) or 2 (not understood)."""
    try:
        match words:
            case ["key", folder]:
                make_keys(Path(folder))
            case ["make", key, wheels, bundle]:
                print(make(Path(key), Path(wheels), Path(bundle)))
            case ["unpack", public, bundle, target]:
                print(unpack(Path(public), Path(bundle), Path(target)))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
