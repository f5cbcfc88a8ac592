"""移交人员名册."""

from __future__ import annotations

from transfers.imports import versions
from transfers.models import Transfer
from xianning.roster import Column, Roster

_EVERYBODY = frozenset(
    {"sasac", "hr", "insurance", "street", "community", "party", "enterprise", "auditor"}
)

TRANSFERS = Roster(
    "transfers", "国有企业退休人员移交名册", "第六条",
    (
        Column("案卷编号", "number", 18),
        Column("姓名", "person.name", 9),
        Column("性别", "person.get_sex_display", 4),
        Column("民族", "person.get_ethnicity_display", 7),
        Column("公民身份号码", "person.id_number", 20, private="id"),
        Column("出生年月", "person.birth_date", 9, kind="month"),
        Column("政治面貌", "person.get_political_status_display", 9),
        Column("退休年月", "person.retired", 9, kind="month"),
        Column("退休类别", "person.get_retirement_kind_display", 9),
        Column("移交单位", "enterprise.transferor", 18),
        Column("接收社区", "community.full_name", 20),
        Column("联系电话", "person.phone", 13, private="phone"),
        Column("常住地", "person.home_address", 22, private="address"),
        Column("状态", "get_state_display", 9),
        Column("建案日期", "filed_at", 11, kind="date"),
        Column("信息版本", versions.mark_of, 9),
    ),
    rows=lambda user: versions.with_versions(
        Transfer.objects.visible_to(user).select_related("retiree", "enterprise", "community")
    ),
    roles=_EVERYBODY,
    signatures=("移交单位（盖章）：", "经办人：", "接收单位（盖章）：", "经办人：",
                "日期：　　年　　月　　日"),
)  # fmt: skip
