"""The way of an upload into the vault: quota, room, kind, scanner, cleaning, storing."""

from __future__ import annotations

import errno
import logging
import shutil
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from xianning import audit, vault
from xianning.models import Sequence
from xianning.sandbox import MB, Rejected
from xianning.uploads import scanner
from xianning.uploads.kinds import kind_of
from xianning.uploads.limits import SCAN_BYTES, limit_size
from xianning.uploads.scans import clean_scan

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

    from xianning.models import User

logger = logging.getLogger("xianning.uploads")

SCANS = "scans"
QUOTA = "upload"  # the first word of the counters' keys
KB = 1024
FULL = "存储空间已满，文件没有保存。请稍后再试，并告知系统管理员。"
# No space, over the file system's quota, larger than a file may be.
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Infected(Rejected):
    """The scanner found malware; nothing of the file is kept."""


class Received(NamedTuple):
    """A stored scan: name in the vault, the person's own name for it, and what it is."""

    file: str
    name: str
    type: str
    size: int
    sha256: str
    quarantined: bool
    left_out: list[str]


def daily_mb() -> int:
    """How much one person may upload on one day (setting UPLOAD_DAILY_MB)."""
    return int(getattr(settings, "UPLOAD_DAILY_MB", 2000))


def receive_scan(
    upload: UploadedFile, by: User, *, limit: int = SCAN_BYTES, folder: str = SCANS
) -> Received:
    """Check, clean and store the scan that BY sent. Raises Rejected; then nothing is stored.

    LIMIT is for PDF (bytes): a pile of papers in one file is longer than a scan.
    """
    size = upload.size or 0
    limit_size(size, limit)
    data = upload.read()
    name = safe_name(upload.name or "")
    checked = admit(data, name, by)
    clean = clean_scan(data, name, limit)
    return Received(
        store(clean.data, folder), name, clean.content_type, len(clean.data),
        vault.digest(clean.data), not checked, clean.left_out,
    )  # fmt: skip


def safe_name(name: str) -> str:
    """NAME without characters that change how it is shown, at most 120 long; its end is kept."""
    shown = "".join(c for c in name if not unicodedata.category(c).startswith("C"))
    return shown[-120:]


def admit(data: bytes, name: str, by: User) -> bool:
    """Whether the scanner has looked through the upload; False when it could not be asked.

    Raises Rejected: over the quota of the day, no room, a kind that is not accepted or not the
    one of the name; Infected when the scanner found something.
    """
    _require_room(len(data))
    count_upload(by, len(data))
    kind_of(data, name)
    if not scanner.is_configured():
        return True
    try:
        found = scanner.look(data)
    except scanner.Unavailable as reason:
        logger.error("virus scanner: %s", reason)
        return False
    if found is None:
        return True
    audit.write(
        "upload_refused", user=by, result="refused",
        facts={"malware": found, "sha256": vault.digest(data), "bytes": len(data)},
    )  # fmt: skip
    raise Infected(f"查杀程序在文件中发现病毒（{found}），文件没有保存。请检查本机后重新扫描上传。")


def count_upload(by: User, size: int) -> None:
    """Add SIZE bytes to what BY uploaded today. Raises Rejected when it would be too much.

    The counter is kept in kilobytes, and outside of what the request does afterwards: a file that
    is refused has cost as much as one that is kept.
    """
    kilobytes = -(-size // KB)
    key = f"{QUOTA}/{timezone.localdate():%Y%m%d}/{by.pk}"
    limit = daily_mb() * MB // KB
    with transaction.atomic():
        Sequence.objects.get_or_create(key=key)
        room = Sequence.objects.filter(key=key, last__lte=limit - kilobytes)
        if not room.update(last=F("last") + kilobytes):
            raise Rejected(f"今天上传的文件合计已达上限 {daily_mb()} MB，请明天再上传。")


def forget_old_counts() -> int:
    """Remove the counters of earlier days; how many."""
    today = f"{QUOTA}/{timezone.localdate():%Y%m%d}/"
    old = Sequence.objects.filter(key__startswith=f"{QUOTA}/").exclude(key__startswith=today)
    return old.delete()[0]


def _require_room(size: int) -> None:
    """Leave room for the database to go on (setting UPLOAD_RESERVE_MB). Raises Rejected."""
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reserve = int(getattr(settings, "UPLOAD_RESERVE_MB", 200)) * MB
    if shutil.disk_usage(folder).free < reserve + 2 * size:
        logger.error("no room for uploads: less than %s MB free", reserve // MB)
        raise Rejected(FULL)


def store(data: bytes, folder: str) -> str:
    """Put DATA into the vault. Raises Rejected when the disk is full; then nothing is left of it."""
    try:
        return vault.put(data, folder)
    except OSError as error:
        if error.errno not in FULL_ERRORS:
            raise
        logger.error("upload not stored: %s", errno.errorcode[error.errno])
        raise Rejected(FULL) from None
