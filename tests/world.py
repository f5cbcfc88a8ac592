"""The standing world of the authorization tests: who there is, where, and what lies before them.

Built once for a module inside one transaction; every test that changes it undoes the change.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from archives import records
from archives.models import FileLoan
from communities import care, events, funds, ledger, rehandovers
from communities.ledger import Wish
from communities.models import Area, Reception, SavedView
from enterprises import agreements, editions, venues
from enterprises.models import Enterprise
from party import life
from party.models import PartyMeeting, PartyMove
from party.organizations import PartyOrganization
from tests.conftest import BY_ROLE, load_world
from tests.factories import values_for
from transfers import handovers, notice, reports, workflow
from transfers.imports import sessions
from transfers.imports.checking import Report
from transfers.imports.choices import SheetColumn
from transfers.models import (
    Consent,
    HandoverLetter,
    ImportBatch,
    PrintedPaper,
    Retiree,
    RightsRequest,
    SignedPage,
    SignedPile,
    Transfer,
)
from transfers.models.handovers import Desk
from xianning import access, audit, demo, exports, serials, standards, vault, walk
from xianning.models import (
    AccessLog,
    Export,
    Grant,
    Job,
    Notice,
    Office,
    SignInSession,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "Shijie-mima-2026"
PROVINCE, FUSHAN, CHANGAN = "420000000000", "421202002000", "421202002003"


@dataclass(frozen=True)
class Actor:
    """A role in a place. PLACE: area code, or index of a demo enterprise; user made when new."""

    username: str
    role: str = ""
    place: str | int = ""


# Everybody who asks: each role where the own case lies, and beside, above, below and far from it.
ACTORS: dict[str, Actor] = {
    "clerk": Actor(BY_ROLE["enterprise"], "enterprise"),
    "clerk_sibling": Actor("zhuguan", "enterprise"),
    "clerk_child": Actor("m_qiye_xianan", "enterprise", 3),
    "clerk_county": Actor("qiye_chibi", "enterprise"),
    "sasac": Actor(BY_ROLE["sasac"], "sasac"),
    "sasac_child": Actor("gzw_xianan", "sasac"),
    "sasac_county": Actor("gzw_chibi", "sasac"),
    "hr": Actor(BY_ROLE["hr"], "hr"),
    "hr_child": Actor("rs_xianan", "hr"),
    "hr_county": Actor("rs_chibi", "hr"),
    "insurance": Actor(BY_ROLE["insurance"], "insurance"),
    "insurance_city": Actor("m_shebao_shi", "insurance", demo.CITY),
    "insurance_county": Actor("shebao_chibi", "insurance"),
    "medical": Actor(BY_ROLE["medical"], "medical"),
    "archives_office": Actor(BY_ROLE["archives_office"], "archives_office"),
    "street": Actor(BY_ROLE["street"], "street"),
    "street_other": Actor("m_jiedao_fushan", "street", FUSHAN),
    "community": Actor(BY_ROLE["community"], "community"),
    "community_next": Actor("shequ_wannian", "community"),
    "community_county": Actor("shequ_chibi", "community"),
    "party": Actor(BY_ROLE["party"], "party"),
    "party_next": Actor("m_dangzu_wannian", "party", demo.WANNIAN),
    "party_county": Actor("dangzu_chibi", "party"),
    "auditor": Actor(BY_ROLE["auditor"], "auditor"),
    "auditor_county": Actor("m_shenji_chibi", "auditor", demo.CHIBI),
    "system_admin": Actor(BY_ROLE["system_admin"], "system_admin"),
    "security_admin": Actor(BY_ROLE["security_admin"], "security_admin"),
    "audit_admin": Actor(BY_ROLE["audit_admin"], "audit_admin"),
    "no_office": Actor("m_wujigou"),
    "inactive": Actor("m_tingyong", "enterprise", 0),
    "anonymous": Actor(""),
}
NOBODY = frozenset({"inactive", "anonymous"})


@dataclass(frozen=True)
class Line:
    """Where a case lies: who files, which community receives, who does its steps."""

    clerk: str
    community: str
    hr: str
    insurance: str
    receiver: str
    party: str


LINES = {
    "own": Line("clerk", demo.GUIHUA, "hr", "insurance", "community", "party"),
    "nowhere": Line("clerk", "", "hr", "insurance", "community", "party"),
    "next": Line("clerk", demo.WANNIAN, "hr", "insurance", "community_next", "party"),
    "other_street": Line("clerk", CHANGAN, "hr", "insurance", "street_other", "party"),
    "sibling": Line("clerk_sibling", demo.GUIHUA, "hr", "insurance", "community", "party"),
    "child": Line("clerk_child", demo.GUIHUA, "hr_child", "insurance", "community", "party"),
    "county": Line("clerk_county", demo.BEIJIE, "hr_county", "insurance_county",
                   "community_county", "party_county"),
}  # fmt: skip
# Case → its line, the step it has reached (`ended`: ended there), whether a Party member.
CASES: dict[str, tuple[str, str, bool]] = {
    "own_undeclared": ("nowhere", "declare", True),
    "own_verify": ("own", "verify", True),
    "own_confirm": ("own", "confirm", True),
    "own_open": ("own", "community", True),
    "own_archives": ("own", "archives", True),
    "own_party": ("own", "party", True),
    "own_done": ("own", "done", True),
    "own_ended": ("own", "ended", True),
    "next_open": ("next", "community", False),
    "other_street_verify": ("other_street", "verify", False),
    "sibling_open": ("sibling", "community", True),
    "child_verify": ("child", "verify", True),
    "county_open": ("county", "community", True),
    "county_done": ("county", "done", True),
}
# Names that stand nowhere else, so that one of them on a page is that person.
_NAMES = ("鄢寒碧", "璩霜迟", "郗云岫", "笪问渠", "禚听澜", "逄远岑", "尉迟素商", "綦望舒",
          "仉怀瑾", "逯秋泓", "亓官芷汀", "昝凌霄", "隗沧浪", "谯松筠")  # fmt: skip
_NTH = "甲乙丙丁戊己庚辛壬癸"
_PRIVATE = ("id_number", "household_phone", "home_phone", "contact1_phone", "household_address",
            "home_address", "contact1_address")  # fmt: skip


@dataclass
class World:
    """Objects by kind and key, users by actor, and the values that no stranger may read."""

    users: dict[str, User] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # case → name of the person
    private: dict[str, list[str]] = field(default_factory=dict)  # case → values of the person
    media: str = ""

    def get(self, kind: str, key: str) -> Any:
        return self.objects[kind][key]

    def id_of(self, kind: str, key: str) -> str:
        found = self.get(kind, key)
        return str(getattr(found, "pk", found))


@contextmanager
def standing() -> Iterator[World]:
    """The world, in a transaction that is undone at the end, with a media folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(MEDIA_ROOT=folder),
        transaction.atomic(),
    ):
        if not User.objects.filter(username=BY_ROLE["enterprise"]).exists():
            load_world()  # committed tests empty the database
        world = World(media=folder)
        build(world)
        yield world
        transaction.set_rollback(True)


@contextmanager
def undone() -> Iterator[None]:
    """What the block writes to the database is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def build(world: World) -> None:
    enterprises = [
        Enterprise.objects.get(credit_code=standards.make_credit_code(row.code))
        for row in demo.ENTERPRISES
    ]
    _build_enterprises(world, enterprises)
    _build_people(world, enterprises)
    for number, (key, (line, at, member)) in enumerate(CASES.items()):
        _build_case(world, key, LINES[line], at, member, _NAMES[number])
    _build_papers(world)
    _build_deliveries(world)
    _build_records(world)
    _build_loans(world)
    _build_events(world)
    _build_rehandovers(world)
    _build_funds(world)
    _build_reports(world)
    _build_care(world)
    _build_agreements(world)
    _build_venues(world)
    _build_editions(world)
    _build_ledger(world)
    _build_letters(world)
    _build_party(world)
    _build_members(world)
    _build_work(world)
    _build_offices(world)
    _build_rights(world)
    _build_signed(world)
    # The last, because who is not active cannot be made a member of anything.
    User.objects.filter(pk=world.users["inactive"].pk).update(is_active=False)


def _build_people(world: World, enterprises: list[Enterprise]) -> None:
    for key, actor in ACTORS.items():
        if not actor.username:
            continue
        user = User.objects.filter(username=actor.username).first()
        if user is None:
            user = User(username=actor.username, full_name=f"测试员{_NTH[len(world.users) % 10]}")
            user.set_password(PASSWORD)
            user.save()
        if actor.place != "":
            at = actor.place
            office, _new = Office.objects.get_or_create(
                role=actor.role, name=f"{actor.username}机构（测试）",
                area_id=at if isinstance(at, str) else None,
                enterprise=enterprises[at] if isinstance(at, int) else None,
            )  # fmt: skip
            office.admit(user)
        world.users[key] = User.objects.get(pk=user.pk)
    # Not of the matrix: a clerk of two enterprises, who has to say for which of them he acts.
    both = User.objects.create(username="m_liangqi", full_name="测试员两")
    for clerk in ("clerk", "clerk_sibling"):
        Office.objects.get(users=world.users[clerk], role="enterprise").admit(both)
    world.users["clerk_two"] = both


def _build_enterprises(world: World, enterprises: list[Enterprise]) -> None:
    own, sibling, county, child, draft_elsewhere = enterprises
    facts = {"level": "city", "holding": "sole", "county_id": demo.XIANAN,
             "authority_id": demo.CITY, "contact": "测试联系人"}  # fmt: skip
    sasac = User.objects.get(username=BY_ROLE["sasac"])
    made = [
        Enterprise.enter(by=sasac, name=name, credit_code=standards.make_credit_code(code), **facts)
        for name, code in (
            ("咸宁市待确认测试厂", "91421200MAMTX0001"),
            ("咸宁市待签收测试厂", "91421200MAMTX0002"),
        )
    ]
    made[1].confirm(by=sasac)
    world.objects["enterprise"] = {
        "own": own, "sibling": sibling, "county": county, "child": child,
        "draft_elsewhere": draft_elsewhere, "draft": made[0], "unread": made[1],
    }  # fmt: skip


def _build_case(world: World, key: str, line: Line, at: str, member: bool, name: str) -> None:
    values = values_for(
        "qiye", line.community or demo.GUIHUA, party_member=member, name=name,
        contact1_address=f"联系人住址{name}",
    )  # fmt: skip
    if not line.community:  # neither named nor to be read from an address
        values |= {
            "community": "",
            "home_address": "地址另行登记甲",
            "household_address": "地址另行登记乙",
        }
    clerk = world.users[line.clerk]
    enterprise = Enterprise.objects.get(offices__users=clerk)
    case = walk.file_person(values, enterprise, clerk)
    people = {"enterprise": clerk, "hr": world.users[line.hr],
              "insurance": world.users[line.insurance],
              "community": world.users[line.receiver], "party": world.users[line.party]}  # fmt: skip
    if at == "ended":
        workflow.end(case, by=clerk, code="other", reason="测试终止")
    elif at not in ("declare", "verify"):
        case = walk.to(case, at, people)
    case = Transfer.objects.select_related("retiree").get(pk=case.pk)
    world.objects.setdefault("case", {})[key] = case
    world.names[key] = name
    world.private[key] = _private_of(case.retiree)


def _private_of(person: Retiree) -> list[str]:
    """Values by which a stranger would know more than he may; short ones say nothing."""
    values = (str(getattr(person, name)) for name in _PRIVATE)
    return [value for value in values if len(value) >= 8]


def _build_papers(world: World) -> None:
    cases = world.objects["case"]
    world.objects["scan"] = {
        key: cases[key].scans.first()
        for key in ("own_done", "next_open", "sibling_open", "county_done")
    }


def _build_deliveries(world: World) -> None:
    """The deliveries in which the files of CASES went, and one that is packed and still empty."""
    cases = world.objects["case"]
    world.objects["delivery"] = {
        key: cases[case].personnel_file.item.handover
        for key, case in (
            ("sent", "own_archives"),
            ("closed", "own_done"),
            ("county", "county_done"),
        )
    }
    case = cases["own_open"]
    world.objects["delivery"]["packing"] = handovers.pack(
        "personnel", by=world.users["clerk"], receiver=Desk("insurance", area=case.archive_area),
        sender=Desk("enterprise", enterprise=case.enterprise),
    )  # fmt: skip


def _build_records(world: World) -> None:
    """Lists of other archives: one that is being packed, one that was sent, one of another county."""
    world.objects["record_list"] = {}
    facts = {"category": "document", "number": "W-1", "title": "会议纪要", "year_from": "1990",
             "retention": "permanent", "volumes": "1", "secrecy": "open", "carrier": "paper"}  # fmt: skip
    for key, clerk, enterprise in (
        ("sent", "clerk", "own"), ("county", "clerk_county", "county"), ("packing", "clerk", "own"),
    ):  # fmt: skip
        user = world.users[clerk]
        found = records.begin(world.get("enterprise", enterprise), by=user)
        line = records.EntryForm(facts)
        assert line.is_valid()
        records.replace(found, records.Read([line]), by=user)
        if key != "packing":
            found = handovers.send(found, by=user, means="person", carrier="许档员",
                                   handed_on=timezone.localdate())  # fmt: skip
        world.objects["record_list"][key] = found


def _build_events(world: World) -> None:
    """第十条: a report that nobody has answered, one of another county."""
    world.objects["life_event"] = {
        key: events.report(world.get("case", case), by=world.users[by], kind="missing",
                           happened_on=timezone.localdate(), details="家属来电")
        for key, case, by in (("own", "own_done", "community"),
                              ("county", "county_done", "community_county"))
    }  # fmt: skip


def _build_rehandovers(world: World) -> None:
    """第十条: somebody of the own community has moved to the one beside it, which has not answered."""
    world.objects["rehandover"] = {
        "own": rehandovers.propose(
            world.get("case", "own_done"),
            by=world.users["community"],
            card="keep",
            party="follow",
            community=Area.objects.get(pk=demo.WANNIAN),
            moved_on=timezone.localdate(),
        )
    }


def _build_funds(world: World) -> None:
    """工作经费: a budget sheet of 咸安区 that was kept, and divisions by their codes."""
    xianan = Area.objects.get(pk=demo.XIANAN)
    sheet = funds.fix(xianan, by=world.users["sasac_child"], day=timezone.localdate())
    world.objects["fund_sheet"] = {"xianan": sheet}
    world.objects["division"] = {
        "city": demo.CITY, "xianan": demo.XIANAN, "chibi": demo.CHIBI,
        "street": f"{demo.GUIHUA[:9]}000",
    }  # fmt: skip


def _build_care(world: World) -> None:
    """第八条: a group and an open promise for each of two people of two communities."""
    world.objects["care_group"], world.objects["care_promise"] = {}, {}
    for key, by in (("own_done", "community"), ("county_done", "community_county")):
        entry = Reception.objects.get(transfer=world.get("case", key))
        ledger.change(entry, Wish(added=frozenset({"ill"})), by=world.users[by])
        world.objects["care_group"][key] = entry.care_groups.get()
        world.objects["care_promise"][key] = care.visit(
            entry, by=world.users[by], on=timezone.localdate(), way="home", visitors="甲、乙",
            found="身体好", promised="联系家庭医生", promise_due_on=timezone.localdate(),
        )  # fmt: skip
        Reception.objects.filter(pk=entry.pk).update(visit_due_on=timezone.localdate())


def _build_agreements(world: World) -> None:
    """第四条: one agreement is applied for, one approved."""
    clerk = world.users["clerk"]
    entry = Enterprise.objects.get(pk=min(access.scope(clerk).enterprises))
    facts = {"county": Area.objects.get(pk=demo.XIANAN), "party_b": "咸安区人民政府",
             "base_on": date(2026, 1, 1), "people": 80, "members": 20, "volumes": 79}  # fmt: skip
    made = {key: agreements.apply(entry, facts, by=clerk) for key in ("applied", "approved")}
    agreements.answer(made["approved"], by=world.users["sasac_child"], approval="咸安国资3号")
    world.objects["agreement"] = made


def _build_venues(world: World) -> None:
    """第九条: a room that the enterprise of the clerk hands over to the community."""
    clerk = world.users["clerk"]
    entry = Enterprise.objects.get(pk=min(access.scope(clerk).enterprises))
    facts = {"name": "活动室", "kind": "room", "address": "温泉路1号", "way": "free",
             "community": Area.objects.get(pk=demo.GUIHUA)}  # fmt: skip
    world.objects["venue"] = {"own": venues.file(entry, facts, by=clerk)}


def _build_reports(world: World) -> None:
    """统计月报: 咸安区 has signed this month."""
    xianan, month = Area.objects.get(pk=demo.XIANAN), timezone.localdate().replace(day=1)
    report = reports.sign(xianan, month, by=world.users["sasac_child"], leader="赵主任")
    world.objects["monthly_report"] = {"xianan": report}
    world.objects["reporting"] = {"xianan": demo.XIANAN, "chibi": demo.CHIBI}


def _build_ledger(world: World) -> None:
    """Entries of two communities, and a view that each of three users keeps for himself."""
    world.objects["entry"] = {
        key: Reception.objects.get(transfer=world.get("case", key))
        for key in ("own_done", "county_done")
    }
    world.objects["view"] = {
        key: SavedView.objects.create(user=world.users[by], name="常用", query="state=stale")
        for key, by in (("own", "community"), ("street", "street"), ("county", "community_county"))
    }


def _build_editions(world: World) -> None:
    """第六条第1项: 赤壁市 has published its list, which its HR has not acknowledged."""
    chibi = Area.objects.get(pk=demo.CHIBI)
    world.objects["edition"] = {
        "chibi": editions.publish(chibi, by=world.users["sasac_county"], note="第一批")
    }


def _build_loans(world: World) -> None:
    """Files that somebody has in his hands."""
    today = timezone.localdate()
    world.objects["loan"] = {
        key: FileLoan.give(
            world.get("case", case).personnel_file, by=world.users[by], taken_on=today, due_on=today,
            kind="lend", person="查档员", office="某单位（测试）", letter="介绍信1号", purpose="核对工龄",
            what="九-1 工资类",
        )
        for key, case, by in (("own", "own_done", "insurance"),)
    }  # fmt: skip


def _build_work(world: World) -> None:
    own, county = world.users["clerk"], world.users["clerk_county"]
    enterprise = world.objects["enterprise"]
    world.objects["job"] = {
        key: Job.objects.create(kind="import_check", title="检查名单", owner=user, state="failed")
        for key, user in (("own", own), ("county", county))
    }
    world.objects["batch"] = {
        key: ImportBatch.objects.create(
            enterprise=enterprise[key], uploaded_by=user, file_name="名单.xlsx", sha256=key,
            state="failed", message="文件读不出来。",
        )
        for key, user in (("own", own), ("sibling", world.users["clerk_sibling"]),
                          ("county", county))
    }  # fmt: skip
    world.objects["batch"]["checked"] = checked_batch(enterprise["own"], own)
    desks = {
        "hr": {"role": "hr", "area_id": demo.CITY},
        "hr_county": {"role": "hr", "area_id": demo.CHIBI},
        "clerk": {"role": "enterprise", "enterprise": enterprise["own"]},
        "community": {"role": "community", "area_id": demo.GUIHUA},
    }
    world.objects["notice"] = {
        key: Notice.objects.create(text=f"给{key}的通知", **desk) for key, desk in desks.items()
    }


def _build_letters(world: World) -> None:
    """移交通知书 that name one person each."""
    cases = world.objects["case"]
    world.objects["letter"] = {}
    for key, line, clerk in (
        ("own", "own_done", "clerk"),
        ("county", "county_done", "clerk_county"),
    ):
        case, user = cases[line], world.users[clerk]
        letter = HandoverLetter.objects.create(
            enterprise=case.enterprise, area=case.community.parent, year=1990, serial=1,
            issued_on=timezone.localdate(), issued_by=user, people=1, token=key,
        )  # fmt: skip
        PrintedPaper.objects.create(
            transfer=case, paper="handover", version=letter.number, printed_by=user
        )
        world.objects["letter"][key] = letter


def _build_party(world: World) -> None:
    """Committees of two enterprises, of a street, of a community of it, and of another county."""
    # A letter on the way, one whose receipt has not come, one that is settled.
    for key in ("own_party", "own_done", "county_done"):
        letter = PartyMove.objects.get(transfer=world.get("case", key))
        world.objects.setdefault("party_letter", {})[key] = letter
    untold = world.get("party_letter", "own_done")
    untold.receipt_on, untold.receipt_number, untold.receipt_way = None, "", ""
    untold.save()
    enterprise = world.objects["enterprise"]
    world.objects["party_organization"] = {
        key: PartyOrganization.objects.create(
            kind="committee", name=f"中共{key}测试委员会", may_transfer=True, **place
        )
        for key, place in (
            ("own", {"enterprise": enterprise["own"]}),
            ("sibling", {"enterprise": enterprise["sibling"]}),
            ("street", {"area_id": demo.WENQUAN}),
            ("community_next", {"area_id": demo.WANNIAN}), ("county", {"area_id": demo.PUQI}),
        )
    }  # fmt: skip


def _build_members(world: World) -> None:
    """第六条第6项: one member is in the branch of his street, which met once."""
    party, branch = world.users["party"], world.objects["party_organization"]["street"]
    today = timezone.localdate()
    member = life.take(world.get("party_letter", "own_done"), branch, by=party, since=today)
    meeting = PartyMeeting(branch=branch, kind="lecture", held_on=today, topic="学习党章")
    world.objects["party_member"] = {"own": member}
    # He is handed on afterwards, so that he waits for a branch again.
    world.objects["party_meeting"] = {"own": life.record(meeting, [member], by=party)}
    life.hand_on(member.transfer)


def checked_batch(enterprise: Enterprise, by: User) -> ImportBatch:
    """A session that waits for its decision; one heading of its file means nothing so far."""
    words = {"姓名": "name", "身份证号": "id_number", "退休年月": "retired", "手机1": ""}
    columns = [
        SheetColumn(sheet="全民", place=place, heading=heading, key=heading, field=name,
                    automatic=name, how="found" if name else "unknown", examples=["11 位号码"])
        for place, (heading, name) in enumerate(words.items())
    ]  # fmt: skip
    report: Any = sessions.kept(Report(enterprise)) | {"columns": columns}
    return ImportBatch.objects.create(
        enterprise=enterprise, uploaded_by=by, file_name="名单.xlsx", sha256="checked",
        state="checked", file=vault.put(b"x", "imports"), report=report,
    )  # fmt: skip


def _build_offices(world: World) -> None:
    """Offices, accounts and grants inside the city, and one of each outside it."""
    far = Office.objects.create(role="auditor", name="省外机构（测试）", area_id=PROVINCE)
    stranger = User.objects.create(username="m_shengji", full_name="省外人员（测试）")
    far.admit(stranger)
    world.objects["office"] = {
        "own": Office.objects.get(users=world.users["clerk"]),
        "county": Office.objects.get(users=world.users["community_county"]),
        "far": far,
    }
    world.objects["user"] = {
        "own": world.users["clerk"], "county": world.users["community_county"],
        "homeless": world.users["no_office"], "far": stranger,
    }  # fmt: skip
    admin = world.users["system_admin"]
    world.objects["grant"] = {
        "own": Grant.ask(world.users["no_office"], Office.objects.get(users=world.users["hr"]),
                         by=admin, reason="轮岗通知3号"),
        "far": Grant.objects.create(user=stranger, office=far, asked_by=admin, reason="省外申请"),
    }  # fmt: skip
    world.objects["area"] = {"own": demo.GUIHUA, "county": demo.BEIJIE, "province": PROVINCE}


def _build_signed(world: World) -> None:
    """Piles of scans with a page each, and one whose reading was stopped."""
    world.objects["signed"], world.objects["sheet"] = {}, {}
    for key, by, pages in (
        ("own", "clerk", 1),
        ("county", "clerk_county", 1),
        ("stopped", "clerk", 2),
    ):
        source = {"file": vault.put(b"x", "sheets"), "type": "image/png", "pages": pages,
                  "quarantined": False}  # fmt: skip
        pile = SignedPile.objects.create(
            owner=world.users[by], name="签字.png", token=key, sources=[source],
            job=Job.objects.create(
                kind="read_scans", title="读取", owner=world.users[by],
                state="failed" if key == "stopped" else "done",
            ),
        )  # fmt: skip
        world.objects["signed"][key] = pile
        if key == "stopped":
            continue
        world.objects["sheet"][key] = SignedPage.objects.create(
            pile=pile, place=0, transfer=world.get("case", f"{key}_open"), paper="NOTICE",
            version=notice.number(), copy=1, state="found", file=vault.put(b"x", "sheets"),
            picture=vault.put(walk.picture_of_a_form(), "sheets"), content_type="image/png",
            size=1, sha256="0",
        )  # fmt: skip


def _build_rights(world: World) -> None:
    """What people asked for and agreed to, what was exported, who signed in, what was audited."""
    cases, users = world.objects["case"], world.users
    world.objects["rights"] = {
        key: RightsRequest.objects.create(
            transfer=cases[case], kind=kind, applicant="self", text="本人申请",
            asked_on=timezone.localdate(), recorded_by=users[by],
        )
        for key, case, kind, by in (
            ("copy", "own_done", "copy", "clerk"), ("erase", "own_done", "erase", "clerk"),
            ("county", "county_done", "erase", "clerk_county"),
        )
    }  # fmt: skip
    for key, by in (("own_done", "clerk"), ("county_done", "clerk_county")):
        Consent.record(cases[key], by=users[by], on=timezone.localdate(), agreed=True)
    world.objects["consent"] = {
        key: Consent.objects.standing().get(transfer=cases[key], kind="agreed")
        for key in ("own_done", "county_done")
    }
    far = world.get("user", "far")
    world.objects["export"] = {
        key: _export(user) for key, user in
        (("own", users["clerk"]), ("county", users["clerk_county"]), ("far", far))
    }  # fmt: skip
    world.objects["session"] = {
        key: SignInSession.objects.create(user=users[actor], key_digest=f"digest of {key}")
        for key, actor in (("own", "clerk"), ("county", "clerk_county"))
    }
    world.objects["event"] = {
        key: audit.write("accounts_reviewed", user=users["system_admin"], area=area)
        for key, area in (("city", demo.CITY), ("county", demo.CHIBI))
    }
    world.objects["event"]["nowhere"] = audit.write("sign_in_failed")


def _export(user: User) -> Export:
    trace = AccessLog.write(
        user, AccessLog.Kind.EXPORT, "移交名册（完整）", reason="核对移交人数", rows=5000
    )
    return Export.objects.create(
        owner=user, log=trace, roster="transfers", format="xlsx", clear=True, rows=5000,
        serial=serials.new(), state="asked", filters={"places": exports._places(user)},
    )  # fmt: skip
