"""管理台账 (第六条第5项)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from communities.care import SOON
from communities.ledger_filters import narrow
from communities.models import Reception
from xianning.roster import Column, Roster

if TYPE_CHECKING:
    from datetime import date


def _card(entry: Reception) -> str:
    valid = [card for card in entry.cards.all() if card.voided_on is None]
    return f"{valid[0].number} {valid[0].issued_on}" if valid else ""


def _party(entry: Reception) -> date | None:
    moves = [m for m in entry.transfer.party_moves.all() if m.voided_at is None]
    return moves[0].accepted_on if moves else None


def _contact(entry: Reception) -> str:
    person = entry.transfer.retiree
    return f"{person.contact1_name} {person.contact1_phone}".strip()


CARE = Roster(
    "care", "国有企业退休人员走访慰问名单", "第八条",
    (
        Column("姓名", "transfer.retiree.name", 9),
        Column("年龄", lambda entry: entry.transfer.retiree.age(), 5, kind="number"),
        Column("特殊人员类别", lambda e: e.transfer.retiree.words("special_groups"), 16,
               private="text"),
        Column("家庭住址", "transfer.retiree.address", 28, private="address"),
        Column("本人电话", "transfer.retiree.phone", 14, private="phone"),
        Column("联系人及电话", _contact, 18, private="text"),
        Column("最近走访", "visited_on", 11, kind="date"),
        Column("走访期限", "visit_due_on", 11, kind="date"),
        Column("专管员", "officer", 9),
        Column("走访情况", lambda _entry: "", 20),
        Column("本人签字", lambda _entry: "", 12),
    ),
    rows=lambda user: Reception.objects.kept_by(user)
    .to_visit(timezone.localdate() + SOON)
    .select_related("transfer__retiree"),
    roles=frozenset({"street", "community"}),
    signatures=("街道（乡镇）社区（盖章）：", "走访人：", "日期：　　年　　月　　日"),
)  # fmt: skip

LEDGER = Roster(
    "ledger", "国有企业退休人员社会化管理服务管理台账", "第六条第5项",
    (
        Column("台账号", "ledger_number", 22),
        Column("姓名", "transfer.retiree.name", 9),
        Column("性别", "transfer.retiree.get_sex_display", 4),
        Column("公民身份号码", "transfer.retiree.id_number", 20, private="id"),
        Column("出生年月", "transfer.retiree.birth_date", 9, kind="month"),
        Column("年龄", lambda entry: entry.transfer.retiree.age(), 4, kind="number"),
        Column("原单位", "transfer.retiree.former_employer", 15),
        Column("退休年月", "transfer.retiree.retired", 9, kind="month"),
        Column("政治面貌", "transfer.retiree.get_political_status_display", 8),
        Column("家庭住址", "transfer.retiree.address", 20, private="address"),
        Column("本人电话", "transfer.retiree.phone", 13, private="phone"),
        Column("联系人及电话", _contact, 15, private="text"),
        Column("居住状态", "transfer.retiree.get_residence_display", 9),
        Column("特殊人员类别", lambda e: e.transfer.retiree.words("special_groups"), 10,
               private="text"),
        Column("报到日期", "checked_in_on", 11, kind="date"),
        Column("联系卡号/发卡日期", _card, 15),
        Column("信息核实日期", "verified_on", 11, kind="date"),
        Column("信息核实人", "verified_by", 8),
        Column("最近走访", "visited_on", 11, kind="date"),
        Column("最近认证日期", "transfer.retiree.certified_on", 11, kind="date"),
        Column("组织关系接收日期", _party, 11, kind="date"),
        Column("档案编号", "transfer.personnel_file.archive_number", 13),
        Column("状态", lambda entry: "在管" if entry.is_active else "不在管", 6),
        Column("专管员", "officer", 8),
        Column("备注", "remarks", 8),
    ),
    rows=lambda user: Reception.objects.visible_to(user)
    .select_related("transfer__retiree", "transfer__personnel_file", "verified_by")
    .prefetch_related("cards", "transfer__party_moves"),
    roles=frozenset({"street", "community", "auditor", "sasac", "hr"}),
    signatures=("街道（乡镇）社区（盖章）：", "专管员：", "日期：　　年　　月　　日"),
    narrow=narrow,
)  # fmt: skip
