"""What the kernel tells of network and processor, in the files of /proc and of control groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_ESTABLISHED, _TIME_WAIT = "01", "06"
_GROUPS = Path("/sys/fs/cgroup")


def network_bytes(pid: int) -> int | None:
    """The bytes that came and went in the network of a process, without its loopback."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text("ascii").splitlines()[2:]
    except (OSError, UnicodeDecodeError):
        return None
    total = 0
    for line in lines:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            fields = numbers.split()
            total += int(fields[0]) + int(fields[8])
    return total


@dataclass(frozen=True, slots=True)
class Connections:
    """How many TCP connections there are at each local port.

    Attributes:
        open: that are open.
        ended: that this side has closed within the last minute.
    """

    open: Counter[int]
    ended: Counter[int]


def connections_in(pid: int | str = "self") -> Connections | None:
    """The TCP connections in the network of a process."""
    found = Connections(Counter(), Counter())
    of_state = {_ESTABLISHED: found.open, _TIME_WAIT: found.ended}
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines()[1:]
        except FileNotFoundError:
            if name == "tcp":
                return None
            continue  # a host without IPv6
        except (OSError, UnicodeDecodeError):
            return None
        for line in lines:
            fields = line.split(None, 4)
            counted = of_state.get(fields[3])
            if counted is not None:
                counted[int(fields[1].rpartition(":")[2], 16)] += 1
    return found


def socket_counts(pid: int) -> tuple[int, ...] | None:
    """How many TCP sockets of each kind there are in the network of a process.

    It costs a hundredth of `connections_in`, for which the kernel looks through the sockets of all networks.
    """
    found = []
    try:
        for name in ("sockstat", "sockstat6"):
            for line in Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines():
                if line.startswith("TCP"):
                    fields = line.split()
                    told = dict(zip(fields[1::2], fields[2::2], strict=False))
                    found += [int(told.get("inuse", 0)), int(told.get("tw", 0))]
    except (OSError, UnicodeDecodeError, ValueError):
        return None
    return tuple(found)


def group_cpu_seconds(pid: int, container: str) -> float | None:
    """The processor time of the control group of a container; None where it cannot be seen from here.

    Args:
        pid: its first process, by the engine's word.
        container: its id: a process of that number here may be another one.
    """
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        try:
            if not controllers:
                told = (_GROUPS / path.lstrip("/") / "cpu.stat").read_text("ascii")
                return int(told.split("usage_usec ", 1)[1].split(None, 1)[0]) / 1e6
            if "cpuacct" in controllers.split(","):
                usage = _GROUPS / controllers / path.lstrip("/") / "cpuacct.usage"
                return int(usage.read_text("ascii")) / 1e9
        except (OSError, IndexError, ValueError):
            continue
    return None


def is_of(pid: int, container: str) -> bool:
    """Whether a process here is of a container."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
