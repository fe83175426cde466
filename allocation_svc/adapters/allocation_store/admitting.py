"""Letting allocations in, as a whole or not at all, within one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from allocation_svc.adapters.allocation_store import queue_rows, quota_rows, tallies
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.domain.allocation import Allocation, Endpoint, Protocol, State, StateReason
from allocation_svc.domain.capacity import AMOUNTS, NOTHING_HELD
from allocation_svc.domain.faults import NO_ROOM, NeverFits, PortsExhausted
from allocation_svc.domain.machine import MachinePort
from allocation_svc.domain.queue import waiting
from allocation_svc.domain.room import NO_BOUNDS, Room, refuse_what_never_fits
from allocation_svc.ports.allocation_store import Claim


class Admitting:
    """Takes what an allocation needs, in the transaction that writes it."""

    def __init__(self, leases: PortLeases) -> None:
        """Leases ports from there."""
        self._leases = leases

    def admit(self, connection: Connection, claim: Claim, now: datetime) -> Allocation:
        """A new allocation as it is to be written, with all that it needs or with a place in the queue.

        Raises:
            NeverFits, QuotaExceeded, QueueFull: it cannot be.
            CapacityExhausted, OthersWait, StockExhausted, PortsExhausted: there is no room, and it
                does not wait. The transaction must not be committed.
        """
        begun, room = claim.allocation, claim.room
        quota = quota_rows.bounds_of(connection, begun.owner, room)
        refuse_what_never_fits(begun.needs, quota, room.most)
        self.refuse_too_many_ports(claim.ports)
        queued = replace(begun, state=State.PENDING, admitted=False).holds
        tallies.move(connection, begun.owner, begun.machine, NOTHING_HELD, queued, quota=quota)
        begun = replace(begun, held=queued)
        try:
            queue_rows.refuse_to_overtake(connection, begun.machine, claim.stock)
            entered = self.enter(connection, begun, claim.ports, claim.host, claim.stock, room, now)
        except NO_ROOM as fault:
            if claim.wait is None:
                raise
            reason = StateReason(fault.reason, fault.message)
            begun = waiting(replace(begun, admitted=False), now, reason, claim.wait.deadline)
            place = queue_rows.enter(
                connection,
                begun.name,
                begun.owner,
                begun.machine,
                waiting_for=fault.reason,
                claim=_claim_document(claim.ports, claim.host, claim.stock),
                limit=room.queue_limit,
                now=now,
            )
            return replace(begun, queue=place)
        return entered

    def enter(  # noqa: PLR0917 - what is taken, and of what
        self,
        connection: Connection,
        allocation: Allocation,
        ports: Sequence[MachinePort],
        host: str,
        stock: int,
        room: Room,
        now: datetime,
    ) -> Allocation:
        """Takes its place in stock, its node's capacity and its ports.

        Args:
            connection: in the transaction that writes the allocation.
            allocation: as it is once it is admitted, but for its ports and what is counted for it.
            ports: to lease.
            host: what people are shown as the host of the ports.
            stock: how many of the machine there are; 0 for no limit.
            room: what the node has to give.
            now: the present.

        Raises:
            CapacityExhausted, StockExhausted, PortsExhausted: there is no room; nothing has changed.
        """
        before, after = allocation.held, allocation.holds
        of = (connection, allocation.owner, allocation.machine)
        tallies.move(*of, before, after, capacity=room.capacity, stock=stock)
        try:
            leased = self._leases.lease(
                connection,
                allocation.node,
                [port.protocol for port in ports],
                allocation.name,
                now,
            )
        except PortsExhausted:
            tallies.move(*of, after, before)
            self._leases.release(connection, allocation.name, now)
            raise
        endpoints = tuple(
            Endpoint(host, number, port.protocol, port.number, port.title, port.scheme)
            for port, number in zip(ports, leased, strict=True)
        )
        return replace(allocation, held=after, endpoints=endpoints or allocation.endpoints)

    def promote(
        self, connection: Connection, begun: Allocation, room: Room, now: datetime
    ) -> Allocation | None:
        """One that has waited, as it is to be written with all that it needs.

        Args:
            connection: in the transaction that writes the allocation.
            begun: as it is once it is admitted, but for its ports and what is counted for it.
            room: what the node has to give.
            now: the present.

        Returns:
            None where it does not wait any more.

        Raises:
            NeverFits: the node does not have so much any more.
            CapacityExhausted, StockExhausted, PortsExhausted: there is no room yet. In each case the
                transaction must not be committed.
        """
        claim = queue_rows.claim_of(connection, begun.name)
        if claim is None:
            return None
        refuse_what_never_fits(begun.needs, NO_BOUNDS, room.most)
        ports, host, stock = _claim_of(claim)
        entered = self.enter(connection, begun, ports, host, stock, room, now)
        queue_rows.leave(connection, begun.name, now, admitted=True)
        return entered

    def count(
        self, connection: Connection, after: Allocation, room: Room | None, now: datetime
    ) -> Allocation:
        """Counts what a change makes of what an allocation holds, and of its place in the queue.

        Args:
            connection: in the transaction that has written the change.
            after: as it was written, with what was held for it before.
            room: the limits of what it takes more; None where that is not looked at.
            now: the present.

        Returns:
            The allocation with what is counted for it, and with its place where it waits now.

        Raises:
            NeverFits, QuotaExceeded, CapacityExhausted, OthersWait, QueueFull: there is no room; the
                transaction must not be committed.
        """
        before, held = after.held, after.holds
        if held == before:
            return after
        place = None
        if before.waits and not held.waits:
            queue_rows.leave(connection, after.name, now, admitted=False)
        if room is None:
            tallies.move(connection, after.owner, after.machine, before, held)
        else:
            quota = quota_rows.bounds_of(connection, after.owner, room)
            refuse_what_never_fits(after.needs, quota, room.most)
            more = held.of_node - before.of_node
            if any(getattr(more, name) > 0 for name in AMOUNTS):
                queue_rows.refuse_to_overtake(connection, after.machine, 0)
            tallies.move(
                connection,
                after.owner,
                after.machine,
                before,
                held,
                quota=quota,
                capacity=room.capacity,
            )
        if held.waits and not before.waits:
            place = queue_rows.enter(
                connection,
                after.name,
                after.owner,
                after.machine,
                waiting_for=after.reason.reason if after.reason else "CAPACITY_EXHAUSTED",
                claim=_claim_document((), "", 0),
                limit=room.queue_limit if room else 2**31,
                now=now,
            )
        return replace(after, held=held, queue=place)

    def refuse_too_many_ports(self, ports: Sequence[MachinePort | Endpoint]) -> None:
        """Refuses what wants more ports than there are.

        Raises:
            NeverFits: it does.
        """
        for protocol in Protocol:
            wanted = sum(port.protocol is protocol for port in ports)
            if wanted > self._leases.size:
                raise NeverFits("instances", wanted, self._leases.size, "ports")


def _claim_document(ports: Sequence[MachinePort], host: str, stock: int) -> dict[str, Any]:
    return {
        "ports": [[port.number, port.protocol.value, port.title, port.scheme] for port in ports],
        "host": host,
        "stock": stock,
    }


def _claim_of(document: Mapping[str, Any]) -> tuple[tuple[MachinePort, ...], str, int]:
    ports = tuple(
        MachinePort(number, Protocol(protocol), title, scheme)
        for number, protocol, title, scheme in document["ports"]
    )
    return ports, document["host"], document["stock"]
