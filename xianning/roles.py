"""Who there is: one table of roles.

A role is a Django group of the same slug. The place where it holds is a guardian permission
(`serve_as_<slug>`) on an Area or on an Enterprise, given by `Office.admit` and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Place = Literal["area", "enterprise"]
# Labels of what is kept and of who reads it, the lowest first (等保 CES-11; words in register.py).
LEVELS = ("public", "internal", "personal", "sensitive")

# What a role may do beyond its desk; each is a Django permission `xianning.<right>`.
RIGHTS: dict[str, str] = {
    "reveal_private": "查看一人的完整个人信息（须填写理由并留痕）",
    "export_rosters": "导出名册（留痕）",
    "view_access_log": "查看个人信息访问记录",
    "manage_offices": "维护机构与人员账号",
    "manage_areas": "维护行政区划",
    "approve_grants": "核准人员授权",
    "approve_exports": "核准大批导出",
    "view_audit": "查阅审计记录",
    "trace_leaks": "追查泄露的名册",
}


@dataclass(frozen=True)
class Role:
    """One row: what the role is for, where it may hold, which cases it sees, what else it may."""

    slug: str
    name: str
    purpose: str
    place: Place
    desk: str = ""  # what follows the area's name when the desk is named; else the name
    levels: tuple[str, ...] = ()  # Area.Level values at which such an office exists
    sees: tuple[str, ...] = ()  # columns of Transfer that hold the place
    acts_below: bool = False  # may also act at desks inside its area, not only at its own
    acts_as: tuple[str, ...] = ()  # other roles whose desks it may serve too
    rights: frozenset[str] = frozenset()
    clearance: str = "internal"  # the highest of LEVELS that it may read; checked at every start


_OFFICE_RIGHTS = frozenset({"reveal_private", "export_rosters"})

ROLES: dict[str, Role] = {
    role.slug: role
    for role in (
        Role(
            "sasac", "国资部门", "提供并确认本级国有企业名单（第六条第1项）", "area",
            levels=("city", "county"), sees=("authority",), rights=_OFFICE_RIGHTS,
            clearance="sensitive",
        ),
        Role(
            "hr", "人社部门", "签收企业名单，核定退休待遇（第六条第1、2项）", "area",
            levels=("city", "county"), sees=("authority",), rights=_OFFICE_RIGHTS,
            clearance="sensitive",
        ),
        Role(
            "insurance", "社会保险经办机构", "接收人事档案（第五条、第六条第4项）", "area",
            levels=("city", "county"), sees=("archive_area",), rights=_OFFICE_RIGHTS,
            clearance="sensitive",
        ),
        Role(
            "medical", "医保部门", "承接医疗保障，接收状态变动报告（第五条、第十条）", "area",
            levels=("city", "county"), sees=("community",),
            clearance="sensitive",
        ),
        Role(
            "archives_office", "指定档案管理机构", "接收其他档案（第五条、第六条第4项）", "area",
            levels=("city", "county"),
        ),
        Role(
            "street", "街道（乡镇）", "组织本辖区社区接收退休人员（第六条第5项）", "area",
            levels=("township",), sees=("community",), acts_below=True,
            clearance="sensitive",
            acts_as=("community",), rights=_OFFICE_RIGHTS,
        ),
        Role(
            "community", "社区（村）", "报到备案、发社区联系卡、建管理台账（第六条第5项）", "area", " ",
            levels=("community",), sees=("community",), rights=_OFFICE_RIGHTS,
            clearance="sensitive",
        ),
        Role(
            "party", "街道社区党组织", "接收党员组织关系（第五条、第六条第6项）", "area", "党组织",
            levels=("township", "community"), sees=("party_area",), acts_below=True,
            clearance="sensitive",
            rights=_OFFICE_RIGHTS,
        ),
        Role(
            "enterprise", "移交单位", "申报、确认信息、移交档案、开具介绍信（第四条、第六条）",
            "enterprise", sees=("enterprise",), rights=_OFFICE_RIGHTS,
            clearance="sensitive",
        ),
        Role(
            "auditor", "审计人员", "查看案卷与访问记录，导出名册，不办理事项", "area",
            levels=("city", "county"), sees=("authority", "community"),
            clearance="sensitive",
            rights=frozenset({"export_rosters", "view_access_log", "view_audit", "trace_leaks"}),
        ),
        # 等保 8.1.5: three administrators; nobody is two of them, none of them sees a retiree.
        Role(
            "system_admin", "系统管理员", "维护区划、机构与账号，申请授权；看不到业务数据", "area",
            levels=("city",), acts_below=True, rights=frozenset({"manage_offices", "manage_areas"}),
        ),
        Role(
            "security_admin", "安全管理员", "核准授权和大批导出，维护安全策略；看不到业务数据", "area",
            levels=("city",), acts_below=True, rights=frozenset({"approve_grants", "approve_exports"}),
        ),
        Role(
            "audit_admin", "审计管理员", "查阅和校验审计记录，追查泄露；看不到业务数据", "area",
            levels=("city",), acts_below=True,
            rights=frozenset({"view_audit", "trace_leaks"}),
        ),
    )
}  # fmt: skip


# Who keeps accounts, grants or the audit has no part in the business, and none in each other's.
ADMINISTRATORS = frozenset({"system_admin", "security_admin", "audit_admin"})
APART = ADMINISTRATORS | {"auditor"}


def why_not_together(roles: Iterable[str], new: str) -> str | None:
    """Why who holds ROLES must not hold NEW too, as a sentence (等保 L3-CES1-08); None if he may."""
    for role in roles:
        if role != new and APART & {role, new}:
            return f"{ROLES[role].name}不得兼任{ROLES[new].name}，请先移出原机构或另开账号。"
    return None


def permission(slug: str) -> str:
    """The guardian permission that lets the role SLUG serve a place."""
    return f"serve_as_{slug}"


def permissions_on(place: Place) -> list[tuple[str, Any]]:
    """`Meta.permissions` of the model that stands for PLACE."""
    return [(permission(r.slug), f"担任{r.name}") for r in ROLES.values() if r.place == place]
