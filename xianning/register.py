"""The register of fields: what is kept about whom, why, who may see it, and for how long.

Made from the `class Privacy` beside each model's fields (个人信息保护法 17, 51; GB/T 35273).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from openpyxl import Workbook

from xianning.models import label_of
from xianning.privacy import EncryptedField, private_fields, undeclared_fields
from xianning.roles import ROLES
from xianning.workbook import write_text

if TYPE_CHECKING:
    from django.db.models import Model

OUR_APPS = ("xianning", "communities", "enterprises", "transfers", "archives", "party")
LEVELS = {"public": "公开", "internal": "内部", "personal": "个人信息", "sensitive": "敏感个人信息"}


def _years(days: int) -> str:
    return f"{days // 365} 年"


# How long each class is kept, and from when on (个人信息保护法 19: the shortest that the task needs).
RETENTION: dict[str, str] = {
    "case": f"办结或终止后 {settings.RETENTION_YEARS} 年，期满经第二人核准删除，留删除凭证",
    "processing": f"处理记录 {_years(settings.PROCESSING_DAYS)}以上（个人信息保护法第五十六条）",
    "audit": f"{settings.AUDIT_DAYS} 天以上（网络日志不少于六个月）",
    "account": "账号停用后保留姓名，以说明历史办理人；口令和第二因素随停用失效",
    "work": f"通知 {settings.AUDIT_DAYS} 天；任务文件下载后或 24 小时后删除",
    "permanent": "长期",
}


@dataclass(frozen=True)
class Entry:
    """One field of the register, in words."""

    model: str
    table: str
    field: str
    label: str
    level: str
    protection: str
    purpose: str
    roles: str
    retention: str

    @property
    def level_word(self) -> str:
        return LEVELS[self.level]


def our_models() -> list[type[Model]]:
    """Every model of ours, in the order of the apps; the copies of histories are left out."""
    return [
        model
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        if not hasattr(model, "instance_type")
    ]


def gaps() -> list[str]:
    """Models and fields without a full declaration; a system check makes each an error."""
    found = []
    for model in our_models():
        declared = getattr(model, "Privacy", None)
        for part in ("about", "kept", "purpose"):
            if not getattr(declared, part, ""):
                found.append(f"{model._meta.label} 没有声明 {part}")
        if declared is not None:
            if declared.kept not in RETENTION or declared.about not in _SEEN_BY:
                found.append(f"{model._meta.label} 的 about 或 kept 不在登记表中")
            found += [f"{model._meta.label}.{name}" for name in sorted(undeclared_fields(model))]
    return found


def entries() -> list[Entry]:
    """The whole register, a line a field."""
    order = list(_SEEN_BY)  # what concerns people first
    models = sorted(our_models(), key=lambda m: order.index(m.Privacy.about))  # type: ignore[attr-defined]
    return [_entry(model, name) for model in models for name in _columns(model)]


def _columns(model: type[Model]) -> list[str]:
    declared: Any = model.Privacy  # type: ignore[attr-defined]
    known = set(declared.private) | set(declared.open)
    return [field.name for field in model._meta.concrete_fields if field.name in known]


def level_of(model: type[Model], name: str) -> str:
    """`public`, `internal`, `personal` or `sensitive`."""
    declared: Any = model.Privacy  # type: ignore[attr-defined]
    if name in getattr(declared, "sensitive", ()):
        return "sensitive"
    if declared.about == "person" or (name in declared.private and declared.about != "staff"):
        return "personal"
    return "public" if declared.about == "public" else "internal"


def _entry(model: type[Model], name: str) -> Entry:
    declared: Any = model.Privacy  # type: ignore[attr-defined]
    return Entry(
        model=str(model._meta.verbose_name), table=model._meta.db_table, field=name,
        label=label_of(model, name), level=level_of(model, name),
        protection=_protection(model, name), purpose=declared.purpose,
        roles=_seen_by(model, name), retention=RETENTION[declared.kept],
    )  # fmt: skip


def _protection(model: type[Model], name: str) -> str:
    words = []
    if isinstance(model._meta.get_field(name), EncryptedField):
        words.append("加密存储")
    if kind := private_fields(model).get(name):
        words.append("不显示" if kind == "hidden" else "脱敏显示，写明理由后查看并留痕")
    return "；".join(words)


def _names(*slugs: str) -> str:
    return "、".join(ROLES[slug].name for slug in slugs)


_CASE_ROLES = [slug for slug, role in ROLES.items() if role.sees]
_REVEALERS = [slug for slug in _CASE_ROLES if "reveal_private" in ROLES[slug].rights]
_SEEN_BY = {
    "person": _names(*_CASE_ROLES) + "（各自辖区或单位的案卷）",
    "case": _names(*_CASE_ROLES) + "（各自辖区或单位的案卷）",
    "staff": "本人、" + _names("system_admin", "security_admin", "audit_admin", "auditor"),
    "office": "相关办理单位、" + _names("system_admin", "security_admin"),
    "public": "所有登录人员",
    "system": "仅程序使用",
}


def _seen_by(model: type[Model], name: str) -> str:
    kind = private_fields(model).get(name)
    if kind == "hidden":
        return "仅程序使用"
    if kind:
        return _names(*_REVEALERS) + "（各自的案卷，须写明理由）"
    return _SEEN_BY[model.Privacy.about]  # type: ignore[attr-defined]


HEADINGS = {
    "model": "数据", "label": "字段", "level": "级别", "protection": "保护措施",
    "purpose": "用途", "roles": "可查看的职责", "retention": "保存期限", "table": "数据表",
    "field": "列名",
}  # fmt: skip


def to_xlsx() -> bytes:
    """The register as a workbook, a line a field."""
    book = Workbook(write_only=False)
    sheet = book.active
    sheet.title = "字段登记表"
    for column, heading in enumerate(HEADINGS.values(), start=1):
        write_text(sheet.cell(1, column), heading)
    for row, entry in enumerate(entries(), start=2):
        for column, name in enumerate(HEADINGS, start=1):
            value = entry.level_word if name == "level" else str(getattr(entry, name))
            write_text(sheet.cell(row, column), value)
    for letter, width in zip("ABCDEFGHI", (16, 22, 14, 34, 44, 60, 44, 26, 24), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
