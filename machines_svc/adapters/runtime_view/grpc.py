"""What the runtime can run, as docker_svc says it."""

from __future__ import annotations

import grpc
from allocator.containers.v1 import container_service_pb2, container_service_pb2_grpc

from chassis.clock import Clock
from chassis.faults import Fault
from chassis.rpc import ask
from chassis.telemetry import log
from machines_svc.domain.availability import RuntimeAbilities


class GrpcRuntimeView:
    """Asks docker_svc in the background and remembers the answer."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        clock: Clock,
        *,
        refresh_seconds: float,
        retry_seconds: float,
        timeout_seconds: float,
    ) -> None:
        """Knows nothing until `run` has had an answer.

        Args:
            channel: to docker_svc.
            clock: tells when to ask again.
            refresh_seconds: how often to ask.
            retry_seconds: how soon to ask again after the first silence; doubled each time.
            timeout_seconds: how long an answer may take.
        """
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = retry_seconds
        self._timeout_seconds = timeout_seconds
        self._abilities: RuntimeAbilities | None = None
        self._problem: str | None = "docker_svc has not been asked yet"
        self._log = log("machines_svc.runtime_view")

    def abilities(self) -> RuntimeAbilities | None:
        """What it can run, without asking; None before the first answer.

        An engine that is away for a while does not change what the runtime is able to run, so the
        last answer holds.
        """
        return self._abilities

    def problem(self) -> str | None:
        """Why the last question had no answer; None if it had one."""
        return self._problem

    async def run(self) -> None:
        """Asks again and again, until it is cancelled."""
        pause = self._retry_seconds
        while True:
            if await self._ask():
                pause = self._retry_seconds
                await self._clock.sleep(self._refresh_seconds)
            else:
                await self._clock.sleep(pause)
                pause = min(2 * pause, self._refresh_seconds)

    async def _ask(self) -> bool:
        try:
            node = await ask(
                self._stub.GetNode,
                container_service_pb2.GetNodeRequest(),
                timeout=self._timeout_seconds,
            )
        except Fault as fault:
            if self._problem is None:
                self._log.warning("runtime unknown", reason=fault.reason, why=fault.message)
            self._problem = fault.message
            return False
        abilities = RuntimeAbilities(node.runs_images, node.runs_commands)
        if abilities != self._abilities:
            self._log.info(
                "runtime known",
                runtime=node.runtime,
                runs_images=node.runs_images,
                runs_commands=node.runs_commands,
            )
        self._abilities = abilities
        self._problem = None
        return True
