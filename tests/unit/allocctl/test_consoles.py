"""A console that breaks is opened again where it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from allocator.consoles.v1 import console_service_pb2 as service_pb2
from allocator.consoles.v1 import console_service_pb2_grpc, frame_pb2

from allocctl.consoles import followed
from allocctl.failures import Failure

Step = Callable[[Any], Iterator[frame_pb2.ServerFrame]]


def log(first: int, *texts: str) -> frame_pb2.ServerFrame:
    return frame_pb2.ServerFrame(log=frame_pb2.LogLines(first_seq=first, texts=texts))


def gap(first: int, last: int) -> frame_pb2.ServerFrame:
    return frame_pb2.ServerFrame(gap=frame_pb2.Gap(first_seq=first, last_seq=last))


def bye(reason: str, retry_after: float | None = None) -> frame_pb2.ServerFrame:
    frame = frame_pb2.ServerFrame(bye=frame_pb2.Bye(reason=reason, message=f"bye: {reason}"))
    if retry_after is not None:
        frame.bye.retry_after.FromNanoseconds(int(retry_after * 1e9))
    return frame


def says(*frames: frame_pb2.ServerFrame) -> Step:
    return lambda _context: iter(frames)


def breaks(code: grpc.StatusCode, *frames: frame_pb2.ServerFrame) -> Step:
    def step(context: Any) -> Iterator[frame_pb2.ServerFrame]:
        yield from frames
        context.abort(code, "broken")

    return step


@dataclass
class Server(console_service_pb2_grpc.ConsoleServiceServicer):
    """Plays one step for each console that is opened."""

    steps: list[Step] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)

    def FollowConsole(self, request: Any, context: Any) -> Iterator[frame_pb2.ServerFrame]:
        self.cursors.append(request.cursor)
        return self.steps.pop(0)(context)


@pytest.fixture
def server() -> Iterator[tuple[Server, Any]]:
    served = Server()
    running = grpc.server(futures.ThreadPoolExecutor(2))
    console_service_pb2_grpc.add_ConsoleServiceServicer_to_server(served, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield served, console_service_pb2_grpc.ConsoleServiceStub(channel)
    running.stop(0).wait()


class Follower:
    """Follows a console, and keeps what came and how long it waited."""

    def __init__(self, server: tuple[Server, Any], steps: Sequence[Step]) -> None:
        server[0].steps = list(steps)
        self.cursors = server[0].cursors
        self.stub = server[1]
        self.came: list[str] = []
        self.waits: list[float] = []
        self.said: list[str] = []

    def run(self, cursor: int, patience: float = 60.0) -> None:
        frames = followed(
            lambda at: self.stub.FollowConsole(service_pb2.FollowConsoleRequest(cursor=at)),
            cursor,
            patience=patience,
            say=self.said.append,
            sleep=self.waits.append,
        )
        for frame in frames:
            self.came += frame.log.texts
            if frame.HasField("gap"):
                self.came.append(f"gap to {frame.gap.last_seq}")


def test_it_goes_on_behind_the_last_line_or_gap(server: tuple[Server, Any]) -> None:
    follower = Follower(
        server,
        [
            says(log(7, "a", "b"), bye("SERVICE_STOPPING", 1.0)),
            breaks(grpc.StatusCode.UNAVAILABLE, log(9, "c")),
            says(gap(10, 14), bye("DEPENDENCY_UNAVAILABLE", 0.1)),
            says(log(15, "d"), bye("ALLOCATION_NOT_FOUND")),
        ],
    )
    with pytest.raises(Failure, match="bye: ALLOCATION_NOT_FOUND"):
        follower.run(-5)
    assert follower.came == ["a", "b", "c", "gap to 14", "d"]
    assert follower.cursors == [-5, 9, 10, 15]
    assert follower.waits == [1.0, 0.2, 0.2]
    assert len(follower.said) == 3


def test_where_nothing_came_it_begins_where_it_was_to(server: tuple[Server, Any]) -> None:
    follower = Follower(
        server,
        [
            breaks(grpc.StatusCode.INTERNAL),
            says(),
            says(bye("TOKEN_EXPIRED")),
            says(log(1, "a"), bye("TOO_MANY_CONSOLES")),
        ],
    )
    with pytest.raises(Failure, match="TOO_MANY_CONSOLES"):
        follower.run(-200)
    assert follower.cursors == [-200] * 4
    assert follower.waits == [0.2, 0.4, 0.8]
    assert follower.said == ["the connection was lost; it is opened again"]


def test_lines_that_a_filter_held_back_are_not_asked_for_again(server: tuple[Server, Any]) -> None:
    filtered = frame_pb2.ServerFrame(
        log=frame_pb2.LogLines(first_seq=3, texts=["x"], seqs=[3], last_seq=20)
    )
    follower = Follower(server, [says(filtered, bye("A", 0.1)), says(bye("B"))])
    with pytest.raises(Failure):
        follower.run(1)
    assert follower.cursors == [1, 21]


def test_its_patience_has_an_end(server: tuple[Server, Any]) -> None:
    follower = Follower(server, [breaks(grpc.StatusCode.UNAVAILABLE)] * 3)
    with pytest.raises(Failure, match="cannot be reached"):
        follower.run(1, patience=0.0)
    assert len(follower.cursors) == 2


def test_what_is_refused_is_not_tried_again(server: tuple[Server, Any]) -> None:
    def refuses(context: Any) -> Iterator[frame_pb2.ServerFrame]:
        from google.rpc import code_pb2, status_pb2
        from grpc_status import rpc_status

        status = status_pb2.Status(code=code_pb2.NOT_FOUND, message="There is no such allocation.")
        context.abort_with_status(rpc_status.to_status(status))
        yield

    follower = Follower(server, [refuses])
    with pytest.raises(Failure, match="There is no such allocation"):
        follower.run(1)
    assert follower.waits == []
