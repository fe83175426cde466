"""Fetching images through docker_svc."""

from __future__ import annotations

import asyncio

import grpc
from allocator.containers.v1 import container_service_pb2, container_service_pb2_grpc
from prometheus_client import Counter

from chassis.clock import Clock
from chassis.faults import Fault
from chassis.rpc import follow
from chassis.telemetry import log

_PREFETCHES = Counter(
    "allocator_image_prefetches_total",
    "Images fetched ahead of their use, by outcome.",
    ("outcome",),
)
_DONE, _FAILED, _DROPPED = (_PREFETCHES.labels(o) for o in ("done", "failed", "dropped"))
_REPORT_SECONDS = 5.0


class GrpcImagePrefetch:
    """Asks docker_svc for one image after the other, in the background.

    What fails is logged and counted, and not tried again: the image is fetched when it is needed.
    """

    def __init__(
        self, channel: grpc.aio.Channel, clock: Clock, *, queue: int, timeout_seconds: float
    ) -> None:
        """Fetches nothing until `run` runs.

        Args:
            channel: to docker_svc.
            clock: tells when to report progress.
            queue: how many images wait at most.
            timeout_seconds: how long one image may take.
        """
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._clock = clock
        self._waiting: asyncio.Queue[str] = asyncio.Queue(queue)
        self._asked: set[str] = set()
        self._timeout_seconds = timeout_seconds
        self._log = log("machines_svc.image_prefetch")

    def ask(self, image: str) -> None:
        """Asks for an image to be fetched; one that waits already waits once."""
        if image in self._asked:
            return
        try:
            self._waiting.put_nowait(image)
        except asyncio.QueueFull:
            _DROPPED.inc()
            self._log.warning("image not fetched ahead: too many wait", image=image)
        else:
            self._asked.add(image)

    async def run(self) -> None:
        """Fetches what is asked for, until it is cancelled."""
        while True:
            image = await self._waiting.get()
            try:
                await self._fetch(image)
            except Fault as fault:
                _FAILED.inc()
                self._log.warning(
                    "image not fetched", image=image, reason=fault.reason, why=fault.message
                )
            else:
                _DONE.inc()
                self._log.info("image fetched", image=image)
            finally:
                self._asked.discard(image)

    async def _fetch(self, image: str) -> None:
        request = container_service_pb2.PullImageRequest(image=image)
        progress = follow(self._stub.PullImage, request, timeout=self._timeout_seconds)
        reported = self._clock.monotonic()
        async for step in progress:
            if self._clock.monotonic() - reported < _REPORT_SECONDS:
                continue
            reported = self._clock.monotonic()
            self._log.info(
                "image being fetched",
                image=image,
                step=step.message,
                done_bytes=step.done_bytes,
                total_bytes=step.total_bytes,
            )
