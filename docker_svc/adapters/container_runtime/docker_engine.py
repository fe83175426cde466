"""The connection to a Docker engine: deadlines, and its failures in our words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.domain import (
    EngineRefused,
    EngineUnavailable,
    ImageNotFound,
    PortTaken,
    ProgramNotStarted,
)

T = TypeVar("T")

DEFAULT_SOCKETS = (Path("/var/run/docker.sock"), Path("/run/docker.sock"))
_AWAY = "The container engine does not answer. Nothing is lost; it goes on when the engine is back."
_CONNECT_SECONDS = 5.0


def engine_url() -> str:
    """Where the engine is: `DOCKER_HOST`, else the usual socket."""
    given = os.environ.get("DOCKER_HOST", "")
    if given:
        return given
    found = next((s for s in DEFAULT_SOCKETS if s.is_socket()), DEFAULT_SOCKETS[0])
    return f"unix://{found}"


class _Engine(Docker):
    """The client, but that it lets go of an answer when nobody reads it any more.

    Its own only forgets it: the connection of a stream that was not read to its end stays open, and
    the engine goes on measuring, or sending, until the container has ended.
    """

    @asynccontextmanager
    async def _query(self, *args: Any, **kwargs: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with super()._query(*args, **kwargs) as response:
            try:
                yield response
            finally:
                response.close()


def open_engine(url: str) -> Docker:
    """A client of an engine; nothing is sent yet. Its version of the API is negotiated at first use."""
    # No limit on connections: each watcher of stats holds one, and waiting for a free one behind
    # them would keep a stop from the engine. They are bounded by those who ask.
    connector: aiohttp.BaseConnector | None = None
    if url.startswith("unix://"):
        connector = aiohttp.UnixConnector(url.removeprefix("unix://"), limit=0)
        # With a connector of ours, the client wants a host to name in its requests.
        url = "unix://localhost"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    return _Engine(url=url, connector=connector, timeout=timeout)


async def engine_answers(url: str, seconds: float = 3.0) -> bool:
    """Whether an engine answers there within some seconds."""
    docker = open_engine(url)
    try:
        async with asyncio.timeout(seconds):
            await docker.version()
    except (DockerError, aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return False
    else:
        return True
    finally:
        await docker.close()
        await docker.connector.close()


@asynccontextmanager
async def asked(seconds: float) -> AsyncIterator[None]:
    """One question to the engine, which must be answered within some seconds.

    Raises:
        EngineUnavailable: it was not, or the engine has an error of its own.
        DockerError: the engine says no; for the caller to translate.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except DockerError as error:
        if error.status in (900, 502, 503, 504):
            raise EngineUnavailable(_AWAY, retry_after=1.0) from error
        raise
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise EngineUnavailable(_AWAY, retry_after=1.0) from error


@asynccontextmanager
async def told(seconds: float) -> AsyncIterator[None]:
    """One question to which the engine has no reason to say no.

    Raises:
        EngineUnavailable: it did not answer in time, or said no.
    """
    try:
        async with asked(seconds):
            yield
    except DockerError as error:
        raise EngineUnavailable(
            f"The container engine cannot tell: {_sentence(error.message)}", retry_after=1.0
        ) from error


async def to_its_end(work: Awaitable[T]) -> T:
    """Runs what must not stop in the middle: a caller that is cancelled waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


def says_no_image(error: DockerError) -> bool:
    """Whether the engine lacks the image that a container shall be made from."""
    return error.status == 404 and "no such image" in error.message.lower()


def image_fault(image: str, error: DockerError) -> ImageNotFound:
    """Why an image could not be fetched."""
    return ImageNotFound(
        f"The image {image} cannot be fetched: {_sentence(error.message)} "
        "Correct the image of the machine, or log the engine in to its registry.",
        image=image,
    )


def start_fault(
    error: DockerError,
) -> PortTaken | ProgramNotStarted | EngineRefused | EngineUnavailable:
    """Why a container could not be made or started, by the engine's words."""
    text = error.message.lower()
    if "port is already allocated" in text or "address already in use" in text:
        return PortTaken("Something else listens on the port. Another one is tried by itself.")
    program = (
        "executable file not found",
        "exec format error",
        "no such file or directory: unknown",
        "permission denied: unknown",
        "is a directory: unknown",
        "no command specified",
        "unable to find user",
    )
    if any(words in text for words in program):
        return ProgramNotStarted(f"The program cannot be started: {_sentence(error.message)}")
    if "is shutting down" in text:
        return EngineUnavailable(_AWAY, retry_after=1.0)
    return EngineRefused(f"The engine refused: {_sentence(error.message)}")


def _sentence(text: str) -> str:
    """The engine's words in one line, at most 500 characters."""
    line = " ".join(str(text).split())[:500]
    return line if line.endswith(".") else line + "."
