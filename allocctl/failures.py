"""What went wrong, in a sentence and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXIT_FAILED = 1
EXIT_NOT_LOGGED_IN = 3
EXIT_NOT_FOUND = 4
EXIT_AWAY = 5


class Failure(Exception):
    """A command has failed; the message says why and what to do."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        """Keeps the sentence and the code with which the process ends."""
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def shown_failures() -> Iterator[None]:
    """Turns what a call ended with into a Failure.

    Raises:
        Failure: the server said no, or cannot be reached.
    """
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        raise failure_of(error) from None


def reason_of(error: object) -> str:
    """Why a call has failed, as in the closed list of reasons; empty where the server did not say."""
    import grpc
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        said = error_details_pb2.ErrorInfo()
        if detail.Unpack(said):
            return str(said.reason)
    return ""


def failure_of(error: object) -> Failure:
    """The failure that a call's error stands for."""
    import grpc
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    assert isinstance(error, grpc.Call)
    code = error.code()
    said = error.details() or "The server did not say why."
    status = rpc_status.from_call(error)
    lines = [said]
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            lines += [f"  {one.field}: {one.description}" for one in bad.field_violations]
    if status is None and code is grpc.StatusCode.UNAVAILABLE:
        lines = [
            "The allocator cannot be reached. Is it up? Start it with `allocctl up`, or name "
            "another address with --server."
        ]
    exit_code = {
        grpc.StatusCode.UNAUTHENTICATED: EXIT_NOT_LOGGED_IN,
        grpc.StatusCode.NOT_FOUND: EXIT_NOT_FOUND,
        grpc.StatusCode.UNAVAILABLE: EXIT_AWAY,
    }.get(code, EXIT_FAILED)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        lines.append("Log in with `allocctl login`.")
    return Failure("\n".join(lines), exit_code)
