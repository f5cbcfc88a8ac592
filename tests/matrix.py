"""The authorization matrix: who may do what on which object, typed by hand from the regulation.

Nothing here is read from the program. A row is one URL: the roles that have a part in it, the
actors for whom an object exists, those whose deed it is, and the objects that are ready for it.
From this follows what every actor must get for every object by every method:

    sign-in   nobody is signed in
    403       the role has no part in the page, or the deed belongs to another office
    404       the object does not exist for this office
    405       the page knows no such method
    no        it is his office's deed, but the object is not ready (a sentence, nothing written)
    ok        done

A new URL name needs a row in `ROWS`, else `test_every_url_has_a_row` names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import payloads
from tests.world import ACTORS, CASES, NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.world import World

EVERYBODY, SIGNED_IN = "everybody", "signed in"
RARE = ("HEAD", "PUT", "DELETE", "OPTIONS")  # no page takes any of them but HEAD
People = frozenset[str]


def _of(*names: str) -> People:
    return frozenset(names)


# --- roles (第四条, 第五条, 第六条) ----------------------------------------------------------------

WORKERS = _of("sasac", "hr", "insurance", "medical", "street", "community", "party", "enterprise",
              "auditor")  # fmt: skip
KEEPERS = WORKERS - {"medical"}  # they keep or receive a roster
OPENERS = WORKERS - {"medical", "auditor"}  # they may see one person's values, with a reason
ADMINISTRATORS = _of("system_admin", "security_admin", "audit_admin")
NOTICED = WORKERS | ADMINISTRATORS
GIVERS = KEEPERS | {"security_admin"}  # who exports, and who approves many rows
WATCHERS = _of("auditor", "audit_admin")

# --- for whom a case exists, by line -------------------------------------------------------------

# 第六条第1项: the authority that lists the enterprise, and the city above it.
_CITY = _of("sasac", "hr", "auditor")
# 第五条: files go to 咸安区; medical care and the street are there too.
_XIANAN = _of("insurance", "insurance_city", "medical")
SEEN: dict[str, People] = {
    "own": _CITY | _XIANAN | {"clerk", "street", "community", "party"},
    "nowhere": _CITY | {"clerk"},  # no receiver yet
    "next": _CITY | _XIANAN | {"clerk", "street", "community_next"},
    "other_street": _CITY | _XIANAN | {"clerk", "street_other"},
    "sibling": _CITY | _XIANAN | {"clerk_sibling", "street", "community", "party"},
    "child": _CITY | _XIANAN | {"clerk_child", "sasac_child", "hr_child", "street", "community",
                                "party"},
    "county": _CITY | {"clerk_county", "sasac_county", "hr_county", "auditor_county",
                       "insurance_city", "insurance_county", "community_county", "party_county"},
}  # fmt: skip
SEES: dict[str, People] = {key: SEEN[line] for key, (line, _at, _member) in CASES.items()}

# --- whose deed a step is, by line ---------------------------------------------------------------

_N = frozenset[str]()
# 第四条: the enterprise (or the department of one that is gone) hands over.
FILES = {"own": _of("clerk"), "nowhere": _of("clerk"), "next": _of("clerk"),
         "other_street": _of("clerk"), "sibling": _of("clerk_sibling"),
         "child": _of("clerk_child"), "county": _of("clerk_county")}  # fmt: skip
# 第六条第1、2项: SASAC and HR of the level that lists the enterprise, not those above or below.
LISTS = dict.fromkeys(FILES, _of("sasac")) | {
    "child": _of("sasac_child"), "county": _of("sasac_county")
}  # fmt: skip
VERIFIES = dict.fromkeys(FILES, _of("hr")) | {
    "child": _of("hr_child"), "county": _of("hr_county")
}  # fmt: skip
# 第六条第4项: the agency of the county, not that of the city.
KEEPS = dict.fromkeys(FILES, _of("insurance")) | {
    "nowhere": _N, "county": _of("insurance_county")
}  # fmt: skip
# 第六条第5项: the community, or the street above it in its stead.
RECEIVES = {"own": _of("community", "street"), "nowhere": _N,
            "next": _of("community_next", "street"), "other_street": _of("street_other"),
            "sibling": _of("community", "street"), "child": _of("community", "street"),
            "county": _of("community_county")}  # fmt: skip
# 第六条第6项: the Party organisation of residence, for members only.
TAKES = {"own": _of("party"), "nowhere": _N, "next": _N, "other_street": _N,
         "sibling": _of("party"), "child": _of("party"), "county": _of("party_county")}  # fmt: skip
STEP_DESKS: dict[str, dict[str, People]] = {
    "enterprise": LISTS, "declare": FILES, "verify": VERIFIES, "confirm": FILES,
    "deliver": FILES, "archives": KEEPS, "community": RECEIVES, "letter": FILES, "party": TAKES,
}  # fmt: skip
# What can be done, sent back, taken back in the state that each case has reached (第六条).
OPEN_STEPS: dict[str, str] = {
    "own_verify": "verify", "own_confirm": "confirm", "own_open": "deliver community letter",
    "own_archives": "archives community letter", "own_party": "deliver community party",
    "next_open": "deliver community", "other_street_verify": "verify",
    "sibling_open": "deliver community letter", "child_verify": "verify",
    "county_open": "deliver community letter",
}  # fmt: skip
RETURNABLE: dict[str, str] = {
    "own_verify": "verify", "own_confirm": "confirm", "own_open": "community",
    "own_archives": "archives community", "own_party": "community party",
    "next_open": "community", "other_street_verify": "verify", "sibling_open": "community",
    "child_verify": "verify", "county_open": "community",
}  # fmt: skip
TAKEN_BACK: dict[str, str] = {
    "own_verify": "declare", "own_confirm": "verify", "own_open": "confirm",
    "own_archives": "deliver", "own_party": "letter", "own_done": "archives community party",
    "next_open": "confirm", "other_street_verify": "declare", "sibling_open": "confirm",
    "child_verify": "declare", "county_open": "confirm", "county_done": "archives community party",
}  # fmt: skip
RUNNING = frozenset(CASES) - {"own_done", "own_ended", "county_done"}
# 第六条第3、4、5、6项: whose paper it is, and for which cases it can be printed.
PAPER_DESKS = {"form": FILES, "delivery": FILES, "card": RECEIVES, "card_stock": RECEIVES,
               "letter": FILES}  # fmt: skip
PRINTABLE: dict[str, str] = {
    **dict.fromkeys(set(CASES) - {"own_undeclared"}, "form"),
    "own_archives": "form delivery", "own_party": "form letter",
    "own_done": "form delivery card card_stock letter",
    "county_done": "form delivery card card_stock letter",
}  # fmt: skip


def _line(key: str) -> str:
    return CASES[key.partition("/")[0]][0]


def _pairs(table: Mapping[str, str]) -> frozenset[str]:
    """`case/step` for each word of each case."""
    return frozenset(f"{case}/{word}" for case, words in table.items() for word in words.split())


def _seen(keys: tuple[str, ...]) -> dict[str, People]:
    return {key: SEES[key.partition("/")[0]] for key in keys}


def _desks(keys: tuple[str, ...], tables: Mapping[str, Mapping[str, People]]) -> dict[str, People]:
    return {key: tables[key.partition("/")[2]][_line(key)] for key in keys}


# Of each case the steps that can be done, sent back or taken back now, and some that cannot.
_BLOCKED = {"own_undeclared": "declare verify", "own_verify": "enterprise party",
            "own_open": "declare", "own_ended": "verify community", "county_done": "letter",
            "next_open": "letter party"}  # fmt: skip
_TABLES = (OPEN_STEPS, RETURNABLE, TAKEN_BACK, _BLOCKED)
_ACTS = tuple(sorted(set().union(*map(_pairs, _TABLES))))
_UNDOES = tuple(key for key in _ACTS if key.partition("/")[0] in (
    "own_verify", "own_open", "own_party", "own_done", "own_ended", "sibling_open", "child_verify",
    "county_done",
))  # fmt: skip
_PAPERS = tuple(
    f"{case}/{name}"
    for case, names in (("own_verify", PAPER_DESKS), ("own_done", PAPER_DESKS),
                        ("sibling_open", ("form", "card")), ("county_done", ("letter", "card")))
    for name in names
)  # fmt: skip
# One case of each line, and of each end.
_ONE_EACH = ("own_undeclared", "own_verify", "own_done", "own_ended", "next_open", "sibling_open",
             "child_verify", "county_open")  # fmt: skip
_FILED = {case: FILES[line] for case, (line, _at, _member) in CASES.items()}

# --- enterprises (第四条, 第六条第1项) --------------------------------------------------------------

_OF_COUNTY = _CITY | {"sasac_county", "hr_county", "auditor_county", "clerk_county"}
ENTERPRISE_SEES: dict[str, People] = {
    "own": _CITY | {"clerk"}, "sibling": _CITY | {"clerk_sibling"}, "county": _OF_COUNTY,
    "child": _CITY | {"sasac_child", "hr_child", "clerk_child"}, "draft": _CITY,
    "unread": _CITY, "draft_elsewhere": _CITY,
}  # fmt: skip
ENTERPRISE_LISTS = {key: _of("sasac") for key in ("own", "sibling", "draft", "unread")} | {
    "county": _of("sasac_county"), "child": _of("sasac_child"), "draft_elsewhere": _N
}  # fmt: skip
ENTERPRISE_READS = {key: _of("hr") for key in ("own", "sibling", "draft", "unread")} | {
    "county": _of("hr_county"), "child": _of("hr_child"), "draft_elsewhere": _N
}  # fmt: skip

# --- what belongs to persons and offices ---------------------------------------------------------

JOB_SEES = {"own": _of("clerk"), "county": _of("clerk_county")}
BATCH_SEES = {"own": _of("clerk"), "sibling": _of("clerk_sibling"), "county": _of("clerk_county"),
              "checked": _of("clerk")}  # fmt: skip
LETTER_SEES = {"own": _of("clerk"), "county": _of("clerk_county")}
SIGNED_SEES = {"own": _of("clerk"), "stopped": _of("clerk"), "county": _of("clerk_county")}
SHEET_SEES = {"own": _of("clerk"), "county": _of("clerk_county")}
PARTY_LETTERS = ("own_party", "own_done", "county_done")
RECEIPTS = {key: TAKES[CASES[key][0]] for key in PARTY_LETTERS}
PARTY_SEES = {"own": _of("clerk"), "sibling": _of("clerk_sibling"), "street": _of("party"),
              "community_next": _of("party", "party_next"), "county": _of("party_county")}  # fmt: skip
NOTICE_SEES = {"hr": _of("hr"), "hr_county": _of("hr_county"), "clerk": _of("clerk"),
               "community": _of("community", "street")}  # fmt: skip
_BOTH = _of("system_admin", "security_admin")
OFFICE_SEES = {"own": _BOTH, "county": _BOTH, "far": _N}
USER_SEES = {"own": _BOTH, "county": _BOTH, "homeless": _BOTH, "far": _N}
GRANT_SEES = {"own": _BOTH, "far": _N}
AREA_SEES = {"own": _of("system_admin"), "county": _of("system_admin"), "province": _N}
SESSION_SEES = {"own": _of("clerk"), "county": _of("clerk_county")}
EXPORT_SEES = {"own": _of("clerk", "security_admin"), "county": _of("clerk_county", "security_admin"),
               "far": _N}  # fmt: skip
_CITY_AUDIT = _of("auditor", "audit_admin")
EVENT_SEES = {"city": _CITY_AUDIT, "county": _CITY_AUDIT | {"auditor_county"},
              "nowhere": _CITY_AUDIT}  # fmt: skip
# Asked about the case own_done: a copy, and erasure, which HR of its level decides.
RIGHTS_SEES = {"copy": SEES["own_done"], "erase": SEES["own_done"], "county": SEES["county_done"]}
RIGHTS_ANSWERS = {"copy": SEES["own_done"], "erase": VERIFIES["own"],
                  "county": VERIFIES["county"]}  # fmt: skip
COPY_ASKED = dict.fromkeys(CASES, _N) | {"own_done": _of("clerk")}  # he recorded the request
CONSENT_SEES = {"own_done": SEES["own_done"], "county_done": SEES["county_done"]}
CARD_DESKS = {"own_done": _of("community", "street"), "county_done": _of("community_county")}
# A view of the ledger is its owner's alone.
VIEW_SEES = {"own": _of("community"), "street": _of("street"), "county": _of("community_county")}
# 第六条第4项: a batch of files is its enterprise's alone until it is sent; its authority sees it.
_OWN_BATCH = _of("clerk", "sasac", "auditor")
DELIVERY_SEES = {
    "packing": _OWN_BATCH, "sent": _OWN_BATCH | {"insurance"}, "closed": _OWN_BATCH | {"insurance"},
    "county": _of("clerk_county", "insurance_county", "sasac", "sasac_county", "auditor",
                  "auditor_county"),
}  # fmt: skip
_BATCH_DEEDS = {
    "packing/fill": "clerk", "packing/drop": "clerk", "packing/check": "", "sent/fill": "clerk",
    "sent/check": "insurance", "sent/withdraw": "clerk", "sent/remind": "clerk",
    "closed/check": "insurance", "closed/withdraw": "clerk", "county/check": "insurance_county",
    "county/withdraw": "clerk_county",
}  # fmt: skip
_BATCH_PAPERS = {
    f"{key}/{name}": DELIVERY_SEES[key]
    for key, name in (
        ("packing", "note"),
        ("sent", "note"),
        ("sent", "roster"),
        ("county", "roster"),
    )
}
# 第五条: the body that the county of the enterprise designates; an empty list is its sender's alone.
RECORDS_SEES = {
    "packing": _OWN_BATCH, "sent": _OWN_BATCH | {"archives_office"},
    "county": _of("clerk_county", "sasac", "sasac_county", "auditor", "auditor_county"),
}  # fmt: skip
_RECORD_DEEDS = {
    "packing/fill": "clerk", "packing/import": "clerk", "packing/drop": "clerk",
    "sent/check": "archives_office", "sent/withdraw": "clerk", "sent/remind": "clerk",
    "sent/fill": "clerk", "county/withdraw": "clerk_county",
}  # fmt: skip
RECORDS_ACTS = {key: _of(*who.split()) for key, who in _RECORD_DEEDS.items()}
RECORDS_READY = _of("packing/fill", "packing/import", "packing/drop", "sent/check", "sent/withdraw",
                    "county/withdraw")  # fmt: skip
_RECORD_PAPERS = {
    f"{key}/{name}": RECORDS_SEES[key]
    for key, name in (("packing", "list"), ("sent", "list"), ("sent", "deed"), ("county", "deed"))
}
# 第十条: the community and its street report, HR and medical insurance of its county answer.
LIFE_SEES = {
    "own": _of("community", "street", "hr_child", "medical"),
    "county": _of("community_county", "hr_county"),
}
# The community that gives and the one that is to receive, and the street above both.
REHANDOVER_SEES = {"own": _of("community", "street", "community_next")}
# The list of 赤壁市, for those of the county and of the city above it.
EDITION_SEES = {"chibi": _of("sasac", "hr", "auditor", "sasac_county", "hr_county",
                             "auditor_county")}  # fmt: skip
# A division is planned for by those who serve it or one above it.
_PLANNERS = _of("sasac", "hr", "auditor")
FUNDS_SEES = {
    "city": _PLANNERS,
    "xianan": _PLANNERS | {"sasac_child", "hr_child"},
    "chibi": _PLANNERS | {"sasac_county", "hr_county", "auditor_county"},
    "street": _PLANNERS | {"sasac_child", "hr_child", "street"},
}
# 第九条: the enterprise that hands over, its authority, and the community that is to receive.
VENUE_READERS = _of("sasac", "hr", "auditor", "enterprise", "street", "community")
VENUE_SEES = {"own": _of("clerk", "sasac", "hr", "auditor", "street", "community")}
# Members and meetings of the branches of a street.
MEMBER_SEES = {"own": _of("party")}
# 移交协议: the party that applies, the list it stands on, and the county that receives.
_AGREED = _of("clerk", "sasac", "hr", "auditor", "sasac_child", "hr_child")
AGREEMENT_SEES = {"applied": _AGREED, "approved": _AGREED}
# 统计月报: a county for itself, the city for all; signed by the SASAC of the place alone.
_REPORTERS = _of("sasac", "hr", "auditor")
REPORTS_SEES = {
    "xianan": _REPORTERS | {"sasac_child", "hr_child"},
    "chibi": _REPORTERS | {"sasac_county", "hr_county", "auditor_county"},
}
REPORT_SEES = {"xianan": REPORTS_SEES["xianan"]}
REPORTS_SIGNS = {"xianan": _of("sasac_child"), "chibi": _of("sasac_county")}
FUND_SHEET_SEES = {"xianan": FUNDS_SEES["xianan"]}
FUNDS_SETS = {"city": _of("sasac"), "xianan": _of("sasac_child"), "chibi": _of("sasac_county"),
              "street": frozenset[str]()}  # fmt: skip
_LENDABLE = ("own_archives", "own_done", "county_done")  # underway, lent, in its place
_CATALOGUES = ("own_open", "own_archives", "next_open", "sibling_open")
DELIVERY_ACTS = {key: _of(*who.split()) for key, who in _BATCH_DEEDS.items()}
DELIVERY_READY = _of("packing/drop", "sent/check", "sent/withdraw")
# 第六条: who keeps or receives each roster.
ROSTER_ROLES = {
    "enterprises": _of("sasac", "hr", "enterprise", "auditor"),
    "transfers": KEEPERS,
    "archives": _of("insurance", "enterprise", "auditor", "sasac", "hr"),
    "ledger": _of("street", "community", "auditor", "sasac", "hr"),
    "care": _of("street", "community"),
    "party": _of("party", "enterprise", "auditor", "sasac"),
    "venues": VENUE_READERS,
}


def _by_role(table: Mapping[str, People]) -> dict[str, People]:
    return {
        key: frozenset(actor for actor, who in ACTORS.items() if who.role in roles)
        for key, roles in table.items()
    }


# --- the rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One URL: the article it serves, who has a part in it, and on what."""

    article: str
    who: People | str
    methods: str = "GET"
    kind: str = ""  # of the object that the address names
    sees: Mapping[str, People] | None = None
    acts: Mapping[str, People] | None = None  # default: whoever sees
    ready: frozenset[str] | None = None  # default: always
    sends: Callable[[World, str, str], dict[str, Any]] = payloads.nothing
    writes: bool = True  # what a successful POST does
    in_body: bool = False  # the object stands in the body: a foreign one is ignored
    post_only: bool = False  # whoever sees may look; `acts` and `ready` limit the POST
    opens: bool = False  # the answer shows private values of the object
    looks: str = "ok"  # what a GET comes to, for whoever has a part in the page
    gone: bool = False  # closed for good in a running installation

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.sees) if self.sees is not None else ("",)


def _case(
    article: str, who: People, methods: str, keys: tuple[str, ...] = tuple(CASES), **more: Any
) -> Row:
    return Row(article, who, methods, "case", _seen(keys), **more)


_ENTERPRISE = _of("enterprise")
_FILE_PEOPLE = _of("enterprise", "insurance", "sasac", "auditor")
_RECORD_PEOPLE = _of("enterprise", "archives_office", "sasac", "auditor")
_SASAC, _HR, _SYSTEM = _of("sasac"), _of("hr"), _of("system_admin")
_GRANTERS = _of("system_admin", "security_admin")

ROWS: dict[str, Row] = {
    # everybody
    "sign_in": Row("第十一条", EVERYBODY, "GET POST", sends=payloads.wrong_password, writes=False),
    "sign_out": Row("第十一条", EVERYBODY, "POST", writes=False),
    "health": Row("第十一条", EVERYBODY),
    "sign_in_code": Row("第十一条", EVERYBODY, "GET POST", writes=False),
    "setup": Row("第十一条", EVERYBODY, "GET POST", gone=True),
    "communities:card_check": Row("第六条第5项", EVERYBODY, "GET POST", writes=False,
                                  sends=payloads.card_number),
    # whoever has an account
    "home": Row("第七条", SIGNED_IN),
    "jobs": Row("第七条", SIGNED_IN),
    "job": Row("第七条", SIGNED_IN, "GET", "job", JOB_SEES),
    "job_result": Row("第七条", SIGNED_IN, "GET POST", "job", JOB_SEES, ready=frozenset()),
    "account": Row("第十一条", SIGNED_IN),
    "alive": Row("第十一条", SIGNED_IN),
    "text_size": Row("第十一条", SIGNED_IN, "POST"),
    "sessions": Row("第十一条", SIGNED_IN),
    "sessions_end": Row("第十一条", SIGNED_IN, "POST", writes=False),
    "session_end": Row("第十一条", SIGNED_IN, "POST", "session", SESSION_SEES, writes=False),
    "second_factor": Row("第十一条", SIGNED_IN, "GET POST", sends=payloads.new_codes),
    "prove": Row("第十一条", SIGNED_IN, "GET POST", ready=frozenset()),  # all have proved it
    "password_change": Row("第十一条", SIGNED_IN, "GET POST", sends=payloads.new_password),
    # offices and their notices
    "notices": Row("第七条", NOTICED),
    "notice_read": Row("第七条", NOTICED, "POST", "notice", NOTICE_SEES),
    "rosters": Row("第六条", KEEPERS),
    "roster": Row("第六条", KEEPERS, "GET", "roster", dict.fromkeys(ROSTER_ROLES, frozenset(ACTORS)),
                  acts=_by_role(ROSTER_ROLES)),
    "roster_export": Row("第六条", KEEPERS, "POST", "roster",
                         dict.fromkeys(ROSTER_ROLES, frozenset(ACTORS)),
                         acts=_by_role(ROSTER_ROLES), sends=payloads.export),
    "exports": Row("第十一条", GIVERS),
    "export": Row("第十一条", GIVERS, "GET", "export", EXPORT_SEES),
    "export_decide": Row("第十一条", _of("security_admin"), "POST", "export", EXPORT_SEES,
                         sends=payloads.approval),
    "access_log": Row("第十一条", _of("auditor")),
    # the audit
    "audit": Row("第十一条", WATCHERS),
    "audit_event": Row("第十一条", WATCHERS, "GET", "event", EVENT_SEES),
    "audit_state": Row("第十一条", WATCHERS, "GET POST"),
    "audit_export": Row("第十一条", WATCHERS, "POST"),
    "leaks": Row("第十一条", WATCHERS, "GET POST", sends=payloads.leaked, writes=False),
    "leak_people": Row("第十一条", WATCHERS, "POST", sends=payloads.account_in_a_day,
                       writes=False),
    # accounts: three administrators, none of whom sees a retiree
    "offices": Row("第五条", _SYSTEM),
    "office_add": Row("第五条", _SYSTEM, "GET POST", sends=payloads.office),
    "office_edit": Row("第五条", _SYSTEM, "GET POST", "office", OFFICE_SEES,
                       sends=payloads.office_change),
    "users": Row("第五条", _SYSTEM),
    "user_add": Row("第五条", _SYSTEM, "GET POST", sends=payloads.user),
    "user_edit": Row("第五条", _SYSTEM, "GET POST", "user", USER_SEES, sends=payloads.user_change),
    "grants": Row("第五条", _GRANTERS),
    "grant": Row("第五条", _GRANTERS, "GET POST", "grant", GRANT_SEES, sends=payloads.decision),
    "account_review": Row("第十一条", _GRANTERS),
    "permissions": Row("第十一条", _of("security_admin", "audit_admin", "auditor")),
    "register": Row("第十一条", _of("security_admin", "audit_admin", "auditor")),
    "calendar": Row("第七条", _SYSTEM, "GET POST", sends=payloads.calendar),
    # divisions and cards
    "communities:areas": Row("第五条", _SYSTEM),
    "communities:area_edit": Row("第五条", _SYSTEM, "GET POST", "area", AREA_SEES,
                                 sends=payloads.area),
    "communities:area_choices": Row("第五条", WORKERS),
    "communities:card_paper": Row("第六条第5项", _of("street", "community"), "GET POST", "card",
                                  CARD_DESKS, sends=payloads.cards, in_body=True),
    "communities:desk": Row("第六条第5项", _of("street", "community"), "GET POST",
                            sends=payloads.search, writes=False),
    "communities:ledger": Row("第六条第5项", _of("street", "community"), "GET POST",
                              sends=payloads.search, writes=False),
    "communities:care": Row("第八条", _of("street", "community")),
    "communities:care_plan": Row("第八条", _of("street", "community"), "GET"),
    "communities:care_plan_set": Row("第八条", _of("street"), "POST", sends=payloads.care_plan),
    "enterprises:agreements": Row("第四条", _of("sasac", "hr", "enterprise", "auditor")),
    "enterprises:agreement": Row("第四条", _of("sasac", "hr", "enterprise", "auditor"), "GET",
                                 "agreement", AGREEMENT_SEES),
    "enterprises:agreement_apply": Row("第四条", _ENTERPRISE, "GET POST",
                                       sends=payloads.agreement),
    "enterprises:agreement_edit": Row("第四条", _ENTERPRISE, "GET POST", "agreement",
                                      AGREEMENT_SEES, ready=_of("applied"),
                                      acts=dict.fromkeys(AGREEMENT_SEES, _of("clerk")),
                                      sends=payloads.agreement),
    "enterprises:agreement_withdraw": Row("第四条", _ENTERPRISE, "POST", "agreement",
                                          AGREEMENT_SEES,
                                          acts=dict.fromkeys(AGREEMENT_SEES, _of("clerk")),
                                          sends=payloads.agreement_note),
    "enterprises:agreement_answer": Row("第四条", _SASAC, "POST", "agreement", AGREEMENT_SEES,
                                        acts=dict.fromkeys(AGREEMENT_SEES, _of("sasac_child")),
                                        ready=_of("applied"), sends=payloads.agreement_answer),
    "enterprises:agreement_sign": Row("第四条", _SASAC, "POST", "agreement", AGREEMENT_SEES,
                                      acts=dict.fromkeys(AGREEMENT_SEES, _of("sasac_child")),
                                      ready=_of("approved"), sends=payloads.agreement_sign),
    "enterprises:venues": Row("第九条", VENUE_READERS),
    "enterprises:venue": Row("第九条", VENUE_READERS, "GET", "venue", VENUE_SEES),
    "enterprises:venue_add": Row("第九条", _of("enterprise"), "GET POST", sends=payloads.venue),
    "enterprises:venue_edit": Row("第九条", _of("enterprise"), "GET POST", "venue", VENUE_SEES,
                                  acts={"own": _of("clerk")}, sends=payloads.venue),
    "enterprises:venue_withdraw": Row("第九条", _of("enterprise"), "POST", "venue", VENUE_SEES,
                                      acts={"own": _of("clerk")}, sends=payloads.venue_note),
    "enterprises:venue_answer": Row("第九条", _of("street", "community"), "POST", "venue",
                                    VENUE_SEES, acts={"own": _of("street", "community")},
                                    sends=payloads.venue_note),
    "communities:care_person": Row("第八条", _of("street", "community"), "GET", "entry",
                                   CARD_DESKS),
    "communities:care_visit": Row("第八条", _of("street", "community"), "POST", "entry",
                                  CARD_DESKS, sends=payloads.care_visit),
    "communities:care_explain": Row("第八条", _of("street", "community"), "POST", "care_group",
                                    CARD_DESKS, sends=payloads.care_group),
    "communities:care_close": Row("第八条", _of("street", "community"), "POST", "care_promise",
                                  CARD_DESKS, sends=payloads.care_close),
    "communities:day": Row("第六条第5项", _of("street", "community")),
    "communities:day_paper": Row("第六条第5项", _of("street", "community"), "POST",
                                 sends=payloads.day),
    "communities:card_person": Row("第六条第5项", _of("street", "community"), "GET POST", "entry",
                                   CARD_DESKS, sends=payloads.lost_card),
    "communities:ledger_entry": Row("第六条第5项", _of("street", "community"), "GET", "entry",
                                    CARD_DESKS),
    "communities:ledger_change": Row("第六条第5项", _of("street", "community"), "GET POST", "entry",
                                     CARD_DESKS, sends=payloads.ledger_change),
    "communities:ledger_bulk": Row("第六条第5项", _of("street", "community"), "POST", "entry",
                                   CARD_DESKS, sends=payloads.ledger_changes, in_body=True),
    "communities:ledger_view_save": Row("第六条第5项", _of("street", "community"), "POST",
                                        sends=payloads.ledger_view),
    "communities:ledger_view_drop": Row("第六条第5项", _of("street", "community"), "POST", "view",
                                        VIEW_SEES),
    # 第十条
    "communities:events": Row("第十条", _of("street", "community", "hr", "medical")),
    "communities:event": Row("第十条", _of("street", "community", "hr", "medical"), "GET",
                             "life_event", LIFE_SEES),
    "communities:event_lists": Row("第十条", _of("insurance", "hr"), "GET POST",
                                   sends=payloads.event_list, writes=False),
    "communities:event_list_confirm": Row("第十条", _of("insurance", "hr"), "POST",
                                          sends=payloads.event_rows),
    "communities:event_list_rest": Row("第十条", _of("insurance", "hr"), "POST",
                                       sends=payloads.event_rows, writes=False),
    "communities:event_list_template": Row("第十条", _of("insurance", "hr")),
    "communities:event_report": Row("第十条", _of("street", "community"), "GET POST", "case",
                                    {k: SEES[k] for k in ("own_done", "county_done")},
                                    sends=payloads.event),
    "communities:event_acknowledge": Row("第十条", _of("hr", "medical"), "POST", "life_event",
                                         LIFE_SEES, sends=payloads.event_answer),
    "communities:event_correct": Row("第十条", _of("street", "community"), "POST", "life_event",
                                     LIFE_SEES, sends=payloads.event_correction),
    "communities:event_answer_many": Row("第十条", _of("hr", "medical"), "POST", "life_event",
                                         LIFE_SEES, sends=payloads.event_answers, in_body=True),
    # 工作经费纳入同级财政预算: who plans and who checks; each SASAC sets the standard of its own level
    "communities:funds": Row("第三条", _of("sasac", "hr", "street", "auditor")),
    "transfers:overview": Row("第三条", _of("sasac", "hr", "street", "auditor")),
    "transfers:reports": Row("第三条", _of("sasac", "hr", "auditor")),
    "transfers:report": Row("第三条", _of("sasac", "hr", "auditor"), "GET", "monthly_report",
                            REPORT_SEES),
    "transfers:report_sign": Row("第三条", _SASAC, "POST", "reporting", REPORTS_SEES,
                                 acts=REPORTS_SIGNS, ready=_of("chibi"),
                                 sends=payloads.monthly_report),
    "communities:fund_sheet": Row("第三条", _of("sasac", "hr", "street", "auditor"), "GET",
                                  "fund_sheet", FUND_SHEET_SEES),
    "communities:fund_fix": Row("第三条", _of("sasac", "hr", "street", "auditor"), "POST", "division",
                                FUNDS_SEES, sends=payloads.fund_day),
    "communities:fund_standard": Row("第三条", _SASAC, "POST", "division", FUNDS_SEES,
                                     acts=FUNDS_SETS, sends=payloads.fund_standard),
    "communities:rehandovers": Row("第十条", _of("street", "community")),
    "communities:rehandover": Row("第十条", _of("street", "community"), "GET", "rehandover",
                                  REHANDOVER_SEES),
    "communities:rehandover_propose": Row("第十条", _of("street", "community"), "GET POST", "case",
                                          {k: SEES[k] for k in ("own_done", "county_done")},
                                          ready=_of("county_done"), sends=payloads.rehandover),
    "communities:rehandover_accept": Row("第十条", _of("street", "community"), "POST", "rehandover",
                                         REHANDOVER_SEES, acts={"own": _of("community_next", "street")},
                                         sends=payloads.officer),
    "communities:rehandover_refuse": Row("第十条", _of("street", "community"), "POST", "rehandover",
                                         REHANDOVER_SEES, acts={"own": _of("community_next", "street")},
                                         sends=payloads.rehandover_refusal),
    "communities:rehandover_withdraw": Row("第十条", _of("street", "community"), "POST", "rehandover",
                                           REHANDOVER_SEES, acts={"own": _of("community", "street")},
                                           sends=payloads.rehandover_withdrawal),
    "communities:check_in": _case("第六条第5项", _of("street", "community"), "GET POST",
                                  acts={case: RECEIVES[CASES[case][0]] for case in CASES},
                                  post_only=True, sends=payloads.check_in,
                                  ready=frozenset(key for key, steps in OPEN_STEPS.items()
                                                  if "community" in steps.split())),
    # the list of enterprises
    "enterprises:list": Row("第六条第1项", _of("sasac", "hr", "enterprise", "auditor")),
    "enterprises:detail": Row("第六条第1项", _of("sasac", "hr", "enterprise", "auditor"), "GET",
                              "enterprise", ENTERPRISE_SEES),
    "enterprises:editions": Row("第六条第1项", _of("sasac", "hr", "auditor")),
    "enterprises:edition": Row("第六条第1项", _of("sasac", "hr", "auditor"), "GET", "edition",
                               EDITION_SEES),
    "enterprises:edition_publish": Row("第六条第1项", _SASAC, "POST", "division",
                                       {"city": _of("sasac"), "xianan": _of("sasac", "sasac_child"),
                                        "chibi": _of("sasac", "sasac_county")},
                                       acts={"city": _of("sasac"), "xianan": _of("sasac_child"),
                                             "chibi": _of("sasac_county")},
                                       ready=_of("city", "xianan")),
    "enterprises:edition_acknowledge": Row("第六条第1项", _of("hr"), "POST", "edition",
                                           EDITION_SEES, acts={"chibi": _of("hr_county")}),
    "enterprises:add": Row("第六条第1项", _SASAC, "GET POST", sends=payloads.enterprise),
    "enterprises:edit": Row("第六条第1项", _SASAC, "GET POST", "enterprise", ENTERPRISE_SEES,
                            acts=ENTERPRISE_LISTS, sends=payloads.enterprise_change),
    "enterprises:confirm": Row("第四条", _SASAC, "GET POST", "enterprise", ENTERPRISE_SEES,
                               acts=ENTERPRISE_LISTS, ready=_of("draft")),
    "enterprises:acknowledge": Row("第六条第1项", _HR, "GET POST", "enterprise", ENTERPRISE_SEES,
                                   acts=ENTERPRISE_READS, ready=_of("unread")),
    "enterprises:import": Row("第六条第1项", _SASAC, "GET POST", sends=payloads.enterprise_book,
                              writes=False),
    "enterprises:import_detail": Row("第六条第1项", _SASAC, "GET POST", looks="no",
                                     sends=payloads.enterprise_rows),
    "enterprises:template": Row("第六条第1项", _SASAC),
    # personnel files in batches
    "archives:batches": Row("第六条第4项", _FILE_PEOPLE),
    "archives:batch": Row("第六条第4项", _FILE_PEOPLE, "GET", "delivery", DELIVERY_SEES),
    "archives:batch_paper": Row("第六条第4项", _FILE_PEOPLE, "POST", "delivery", _BATCH_PAPERS,
                                ready=frozenset(_BATCH_PAPERS) - {"packing/note"}),
    "archives:catalogue": _case("第六条第4项", _FILE_PEOPLE, "GET POST", _CATALOGUES, acts=_FILED,
                                post_only=True, ready=_of("own_open", "next_open", "sibling_open"),
                                sends=payloads.catalogue),
    "archives:catalogue_paper": _case("第六条第4项", _FILE_PEOPLE, "POST", _CATALOGUES),
    "archives:catalogue_import": Row("第六条第4项", _ENTERPRISE, "GET POST",
                                     sends=payloads.catalogue_book, writes=False),
    "archives:catalogue_template": Row("第六条第4项", _ENTERPRISE),
    "archives:records": Row("第六条第4项", _RECORD_PEOPLE),
    "archives:records_template": Row("第六条第4项", _ENTERPRISE),
    "archives:records_begin": Row("第六条第4项", _ENTERPRISE, "POST", "enterprise",
                                  {"own": _of("clerk")}, ready=frozenset(),  # one is packed already
                                  sends=payloads.records_begin, in_body=True),
    "archives:records_batch": Row("第六条第4项", _RECORD_PEOPLE, "GET", "record_list", RECORDS_SEES),
    "archives:records_paper": Row("第六条第4项", _RECORD_PEOPLE, "POST", "record_list", _RECORD_PAPERS,
                                  ready=_of("sent/list", "sent/deed", "county/deed")),
    "archives:records_deed": Row("第六条第4项", _of("enterprise", "archives_office"), "POST",
                                 "record_list", {k: RECORDS_SEES[k.partition("/")[0]] for k in _RECORD_DEEDS},
                                 acts=RECORDS_ACTS, ready=RECORDS_READY, sends=payloads.records_deed),
    "archives:deed": Row("第六条第4项", _of("enterprise", "insurance"), "POST", "delivery",
                         {key: DELIVERY_SEES[key.partition("/")[0]] for key in DELIVERY_ACTS},
                         acts=DELIVERY_ACTS, ready=DELIVERY_READY, sends=payloads.delivery_deed),
    "archives:loans": Row("第六条第4项", _of("insurance")),
    "archives:loan_give": _case("第六条第4项", _of("insurance"), "GET POST", _LENDABLE,
                                acts={key: KEEPS[_line(key)] for key in _LENDABLE},
                                ready=_of("county_done"), sends=payloads.loan),
    "archives:loan_back": Row("第六条第4项", _of("insurance"), "POST", "loan",
                              {"own": _of("insurance")}),
    "archives:pack": Row("第六条第4项", _ENTERPRISE, "POST", "case",
                         {key: _FILED[key] for key in ("next_open", "sibling_open", "county_open")},
                         sends=payloads.cards, in_body=True),
    # letters after they were issued: the receiver enters the receipt, the sender issues again
    "party:letters": Row("第六条第6项", _of("party", "enterprise")),
    "party:letter": Row("第六条第6项", _of("party", "enterprise"), "GET", "party_letter",
                        _seen(PARTY_LETTERS)),
    "party:letter_receipt": Row("第六条第6项", _of("party", "enterprise"), "GET POST",
                                "party_letter", _seen(PARTY_LETTERS), acts=RECEIPTS,
                                ready=_of("own_done"), sends=payloads.receipt),
    "party:letter_reissue": Row("第六条第6项", _ENTERPRISE, "GET POST", "party_letter",
                                _seen(PARTY_LETTERS), ready=frozenset(),  # none has expired
                                sends=payloads.reissue),
    "party:receipt": Row("第六条第6项", EVERYBODY, "GET POST", "party_letter",
                         {"own_party": frozenset(ACTORS)}, writes=False,
                         sends=payloads.receipt_code),
    # Party organisations: the enterprise keeps its own, the Party office those of its street
    "party:members": Row("第六条第6项", _of("party")),
    "party:member_take": Row("第六条第6项", _of("party"), "GET POST", "party_letter",
                             {k: v for k, v in _seen(PARTY_LETTERS).items() if k != "own_party"},
                             ready=_of("own_done", "county_done"), sends=payloads.member_take),
    "party:member": Row("第六条第6项", _of("party"), "GET POST", "party_member", MEMBER_SEES,
                        sends=payloads.member),
    "party:meetings": Row("第六条第6项", _of("party")),
    "party:meeting_add": Row("第六条第6项", _of("party"), "GET POST", "party_organization",
                             {k: PARTY_SEES[k] for k in ("street", "community_next", "county")},
                             sends=payloads.meeting),
    "party:meeting": Row("第六条第6项", _of("party"), "GET POST", "party_meeting", MEMBER_SEES,
                         sends=payloads.meeting),
    "party:organizations": Row("第六条第6项", _of("party", "enterprise")),
    "party:organization_add": Row("第六条第6项", _of("party", "enterprise"), "GET POST",
                                  sends=payloads.party_organization),
    "party:organization": Row("第六条第6项", _of("party", "enterprise"), "GET POST",
                              "party_organization", PARTY_SEES,
                              sends=payloads.party_organization_change),
    # cases
    "transfers:list": Row("第六条", WORKERS),
    "transfers:search": Row("第六条", WORKERS, "POST", sends=payloads.search, writes=False),
    "transfers:detail": _case("第六条", WORKERS, "GET"),
    "transfers:reveal": _case("第十一条", OPENERS, "POST", sends=payloads.reveal, opens=True),
    "transfers:act": _case("第六条", WORKERS, "GET POST", _ACTS, acts=_desks(_ACTS, STEP_DESKS),
                           ready=_pairs(OPEN_STEPS), sends=payloads.answers),
    "transfers:send_back": _case("第六条", WORKERS, "GET POST", _UNDOES,
                                 acts=_desks(_UNDOES, STEP_DESKS), ready=_pairs(RETURNABLE),
                                 sends=payloads.reason),
    "transfers:withdraw": _case("第六条", WORKERS, "GET POST", _UNDOES,
                                acts=_desks(_UNDOES, STEP_DESKS), ready=_pairs(TAKEN_BACK),
                                sends=payloads.reason),
    "transfers:end": _case("第六条第2项", _ENTERPRISE, "GET POST", acts=_FILED, ready=RUNNING,
                           sends=payloads.end),
    "transfers:edit": _case("第六条第2项", _ENTERPRISE, "GET POST", acts=_FILED, ready=RUNNING,
                            sends=payloads.open_facts, opens=True),
    "transfers:paper": _case("第六条", WORKERS, "POST", _PAPERS, acts=_desks(_PAPERS, PAPER_DESKS),
                             ready=_pairs(PRINTABLE)),
    "transfers:scan": Row("第十一条", WORKERS, "POST", "scan",
                          {key: SEES[key] for key in ("own_done", "next_open", "sibling_open",
                                                      "county_done")}, opens=True),
    "transfers:accesses": _case("第十一条", WORKERS, "GET", _ONE_EACH),
    # the rights of the person (第十一条)
    "transfers:rights_list": Row("第十一条", OPENERS),
    "transfers:rights": _case("第十一条", OPENERS, "GET POST", _ONE_EACH, sends=payloads.request_of_a_person),
    "transfers:rights_answer": Row("第十一条", OPENERS, "GET POST", "rights", RIGHTS_SEES,
                                   acts=RIGHTS_ANSWERS, ready=_of("copy"), post_only=True,
                                   sends=payloads.answer_to_a_person),
    "transfers:rights_copy": _case("第十一条", OPENERS, "POST", _ONE_EACH, acts=COPY_ASKED, opens=True),
    "transfers:consent_withdraw": Row("第十一条", OPENERS, "POST", "consent", CONSENT_SEES),
    "transfers:bulk": Row("第六条", WORKERS, "POST", "bulk",
                          {key: STEP_DESKS[key.partition("/")[2]][_line(key)]
                           for key in ("own_verify/verify", "child_verify/verify",
                                       "other_street_verify/verify")},
                          sends=payloads.bulk, in_body=True),
    "transfers:pile": Row("第六条第3项", _ENTERPRISE, "POST", "pile",
                          {f"{case}/form": _FILED[case]
                           for case in ("own_verify", "sibling_open", "child_verify", "county_open")},
                          sends=payloads.pile, in_body=True),
    "transfers:letters": Row("第六条第5项", _ENTERPRISE),
    "transfers:letter_issue": Row("第六条第5项", _ENTERPRISE, "POST", "enterprise",
                                  {"own": _of("clerk"), "sibling": _of("clerk_sibling"),
                                   "child": _of("clerk_child"), "county": _of("clerk_county")},
                                  ready=_of("own", "sibling", "county"), sends=payloads.street),
    "transfers:letter": Row("第六条第5项", _ENTERPRISE, "POST", "letter", LETTER_SEES),
    "transfers:signed_piles": Row("第六条第3项", _ENTERPRISE, "GET POST", sends=payloads.signed_scans),
    "transfers:signed_pile": Row("第六条第3项", _ENTERPRISE, "GET", "signed", SIGNED_SEES),
    "transfers:signed_go_on": Row("第六条第3项", _ENTERPRISE, "POST", "signed", SIGNED_SEES,
                                  ready=_of("stopped")),
    "transfers:signed_confirm": Row("第六条第3项", _ENTERPRISE, "POST", "signed", SIGNED_SEES,
                                    ready=_of("own", "county"), sends=payloads.all_pages),
    "transfers:signed_page": Row("第十一条", _ENTERPRISE, "POST", "sheet", SHEET_SEES, opens=True),
    "transfers:signed_claim": Row("第六条第3项", _ENTERPRISE, "GET POST", "sheet", SHEET_SEES,
                                  sends=payloads.claimed_page),
    "transfers:signed_drop": Row("第六条第3项", _ENTERPRISE, "POST", "sheet", SHEET_SEES),
    "transfers:waterfall": Row("第六条", WORKERS),
    "transfers:limits": Row("第六条", _SASAC, "GET POST", sends=payloads.limits),
    "transfers:add": Row("第六条第2项", _ENTERPRISE, "GET POST", sends=payloads.person),
    "transfers:import": Row("第六条第2项", _ENTERPRISE, "GET POST", sends=payloads.person_book),
    "transfers:import_list": Row("第六条第2项", _ENTERPRISE),
    "transfers:import_detail": Row("第六条第2项", _ENTERPRISE, "GET POST", "batch", BATCH_SEES,
                                   sends=payloads.drop),
    "transfers:import_columns": Row("第六条第2项", _ENTERPRISE, "GET POST", "batch", BATCH_SEES,
                                    ready=_of("checked"), sends=payloads.meaning_of_headings),
    "transfers:template": Row("第六条第2项", _ENTERPRISE),
}  # fmt: skip


# --- what must come of it ------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One question: ACTOR asks for the URL NAME, about KEY, by METHOD."""

    name: str
    actor: str
    key: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.name} {self.key or '-'} as {self.actor}"


def expected(cell: Cell) -> str:
    """The verdict that the table above gives."""
    row = ROWS[cell.name]
    if row.who == EVERYBODY:
        known = "404" if row.gone else "ok"
        return known if cell.method in row.methods.split() else "405"
    if cell.actor in NOBODY:
        return "sign-in"
    if row.who != SIGNED_IN and ACTORS[cell.actor].role not in row.who:
        return "403"
    if cell.method not in row.methods.split():
        return "405"
    if cell.method == "GET" and (row.in_body or row.looks != "ok"):
        return row.looks
    if row.sees is not None and cell.actor not in row.sees[cell.key]:
        return "no" if row.in_body else "404"
    if row.post_only and cell.method == "GET":
        return "ok"
    if row.acts is not None and cell.actor not in row.acts[cell.key]:
        return "403"
    return "ok" if row.ready is None or cell.key in row.ready else "no"


def cells() -> Iterator[Cell]:
    """Every URL by every actor with GET and POST, and with the rest by one who may and who may not.

    Whose role has no part in a page asks about one object, everybody else about all of them.
    """
    for name, row in ROWS.items():
        for actor, who in ACTORS.items():
            part = actor not in NOBODY and (row.who == SIGNED_IN or who.role in row.who)
            for method in ("GET", "POST"):
                keys = row.keys if part and method in row.methods.split() else row.keys[:1]
                yield from (Cell(name, actor, key, method) for key in keys)
        insider = next((a for a, who in ACTORS.items() if who.role in row.who), "clerk")
        outsider = next((a for a, who in ACTORS.items() if who.role not in row.who), "clerk")
        for actor in dict.fromkeys((insider, outsider, "anonymous")):
            yield from (Cell(name, actor, row.keys[0], method) for method in RARE)
