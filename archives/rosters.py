"""档案移交名册 (第六条第4项): in duplicate, signed by sender, receiver and witness."""

from __future__ import annotations

from archives.models import PersonnelFile
from xianning.roster import Column, Roster

ARCHIVES = Roster(
    "archives", "国有企业退休人员档案移交名册", "第六条第4项",
    (
        Column("姓名", "transfer.person.name", 9),
        Column("性别", "transfer.person.get_sex_display", 4),
        Column("公民身份号码", "transfer.person.id_number", 20, private="id"),
        Column("出生年月", "transfer.person.birth_date", 9, kind="month"),
        Column("参加工作时间", "transfer.person.work_started", 9, kind="month"),
        Column("退休年月", "transfer.person.retired", 9, kind="month"),
        Column("退休类别", "transfer.person.get_retirement_kind_display", 9),
        Column("原工作单位", "transfer.person.former_employer", 16),
        Column("人员身份", "transfer.person.get_personnel_kind_display", 5),
        Column("转递单", "item.handover.number", 13),
        Column("正本（卷）", "item.volumes", 5, kind="number"),
        Column("副本（卷）", "item.duplicates", 5, kind="number"),
        Column("材料（份）", "item.pieces", 5, kind="number"),
        Column("页数", "item.pages", 5, kind="number"),
        Column("缺失材料及说明", "explained", 14),
        Column("接收日期", "accepted_on", 11, kind="date"),
        Column("档案编号", "archive_number", 14),
        Column("存放位置", "location", 10),
        Column("备注", "remarks", 8),
    ),
    rows=lambda user: PersonnelFile.objects.visible_to(user).delivered()
    .select_related("transfer__retiree", "item__handover"),
    roles=frozenset({"insurance", "enterprise", "auditor", "sasac", "hr"}),
    signatures=("移交单位（盖章）：　　　　移交人：", "接收单位（盖章）：　　　　接收人：",
                "监交人：", "日期：　　年　　月　　日"),
    note="本名册一式两份，移交单位、接收单位各执一份。",
)  # fmt: skip
