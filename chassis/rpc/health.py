"""The health service: whether calls shall come, asked once or watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

_Response = health_pb2.HealthCheckResponse


class Health:
    """Serves `grpc.health.v1.Health`; its watchers are let go when the server stops.

    The library's own keeps them until the server's grace is over, so that each drain would take all of it.
    """

    def __init__(self) -> None:
        """Knows of no service yet."""
        self._serving: Mapping[str, bool] = {}
        self._news = asyncio.Event()
        self._is_over = False

    def say(self, serving: Mapping[str, bool]) -> None:
        """Says of every service whether calls shall come."""
        self._serving = serving
        self._tell()

    def end(self) -> None:
        """Lets those go who watch."""
        self._is_over = True
        self._tell()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 — as in the contract
        """As the contract says."""
        status = self._status(request.service)
        if status == _Response.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service here.")
        return _Response(status=status)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """As the contract says."""
        found = {name: _Response(status=self._status(name)) for name in self._serving}
        return health_pb2.HealthListResponse(statuses=found)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """As the contract says."""
        said = None
        while not self._is_over:
            news, status = self._news, self._status(request.service)
            if status != said:
                said = status
                yield _Response(status=status)
            await news.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "This server is stopping.")

    def _status(self, service: str) -> int:
        serving = self._serving.get(service)
        if serving is None:
            return int(_Response.SERVICE_UNKNOWN)
        return int(_Response.SERVING if serving else _Response.NOT_SERVING)

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()
