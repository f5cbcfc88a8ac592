"""《国有企业退休人员党员组织关系转接名册》 (第六条第6项, annex)."""

from __future__ import annotations

from party.models import PartyMove
from xianning.roster import Column, Roster


def _kind(move: PartyMove) -> str:
    return {"01": "正式", "02": "预备"}.get(move.transfer.person.political_status, "")


PARTY = Roster(
    "party", "国有企业退休人员党员组织关系转接名册", "第六条第6项",
    (
        Column("姓名", "transfer.person.name", 9),
        Column("性别", "transfer.person.get_sex_display", 4),
        Column("民族", "transfer.person.get_ethnicity_display", 6),
        Column("出生年月", "transfer.person.birth_date", 9, kind="month"),
        Column("公民身份号码", "transfer.person.id_number", 20, private="id"),
        Column("党员类别", _kind, 5),
        Column("入党时间", "transfer.person.party_joined_on", 9, kind="month"),
        Column("转正时间", "transfer.person.party_full_on", 9, kind="month"),
        Column("退休时间", "transfer.person.retired", 9, kind="month"),
        Column("原工作单位", "transfer.person.former_employer", 14),
        Column("原所在党组织", "from_organization", 16),
        Column("长期居住地", "transfer.party_area.full_name", 16),
        Column("拟转入党组织", "to_organization", 16),
        Column("介绍信编号", "number", 13),
        Column("开具日期", "issued_on", 11, kind="date"),
        Column("有效期（天）", "valid_days", 5, kind="number"),
        Column("党费交至", "dues_until", 9, kind="month"),
        Column("月党费标准", "dues_standard", 7, kind="amount"),
        Column("接收日期", "accepted_on", 11, kind="date"),
        Column("回执编号/日期",
               lambda m: f"{m.receipt_number} {m.receipt_on or ''}".strip(), 14),
        Column("联系电话", "transfer.person.phone", 13, private="phone"),
        Column("备注", "remarks", 8),
    ),
    rows=lambda user: PartyMove.objects.visible_to(user)
    .filter(voided_at=None)
    .select_related("transfer__retiree", "transfer__party_area"),
    roles=frozenset({"party", "enterprise", "auditor", "sasac"}),
    signatures=("移交党组织（盖章）：　　　　经办人：", "接收党组织（盖章）：　　　　经办人：",
                "日期：　　年　　月　　日"),
)  # fmt: skip
