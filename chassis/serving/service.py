"""What a service gives to the process that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.routing import BaseRoute

from chassis.leading import Leadership


@dataclass(frozen=True, slots=True)
class Task:
    """Work that a service does by itself, from the end of the start until the drain.

    Attributes:
        name: for logs and metrics, `allocation_svc.reconciler`.
        run: runs until it is cancelled. If it raises, the process stops, with that as its reason.
    """

    name: str
    run: Callable[[], Awaitable[None]]


def led(leadership: Leadership, *tasks: Task) -> list[Task]:
    """Tasks that run only while this replica leads, and the one that sees to that."""

    def only_while_leading(task: Task) -> Task:
        return Task(task.name, lambda: leadership.while_leading(task.run))

    keeping = Task(f"{leadership.service}.leadership", leadership.run)
    return [keeping, *(only_while_leading(task) for task in tasks)]


@dataclass(frozen=True, slots=True)
class Service:
    """A service, wired and ready to be served.

    Attributes:
        name: as in rules of the contract, `machines_svc`.
        servicers: the object that serves each gRPC service, by its full name.
        routes: HTTP beside what the contract says: WebSockets, key documents.
        tasks: what it does by itself.
        notes: what to tell the person who starts it, by a label of one or two words: which runtime
            was found, where mail goes.
        checks: the dependencies that /readyz shows, each by a function that answers None while it is
            well, or a sentence that says what is degraded. They never hold traffic away.
        take_over: waits for what one replica at a time may hold, and takes it. Until it returns, this
            replica stands by: health says NOT_SERVING of this service, so that calls go to the
            replica that holds it, and its tasks do not run. It sets the event where another replica
            is seen to hold on to it: then this process says that it is ready, to stand by.
    """

    name: str
    servicers: Mapping[str, object]
    routes: Sequence[BaseRoute] = ()
    tasks: Sequence[Task] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    take_over: Callable[[asyncio.Event], Awaitable[None]] | None = None
