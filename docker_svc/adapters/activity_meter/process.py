"""The use of local processes, as the kernel tells it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker_svc.adapters.activity_meter.kernel import connections_in
from docker_svc.adapters.container_runtime.process_folder import ProcessFolder
from docker_svc.domain import InstanceKey, Protocol, Standing
from docker_svc.domain.activity import Counters

_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessActivityMeter:
    """Counts processor and connections. Processes share the host's network, which counts no bytes of one."""

    def __init__(self, root: Path) -> None:
        """Keeps the folder of the folders of instances."""
        self._root = root

    async def measure(self, standings: Sequence[Standing]) -> Mapping[InstanceKey, Counters]:
        """Reads the files of the kernel, beside the loop."""
        return await asyncio.to_thread(self._measured, standings)

    def _measured(self, standings: Sequence[Standing]) -> dict[InstanceKey, Counters]:
        connections = connections_in()
        found = {}
        for standing in standings:
            shim = ProcessFolder.of(self._root, standing.key).shim()
            if shim is None or shim.run != standing.run or not shim.lives():
                continue
            ticks, _, _ = shim.used()
            ports = [p.host_port for p in standing.ports if p.protocol is Protocol.TCP]
            found[standing.key] = Counters(
                cpu_seconds=ticks / _TICKS,
                connections=sum(connections.open[port] for port in ports) if connections else None,
                ended=sum(connections.ended[port] for port in ports) if connections else 0,
            )
        return found

    async def close(self) -> None:
        """There is nothing to let go of."""
