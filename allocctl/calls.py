"""Calls by the person who is logged in: one answer, or a list page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from allocctl import session

if TYPE_CHECKING:
    from google.protobuf.message import Message

_PAGE = 1000


def call(stub: Any, method: str, request: Message) -> Any:
    """What the server answers.

    Args:
        stub: the class of the service's stub.
        method: its name.
        request: what is asked.

    Raises:
        grpc.RpcError: the server has refused it, or does not answer.
        Failure: nobody is logged in.
    """
    asked = getattr(session.stub(stub), method)
    return asked(request, timeout=session.CALL_SECONDS, metadata=session.signed_in())


def listed(stub: Any, method: str, request: Any, field: str, most: int = 0) -> Iterator[Any]:
    """What a list has, over all its pages.

    Args:
        stub: the class of the service's stub.
        method: its name.
        request: what is asked; its page is changed.
        field: of the answer, which has the entries.
        most: so many at most; 0 for all.

    Raises:
        grpc.RpcError: the server has refused it, or does not answer.
        Failure: nobody is logged in.
    """
    left = most
    while True:
        request.page_size = min(_PAGE, left) if most else _PAGE
        page = call(stub, method, request)
        for one in getattr(page, field):
            yield one
            left -= 1
            if most and not left:
                return
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return


def named(collection: str, said: str) -> str:
    """The resource name of what a person calls by its last part or whole: `webhooks/a1b2`."""
    return said if said.startswith(f"{collection}/") else f"{collection}/{said}"
