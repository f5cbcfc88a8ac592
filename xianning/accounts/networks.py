"""From where the three administrators may work: the setting ADMIN_NETWORKS (等保 CES-19)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import PermissionDenied

from xianning import access
from xianning.roles import ADMINISTRATORS

if TYPE_CHECKING:
    from django.http import HttpRequest

REFUSAL = "管理员只能在规定的管理网络内办公，您现在的网络地址不在其中。请换到管理终端再试。"


def problem() -> str | None:
    """What is wrong with the setting, as a sentence for whoever deploys; None if nothing."""
    try:
        _networks()
    except ValueError as reason:
        return f"ADMIN_NETWORKS 应为逗号分隔的网段，例如 10.1.2.0/24,2001:db8::/48（{reason}）。"
    return None


def _networks() -> list[IPv4Network | IPv6Network]:
    """Raises ValueError for what is no network, also for one with bits behind its mask."""
    return [ip_network(text) for text in settings.ADMIN_NETWORKS]


def covers(text: str) -> bool:
    """Whether the address TEXT lies in a network of the list; all do when there is no list."""
    if not settings.ADMIN_NETWORKS:
        return True
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # how a dual socket tells IPv4
        address = address.ipv4_mapped
    return any(address in network for network in _networks())


def require(request: HttpRequest) -> None:
    """Raises PermissionDenied, which the audit notes, when the browser is somewhere else."""
    if not covers(access.client_address(request)):
        raise PermissionDenied(REFUSAL)


def require_of_administrators(request: HttpRequest) -> None:
    """The same for administrators only: every page of theirs. Raises PermissionDenied."""
    if access.scope(request.user).roles & ADMINISTRATORS:
        require(request)
