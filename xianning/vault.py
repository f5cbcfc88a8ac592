"""Files nobody can open by an address: encrypted, randomly named, outside the web root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from xianning import privacy

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[a-z]+/[0-9a-f]{32}")


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError("not a name that put() gave")
    return Path(settings.MEDIA_ROOT) / name


def put(data: bytes, folder: str) -> str:
    """Store DATA below FOLDER and return the name by which `get` finds it."""
    name = f"{folder}/{secrets.token_hex(16)}"
    path = _path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sealed = privacy.seal_bytes(data, name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed)
    except BaseException:  # a full disk: half a file must not stay
        path.unlink(missing_ok=True)
        raise
    return name


def get(name: str) -> bytes:
    """What was stored. Raises FileNotFoundError, or privacy.NotReadable when it was altered."""
    return privacy.unseal_bytes(_path(name).read_bytes(), name)


def remove(name: str) -> None:
    path = _path(name)
    if path.exists():
        with _alone():
            path.unlink(missing_ok=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else removes or rewrites a file meanwhile (a lock of the folder, gone with us)."""
    folder = os.open(settings.MEDIA_ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def names() -> Iterator[str]:
    """Every file that is stored, in no order."""
    root = Path(settings.MEDIA_ROOT)
    for folder in root.iterdir() if root.is_dir() else ():
        for file in folder.iterdir() if folder.is_dir() else ():
            if _NAME.fullmatch(name := f"{folder.name}/{file.name}"):
                yield name


def older_than(
    folder: str, age: timedelta, until: timedelta = timedelta.max
) -> Iterator[str]:  # fmt: skip
    """Files of FOLDER that were stored longer than AGE ago, but not as long as UNTIL."""
    now = time.time()
    place = Path(settings.MEDIA_ROOT) / folder
    for file in place.iterdir() if place.is_dir() else ():
        if age < timedelta(seconds=now - file.stat().st_mtime) < until:
            yield f"{folder}/{file.name}"


def is_current(name: str) -> bool:
    """Whether a file is under the active key and algorithm, or gone."""
    head = privacy.head(of_row=False).encode()
    try:
        with _path(name).open("rb") as file:
            return file.read(len(head)) == head
    except FileNotFoundError:
        return True


def reseal(name: str) -> bool:
    """Write a file anew under the active key; False when there was nothing to do.

    Readers find the old file or the new one, never half of it; its times stay, because the sweeping
    of leftovers goes by them. Raises privacy.NotReadable when the file was altered.
    """
    path, beside = _path(name), Path(settings.MEDIA_ROOT) / ".resealed"
    with _alone():
        if is_current(name):
            return False
        times = path.stat()
        sealed = privacy.seal_bytes(get(name), name)
        beside.unlink(missing_ok=True)  # of a run that was killed
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        os.utime(beside, ns=(times.st_atime_ns, times.st_mtime_ns))
        beside.replace(path)
    return True


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
