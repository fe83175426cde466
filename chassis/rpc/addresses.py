"""The address of whoever calls, behind those who pass calls on."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import unquote

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(addresses: Collection[str]) -> tuple[Network, ...]:
    """The networks that these addresses and networks (`10.0.0.0/8`) are.

    Raises:
        ValueError: one is none.
    """
    return tuple(ipaddress.ip_network(one) for one in addresses)


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in trusted)


def client_address(
    peer: str, forwarded: str, trusted: tuple[Network, ...], *, by_edge: bool = False
) -> str:
    """The address of the client behind trusted proxies.

    Args:
        peer: the other end of the connection.
        forwarded: `X-Forwarded-For`; each proxy has appended whom it heard.
        trusted: the networks of the proxies. What others say of themselves is not believed.
        by_edge: whether the peer has shown the certificate of the edge, which is believed too.
    """
    address = peer
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    if by_edge and hops:
        address = hops.pop()
    while hops and is_trusted(address, trusted):
        address = hops.pop()
    return address


def address_of(peer: str) -> str:
    """The network address in what gRPC says of a peer, `ipv4:127.0.0.1:4711`."""
    scheme, _, rest = unquote(peer).partition(":")
    if scheme in ("ipv4", "ipv6"):
        return rest.rpartition(":")[0].strip("[]")
    return scheme
