"""The addresses of a host, resolved in threads of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from notifier.domain.faults import ChannelUnavailable

_THREADS = 8


class Addresses:
    """Resolves names as this host does.

    A name server that does not answer holds a thread for seconds: these threads are used for nothing
    else, so that nothing else waits.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhook-names")

    async def of(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, in the order in which they are to be tried; at least one.

        Args:
            host: a name, or an address.
            port: that will be connected to.

        Raises:
            ChannelUnavailable: the name has no address, or nobody knows now.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _resolved, host, port)
        except (OSError, UnicodeError) as error:
            raise ChannelUnavailable("The name of the host has no address.") from error
        if not found:
            raise ChannelUnavailable("The name of the host has no address.")
        return found

    def close(self) -> None:
        """Ends the threads; one that still waits for a name server ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
