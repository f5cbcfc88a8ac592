"""Asks one question as a browser would, and says what came of it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.http import HttpResponse
from django.test.client import BOUNDARY, MULTIPART_CONTENT, Client, encode_multipart
from django.urls import reverse

from archives import documents as slips
from communities import documents as cards
from tests import matrix
from tests.matrix import EVERYBODY, ROWS, SEES, Cell, expected
from tests.world import CASES, undone
from transfers.papers import Paper
from xianning import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.world import World

# What every request may leave behind, refused or not: sessions, counters of guesses, the audit.
UNIMPORTANT = re.compile(r"django_session|axes_|xianning_(audit|signinsession|totpdev|guessbucket)")
AUDIT = "xianning_auditevent"
_WRITE = re.compile(r'\s*(?:INSERT\s+(?:OR \w+ )?INTO|REPLACE INTO|UPDATE|DELETE FROM)\s+"?(\w+)')
# Kinds of objects that stand in an address as a plain word.
_WORDS = {"roster"}
NOBODY = frozenset[str]()


@dataclass
class Written:
    """Tables written to since the last `clear`: those that matter, and how many audit rows."""

    tables: list[str] = field(default_factory=list)
    audited: int = 0

    def clear(self) -> None:
        self.tables, self.audited = [], 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := _WRITE.match(sql):
            table = found[1].lower()
            if table == AUDIT:
                self.audited += 1
            elif not UNIMPORTANT.match(table):
                self.tables.append(table)
        return execute(sql, params, many, context)


@dataclass
class Answer:
    """What came back, and what was written while it was made."""

    response: Any
    body: str
    written: list[str]
    audited: int

    @property
    def status(self) -> int:
        return int(self.response.status_code)


class Asker:
    """One signed-in browser for each actor, a counter of writes, and the world they ask about."""

    def __init__(self, world: World, sign_in: Callable[[str], Client]) -> None:
        self.world, self.sign_in = world, sign_in
        self.written = Written()
        self._clients: dict[str, Client] = {}
        self._bodies: dict[tuple[str, str, str], bytes] = {}
        self._knowers = {**_private(world), **_names_and_ids(world)}
        longest_first = sorted(self._knowers, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)))

    @contextmanager
    def watching(self) -> Iterator[Asker]:
        """Count what is written in the block."""
        with connection.execute_wrapper(self.written):
            yield self

    def without_printing(self, patch: pytest.MonkeyPatch) -> Asker:
        """Papers are empty: who may print is asked here, not what stands on the paper."""
        patch.setattr(Paper, "render", lambda *_: b"%PDF-1.7")
        patch.setattr(cards, "contact_cards_sheet", lambda *_, **__: b"%PDF-1.7")
        for name in (
            "delivery_note",
            "delivery_roster",
            "catalogue",
            "records_list",
            "records_deed",
        ):
            patch.setattr(slips, name, lambda *_: b"%PDF-1.7")
        return self

    def client(self, actor: str) -> Client:
        if actor not in self._clients:
            user = self.world.users.get(actor)
            self._clients[actor] = self.sign_in(user.username) if user else Client()
            self._clients[actor].raise_request_exception = False
        return self._clients[actor]

    def load_middleware(self) -> None:
        """Let every browser's requests pass through the middleware as it is set now."""
        for client in self._clients.values():
            # Loaded anew by the next request.
            client.handler._middleware_chain = None  # type: ignore[attr-defined]

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What the block writes, and does to the cookies of the browsers, is taken back."""
        cookies = {actor: client.cookies.output() for actor, client in self._clients.items()}
        with undone():
            yield
        for actor, text in cookies.items():
            _restore(self._clients[actor], text)

    # --- any request ---

    def fetch(
        self, actor: str, method: str, path: str, body: bytes | dict[str, Any] = b"",
        *, page: bool = True, keep: bool = True,
    ) -> Answer:  # fmt: skip
        """Send a request; take back what it wrote and did to the cookies, unless KEEP.

        Without PAGE a refusal is its sentence alone: the page around it takes most of the time.
        """
        data = body if isinstance(body, bytes) else encode_multipart(BOUNDARY, body)
        client = self.client(actor)
        views._error = _page_of_an_error if page else _sentence  # type: ignore[assignment]
        self.written.clear()
        try:
            if keep:
                response = client.generic(method, path, data, MULTIPART_CONTENT)
            else:
                cookies = client.cookies.output()
                with undone():
                    response = client.generic(method, path, data, MULTIPART_CONTENT)
                _restore(client, cookies)
        finally:
            views._error = _page_of_an_error
        text = "" if response.streaming else response.content.decode("utf-8", "replace")
        return Answer(response, text, self.written.tables, self.written.audited)

    def leak(self, actor: str, body: str, *, asked: str = "", opened: str = "") -> str:
        """A private value, or the name or id of something that does not exist for ACTOR.

        What stands in ASKED came from the actor himself; OPENED is the case that he may read.
        """
        for found in self._secrets.finditer(body):
            value = found[0]
            mine = actor in self._knowers[value] or value in asked
            if not mine and value not in self.world.private.get(opened, ()):
                return value
        return ""

    # --- a cell of the matrix ---

    def path(self, name: str, key: str) -> str:
        return reverse(name, args=self._args(name, key))

    def _args(self, name: str, key: str) -> list[str]:
        row = ROWS[name]
        if not row.kind or row.in_body:
            return [key.partition("/")[2]] if row.kind in ("bulk", "pile") else []
        thing, _, second = key.partition("/")
        first = thing if row.kind in _WORDS else self.world.id_of(row.kind, thing)
        return [first, second] if second else [first]

    def body(self, cell: Cell) -> bytes:
        """The encoded form of the cell; made once, for it is sent to many."""
        about = (cell.name, cell.actor, cell.key)
        if about not in self._bodies:
            data = ROWS[cell.name].sends(self.world, cell.actor, cell.key)
            self._bodies[about] = encode_multipart(BOUNDARY, data)
        return self._bodies[about]

    def ask(self, cell: Cell, *, page: bool = True, keep: bool = False) -> Answer:
        data = self.body(cell) if cell.method == "POST" else b""
        keep = keep or cell.method != "POST"
        path = self.path(cell.name, cell.key)
        return self.fetch(cell.actor, cell.method, path, data, page=page, keep=keep)

    def judge(self, cell: Cell, answer: Answer) -> list[str]:
        """What is wrong with the answer."""
        wanted, found = expected(cell), verdict_of(answer, cell)
        if cell.method == "HEAD" and wanted == "405" != found:
            wanted = expected(replace(cell, method="GET"))  # some pages answer it as a GET
        if found != wanted:
            return [f"{cell}: {wanted} expected, {found} ({answer.status}) found"]
        if answer.written and (wanted != "ok" or cell.method in ("GET", "HEAD")):
            return [f"{cell}: {wanted}, but wrote {answer.written}"]
        opened = cell.key.partition("/")[0] if ROWS[cell.name].opens and wanted == "ok" else ""
        asked = self.path(cell.name, cell.key)
        if cell.name.startswith("audit"):  # of one's own area the audit tells everything asked for
            return []
        if leak := self.leak(cell.actor, answer.body, asked=asked, opened=opened):
            return [f"{cell}: {wanted}, but shows {leak!r}"]
        return []


def _restore(client: Client, cookies: str) -> None:
    if client.cookies.output() != cookies:
        client.cookies = SimpleCookie()
        for line in cookies.splitlines():
            client.cookies.load(line.removeprefix("Set-Cookie: "))


_page_of_an_error = views._error


def _sentence(_request: Any, _name: str, status: int, sentence: str = "") -> HttpResponse:
    return HttpResponse(sentence, status=status)


# --- who may know what ---------------------------------------------------------------------------


def _private(world: World) -> dict[str, frozenset[str]]:
    """Values that stand on no page before a reason is on record."""
    return {value: NOBODY for values in world.private.values() for value in values}


def _names_and_ids(world: World) -> dict[str, frozenset[str]]:
    """Names of people and ids of objects, with the actors for whom they exist."""
    known = {name: SEES[case] for case, name in world.names.items()}
    for case, key in (("own_done", "own"), ("county_done", "county")):  # through a report of 第十条
        known[world.names[case]] |= matrix.LIFE_SEES[key]
    known[world.names["own_done"]] |= matrix.REHANDOVER_SEES["own"]
    tables = {
        "case": SEES, "scan": SEES, "consent": SEES, "delivery": matrix.DELIVERY_SEES,
        "record_list": matrix.RECORDS_SEES, "life_event": matrix.LIFE_SEES,
        "rehandover": matrix.REHANDOVER_SEES, "care_group": matrix.CARD_DESKS,
        "care_promise": matrix.CARD_DESKS, "venue": matrix.VENUE_SEES,
        "agreement": matrix.AGREEMENT_SEES,
        "party_member": matrix.MEMBER_SEES, "party_meeting": matrix.MEMBER_SEES,
        "monthly_report": matrix.REPORT_SEES,
        "fund_sheet": matrix.FUND_SHEET_SEES,
        "edition": matrix.EDITION_SEES,
        "rights": matrix.RIGHTS_SEES,
        "job": matrix.JOB_SEES, "batch": matrix.BATCH_SEES, "session": matrix.SESSION_SEES,
        "letter": matrix.LETTER_SEES,
        "signed": matrix.SIGNED_SEES, "sheet": matrix.SHEET_SEES,
        "party_letter": {k: SEES[k] for k in matrix.PARTY_LETTERS},
        "export": matrix.EXPORT_SEES, "enterprise": enterprise_knowers(),
        "office": {"far": NOBODY}, "user": {"far": NOBODY}, "grant": {"far": NOBODY},
    }  # fmt: skip
    for kind, who in tables.items():
        for key in world.objects[kind].keys() & who.keys():
            known[world.id_of(kind, key)] = who[key]
    return known


def enterprise_knowers() -> dict[str, frozenset[str]]:
    """Enterprise → whoever sees its entry or a case of it, or sets up the office that files for it."""
    of_line = {"sibling": "sibling", "child": "child", "county": "county"}
    seen = {key: who | {"system_admin"} for key, who in matrix.ENTERPRISE_SEES.items()}
    for line, _at, _member in CASES.values():
        key = of_line.get(line, "own")
        seen[key] = seen[key] | matrix.SEEN[line]
    return seen


def verdict_of(answer: Answer, cell: Cell) -> str:
    """The word of the table for an answer; an unforeseen status is its own word."""
    status, row = answer.status, ROWS[cell.name]
    if row.who == EVERYBODY:
        return "ok" if status in (200, 302, 422) else str(status)
    if status == 302 and answer.response["Location"].startswith(reverse("sign_in")):
        return "sign-in"
    if status in (403, 404, 405):
        return str(status)
    if cell.method == "POST":
        done = status in (200, 302) and (bool(answer.written) or not row.writes)
        return "ok" if done else "no" if status in (200, 302, 400, 409, 410, 422) else str(status)
    return "ok" if status == 200 else "no" if status in (302, 409, 410, 422) else str(status)
