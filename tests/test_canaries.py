"""Two hundred people whose private values can be told from everything else: where do they turn up?

Nowhere but behind the doors of `tests/doors.py` (P2): not on pages, in refusals and errors,
headers and addresses, papers, masked exports, messages; and nowhere in readable form in the
database, the files, the sessions, the parameters of jobs or the log (P5).
"""

from __future__ import annotations

import base64
import io
import json
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import override_settings
from django.urls import reverse

from tests import crawl
from tests.canaries import MARK, PHONES, others, person, request_of, values_in
from tests.conftest import load_world
from tests.crowd import Place, amend, crowd
from tests.doors import DOORS, REASON, ask_for_copy, open_door
from tests.factories import staff_of
from tests.workbooks import table
from transfers import casefile, workflow
from transfers.models import ImportBatch, Retiree, Transfer
from transfers.workflow import STEPS
from xianning import demo, exports, walk
from xianning.models import Job, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks

pytestmark = pytest.mark.django_db

OWN = Place(demo.ENTERPRISES[0].name, demo.GUIHUA, demo.XIANAN, demo.GUIHUA)
SIBLING = Place(demo.ENTERPRISES[1].name, demo.WANNIAN, demo.XIANAN, demo.WANNIAN)
CHIBI = Place(demo.ENTERPRISES[2].name, demo.BEIJIE, demo.CHIBI, demo.BEIJIE)
WHY = {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}


class World:
    """200 people in three places; some were walked on, changed, returned, ended, imported."""

    def __init__(self, media: str) -> None:
        self.media = media
        people = [(OWN, "qiye", 120), (SIBLING, "zhuguan", 40), (CHIBI, "qiye_chibi", 40)]
        self.cases: list[Transfer] = []
        for place, clerk, count in people:
            first = len(self.cases)
            by = User.objects.get(username=clerk)
            self.cases += crowd(
                count, place, by, seed=first + 1,
                given=lambda n, first=first: person(first + n) | others(first + n),  # type: ignore[misc]
            )  # fmt: skip
        assert len(self.cases) == 200
        staff = staff_of("qiye")
        self.open = self._walked(self.cases[0], staff)
        self.done = walk.to(self.cases[1], "done", staff)
        self.returned = walk.to(self.cases[2], "community", staff)
        workflow.send_back(self.returned, "community", by=staff["community"], **WHY)
        self.changed = walk.to(self.cases[3], "deliver", staff)
        self.changed = amend(self.changed, staff["enterprise"], **_changed(3))
        workflow.end(self.cases[4], by=staff["enterprise"], code="other", reason="重复登记。")
        self.foreign = walk.to(self.cases[160], "done", staff_of("qiye_chibi"))
        self.shown = [*self.cases[:5], self.cases[120], self.foreign]

    @staticmethod
    def _walked(case: Transfer, staff: dict[str, User]) -> Transfer:
        case = walk.to(case, "party", staff)
        for key in ("deliver", "archives", "community"):
            case = walk.take(case, key, staff[STEPS[key].role])
        ask_for_copy(case, staff["community"], request_of(0))
        return case


def _changed(n: int) -> dict[str, str]:
    """Other private values for the N-th person."""
    return {name: value for name, value in person(n + 500).items() if name != "id_number"}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """The people, made once; every test undoes what it changes."""
    with (
        django_db_blocker.unblock(),
        tempfile.TemporaryDirectory() as folder,
        override_settings(MEDIA_ROOT=folder),
        transaction.atomic(),
    ):
        if not User.objects.filter(username="qiye").exists():
            load_world()  # committed tests empty the database
        yield World(folder)
        transaction.set_rollback(True)


# --- pages --------------------------------------------------------------------------------------


def _outside(response: Any) -> set[str]:
    """Private values anywhere in an answer: the body, the headers, the cookies."""
    head = unquote(f"{response.items()!s} {response.cookies.output()}")
    body = b"".join(response) if response.streaming else response.content
    text = crawl.text_of(response) if body[:2] == b"PK" else body.decode("utf-8", "replace")
    return values_in(text) | values_in(head)


# A POST of nothing to these ends the session, or opens a door that asks for no reason.
ENDING = {"sign_in", "sessions_end", "session_end"}
DOORS_WITHOUT_A_WORD = {
    "transfers:paper",
    "transfers:scan",
    "transfers:signed_page",
    "transfers:rights_copy",
}


def _everything(world: World, actors: dict[str, Client]) -> Iterator[tuple[str, Any]]:
    """Every address by everybody, and more of the pages that are about one person."""
    mine, foreign = crawl.own_things(world.open), crawl.Things.about(world.foreign)
    number = world.open.retiree.id_number
    paths = [path for _name, path in crawl.addresses(mine, number=number)]
    paths += [path for _name, path in crawl.addresses(foreign) if "?" not in path and "-" in path]
    paths += [case.get_absolute_url() for case in world.shown]
    once = crawl.one_each(mine)
    for role, client in actors.items():
        refused = set()
        for path in paths:
            if path.partition("?")[0] not in refused:
                response = client.get(path)
                if response.status_code == 403:
                    refused.add(path)
                yield f"{role} GET {path}", response
        for name, path in once.items():
            if name not in ENDING | DOORS_WITHOUT_A_WORD:
                yield f"{role} POST {path}", client.post(path, {"q": number, "number": "x"})


def test_no_page_shows_a_private_value(world: World, sign_in: Callable[[str], Client]) -> None:
    from django.test import Client as Browser

    actors = {role: sign_in(name) for role, name in crawl.ACTORS.items()} | {"nobody": Browser()}
    leaks, statuses, kept, pages = {}, set(), [], 0
    for where, response in _everything(world, actors):
        pages += 1
        statuses.add(response.status_code)
        if found := _outside(response):
            leaks[where] = sorted(found)[:3]
        if not where.startswith("nobody") and "no-store" not in response.get("Cache-Control", ""):
            kept.append(where)  # it would stay in the browser of a shared office (I9)
    assert not leaks
    assert not kept
    assert {actors[role].get("/").status_code for role in crawl.ACTORS} == {200}  # still inside
    assert statuses >= {200, 302, 403, 404, 405, 422}
    assert pages > 120 * len(actors), pages


def test_the_frame_keeps_no_page_in_the_browser(sign_in: Callable[[str], Client]) -> None:
    page = sign_in("qiye").get("/").content.decode()
    config = page.partition("htmx-config")[2].partition("content='")[2].partition("'")[0]
    settings = json.loads(config)
    assert settings["historyCacheSize"] == 0
    assert settings["historyEnabled"] is False


def test_lists_show_everybody_masked_page_by_page(
    world: World, sign_in: Callable[[str], Client]
) -> None:
    client, names = sign_in("qiye"), set()
    for name, args in (("transfers:list", []), ("roster", ["transfers"])):
        path = reverse(name, args=args)
        url, seen = path, 0
        while url:
            page = client.get(url).content.decode()
            assert not values_in(page)
            names |= {case.retiree.name for case in world.cases[:120] if case.retiree.name in page}
            seen += 1
            after = page.partition("?after=")[2].partition('"')[0]
            url = f"{path}?after={after}" if after else ""
        assert seen == 3
    assert len(names) == len({case.retiree.name for case in world.cases[:120]})


def test_a_found_number_is_shown_masked_and_stands_in_no_address(
    world: World, sign_in: Callable[[str], Client]
) -> None:
    number, client = world.open.retiree.id_number, sign_in("qiye")
    asked = client.post(reverse("transfers:search"), {"q": number})
    page = client.get(asked["Location"])
    assert str(world.open.number) in page.content.decode()
    assert not _outside(page) | _outside(asked)


def test_forms_that_are_refused_give_back_what_was_typed_and_no_more(
    world: World, sign_in: Callable[[str], Client]
) -> None:
    client, typed = sign_in("qiye"), person(700)
    path = reverse("transfers:edit", args=[world.open.pk])
    page = client.post(path, {"home_phone": typed["home_phone"]})
    assert page.status_code == 422
    assert _outside(page) == {typed["home_phone"]}
    for other in (world.cases[7], world.foreign):  # a number that somebody has
        number = other.retiree.id_number
        page = client.post(path, {"id_number": number, "name": "王不同", "retired": "2011-01"})
        assert page.status_code == 422
        assert _outside(page) == {number}


def test_a_page_that_fails_tells_nothing_and_its_log_line_neither(
    world: World,
    sign_in: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    client, values = sign_in("qiye"), person(0)
    client.raise_request_exception = False

    def fail(case: Transfer, *_: object, **__: object) -> None:
        private = f"{case.retiree.id_number} {case.retiree.home_phone} {case.retiree.health}"
        raise ValueError(f"could not convert: {private}") from KeyError(private)

    monkeypatch.setattr(casefile, "facts", fail)
    response = client.get(world.open.get_absolute_url())
    assert response.status_code == 500
    assert not _outside(response)
    written = log.getvalue()
    assert "ValueError" in written  # the place of the fault is there, its words are not
    assert "test_canaries.py" in written
    assert not values_in(written) & set(values.values())


def test_a_preview_of_an_import_masks_what_it_read(
    world: World, sign_in: Callable[[str], Client],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    fields = {"姓名": "name", "身份证号": "id_number", "退休年月": "retired", "常住地": "home_address",
              "联系电话": "home_phone", "健康状况": "health", "配偶姓名": "spouse_name"}  # fmt: skip
    rows = []
    for n in (800, 801, 5, 120, 160):  # new, new, known here, known elsewhere, known elsewhere
        facts = {"name": f"测{chr(0x4E00 + n)}", **person(n), **others(n)}
        rows.append([facts[field] for field in fields.values()])
    rows[1][2] = "2031-01"  # a mistake
    client = sign_in("qiye")
    file = SimpleUploadedFile("名单.xlsx", table(list(fields), *rows))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("transfers:import"), {"file": file})
    batch = ImportBatch.objects.get()
    assert batch.state == "checked", batch.message
    page = client.get(batch.get_absolute_url())
    assert page.status_code == 200
    assert not _outside(page)


# --- what is kept -------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the console handler of the settings writes, in its own format."""
    handlers = [
        handler for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.get_name() == "console"
    ]  # fmt: skip
    assert handlers, "the settings log to the console"
    stream = io.StringIO()
    before = handlers[0].setStream(stream)
    yield stream
    handlers[0].setStream(before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which everything temporary is made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _spellings(text: str) -> set[bytes]:
    """TEXT as it may lie in a file: several encodings, JSON, addresses, hexadecimal, base64."""
    utf8 = text.encode()
    found = {utf8, utf8.hex().encode(), text.encode("utf-16-le"), text.encode("utf-16-be"),
             json.dumps(text)[1:-1].encode(), "".join(f"%{b:02X}" for b in utf8).encode()}  # fmt: skip
    for shift in range(3):  # the letters that do not depend on what stands before and behind
        whole = base64.b64encode(b"\0" * shift + utf8)
        found.add(whole[-(-8 * shift // 6) : (shift + len(utf8)) * 8 // 6])
    return found


# Beginnings that all canaries share, long enough that no digest or key holds them by chance.
NEEDLES = set().union(*map(_spellings, (f"{MARK}", f"{demo.REGION}19", *PHONES)))


def _rows() -> Iterator[tuple[str, bytes]]:
    """(table, row) of the whole database as it lies there, through no model."""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            for row in cursor.fetchall():
                yield name, b"\0".join(_raw(value) for value in row)


def _raw(value: Any) -> bytes:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return text.encode("utf-8", "surrogatepass")


def _needles_in(data: bytes) -> list[bytes]:
    return [needle for needle in NEEDLES if needle in data]


def test_the_search_finds_each_spelling() -> None:
    secret = f"{person(0)['home_address']} {person(0)['id_number']} {person(0)['home_phone']}"
    for data in (
        secret.encode(), secret.encode("utf-16-le"), json.dumps(secret).encode(),
        *(base64.b64encode(b"x" * n + secret.encode()) for n in range(4)),
    ):  # fmt: skip
        assert _needles_in(data)


def test_nothing_that_is_kept_holds_a_private_value(
    world: World, sign_in: Callable[[str], Client], settings: Any, log: io.StringIO, folder: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    """After every door was opened, a workbook imported and a case changed, ended and returned."""
    settings.MEDIA_ROOT = world.media
    capture = django_capture_on_commit_callbacks
    for door in DOORS:
        open_door(door, sign_in(door.username), world.open, capture)
    test_a_preview_of_an_import_masks_what_it_read(world, sign_in, capture)
    client = sign_in("qiye")
    with capture(execute=True):
        client.post(
            ImportBatch.objects.get().get_absolute_url(), {"confirm": "1", "only_good": "1"}
        )
    client.post(reverse("transfers:search"), {"q": world.open.retiree.id_number})
    assert Retiree.objects.with_id_number(person(800)["id_number"]).exists()
    tables = set()
    for name, row in _rows():
        tables.add(name)
        assert not _needles_in(row), name
    assert {"transfers_historicalretiree", "xianning_job", "django_session"} <= tables
    assert not [s for s in Session.objects.all() if values_in(str(s.get_decoded()))]
    assert not [job for job in Job.objects.all() if values_in(f"{job.params} {job.message}")]
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert not _needles_in(path.read_bytes() + str(path).encode()), path
    assert not _needles_in(log.getvalue().encode())
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_an_export_lies_in_no_temporary_file_even_when_it_fails_half_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clerk = User.objects.get(username="qiye")
    crowd(201, OWN, clerk, seed=3)
    user, roster = User.objects.get(username="qiye"), exports.ROSTERS["transfers"]
    asked = exports.ask(user, exports.Wish(roster, "xlsx", True, REASON), queue=False)

    def tell(done: int, total: int) -> None:
        raise RuntimeError("the worker lost its job")

    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")  # not even for a moment
    with pytest.raises(RuntimeError, match="lost its job"):
        exports.make(asked, tell)


def test_a_large_upload_never_lies_in_a_temporary_file(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing temporary can be made, a workbook of the largest size still arrives."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    file = SimpleUploadedFile("名单.xlsx", b"PK" + bytes(19 * 1024 * 1024))
    response = sign_in("qiye").post(reverse("transfers:import"), {"file": file})
    assert response.status_code == 422
    assert "不是" in response.content.decode() or "损坏" in response.content.decode()
