"""Who is logged in where: kept in a file of the person, renewed when a token ends."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from allocator.users.v1 import session_pb2, session_service_pb2, session_service_pb2_grpc

from allocctl.failures import EXIT_NOT_LOGGED_IN, Failure

DEFAULT_SERVER = "127.0.0.1:50051"
CALL_SECONDS = 30.0
_RENEW_BEFORE_SECONDS = 60.0
_MOST_BYTES = 16 << 20

chosen_server = ""
"""What `--server` said; empty for that of the last login."""

chosen_token = ""
"""What `--token` said: an access token, with which to call instead of as whoever is logged in."""

chosen_ca = ""
"""What `--ca` said; empty for that of the last login."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a login.

    Attributes:
        server: where it was made.
        name: of the session.
        access_token: good until `expires`.
        refresh_token: exchanges for the next pair.
        expires: when the access token ends, in seconds since 1970.
        email: whose it is.
        ca: the file of certificates that sign the server's; empty for those of the machine.
    """

    server: str
    name: str
    access_token: str
    refresh_token: str
    expires: float
    email: str
    ca: str = ""


def file() -> Path:
    """Where the login is kept."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "allocator" / "session.json"


def load() -> Kept | None:
    """The kept login; None where there is none."""
    try:
        return Kept(**json.loads(file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(session: session_pb2.Session, server: str) -> None:
    """Keeps a login, readable by its owner alone."""
    kept = Kept(
        server=server,
        name=session.name,
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        expires=session.expire_time.ToNanoseconds() / 1e9,
        email=session.user.email,
        ca=ca_file(),
    )
    where = file()
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = where.with_suffix(f".{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(asdict(kept)), encoding="utf-8")
    scratch.replace(where)


def forget() -> None:
    """Forgets the kept login."""
    file().unlink(missing_ok=True)


def server() -> str:
    """Where to call: what was chosen, where the login was made, or the default."""
    kept = load()
    return chosen_server or (kept.server if kept else DEFAULT_SERVER)


def ca_file() -> str:
    """The file of certificates that sign the server's; empty for those of the machine."""
    if chosen_ca:
        return str(Path(chosen_ca).resolve())
    kept = load()
    return kept.ca if kept else ""


@cache
def channel(target: str) -> grpc.Channel:
    """The channel to a server: over TLS where it is written as https://host:port.

    Raises:
        Failure: the file of certificates cannot be read.
    """
    options = (
        ("grpc.max_receive_message_length", _MOST_BYTES),
        ("grpc.primary_user_agent", "allocctl"),
    )
    scheme, separator, address = target.rpartition("://")
    if not separator or scheme == "http":
        return grpc.insecure_channel(address, options)
    if scheme != "https":
        raise Failure(f"{target} is no server: write host:port, or https://host:port for TLS.")
    try:
        roots = Path(ca_file()).read_bytes() if ca_file() else None
    except OSError as error:
        raise Failure(f"The certificates cannot be read: {error}.") from None
    if ":" not in address.rpartition("]")[2]:
        address += ":443"
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots), options)


def stub(kind: Any) -> Any:
    """A stub of the kind, for the chosen server."""
    return kind(channel(server()))


def signed_in() -> tuple[tuple[str, str], ...]:
    """The metadata of a call by the chosen access token, or by the person who is logged in.

    Renews the session's token where it ends.

    Raises:
        Failure: nobody is logged in here.
    """
    if chosen_token:
        return _bearer(chosen_token)
    kept = load()
    if kept is None:
        raise Failure(
            "Log in first: `allocctl login`; or give an access token: `--token`, ALLOCATOR_CLI_TOKEN.",
            EXIT_NOT_LOGGED_IN,
        )
    if kept.expires - time.time() < _RENEW_BEFORE_SECONDS:
        renewed = session_service_pb2_grpc.SessionServiceStub(channel(kept.server)).RefreshSession(
            session_service_pb2.RefreshSessionRequest(refresh_token=kept.refresh_token),
            timeout=CALL_SECONDS,
        )
        keep(renewed, kept.server)
        return _bearer(renewed.access_token)
    return _bearer(kept.access_token)


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)
