"""Whose address counts behind those who pass calls on."""

from __future__ import annotations

import pytest

from chassis.rpc.addresses import address_of, client_address, networks


@pytest.mark.parametrize(
    ("peer", "forwarded", "by_edge", "address"),
    [
        # Nobody is believed but the edge and the trusted proxies.
        ("203.0.113.9", "6.6.6.6", False, "203.0.113.9"),
        ("203.0.113.9", "6.6.6.6, 198.51.100.1", True, "198.51.100.1"),
        ("203.0.113.9", "", True, "203.0.113.9"),
        ("10.0.0.3", "6.6.6.6, 198.51.100.1, 10.0.0.7", False, "198.51.100.1"),
        # The edge itself stands behind a proxy that is trusted.
        ("172.17.0.2", "6.6.6.6, 198.51.100.1, 10.0.0.7", True, "198.51.100.1"),
        ("172.17.0.2", "10.0.0.7", True, "10.0.0.7"),
        ("unix", "6.6.6.6", False, "unix"),
    ],
)
def test_each_hop_is_believed_as_far_as_it_is_trusted(
    peer: str, forwarded: str, by_edge: bool, address: str
) -> None:
    trusted = networks(["10.0.0.0/8"])
    assert client_address(peer, forwarded, trusted, by_edge=by_edge) == address


def test_grpc_says_addresses_in_its_own_way() -> None:
    assert address_of("ipv4:127.0.0.1:4711") == "127.0.0.1"
    assert address_of("ipv6:%5B::1%5D:4711") == "::1"
    assert address_of("unix:") == "unix"
