"""The doors behind which private values are shown, typed by hand: who opens each, and what he sees.

Nothing else of the site shows them (`test_canaries`), and each writes its trace first
(`test_doors`).
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from xianning.models import Job

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from transfers.models import Transfer
    from xianning.models import User

REASON = "上门核对登记信息"
IDENTITY = frozenset({"id_number"})
CONTACT = frozenset({"household_address", "household_phone", "home_address", "home_phone",
                     "away_address", "away_phone"})  # fmt: skip
HEALTH = frozenset({"health", "injury_part"})
SPOUSE = frozenset({"spouse_name", "spouse_phone", "spouse_employer", "spouse_health"})
CONTACTS = frozenset(
    f"contact{n}_{what}" for n in (1, 2)
    for what in ("name", "relation", "employer", "phone", "address")
)  # fmt: skip
REQUEST = frozenset({"request"})  # what the person wrote when he asked for his data
ALL = IDENTITY | CONTACT | HEALTH | SPOUSE | CONTACTS


@dataclass(frozen=True)
class Door:
    """USERNAME posts DATA to the URL; the answer (or the file of the job) shows FIELDS in clear.

    ARGUMENTS: `$case` and `$scan` stand for ids. ROSTER: the file holds everybody in his scope.
    """

    url: str
    username: str
    arguments: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    fields: frozenset[str]
    roster: bool = False

    @property
    def name(self) -> str:
        words = (*self.arguments, *(v for k, v in self.data if k in ("group", "format", "clear")))
        return " ".join((self.url, self.username, *(w for w in words if w[0] != "$")))

    def path(self, case: Transfer) -> str:
        ids = {"$case": case.pk, "$scan": getattr(case.scans.first(), "pk", None),
               "$request": getattr(case.rights_requests.first(), "pk", None)}  # fmt: skip
        return reverse(self.url, args=[ids.get(a, a) for a in self.arguments])

    def knock(self, client: Client, case: Transfer) -> Any:
        """The answer to the POST."""
        data = {k: str(case.pk) if v == "$case" else v for k, v in self.data}
        return client.post(self.path(case), data)


def _reveal(username: str, group: str, fields: frozenset[str]) -> Door:
    data = (("group", group), ("reason", REASON))
    return Door("transfers:reveal", username, ("$case",), data, fields)


def _paper(username: str, name: str, fields: frozenset[str]) -> Door:
    return Door("transfers:paper", username, ("$case", name), (), fields)


def _export(username: str, roster: str, format_: str, clear: str, fields: frozenset[str]) -> Door:
    data = (("format", format_), ("clear", clear), ("reason", REASON))
    return Door("roster_export", username, (roster,), data, fields, roster=True)


NOTHING: frozenset[str] = frozenset()
LEDGER = IDENTITY | {"home_address", "home_phone", "contact1_name", "contact1_phone"}
DOORS = (
    _reveal("shequ", "identity", IDENTITY), _reveal("jiedao", "contact", CONTACT),
    _reveal("rs", "health", HEALTH), _reveal("qiye", "family", SPOUSE | CONTACTS),
    Door("transfers:edit", "qiye", ("$case",), (("open", "1"), ("why", REASON)), ALL),
    _paper("qiye", "form", ALL), _paper("qiye", "delivery", NOTHING),
    _paper("qiye", "letter", IDENTITY | {"home_phone"}),
    _paper("shequ", "card", NOTHING), _paper("shequ", "card_stock", NOTHING),
    Door("communities:card_paper", "shequ", (), (("case", "$case"),), NOTHING),
    Door("transfers:scan", "dangzu", ("$scan",), (), NOTHING),
    _paper("qiye", "notice", NOTHING),
    Door("transfers:rights_copy", "shequ", ("$case",), (), ALL | REQUEST),
    Door("transfers:rights_answer", "shequ", ("$request",), (("open", "1"),), REQUEST),
    _export("qiye", "transfers", "xlsx", "1", IDENTITY | {"home_phone", "home_address"}),
    _export("shequ", "ledger", "xlsx", "1", LEDGER), _export("shebao", "archives", "xlsx", "1", IDENTITY),
    _export("dangzu", "party", "pdf", "1", IDENTITY | {"home_phone"}),
    _export("shenji", "transfers", "pdf", "0", NOTHING), _export("gzw", "ledger", "xlsx", "0", NOTHING),
    _export("qiye", "party", "xlsx", "0", NOTHING), _export("shebao", "archives", "pdf", "0", NOTHING),
)  # fmt: skip


def ask_for_copy(case: Transfer, by: User, text: str) -> None:
    """The person of CASE asked for a copy of his data, in writing."""
    case.rights_requests.create(
        kind="copy", applicant="self", text=text, asked_on=timezone.localdate(), recorded_by=by
    )


def open_door(
    door: Door, client: Client, case: Transfer, capture: DjangoCaptureOnCommitCallbacks
) -> str:
    """What the door shows, as text without blanks; of an export what the fetched file holds."""
    with capture(execute=True):
        response = door.knock(client, case)
    if door.url == "roster_export":
        assert response.status_code == 302, response.content.decode()[:2000]
        job = Job.objects.order_by("id").last()
        assert job
        assert job.state == "done", job.message
        response = client.post(reverse("job_result", args=[job.pk]))
    assert response.status_code == 200, (door.name, response.status_code)
    return text_of(b"".join(response) if response.streaming else response.content)


def text_of(data: bytes) -> str:
    """The text of a page, a PDF or a workbook, without blanks (a PDF breaks its lines anywhere)."""
    if data.startswith(b"%PDF"):
        made = subprocess.run(["pdftotext", "-raw", "-", "-"], input=data, capture_output=True,
                              check=True)  # fmt: skip
        data = made.stdout
    elif data.startswith(b"PK"):
        book = load_workbook(io.BytesIO(data))
        cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
        data = " ".join([*cells, repr(book.properties)]).encode()
    return "".join(data.decode("utf-8", "replace").split())
