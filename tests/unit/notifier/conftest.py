"""notifier as it is composed, over a real bus; the directory is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allocator.allocations.v1 import allocation_pb2
from allocator.directory.v1 import directory_service_pb2
from allocator.machines.v1 import machine_pb2
from allocator.notifications.v1 import (
    notification_pb2,
    notification_service_pb2,
    notification_service_pb2_grpc,
)
from allocator.timeline.v1 import dead_letter_pb2, timeline_facts_pb2
from allocator.users.v1 import user_facts_pb2, user_pb2
from google.protobuf.message import Message

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.faults import NotFound, Unavailable
from chassis.identity import Caller
from notifier.composition import compose
from notifier.settings import Settings
from tests.composed import PATIENCE, Composed, begin_service

ADA = Caller(user="users/ada", verified=True, token="ada")
BOB = Caller(user="users/bob", verified=True, token="bob")


class StandInDirectory:
    """Knows who there is."""

    def __init__(self) -> None:
        self.users: dict[str, user_pb2.User] = {}
        self.machines: dict[str, machine_pb2.Machine] = {}
        self.away = False

    async def GetUser(self, request, call):
        if self.away:
            raise Unavailable("away")
        if request.name not in self.users:
            raise NotFound("nobody", reason="USER_NOT_FOUND")
        return directory_service_pb2.GetUserResponse(user=self.users[request.name])

    async def GetMachine(self, request, call):
        if request.name not in self.machines:
            raise NotFound("none", reason="MACHINE_NOT_FOUND")
        return directory_service_pb2.GetMachineResponse(machine=self.machines[request.name])

    async def GetAllocation(self, request, call):
        raise AssertionError

    async def ListAllocations(self, request, call):
        raise AssertionError


@dataclass
class World(Composed):
    """notifier, and the ways to it."""

    directory: StandInDirectory = field(default_factory=StandInDirectory)

    def person(self, name: str, **more: Any) -> user_pb2.User:
        """Somebody whom the directory knows."""
        user = user_pb2.User(
            name=f"users/{name}",
            email=f"{name}@example.org",
            verified=True,
            email_verified=True,
            state=user_pb2.User.ACTIVE,
            **more,
        )
        self.directory.users[user.name] = user
        return user

    async def publish(
        self,
        noun: str,
        fact: Message,
        key: str,
        version: int = 1,
        *,
        resource: Message | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """Publishes a fact as its owner does; the record of the fact."""
        records = fact_records(
            noun=noun,
            source="test",
            fact=fact,
            resource=resource,
            key=key,
            version=version,
            now=datetime.now(UTC) - ago,
        )
        # Without a state the second one would say that the resource is gone.
        await self.bus.publish(records if resource is not None else records[:1])
        return records[0]

    async def allocation(
        self, fact: Any, version: int, *, name: str = "allocations/a1b2", **more: Any
    ) -> Record:
        """Publishes a fact about an allocation of ada's."""
        ago = more.pop("ago", timedelta(0))
        beside = {name: more.pop(name) for name in ("planned",) if name in more}
        one = allocation_pb2.Allocation(
            name=name, owner="users/ada", machine_title="Redis", host="h", port=32001, **more
        )
        return await self.publish(
            "allocations", fact(allocation=one, **beside), name, version, ago=ago
        )

    async def ask(self, method: str, request: Message, caller: Caller = ADA) -> Any:
        """Calls a method as a person."""
        stub = notification_service_pb2_grpc.NotificationServiceStub
        path = f"/allocator.notifications.v1.NotificationService/{method}"
        return await self.call_method(stub, path, request, caller)

    async def inbox(self, caller: Caller = ADA) -> list[notification_pb2.Notification]:
        """What a person was told, the oldest first."""
        request = notification_service_pb2.ListNotificationsRequest()
        answer = await self.ask("ListNotifications", request, caller)
        return list(reversed(answer.notifications))

    async def told(self, *kinds: str, caller: Caller = ADA) -> list[notification_pb2.Notification]:
        """The inbox once these are in it, in this order, and nothing else."""

        async def is_so() -> bool:
            return [one.kind for one in await self.inbox(caller)] == list(kinds)

        await self.until(is_so)
        return await self.inbox(caller)

    async def mails(self, count: int) -> list[str]:
        """The mails once there are so many."""

        async def is_so() -> bool:
            return len(await asyncio.to_thread(read)) >= count

        def read() -> list[str]:
            return [one.read_text() for one in sorted((self.folder / "mailbox").glob("*.eml"))]

        await self.until(is_so)
        return read()

    async def admin(self, caller: Caller = BOB) -> None:
        """Makes somebody an admin, and returns once notifier knows."""
        user = self.person(caller.user.partition("/")[2])
        user.roles.append(user_pb2.User.ADMIN)
        fact = user_facts_pb2.UserRolesChanged(user=user)
        await self.publish("users", fact, user.name, 2, resource=user)
        letter = dead_letter_pb2.DeadLetter(
            name="deadLetters/1", group="broker.directory", reason="INTERNAL_ERROR", key="users/x"
        )
        added = timeline_facts_pb2.DeadLetterAdded(dead_letter=letter)
        async with asyncio.timeout(PATIENCE):
            number = 0
            # Roles are learnt beside the facts; until then nobody is there to be told.
            while not await self.inbox(caller):
                await self.publish("timeline", added, f"deadLetters/{number}")
                number += 1

    async def marker(self, number: int = 99) -> None:
        """Has a fact consumed that comes after all before: what is not told by then is not told."""
        fact = user_facts_pb2.UserVerified(user=self.person(f"marker{number}"))
        marker = Caller(user=f"users/marker{number}", token=f"marker{number}")
        await self.publish("users", fact, marker.user)
        await self.told("WELCOME", caller=marker)


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """notifier with ada and bob, consuming; a parameter has further settings."""
    directory = StandInDirectory()
    async with AsyncExitStack() as exits:
        composed = await begin_service(
            compose,
            Settings,
            {"ALLOCATOR_NOTIFIER_DIGEST_SPAN_SECONDS": "0.2", **getattr(request, "param", {})},
            tmp_path,
            exits,
            stand_ins={"allocator.directory.v1.DirectoryService": directory},
            people=(
                ADA,
                BOB,
                *(Caller(user=f"users/marker{n}", token=f"marker{n}") for n in (98, 99)),
            ),
        )
        made = World(
            composed.service,
            composed.chain,
            composed.open_channel,
            composed.bus,
            composed.folder,
            composed.tasks,
            directory=directory,
        )
        made.person("ada")
        made.person("bob")
        made.begin("notices", "people", "digesting", "email", "leadership")
        yield made
        await made.end_tasks()
