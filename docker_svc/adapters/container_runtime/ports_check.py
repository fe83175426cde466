"""Ports of this host: whether they are free, and where they answer."""

from __future__ import annotations

import contextlib
import errno
import socket

from docker_svc.domain import InstanceSpec, PortTaken, Protocol


def answers_at(address: str) -> str:
    """Where on this host that answers which is bound to an address: each of them is loopback too."""
    return "127.0.0.1" if address in ("0.0.0.0", "::", "") else address  # noqa: S104 - compared with


def check_ports(address: str, spec: InstanceSpec) -> None:
    """Looks whether the ports of a spec are free on this host, without holding them.

    Args:
        address: what they will be bound to.
        spec: whose ports.

    Raises:
        PortTaken: one is not.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in spec.ports:
        kind = socket.SOCK_STREAM if port.protocol is Protocol.TCP else socket.SOCK_DGRAM
        with contextlib.closing(socket.socket(family, kind)) as probe:
            if kind is socket.SOCK_STREAM:
                # Connections that have ended a moment ago do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port.host_port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    continue  # not an address of ours: whoever binds it finds out
                raise PortTaken(
                    f"Something else listens on port {port.host_port}. "
                    "Another one is tried by itself.",
                    port=str(port.host_port),
                ) from error
