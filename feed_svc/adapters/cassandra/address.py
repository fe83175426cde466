"""Where a keyspace is, read from its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

_PORT = 9042
_KNOWN = frozenset({"datacenter", "replication", "tls"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a keyspace is.

    Attributes:
        hosts: some of the servers; the driver learns of the others.
        port: of all of them.
        keyspace: its name.
        user: empty where there is none.
        password: of the user.
        datacenter: the one that is spoken to; empty for that of the first server that answers.
        replication: how many copies a keyspace is made with; 0 for as many as there are servers, three
            at most.
        tls: whether connections are encrypted, and the servers' certificates checked.
        shown: the URL without its password.
    """

    hosts: tuple[str, ...]
    port: int
    keyspace: str
    user: str = ""
    password: str = field(default="", repr=False)
    datacenter: str = ""
    replication: int = 0
    tls: bool = False
    shown: str = ""


def read_address(url: str) -> Address:
    """Reads `cassandra://user:password@host:9042,host/keyspace?datacenter=dc1&replication=3&tls=yes`.

    Raises:
        ValueError: it cannot be read so; the message does not repeat the password.
    """
    shown = re.sub("//.*@", "//***@", url)
    parts = urlsplit(url)
    login, _, where = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    keyspace = parts.path.strip("/")
    hosts, ports = [], set()
    for one in where.split(","):
        found = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", one)
        if found is None:
            raise _unreadable(shown)
        hosts.append(found[1].strip("[]"))
        ports.add(int(found[2] or _PORT))
    options = parse_qs(parts.query, keep_blank_values=True)
    replication = options.get("replication", ["0"])[-1]
    tls = options.get("tls", ["no"])[-1]
    if (
        parts.scheme != "cassandra"
        or not re.fullmatch("[a-z][a-z0-9_]{0,47}", keyspace)
        or len(ports) != 1
        or not set(options) <= _KNOWN
        or not re.fullmatch("[0-9]{1,2}", replication)
        or tls not in ("yes", "no")
    ):
        raise _unreadable(shown)
    return Address(
        hosts=tuple(hosts),
        port=ports.pop(),
        keyspace=keyspace,
        user=unquote(user),
        password=unquote(password),
        datacenter=options.get("datacenter", [""])[-1],
        replication=int(replication),
        tls=tls == "yes",
        shown=shown,
    )


def _unreadable(shown: str) -> ValueError:
    return ValueError(
        f"{shown} cannot be read as cassandra://user:password@host:9042,host/keyspace, with "
        "?datacenter=…, replication=… and tls=yes where wished; servers share one port, and special "
        "characters in a user or a password are written as %40"
    )
