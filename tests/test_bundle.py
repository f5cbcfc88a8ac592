"""The update for a server without Internet: forged, altered, incomplete or outgrown, it is refused."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_supply_chain import script

bundle = script("bundle")
WHEEL = b"PK a wheel"


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A folder with keys, a repository of two files, its wheel, and the bundle of them."""
    root, wheels = tmp_path / "root", tmp_path / "wheels"
    (root / "requirements").mkdir(parents=True)
    wheels.mkdir()
    (wheels / "some_part-1.0-py3-none-any.whl").write_bytes(WHEEL)
    digest = hashlib.sha256(WHEEL).hexdigest()
    lock = f"some-part==1.0 \\\n    --hash=sha256:{digest}\n"
    (root / "requirements" / "app.txt").write_text(lock, "utf-8")
    (root / "manage.py").write_bytes(b"#!/usr/bin/env python3\n")
    (root / "secret.env").write_bytes(b"not committed")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    for command in (["init", "-q"], ["add", "manage.py", "requirements"],
                    [*who, "commit", "-qm", "one"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=root, check=True)
    bundle.make_keys(tmp_path / "keys")
    bundle.make(tmp_path / "keys" / "update.key", wheels, tmp_path / "new.tar", root)
    return tmp_path


def unpack(folder: Path, name: str = "new.tar") -> str:
    return str(bundle.unpack(folder / "keys" / "update.pub", folder / name, folder / "target"))


def test_what_was_committed_and_the_locked_packages_arrive_and_nothing_else(signed: Path) -> None:
    assert "签名有效" in unpack(signed)
    target = signed / "target"
    found = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    assert found == {
        "program/manage.py", "program/requirements/app.txt",
        "wheels/some_part-1.0-py3-none-any.whl",
    }  # fmt: skip
    assert (target / "program" / "manage.py").stat().st_mode & 0o777 == 0o755
    assert (signed / "keys" / "update.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(bundle.Refused, match="已存在"):
        unpack(signed)


Members = list[tuple[tarfile.TarInfo, bytes]]


def rewritten(folder: Path, change: Callable[[Members], Members]) -> None:
    """The bundle with other members."""
    with tarfile.open(folder / "new.tar") as old:
        members = [(m, (old.extractfile(m) or io.BytesIO()).read()) for m in old]
    with tarfile.open(folder / "new.tar", "w") as new:
        for member, data in change(members):
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))


def named(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
    return member, data


def relisted(members: Members) -> Members:
    """A list that fits an altered file, but is not signed."""
    listed = json.loads(members[0][1])
    listed["files"]["program/manage.py"] = hashlib.sha256(b"evil").hexdigest()
    return [named("files.json", json.dumps(listed).encode()), *altered(members[1:])]


def altered(members: Members) -> Members:
    return [(m, b"evil" if m.name == "program/manage.py" else data) for m, data in members]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (altered, "已被改动：program/manage.py"),
        (relisted, "签名无效"),
        (lambda all_: all_[2:], "没有签名的文件清单"),
        (lambda all_: [*all_[:2], *all_[3:]], "缺少 1 个文件"),
        (lambda all_: [*all_, named("program/extra.py", b"")], "清单以外的文件：program/extra.py"),
        (lambda all_: [*all_, named("../outside", b"")], "清单以外的文件：../outside"),
        (lambda all_: [*all_, named("/outside", b"")], "清单以外的文件：/outside"),
        (lambda all_: [*all_, named("program/link", b"", tarfile.SYMTYPE)], "清单以外的文件"),
        (lambda all_: [*all_, all_[2]], "清单以外的文件"),
        (lambda all_: [named("files.json", b"0" * (9 << 20)), *all_[1:]], "清单过大"),
    ],
)
def test_an_altered_bundle_is_refused_and_leaves_nothing(
    signed: Path, change: Callable[[Members], Members], sentence: str
) -> None:
    rewritten(signed, change)
    before = sorted(p.name for p in signed.iterdir())
    with pytest.raises(bundle.Refused, match=sentence):
        unpack(signed)
    assert sorted(p.name for p in signed.iterdir()) == before


def test_a_bundle_of_somebody_else_is_refused(signed: Path) -> None:
    bundle.make_keys(signed / "other")
    shutil.copy(signed / "other" / "update.pub", signed / "keys" / "update.pub")
    with pytest.raises(bundle.Refused, match="签名无效"):
        unpack(signed)


@pytest.mark.parametrize("length", [0, 100, 2000, 5000])
def test_a_bundle_that_was_cut_off_is_refused(signed: Path, length: int) -> None:
    data = (signed / "new.tar").read_bytes()
    (signed / "cut.tar").write_bytes(data[:length])
    with pytest.raises(bundle.Refused):
        unpack(signed, "cut.tar")
    assert not (signed / "target").exists()


def test_only_the_packages_of_the_lock_are_taken_and_all_of_them(signed: Path) -> None:
    key, wheels, root = signed / "keys" / "update.key", signed / "wheels", signed / "root"
    (wheels / "other-2.0-py3-none-any.whl").write_bytes(b"PK another")
    with pytest.raises(bundle.Refused, match=r"不是 requirements.app.txt 锁定"):
        bundle.make(key, wheels, signed / "two.tar", root)
    with pytest.raises(bundle.Refused, match="缺少软件包：some-part"):
        bundle.make(key, signed / "none", signed / "two.tar", root)


def test_the_command_says_why_and_ends_with_one(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public, file = str(signed / "keys" / "update.pub"), str(signed / "new.tar")
    assert bundle.main(["unpack", public, file, str(signed / "a")]) == 0
    assert bundle.main(["unpack", public, file, str(signed / "a")]) == 1
    assert "已存在" in capsys.readouterr().err
    assert bundle.main([]) == 2
