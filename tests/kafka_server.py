"""A Kafka of one's own, which may be stopped and started."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from kafka_topics import admin

PATIENCE = 60.0
JAVA = (
    *("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+PerfDisableSharedMem"),
    *("-Xms64m", "-Xmx256m"),
)
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/kafka
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
"""


class KafkaServer:
    """One node, on free ports of loopback, with its data in a folder.

    Args:
        folder: of its data.

    Attributes:
        bootstrap: host:port.
    """

    def __init__(self, folder: Path) -> None:
        libraries = os.environ.get("ALLOCATOR_TEST_KAFKA_LIBS", "")
        assert libraries, "ALLOCATOR_TEST_KAFKA_LIBS does not name the folder of Kafka's jars"
        self._folder = folder
        self._java = (*JAVA, "-cp", f"{libraries}/*")
        port, controller = _free_ports()
        self.bootstrap = f"127.0.0.1:{port}"
        self._properties = folder / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(port=port, controller=controller, folder=folder)
        )
        self._process: asyncio.subprocess.Process | None = None

    async def format(self) -> None:
        """Makes its data, once."""
        await self._finish(
            *("kafka.tools.StorageTool", "format", "--cluster-id", "tests-single-node-001"),
            *("--config", str(self._properties)),
        )

    async def start(self) -> None:
        """Starts it, and waits until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._java, "kafka.Kafka", str(self._properties)), stdout=log, stderr=log
            )
        await asyncio.to_thread(admin(self.bootstrap).list_topics, timeout=PATIENCE)

    async def kill(self) -> None:
        """Ends it, without a word to anybody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None

    async def _finish(self, *arguments: str) -> None:
        with (self._folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._java, *arguments, stdout=log, stderr=log
            )
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0, (self._folder / "log").read_text()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
