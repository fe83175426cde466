"""Following a console that may break: it is opened again where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from allocctl.failures import Failure, failure_of

if TYPE_CHECKING:
    from allocator.consoles.v1 import frame_pb2

PATIENCE_SECONDS = 60.0
"""How long it is tried to open a console again."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_ENDED = "TOKEN_EXPIRED"


def followed(
    open_at: Callable[[int], Any],
    cursor: int,
    *,
    patience: float = PATIENCE_SECONDS,
    say: Callable[[str], object] = lambda _: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Generator[frame_pb2.ServerFrame]:
    """The frames of a console, one after the other; no line is missed, and none comes twice.

    Args:
        open_at: opens the console at a cursor, and answers the call, which yields frames.
        cursor: where to begin.
        patience: how long a console that broke is tried to be opened, seconds.
        say: told, in a sentence, when it has broken.
        sleep: waits some seconds.

    Raises:
        Failure: there is no use in opening it again, or that did not succeed in time.
    """
    import grpc

    pause, broken = _FIRST_PAUSE_SECONDS, 0.0
    while True:
        call = open_at(cursor)
        failure = Failure("The console has ended without saying why.")
        wait = 0.0
        try:
            for frame in call:
                if frame.WhichOneof("frame") == "bye":
                    failure = Failure(frame.bye.message)
                    if not _may_be_opened_again(frame.bye):
                        raise failure
                    wait = frame.bye.retry_after.ToNanoseconds() / 1e9
                    break
                pause, broken = _FIRST_PAUSE_SECONDS, 0.0
                yield frame
                cursor = _after(frame) or cursor
        except grpc.RpcError as error:
            failure = failure_of(error)
            if not _is_broken(error):
                raise failure from None
        finally:
            call.cancel()
        now = time.monotonic()
        if not broken:
            broken = now
            say("the connection was lost; it is opened again")
        elif now - broken > patience:
            raise failure
        sleep(max(wait, pause))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _may_be_opened_again(bye: frame_pb2.Bye) -> bool:
    """Whether opening the console again helps: with a newer token, or when what is away is back."""
    return bye.HasField("retry_after") or bye.reason == _ENDED


def _is_broken(error: Any) -> bool:
    """Whether the connection broke, or something is away; not that the server said no."""
    import grpc
    from grpc_status import rpc_status

    return error.code() is grpc.StatusCode.UNAVAILABLE or rpc_status.from_call(error) is None


def _after(frame: frame_pb2.ServerFrame) -> int:
    """The number that comes after a frame; 0 for a frame that has no lines."""
    kind = frame.WhichOneof("frame")
    if kind == "gap":
        return int(frame.gap.last_seq) + 1
    if kind == "log":
        return int(frame.log.last_seq or frame.log.first_seq + len(frame.log.texts) - 1) + 1
    return 0
