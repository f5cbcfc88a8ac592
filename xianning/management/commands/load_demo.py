"""`manage.py load_demo`: fictitious enterprises, offices and people, walked into every state."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from archives import batches, records
from communities import care, events, funds, ledger, rehandovers
from communities.directory import Directory
from communities.models import Area, FundSheet, LifeEvent, Reception, Rehandover, SavedView, Visit
from enterprises import editions, venues
from enterprises.models import Edition, Enterprise, Venue
from party.organization_forms import OrganizationForm
from party.organizations import PartyOrganization
from transfers import handovers, limit_views, reports, workflow
from transfers.choices import ReturnReason
from transfers.models import MonthlyReport, Retiree, StepLimit, Transfer
from transfers.models.handovers import Counts, Handover
from xianning import checks, demo, standards, walk
from xianning.models import Office, User
from xianning.roles import ROLES

PASSWORD = "Xianning-demo-2026"
SIGN_INS = [(o.username, PASSWORD, f"{ROLES[o.role].name}　{o.name}") for o in demo.OFFICES]
# How far each made-up person has come; `back` is returned once and repeated.
STATES = (
    "declare", "verify", "verify", "confirm", "confirm", "deliver", "archives", "community",
    "letter", "party", "done", "done", "back", "ended",
)  # fmt: skip


class Command(BaseCommand):
    help = "载入演示数据（虚构的企业、机构和人员，经真实流程办到各种状态）"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--people", type=int, default=60, help="人数，缺省 60")
        parser.add_argument("--seed", type=int, default=2021, help="随机数种子，缺省 2021")

    def handle(self, *_: Any, people: int, seed: int, **__: Any) -> None:
        if not 0 <= people <= 200_000:
            raise CommandError("--people 须在 0 到 200000 之间。")
        checks.install(demo=True)
        if not Area.objects.exists():
            call_command("load_areas", stdout=self.stdout)
        enterprises = [self._enterprise(row) for row in demo.ENTERPRISES]
        users = {row.username: self._office(row, enterprises) for row in demo.OFFICES}
        for enterprise, row in zip(enterprises, demo.ENTERPRISES, strict=True):
            if row.confirmed and enterprise.confirmed_at is None:
                self._confirm(enterprise, users)
        if people and not StepLimit.objects.exists():
            self._limits(users["gzw"])
        for entry in demo.PARTY:
            self._party(entry, enterprises, users[entry.by])
        self._people(people, seed, enterprises, users)
        self._deliveries(users)
        if people:
            self._records(users, enterprises[0])
            self._ledger(users)
            self._care(users)
            self._venues(users, enterprises[0])
            self._events(users)
            self._rehandovers(users)
            self._funds(users)
            self._reports(users)
            self._editions(users)

    def _enterprise(self, row: demo.DemoEnterprise) -> Enterprise:
        code = standards.make_credit_code(row.code)
        made, _new = Enterprise.objects.get_or_create(
            credit_code=code,
            defaults={
                "name": row.name, "level": row.level, "holding": "sole", "status": row.status,
                "county_id": row.county, "authority_id": row.authority,
                "department": row.department, "contact": "演示联系人", "phone": "0715-8123001",
                "retiree_count": 320,
            },
        )  # fmt: skip
        return made

    def _office(self, row: demo.DemoOffice, enterprises: list[Enterprise]) -> User:
        at_enterprise = isinstance(row.place, int)
        office, _new = Office.objects.get_or_create(
            role=row.role, name=row.name,
            area_id=None if at_enterprise else row.place,
            enterprise=enterprises[row.place] if isinstance(row.place, int) else None,
            defaults={"phone": row.phone, "address": row.address, "contact": row.full_name,
                      "postcode": "437100"},
        )  # fmt: skip
        user, new = User.objects.get_or_create(
            username=row.username, defaults={"full_name": row.full_name}
        )
        if new:
            user.set_password(PASSWORD)
            user.save()
        office.admit(user)
        return user

    def _party(self, row: demo.DemoParty, enterprises: list[Enterprise], by: User) -> None:
        """Enter a Party organisation through the form of the page."""
        place = enterprises[row.place].pk if isinstance(row.place, int) else row.place
        if PartyOrganization.objects.visible_to(by).filter(name=row.name).exists():
            return
        above = PartyOrganization.objects.filter(name=row.above).first()
        form = OrganizationForm(
            {"place": str(place), "kind": row.kind, "name": row.name,
             "parent": above.pk if above else "", "may_transfer": "" if above else "on",
             "address": "咸宁市咸安区演示路1号", "phone": "0715-8123000", "postcode": "437100"},
            by=by,
        )  # fmt: skip
        if not form.is_valid():
            raise CommandError(f"{row.name}: {dict(form.errors)}")
        form.save()

    def _confirm(self, enterprise: Enterprise, users: dict[str, User]) -> None:
        at = {demo.CITY: ("gzw", "rs"), demo.CHIBI: ("gzw_chibi", "rs_chibi"),
              demo.XIANAN: ("gzw_xianan", "rs_xianan")}  # fmt: skip
        sasac, hr = at[enterprise.authority_id]
        enterprise.confirm(by=users[sasac])
        enterprise.acknowledge(by=users[hr])

    def _limits(self, by: User) -> None:
        """Made-up day counts, as the city's SASAC office would set them."""
        days = {"declare": 10, "verify": 5, "confirm": 10, "deliver": 10, "archives": 5,
                "community": 5, "letter": 5, "party": 10}  # fmt: skip
        basis = {"warn": 2, "basis": "咸国资演示〔2026〕1号（演示）"}
        limit_views.write(Area.objects.get(pk=demo.CITY), days | basis, by=by)

    # --- people ---

    def _people(
        self, count: int, seed: int, enterprises: list[Enterprise], users: dict[str, User]
    ) -> None:
        rng = random.Random(seed)
        directory = Directory()
        plans = (
            (0, "qiye", (demo.GUIHUA, demo.GUIHUA, demo.WANNIAN), "rs", "shebao", "dangzu"),
            (1, "zhuguan", (demo.GUIHUA, demo.WANNIAN), "rs", "shebao", "dangzu"),
            (2, "qiye_chibi", (demo.BEIJIE,), "rs_chibi", "shebao_chibi", "dangzu_chibi"),
        )
        communities = {demo.GUIHUA: "shequ", demo.WANNIAN: "shequ_wannian",
                       demo.BEIJIE: "shequ_chibi"}  # fmt: skip
        loaded = 0
        for n in range(count):
            index, clerk, places, hr, insurance, party = plans[n % 7 // 3]
            place = rng.choice(places)
            values = demo.person(
                rng, n, directory.areas[place], enterprises[index].name.removesuffix("（演示）")
            )
            if Retiree.objects.with_id_number(values["id_number"]).exists():
                continue
            case = walk.file_person(values, enterprises[index], users[clerk], directory)
            staff = {
                "enterprise": users[clerk], "hr": users[hr], "insurance": users[insurance],
                "party": users[party], "community": users[communities[place]],
            }  # fmt: skip
            self._walk(case, STATES[n % len(STATES)], staff)
            loaded += 1
            if loaded % 50 == 0:
                self.stdout.write(f"  已载入 {loaded}/{count} 人")
        self.stdout.write(
            f"演示数据：{len(enterprises)} 家企业、{len(users)} 个账号、{loaded} 人。"
        )

    def _deliveries(self, users: dict[str, User]) -> None:
        """Batches of files: one partly checked, one whose receipt is late, one being packed."""
        clerk, agency = users["qiye"], users["shebao"]
        if Handover.objects.filter(kind="personnel", state=Handover.State.PACKING).exists():
            return
        waiting = workflow.waiting(clerk, workflow.DELIVER).values("transfer_id")
        people = list(
            Transfer.objects.filter(pk__in=waiting)
            .select_related("retiree", "enterprise", "archive_area").order_by("pk")[:8]
        )  # fmt: skip
        today = timezone.localdate()
        for days, part in ((5, people[:3]), (40, people[3:5]), (0, people[5:])):
            if not part:
                continue
            batch = batches.pack(part, by=clerk)
            for item in batch.items.all():
                batches.recount(
                    item,
                    by=clerk,
                    counts=Counts(1, 0, 18 + item.position, 76),
                    missing="招工登记表：企业搬迁时遗失" if item.position == 2 else "",
                )
            if days:
                batches.send(batch, by=clerk, means="person", carrier="许档员",
                             handed_on=today - timedelta(days=days))  # fmt: skip
            if days == 5:
                first, *rest = batch.items.select_related("transfer__retiree")
                decisions = [batches.Decision(first, got=first.counts, number="2026-0001",
                                              location="2库/15柜/3层")]  # fmt: skip
                decisions += [
                    batches.Decision(item, code="missing", words="缺退休审批表，请补齐。")
                    for item in rest[1:]
                ]
                batches.check(batch, decisions, by=agency, accepted_on=today, accepted_by="陶社保")

    def _records(self, users: dict[str, User], enterprise: Enterprise) -> None:
        """Other archives: one list partly checked, one being packed."""
        clerk, keeper = users["qiye"], users["dangan"]
        if Handover.objects.filter(kind="records").exists():
            return
        for part in (demo.RECORDS[:5], demo.RECORDS[5:]):
            found = records.begin(enterprise, by=clerk)
            lines = [records.EntryForm(dict(zip(demo.RECORD_FIELDS, row, strict=True)))
                     for row in part]  # fmt: skip
            if not all(line.is_valid() for line in lines):
                raise CommandError(f"其他档案：{[line.errors for line in lines]}")
            records.replace(found, records.Read(lines), by=clerk)
            if len(part) == 5:
                handovers.send(found, by=clerk, means="person", carrier="许档员",
                               handed_on=timezone.localdate() - timedelta(days=6))  # fmt: skip
                one, two, *_rest = found.items.order_by("position")
                decisions = [
                    records.Decision(one, got=one.counts),
                    records.Decision(two, code="missing", words="第 2 卷缺封底，请补齐。"),
                ]
                records.check(found, decisions, by=keeper, shelf="3库/2柜/1层")

    def _events(self, users: dict[str, User]) -> None:
        """Reports of 第十条: answered by both, by one, by nobody, and one made by mistake."""
        worker = users["shequ"]
        if LifeEvent.objects.exists():
            return
        entries = Reception.objects.filter(community_id=demo.GUIHUA, is_active=True)
        people = list(entries.select_related("transfer__retiree").order_by("pk")[:5])
        for entry, (kind, ago, details, deeds) in zip(people, demo.EVENTS, strict=False):
            event = events.report(
                entry.transfer, by=worker, kind=kind, details=details,
                happened_on=timezone.localdate() - timedelta(days=ago),
            )  # fmt: skip
            if deeds is None:
                events.correct(event, by=worker, why="同名同姓，报错了人。")
                continue
            for role, deed in deeds.items():
                by = users[{"hr": "rs_xianan", "medical": "yibao"}[role]]
                events.acknowledge(event.receipts.get(role=role), by=by, deed=deed)

    def _rehandovers(self, users: dict[str, User]) -> None:
        """People who moved to the community beside: one it is asked for, one it refused, one it took."""
        if Rehandover.objects.exists():
            return
        giver, taker = users["shequ"], users["shequ_wannian"]
        entries = Reception.objects.filter(community_id=demo.GUIHUA, is_active=True).exclude(
            transfer__life_events__kind__in=("moved", "died")
        )
        entries = entries.select_related("transfer__retiree")
        answers = ("", "refuse", "take")
        for entry, answer in zip(entries.order_by("-pk")[:3], answers, strict=False):
            case = entry.transfer
            rows = workflow.rows_of(case)
            sent = rows["letter"].state == "done" and rows["party"].state != "done"
            member = "stay" if sent else "follow"
            onward = rehandovers.propose(
                case, by=giver, community=Area.objects.get(pk=demo.WANNIAN), card="reissue",
                party=member if case.retiree.is_party_member else "",
                moved_on=timezone.localdate() - timedelta(days=3), details="搬到女儿家，电话未变。",
            )  # fmt: skip
            if answer == "take":
                rehandovers.accept(onward, by=taker, officer="郑专管", officer_phone="0715-8000002")
            elif answer == "refuse":
                rehandovers.refuse(
                    onward, by=taker, refusal="unreachable", why="电话三次无人接听。"
                )

    def _editions(self, users: dict[str, User]) -> None:
        """The city has published its list, and HR has taken note."""
        if Edition.objects.exists():
            return
        city = Area.objects.get(pk=demo.CITY)
        edition = editions.publish(city, by=users["gzw"], note="演示第一版")
        editions.acknowledge(edition, by=users["rs"])

    def _funds(self, users: dict[str, User]) -> None:
        """A standard of the city, which is made up, and a sheet that was kept."""
        if FundSheet.objects.exists():
            return
        city, xianan = (Area.objects.get(pk=code) for code in (demo.CITY, demo.XIANAN))
        today = timezone.localdate()
        funds.set_standard(city, by=users["gzw"], years=range(today.year - 1, today.year + 2),
                           amount=Decimal("120"), source="演示数据，不是真实标准")  # fmt: skip
        funds.fix(xianan, by=users["gzw"], day=today.replace(day=1) - timedelta(days=1))

    def _care(self, users: dict[str, User]) -> None:
        """A plan of the street, people of some groups, visits, a promise kept and one that waits."""
        if Visit.objects.exists():
            return
        street, worker = Area.objects.get(pk=f"{demo.GUIHUA[:9]}000"), users["shequ"]
        care.set_plans(street, demo.CARE_PLAN, by=users["jiedao"], basis="演示数据，不是真实规定")
        entries = Reception.objects.filter(community_id=demo.GUIHUA, is_active=True)
        today = timezone.localdate()
        for entry, (group, days, found, promised) in zip(
            entries.order_by("pk")[: len(demo.VISITS)], demo.VISITS, strict=False
        ):
            ledger.change(entry, ledger.Wish(added=frozenset({group})), by=worker)
            known = next(each for each in entry.care_groups.all() if each.group == group)
            care.explain(known, by=worker, since=today - timedelta(days=300),
                         reason="入户走访了解", evidence="演示数据")  # fmt: skip
            day = today - timedelta(days=days)
            care.visit(
                entry, by=worker, on=day, way="home", visitors="杨社区、志愿者", found=found,
                promised=promised, promise_due_on=day + timedelta(days=20) if promised else None,
            )  # fmt: skip

    def _venues(self, users: dict[str, User], enterprise: Enterprise) -> None:
        """Rooms and a field that go over to a community: received, waiting, returned."""
        if Venue.objects.exists():
            return
        community = Area.objects.get(pk=demo.GUIHUA)
        for facts, received, note in demo.VENUES:
            venue = venues.file(enterprise, facts | {"community": community}, by=users["qiye"])
            if received is not None:
                venues.answer(venue, by=users["shequ"], received=received, note=note)

    def _reports(self, users: dict[str, User]) -> None:
        """The city has signed the last two months, so that one compares with the other."""
        if MonthlyReport.objects.exists():
            return
        city = Area.objects.get(pk=demo.CITY)
        month = standards.months_before(timezone.localdate().replace(day=1))
        for each in (standards.months_before(month), month):
            reports.sign(city, each, by=users["gzw"], leader="程主任")

    def _ledger(self, users: dict[str, User]) -> None:
        """Corrections by a community, people whom nobody verified for a year, and a saved view."""
        worker = users["shequ"]
        if SavedView.objects.exists():
            return
        SavedView.objects.create(user=worker, name="待年度核实", query="state=stale")
        entries = Reception.objects.filter(community_id=demo.GUIHUA, is_active=True)
        people = list(entries.select_related("transfer__retiree").order_by("-pk")[:5])
        for entry, wish in zip(people, demo.CORRECTIONS, strict=False):
            if wish is None:
                entry.verified_on = timezone.localdate() - timedelta(days=400)
                entry.__dict__["_history_user"] = worker
                entry.save()
            else:
                ledger.change(entry, ledger.Wish(**wish), by=worker)

    def _walk(self, case: Transfer, state: str, staff: dict[str, User]) -> None:
        why = {"code": ReturnReason.WRONG_FACTS.value, "reason": "退休年月与档案不一致，请核对。"}
        if state == "back":
            case = walk.to(case, "verify", staff)
            workflow.send_back(case, "verify", by=staff["hr"], **why)
        elif state == "ended":
            workflow.end(case, by=staff["enterprise"], code="mistake", reason="重复填报。")
        elif state == "declare":
            workflow.withdraw(case, "declare", by=staff["enterprise"],
                              code="by_mistake", reason="材料尚未备齐。")  # fmt: skip
        elif state in ("letter", "party") and not case.retiree.is_party_member:
            walk.to(case, "archives", staff)
        else:
            walk.to(case, state, staff)
