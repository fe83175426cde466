"""Allocations and plans as JSON documents, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from allocation_svc.adapters.allocation_store.terms_document import terms_document, terms_of
from allocation_svc.domain.allocation import (
    Allocation,
    Desired,
    Endpoint,
    LastKnown,
    PlannedChange,
    Price,
    Protocol,
    State,
    StateReason,
    VariableValue,
)
from allocation_svc.domain.capacity import AMOUNTS, NOTHING_HELD, Amounts, Held, Holding
from allocation_svc.domain.crashes import NO_RESTARTS, RestartPolicy, Restarts
from allocation_svc.domain.instance import Limits, Volume
from allocation_svc.domain.machine import Plan
from allocation_svc.domain.volume import AllocationVolume
from chassis.clock import instant_of, millis_of

_DESIRED = {desired.value: desired for desired in Desired}
_STATES = {state.value: state for state in State}
_HOLDINGS = {holding.value: holding for holding in Holding}
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}


def document_of(allocation: Allocation) -> dict[str, Any]:
    """An allocation as it is kept; it holds no secret."""
    return {
        "name": allocation.name,
        "uid": allocation.uid,
        "owner": allocation.owner,
        "machine": allocation.machine,
        "machine_version": allocation.machine_version,
        "machine_title": allocation.machine_title,
        "display_name": allocation.display_name,
        "resource_class": allocation.resource_class,
        "desired": allocation.desired.value,
        "state": allocation.state.value,
        "state_time": millis_of(allocation.state_time),
        "create_time": millis_of(allocation.create_time),
        "update_time": millis_of(allocation.update_time),
        "delete_time": _millis(allocation.delete_time),
        "node": allocation.node,
        "variables": [[v.key, v.value, v.secret] for v in allocation.variables],
        "labels": dict(allocation.labels),
        "reason": _reason_document(allocation.reason),
        "endpoints": _endpoints_document(allocation.endpoints),
        "terms": terms_document(allocation.terms),
        "planned": _planned_document(allocation.planned),
        "scheduled_until": _millis(allocation.scheduled_until),
        "to_be_remade": allocation.to_be_remade,
        "leaving": _endpoints_document(allocation.leaving),
        "generation": allocation.generation,
        "observed_time": _millis(allocation.observed_time),
        "progress": allocation.progress,
        "version": allocation.version,
        "deadline": _millis(allocation.deadline),
        "incarnation": allocation.incarnation,
        "after_incarnation": allocation.after_incarnation,
        "asked": allocation.asked,
        "first_ready_time": _millis(allocation.first_ready_time),
        "last_known": _last_known_document(allocation.last_known),
        "recreated": [millis_of(time) for time in allocation.recreated],
        "port_tries": allocation.port_tries,
        "stop_grace_seconds": allocation.stop_grace_seconds,
        "probe_seconds": allocation.probe_seconds,
        "volumes": [[had.path, had.volume] for had in allocation.volumes],
        "keep_volumes": allocation.keep_volumes,
        "stop_reason": _reason_document(allocation.stop_reason),
        "placed_on": allocation.placed_on,
        "price": [allocation.price.currency, allocation.price.amount] if allocation.price else None,
        "needs": _amounts_document(allocation.needs),
        "held": _held_document(allocation.held),
        "admitted": allocation.admitted,
        "restart_policy": allocation.restart_policy.value,
        "machine_restart_policy": allocation.machine_restart_policy.value,
        "restart_unhealthy": allocation.restart_unhealthy,
        "restarts": _restarts_document(allocation.restarts),
    }


def allocation_of(document: Mapping[str, Any]) -> Allocation:
    """The allocation that a document was made of."""
    return Allocation(
        name=document["name"],
        uid=document["uid"],
        owner=document["owner"],
        machine=document["machine"],
        machine_version=document["machine_version"],
        machine_title=document["machine_title"],
        display_name=document["display_name"],
        resource_class=document["resource_class"],
        desired=_DESIRED[document["desired"]],
        state=_STATES[document["state"]],
        state_time=instant_of(document["state_time"]),
        create_time=instant_of(document["create_time"]),
        update_time=instant_of(document["update_time"]),
        delete_time=_instant(document["delete_time"]),
        node=document["node"],
        variables=tuple(VariableValue(*value) for value in document["variables"]),
        labels=document["labels"],
        reason=_reason(document["reason"]),
        endpoints=_endpoints(document["endpoints"]),
        terms=terms_of(document.get("terms")),
        planned=_planned(document.get("planned")),
        scheduled_until=_instant(document.get("scheduled_until")),
        to_be_remade=document.get("to_be_remade", False),
        leaving=_endpoints(document.get("leaving", ())),
        generation=document["generation"],
        observed_time=_instant(document["observed_time"]),
        progress=document["progress"],
        version=document["version"],
        deadline=_instant(document["deadline"]),
        incarnation=document["incarnation"],
        after_incarnation=document["after_incarnation"],
        asked=document["asked"],
        first_ready_time=_instant(document["first_ready_time"]),
        last_known=_last_known(document["last_known"]),
        recreated=tuple(instant_of(millis) for millis in document["recreated"]),
        port_tries=document["port_tries"],
        stop_grace_seconds=document["stop_grace_seconds"],
        probe_seconds=document["probe_seconds"],
        volumes=tuple(AllocationVolume(*had) for had in document.get("volumes", ())),
        keep_volumes=document.get("keep_volumes", False),
        stop_reason=_reason(document.get("stop_reason")),
        placed_on=document.get("placed_on", ""),
        price=Price(*document["price"]) if document.get("price") else None,
        needs=Amounts(*document.get("needs", (1,))),
        held=_held(document),
        admitted=document.get("admitted", True),
        restart_policy=RestartPolicy(document.get("restart_policy", "NEVER")),
        machine_restart_policy=RestartPolicy(document.get("machine_restart_policy", "NEVER")),
        restart_unhealthy=document.get("restart_unhealthy", False),
        restarts=_restarts(document.get("restarts")),
    )


@lru_cache(maxsize=512)
def allocation_of_text(text: str) -> Allocation:
    """The allocation of a document as the database has it.

    The same text gives the same object: a row that has not changed since it was last read costs its
    read only.
    """
    return allocation_of(orjson.loads(text))


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan as it is kept."""
    return {
        "image": plan.image,
        "command": list(plan.command),
        "limits": [plan.limits.cpu_millis, plan.limits.memory_bytes, plan.limits.pids],
        "tcp_port": plan.tcp_port,
        "http_port": plan.http_port,
        "http_path": plan.http_path,
        "log_pattern": plan.log_pattern,
        "probe_seconds": plan.probe_seconds,
        "stop_grace_seconds": plan.stop_grace_seconds,
        "run_as": plan.run_as,
        "stop_signal": plan.stop_signal,
        "volumes": [[volume.path, volume.size_mib, volume.volume] for volume in plan.volumes],
        "liveness_seconds": plan.liveness_seconds,
        "liveness_failures": plan.liveness_failures,
    }


def plan_of(document: Mapping[str, Any]) -> Plan:
    """The plan that a document was made of."""
    return Plan(
        **{
            **document,
            "command": tuple(document["command"]),
            "limits": Limits(*document["limits"]),
            "volumes": tuple(Volume(*volume) for volume in document.get("volumes", ())),
        }
    )


def _endpoints_document(endpoints: Sequence[Endpoint]) -> list[list[Any]]:
    return [
        [e.host, e.port, e.protocol.value, e.container_port, e.title, e.scheme] for e in endpoints
    ]


def _endpoints(document: Sequence[Sequence[Any]]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(host, port, _PROTOCOLS[protocol], container_port, title, scheme)
        for host, port, protocol, container_port, title, scheme in document
    )


def _millis(instant: datetime | None) -> int | None:
    return None if instant is None else millis_of(instant)


def _instant(millis: int | None) -> datetime | None:
    return None if millis is None else instant_of(millis)


def _restarts_document(restarts: Restarts) -> list[Any] | None:
    if restarts == NO_RESTARTS:
        return None
    return [
        restarts.count,
        restarts.in_a_row,
        [millis_of(time) for time in restarts.times],
        _millis(restarts.planned),
        restarts.incarnation,
    ]


def _restarts(document: Sequence[Any] | None) -> Restarts:
    if document is None:
        return NO_RESTARTS
    count, in_a_row, times, planned, incarnation = document
    return Restarts(
        count, in_a_row, tuple(instant_of(time) for time in times), _instant(planned), incarnation
    )


def _reason_document(reason: StateReason | None) -> dict[str, Any] | None:
    if reason is None:
        return None
    return {
        "reason": reason.reason,
        "message": reason.message,
        "exit_code": reason.exit_code,
        "out_of_memory": reason.out_of_memory,
        "last_lines": list(reason.last_lines),
    }


def _reason(document: Mapping[str, Any] | None) -> StateReason | None:
    if document is None:
        return None
    return StateReason(**{**document, "last_lines": tuple(document["last_lines"])})


def _planned_document(planned: PlannedChange | None) -> dict[str, Any] | None:
    if planned is None:
        return None
    return {
        "time": millis_of(planned.time),
        "desired": planned.desired.value,
        "reason": _reason_document(planned.reason),
        "warn_time": _millis(planned.warn_time),
        "warned": planned.warned,
    }


def _planned(document: Mapping[str, Any] | None) -> PlannedChange | None:
    if document is None:
        return None
    reason = _reason(document["reason"])
    assert reason is not None
    return PlannedChange(
        instant_of(document["time"]),
        _DESIRED[document["desired"]],
        reason,
        _instant(document["warn_time"]),
        document["warned"],
    )


def _last_known_document(known: LastKnown | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {
        "state": known.state.value,
        "state_time": millis_of(known.state_time),
        "reason": _reason_document(known.reason),
    }


def _last_known(document: Mapping[str, Any] | None) -> LastKnown | None:
    if document is None:
        return None
    return LastKnown(
        _STATES[document["state"]],
        instant_of(document["state_time"]),
        _reason(document["reason"]),
    )


def _amounts_document(amounts: Amounts) -> list[int]:
    return [getattr(amounts, name) for name in AMOUNTS]


def _held_document(held: Held) -> list[Any]:
    return [held.holding.value, held.node, _amounts_document(held.amounts)]


def _held(document: Mapping[str, Any]) -> Held:
    if "held" not in document:
        return NOTHING_HELD
    holding, node, amounts = document["held"]
    return Held(_HOLDINGS[holding], node, Amounts(*amounts))
