"""Ports of loopback for what tests start."""

from __future__ import annotations

import itertools
import os
import secrets
import socket

# One is not given twice, also while nobody listens there yet: neither here, nor by another worker.
_GIVEN: set[int] = set()
_EACH = 2_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw4").removeprefix("gw"))
_FIRST = 10_000 + _EACH * _WORKER
# Those that the kernel gives out begin at 32768; those that are leased by default are from 20000 on.
_LEASED = range(22_000 + _EACH * _WORKER, 22_000 + _EACH * (_WORKER + 1))
_TURN = itertools.count()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, or a connection that has ended a minute ago would count as one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port of loopback, which no connection is given by chance while nobody listens there."""
    while True:
        port = _FIRST + secrets.randbelow(_EACH)
        if port not in _GIVEN and _is_free(port):
            _GIVEN.add(port)
            return port


def free_range(size: int = 200) -> str:
    """A range of ports, `24000-24199`, that nobody uses, and no connection is given by chance.

    Args:
        size: how many, 200 at most.
    """
    slots = len(_LEASED) // 200
    for turn in itertools.islice(_TURN, slots):
        ports = _LEASED[turn % slots * 200 :][:size]
        if all(map(_is_free, ports)):
            return f"{ports[0]}-{ports[-1]}"
    raise AssertionError(f"no {size} ports in {_LEASED} are free")
