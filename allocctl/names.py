"""Which allocation is meant: by its name, or by what its owner calls it."""

from __future__ import annotations

import re

from allocctl.failures import EXIT_NOT_FOUND, Failure

_ID = re.compile(r"^[a-z0-9]{8}$")


def full_name(said: str) -> str:
    """The resource name of the allocation that is meant.

    Args:
        said: `allocations/7f3k2m9q`, `7f3k2m9q`, or the display name of one of the caller's own.

    Raises:
        Failure: nothing is called so, or several are.
    """
    from allocator.allocations.v1 import (
        allocation_pb2,
        allocation_service_pb2,
        allocation_service_pb2_grpc,
    )

    from allocctl import session

    if said.startswith("allocations/"):
        return said
    stub = session.stub(allocation_service_pb2_grpc.AllocationServiceStub)
    request = allocation_service_pb2.ListAllocationsRequest(page_size=1000)
    called: list[allocation_pb2.Allocation] = []
    while True:
        page = stub.ListAllocations(
            request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
        )
        for one in page.allocations:
            if one.name == f"allocations/{said}":
                return str(one.name)
            if one.display_name == said:
                called.append(one)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if len(called) > 1:
        names = ", ".join(one.name.removeprefix("allocations/") for one in called)
        raise Failure(f"Several are called {said!r}; name one of {names}.")
    if called:
        return str(called[0].name)
    if _ID.match(said):
        # Somebody else's, for an admin, or one that is deleted: the server knows.
        return f"allocations/{said}"
    raise Failure(f"Nothing of yours is called {said!r}; see `allocctl ls`.", EXIT_NOT_FOUND)
