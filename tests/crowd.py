"""Many people at once, through the form and the opening of cases as an import does it; and places."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simple_history.utils import bulk_create_with_history

from communities.directory import Directory
from communities.models import Area
from enterprises.models import Enterprise
from transfers import workflow
from transfers.models import ImportBatch, NameGram, Retiree, Transfer
from transfers.retiree_form import RetireeForm
from xianning import access, demo, standards, walk
from xianning.models import AccessLog, Job, Notice, Office, User
from xianning.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Place:
    """An enterprise and the receivers of its people (第五条), as area codes."""

    enterprise: str  # name
    community: str
    archive_area: str
    party_area: str

    def company(self) -> Enterprise:
        return Enterprise.objects.get(name=self.enterprise)

    def area_of(self, role: str) -> Area | None:
        """Where the desk of ROLE stands for people of this place."""
        company = self.company()
        code = {
            "sasac": company.authority_id, "hr": company.authority_id,
            "insurance": self.archive_area, "community": self.community, "party": self.party_area,
        }.get(role)  # fmt: skip
        return Area.objects.get(pk=code) if code else None


def staff_at(place: Place) -> dict[str, User]:
    """A new office with one new user at each desk of PLACE, by role."""
    return {role: _newcomer(place, role) for role in
            ("enterprise", "hr", "insurance", "community", "party")}  # fmt: skip


def _newcomer(place: Place, role: str) -> User:
    number = User.objects.count()
    office = Office.objects.create(
        role=role, name=f"外来{ROLES[role].name}{number}（演示）",
        area=place.area_of(role),
        enterprise=place.company() if role == "enterprise" else None,
    )  # fmt: skip
    user = User.objects.create(username=f"wailai{number}", full_name=f"外来人{number}")
    office.admit(user)
    return user


def crowd(
    count: int, place: Place, by: User, *, seed: int,
    given: Callable[[int], dict[str, str]] = lambda n: {},
) -> list[Transfer]:  # fmt: skip
    """COUNT made-up people with open cases waiting at `verify`; GIVEN(n) replaces typed values."""
    directory, company = Directory(), place.company()
    form = RetireeForm({}, enterprise=company, directory=directory, known={})
    rng, cases = random.Random(seed), []
    for n in range(count):
        values = demo.person(rng, n, directory.areas[place.community], "演示厂")
        birth = standards.id_birth_date(values["id_number"])
        # The sequence part keeps the numbers of different crowds apart.
        values["id_number"] = standards.make_id_number(
            demo.REGION, birth, (seed * 61 + n) % 500, "1" if values["sex"] == "男" else "2"
        )
        values |= {"archive_area": directory.areas[place.archive_area].full_name,
                   "party_area": directory.areas[place.party_area].full_name}  # fmt: skip
        if not form.next_row(values | given(n)):
            raise ValueError(f"{values}: {dict(form.errors)}")
        cases.append(form.new_case(by))
    cases = list({case.retiree.id_number: case for case in cases}.values())
    people = [case.retiree for case in cases]
    for person in people:
        person.set_index()
    bulk_create_with_history(people, Retiree, batch_size=500, default_user=by)
    NameGram.rewrite(people)
    workflow.start(cases, by=by)
    return cases


def amend(case: Transfer, by: User, **new: str) -> Transfer:
    """Change typed values of CASE through its form; returns the case read again."""
    case = Transfer.objects.get(pk=case.pk)
    shown = RetireeForm(enterprise=case.enterprise, transfer=case)
    data = {field.name: field.value() for field in shown} | new
    data = {name: _typed(value) for name, value in data.items()}
    form = RetireeForm(data, enterprise=case.enterprise, transfer=case)
    if not form.is_valid():
        raise ValueError(dict(form.errors))
    workflow.amend(case, form, by=by)
    return Transfer.objects.get(pk=case.pk)


def _typed(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else "" if value is None else value


def inhabit(place: Place, count: int, *, seed: int) -> list[Transfer]:
    """People, offices, users, notices, jobs, imports and reads of another place; its cases.

    The first three cases are walked to the end, so that files, letters, cards and scans exist.
    """
    staff = staff_at(place)
    clerk = staff["enterprise"]
    cases = crowd(count, place, clerk, seed=seed)
    done = [walk.to(case, "done", staff) for case in cases[:3]]
    company = place.company()
    for n in range(10):
        Job.objects.create(kind="export", title=f"导出名册{n}", owner=clerk, state="done")
        ImportBatch.objects.create(
            enterprise=company, uploaded_by=clerk, file_name=f"外来{n}.xlsx", sha256="0",
            state="done",
        )  # fmt: skip
        AccessLog.write(clerk, AccessLog.Kind.REVEAL, "身份证号", transfer=done[0], reason="核对")
        for role in staff:
            area = place.area_of(role)
            Notice.objects.create(
                role=role, area=area, enterprise=None if area else company, transfer=done[0],
                text=f"外来通知{n}",
            )  # fmt: skip
    return done + cases[3:]


ABROAD = "429900000000"


def another_city() -> Place:
    """A city outside Xianning with one community, and an enterprise on its list."""
    above = Area.objects.get(pk="420000000000")
    for code, level, name in (
        (ABROAD, "city", "外地市"), ("429901000000", "county", "外地区"),
        ("429901001000", "township", "外地街道"), ("429901001001", "community", "外地社区"),
    ):  # fmt: skip
        above = Area.objects.create(
            code=code, level=level, name=name, parent=above, receives=level == "community"
        )
    enterprise_at(ABROAD, "429901000000", "外地机械厂（演示）")
    return Place("外地机械厂（演示）", "429901001001", "429901000000", "429901001001")


def enterprise_at(authority: str, county: str, name: str) -> Enterprise:
    """A confirmed enterprise on the list of AUTHORITY, kept by a new SASAC user."""
    office = Office.objects.create(role="sasac", area_id=authority, name=f"{name}的国资部门")
    keeper = User.objects.create(username=f"guozi{User.objects.count()}", full_name="外来国资")
    office.admit(keeper)
    body = f"91{access.prefix(county):0<6}MADEX{Enterprise.objects.count():04d}"
    company = Enterprise.enter(
        by=keeper, name=name, credit_code=standards.make_credit_code(body), level="provincial",
        holding="sole", authority=Area.objects.get(pk=authority), county=Area.objects.get(pk=county),
    )  # fmt: skip
    company.confirm(by=keeper)
    return company
