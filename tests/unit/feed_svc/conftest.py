"""feed_svc as it is composed, over real calls; machines_svc and broker alone are stand-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from allocator.directory.v1 import directory_service_pb2
from allocator.feed.v1 import feed_pb2, feed_service_pb2, feed_service_pb2_grpc
from allocator.machines.v1 import machine_pb2
from google.protobuf.message import Message

from chassis.faults import Fault, NotFound
from chassis.identity import NOBODY, Caller
from feed_svc.composition import compose
from feed_svc.settings import Settings
from tests.composed import Composed, begin_service

REDIS = "machines/redis"
ADMIN = Caller(user="users/root", verified=True, roles=frozenset({"ADMIN"}), token="root")
ADA = Caller(user="users/ada", verified=True, token="ada")
BOB = Caller(user="users/bob", verified=True, token="bob")
NEW = Caller(user="users/new", token="new")
CROWD = tuple(Caller(user=f"users/p{n}", verified=True, token=f"p{n}") for n in range(50))


class Machines:
    """Stands in for machines_svc: everybody sees what it has, and admins its drafts."""

    def __init__(self) -> None:
        self.active = {REDIS, "machines/echo"}
        self.drafts: set[str] = set()
        self.fault: Fault | None = None

    async def GetMachine(self, request, call) -> machine_pb2.Machine:
        if self.fault:
            raise self.fault
        seen = self.active | self.drafts if call.caller.is_admin else self.active
        if request.name not in seen:
            raise NotFound("There is no such machine.", reason="MACHINE_NOT_FOUND")
        return machine_pb2.Machine(name=request.name, title="A machine")

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)

        async def unused(request, call):
            raise AssertionError(name)

        return unused


class Directory:
    """Stands in for broker's directory: who has rented what, by the name of the allocation."""

    def __init__(self) -> None:
        self.rented: dict[str, tuple[str, str]] = {}
        self.fault: Fault | None = None

    async def ListAllocations(self, request, call):
        if self.fault:
            raise self.fault
        answer = directory_service_pb2.ListAllocationsResponse()
        for name, (owner, machine) in self.rented.items():
            if (owner, machine) == (request.owner, request.machine):
                answer.entries.add().allocation.name = name
        return answer

    async def GetAllocation(self, request, call):
        if self.fault:
            raise self.fault
        if request.name not in self.rented:
            raise NotFound("There is none.", reason="ALLOCATION_NOT_FOUND")
        answer = directory_service_pb2.GetAllocationResponse()
        answer.allocation.name = request.name
        answer.allocation.owner, answer.allocation.machine = self.rented[request.name]
        return answer

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)

        async def unused(request, call):
            raise AssertionError(name)

        return unused


@dataclass
class World(Composed):
    """feed_svc, and the ways to it."""

    machines: Machines = field(default_factory=Machines)
    directory: Directory = field(default_factory=Directory)

    async def call(self, method: str, request: Message, caller: Caller = NOBODY) -> Any:
        """Calls a method as a person."""
        stub = feed_service_pb2_grpc.FeedServiceStub
        path = f"/allocator.feed.v1.FeedService/{method}"
        return await self.call_method(stub, path, request, caller, "nobody")

    async def comment(
        self,
        text: str = "Good.",
        caller: Caller = ADA,
        machine: str = REDIS,
        request_id: str = "",
        **parts: Any,
    ) -> feed_pb2.Comment:
        """Says something."""
        request = feed_service_pb2.CreateCommentRequest(
            parent=machine, comment=feed_pb2.Comment(text=text, **parts), request_id=request_id
        )
        made = await self.call("CreateComment", request, caller)
        assert isinstance(made, feed_pb2.Comment)
        return made

    async def comments(self, machine: str = REDIS, **page: Any) -> Any:
        """A page of comments."""
        request = feed_service_pb2.ListCommentsRequest(parent=machine, **page)
        return await self.call("ListComments", request)

    async def replies(self, name: str, **page: Any) -> Any:
        """A page of replies."""
        request = feed_service_pb2.ListRepliesRequest(parent=name, **page)
        return await self.call("ListReplies", request)

    async def get_comment(self, name: str) -> feed_pb2.Comment:
        """Reads a comment."""
        found = await self.call("GetComment", feed_service_pb2.GetCommentRequest(name=name))
        assert isinstance(found, feed_pb2.Comment)
        return found

    async def edit(
        self, name: str, text: str, caller: Caller = ADA, etag: str = "", paths: Any = ()
    ) -> Any:
        """Changes a comment."""
        request = feed_service_pb2.UpdateCommentRequest(
            comment=feed_pb2.Comment(name=name, text=text, etag=etag)
        )
        request.update_mask.paths.extend(paths)
        return await self.call("UpdateComment", request, caller)

    async def delete_comment(self, name: str, caller: Caller = ADA, etag: str = "") -> Any:
        """Deletes a comment."""
        request = feed_service_pb2.DeleteCommentRequest(name=name, etag=etag)
        return await self.call("DeleteComment", request, caller)

    async def review(
        self,
        stars: int = 4,
        text: str = "",
        caller: Caller = ADA,
        machine: str = REDIS,
        etag: str = "",
    ) -> feed_pb2.Review:
        """Writes a review, as somebody who has rented the machine."""
        self.directory.rented.setdefault(f"allocations/{caller.token}aaaa", (caller.user, machine))
        review = feed_pb2.Review(name=f"{machine}/reviews/me", stars=stars, text=text, etag=etag)
        written = await self.call(
            "SetReview", feed_service_pb2.SetReviewRequest(review=review), caller
        )
        assert isinstance(written, feed_pb2.Review)
        return written

    async def get_review(self, name: str, caller: Caller = NOBODY) -> feed_pb2.Review:
        """Reads a review."""
        found = await self.call("GetReview", feed_service_pb2.GetReviewRequest(name=name), caller)
        assert isinstance(found, feed_pb2.Review)
        return found

    async def reviews(self, machine: str = REDIS, **page: Any) -> Any:
        """A page of reviews."""
        request = feed_service_pb2.ListReviewsRequest(parent=machine, **page)
        return await self.call("ListReviews", request)

    async def delete_review(self, name: str, caller: Caller = ADA, etag: str = "") -> Any:
        """Deletes a review."""
        request = feed_service_pb2.DeleteReviewRequest(name=name, etag=etag)
        return await self.call("DeleteReview", request, caller)

    async def vote(self, direction: str, caller: Caller = ADA, machine: str = REDIS) -> Any:
        """Votes."""
        vote = feed_pb2.Vote(
            name=f"{machine}/votes/me", direction=feed_pb2.Vote.Direction.Value(direction)
        )
        return await self.call("SetVote", feed_service_pb2.SetVoteRequest(vote=vote), caller)

    async def get_vote(self, caller: Caller = ADA, machine: str = REDIS) -> feed_pb2.Vote:
        """Reads one's vote."""
        request = feed_service_pb2.GetVoteRequest(name=f"{machine}/votes/me")
        found = await self.call("GetVote", request, caller)
        assert isinstance(found, feed_pb2.Vote)
        return found

    async def clear(self, caller: Caller = ADA, machine: str = REDIS) -> Any:
        """Withdraws a vote."""
        request = feed_service_pb2.ClearVoteRequest(name=f"{machine}/votes/me")
        return await self.call("ClearVote", request, caller)

    async def summary(self, machine: str = REDIS, caller: Caller = NOBODY) -> feed_pb2.FeedSummary:
        """What a feed adds up to."""
        request = feed_service_pb2.GetSummaryRequest(name=f"{machine}/feedSummary")
        found = await self.call("GetSummary", request, caller)
        assert isinstance(found, feed_pb2.FeedSummary)
        return found

    async def summaries(self, *machines: str, caller: Caller = NOBODY) -> Any:
        """What several feeds add up to."""
        request = feed_service_pb2.BatchGetSummariesRequest(machines=machines)
        return await self.call("BatchGetSummaries", request, caller)


async def begin_world(folder: Path, exits: AsyncExitStack, **settings: str) -> World:
    """Composes the service over a data folder and serves it."""
    machines, directory = Machines(), Directory()
    # Few tests are about limits; the others write more than people do.
    given = {"words_burst": "1000", "votes_burst": "1000", **settings}
    composed = await begin_service(
        compose,
        Settings,
        {f"ALLOCATOR_FEED_{name.upper()}": value for name, value in given.items()},
        folder,
        exits,
        stand_ins={
            "allocator.machines.v1.MachineService": machines,
            "allocator.directory.v1.DirectoryService": directory,
        },
        people=(ADMIN, ADA, BOB, NEW, *CROWD),
    )
    return World(**vars(composed), machines=machines, directory=directory)


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Begins the service over the same data folder, with these settings."""
    async with AsyncExitStack() as exits:
        yield lambda **settings: begin_world(tmp_path, exits, **settings)


@pytest.fixture
async def world(begin: Callable[..., Awaitable[World]]) -> World:
    """The service with nothing said yet, its tasks not begun."""
    return await begin()
