"""等保 CES-19: the three administrators work from listed networks, everybody else from anywhere."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.conftest import BY_ROLE
from xianning.accounts import networks
from xianning.models import AuditEvent, Installation, Membership

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ["10.1.2.0/24", "192.0.2.7", "2001:db8:5::/48"]
ADMINISTRATORS = ("system_admin", "security_admin", "audit_admin")
PAGES = {
    "system_admin": ("home", "users", "offices", "grants", "communities:areas", "account"),
    "security_admin": ("home", "grants", "exports", "permissions", "sessions", "alive"),
    "audit_admin": ("home", "audit", "audit_state", "leaks", "password_change", "second_factor"),
}


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.ADMIN_NETWORKS = LIST


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.0", True), ("10.1.2.255", True), ("10.1.3.0", False), ("192.0.2.7", True),
        ("192.0.2.8", False), ("2001:db8:5::1", True), ("2001:DB8:5:ffff::", True),
        ("2001:db8:6::1", False), ("::ffff:10.1.2.9", True), ("::ffff:10.1.3.9", False),
        ("::1", False), ("127.0.0.1", False), ("", False), ("10.1.2.9:443", False),
        ("10.1.2.9, 1.2.3.4", False), ("unknown", False), ("010.1.2.9", False),
    ],
)  # fmt: skip
def test_an_address_is_in_the_list_or_not(address: str, inside: bool) -> None:
    assert networks.covers(address) is inside


@pytest.mark.django_db
@pytest.mark.parametrize("role", ADMINISTRATORS)
def test_pages_of_an_administrator_answer_only_to_listed_addresses(
    role: str, sign_in: Callable[[str], Client], settings: Any
) -> None:
    client = sign_in(BY_ROLE[role])
    for name in PAGES[role]:
        for address, statuses in (("10.1.2.9", {200}), ("2001:db8:5::9", {200}), ("10.1.3.9", {403}),
                                  ("2001:db8:6::9", {403}), ("not an address", {403})):  # fmt: skip
            answer = client.get(reverse(name), REMOTE_ADDR=address)
            assert answer.status_code in statuses, (name, address)
            told = networks.REFUSAL in answer.content.decode()
            assert told == (answer.status_code == 403), (name, address)
    refused = AuditEvent.objects.filter(action="refused", user__username=BY_ROLE[role])
    assert refused.count() == 3 * len(PAGES[role])
    # What is sent is refused as well, and leaving is not.
    for name, status in (("sessions_end", 403), ("sign_out", 302)):
        assert client.post(reverse(name), REMOTE_ADDR="10.1.3.9").status_code == status
    settings.ADMIN_NETWORKS = []
    assert sign_in(BY_ROLE[role]).get(reverse("home"), REMOTE_ADDR="10.1.3.9").status_code == 200


@pytest.mark.django_db
def test_the_address_is_the_one_that_the_trusted_proxy_wrote(
    sign_in: Callable[[str], Client], settings: Any
) -> None:
    client, page = sign_in("guanli"), reverse("users")

    def status(forwarded: str, address: str = "127.0.0.1") -> int:
        return client.get(
            page, REMOTE_ADDR=address, headers={"x-forwarded-for": forwarded}
        ).status_code

    assert status("10.1.2.9") == 403  # nobody is believed who is not a proxy of ours
    assert status("8.8.8.8", "10.1.2.9") == 200
    settings.TRUSTED_PROXIES = 1
    assert status("10.1.2.9") == 200
    assert status("2001:db8:5::9") == 200
    assert status("10.1.2.9, 8.8.8.8") == 403  # the first entry is what the stranger wrote
    assert status("8.8.8.8, 10.1.2.9") == 200
    assert status("") == 403
    settings.TRUSTED_PROXIES = 2
    assert status("10.1.2.9, 192.0.2.200") == 200
    assert status("8.8.8.8, 192.0.2.7") == 403


@pytest.mark.django_db
def test_nobody_else_is_bound_to_the_list(sign_in: Callable[[str], Client]) -> None:
    for role in sorted(BY_ROLE.keys() - set(ADMINISTRATORS)):
        answer = sign_in(BY_ROLE[role]).get(reverse("home"), REMOTE_ADDR="8.8.8.8")
        assert answer.status_code == 200, role
    assert Client().get(reverse("sign_in"), REMOTE_ADDR="8.8.8.8").status_code == 200


@pytest.mark.django_db
def test_the_first_administrators_are_let_in_from_the_list() -> None:
    Membership.objects.all().delete()
    until = timezone.now() + timedelta(hours=1)
    Installation.objects.update_or_create(
        id=1, defaults={"is_demo": False, "setup_digest": "0" * 64, "setup_until": until}
    )
    page = reverse("setup")
    assert Client().get(page, REMOTE_ADDR="10.1.2.9").status_code == 200
    answer = Client().get(page, REMOTE_ADDR="8.8.8.8")
    assert (answer.status_code, networks.REFUSAL in answer.content.decode()) == (403, True)


def test_a_wrong_list_is_told_as_a_sentence(settings: Any) -> None:
    assert networks.problem() is None
    for text in ("10.1.2.3/24", "intranet", "10.0.0.0/33", "*"):
        settings.ADMIN_NETWORKS = [text]
        assert text in (networks.problem() or ""), text
