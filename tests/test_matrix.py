"""Every URL, by every actor, about every object, by every method: as the table of matrix.py says."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.urls import URLPattern, get_resolver, reverse

from archives.models import PersonnelFile
from communities.models import Area, Reception
from enterprises.models import Enterprise
from party.models import PartyMove
from party.organizations import PartyOrganization
from tests import matrix
from tests.cells import Asker
from tests.fingerprint import SESSIONS, changed, fingerprint
from tests.matrix import EVERYBODY, ROWS, cells, expected
from tests.world import ACTORS, CASES, NOBODY, World, standing, undone
from transfers import workflow
from transfers.models import (
    Consent,
    HandoverLetter,
    ImportBatch,
    PrintedPaper,
    Retiree,
    RightsRequest,
    Scan,
    Transfer,
)
from transfers.papers import PAPERS
from xianning import demo
from xianning.access import REGISTRY
from xianning.checks import url_names
from xianning.exports import ROSTERS
from xianning.models import (
    AccessLog,
    AuditEvent,
    Export,
    Grant,
    Job,
    Notice,
    Office,
    Record,
    SignInSession,
    User,
)
from xianning.office_forms import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.models import Model
    from django.test import Client

CELLS = tuple(cells())
# What a refused request may leave behind: its session, the count of guesses, and its audit row.
LEFT = SESSIONS | {
    "xianning_auditevent", "xianning_auditseal", "xianning_signinsession", "xianning_totpdevice",
    "xianning_guessbucket",
}  # fmt: skip
# Nothing that anybody could dispute: words to look for, a notice read, a card looked up, a browser
# that is signed in already, my own rows given back, no other session to end, a workbook that was only
# looked at, the size of type.
UNAUDITED = {
    "transfers:search", "communities:ledger", "notice_read", "communities:card_check",
    "party:receipt", "sign_in", "sign_in_code", "sessions_end", "enterprises:import", "text_size",
    "communities:event_list_rest",
}  # fmt: skip


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for the module, undone at its end."""
    with django_db_blocker.unblock(), standing() as world:
        yield world


@pytest.fixture
def asker(
    db: World, settings: Any, sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asker]:
    settings.MEDIA_ROOT = db.media
    logging.disable(logging.CRITICAL)
    with Asker(db, sign_in).without_printing(monkeypatch).watching() as asker:
        yield asker
    logging.disable(logging.NOTSET)


def test_every_url_has_a_row() -> None:
    names = set(url_names())
    assert not names - set(ROWS), "add a row to tests/matrix.py ROWS, with its article"
    assert not set(ROWS) - names, "the URL is gone: take its row out of tests/matrix.py"
    assert names == set(REGISTRY)


def test_there_are_twelve_thousand_cells_over_all_urls() -> None:
    assert len(CELLS) == len(set(CELLS)) >= 12_000
    assert {cell.name for cell in CELLS} == set(url_names())
    assert {cell.actor for cell in CELLS} == set(ACTORS)
    for name, row in ROWS.items():
        verdicts = Counter(expected(cell) for cell in CELLS if cell.name == name)
        assert verdicts["405"], name
        if not row.gone and row.ready != frozenset():
            assert verdicts["ok"], f"nobody may do {name}"
        if row.who != EVERYBODY:
            assert verdicts["sign-in"], name


@pytest.mark.parametrize("actor", ACTORS)
def test_each_actor_gets_what_the_table_says_and_leaves_nothing_where_he_is_refused(
    actor: str, asker: Asker
) -> None:
    asker.client(actor)
    before = fingerprint(exclude=LEFT)
    wrong: list[str] = []
    asked: set[tuple[str, ...]] = set()  # of each kind of refusal one whole page is looked at
    for cell in CELLS:
        if cell.actor == actor and expected(cell) != "ok":
            kind = (expected(cell), cell.name.partition(":")[0], cell.method)
            answer = asker.ask(cell, page=kind not in asked, keep=True)
            asked.add(kind)
            wrong += asker.judge(cell, answer)
            refused = answer.status in (403, 404) and not ROWS[cell.name].gone
            if refused and actor not in NOBODY and not answer.audited:
                wrong.append(f"{cell}: refused without an audit row")
    assert not wrong, "\n".join(wrong[:30])
    assert changed(before, fingerprint(exclude=LEFT)) == []
    for cell in CELLS:
        if cell.actor == actor and expected(cell) == "ok":
            answer = asker.ask(cell)
            wrong += asker.judge(cell, answer)
            must = cell.method == "POST" and actor not in NOBODY and cell.name not in UNAUDITED
            if must and not answer.audited:
                wrong.append(f"{cell}: done without an audit row")
    assert not wrong, "\n".join(wrong[:30])


# --- A10: what stands in an address cannot be counted through ------------------------------------


def test_no_address_holds_a_number_that_counts() -> None:
    """Ids are UUIDs; what else stands in an address is a public word (a code, a step, a roster)."""
    kinds = {
        (name, type(converter).__name__)
        for pattern in _patterns(get_resolver().url_patterns)
        for name, converter in pattern.pattern.converters.items()
    }
    words = {("name", "SlugConverter"), ("key", "StepConverter"), ("pk", "StringConverter")}
    assert kinds - words == {("pk", "UUIDConverter")}


def _patterns(entries: Any) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLPattern):
            yield entry
        else:
            yield from _patterns(entry.url_patterns)


def test_ten_thousand_neighbours_and_random_ids_find_nothing(db: World, asker: Asker) -> None:
    rng = random.Random(10)
    known = [row.pk for kind in db.objects.values() for row in kind.values() if hasattr(row, "pk")]
    ids = {
        UUID(int=(pk.int + step) % (1 << 128))
        for pk in known
        for step in (*range(-50, 0), *range(1, 51))
    }
    while len(ids) < 12_000:  # the same moment, other random bits; and anything at all
        pk = rng.choice(known)
        ids |= {UUID(int=pk.int & ~((1 << 62) - 1) | rng.getrandbits(62)), uuid4()}
    ids -= set(known)
    assert len(ids) >= 10_000
    wanted = sorted(ids)
    for model in apps.get_models():
        if issubclass(model, Record):
            for at in range(0, len(wanted), 500):
                part = wanted[at : at + 500]
                assert not model._default_manager.filter(pk__in=part).exists(), model
    client = asker.client("clerk")
    for pk in rng.sample(wanted, 100):
        assert client.get(reverse("transfers:detail", args=[pk])).status_code == 404


# --- what exists for whom, asked of the rows themselves --------------------------------------------

# Kind of object → its model and for whom each exists. What hangs on a case is seen with the case.
VISIBLE: dict[str, tuple[type[Model], Mapping[str, frozenset[str]]]] = {
    "case": (Transfer, matrix.SEES), "enterprise": (Enterprise, matrix.ENTERPRISE_SEES),
    "job": (Job, matrix.JOB_SEES), "batch": (ImportBatch, matrix.BATCH_SEES),
    "notice": (Notice, matrix.NOTICE_SEES), "office": (Office, matrix.OFFICE_SEES),
    "grant": (Grant, matrix.GRANT_SEES), "area": (Area, matrix.AREA_SEES),
    "session": (SignInSession, matrix.SESSION_SEES), "export": (Export, matrix.EXPORT_SEES),
    "event": (AuditEvent, matrix.EVENT_SEES), "rights": (RightsRequest, matrix.RIGHTS_SEES),
    "consent": (Consent, matrix.CONSENT_SEES),
    "letter": (HandoverLetter, matrix.LETTER_SEES),
    "party_organization": (PartyOrganization, matrix.PARTY_SEES),
}  # fmt: skip
OF_A_CASE = (PersonnelFile, Reception, PartyMove, Scan, PrintedPaper, AccessLog)


def _users(world: World) -> Iterator[tuple[str, User]]:
    for actor in world.users:
        if actor in ACTORS:  # read anew: a scope is kept with the user
            yield actor, User.objects.get(pk=world.users[actor].pk)


@pytest.mark.parametrize("kind", VISIBLE)
def test_a_row_exists_for_those_that_the_table_names(kind: str, db: World) -> None:
    model, sees = VISIBLE[kind]
    pks = {key: getattr(db.objects[kind][key], "pk", db.objects[kind][key]) for key in sees}
    for actor, user in _users(db):
        rows: Any = model._default_manager.visible_to(user)  # type: ignore[attr-defined]
        seen = {key for key, pk in pks.items() if rows.filter(pk=pk).exists()}
        assert seen == {key for key, who in sees.items() if actor in who}, actor


@pytest.mark.parametrize("model", OF_A_CASE)
def test_what_hangs_on_a_case_exists_for_those_who_see_the_case(model: Any, db: World) -> None:
    with undone():
        for key in ("own_done", "county_done"):
            case = db.get("case", key)
            if model is PrintedPaper:
                PrintedPaper.objects.create(transfer=case, paper="form", printed_by=case.filed_by)
            if model is AccessLog:
                AccessLog.write(case.filed_by, "reveal", "身份证号", transfer=case, reason="核对")
        for actor, user in _users(db):
            seen = set(map(str, model.objects.visible_to(user).values_list("transfer", flat=True)))
            for key in ("own_done", "county_done"):
                may = actor in matrix.SEES[key]
                if model is AccessLog:  # 第十一条: auditors of the area
                    may = may and ACTORS[actor].role == "auditor"
                assert (db.id_of("case", key) in seen) is may, (actor, key)


def test_retirees_exist_with_their_cases(db: World) -> None:
    for actor, user in _users(db):
        seen = set(Retiree.objects.visible_to(user).values_list("pk", flat=True))
        wanted = {
            db.get("case", key).retiree_id for key, who in matrix.SEES.items() if actor in who
        }
        assert seen == wanted, actor


def test_an_account_is_kept_by_the_administrators_of_its_area(db: World) -> None:
    for actor in ("system_admin", "security_admin"):
        seen = set(accounts(User.objects.get(pk=db.users[actor].pk)).values_list("pk", flat=True))
        wanted = {key for key, who in matrix.USER_SEES.items() if actor in who}
        assert {key for key, user in db.objects["user"].items() if user.pk in seen} == wanted


def test_what_waits_waits_at_the_desks_that_the_articles_name(db: World) -> None:
    for actor, user in _users(db):
        for step, desks in matrix.STEP_DESKS.items():
            found = workflow.waiting(user, step).values_list("transfer", flat=True)
            open_steps = matrix.OPEN_STEPS | {"own_undeclared": "declare"}  # it lacks a receiver
            assert set(map(str, found)) == {
                db.id_of("case", case) for case, open_ in open_steps.items()
                if step in open_.split() and actor in desks[CASES[case][0]]
            }, (actor, step)  # fmt: skip
        entries = Enterprise.objects
        for key, rows, whose in (
            ("draft", entries.waiting_for_confirmation(user), matrix.ENTERPRISE_LISTS),
            ("unread", entries.waiting_for_acknowledgement(user), matrix.ENTERPRISE_READS),
        ):
            assert rows.filter(pk=db.id_of("enterprise", key)).exists() is (actor in whose[key])


def test_a_paper_is_printed_by_the_office_that_the_article_names(db: World) -> None:
    for actor, user in _users(db):
        for name, desks in matrix.PAPER_DESKS.items():
            for case, (line, _at, member) in CASES.items():
                if member or name != "letter":
                    found = PAPERS[name].concerns(db.get("case", case), user)
                    assert found is (actor in desks[line]), (actor, name, case)


def test_the_home_page_counts_what_the_table_shows_and_nothing_from_elsewhere(
    asker: Asker, db: World
) -> None:
    home = reverse("home")
    with asker.undone():
        cards = asker.client("security_admin").get(home).context["cards"]
        counts = {card.title: card.count for card in cards}
        assert counts == {"核准授权": "1", "核准导出": "2"}  # not those of 省外
        client, unread = asker.client("hr_county"), []
        for area in ("", demo.CHIBI, demo.XIANAN):
            if area:
                Notice.objects.create(role="hr", area_id=area, text="有事")
            nav = {item.label: item.count for item in client.get(home).context["nav"]}
            unread.append(int(nav["通知"] or 0))
        assert [unread[1] - unread[0], unread[2] - unread[1]] == [1, 0]


def test_a_roster_holds_what_exists_for_its_reader(db: World) -> None:
    for actor, user in _users(db):
        for name, roster in ROSTERS.items():
            if name not in ("enterprises", "venues"):
                sees = matrix.CARD_DESKS if name == "care" else matrix.SEES
                column = "pk" if name in ("transfers", "proof") else "transfer"
                rows = set(map(str, roster.rows(user).values_list(column, flat=True)))
                for key in ("own_done", "county_done"):
                    found = db.id_of("case", key) in rows
                    assert found is (actor in sees[key]), (actor, name, key)
