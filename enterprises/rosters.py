"""国企名单."""

from __future__ import annotations

from enterprises.models import Enterprise, Venue
from xianning.roster import Column, Roster

ENTERPRISES = Roster(
    "enterprises", "国有企业名单", "第六条第1项",
    (
        Column("企业名称", "name", 22),
        Column("统一社会信用代码", "credit_code", 19),
        Column("企业层级", "get_level_display", 8),
        Column("控股类型", "get_holding_display", 8),
        Column("一级集团公司", "group", 14),
        Column("名单所属地区", "authority.full_name", 10),
        Column("企业所在地", "county.full_name", 10),
        Column("经营状态", "get_status_display", 8),
        Column("移交主体", "transferor", 18),
        Column("联系人", "contact", 8),
        Column("联系电话", "phone", 13),
        Column("退休人员底数", "retiree_count", 7, kind="number"),
        Column("移交协议号", "agreement_number", 12),
        Column("确认日期", "confirmed_at", 10, kind="date"),
        Column("人社签收日期", "acknowledged_at", 10, kind="date"),
    ),
    rows=lambda user: Enterprise.objects.visible_to(user).select_related("authority", "county"),
    roles=frozenset({"sasac", "hr", "enterprise", "auditor"}),
    unit="家",
    signatures=("国资部门（盖章）：", "经办人：", "日期：　　年　　月　　日"),
)  # fmt: skip

VENUES = Roster(
    "venues", "国有企业退休人员活动场所设施移交名册", "第九条",
    (
        Column("名称", "name", 18),
        Column("类别", "get_kind_display", 10),
        Column("企业", "enterprise.name", 22),
        Column("移交主体", "enterprise.transferor", 20),
        Column("接收社区", "community.full_name", 18),
        Column("坐落地址", "address", 24),
        Column("面积（平方米）", "area", 10, kind="amount"),
        Column("账面价值（元）", "value", 12, kind="amount"),
        Column("移交方式", "get_way_display", 9),
        Column("调换何物", "exchanged_for", 14),
        Column("权属证明、批准文号", "papers", 16),
        Column("状态", "get_state_display", 8),
        Column("接收或退回日期", "answered_on", 11, kind="date"),
    ),
    rows=lambda user: Venue.objects.visible_to(user).select_related("enterprise", "community"),
    roles=frozenset({"sasac", "hr", "auditor", "enterprise", "street", "community"}),
    unit="项",
    signatures=("移交单位（盖章）：", "接收单位（盖章）：", "日期：　　年　　月　　日"),
)  # fmt: skip
