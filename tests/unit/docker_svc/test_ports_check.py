"""Looking whether ports are free."""

from __future__ import annotations

import socket

import pytest

from docker_svc.adapters.container_runtime.ports_check import answers_at, check_ports
from docker_svc.domain import InstanceSpec, Limits, PortTaken, Protocol, PublishedPort

NOWHERE = "192.0.2.1"
"""An address that is for examples only: no host has it (RFC 5737)."""


def spec_with(port: int, protocol: Protocol = Protocol.TCP) -> InstanceSpec:
    return InstanceSpec(Limits(100, 1 << 20, 10), ports=(PublishedPort(80, port, protocol),))


@pytest.mark.parametrize("protocol", Protocol)
def test_a_port_is_taken_while_something_listens_and_free_afterwards(protocol: Protocol) -> None:
    kind = socket.SOCK_STREAM if protocol is Protocol.TCP else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if protocol is Protocol.TCP:
            taken.listen()
        with pytest.raises(PortTaken, match=str(port)):
            check_ports("127.0.0.1", spec_with(port, protocol))
    check_ports("127.0.0.1", spec_with(port, protocol))


def test_ports_of_an_address_that_is_not_of_this_host_are_not_said_to_be_taken() -> None:
    """As seen from a container: only the engine, which has the address, can tell."""
    check_ports(NOWHERE, spec_with(8080))


@pytest.mark.parametrize(
    ("bound", "answers"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")],
)
def test_what_is_bound_to_every_address_answers_at_loopback(bound: str, answers: str) -> None:
    assert answers_at(bound) == answers
