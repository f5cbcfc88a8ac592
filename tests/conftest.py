"""One standing person for each role and place; the real divisions; nothing written during GET."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.factories import enter
from xianning import demo, triggers
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What concerns one database alone is not collected for the other: nothing is skipped."""
    other = [
        item for item in items
        if any(mark.args[0] != connection.vendor for mark in item.iter_markers("only"))
    ]  # fmt: skip
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Divisions, fictitious enterprises and their offices, once for the whole run."""
    with django_db_blocker.unblock():
        let_flush_pass()
        load_world()
        # What a committed test starts from (see `serialized_rollback`).
        connection._test_serialized_contents = _without_audit(  # type: ignore[attr-defined]
            connection.creation.serialize_db_to_string()
        )


def _without_audit(content: str) -> str:
    """The first committed test finds its rows in place, and those of the audit take no update."""
    kept = {f"xianning.{name}" for name in ("auditevent", "auditseal", "accesslog")}
    return json.dumps([row for row in json.loads(content) if row["model"] not in kept])


def let_flush_pass() -> None:
    """A committed test ends with a flush of all tables, which the triggers would refuse."""
    plain = connection.ops.sql_flush

    def sql_flush(*args: Any, **kwargs: Any) -> list[str]:
        if connection.vendor == "postgresql":
            return ["SET LOCAL session_replication_role = replica", *plain(*args, **kwargs)]
        off, on = triggers.statements(connection)
        return [*off, *plain(*args, **kwargs), *on]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]


def load_world() -> None:
    with open("/dev/null", "w") as quiet:
        call_command("load_demo", people=0, stdout=quiet)


@pytest.fixture(autouse=True)
def _own_files(settings: Any) -> Iterator[None]:
    """Uploaded and made files of a test go to a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings.MEDIA_ROOT = folder
        settings.AUDIT_ANCHORS = Path(folder) / "anchors"
        yield


class People(dict[str, User]):
    """Users by user name, read when first asked for."""

    def __missing__(self, username: str) -> User:
        self[username] = User.objects.get(username=username)
        return self[username]


# Who does what for the city's first demo enterprise and the community 桂花路.
BY_ROLE = {
    "sasac": "gzw", "hr": "rs", "insurance": "shebao", "medical": "yibao",
    "archives_office": "dangan", "street": "jiedao", "community": "shequ", "party": "dangzu",
    "enterprise": "qiye", "auditor": "shenji", "system_admin": "guanli",
    "security_admin": "anquan", "audit_admin": "shenjiguan",
}  # fmt: skip
assert set(BY_ROLE.values()) <= {office.username for office in demo.OFFICES}


@pytest.fixture
def people(db: None) -> People:
    return People()


@pytest.fixture
def staff(people: People) -> dict[str, User]:
    """Users by role."""
    return {role: people[username] for role, username in BY_ROLE.items()}


@pytest.fixture
def sign_in(db: None) -> Callable[[str], Client]:
    """A browser in which USERNAME is signed in with both factors and a fresh proof."""

    def signed_in(username: str) -> Client:
        return enter(Client(), User.objects.get(username=username))

    return signed_in


@pytest.fixture
def press(
    sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Callable[..., Any]
) -> Callable[..., Any]:
    """Post as USERNAME to the URL NAME; work that was queued is over afterwards."""

    def post(username: str, name: str, *args: object, **data: str) -> Any:
        client = sign_in(username)
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(reverse(name, args=args), data)

    return post
