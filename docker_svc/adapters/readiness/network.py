"""Probes over TCP."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence

from docker_svc.domain import HttpCheck, Target, TcpCheck

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM}


class NetworkReadiness:
    """Looks with a connection of its own each time.

    Args:
        connect_seconds: how long a connection may take before the target counts as unreachable.
        answer_seconds: how long an answer may take.
        linger_seconds: how long a connection to a published port must stay open. What publishes
            ports (docker-proxy, for one) may accept before the program listens, and then hangs up.
    """

    def __init__(
        self,
        connect_seconds: float = 0.3,
        answer_seconds: float = 1.0,
        linger_seconds: float = 0.1,
    ) -> None:
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._linger_seconds = linger_seconds

    async def answers(self, check: TcpCheck | HttpCheck, targets: Sequence[Target]) -> bool:
        """Looks once; the next target is tried only where one cannot be reached at all."""
        for target in targets:
            found = await self._look(check, target)
            if found is not None:
                return found
        return False

    async def _look(self, check: TcpCheck | HttpCheck, target: Target) -> bool | None:
        if isinstance(check, TcpCheck) and target.direct:
            return await self._accepts(target)
        try:
            async with asyncio.timeout(self._connect_seconds):
                reader, writer = await asyncio.open_connection(target.host, target.port)
        except TimeoutError:
            return None
        except OSError as error:
            return None if error.errno in _UNREACHABLE else False
        try:
            async with asyncio.timeout(self._answer_seconds):
                if isinstance(check, HttpCheck):
                    return await _get(reader, writer, check.path, target)
                return await self._stays_open(reader)
        except (OSError, TimeoutError, ValueError):
            return False
        finally:
            # A reset instead of a leisurely end: a probe leaves nothing behind on either side.
            writer.transport.abort()

    async def _accepts(self, target: Target) -> bool | None:
        """Connects and no more: half of what a stream costs, for every instance every few seconds."""
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(0)
            try:
                async with asyncio.timeout(self._connect_seconds):
                    await asyncio.get_running_loop().sock_connect(probe, (target.host, target.port))
            except TimeoutError:
                return None
            except OSError as error:
                return None if error.errno in _UNREACHABLE else False
        return True

    async def _stays_open(self, reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(self._linger_seconds):
                return bool(await reader.read(1))
        except TimeoutError:
            return True


async def _get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, target: Target
) -> bool:
    host = f"[{target.host}]" if ":" in target.host else target.host
    request = (
        f"GET {path or '/'} HTTP/1.1\r\nHost: {host}:{target.port}\r\n"
        "User-Agent: allocator-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    writer.write(request.encode("ascii", "replace"))
    line = await reader.readline()
    version, _, rest = line.partition(b" ")
    return version.startswith(b"HTTP/") and 200 <= int(rest[:3]) < 400
