"""What an actor sees does not depend on data outside his scope (A5).

Each actor reads every page of the site, with searches, filters and cursors, before and after
hundreds of people of other places are added with their enterprises, offices, notices and jobs. The
answers must be equal byte by byte, but for CSRF tokens and nonces. Time stands still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import transaction
from django.urls import reverse

from tests import crawl
from tests.crowd import Place, another_city, inhabit
from tests.factories import make_transfer, values_for
from transfers.models import Transfer
from xianning import demo, standards
from xianning.models import Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db

CHIBI_COMPANY, SIBLING = demo.ENTERPRISES[2].name, demo.ENTERPRISES[1].name
YONGAN = "421202002001"  # a community in another street of 咸安区
# Where the strangers are, from far to near; who must not notice them. People are added in this
# order, and each actor looks once everything that is foreign to him is there.
STRANGERS: tuple[tuple[str, int, set[str]], ...] = (
    ("another city", 500, {"sasac", "hr", "auditor", "administrator", "system_admin",
                           "security_admin", "audit_admin"}),
    ("another county", 40, {"medical", "archives_office"}),
    ("another street", 40, {"street"}),
    ("another community", 40, {"community"}),
    ("another enterprise", 40, {"enterprise", "insurance", "party"}),
)  # fmt: skip
# The seals cover the one log of the installation; they tell how many events wait, of whatever place.
ABOUT_THE_INSTALLATION = {"/audit/state/"}


def _place(name: str, city: Place) -> Place:
    return {
        "another city": city,
        "another county": Place(CHIBI_COMPANY, demo.BEIJIE, demo.CHIBI, demo.BEIJIE),
        "another street": Place(SIBLING, YONGAN, demo.CHIBI, YONGAN),
        "another community": Place(SIBLING, demo.WANNIAN, demo.CHIBI, YONGAN),
        "another enterprise": Place(SIBLING, demo.GUIHUA, demo.CHIBI, YONGAN),
    }[name]


@pytest.fixture
def clock() -> Any:
    with time_machine.travel("2026-11-23T02:00:00Z", tick=False):
        yield


def _all_answers(client: Client, paths: list[str]) -> dict[str, tuple[Any, ...]]:
    """Every answer by address."""
    return {path: crawl.plain(_undone(client.get, path)) for path in paths}


def _undone(send: Any, path: str) -> Any:
    """The answer; what asking changed (the audit notes who looks) is undone."""
    with transaction.atomic():
        response = send(path)
        transaction.set_rollback(True)
    return response


@pytest.mark.usefixtures("clock")
def test_nobody_notices_people_outside_his_scope(sign_in: Callable[[str], Client]) -> None:
    city = another_city()
    make_transfer(at="verify"), make_transfer(at="archives")
    make_transfer(at="done", party_member=True)
    things = crawl.own_things(make_transfer(at="community", party_member=True))
    addresses = crawl.addresses(things)
    clients = {role: sign_in(name) for role, name in crawl.ACTORS.items()}
    mine = {
        role: [path for _name, path in crawl.open_to(username, addresses)]
        for role, username in crawl.ACTORS.items()
    }
    before = {role: _all_answers(client, mine[role]) for role, client in clients.items()}
    looked, added = set(), 0
    for number, (name, count, roles) in enumerate(STRANGERS):
        added += len(inhabit(_place(name, city), count, seed=100 + number))
        assert added >= 490
        for role in roles & clients.keys():
            after = _all_answers(clients[role], mine[role])
            differ = [path for path in after if after[path] != before[role][path]
                      and path not in ABOUT_THE_INSTALLATION]  # fmt: skip
            assert not differ, f"{role} notices strangers of {name}: {differ}"
            assert sum(answer[0] == 200 for answer in after.values()) >= 4, role
            looked.add(role)
    unknown = clients.keys() - looked
    assert not unknown, f"say in STRANGERS whom {unknown} must not notice"


@pytest.mark.usefixtures("clock")
def test_a_stranger_s_address_answers_like_one_of_nobody(
    sign_in: Callable[[str], Client],
) -> None:
    """Existing elsewhere and not existing at all are the same answer, for reading and writing."""
    city = another_city()
    theirs = inhabit(city, 3, seed=7)[0]
    strange = crawl.Things.about(theirs)
    nobody = strange.neighbours()
    here_of = _asked(strange)
    nowhere_of = {here: nowhere for (_, here), (_, nowhere) in
                  zip(here_of, _asked(nobody), strict=True)}  # fmt: skip
    answers = 0
    for role, username in crawl.ACTORS.items():
        client = sign_in(username)
        for name, here in crawl.open_to(username, here_of):
            nowhere = nowhere_of[here]
            if here == nowhere:
                continue
            for send in (client.get,) if "?" in here else (client.get, client.post):
                one = _blank(crawl.text_of(_undone(send, here)), strange)
                other = _blank(crawl.text_of(_undone(send, nowhere)), nobody)
                assert one == other, (role, name, here)
                answers += 1
    assert answers > 200


def _asked(things: crawl.Things) -> list[tuple[str, str]]:
    """One address for each URL name, and those whose query names an object."""
    queries = [
        (name, path) for name, path in crawl.addresses(things)
        if any(f"={pk}" in path for pk in vars(things).values()) and "after" not in path
    ]  # fmt: skip
    return [*crawl.one_each(things).items(), *queries]


def _blank(text: str, things: crawl.Things) -> str:
    """The answer without the ids that were asked for."""
    for value in vars(things).values():
        text = text.replace(str(value), "…")
    return text


# --- searches -----------------------------------------------------------------------------------


def _search(client: Client, words: str) -> str:
    """The page that a search leads to, without the words themselves."""
    asked = client.post(reverse("transfers:search"), {"q": words})
    if asked.status_code != 302:
        return crawl.text_of(asked)
    page = crawl.text_of(client.get(asked["Location"]))
    for typed in (words, f"{words[0]}{'*' * 16}{words[-1]}"):
        page = page.replace(typed, "…")
    return page


@pytest.mark.usefixtures("clock")
def test_searching_a_stranger_is_searching_nobody(sign_in: Callable[[str], Client]) -> None:
    theirs = inhabit(another_city(), 3, seed=8)[0]
    make_transfer(at="community")
    person = theirs.retiree
    number = standards.make_id_number(demo.REGION, person.birth_date, 499, "1")
    assert not Transfer.objects.with_id_number(number).exists()
    nobody = "㐀㐁㐂㐃㐄㐅㐆"
    found = 0
    for username in crawl.ACTORS.values():
        client = sign_in(username)
        for known, unknown in (
            (person.id_number, number), (person.name, nobody[: len(person.name)]),
            (person.name[:2], nobody[:2]),
        ):  # fmt: skip
            page = _search(client, known)
            assert page == _search(client, unknown), (username, known)
            assert str(theirs.pk) not in page
            assert theirs.number not in page
            found += page.startswith("200")
    assert found >= 27


# --- what is taken already ----------------------------------------------------------------------

ELSEWHERE = "此身份证号已由其他移交单位申报，请与国资部门核对。"


def _add(client: Client, **values: str) -> Any:
    return client.post(reverse("transfers:add"), values)


def test_a_number_filed_elsewhere_is_said_without_saying_whose(
    sign_in: Callable[[str], Client],
) -> None:
    near = make_transfer(clerk="qiye_chibi", at="community")
    far = inhabit(another_city(), 3, seed=9)[0]
    client, pages = sign_in("qiye"), set()
    for theirs in (near, far):
        person = theirs.retiree
        typed = values_for() | {"id_number": person.id_number, "born": "", "sex": ""}
        typed["name"] = "王不同"
        response = _add(client, **typed)
        assert response.status_code == 422
        page = response.content.decode()
        assert ELSEWHERE in page
        for secret in (
            theirs.number, str(theirs.pk), str(person.pk), person.name, theirs.enterprise.name,
            person.home_phone, person.household_address, theirs.filed_by.full_name,
        ):  # fmt: skip
            assert secret not in page, secret
        for value in sorted({*typed.values(), standards.SEX[person.sex]}, key=len, reverse=True):
            page = page.replace(value, "…") if value else page
        pages.add(crawl._TOKENS[0].sub(b"", page.encode()).decode().count(ELSEWHERE))
        assert not Transfer.objects.filter(
            retiree=person, enterprise__offices__users__username="qiye"
        )
    assert len(pages) == 1


def test_a_person_whose_case_elsewhere_ended_is_filed_like_a_stranger(
    sign_in: Callable[[str], Client], people: Any
) -> None:
    """Nothing that another enterprise typed comes with the number."""
    from transfers import workflow

    # Words that stand on no page by themselves.
    theirs = make_transfer(
        clerk="qiye_chibi", contact1_name="欧阳慕容", health="尘肺二期", home_phone="13900007771",
        contact1_phone="13900007772",
    )  # fmt: skip
    old = theirs.retiree
    workflow.end(theirs, by=people["qiye_chibi"], code="other", reason="重复登记。")
    client = sign_in("qiye")
    typed = values_for() | {"id_number": old.id_number, "born": "", "sex": "", "health": "", "insurances": "",
                            "contact1_name": "上官诸葛", "home_phone": "13900007773",
                            "retired": f"{old.retired:%Y-%m}", "work_started": ""}  # fmt: skip
    filed = _add(client, **typed)
    assert filed.status_code == 302, filed.context["form"].errors
    mine = Transfer.objects.get(retiree__id_index=old.id_index, state="open")
    page = client.get(mine.get_absolute_url()).content.decode()
    assert theirs.number not in page
    assert "赤壁" not in page
    opened = client.post(
        reverse("transfers:edit", args=[mine.pk]), {"open": "1", "why": "核对登记内容"}
    ).content.decode()
    for secret in (old.home_phone, old.contact1_name, old.contact1_phone, old.health):
        assert secret not in opened, secret
    # And the other way: what is typed here does not reach the ended case there.
    there = sign_in("qiye_chibi")
    for group in ("contact", "family"):
        shown = there.post(
            reverse("transfers:reveal", args=[theirs.pk]), {"group": group, "reason": "核对信息"}
        ).content.decode()
        assert typed["home_phone"] not in shown
        assert typed["contact1_name"] not in shown


def test_joining_a_foreign_office_is_joining_none(people: Any) -> None:
    from tests.test_offices import edit_form

    inhabit(another_city(), 3, seed=10)
    foreign = Office.objects.get(role="community", area="429901001001")
    admin = User.objects.get(username=crawl.ACTORS.get("system_admin", "guanli"))
    errors = [
        edit_form(admin, people["qiye"], join=name).errors.as_json()
        for name in (foreign.name, "没有这个机构")
    ]
    assert errors[0] == errors[1]
    assert "找不到这个机构" in str(edit_form(admin, people["qiye"], join=foreign.name).errors)
