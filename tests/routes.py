"""Every address of the project with objects that exist, for tests that must ask all of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Route:
    """One URL: its name with namespace, its path as declared, its converters by argument, its view."""

    name: str
    path: str
    converters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    view: Any = None

    def address(self, known: Mapping[str, Any], *, pk: Any = None) -> str:
        """Its address. KNOWN: beginning of a path → the object that stands behind such a path.

        The longest beginning counts; PK, when given, stands for every object instead.
        """
        begins = [start for start in known if self.path.startswith(start)]
        found = known[max(begins, key=len)].pk if begins else uuid.UUID(int=7 << 76 | 2 << 62)
        kwargs = {}
        for argument, converter in self.converters.items():
            kind = type(converter).__name__
            if kind == "UUIDConverter":
                kwargs[argument] = pk or found
            elif kind == "StepConverter":
                kwargs[argument] = "verify" if "bulk" in self.path else "community"
            else:
                kwargs[argument] = PUBLIC_CODES[f"{self.name} {argument}"][0]
        return reverse(self.name, kwargs=kwargs)


# What is no random id and still stands in an address: a code known to everybody, and why.
PUBLIC_CODES = {
    "archives:records_paper name": ("list", "one of the papers of a list"),
    "archives:records_deed name": ("remind", "one of the deeds on a list"),
    "archives:batch_paper name": ("note", "one of the papers of a batch"),
    "archives:deed name": ("remind", "one of the deeds on a batch"),
    "transfers:report_sign pk": ("421202001000", "statistical code of a division"),
    "communities:fund_fix pk": ("421202001000", "statistical code of a division"),
    "communities:fund_standard pk": ("421202001000", "statistical code of a division"),
    "enterprises:edition_publish pk": ("421200000000", "statistical code of a division"),
    "communities:area_edit pk": ("421202001005", "statistical code of a division"),
    "roster name": ("transfers", "one of the lists named in rosters.py"),
    "roster_export name": ("transfers", "one of the lists named in rosters.py"),
    "transfers:paper name": ("form", "one of the papers named in papers.py"),
    "transfers:pile name": ("form", "one of the papers named in papers.py"),
}


def routes(resolver: URLResolver | None = None, path: str = "", space: str = "") -> list[Route]:
    """All URLs of the project, those of included files too."""
    found: list[Route] = []
    for entry in (resolver or get_resolver()).url_patterns:
        here = f"{path}{entry.pattern}"
        if isinstance(entry, URLPattern):
            found.append(
                Route(f"{space}{entry.name}", here, dict(entry.pattern.converters), entry.callback)
            )
        else:
            inner = f"{space}{entry.namespace}:" if entry.namespace else space
            found += routes(entry, here, inner)
    return found


def some_objects() -> dict[str, Any]:
    """One object for each part of the site, all about the same case, by beginning of the path."""
    from archives import records
    from archives.models import FileLoan
    from communities import care, events, funds, rehandovers
    from communities.models import Area, CareGroup, SavedView
    from enterprises import agreements, editions, venues
    from party import life
    from party.models import PartyMeeting
    from party.organizations import PartyOrganization
    from tests.factories import enterprise_of, make_transfer
    from transfers import reports
    from transfers.models import ImportBatch, SignedPage, SignedPile
    from xianning import demo
    from xianning.models import Grant, Job, Notice, Office, User

    case = make_transfer(at="community", party_member=True)
    done = make_transfer(at="done", party_member=True)
    moving = make_transfer(at="done")
    file = done.personnel_file
    clerk = User.objects.get(username="qiye")
    worker = User.objects.get(username="shequ_wannian")
    office = Office.objects.get(users=clerk)
    pile = SignedPile.objects.create(owner=clerk, name="签字.png", token="1")
    branch = PartyOrganization.objects.get(area=demo.WANNIAN)
    keeper, today = User.objects.get(username="dangzu"), timezone.localdate()
    member = life.take(done.party_moves.get(), branch, by=keeper, since=today)
    meeting = PartyMeeting(branch=branch, kind="lecture", held_on=today, topic="学习党章")
    return {
        "party/members/": member,
        "party/members/take/": done.party_moves.get(),
        "party/meetings/add/": branch,
        "party/meetings/": life.record(meeting, [member], by=keeper),
        "transfers/": case,
        "archives/catalogues/": case,
        "archives/batches/": file.item.handover,
        "archives/records/": records.begin(case.enterprise, by=clerk),
        "archives/loans/give/": done,
        "archives/loans/": FileLoan.give(
            file, by=User.objects.get(username="shebao"), kind="lend", person="查档员",
            office="某单位（测试）", letter="介绍信1号", purpose="核对工龄", what="九-1 工资类",
            taken_on=timezone.localdate(), due_on=timezone.localdate(),
        ),
        "party/letters/": done.party_moves.get(),
        "party/receipt/": done.party_moves.get(),
        "party/organizations/": PartyOrganization.objects.create(
            kind="committee", name="中共测试委员会", enterprise=case.enterprise, may_transfer=True
        ),
        "transfers/signed/": pile,
        "transfers/signed/pages/": SignedPage.objects.create(pile=pile, place=0, state="unread"),
        "transfers/scans/": case.scans.first(),
        "transfers/imports/": ImportBatch.objects.create(
            enterprise=enterprise_of("qiye"), uploaded_by=clerk, file_name="名单.xlsx",
            sha256="0", state="failed",
        ),
        "communities/check-in/": case,
        "ledger/": done.reception,
        "ledger/views/": SavedView.objects.create(user=worker, name="常用"),
        "communities/events/": events.report(
            done, by=User.objects.get(username="shequ"), kind="missing", happened_on=timezone.localdate()
        ),
        "communities/events/report/": done,
        "communities/rehandovers/": rehandovers.propose(
            moving, by=User.objects.get(username="shequ"), card="keep",
            community=Area.objects.get(pk=demo.WANNIAN), moved_on=timezone.localdate(),
        ),
        "communities/rehandovers/new/": done,
        "communities/cards/of/": done.reception,
        "care/": done.reception,
        "care/groups/": CareGroup.objects.create(
            reception=done.reception, group="ill", since=timezone.localdate(), begun_by=worker
        ),
        "care/promises/": care.visit(
            done.reception, by=User.objects.get(username="shequ"), on=timezone.localdate(),
            way="home", visitors="甲", found="好", promised="看望",
            promise_due_on=timezone.localdate(),
        ),
        "reports/": reports.sign(
            Area.objects.get(pk=demo.XIANAN), timezone.localdate().replace(day=1), by=clerk,
            leader="赵主任",
        ),
        "communities/funds/sheets/": funds.fix(
            Area.objects.get(pk=demo.XIANAN), by=clerk, day=timezone.localdate()
        ),
        "enterprises/": enterprise_of("qiye"),
        "enterprises/agreements/": agreements.apply(
            enterprise_of("qiye"), {"county": Area.objects.get(pk=demo.XIANAN), "people": 8,
                                    "members": 2, "volumes": 8, "party_b": "咸安区人民政府",
                                    "base_on": timezone.localdate()},
            by=clerk,
        ),
        "enterprises/venues/": venues.file(
            enterprise_of("qiye"), {"name": "活动室", "kind": "room", "address": "温泉路1号",
                                    "way": "free", "community": Area.objects.get(pk=demo.GUIHUA)},
            by=clerk,
        ),
        "enterprises/editions/": editions.publish(
            Area.objects.get(pk=demo.CITY), by=User.objects.get(username="gzw")
        ),
        "jobs/": Job.objects.create(kind="export", title="导出", owner=clerk, state="failed"),
        "notices/": Notice.objects.filter(role="hr", area_id="421200000000").first(),
        "offices/": office,
        "users/": clerk,
        "grants/": Grant.ask(
            worker, Office.objects.get(users__username="shequ"), reason="轮岗通知",
            by=User.objects.get(username="guanli"),
        ),
    }  # fmt: skip
