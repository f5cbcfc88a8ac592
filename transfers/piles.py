"""The pile: one paper for many people, printed in one go, signed in one sitting (第六条第3项).

It is made in the background, block by block; blocks that are made are kept, so that work which was
interrupted goes on behind them. When the file is whole, and before anybody can fetch it, each
printing is put on record for the person concerned.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfWriter

from transfers import workflow
from transfers.models import ImportBatch, PrintedPaper, PrintPile, Transfer
from transfers.papers import PAPERS
from xianning import access, jobs, vault, watch
from xianning.context import capped
from xianning.models import AccessLog, Job
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from transfers.papers import Paper
    from xianning.models import User

BLOCK = 25  # people laid out together: more would share fonts, but take too much memory
LIMIT = 1000  # people of one pile
REFUSED_SHOWN = 20
FOLDER = "piles"
_WITH = ("retiree", "enterprise__county", "community", "party_area")


@dataclass(frozen=True)
class Choice:
    """For whom a paper is wanted: all who wait at a step, all who want the paper READY, those of a
    batch, or ticked cases.

    The first that is given counts; ENTERPRISE narrows those who wait.
    """

    ticked: tuple[UUID, ...] = ()
    waiting: str = ""
    enterprise: UUID | None = None
    batch: UUID | None = None
    ready: str = ""  # a key of PAPERS

    def seen_by(self, user: User) -> Choice:
        """What of it USER may know of: a page repeats no other ids."""
        mine = set(access.scope(user).enterprises)
        batches = ImportBatch.objects.visible_to(user)
        return Choice(
            tuple(Choice(self.ticked).cases(user).values_list("pk", flat=True)),
            self.waiting,
            self.enterprise if self.enterprise in mine else None,
            self.batch if self.batch and batches.filter(pk=self.batch).exists() else None,
            self.ready,
        )

    def cases(self, user: User) -> QuerySet[Transfer]:
        """Those cases of USER's own enterprises, in the order of the roster."""
        rows = Transfer.objects.visible_to(user).filter(
            enterprise__in=access.scope(user).enterprises
        )
        if self.waiting:
            rows = rows.filter(pk__in=workflow.waiting(user, self.waiting).values("transfer_id"))
            if self.enterprise:
                rows = rows.filter(enterprise=self.enterprise)
        elif self.ready:
            wants = PAPERS[self.ready].ready
            assert wants
            rows = rows.filter(wants(user))
        elif self.batch:
            rows = rows.filter(batch=self.batch)
        else:
            rows = rows.filter(pk__in=self.ticked)
        return rows.order_by("pk")


@dataclass(frozen=True)
class Plan:
    """What would be printed: `cases` in order; `refused` are (case, sentence), the first ones.

    `printed` tells how many were printed in this version before, counted up to the size of a pile
    (`7` or `1000+`), `more` whether there are more people than one pile takes.
    """

    cases: list[Transfer]
    refused: list[tuple[Transfer, str]]
    refused_count: int
    printed: str
    more: bool

    @property
    def enterprises(self) -> int:
        """From how many enterprises the people come."""
        return len({case.enterprise_id for case in self.cases})


def plan(sheet: Paper, choice: Choice, user: User, *, again: bool) -> Plan:
    """Whom a pile of SHEET would hold; AGAIN prints also what was printed in this version."""
    rows = choice.cases(user).select_related(*_WITH)
    before = _printings(sheet)
    wanted = list((rows if again else rows.exclude(Exists(before)))[: LIMIT + 1])
    cases, refused = [], []
    for case in wanted[:LIMIT]:
        if reason := sheet.refusal(case):
            refused.append((case, reason))
        else:
            cases.append(case)
    return Plan(
        cases, refused[:REFUSED_SHOWN], len(refused),
        capped(choice.cases(user).filter(Exists(before)), LIMIT), len(wanted) > LIMIT,
    )  # fmt: skip


@dataclass(frozen=True)
class Unprinted:
    """Of how many people a paper is wanted and not printed in its present version."""

    key: str
    sheet: Paper
    count: str  # up to the size of a pile: `7` or `1000+`


def unprinted(user: User) -> list[Unprinted]:
    """Papers that wait for USER's printer."""
    return [
        Unprinted(
            key, sheet,
            capped(
                Choice(ready=key).cases(user).filter(~Exists(_printings(sheet))).order_by(), LIMIT
            ),
        )
        for key, sheet in PAPERS.items()
        if sheet.ready and sheet.role == "enterprise"
    ]  # fmt: skip


def _printings(sheet: Paper) -> QuerySet[PrintedPaper]:
    """Printings of the present version of SHEET for the case that is asked for."""
    return PrintedPaper.objects.filter(
        transfer=OuterRef("pk"), paper=sheet.key, version=sheet.version_in_db
    )


def ask(
    user: User, sheet: Paper, cases: Iterable[Transfer], token: str, *, apart: bool = False
) -> Job:
    """Have the pile made, one file or, APART, one for each enterprise in a zip.

    TOKEN names the press of a button: pressed twice it is one pile.
    """
    chosen = list(cases)
    if apart:
        chosen.sort(key=lambda case: str(case.enterprise_id))  # else in the order of the roster
    ids = [str(case.pk) for case in chosen]
    try:
        with transaction.atomic():
            pile = PrintPile.objects.create(
                paper=sheet.key, owner=user, cases=ids, token=token, apart=apart
            )
            pile.job = jobs.submit(
                "print_pile", f"打印{sheet.title}（{len(ids)} 人）", user, {"pile": str(pile.pk)},
                back_url=reverse("transfers:list"),
            )  # fmt: skip
            pile.save(update_fields=["job"])
    except IntegrityError:
        pile = PrintPile.objects.select_related("job").get(owner=user, token=token)
    assert pile.job is not None
    return pile.job


def why_not_give(job: Job) -> str | None:
    """Why the file may not be fetched any more: rights may have ended since it was made."""
    pile = PrintPile.objects.get(job=job)
    concerned = Transfer.objects.filter(pk__in=pile.cases).order_by()
    enterprises = set(concerned.values_list("enterprise_id", flat=True).distinct())
    if not enterprises <= set(access.scope(pile.owner).enterprises):
        return "提交打印之后，您的职责已经变更，不能再取这份文书。"
    return None


@jobs.job("print_pile", why_not_give)
def run(progress: jobs.Progress, *, pile: str) -> jobs.Result:
    """The background work behind the print button; it goes on behind the blocks that are made."""
    wanted = PrintPile.objects.select_related("owner").get(pk=pile, owner=progress.job.owner)
    sheet, blocks = PAPERS[wanted.paper], _blocks(wanted)
    for number, block in enumerate(blocks[len(wanted.parts) :], start=len(wanted.parts)):
        progress.step(sum(map(len, blocks[:number])), len(wanted.cases))
        _keep(wanted, progress, _made(sheet, wanted.owner, block))
    people = sum(len(part["printed"]) for part in wanted.parts)
    if not people:
        raise Rejected("所选的人已不能打印，没有生成文件。")
    data = _zipped(wanted, blocks) if wanted.apart else _joined(wanted.parts)
    for number in range(len(wanted.parts)):
        _note(wanted, sheet, progress, number)
    day = timezone.localtime(wanted.asked_at)
    kind = "zip" if wanted.apart else "pdf"
    return jobs.Result(data, f"{sheet.title.strip('《》')}-{day:%Y%m%d}-{people}人.{kind}")


def _blocks(pile: PrintPile) -> list[list[str]]:
    """The people of PILE in blocks that are laid out together: when apart, of one enterprise."""
    if not pile.apart:
        return [pile.cases[at : at + BLOCK] for at in range(0, len(pile.cases), BLOCK)]
    firms = _enterprises_of(pile)
    found: list[list[str]] = []
    for pk in pile.cases:
        if found and len(found[-1]) < BLOCK and firms.get(pk) == firms.get(found[-1][0]):
            found[-1].append(pk)
        else:
            found.append([pk])
    return found


def _enterprises_of(pile: PrintPile) -> dict[str, str]:
    """Case → who hands it over."""
    rows = Transfer.objects.filter(pk__in=pile.cases).select_related("enterprise")
    return {str(case.pk): case.enterprise.transferor for case in rows}


def _joined(parts: Sequence[dict[str, Any]]) -> bytes:
    """The blocks as one file; the copies of a form share their ground."""
    writer = PdfWriter()
    for part in parts:
        if part["file"]:
            writer.append(io.BytesIO(vault.get(part["file"])), import_outline=False)
    writer.compress_identical_objects(remove_unreferenced=False)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def _zipped(pile: PrintPile, blocks: Sequence[Sequence[str]]) -> bytes:
    """A file for each enterprise, named after it."""
    firms, of_firm = _enterprises_of(pile), dict[str, list[dict[str, Any]]]()
    for block, part in zip(blocks, pile.parts, strict=True):
        if part["file"]:
            of_firm.setdefault(firms.get(block[0], ""), []).append(part)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:  # PDF files are packed already
        for number, (firm, parts) in enumerate(of_firm.items(), start=1):
            people = sum(len(part["printed"]) for part in parts)
            name = re.sub(r'[\\/:*?"<>|\s]', "_", firm)
            made.writestr(f"{number:02d}-{name}-{people}人.pdf", _joined(parts))
    return target.getvalue()


def _made(sheet: Paper, user: User, ids: Sequence[str]) -> dict[str, Any]:
    """A block as one stored file: those of IDS that USER may still print."""
    rows = Choice(ticked=tuple(UUID(pk) for pk in ids)).cases(user).select_related(*_WITH)
    cases = [case for case in rows if sheet.concerns(case, user) and not sheet.refusal(case)]
    if not cases or sheet.pile is None:
        return {"file": "", "printed": [], "holes": [], "noted": False}
    made = sheet.pile(cases)
    return {
        "file": vault.put(made, FOLDER),
        "printed": [[str(case.pk), sheet.version(case)] for case in cases],
        "holes": [[str(case.pk), sign] for sign in made.missing for case in cases
                  if sign in "".join(map(str, vars(case.retiree).values()))],
        "noted": False,
    }  # fmt: skip


@transaction.atomic
def _keep(pile: PrintPile, progress: jobs.Progress, part: dict[str, Any]) -> None:
    pile.parts = [*pile.parts, part]
    pile.save(update_fields=["parts"])
    progress.hold()


@transaction.atomic
def _note(pile: PrintPile, sheet: Paper, progress: jobs.Progress, number: int) -> None:
    """Put the printings of one block on record, once."""
    part = pile.parts[number]
    if part["noted"]:
        return
    cases = Transfer.objects.in_bulk([pk for pk, _version in part["printed"]])
    for pk, version in part["printed"]:
        if case := cases.get(UUID(pk)):
            sheet.note(case, pile.owner, version=version, in_pile=True)
    for pk, sign in part["holes"]:
        if case := cases.get(UUID(pk)):
            what = sheet.holes([sign])[:200]
            AccessLog.write(pile.owner, AccessLog.Kind.PAPER, what, transfer=case)
    part["noted"] = True
    pile.save(update_fields=["parts"])
    progress.hold()


@jobs.chore
def sweep() -> int:
    """Throw away the blocks of piles whose work is over, and what nobody names; how many files."""
    gone = 0
    lately = PrintPile.objects.filter(pk__gte=watch.first_id(timezone.now() - 2 * jobs.KEPT))
    over = lately.filter(job__state__in=(Job.State.DONE, Job.State.FAILED))
    for pile in over.exclude(parts=[])[:100]:
        files = [part["file"] for part in pile.parts if part["file"]]
        for name in files:
            vault.remove(name)
        pile.parts = []
        pile.save(update_fields=["parts"])
        gone += len(files)
    for name in vault.older_than(FOLDER, jobs.KEPT):
        vault.remove(name)
        gone += 1
    return gone
