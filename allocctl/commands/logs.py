"""Logs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from allocctl.failures import Failure
from allocctl.names import full_name
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.consoles.v1 import frame_pb2


def logs(
    name: Annotated[str, typer.Argument(help="Which allocation: its name, or what you call it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    tail: Annotated[
        int, typer.Option("--tail", "-n", help="So many lines from the end; 0: all.")
    ] = 200,
    times: Annotated[
        bool, typer.Option("--times", "-t", help="With the time of each line.")
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Check that no sequence number is missing or comes twice.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Shows the log of an allocation; says on standard error where lines are missing.

    Where the connection breaks, it goes on with the next line once it is there again.
    """
    from allocator.consoles.v1 import console_service_pb2, console_service_pb2_grpc

    from allocctl import session
    from allocctl.consoles import followed
    from allocctl.output import print_json
    from allocctl.sequence import SequenceBroken, SequenceChecker

    stub = session.stub(console_service_pb2_grpc.ConsoleServiceStub)
    full = full_name(name)
    newest = stub.ListLines(
        console_service_pb2.ListLinesRequest(name=full, cursor=-1),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    ).last_cursor
    if newest == 0 and not follow:
        return
    checker = SequenceChecker()
    frames = followed(
        lambda cursor: stub.FollowConsole(
            console_service_pb2.FollowConsoleRequest(name=full, cursor=cursor),
            metadata=session.signed_in(),
        ),
        -tail if tail else 0,
        say=lambda what: sys.stderr.write(f"[{what}]\n"),
    )
    try:
        for frame in frames:
            kind = frame.WhichOneof("frame")
            last = 0
            if kind == "log":
                last = frame.log.first_seq + len(frame.log.texts) - 1
                if check:
                    checker.feed(frame.log.first_seq, last)
                if output is Format.JSON:
                    print_json(frame.log)
                else:
                    _write(frame.log, times=times)
            elif kind == "gap":
                last = frame.gap.last_seq
                if check:
                    checker.feed(frame.gap.first_seq, frame.gap.last_seq, "gap")
                _say_gap(frame.gap)
            if not follow and last >= newest:
                break
    except SequenceBroken as error:
        raise Failure(str(error)) from None
    except KeyboardInterrupt:
        pass
    finally:
        frames.close()
    if check:
        sys.stderr.write(f"{checker.summary()}\n")


def _write(lines: frame_pb2.LogLines, *, times: bool) -> None:
    out = sys.stdout
    if times:
        for at, text in zip(lines.times, lines.texts, strict=True):
            stamp = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
            out.write(f"{stamp.replace('+00:00', 'Z')} {text}\n")
    else:
        out.write("\n".join(lines.texts) + "\n")
    out.flush()


def _say_gap(gap: frame_pb2.Gap) -> None:
    from allocator.consoles.v1 import frame_pb2

    cause = frame_pb2.Gap.Cause.Name(gap.cause).lower().replace("_", " ")
    sys.stderr.write(f"[lines {gap.first_seq} to {gap.last_seq} are missing: {cause}]\n")
