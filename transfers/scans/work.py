"""Taking a pile of signed scans in, reading it in the background, and clearing it away."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from transfers.models import SignedPage, SignedPile
from transfers.scans import filing, reading
from xianning import jobs, uploads, vault, watch
from xianning.models import Job
from xianning.sandbox import MB, Rejected
from xianning.uploads import MAX_PAGES, SCAN_BYTES, WORKBOOK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.uploadedfile import UploadedFile

    from xianning.models import User

log = logging.getLogger("xianning.scans")

FOLDER = "sheets"
PILE_BYTES = WORKBOOK_BYTES  # of all files of a pile together: what one request may bring
MOST_FILES = 100
BAD_IN_A_ROW = 3  # pages that cannot be drawn, one behind the other: then it is the file's fault
KEPT = timedelta(days=30)
TOO_MANY = f"一次最多 {MAX_PAGES} 页，请分几次上传。"


def take_in(files: Sequence[UploadedFile], user: User, token: str) -> SignedPile:
    """Check, clean and keep a pile, and have it read. TOKEN names the press of the button.

    Raises Rejected with a sentence; then nothing is kept.
    """
    if before := SignedPile.objects.filter(owner=user, token=token).first():
        return before
    if len(files) > MOST_FILES:
        raise Rejected(f"一次最多 {MOST_FILES} 个文件，请分几次上传，或合成一个 PDF。")
    if (total := sum(file.size or 0 for file in files)) > PILE_BYTES:
        raise Rejected(
            f"文件合计 {total / MB:.1f} MB，超过上限 {PILE_BYTES // MB} MB。请分几次上传。"
        )
    kept: list[dict[str, Any]] = []
    try:
        for file in files:
            kept.append(_received(file, user))
            if sum(source["pages"] for source in kept) > MAX_PAGES:
                raise Rejected(TOO_MANY)
        more = f" 等 {len(files)} 个文件" if len(files) > 1 else ""
        name = uploads.intake.safe_name(files[0].name or "") + more
        with transaction.atomic():
            pile = SignedPile.objects.create(owner=user, name=name, sources=kept, token=token)
            go_on(pile)
    except BaseException as reason:
        for source in kept:
            vault.remove(source["file"])
        if isinstance(reason, IntegrityError):  # pressed twice at the same moment
            return SignedPile.objects.get(owner=user, token=token)
        raise
    return pile


def _received(file: UploadedFile, user: User) -> dict[str, Any]:
    """One file, kept clean. Raises Rejected, which names the file when it can."""
    try:
        got = uploads.receive_scan(file, user, limit=PILE_BYTES, folder=FOLDER)
    except uploads.Infected:
        raise
    except Rejected as reason:
        raise Rejected(f"{uploads.intake.safe_name(file.name or '')}：{reason}") from None
    try:
        pages = reading.page_count(vault.get(got.file), got.type)
    except BaseException:
        vault.remove(got.file)
        raise
    return {"file": got.file, "type": got.type, "pages": pages, "quarantined": got.quarantined}


def go_on(pile: SignedPile) -> Job:
    """Have the rest of a pile read: at first, and again after its work was ended."""
    with transaction.atomic():
        held = SignedPile.objects.select_for_update(of=("self",)).get(pk=pile.pk)
        if held.job and not held.job.is_over:
            return held.job
        held.job = pile.job = jobs.submit(
            "read_scans", f"读取签字扫描件（{held.page_count} 页）", held.owner,
            {"pile": str(held.pk)}, back_url=held.get_absolute_url(),
        )  # fmt: skip
        held.save(update_fields=["job"])
    return pile.job


def is_stopped(pile: SignedPile) -> bool:
    """Whether pages are left that nobody reads."""
    over = pile.job is None or pile.job.is_over
    return bool(over and not pile.cleared_at and pile.pages.count() < pile.page_count)


@jobs.job("read_scans")
def run(progress: jobs.Progress, *, pile: str) -> None:
    """Read page after page; each is kept at once, so that a stopped pile goes on behind it."""
    wanted = SignedPile.objects.select_related("owner").get(pk=pile, owner=progress.job.owner)
    done, total, before = wanted.pages.count(), wanted.page_count, 0
    progress.step(done, total)
    for source in wanted.sources:
        if done < before + source["pages"]:
            done = _read_source(wanted, source, before, done, progress)
        before += source["pages"]
    for source in wanted.sources:
        vault.remove(source["file"])


def _read_source(
    pile: SignedPile, source: dict[str, Any], before: int, done: int, progress: jobs.Progress
) -> int:
    """The pages of one file from DONE on; how many pages of the pile are done then."""
    data, end, bad = vault.get(source["file"]), before + source["pages"], 0
    while done < end:
        count = min(reading.BLOCK, end - done)
        try:
            for sheet in reading.sheets(data, source["type"], done - before, count):
                _take(pile, source, done, sheet, progress)
                done, bad = done + 1, 0
                progress.step(done, pile.page_count)
        except Rejected as reason:
            bad += 1
            if bad > BAD_IN_A_ROW:
                raise Rejected(
                    f"从第 {done + 1} 页起无法读取，已经停止；前面的页都已保留。{reason}"
                ) from None
            _take(pile, source, done, None, progress)
            done += 1
            progress.step(done, pile.page_count)
    return done


def _take(
    pile: SignedPile, source: dict[str, Any], number: int, sheet: reading.Sheet | None,
    progress: jobs.Progress,
) -> None:  # fmt: skip
    """Keep one page; None when it could not be drawn."""
    page = SignedPage(pile=pile, place=number, quarantined=source["quarantined"])
    page.state, page.reason = SignedPage.State.UNREAD, filing.NOT_READ
    if sheet is None or not sheet.file:
        page.state = SignedPage.State.REFUSED
        page.reason = (
            "此页无法画出，可能已损坏。请单独重新扫描。" if sheet is None
            else f"此页超过 {SCAN_BYTES // MB} MB。请降低分辨率，单独重新扫描。"
        )  # fmt: skip
        page.settled_at = timezone.now()
        _save(page, progress)
        return
    page.content_type, page.size = sheet.content_type, len(sheet.file)
    page.sha256 = vault.digest(sheet.file)
    with transaction.atomic():
        if sheet.code is not None:
            filing.place(page, sheet.code, pile.owner)
        elif sheet.codes:
            page.reason = "此页有几份文书的二维码，请对照此页认领。"
        if page.is_open:
            page.file = uploads.store(sheet.file, FOLDER)
            page.picture = uploads.store(sheet.picture, FOLDER)
        _save(page, progress)


@transaction.atomic
def _save(page: SignedPage, progress: jobs.Progress) -> None:
    page.save()
    progress.hold()


@jobs.chore
def sweep() -> int:
    """Clear away piles a month old, and files that no row names; how many files."""
    gone = 0
    old = SignedPile.objects.filter(
        pk__lt=watch.first_id(timezone.now() - KEPT), cleared_at=None
    ).order_by("pk")
    for pile in old[:20]:
        gone += _clear(pile)
    for name in vault.older_than(FOLDER, KEPT + timedelta(days=2)):
        vault.remove(name)
        gone += 1
    return gone


def _clear(pile: SignedPile) -> int:
    """Let the files of a pile go. Its filed pages lie in their cases."""
    names = [source["file"] for source in pile.sources]
    with transaction.atomic():
        for page in pile.pages.select_for_update().filter(state__in=SignedPage.OPEN):
            names += [page.file, page.picture]
            page.state, page.reason = SignedPage.State.DROPPED, "超过 30 天没有处理，已删去。"
            page.file, page.picture, page.settled_at = "", "", timezone.now()
            page.save()
        pile.cleared_at = timezone.now()
        pile.save(update_fields=["cleared_at"])
    for name in filter(None, names):
        vault.remove(name)
    return len(names)


def forget(case: Any) -> int:
    """Let the open pages of a case go that is erased; how many (called in its transaction)."""
    rows = SignedPage.objects.filter(transfer=case, state__in=SignedPage.OPEN)
    pages = list(rows.select_for_update())
    for page in pages:
        filing.settle(page, SignedPage.State.DROPPED, "依法删除")
    return len(pages)
