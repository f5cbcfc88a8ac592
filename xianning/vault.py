"""Files nobody can open by an address: encrypted, randomly named, outside the web root."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from django.conf import settings

from xianning import privacy

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
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(privacy.seal_bytes(data, name))
    return name


def get(name: str) -> bytes:
    """What was stored. Raises FileNotFoundError, or privacy.NotReadable when it was altered."""
    return privacy.unseal_bytes(_path(name).read_bytes(), name)


def remove(name: str) -> None:
    _path(name).unlink(missing_ok=True)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
