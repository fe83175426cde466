"""Why a fact comes to be: who asked, by which call, in which trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from chassis.bus.port import Record
from chassis.rpc.call import current_call
from chassis.telemetry import child_of, new_trace


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to a fact.

    Attributes:
        actor: the person who asked, `users/…`, or the service; empty where the service that tells of
            the fact did it by itself.
        method: the method that was called, `allocator.machines.v1.MachineService/PublishMachine`;
            empty where it was no call.
        trace: the W3C trace parent.
        as_admin: whether the person who asked is an admin.
    """

    actor: str
    method: str
    trace: str
    as_admin: bool = False


_followed: ContextVar[Cause | None] = ContextVar("followed_cause", default=None)


def present_cause() -> Cause:
    """The cause of what is done now: the call that is served, or the record that is consumed."""
    call = current_call.get()
    if call is not None:
        caller = call.caller
        return Cause(
            caller.user or caller.service, call.method.path[1:], call.trace, caller.is_admin
        )
    return _followed.get() or Cause("", "", new_trace())


def cause_of(record: Record) -> Cause:
    """The cause that a record was published with."""
    headers = record.headers
    return Cause(
        headers.get("actor", ""),
        headers.get("method", ""),
        headers.get("traceparent", ""),
        headers.get("actor-role") == "ADMIN",
    )


@contextmanager
def following(record: Record) -> Iterator[None]:
    """What is done in it has the cause of a record, in the record's trace."""
    first = cause_of(record)
    token = _followed.set(replace(first, trace=child_of(first.trace)))
    try:
        yield
    finally:
        _followed.reset(token)
