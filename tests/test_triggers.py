"""What the database itself refuses: changes of the audit, and a second, foreign role (T3, A8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.utils import timezone

from tests.test_audit_tamper import EVENTS, LOG, ON_POSTGRESQL, SEALS, log, run, undone
from xianning import audit, audit_seals, triggers
from xianning.models import AccessLog, AuditEvent, AuditSeal, Membership, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["log"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {EVENTS} SET user_name = 'x'",
        f"UPDATE {EVENTS} SET at = '2001-01-01'",
        f"UPDATE {EVENTS} SET mac = 'x' WHERE seal_id IS NULL",
        f"UPDATE {EVENTS} SET seal_id = NULL",
        f"UPDATE {EVENTS} SET seal_id = 1 WHERE seal_id = 2",
        f"UPDATE {EVENTS} SET seal_id = 1, user_name = 'x' WHERE seal_id IS NULL",
        f"DELETE FROM {EVENTS}",
        f"UPDATE {SEALS} SET count = 1",
        f"DELETE FROM {SEALS}",
        f"UPDATE {LOG} SET reason = 'x'",
        f"DELETE FROM {LOG}",
        *(
            [f"TRUNCATE {table} CASCADE" for table in (EVENTS, SEALS, LOG)]
            if ON_POSTGRESQL
            else [
                f"REPLACE INTO {EVENTS} SELECT * FROM {EVENTS} LIMIT 1",
                f"REPLACE INTO {SEALS} SELECT * FROM {SEALS} LIMIT 1",
                f"REPLACE INTO {LOG} SELECT * FROM {LOG} LIMIT 1",
            ]
        ),
    ],
)
def test_sql_cannot_change_or_remove_what_is_written(
    log: list[AuditEvent], people: dict[str, User], sql: str
) -> None:
    AccessLog.write(people["qiye"], "reveal", "身份证号", reason="核对")
    if ON_POSTGRESQL:
        run("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE would not get as far as its trigger
    with pytest.raises(DatabaseError, match="审计记录"), transaction.atomic():
        run(sql)
    assert audit_seals.verify().good


def test_the_orm_offers_no_way_either(log: list[AuditEvent], people: dict[str, User]) -> None:
    entry, seal = AccessLog.write(people["qiye"], "reveal", "身份证号"), AuditSeal.objects.first()
    assert seal
    deeds: list[Callable[[], object]] = []
    for row in (log[0], seal, entry):
        manager: Any = type(row).objects
        deeds += [
            row.save, row.delete, manager.all().delete, partial(manager.update, at=timezone.now()),
            partial(manager.bulk_update, [row], ["at"]),
        ]  # fmt: skip
    for deed in deeds:
        with pytest.raises(TypeError, match="只能追加"), transaction.atomic():
            deed()
    raw: models.QuerySet[AuditEvent] = models.QuerySet(AuditEvent)
    with pytest.raises(IntegrityError), transaction.atomic():
        raw.filter(pk=log[0].pk).update(user_name="x")


@pytest.mark.django_db
def test_a_second_role_is_refused_by_the_database_too(people: dict[str, User]) -> None:
    def join(username: str, role: str, *, by_update: bool = False) -> None:
        office = Office.objects.filter(role=role).exclude(users=people[username]).first()
        assert office
        with transaction.atomic():
            if by_update:
                Membership.objects.filter(user=people[username]).update(office=office)
            else:
                Membership.objects.create(user=people[username], office=office)

    for username, role in [("shenji", "hr"), ("guanli", "security_admin"),
                           ("anquan", "audit_admin"), ("rs", "auditor"), ("qiye", "system_admin")]:  # fmt: skip
        with pytest.raises(IntegrityError, match="不得兼任"):
            join(username, role)
    join("rs", "street")  # roles of the business may be joined
    with pytest.raises(IntegrityError, match="不得兼任"):
        join("rs", "auditor", by_update=True)


def test_a_database_without_its_triggers_does_not_start(settings: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from xianning import checks

    checks.require_triggers()
    with undone():
        if ON_POSTGRESQL:
            run(f"ALTER TABLE {EVENTS} DISABLE TRIGGER audit_event_update")
        else:
            run("DROP TRIGGER audit_event_update")
        with pytest.raises(ImproperlyConfigured, match="audit_event_update"):
            checks.require_triggers()
        triggers.remove(connection)
        assert len(triggers.missing()) == len(triggers.statements(connection)[0])
        triggers.install(connection)
        triggers.install(connection)
        checks.require_triggers()


@pytest.mark.only("sqlite")  # which rebuilds a table to change it
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_migration_that_rebuilds_tables_leaves_the_triggers_in_place() -> None:
    audit.write("changed", object=("x", 1))
    triggers.before_migrate(plan=[])  # nothing to do: nothing is taken off
    assert not triggers.missing()
    triggers.before_migrate(plan=["a step"])
    for model in (Office, Membership, AuditSeal, AuditEvent):
        with connection.schema_editor() as editor:
            editor._remake_table(model)  # type: ignore[attr-defined]
    assert triggers.missing()
    triggers.after_migrate()
    assert not triggers.missing()
    with pytest.raises(IntegrityError, match="只能追加"):
        run(f"UPDATE {EVENTS} SET user_name = 'x'")
