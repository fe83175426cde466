"""Port leases in SQL: unique by their key, found without looking at all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from allocation_svc.domain.allocation import Endpoint, Protocol
from allocation_svc.domain.faults import PortsExhausted
from allocation_svc.schema.tables import PORT_LEASES
from chassis.sql import Prepared

_WINDOW = 64

_COLUMNS = PORT_LEASES.c
_IN_USE = Prepared(
    select(_COLUMNS.port).where(
        _COLUMNS.node == bindparam("of_node"),
        _COLUMNS.protocol == bindparam("of_protocol"),
        _COLUMNS.port.between(bindparam("first"), bindparam("last")),
        or_(_COLUMNS.allocation != "", _COLUMNS.free_time > bindparam("now")),
    )
)
_RESTED = Prepared(
    delete(PORT_LEASES).where(
        _COLUMNS.node == bindparam("of_node"),
        _COLUMNS.protocol == bindparam("of_protocol"),
        _COLUMNS.port == bindparam("of_port"),
        _COLUMNS.allocation == "",
        _COLUMNS.free_time <= bindparam("now"),
    )
)
_NEW = insert(PORT_LEASES)
_RELEASE = (
    update(PORT_LEASES)
    .where(_COLUMNS.allocation == bindparam("of_allocation"))
    .values(allocation="", free_time=bindparam("until"))
)
_RELEASE_ONE = (
    update(PORT_LEASES)
    .where(
        _COLUMNS.allocation == bindparam("of_allocation"),
        _COLUMNS.protocol == bindparam("of_protocol"),
        _COLUMNS.port == bindparam("of_port"),
    )
    .values(allocation="", free_time=bindparam("until"))
)


class PortLeases:
    """Leases ports of a range, within somebody else's transaction."""

    def __init__(self, ports: range, below: Callable[[int], int] = random.randrange) -> None:
        """Leases from a range.

        Args:
            ports: those that may be leased.
            below: a random number from 0 to below its argument: where the search begins, so that a
                released port is not the next one to be leased, and few look at the same one.
        """
        self._ports = ports
        self._below = below

    @property
    def size(self) -> int:
        """How many ports there are of each protocol."""
        return len(self._ports)

    def lease(
        self,
        connection: Connection,
        node: str,
        protocols: Sequence[Protocol],
        allocation: str,
        now: datetime,
    ) -> list[int]:
        """Leases a free port for each protocol.

        Raises:
            PortsExhausted: none is free; the transaction must not be committed.
        """
        return [self._one(connection, node, each, allocation, now) for each in protocols]

    def release(self, connection: Connection, allocation: str, until: datetime) -> None:
        """Gives all ports of an allocation back; they rest until then."""
        connection.execute(_RELEASE, {"of_allocation": allocation, "until": until})

    def release_some(
        self,
        connection: Connection,
        allocation: str,
        endpoints: Sequence[Endpoint],
        until: datetime,
    ) -> None:
        """Gives some ports of an allocation back; they rest until then."""
        of = {"of_allocation": allocation, "until": until}
        for one in endpoints:
            port = {"of_protocol": one.protocol.value, "of_port": one.port}
            connection.execute(_RELEASE_ONE, {**of, **port})

    def _one(
        self,
        connection: Connection,
        node: str,
        protocol: Protocol,
        allocation: str,
        now: datetime,
    ) -> int:
        of = {"of_node": node, "of_protocol": protocol.value, "now": now}
        for window in self._windows():
            bounds = {"first": window[0], "last": window[-1]}
            in_use = {port for (port,) in _IN_USE.rows(connection, {**of, **bounds})}
            for port in window:
                if port not in in_use and _taken(connection, of, port, allocation):
                    return port
        raise PortsExhausted

    def _windows(self) -> Iterator[range]:
        """The range in pieces, from a random place on and around."""
        start = self._below(len(self._ports))
        for part in (self._ports[start:], self._ports[:start]):
            for first in range(0, len(part), _WINDOW):
                yield part[first : first + _WINDOW]


def _taken(connection: Connection, of: Mapping[str, object], port: int, allocation: str) -> bool:
    _RESTED.change(connection, {**of, "of_port": port})
    try:
        connection.execute(
            _NEW,
            {
                "node": of["of_node"],
                "protocol": of["of_protocol"],
                "port": port,
                "allocation": allocation,
                "free_time": None,
            },
        )
    except IntegrityError:
        # Another transaction was faster: on a server, where they run side by side.
        return False
    return True
