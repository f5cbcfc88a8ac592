"""One standing person for each role and place; the real divisions; nothing written during GET."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from xianning import demo
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Divisions, fictitious enterprises and their offices, once for the whole run."""
    with django_db_blocker.unblock():
        load_world()
        # What a committed test starts from (see `serialized_rollback`).
        connection._test_serialized_contents = connection.creation.serialize_db_to_string()  # type: ignore[attr-defined]


def load_world() -> None:
    with open("/dev/null", "w") as quiet:
        call_command("load_demo", people=0, stdout=quiet)


@pytest.fixture(autouse=True)
def _own_files(settings: Any) -> Iterator[None]:
    """Uploaded and made files of a test go to a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings.MEDIA_ROOT = folder
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
    "enterprise": "qiye", "auditor": "shenji", "administrator": "guanli",
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
    """A browser in which USERNAME is signed in."""

    def signed_in(username: str) -> Client:
        client = Client()
        client.force_login(
            User.objects.get(username=username), "django.contrib.auth.backends.ModelBackend"
        )
        return client

    return signed_in
