"""等保 CES-11: every field and every role has a label, and no role is shown what is above its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import BY_ROLE
from transfers.models import Retiree
from xianning import checks, register
from xianning.roles import LEVELS, ROLES

# Typed by hand: whoever has a part in a case may learn of a health condition or a party membership
# of its person; who keeps accounts, grants, audit or empty folders learns nothing about anybody.
CLEARANCE = {
    "sasac": "sensitive", "hr": "sensitive", "insurance": "sensitive", "medical": "sensitive",
    "street": "sensitive", "community": "sensitive", "party": "sensitive",
    "enterprise": "sensitive", "auditor": "sensitive",
    "archives_office": "internal", "system_admin": "internal", "security_admin": "internal",
    "audit_admin": "internal",
}  # fmt: skip
# Labels of some fields, by the law and not by the code (个人信息保护法 28, GB/T 45574).
LABELS = {
    "transfers.Retiree.id_number": "sensitive", "transfers.Retiree.health": "sensitive",
    "transfers.Retiree.party_branch": "sensitive", "transfers.Retiree.name": "personal",
    "transfers.Retiree.home_address": "personal", "xianning.Office.name": "internal",
    "communities.Area.name": "public",
}  # fmt: skip
WHOLE = {  # who reads a masked value whole: whoever has a part in the case, but two that only look
    "sasac", "hr", "insurance", "street", "community", "party", "enterprise",
}  # fmt: skip


def test_every_role_has_the_label_that_was_decided() -> None:
    assert {slug: role.clearance for slug, role in ROLES.items()} == CLEARANCE
    assert CLEARANCE.keys() == BY_ROLE.keys()
    assert tuple(register.LEVELS) == LEVELS


def test_no_role_reads_a_field_above_its_label() -> None:
    fields = {name: (level, readers) for name, level, readers in checks.labelled_fields()}
    assert {name: fields[name][0] for name in LABELS} == LABELS
    assert len(fields) == len(register.entries())
    above = [
        (name, slug)
        for name, (level, readers) in fields.items()
        for slug in readers
        if LEVELS.index(level) > LEVELS.index(CLEARANCE[slug])
    ]
    assert not above
    assert not checks.no_role_reads_above_its_label()
    # The comparison is over real readers: each label has some, and masked values have the fewest.
    assert {level for level, readers in fields.values() if readers} == set(LEVELS)
    assert fields["transfers.Retiree.health"][1] == WHOLE
    assert fields["transfers.Retiree.name"][1] == WHOLE | {"medical", "auditor"}
    assert fields["transfers.Retiree.id_index"][1] == set()


def test_the_readers_are_those_of_the_register_page() -> None:
    entries = {f"{e.table}.{e.field}": e for e in register.entries()}
    for column in Retiree._meta.concrete_fields:
        entry = entries.get(f"{Retiree._meta.db_table}.{column.name}")
        if entry is None:
            continue
        [readers] = [
            readers for name, _level, readers in checks.labelled_fields()
            if name == f"transfers.Retiree.{column.name}"
        ]  # fmt: skip
        told = entry.roles.partition("（各自")[0].split("、") if readers else []
        assert sorted(ROLES[slug].name for slug in readers) == sorted(told), column.name


@pytest.mark.parametrize(
    ("field", "slug"),
    [("transfers.Retiree.health", "hr"), ("transfers.Retiree.name", "medical")],
)
def test_a_label_that_is_too_low_ends_the_start(
    field: str, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = ROLES[slug]
    changed: Any = type(role)(**{**vars(role), "clearance": "internal"})
    monkeypatch.setitem(ROLES, slug, changed)
    found = checks.no_role_reads_above_its_label()
    assert f"{role.name}不得查看 {field}：字段的级别高于其权限级别。" in {e.msg for e in found}
    assert all(error.is_serious() for error in found)
