"""Every address of the site: its arguments and queries typed by hand, and what an answer is."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from archives import records
from archives.models import FileLoan
from archives.record_views import DEEDS as RECORD_DEEDS
from archives.record_views import PAPERS as RECORD_PAPERS
from archives.views import DEEDS, PAPERS_OF_A_BATCH
from communities.models import CareGroup, FundSheet, LifeEvent, Reception, SavedView, Visit
from enterprises.models import Agreement, Edition, Venue
from party.models import PartyMeeting, PartyMember, PartyMove
from party.organizations import PartyOrganization
from tests.conftest import BY_ROLE
from tests.factories import enterprise_of
from transfers import handovers, notice
from transfers.models import (
    HandoverLetter,
    ImportBatch,
    MonthlyReport,
    RightsRequest,
    SignedPage,
    SignedPile,
)
from transfers.models.handovers import Desk
from transfers.papers import PAPERS
from transfers.workflow import STEPS
from xianning import exports, privacy, vault
from xianning.access import REGISTRY
from xianning.checks import url_names
from xianning.models import AuditEvent, Grant, Job, Notice, SignInSession, User

if TYPE_CHECKING:
    from transfers.models import Transfer

ACTORS = dict(BY_ROLE)  # role → user name


@dataclass(frozen=True)
class Things:
    """Ids that may stand in an address: one object of each kind."""

    case: uuid.UUID
    scan: uuid.UUID
    enterprise: uuid.UUID
    job: uuid.UUID
    batch: uuid.UUID
    notice: uuid.UUID
    office: uuid.UUID
    user: uuid.UUID
    export: uuid.UUID
    event: uuid.UUID
    grant: uuid.UUID
    session: uuid.UUID
    request: uuid.UUID
    consent: uuid.UUID
    letter: uuid.UUID
    signed: uuid.UUID
    sheet: uuid.UUID
    delivery: uuid.UUID
    records: uuid.UUID
    loan: uuid.UUID
    life: uuid.UUID
    onward: uuid.UUID
    budget: uuid.UUID
    venue: uuid.UUID
    agreement: uuid.UUID
    member: uuid.UUID
    meeting: uuid.UUID
    branch: uuid.UUID
    group: uuid.UUID
    visit: uuid.UUID
    report: uuid.UUID
    edition: uuid.UUID
    entry: uuid.UUID
    view: uuid.UUID
    committee: uuid.UUID
    introduction: uuid.UUID

    def neighbours(self) -> Things:
        """Ids of the same moments that nothing has."""
        return Things(**{name: uuid.UUID(int=pk.int ^ 0xBEEF) for name, pk in vars(self).items()})

    @classmethod
    def about(cls, case: Transfer) -> Things:
        """Objects around CASE; its clerk is given a job, an import, an export and so on."""
        clerk = case.filed_by
        job = Job.objects.create(kind="import_check", title="检查", owner=clerk, state="failed")
        batch = ImportBatch.objects.create(
            enterprise=case.enterprise, uploaded_by=clerk, file_name="名单.xlsx", sha256="0",
            state="failed",
        )  # fmt: skip
        office, admin = clerk.offices.first(), User.objects.get(username=ACTORS["system_admin"])
        assert office
        newcomer = User.objects.create(username=f"new{User.objects.count()}", full_name="新来人")
        wish = exports.Wish(exports.ROSTERS["transfers"], "xlsx")
        pile = SignedPile.objects.create(
            owner=clerk, name="签字.png", token=uuid.uuid4().hex, job=job,
            sources=[{"file": "", "type": "image/png", "pages": 1, "quarantined": False}],
        )  # fmt: skip
        found: dict[str, Any] = {
            "case": case, "scan": case.scans.first(), "enterprise": case.enterprise, "job": job,
            "batch": batch, "notice": Notice.objects.filter(transfer=case).first(),
            "office": office, "user": clerk, "export": exports.ask(clerk, wish, queue=False),
            "event": AuditEvent.objects.filter(object_id=str(case.pk)).first(),
            "grant": Grant.ask(newcomer, office, by=admin, reason="新到岗"),
            "session": SignInSession.objects.create(user=clerk, key_digest=uuid.uuid4().hex),
            "request": RightsRequest.objects.create(
                transfer=case, kind="copy", applicant="self", text="查阅本人信息",
                asked_on=timezone.localdate(), recorded_by=clerk,
            ),
            "consent": case.consents.first(),
            "letter": HandoverLetter.objects.create(
                enterprise=case.enterprise, area_id=str(case.community_id), year=1990, issued_by=clerk,
                serial=1 + HandoverLetter.objects.count(), issued_on=timezone.localdate(),
                people=1, token=uuid.uuid4().hex,
            ),
            "signed": pile,
            "sheet": SignedPage.objects.create(
                pile=pile, place=0, transfer=case, paper="NOTICE", version=notice.number(), copy=1,
                state="found", file=vault.put(b"x", "sheets"), content_type="image/png",
            ),
            "delivery": handovers.pack(
                "personnel", by=clerk, sender=Desk("enterprise", enterprise=case.enterprise),
                receiver=Desk("insurance", area=case.archive_area),
            ),
            "records": records.begin(case.enterprise, by=clerk),
            "life": LifeEvent.objects.filter(transfer=case).first(),
            "onward": case.rehandovers.first(),
            "budget": FundSheet.objects.first(),
            "agreement": Agreement.objects.filter(enterprise=case.enterprise).first(),
            "venue": Venue.objects.filter(enterprise=case.enterprise).first(),
            "group": CareGroup.objects.filter(reception__transfer=case).first(),
            "visit": Visit.objects.filter(reception__transfer=case).first(),
            "report": MonthlyReport.objects.first(),
            "edition": Edition.objects.filter(authority=case.authority).first(),
            "entry": Reception.objects.filter(transfer=case).first(),
            "view": SavedView.objects.create(user=clerk, name=str(case.pk)[:30]),
            "loan": FileLoan.objects.filter(file__transfer=case).first(),
            "committee": PartyOrganization.objects.create(
                kind="committee", name="中共测试委员会", enterprise=case.enterprise,
                may_transfer=True,
            ),
            "member": PartyMember.objects.filter(transfer=case).first(),
            "meeting": PartyMeeting.objects.first(),
            "branch": PartyOrganization.objects.filter(area=case.party_area).first(),
            "introduction": PartyMove.objects.filter(transfer=case).first(),
        }  # fmt: skip
        return cls(**{name: row.pk if row else uuid.uuid4() for name, row in found.items()})


ACTS = ("verify", "community", "party")  # one view serves all steps
# URL name → for each address its arguments, as fields of Things or plain words.
ARGUMENTS: dict[str, list[tuple[str, ...]]] = {
    "notice_read": [("$notice",)],
    "job": [("$job",)],
    "job_result": [("$job",)],
    "roster": [
        ("enterprises",),
        ("transfers",),
        ("archives",),
        ("ledger",),
        ("care",),
        ("venues",),
        ("party",),
        ("proof",),
        ("x",),
    ],
    "roster_export": [("transfers",)],
    "office_edit": [("$office",)],
    "user_edit": [("$user",)],
    "communities:area_edit": [("421202001005",), ("421281000000",)],
    "enterprises:detail": [("$enterprise",)],
    "enterprises:edition": [("$edition",)],
    "enterprises:edition_acknowledge": [("$edition",)],
    "enterprises:edition_publish": [("421200000000",), ("421281000000",)],
    "enterprises:edit": [("$enterprise",)],
    "enterprises:confirm": [("$enterprise",)],
    "enterprises:acknowledge": [("$enterprise",)],
    "transfers:bulk": [("verify",)],
    "transfers:pile": [("form",), ("notice",), ("card",)],
    "transfers:letter_issue": [("$enterprise",)],
    "transfers:letter": [("$letter",)],
    "transfers:import_detail": [("$batch",)],
    "transfers:import_columns": [("$batch",)],
    "communities:check_in": [("$case",)],
    "communities:ledger_entry": [("$entry",)],
    "communities:card_person": [("$entry",)],
    "communities:care_person": [("$entry",)],
    **{
        f"enterprises:{name}": [("$venue",)]
        for name in ("venue", "venue_edit", "venue_withdraw", "venue_answer")
    },
    **{
        f"enterprises:{name}": [("$agreement",)]
        for name in (
            "agreement",
            "agreement_edit",
            "agreement_withdraw",
            "agreement_answer",
            "agreement_sign",
        )
    },
    "communities:care_visit": [("$entry",)],
    "communities:care_explain": [("$group",)],
    "communities:care_close": [("$visit",)],
    "communities:ledger_change": [("$entry",)],
    "communities:ledger_view_drop": [("$view",)],
    "communities:event": [("$life",)],
    "communities:rehandover": [("$onward",)],
    "transfers:report": [("$report",)],
    "transfers:report_sign": [("421202000000",), ("421281000000",)],
    "communities:fund_sheet": [("$budget",)],
    "communities:fund_fix": [("421202000000",), ("421281000000",)],
    "communities:fund_standard": [("421202000000",), ("421281000000",)],
    "communities:rehandover_propose": [("$case",)],
    "communities:rehandover_accept": [("$onward",)],
    "communities:rehandover_refuse": [("$onward",)],
    "communities:rehandover_withdraw": [("$onward",)],
    "communities:event_report": [("$case",)],
    "communities:event_acknowledge": [("$life",)],
    "communities:event_correct": [("$life",)],
    "transfers:detail": [("$case",)],
    "transfers:edit": [("$case",)],
    "transfers:reveal": [("$case",)],
    "transfers:end": [("$case",)],
    "transfers:act": [("$case", key) for key in ACTS],
    "transfers:send_back": [("$case", key) for key in ACTS],
    "transfers:withdraw": [("$case", key) for key in ACTS],
    "transfers:paper": [("$case", key) for key in PAPERS],
    "transfers:scan": [("$scan",)],
    "transfers:signed_pile": [("$signed",)],
    "transfers:signed_go_on": [("$signed",)],
    "transfers:signed_confirm": [("$signed",)],
    "transfers:signed_page": [("$sheet",)],
    "transfers:signed_claim": [("$sheet",)],
    "transfers:signed_drop": [("$sheet",)],
    "archives:batch": [("$delivery",)],
    "archives:batch_paper": [("$delivery", name) for name in PAPERS_OF_A_BATCH],
    "archives:deed": [("$delivery", name) for name in DEEDS],
    "archives:records_batch": [("$records",)],
    "archives:records_paper": [("$records", name) for name in RECORD_PAPERS],
    "archives:records_deed": [("$records", name) for name in RECORD_DEEDS],
    "archives:catalogue": [("$case",)],
    "archives:catalogue_paper": [("$case",)],
    "archives:loan_give": [("$case",)],
    "archives:loan_back": [("$loan",)],
    "party:organization": [("$committee",)],
    "party:member_take": [("$introduction",)],
    "party:member": [("$member",)],
    "party:meeting_add": [("$branch",), ("$committee",)],
    "party:meeting": [("$meeting",)],
    "party:letter": [("$introduction",)],
    "party:letter_receipt": [("$introduction",)],
    "party:letter_reissue": [("$introduction",)],
    "party:receipt": [("$introduction",)],
    "session_end": [("$session",)],
    "export": [("$export",)],
    "export_decide": [("$export",)],
    "audit_event": [("$event",)],
    "grant": [("$grant",)],
    "transfers:accesses": [("$case",)],
    "transfers:rights": [("$case",)],
    "transfers:rights_copy": [("$case",)],
    "transfers:rights_answer": [("$request",)],
    "transfers:consent_withdraw": [("$consent",)],
}

# URL name → queries besides the empty one. `$name` stands for an id, `$word`, `$number` for a
# sealed search, `$low` and `$high` for the ends of the keyset.
QUERIES: dict[str, list[str]] = {
    "notices": ["after=$high", "before=$low", "after=$notice"],
    "jobs": ["after=$high"],
    "roster": ["after=$high", "before=$low"],
    "access_log": ["kind=reveal", "kind=export", "kind=nothing", "after=$high"],
    "offices": ["role=community", "q=社区", "q=演示", "after=$high"],
    "office_add": ["area=421202001005"],
    "users": ["q=王", "q=wai", "state=active", "after=$high"],
    "user_add": ["office=$office"],
    "communities:areas": ["under=421202000000", "q=桂花", "receives=yes"],
    "communities:area_choices": ["q=桂花", "q=社区&level=community&receiving=1"],
    "communities:card_paper": ["after=$high", "state=fresh", "state=lost", "state=x"],
    "communities:desk": ["after=$high"],
    "enterprises:agreements": ["state=applied", "state=x", "in=421202000000", "after=$high"],
    "enterprises:venues": ["state=open", "state=x", "in=421202000000", "in=421202001000",
                           "after=$high"],
    "communities:care": ["show=missed", "show=promises&after=$high", "show=old", "show=x",
                         "after=$high"],
    "communities:day": ["on=2026-01-05", "show=announced", "show=awaited&after=$high", "show=x"],
    "communities:check_in": ["version=1", "version=9"],
    "communities:ledger": [
        "state=active", "state=closed", "state=stale", "group=ill", "living=local", "member=yes",
        "aged=80", "certify=soon", "enterprise=$enterprise", "verified_before=2026-01-01",
        "sort=verified", "q=$word",
        "q=$number", "col=姓名&col=公民身份号码&col=家庭住址&col=本人电话", "community=421202001005",
        "after=$high", "before=$low",
    ],
    "communities:events": ["state=open", "state=late", "state=over", "state=corrected", "kind=died",
                           "after=$high"],
    "transfers:overview": ["in=421200000000", "in=421202000000", "in=421202001000"],
    "transfers:reports": ["in=421202000000", "in=421281000000", "month=2026-01", "month=x",
                          "after=$high"],
    "communities:funds": ["in=421202000000", "in=421202001000", "in=421281000000", "on=2026-01-05",
                          "after=$high"],
    "communities:rehandovers": ["state=open", "way=in", "way=out&state=refused", "way=x",
                                "after=$high"],
    "communities:card_check": ["number=AAAA-BBBB-CCCC"],
    "enterprises:editions": ["authority=421281000000", "authority=421200000000", "on=2026-01-05",
                             "after=$high"],
    "enterprises:list": [
        "q=演示", "state=unconfirmed", "state=confirmed", "state=unread", "state=removed",
        "level=provincial", "status=normal", "authority=421200000000", "after=$high",
    ],
    "transfers:list": [
        "state=open", "state=done", "at=verify", "at=community", "enterprise=$enterprise",
        "after=$high", "before=$low", "after=$case", "q=$word", "q=$number", "sort=name",
        *(f"waiting={key}" for key in STEPS), "waiting=verify&q=$word", "waiting=x",
    ],
    "transfers:add": ["enterprise=$enterprise"],
    "transfers:import_list": ["after=$high"],
    "transfers:waterfall": ["by=community", "in=421202001005", "on=2026-01-05", "missing=verify"],
    "archives:batches": ["state=sent", "overdue=1", "after=$high"],
    "archives:records": ["state=sent", "overdue=1", "after=$high"],
    "archives:records_batch": ["from=26"],
    "archives:loans": ["state=out", "state=overdue", "after=$high"],
    "party:members": ["show=waiting", "show=silent", "show=probation", "show=arrears", "show=x",
                      "after=$high"],
    "party:meetings": ["after=$high"],
    "party:letters": ["stage=pocket", "after=$high"],
    "party:organizations": ["after=$high"],
    "transfers:accesses": ["after=$high"],
    "transfers:rights_list": ["state=asked", "after=$high"],
    "exports": ["state=asked", "after=$high"],
    "grants": ["state=asked", "after=$high"],
    "audit": ["action=reveal", "result=refused", "person=qiye", "object=$case", "after=$high"],
    "leaks": ["text=421299"],
    "register": ["format=xlsx"],
    "transfers:import_columns": ["all=1"],
}  # fmt: skip


def addresses(things: Things, *, word: str = "建国", number: str = "") -> list[tuple[str, str]]:
    """(URL name, address) of every URL of the project, with every query typed above.

    Signing out is left out: it ends the crawl. Fails with a sentence for a URL whose arguments are
    not in ARGUMENTS.
    """
    ids = {name: str(value) for name, value in vars(things).items()}
    low, high = str(uuid.UUID(int=1)), str(uuid.UUID(int=2**128 - 1))
    ids |= {"low": low, "high": high, "word": privacy.seal(word, "search"),
            "number": privacy.seal(number or "42129919550101001X", "search")}  # fmt: skip
    found = []
    for name in url_names():
        if name == "sign_out":
            continue
        for arguments in ARGUMENTS.get(name, [()]):
            filled = [ids[a[1:]] if a.startswith("$") else a for a in arguments]
            try:
                path = reverse(name, args=filled)
            except NoReverseMatch:
                pytest.fail(f"URL {name}: type its arguments in tests/crawl.py, ARGUMENTS")
            for query in ["", *QUERIES.get(name, [])]:
                text = re.sub(r"\$(\w+)", lambda m: ids[str(m[1])], query)
                found.append((name, f"{path}?{text}" if text else path))
    return found


# What may differ between two equal answers, and nothing else.
_TOKENS = (
    re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"'),
    re.compile(rb'nonce="[^"]*"'),
    re.compile(rb'name="token" value="[0-9a-f]{16}"'),  # tells a second press of a button
)
SEALED = re.compile(r"v1(?::|%3A)aes(?::|%3A)\w+(?::|%3A)[\w-]+")
_HEADERS = ("Content-Type", "Content-Disposition", "Location", "Allow", "Cache-Control")


def plain(response: Any) -> tuple[Any, ...]:
    """An answer without its tokens: status, the headers that depend on data, the body."""
    body = b"".join(response) if response.streaming else response.content
    for token in _TOKENS:
        body = token.sub(b"", body)
    if body.startswith(b"PK"):  # a workbook: its members, without the times of their files
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            body = b"".join(name.encode() + book.read(name) for name in book.namelist())
    return response.status_code, tuple(response.get(name) for name in _HEADERS), body


def text_of(response: Any) -> str:
    """The plain answer as text; the random spelling of a sealed search is left out."""
    status, headers, body = plain(response)
    return SEALED.sub("…", f"{status} {headers}\n{body.decode('utf-8', 'replace')}")


def open_to(username: str, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of FOUND that are not refused for the role alone (`test_matrix` asks them all)."""
    user = User.objects.get(username=username)
    return [(name, path) for name, path in found if not REGISTRY[name].refuses(user)]


def one_each(things: Things) -> dict[str, str]:
    """URL name → its first address."""
    found: dict[str, str] = {}
    for name, path in addresses(things):
        found.setdefault(name, path)
    return found


def own_things(case: Transfer) -> Things:
    """Objects around a case of 桂泉机械厂, with the office and the account of its clerk."""
    assert case.enterprise == enterprise_of("qiye")
    assert case.filed_by == User.objects.get(username="qiye")
    return Things.about(case)
