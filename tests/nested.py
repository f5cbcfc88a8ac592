"""References inside requests: every parameter and field that names an object, with foreign ones.

Each entry is one request of one actor. `same` entries are asked twice, with the foreign value and
with one that nobody knows: the two answers must be equal, so that a foreign object looks like none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core import signing

from tests import matrix, payloads
from tests.cells import enterprise_knowers
from tests.matrix import ROWS, SEES, SIGNED_IN
from tests.world import ACTORS, CASES, NOBODY, PROVINCE
from transfers.forms import ConfirmForm
from xianning import demo, standards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.world import World

UNKNOWN = "01900000-0000-7000-8000-000000000001"  # well formed, and of nobody
MALFORMED = ("x", f"{UNKNOWN}~{UNKNOWN}", "' OR 1=1 --")
# Filters that no page has: none may change what it shows (A3).
EVIL = (
    "retiree__id_number__startswith=4", "enterprise__offices__users__password__gt=a",
    "order_by=retiree__id_number", "is_superuser=1",
)  # fmt: skip
EVIL_TARGETS = ("https://example.org/", "//example.org/x", "/\\example.org", "javascript:alert(1)",
                "http:///example.org", "https:example.org", "\thttps://example.org")  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """One request, and what must come of it.

    RULE: `same` as when LIKE is sent in its place; `refused` with 4xx; `404`; `mine` for a page
    that shows what is the actor's own and nothing else; `ours` for a redirect that stays here.
    """

    group: str
    actor: str
    name: str
    rule: str
    key: str = ""
    path: str = ""  # instead of the address of NAME and KEY
    query: str = ""
    data: dict[str, Any] = field(default_factory=dict, hash=False)
    like: str = ""  # the query (or the form as JSON) with a value that is of nobody
    value: str = ""  # the foreign value, which the page may repeat
    method: str = "GET"

    @property
    def identity(self) -> tuple[str, ...]:
        sent = ";".join(f"{name}={value}" for name, value in sorted(self.data.items()))
        return (self.actor, self.name, self.key, self.path, self.query, self.method, sent)

    def __str__(self) -> str:
        more = self.query or json.dumps(self.data, default=str, ensure_ascii=False)[:200]
        return f"{self.group}: {self.method} {self.name} {self.key} {more} as {self.actor}"


def parts(name: str) -> list[str]:
    """The actors whose role has a part in the page NAME."""
    who = ROWS[name].who
    return [
        actor for actor, person in ACTORS.items()
        if actor not in NOBODY and (who == SIGNED_IN or person.role in who)
    ]  # fmt: skip


def foreign(table: Any, actor: str, limit: int = 99) -> Iterable[str]:
    """Keys of objects that do not exist for ACTOR."""
    return islice((key for key, who in table.items() if actor not in who), limit)


def all_asks(world: World) -> list[Ask]:
    """Every entry; the world gives the ids."""
    groups = (filters, cursors, unknown_filters, searches, places, second_arguments, targets,
              sealed_rows, sealed_lists, scan_tokens, offices_of_others, lists_of_others, audits)  # fmt: skip
    return [ask for group in groups for ask in group(world)]


# --- parameters of addresses ---------------------------------------------------------------------


def filters(world: World) -> Iterator[Ask]:
    """`?enterprise=` of the list of cases and of a new case; unknown words are 404."""
    knowers = enterprise_knowers()
    for actor in parts("transfers:list"):
        for key in foreign(_with_cases(knowers), actor, 4):
            value = world.id_of("enterprise", key)
            yield Ask("filter", actor, "transfers:list", "same", query=f"enterprise={value}",
                      like=f"enterprise={UNKNOWN}", value=value)  # fmt: skip
        for query in ("enterprise=x", "waiting=x", "state=x", "at=x", "q=x"):
            yield Ask("filter", actor, "transfers:list", "404", query=query)
        for step, desks in matrix.STEP_DESKS.items():
            if actor not in frozenset().union(*desks.values()):
                yield Ask("filter", actor, "transfers:list", "mine", query=f"waiting={step}")
    for actor in parts("transfers:add"):
        for key in foreign(matrix.ENTERPRISE_SEES, actor):
            value = world.id_of("enterprise", key)
            yield Ask("filter", actor, "transfers:add", "404", query=f"enterprise={value}")
    for actor in parts("enterprises:list"):
        for code in (demo.CITY, demo.XIANAN, demo.CHIBI, demo.JIAYU, PROVINCE, "1", "x"):
            yield Ask("filter", actor, "enterprises:list", "mine", query=f"authority={code}")
        for query in ("state=x", "level=x", "status=x"):
            yield Ask("filter", actor, "enterprises:list", "404", query=query)
    for name, word in (("access_log", "kind"), ("exports", "state"), ("grants", "state"),
                       ("transfers:rights_list", "state"), ("users", "state"), ("offices", "role"),
                       ("audit", "action"), ("audit", "result")):  # fmt: skip
        for actor in parts(name):
            yield Ask("filter", actor, name, "404", query=f"{word}=x")


def _with_cases(knowers: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Enterprise → whoever sees a case of it: to know its entry is not enough for a filter."""
    seen: dict[str, frozenset[str]] = dict.fromkeys(knowers, frozenset())
    for line, _at, _member in CASES.values():
        key = line if line in ("sibling", "child", "county") else "own"
        seen[key] = seen[key] | matrix.SEEN[line]
    return seen


# List page → what it lists; a cursor is a place in the order, of whatever object.
LISTED = {
    "transfers:list": "case", "enterprises:list": "enterprise", "notices": "notice",
    "transfers:import_list": "batch", "transfers:rights_list": "rights", "exports": "export",
    "offices": "office", "users": "user", "grants": "grant", "audit": "event",
    "access_log": "export",
}  # fmt: skip


def cursors(world: World) -> Iterator[Ask]:
    """`?after=` and `?before=`: a foreign id is a place in the order and opens nothing."""
    for name, kind in LISTED.items():
        for actor in parts(name):
            for key in list(world.objects[kind])[-2:]:
                value = world.id_of(kind, key)
                for word in ("after", "before"):
                    yield Ask("cursor", actor, name, "mine", query=f"{word}={value}", value=value)
            for value in MALFORMED:
                yield Ask("cursor", actor, name, "404", query=f"after={value}")
    for roster in matrix.ROSTER_ROLES:
        for actor in parts("roster"):
            if ACTORS[actor].role in matrix.ROSTER_ROLES[roster]:
                value = world.id_of("case", "county_done")
                yield Ask("cursor", actor, "roster", "mine", key=roster, query=f"before={value}",
                          value=value)  # fmt: skip


def unknown_filters(_world: World) -> Iterator[Ask]:
    """A parameter that the page does not have changes nothing."""
    for name in (*LISTED, "home", "rosters", "communities:areas", "jobs", "account"):
        if name == "audit":  # its newest event is that it was looked at
            continue
        for number, actor in enumerate(parts(name)):
            yield Ask("unknown filter", actor, name, "same", query=EVIL[number % len(EVIL)])


def searches(world: World) -> Iterator[Ask]:
    """A foreign person's name or number finds what a person of nobody finds."""
    nobody = standards.make_id_number("421299", world.get("case", "own_done").retiree.birth_date,
                                      499, "1")  # fmt: skip
    for actor in parts("transfers:search"):
        for key in foreign(SEES, actor, 3):
            for value, other in (
                (world.names[key], "无此人名"),
                (world.get("case", key).retiree.id_number, nobody),
            ):
                yield Ask("search", actor, "transfers:search", "same", data={"q": value},
                          like=json.dumps({"q": other}), value=value, method="POST")  # fmt: skip


# --- fields of forms -----------------------------------------------------------------------------


def places(world: World) -> Iterator[Ask]:
    """Whose list an entry stands on, where an office is: only where the actor serves."""
    for actor in parts("enterprises:add"):
        own = payloads._AUTHORITY.get(actor, demo.CITY)
        for code in {demo.CITY, demo.XIANAN, demo.CHIBI, demo.JIAYU, PROVINCE, "x"} - {own}:
            data = payloads.enterprise(world, actor, "") | {"authority": code}
            yield Ask("place", actor, "enterprises:add", "refused", data=data, method="POST")
            for key, who in matrix.ENTERPRISE_LISTS.items():
                if actor in who:
                    data = payloads.enterprise_change(world, actor, key) | {"authority": code}
                    yield Ask("place", actor, "enterprises:edit", "refused", key, data=data,
                              method="POST")  # fmt: skip
    admin = "system_admin"
    far = world.get("office", "far")
    for role in ("sasac", "hr", "auditor", "system_admin", "security_admin"):
        yield Ask("place", admin, "office_add", "refused", method="POST",
                  data={"role": role, "name": "省级机构（测试）", "area": PROVINCE})  # fmt: skip
    for enterprise in (UNKNOWN, "x", str(far.pk), world.id_of("case", "own_done")):
        yield Ask("place", admin, "office_add", "refused", method="POST",
                  data={"role": "enterprise", "name": "经办（测试）", "enterprise": enterprise})  # fmt: skip
    yield Ask("place", admin, "office_add", "same", query=f"area={PROVINCE}", value=PROVINCE,
              like="area=999999999999")  # fmt: skip
    yield Ask("place", admin, "user_add", "same", query=f"office={far.pk}", value=str(far.pk),
              like=f"office={UNKNOWN}")  # fmt: skip
    for code in (PROVINCE, "999999999999", "x"):
        yield Ask("place", admin, "communities:areas", "404", query=f"under={code}")
    for successor in (PROVINCE, demo.CITY, demo.GUIHUA, "x"):
        data = payloads.area(world, admin, "own") | {"successor": successor}
        yield Ask("place", admin, "communities:area_edit", "refused", "own", method="POST",
                  data=data | {"closed_on": "2026-01-01"})  # fmt: skip


def offices_of_others(world: World) -> Iterator[Ask]:
    """Nobody is taken out of an office he is not in, or let into one outside the area."""
    admin, far = "system_admin", world.get("office", "far")
    strangers = [str(far.pk), UNKNOWN, "x", world.id_of("user", "own")]
    strangers.append(world.id_of("office", "county"))
    for value in strangers:
        data = payloads.user_change(world, admin, "own") | {"leave": [value]}
        yield Ask("office", admin, "user_edit", "refused", "own", data=data, method="POST")
    for join in (far.name, str(far.pk), "省外机构", UNKNOWN):
        wish = {"join": join, "reason": "到岗通知1号"}
        data = payloads.user_change(world, admin, "own") | wish
        yield Ask("office", admin, "user_edit", "refused", "own", data=data, method="POST")
        data = payloads.user(world, admin, "") | wish
        yield Ask("office", admin, "user_add", "refused", data=data, method="POST")


def sealed_rows(world: World) -> Iterator[Ask]:
    """The rows of somebody else's preview are not mine to confirm."""
    for actor in parts("enterprises:import_detail"):
        for other in world.users:
            if other != actor:
                data = payloads.enterprise_rows(world, other, "")
                yield Ask("sealed rows", actor, "enterprises:import_detail", "refused", data=data,
                          method="POST")  # fmt: skip


def sealed_lists(world: World) -> Iterator[Ask]:
    """Nor are those of somebody else's list of people."""
    for name in ("communities:event_list_confirm", "communities:event_list_rest"):
        for actor in parts(name):
            for other in world.users:
                if other != actor:
                    data = payloads.event_rows(world, other, "")
                    yield Ask("sealed rows", actor, name, "refused", data=data, method="POST")


def scan_tokens(world: World) -> Iterator[Ask]:
    """A scan that was received for another case does not sign this one."""
    scan = world.get("scan", "own_done")
    data = payloads.answers(world, "clerk", "own_confirm/confirm")
    data.pop("scan")
    for key in (*CASES, ""):
        if key == "own_confirm":
            continue
        facts = {"file": scan.file, "name": "x.png", "type": "image/png", "size": 9,
                 "sha256": scan.sha256, "case": world.id_of("case", key) if key else "x"}  # fmt: skip
        token = signing.dumps(facts, salt=ConfirmForm.SALT)
        for sealed in (token, token[:-1], signing.dumps(facts, salt="another")):
            yield Ask("scan token", "clerk", "transfers:act", "refused", "own_confirm/confirm",
                      data=data | {"scan_token": sealed}, method="POST")  # fmt: skip


def lists_of_others(world: World) -> Iterator[Ask]:
    """A clerk of two enterprises imports and files for these two, and for no other."""
    actor, own = "clerk_two", ("own", "sibling")
    mine = " ".join(world.id_of("enterprise", key) for key in own)  # these the page may offer
    for key in sorted(world.objects["enterprise"].keys() - set(own)):
        value = world.id_of("enterprise", key)
        data = payloads.person_book(world, actor, "") | {"enterprise": value}
        yield Ask("list", actor, "transfers:import", "refused", data=data, method="POST",
                  value=mine)  # fmt: skip
        yield Ask("list", actor, "transfers:add", "404", query=f"enterprise={value}",
                  data=payloads.person(world, actor, ""), method="POST")  # fmt: skip
    for value in (UNKNOWN, "x", ""):
        data = payloads.person_book(world, actor, "") | {"enterprise": value}
        yield Ask("list", actor, "transfers:import", "refused", data=data, method="POST",
                  value=mine)  # fmt: skip


# --- the rest of addresses -----------------------------------------------------------------------


def second_arguments(world: World) -> Iterator[Ask]:
    """The second word of an address: a step, a paper, a roster that is none."""
    for actor in parts("transfers:detail"):
        case = next((key for key, who in SEES.items() if actor in who), "")
        if case:
            base = f"/transfers/{world.id_of('case', case)}"
            for path in ("act/x", "act/enterprise%20", "send-back/..", "withdraw/DECLARE", "act/"):
                yield Ask("second", actor, "transfers:act", "404", path=f"{base}/{path}/")
            for paper in ("x", "roster", "form-"):
                yield Ask("second", actor, "transfers:paper", "404", path=f"{base}/paper/{paper}/",
                          method="POST")  # fmt: skip
        yield Ask("second", actor, "transfers:bulk", "404", path="/transfers/bulk/x/",
                  method="POST")  # fmt: skip
    for actor in parts("roster"):
        for name in ("x", "users", "accesslog"):
            yield Ask("second", actor, "roster", "404", path=f"/rosters/{name}/")
            yield Ask("second", actor, "roster_export", "404", path=f"/rosters/{name}/export/",
                      data=payloads.export(world, actor, ""), method="POST")  # fmt: skip


def targets(_world: World) -> Iterator[Ask]:
    """`next` never leads to another site."""
    for target in EVIL_TARGETS:
        yield Ask("next", "clerk", "sign_in", "ours", query=f"next={target}")
        yield Ask("next", "clerk", "prove", "ours", query=f"next={target}")
        yield Ask("next", "anonymous", "sign_in", "mine", query=f"next={target}")


def audits(world: World) -> Iterator[Ask]:
    """The number of a foreign case, in the search of the audit, is that of nobody."""
    for key in foreign(SEES, "auditor_county"):
        number = world.get("case", key).number
        yield Ask("audit", "auditor_county", "audit", "same", query=f"object={number}",
                  like=f"object={'9' * len(number)}", value=number)  # fmt: skip
    for key in ("own", "far"):
        serial = world.get("export", key).serial
        yield Ask("audit", "auditor_county", "leak_people", "404", data={"serial": serial},
                  method="POST")  # fmt: skip
