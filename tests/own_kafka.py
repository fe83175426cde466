"""A Kafka of a test's own, in a container, that may be stopped."""

from __future__ import annotations

import socket
import subprocess
import time
from types import TracebackType
from typing import Self

from allocator_process import free_port
from servers import own_name

IMAGE = "apache/kafka:4.0.0"
PATIENCE = 60.0


class OwnKafka:
    """One broker on ports of its own; `with OwnKafka() as kafka:` starts it, and removes it at the end."""

    def __init__(self) -> None:
        self.port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._name = own_name("kafka")
        self._settings = {
            "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw",
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.address}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@127.0.0.1:{controller}",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_HEAP_OPTS": "-Xms128m -Xmx256m",
        }

    def __enter__(self) -> Self:
        settings = [part for k, v in self._settings.items() for part in ("-e", f"{k}={v}")]
        self._docker("run", "-d", "--name", self._name, "--network", "host", *settings, IMAGE)
        self._until_it_answers()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._docker("rm", "-f", "-v", self._name)

    def stop(self) -> None:
        """Ends it at once, as a crash does; what it has acknowledged is kept."""
        self._docker("kill", self._name)

    def start(self) -> None:
        """Starts it again."""
        self._docker("start", self._name)
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(
            f"Kafka does not answer: {self._docker('logs', '--tail', '50', self._name)}"
        )

    @staticmethod
    def _docker(*arguments: str) -> str:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr}"
        return done.stdout + done.stderr
