"""Asks the process whose settings these are how it is, for the health check of a container.

`python -m chassis.probe` exits with 0 where calls can come, and with 1 where not; with `--live` it asks
only whether the process is alive, and with `--within 25` it asks again for so many seconds until all is
well: a process that starts is seen to be ready at once, not at the next check. It reads the settings
that the process reads, shows the process's own certificate where there is TLS, and imports nothing that
takes time: it runs every few seconds, for each replica. Not even http.client, which costs as much again
as everything else here.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DEFAULT_ADDRESS = "127.0.0.1:8080"
_TIMEOUT_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_MOST_BYTES = 8192
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 — to be replaced


def problem_of(environment: Mapping[str, str], path: str) -> str:
    """What is wrong with the process; empty where nothing is.

    Args:
        environment: with the settings of the process.
        path: what to ask for, `/readyz`.
    """
    address = environment.get("ALLOCATOR_HTTP_ADDRESS") or DEFAULT_ADDRESS
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    folder = environment.get("ALLOCATOR_TLS_DIR")
    try:
        said = _asked((_EVERYWHERE.get(host, host), int(port)), path, folder)
    except (OSError, ValueError) as error:
        return f"{address} does not answer: {error}"
    head, _, body = said.partition("\r\n\r\n")
    status = head.partition(" ")[2].partition(" ")[0]
    return "" if status == "200" else f"{path} says {status}: {body.strip()}"


def _asked(at: tuple[str, int], path: str, folder: str | None) -> str:
    """What is answered, the status line first.

    Raises:
        OSError: nobody answers, or in no time.
    """
    with socket.create_connection(at, timeout=_TIMEOUT_SECONDS) as raw:
        connection = _context(Path(folder)).wrap_socket(raw) if folder else raw
        with connection:
            name = f"[{at[0]}]" if ":" in at[0] else at[0]
            request = f"GET {path} HTTP/1.1\r\nHost: {name}:{at[1]}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode("ascii"))
            said = b""
            while len(said) < _MOST_BYTES and (piece := connection.recv(_MOST_BYTES)):
                said += piece
    if not said:
        raise ConnectionError("the connection was closed")
    return said.decode("utf-8", "replace")


def _context(folder: Path) -> ssl.SSLContext:
    """Trusts who the process trusts, and shows its certificate; it is asked by address, not by name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def _environment(arguments: Sequence[str]) -> dict[str, str]:
    """The environment, over the settings file that the arguments name."""
    given: dict[str, str] = {}
    if "--settings" in arguments:
        from dotenv import dotenv_values

        file = arguments[arguments.index("--settings") + 1]
        given = {name: value or "" for name, value in dotenv_values(file).items()}
    return {**given, **os.environ}


def main() -> None:
    """Asks, and exits with the answer."""
    arguments = sys.argv[1:]
    environment = _environment(arguments)
    path = "/livez" if "--live" in arguments else "/readyz"
    within = float(arguments[arguments.index("--within") + 1]) if "--within" in arguments else 0.0
    until = time.monotonic() + within
    while problem := problem_of(environment, path):
        if time.monotonic() >= until:
            sys.exit(problem)
        time.sleep(_AGAIN_SECONDS)


if __name__ == "__main__":
    main()
