"""A client of the odd contract's application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from tests.unit.chassis_rest.oddities import OddServicer, odd_app

Client = httpx2.AsyncClient


@pytest.fixture
def servicer() -> OddServicer:
    return OddServicer()


def client_of(app: Any, address: str = "203.0.113.9") -> Client:
    transport = httpx2.ASGITransport(app=app, client=(address, 5000))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def open_client(servicer: OddServicer) -> AsyncIterator[Callable[..., Client]]:
    """Makes clients of an application with these options."""
    made: list[Client] = []

    def make(address: str = "203.0.113.9", **options: Any) -> Client:
        made.append(client_of(odd_app(servicer, **options), address))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


@pytest.fixture
def client(open_client: Callable[..., Client]) -> Client:
    return open_client()
