"""Scans that wait for the virus scanner: looked through later, then released or destroyed.

Also removes uploads that never became a scan: a form that was begun and not finished.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction
from django.utils import timezone

from transfers.models import ImportBatch, Scan
from transfers.workflow import CONFIRM, STEPS
from xianning import audit, jobs, vault
from xianning.models import Notice
from xianning.privacy import NotReadable
from xianning.uploads import intake, scanner

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger("xianning.uploads")

AT_ONCE = 200
TIDIED_EVERY = 3600.0  # seconds
# An upload waits one hour for its form; much younger or older files are nobody's leftovers.
LEFT_AFTER, LEFT_UNTIL = timedelta(hours=2), timedelta(hours=72)
SUSPICIOUS = 50  # so many leftovers beside fewer real files: this is not the database of the files


class Outcome(NamedTuple):
    """How many quarantined scans were released, destroyed, and are still waiting."""

    released: int
    destroyed: int
    waiting: int


def rescan(limit: int = AT_ONCE) -> Outcome:
    """Look through quarantined scans, the oldest first, until done or the scanner is away again.

    Each is settled in a transaction of its own; it is safe to run twice at the same time.
    """
    released = destroyed = 0
    waiting = Scan.objects.filter(quarantined=True)
    if scanner.is_configured():
        for pk, file in waiting.order_by("id").values_list("pk", "file")[:limit]:
            try:
                found = scanner.look(vault.get(file))
            except scanner.NoVerdict as reason:
                logger.error("virus scanner: scan %s: %s", pk, reason)
                continue
            except scanner.Unavailable as reason:
                logger.error("virus scanner: %s", reason)
                break
            except (FileNotFoundError, NotReadable):
                logger.error("quarantined scan %s is missing or was altered", pk)
                continue
            settled = _settle(pk, found)
            released += settled and found is None
            destroyed += settled and found is not None
    return Outcome(released, destroyed, waiting.count())


@transaction.atomic
def _settle(pk: UUID, found: str | None) -> bool:
    """Release the scan, or destroy what FOUND names; False when somebody else has done it."""
    scan = Scan.objects.select_for_update(of=("self",)).filter(pk=pk, quarantined=True).first()
    if scan is None:
        return False
    scan.quarantined = False
    if found is None:
        scan.save(update_fields=["quarantined"])
        audit.write("scan_released", object=scan, area=scan.transfer.authority_id)
        return True
    _destroy(scan, found)
    return True


def _destroy(scan: Scan, found: str) -> None:
    """The row stays with the reason; the file is removed when this is committed."""
    file, case = scan.file, scan.transfer
    scan.file, scan.destroyed_at = "", timezone.now()
    scan.destroyed_why = f"查杀程序发现病毒（{found}）。"
    scan.save(update_fields=["quarantined", "file", "destroyed_at", "destroyed_why"])
    audit.write(
        "scan_destroyed", object=scan, area=case.authority_id,
        facts={"malware": found, "sha256": scan.sha256},
    )  # fmt: skip
    Notice.objects.create(
        role="enterprise", enterprise=case.enterprise, transfer=case,
        text=f"{case.retiree.name}：扫描件{scan.title}查出病毒，已销毁；纸质原件仍然有效。"
             f"请检查上传所用的电脑，如需补交，请撤回“{STEPS[CONFIRM].title}”后重新上传。",
    )  # fmt: skip
    transaction.on_commit(lambda: vault.remove(file))


def remove_leftovers() -> int:
    """Remove the files of uploads that were never filed, two hours to three days old; how many.

    Nothing is removed when most files have no row: then the database is not the one the files
    belong to (a restore, a wrong DATABASE_URL).
    """
    names = [
        *vault.older_than(intake.SCANS, LEFT_AFTER, LEFT_UNTIL),
        *vault.older_than("imports", LEFT_AFTER, LEFT_UNTIL),
    ]
    known = _filed(names)
    left = [name for name in names if name not in known]
    if len(left) > max(SUSPICIOUS, len(known)):
        logger.error("%s of %s uploaded files have no row: nothing removed", len(left), len(names))
        return 0
    for name in left:
        vault.remove(name)
    return len(left)


def _filed(names: list[str]) -> set[str]:
    """Those of NAMES that a scan or an import holds."""
    known: set[str] = set()
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        known.update(Scan.objects.filter(file__in=some).values_list("file", flat=True))
        known.update(ImportBatch.objects.filter(file__in=some).values_list("file", flat=True))
    return known


_tidied = 0.0


@jobs.chore
def look_after_uploads() -> None:
    """The worker's share: quarantined scans each time, leftovers and old counters once an hour."""
    global _tidied
    with audit.acting(name="rescan"):
        rescan()
    if _tidied and time.monotonic() - _tidied < TIDIED_EVERY:
        return
    _tidied = time.monotonic()
    remove_leftovers()
    intake.forget_old_counts()
