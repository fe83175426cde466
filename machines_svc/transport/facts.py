"""What has happened to machines, as it goes onto the bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from allocator.machines.v1 import machine_facts_pb2
from google.protobuf.message import Message

from chassis.bus import Record
from chassis.bus.facts import fact_records
from machines_svc.domain.availability import Availability
from machines_svc.domain.facts import (
    Fact,
    MachineCreated,
    MachineDeleted,
    MachinePublished,
    MachineRejected,
    MachineRetired,
    MachineSubmitted,
    MachineUpdated,
)
from machines_svc.domain.machine import Standing
from machines_svc.transport.mapping import message_of

_FACTS: dict[type[Fact], type[Message]] = {
    MachineCreated: machine_facts_pb2.MachineCreated,
    MachineUpdated: machine_facts_pb2.MachineUpdated,
    MachineSubmitted: machine_facts_pb2.MachineSubmitted,
    MachineRejected: machine_facts_pb2.MachineRejected,
    MachinePublished: machine_facts_pb2.MachinePublished,
    MachineRetired: machine_facts_pb2.MachineRetired,
}


def records_of(fact: Fact) -> Sequence[Record]:
    """A fact as it goes onto the bus: the fact itself, and what is then so.

    What a runtime can run is a matter of the moment, and what others make of a machine is theirs to
    say, so these are in neither.
    """
    machine = replace(fact.machine, standing=Standing())
    resource = message_of(machine, Availability.UNKNOWN)
    if isinstance(fact, MachineDeleted):
        return fact_records(
            noun="machines",
            source="machines_svc",
            fact=machine_facts_pb2.MachineDeleted(name=machine.name),
            resource=None,
            key=machine.name,
            version=machine.version + 1,
            now=fact.time,
        )
    return fact_records(
        noun="machines",
        source="machines_svc",
        fact=_FACTS[type(fact)](machine=resource),
        resource=resource,
        key=machine.name,
        version=machine.version,
        now=machine.update_time,
    )
