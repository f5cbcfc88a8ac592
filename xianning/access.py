"""Who may go where: the scope of a user, and the registry of all URLs.

Three questions, asked in this order:
1. May anybody with this role open this URL at all?  `REGISTRY`, enforced for every request.
2. Does this row exist for him?  `Model.objects.visible_to(user)`, built on `scope(user)`: no → 404.
3. May he act at this desk?  `Scope.may_act`: no → 403 with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponseNotAllowed
from django.utils import timezone
from guardian.models import UserObjectPermission

from xianning.roles import ADMINISTRATORS, ROLES, permission

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest, HttpResponse

    from xianning.models import User

Code = str


def prefix(code: Code) -> str:
    """The significant digits of a 12-digit division code: 421202000000 → 421202."""
    for length in (2, 4, 6, 9):
        if set(code[length:]) == {"0"}:
            return code[:length]
    return code


def bounds(code: Code) -> tuple[str, str]:
    """First code of the subtree of CODE and first code after it (a range an index can serve)."""
    head = prefix(code)
    return head.ljust(12, "0"), str(int(head) + 1).zfill(len(head)).ljust(12, "0")


def ancestors_of(code: Code) -> list[Code]:
    """CODE and the codes above it, nearest first: community, township, county, city, province."""
    heads = [code[:length].ljust(12, "0") for length in (12, 9, 6, 4, 2)]
    return list(dict.fromkeys(heads))


def inside(code: Code, areas: Iterable[Code]) -> bool:
    """Whether CODE lies in the subtree of one of AREAS."""
    return any(code.startswith(prefix(area)) for area in areas)


def within(column: str, areas: Iterable[Code], *, deepest: int = 12) -> Q:
    """Rows whose COLUMN (an area code) lies in the subtree of one of AREAS; none for no areas.

    DEEPEST says how many significant digits the codes of the column have at most. Where nothing
    can lie below the area the condition is an equality, and the index (column, id) gives the rows
    in order; a range would have to be sorted.
    """
    condition = Q(pk__in=[])
    for area in areas:
        if len(prefix(area)) >= deepest:
            condition |= Q(**{column: area})
            continue
        low, high = bounds(area)
        condition |= Q(**{f"{column}__gte": low, f"{column}__lt": high})
    return condition


@dataclass(frozen=True)
class Scope:
    """Where a user serves: area codes by role, and the enterprises he files for."""

    areas: dict[str, frozenset[Code]] = field(default_factory=dict)
    enterprises: frozenset[UUID] = frozenset()

    @property
    def roles(self) -> frozenset[str]:
        """Slugs of the roles that hold somewhere."""
        here = {slug for slug, codes in self.areas.items() if codes}
        return frozenset(here | ({"enterprise"} if self.enterprises else set()))

    @property
    def rights(self) -> frozenset[str]:
        return frozenset(right for slug in self.roles for right in ROLES[slug].rights)

    def may_act(self, role: str, *, area: Code | None = None, enterprise: Any = None) -> bool:
        """Whether ROLE is held at this desk (same-level bodies act at their own level only)."""
        if ROLES[role].place == "enterprise":
            return enterprise in self.enterprises
        return area is not None and any(
            inside(area, held) if ROLES[slug].acts_below else area in held
            for slug, held in self.areas.items()
            if slug == role or role in ROLES[slug].acts_as
        )

    def places(self, role: str, side: str = "") -> Q:
        """Rows with columns `area` and `enterprise` that are desks of ROLE which I may serve.

        SIDE stands before the names of the columns, such as `from_`.
        """
        if ROLES[role].place == "enterprise":
            return Q(**{f"{side}enterprise_id__in": self.enterprises})
        column, mine = f"{side}area_id", Q(pk__in=[])
        for slug, held in self.areas.items():
            if slug == role or role in ROLES[slug].acts_as:
                below = ROLES[slug].acts_below
                mine |= within(column, held) if below else Q(**{f"{column}__in": held})
        return mine

    def desks(self, side: str = "") -> Q:
        """Rows with columns `role`, `area` and `enterprise` that are desks of mine."""
        mine = Q(pk__in=[])
        for slug in self.served:
            mine |= Q(**{f"{side}role": slug}) & self.places(slug, side)
        return mine

    @property
    def served(self) -> frozenset[str]:
        """Roles whose desks I may serve: mine, and those that mine stand in for."""
        return self.roles.union(*(ROLES[slug].acts_as for slug in self.roles))


def scope(user: User | AnonymousUser) -> Scope:
    """The scope of USER, read once a request. Nobody and inactive users have none."""
    if not user.is_authenticated or not user.is_active:
        return Scope()
    cached = getattr(user, "_scope", None)
    if cached is None:
        cached = _read_scope(user)
        user.__dict__["_scope"] = cached
    return cached


def _read_scope(user: Any) -> Scope:
    groups = set(user.groups.values_list("name", flat=True))
    slug_of = {permission(slug): slug for slug in ROLES if slug in groups}
    areas: dict[str, set[Code]] = {}
    enterprises: set[UUID] = set()
    for codename, place in UserObjectPermission.objects.filter(user=user).values_list(
        "permission__codename", "object_pk"
    ):
        slug = slug_of.get(codename)
        if slug is None:
            continue
        if ROLES[slug].place == "enterprise":
            enterprises.add(UUID(place))
        else:
            areas.setdefault(slug, set()).add(place)
    return Scope({slug: frozenset(codes) for slug, codes in areas.items()}, frozenset(enterprises))


def cases(user: User | AnonymousUser, through: str = "") -> Q:
    """The cases USER may see: of his enterprises, or with a desk inside his area.

    THROUGH is the path from the filtered model to the case, such as `transfer__`. What an import
    has not written to its end is left out for everybody.
    """
    mine = scope(user)
    rows = Q(pk__in=[])
    if mine.enterprises:
        rows |= Q(**{f"{through}enterprise_id__in": mine.enterprises})
    for slug, codes in mine.areas.items():
        for column in ROLES[slug].sees:
            rows |= within(f"{through}{column}_id", codes, deepest=_DEEPEST.get(column, 12))
    return rows & ~Q(**{f"{through}batch__in": _unfinished()})


def _unfinished() -> Any:
    """The import sessions under way, as a subquery: it is true at the moment of the question."""
    return apps.get_model("transfers", "ImportBatch").objects.hidden().values("pk")


# These columns of a case hold cities and counties only.
_DEEPEST = {"authority": 6, "archive_area": 6}


# --- the registry -------------------------------------------------------------------------------

EVERYBODY = "everybody"  # without signing in
SIGNED_IN = "signed in"
_CASES = frozenset(slug for slug, role in ROLES.items() if role.sees)


@dataclass(frozen=True)
class Rule:
    """Who may open a URL: everybody, whoever signed in, some roles, or holders of a right."""

    who: str | frozenset[str]
    right: str = ""
    fresh: bool = False  # what it sends needs a proof of identity of the last minutes

    def refuses(self, user: User | AnonymousUser) -> bool:
        if self.who == EVERYBODY:
            return False
        if not user.is_authenticated or not user.is_active:
            return True
        mine = scope(user)
        if self.right and self.right not in mine.rights:
            return True
        return self.who != SIGNED_IN and not (frozenset(self.who) & mine.roles)


def _roles(*slugs: str, right: str = "") -> Rule:
    return Rule(frozenset(slugs), right)


_anybody = Rule(EVERYBODY)
_signed_in = Rule(SIGNED_IN)
_my_sessions = Rule(SIGNED_IN, fresh=True)  # ASVS 7.5.2
_cases = Rule(_CASES)
_exporters = Rule(_CASES, "export_rosters")
_exports = Rule((_CASES | {"security_admin"}) - {"medical"})  # who asks and who approves
_tracers = _roles("auditor", "audit_admin", right="trace_leaks")
_revealers = Rule(_CASES, "reveal_private")
_offices = _roles("system_admin", right="manage_offices")
_areas = _roles("system_admin", right="manage_areas")
_grants = _roles("system_admin", "security_admin")
_overseers = _roles("security_admin", "audit_admin", "auditor")
_watchers = Rule(SIGNED_IN, "view_audit")
_noticed = Rule(_CASES | ADMINISTRATORS)
_files = _roles("enterprise", "insurance", "sasac", "auditor")
_records = _roles("enterprise", "archives_office", "sasac", "auditor")
_party = _roles("party", "enterprise")
_branches = _roles("party")
_listers = _roles("sasac", "hr", "auditor")
_venues = _roles("sasac", "hr", "auditor", "enterprise", "street", "community")
_planners = _roles("sasac", "hr", "street", "auditor")
_communities = _roles("community", "street")
_events = _roles("community", "street", "hr", "medical")
_agencies = _roles("insurance", "hr")
_lists = _roles("sasac", "hr", "enterprise", "auditor")

# One entry for each URL name; a URL without an entry is refused and fails the build.
REGISTRY: dict[str, Rule] = {
    "sign_in": _anybody,
    "sign_out": _anybody,
    "health": _anybody,
    "communities:card_check": _anybody,
    "sign_in_code": _anybody,
    "setup": _anybody,
    "home": _signed_in,
    "account": _signed_in,
    "password_change": _signed_in,
    "second_factor": _signed_in,
    "prove": _signed_in,
    "alive": _signed_in,
    "text_size": _signed_in,
    "sessions": _signed_in,
    "sessions_end": _my_sessions,
    "session_end": _my_sessions,
    "notices": _noticed,
    "notice_read": _noticed,
    "jobs": _signed_in,
    "job": _signed_in,
    "job_result": _signed_in,
    "rosters": _exporters,
    "roster": _exporters,
    "roster_export": _exporters,
    "exports": _exports,
    "export": _exports,
    "export_decide": _roles("security_admin", right="approve_exports"),
    "leaks": _tracers,
    "leak_people": _tracers,
    "access_log": Rule(SIGNED_IN, "view_access_log"),
    "users": _offices,
    "user_add": _offices,
    "user_edit": _offices,
    "offices": _offices,
    "office_add": _offices,
    "office_edit": _offices,
    "grants": _grants,
    "grant": _grants,
    "account_review": _grants,
    "permissions": _overseers,
    "register": _overseers,
    "audit": _watchers,
    "audit_event": _watchers,
    "audit_state": _watchers,
    "audit_export": Rule(SIGNED_IN, "view_audit", fresh=True),
    "calendar": _areas,
    "communities:areas": _areas,
    "communities:area_edit": _areas,
    "communities:area_choices": _cases,
    "communities:events": _events,
    "communities:event": _events,
    "communities:event_lists": _agencies,
    "communities:event_list_confirm": _agencies,
    "communities:event_list_rest": _agencies,
    "communities:event_list_template": _agencies,
    "communities:event_report": _roles("community", "street"),
    "communities:card_person": _communities,
    "communities:care": _communities,
    "communities:care_plan": _communities,
    "communities:care_plan_set": _roles("street"),
    "communities:care_explain": _communities,
    "communities:care_close": _communities,
    "communities:care_person": _communities,
    "communities:care_visit": _communities,
    "communities:day": _communities,
    "communities:day_paper": _communities,
    "communities:funds": _planners,
    "enterprises:editions": _listers,
    "enterprises:edition": _listers,
    "enterprises:edition_publish": _roles("sasac"),
    "enterprises:edition_acknowledge": _roles("hr"),
    "communities:fund_sheet": _planners,
    "enterprises:agreements": _lists,
    "enterprises:agreement": _lists,
    "enterprises:agreement_apply": _roles("enterprise"),
    "enterprises:agreement_edit": _roles("enterprise"),
    "enterprises:agreement_withdraw": _roles("enterprise"),
    "enterprises:agreement_answer": _roles("sasac"),
    "enterprises:agreement_sign": _roles("sasac"),
    "enterprises:venues": _venues,
    "enterprises:venue": _venues,
    "enterprises:venue_add": _roles("enterprise"),
    "enterprises:venue_edit": _roles("enterprise"),
    "enterprises:venue_withdraw": _roles("enterprise"),
    "enterprises:venue_answer": _communities,
    "transfers:overview": _planners,
    "transfers:reports": _listers,
    "transfers:report": _listers,
    "transfers:report_sign": _roles("sasac"),
    "communities:fund_fix": _planners,
    "communities:fund_standard": _roles("sasac"),
    "communities:rehandovers": _communities,
    "communities:rehandover": _communities,
    "communities:rehandover_propose": _communities,
    "communities:rehandover_accept": _communities,
    "communities:rehandover_refuse": _communities,
    "communities:rehandover_withdraw": _communities,
    "communities:event_correct": _roles("community", "street"),
    "communities:event_acknowledge": _roles("hr", "medical"),
    "communities:event_answer_many": _roles("hr", "medical"),
    "communities:ledger": _roles("street", "community"),
    "communities:ledger_entry": _roles("street", "community"),
    "communities:ledger_change": _roles("street", "community"),
    "communities:ledger_bulk": _roles("street", "community"),
    "communities:ledger_view_save": _roles("street", "community"),
    "communities:ledger_view_drop": _roles("street", "community"),
    "communities:card_paper": _roles("street", "community"),
    "communities:desk": _roles("street", "community"),
    "communities:check_in": _roles("street", "community"),
    "enterprises:list": _lists,
    "enterprises:detail": _lists,
    "enterprises:add": _roles("sasac"),
    "enterprises:edit": _roles("sasac"),
    "enterprises:confirm": _roles("sasac"),
    "enterprises:acknowledge": _roles("hr"),
    "enterprises:import": _roles("sasac"),
    "enterprises:import_detail": _roles("sasac"),
    "enterprises:template": _roles("sasac"),
    "archives:batches": _files,
    "archives:batch": _files,
    "archives:batch_paper": _files,
    "archives:deed": _roles("enterprise", "insurance"),
    "archives:pack": _roles("enterprise"),
    "archives:loans": _roles("insurance"),
    "archives:loan_give": _roles("insurance"),
    "archives:loan_back": _roles("insurance"),
    "archives:records": _records,
    "archives:records_batch": _records,
    "archives:records_paper": _records,
    "archives:records_begin": _roles("enterprise"),
    "archives:records_template": _roles("enterprise"),
    "archives:records_deed": _roles("enterprise", "archives_office"),
    "archives:catalogue": _files,
    "archives:catalogue_paper": _files,
    "archives:catalogue_import": _roles("enterprise"),
    "archives:catalogue_template": _roles("enterprise"),
    "party:letters": _party,
    "party:letter": _party,
    "party:letter_receipt": _party,
    "party:letter_reissue": _roles("enterprise"),
    "party:receipt": _anybody,
    "party:members": _branches,
    "party:member_take": _branches,
    "party:member": _branches,
    "party:meetings": _branches,
    "party:meeting_add": _branches,
    "party:meeting": _branches,
    "party:organizations": _party,
    "party:organization_add": _party,
    "party:organization": _party,
    "transfers:list": _cases,
    "transfers:search": _cases,
    "transfers:detail": _cases,
    "transfers:act": _cases,
    "transfers:send_back": _cases,
    "transfers:withdraw": _cases,
    "transfers:bulk": _cases,
    "transfers:end": _roles("enterprise"),
    "transfers:add": _roles("enterprise"),
    "transfers:edit": _roles("enterprise"),
    "transfers:reveal": _revealers,
    "transfers:scan": _cases,
    "transfers:paper": _cases,
    "transfers:pile": _roles("enterprise"),
    "transfers:letters": _roles("enterprise"),
    "transfers:letter_issue": _roles("enterprise"),
    "transfers:letter": _roles("enterprise"),
    "transfers:signed_piles": _roles("enterprise"),
    "transfers:signed_pile": _roles("enterprise"),
    "transfers:signed_go_on": _roles("enterprise"),
    "transfers:signed_confirm": _roles("enterprise"),
    "transfers:signed_page": _roles("enterprise"),
    "transfers:signed_claim": _roles("enterprise"),
    "transfers:signed_drop": _roles("enterprise"),
    "transfers:accesses": _cases,
    "transfers:rights_list": _revealers,
    "transfers:rights_answer": _revealers,
    "transfers:rights": _revealers,
    "transfers:rights_copy": _revealers,
    "transfers:consent_withdraw": _revealers,
    "transfers:waterfall": _cases,
    "transfers:limits": _roles("sasac"),
    "transfers:import": _roles("enterprise"),
    "transfers:import_list": _roles("enterprise"),
    "transfers:import_detail": _roles("enterprise"),
    "transfers:import_columns": _roles("enterprise"),
    "transfers:template": _roles("enterprise"),
}


# What browsers send; a view that asks only whether it is a POST would take a PUT for a GET.
METHODS = ("GET", "HEAD", "POST")


class AccessMiddleware:
    """Refuses each request whose URL has no entry, or whose user the entry does not name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated:
            response.setdefault("Cache-Control", "no-store")
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        rule = REGISTRY.get(name)
        if rule is None:
            raise PermissionDenied("此页面没有登记访问规则。")
        # Who has not signed in is sent to the sign-in page by LoginRequiredMiddleware.
        if request.user.is_authenticated and rule.refuses(request.user):
            raise PermissionDenied("您的岗位没有此项权限。")
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        if not request.user.is_authenticated:
            return None
        from xianning import accounts

        return accounts.gate(request, name, rule)


def user_of(request: HttpRequest) -> User:
    """The signed-in user; LoginRequiredMiddleware has sent everybody else away."""
    return request.user  # type: ignore[return-value]


def is_fresh(request: HttpRequest) -> bool:
    """Whether the user proved who he is within the last STEP_UP seconds (ASVS 7.5.3)."""
    proved = request.session.get("proved_at", 0)
    return bool(0 <= timezone.now().timestamp() - proved <= settings.STEP_UP)


def client_address(request: HttpRequest) -> str:
    """Address of the browser: behind TRUSTED_PROXIES proxies, the entry that the first one wrote."""
    if settings.TRUSTED_PROXIES:
        chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(chain) >= settings.TRUSTED_PROXIES:
            return chain[-settings.TRUSTED_PROXIES].strip()
    return request.META.get("REMOTE_ADDR", "")
