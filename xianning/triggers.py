"""What the database itself refuses, whoever asks: changes of the audit, and a second, foreign role.

The rules are written once, as rows of a table, and rendered for SQLite and for PostgreSQL (13 or
later). `install` runs after every migrate, because SQLite loses the triggers of a table that a
migration rebuilds; before a migrate they are taken off there, because a trigger that names a
table under reconstruction stops it. A database without them does not start (checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection as default_connection
from django.db import connections

from xianning.models import AccessLog, AuditEvent, AuditSeal, Membership, Office, User
from xianning.roles import APART

LEAST_DAYS = 400  # no setting keeps the audit for less
ACCESS_DAYS = 3 * 366  # 个人信息保护法 第五十六条: records of processing, three years

NO_CHANGE = "审计记录只能追加，不能更改。"
NO_DELETE = "审计记录未到期，不能删除。"
NO_TRUNCATE = "审计记录不能清空。"
NO_OTHER_EDITION = "已发布的名单不能更改或删除。"
NO_OTHER_NUMBER = "社区联系卡的卡号和持卡人不能更改。"
NO_NEW_FIGURES = "已定稿的经费测算表不能更改或删除。"
NO_OTHER_REPORT = "已定稿的统计月报不能更改或删除。"
NO_OTHER_TERMS = "已签订的协议不能更改或删除；另有约定的，请签补充协议。"
NO_SECOND_ROLE = "系统、安全、审计管理员和审计人员不得兼任其他职责。"


def audit_days() -> int:
    """Days for which events are kept: AUDIT_DAYS, never less than 400."""
    return max(LEAST_DAYS, settings.AUDIT_DAYS)


@dataclass(frozen=True)
class Trigger:
    """On TABLE, before EVENT: refuse with SENTENCE when a row makes REFUSES true (empty: always).

    REFUSES may hold {ago:N}, a moment N days ago in the spelling of the database, and {differs},
    whether a column that must stay is different. LOCKS is run before, where rows can be locked.
    """

    name: str
    table: str
    event: str
    sentence: str
    refuses: str = ""
    locks: str = ""
    only: str = ""  # the vendor that needs it


def table_of_triggers() -> list[Trigger]:
    """All of them."""
    events, seals, log, members, offices = (
        model._meta.db_table for model in (AuditEvent, AuditSeal, AccessLog, Membership, Office)
    )
    cards = apps.get_model("communities", "ContactCard")._meta.db_table
    agreements = apps.get_model("enterprises", "Agreement")._meta.db_table
    signed = "OLD.state = 'signed'"
    editions = apps.get_model("enterprises", "Edition")._meta.db_table
    listed = apps.get_model("enterprises", "EditionEntry")._meta.db_table
    published = "OLD.acknowledged_at IS NOT NULL OR " + " OR ".join(
        f'NEW."{name}" {{differs}} OLD."{name}"'
        for name in ("authority_id", "serial", "published_at", "published_by_id", "note")
    )
    reports = apps.get_model("transfers", "MonthlyReport")._meta.db_table
    sheets = apps.get_model("communities", "FundSheet")._meta.db_table
    stays = [f.column for f in AuditEvent._meta.local_concrete_fields if f.name != "seal"]
    same = " OR ".join(f'NEW."{name}" {{differs}} OLD."{name}"' for name in stays)
    apart = ", ".join(f"'{slug}'" for slug in sorted(APART))
    conflict = (
        f'EXISTS (SELECT 1 FROM "{members}" m JOIN "{offices}" o ON o.id = m.office_id'
        f' JOIN "{offices}" n ON n.id = NEW.office_id WHERE m.user_id = NEW.user_id'
        f" AND m.id {{differs}} NEW.id AND o.role <> n.role"
        f" AND (o.role IN ({apart}) OR n.role IN ({apart})))"
    )
    # Two grants at once would not see each other: whoever is second waits.
    lock = f'PERFORM 1 FROM "{User._meta.db_table}" WHERE id = NEW.user_id FOR NO KEY UPDATE;'
    # REPLACE deletes the row in its way without asking the trigger for DELETE.
    replaced = [
        Trigger(
            f"{table}_replace", table, "INSERT", NO_CHANGE,
            f'EXISTS (SELECT 1 FROM "{table}" t WHERE t.{key} = NEW.{key} OR t.rowid = NEW.rowid)',
            only="sqlite",
        )
        for table, key in ((events, "id"), (seals, "number"), (log, "id"))
    ]  # fmt: skip
    return [
        *replaced,
        Trigger(
            "audit_event_update", events, "UPDATE", NO_CHANGE,
            f"(OLD.seal_id IS NOT NULL AND NEW.seal_id {{differs}} OLD.seal_id) OR {same}",
        ),
        Trigger(
            "audit_event_delete", events, "DELETE", NO_DELETE, f"OLD.at >= {{ago:{audit_days()}}}"
        ),
        Trigger("audit_event_truncate", events, "TRUNCATE", NO_TRUNCATE, only="postgresql"),
        Trigger("audit_seal_update", seals, "UPDATE", NO_CHANGE),
        Trigger("audit_seal_delete", seals, "DELETE", NO_DELETE),
        Trigger("audit_seal_truncate", seals, "TRUNCATE", NO_TRUNCATE, only="postgresql"),
        Trigger("access_log_update", log, "UPDATE", NO_CHANGE),
        Trigger(
            "access_log_delete", log, "DELETE", NO_DELETE, f"OLD.at >= {{ago:{ACCESS_DAYS}}}"
        ),
        Trigger("access_log_truncate", log, "TRUNCATE", NO_TRUNCATE, only="postgresql"),
        Trigger(
            "card_number_update", cards, "UPDATE", NO_OTHER_NUMBER,
            'NEW."number" {differs} OLD."number" OR NEW."reception_id" {differs} OLD."reception_id"',
        ),
        Trigger("edition_update", editions, "UPDATE", NO_OTHER_EDITION, published),
        Trigger("edition_delete", editions, "DELETE", NO_OTHER_EDITION),
        Trigger("edition_entry_update", listed, "UPDATE", NO_OTHER_EDITION),
        Trigger("edition_entry_delete", listed, "DELETE", NO_OTHER_EDITION),
        Trigger("fund_sheet_update", sheets, "UPDATE", NO_NEW_FIGURES),
        Trigger("fund_sheet_delete", sheets, "DELETE", NO_NEW_FIGURES),
        Trigger("monthly_report_update", reports, "UPDATE", NO_OTHER_REPORT),
        Trigger("monthly_report_delete", reports, "DELETE", NO_OTHER_REPORT),
        Trigger("agreement_update", agreements, "UPDATE", NO_OTHER_TERMS, signed),
        Trigger("agreement_delete", agreements, "DELETE", NO_OTHER_TERMS, signed),
        Trigger("one_role_insert", members, "INSERT", NO_SECOND_ROLE, conflict, lock),
        Trigger("one_role_update", members, "UPDATE", NO_SECOND_ROLE, conflict, lock),
    ]  # fmt: skip


def install(connection: Any = default_connection) -> None:
    """Put every trigger in place that is missing or different (idempotent)."""
    wanted = _rendered(connection)
    lacking = set(missing(connection))
    with connection.cursor() as cursor:
        for trigger, makes in wanted.items():
            if trigger.name in lacking:
                for statement in (_drop(trigger, connection.vendor), *makes):
                    cursor.execute(statement)


def remove(connection: Any = default_connection) -> None:
    """Take the triggers off (before a table is rebuilt)."""
    with connection.cursor() as cursor:
        for statement in statements(connection)[0]:
            cursor.execute(statement)


def before_migrate(*, plan: Sequence[Any] = (), using: str = "default", **_: Any) -> None:
    """A migration that rebuilds a table (SQLite) would stop at a trigger that names it."""
    if plan and connections[using].vendor == "sqlite":
        remove(connections[using])


def after_migrate(*, using: str = "default", **_: Any) -> None:
    install(connections[using])


def statements(connection: Any = default_connection) -> tuple[list[str], list[str]]:
    """SQL that takes the triggers off, and SQL that puts them back (for a test's flush)."""
    rendered = _rendered(connection)
    off = [_drop(trigger, connection.vendor) for trigger in rendered]
    return off, [statement for each in rendered.values() for statement in each]


def missing(connection: Any = default_connection) -> list[str]:
    """Names of triggers that are absent, switched off, or say something else."""
    found = _found(connection)
    return [
        trigger.name
        for trigger, makes in _rendered(connection).items()
        if found.get(trigger.name) != _essence(makes, connection.vendor)
    ]


# --- the two databases --------------------------------------------------------------------------


def _rendered(connection: Any) -> dict[Trigger, Sequence[str]]:
    """Trigger → the statements that make it, for the tables that are there by now."""
    render = _for_postgresql if connection.vendor == "postgresql" else _for_sqlite
    tables = set(connection.introspection.table_names())
    return {
        trigger: render(trigger)
        for trigger in table_of_triggers()
        if trigger.only in ("", connection.vendor) and trigger.table in tables
    }


def _for_sqlite(trigger: Trigger) -> Sequence[str]:
    condition = _filled(trigger.refuses, "IS NOT", "datetime('now', '-{days} days')")
    when = f" WHEN {condition}" if condition else ""
    return (
        f'CREATE TRIGGER "{trigger.name}" BEFORE {trigger.event} ON "{trigger.table}"{when}'
        f" BEGIN SELECT RAISE(ABORT, '{trigger.sentence}'); END",
    )


def _for_postgresql(trigger: Trigger) -> Sequence[str]:
    each = "STATEMENT" if trigger.event == "TRUNCATE" else "ROW"
    return (
        f'CREATE OR REPLACE FUNCTION "{trigger.name}"() RETURNS trigger LANGUAGE plpgsql'
        f" SET search_path FROM CURRENT AS $body${_body(trigger)}$body$",
        f'CREATE TRIGGER "{trigger.name}" BEFORE {trigger.event} ON "{trigger.table}"'
        f' FOR EACH {each} EXECUTE FUNCTION "{trigger.name}"()',
    )


def _body(trigger: Trigger) -> str:
    refuse = (
        f"RAISE EXCEPTION '{trigger.sentence}' USING ERRCODE = 'integrity_constraint_violation';"
    )
    condition = _filled(trigger.refuses, "IS DISTINCT FROM", "(now() - interval '{days} days')")
    if condition:
        refuse = f"IF {condition} THEN {refuse} END IF;"
    answer = {"DELETE": "OLD", "TRUNCATE": "NULL"}.get(trigger.event, "NEW")
    return f" BEGIN {trigger.locks} {refuse} RETURN {answer}; END "


def _filled(condition: str, differs: str, ago: str) -> str:
    """CONDITION in the words of one database."""
    text = condition.replace("{differs}", differs)
    head, mark, rest = text.partition("{ago:")
    if not mark:
        return head
    days, _, tail = rest.partition("}")
    return head + ago.format(days=days) + tail


def _drop(trigger: Trigger, vendor: str) -> str:
    where = f' ON "{trigger.table}"' if vendor == "postgresql" else ""
    return f'DROP TRIGGER IF EXISTS "{trigger.name}"{where}'


def _essence(makes: Sequence[str], vendor: str) -> str:
    """The part of the statements that the catalogue gives back word for word."""
    return makes[0].split("$body$")[1] if vendor == "postgresql" else makes[0]


def _found(connection: Any) -> dict[str, str]:
    """Name → what the catalogue holds of each trigger that is in force."""
    query = (
        "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)"
        if connection.vendor == "postgresql"
        else "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())
