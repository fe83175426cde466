"""What a machine says of its health: how one sees that it answers, and what becomes of it when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Ready once a TCP port accepts a connection.

    Attributes:
        port: the number inside the container; 0 for the main port.
    """

    port: int = 0


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready once an HTTP GET answers with a status below 400.

    Attributes:
        port: the number inside the container; 0 for the main port.
        path: empty for `/`.
    """

    port: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class LogProbe:
    """Ready once a line of the log matches.

    Attributes:
        pattern: a regular expression that some part of a line matches.
    """

    pattern: str


class RestartPolicy(Enum):
    """What becomes of a program that has ended by itself; the values are the names in the contract."""

    NEVER = "NEVER"
    ON_FAILURE = "ON_FAILURE"
    ALWAYS = "ALWAYS"


@dataclass(frozen=True, slots=True)
class Liveness:
    """How a probe goes on while an instance is ready.

    Attributes:
        restart: whether an instance that does not answer any more is restarted.
        period: how often it is looked; None for the default.
        failures: how often in a row it must not have answered; 0 for the default.
    """

    restart: bool = False
    period: timedelta | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """How one sees that an instance is ready.

    Attributes:
        check: how to look; None for the default.
        timeout: how long it may take after the start; None for the default.
        liveness: how it goes on then; None for the default.
    """

    check: TcpProbe | HttpProbe | LogProbe | None = None
    timeout: timedelta | None = None
    liveness: Liveness | None = None
