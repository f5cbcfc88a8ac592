"""What every page shows around its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from xianning import access
from xianning.accounts import sessions
from xianning.models import Notice

if TYPE_CHECKING:
    from django.http import HttpRequest

CAP = 100  # counts beside the navigation stop here


@dataclass(frozen=True)
class NavItem:
    """One entry of the navigation."""

    label: str
    url: str
    current: bool
    count: str = ""


_NAV = (
    ("待办", "home"),
    ("社区报到", "communities:desk"),
    ("管理台账", "communities:ledger"),
    ("走访慰问", "communities:care"),
    ("状态变动", "communities:events"),
    ("比对名单", "communities:event_lists"),
    ("案卷", "transfers:list"),
    ("导入", "transfers:import_list"),
    ("档案移交", "archives:batches"),
    ("其他档案", "archives:records"),
    ("国企名单", "enterprises:list"),
    ("场所设施", "enterprises:venues"),
    ("总览", "transfers:overview"),
    ("对账", "transfers:waterfall"),
    ("统计月报", "transfers:reports"),
    ("经费测算", "communities:funds"),
    ("办理期限", "transfers:limits"),
    ("介绍信", "party:letters"),
    ("支部党员", "party:members"),
    ("党组织", "party:organizations"),
    ("名册", "rosters"),
    ("导出", "exports"),
    ("通知", "notices"),
    ("访问记录", "access_log"),
    ("追查泄露", "leaks"),
    ("行政区划", "communities:areas"),
    ("工作日历", "calendar"),
    ("机构", "offices"),
    ("账号", "users"),
    ("授权", "grants"),
    ("账号清理", "account_review"),
    ("审计", "audit"),
    ("权限表", "permissions"),
    ("字段登记表", "register"),
)


def page(request: HttpRequest) -> dict[str, Any]:
    """Navigation, offices and unread notices of the user; nothing for who has not signed in."""
    user = getattr(request, "user", None)
    base: dict[str, Any] = {"demo_mode": settings.DEMO, "nav": [], "my_offices": []}
    if user is None or not user.is_authenticated or not user.is_active:
        return base
    unread = capped(Notice.objects.visible_to(user).unread(), CAP)
    match = request.resolver_match
    current = _entry_of(match.view_name if match else "")
    nav = [
        NavItem(
            label=label,
            url=reverse(name),
            current=name == current,
            count=unread if name == "notices" and unread != "0" else "",
        )
        for label, name in _NAV
        if not access.REGISTRY[name].refuses(user)
    ]
    return base | {
        "here": _here(request),
        "nav": nav,
        "my_offices": list(user.offices.all()[:3]),
        "unread_notices": unread,
        "session_ends": sessions.ends(request),
    }


def _here(request: HttpRequest) -> str:
    """The address of this page, to come back to; nothing of it when a visitor may have typed words."""
    match = request.resolver_match
    if match is None or request.method != "GET":
        return ""
    return request.path if all(isinstance(v, UUID) for v in match.kwargs.values()) else ""


def _entry_of(name: str) -> str:
    """The entry of the navigation under which the page NAME lies."""
    entries = [entry for _label, entry in _NAV]
    if name in entries:
        return name
    if ":" not in name:
        return next((e for e in entries if name.startswith(e.removesuffix("s"))), "")
    if name.startswith(("transfers:import", "transfers:template")):
        return "transfers:import_list"
    if name.startswith("transfers:report"):
        return "transfers:reports"
    if name.startswith("enterprises:venue"):
        return "enterprises:venues"
    if name.startswith("archives:record"):
        return "archives:records"
    if name.startswith("communities:rehandover"):
        return "communities:events"
    if name.startswith("communities:event_list"):
        return "communities:event_lists"
    if name.startswith(("party:member", "party:meeting")):
        return "party:members"
    for entry in (
        "communities:ledger",
        "communities:events",
        "communities:funds",
        "communities:care",
    ):
        if name.startswith(entry.removesuffix("s")):
            return entry
    section = name.split(":")[0]
    if section == "communities":
        return "communities:areas" if name.startswith("communities:area") else "communities:desk"
    if section == "party":
        return next((e for e in entries if e.startswith("party:") and e[:9] == name[:9]), "")
    return next((entry for entry in entries if entry.startswith(f"{section}:")), "")


def capped(rows: Any, cap: int = 1000) -> str:
    """How many ROWS there are, counted no further than CAP: `37` or `1000+`."""
    found = rows.order_by()[: cap + 1].count()
    return f"{cap}+" if found > cap else str(found)
