"""Leading: taking the lease of a service, keeping it, and knowing when it may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.faults import Fault
from chassis.leading.port import Lease, LeaseLost, Leases
from chassis.telemetry import log

_RENEW_SECONDS = 1.5
_LOOK_SECONDS = 1.0
_TAKE_AFTER_SECONDS = 6.0
_GIVE_UP_AFTER_SECONDS = 4.0
_NOTICE_SECONDS = 0.5
_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 1.0
_MOST_KEYS = 10_000
_KEYS_AT_ONCE = 1000
_RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Replica:
    """This process among the replicas of a service.

    Attributes:
        name: unlike every other replica's.
        address: gives host:port of its gRPC, once that is known.
        tell: tells the leader at an address what there is to do.
    """

    name: str
    address: Callable[[], str]
    tell: Callable[[str, Sequence[str]], Awaitable[None]]


Woken = Callable[[Sequence[str]], None]
"""Hears, where this replica leads, that there is something to do: with these resources or, where there
are none, with the outbox alone."""


class Leadership:
    """Whether this replica of a service leads, and what it does while it does.

    The holder renews its lease every 1.5 s and counts itself out when it could not for 4 s; the others
    take it when it was not renewed for 6 s, each measured by its own clock. A lease that was released,
    or that this very replica held before it was restarted, is taken at once.

    Attributes:
        service: whose it is, `allocation_svc`.
    """

    def __init__(self, service: str, leases: Leases | None, replica: Replica, clock: Clock) -> None:
        """Does not lead yet; `run` sees to it.

        Args:
            service: the name of the lease, `allocation_svc`.
            leases: in the service's store; None where a process has its store for itself: it leads.
            replica: who we are.
            clock: for the delays.
        """
        self.service = service
        self._leases = leases
        self._replica = replica
        self._clock = clock
        self._lease: Lease | None = None
        self._until = 0.0
        self._seen: tuple[Lease | None, float] | None = None
        self._leader_at = ""
        self._turned = asyncio.Event()
        self._woken: list[Woken] = []
        self._keys: dict[str, None] = {}
        self._untold = asyncio.Event()
        self._log = log("chassis.leading")

    @property
    def leads(self) -> bool:
        """Whether this replica leads, for certain."""
        return self._leases is None or (
            self._lease is not None and self._clock.monotonic() < self._until
        )

    @property
    def epoch(self) -> int:
        """The epoch of the lease that is held.

        Raises:
            LeaseLost: this replica does not lead.
        """
        if self._leases is None:
            return 0
        if self._lease is None or not self.leads:
            raise LeaseLost("Another replica leads now.")
        return self._lease.epoch

    def on_wake(self, listener: Woken) -> None:
        """Calls the listener where this replica leads and there is something to do."""
        self._woken.append(listener)

    def wake(self, *keys: str) -> None:
        """Says that something was committed which the leader has to do; returns at once.

        Where another replica leads it is told, and told again until it has heard or another leads.
        """
        if self.leads:
            self.heard(keys)
            return
        for key in keys:
            # What does not fit is found by the leader itself, only later.
            if len(self._keys) < _MOST_KEYS:
                self._keys[key] = None
        self._untold.set()

    def heard(self, keys: Sequence[str]) -> None:
        """Tells the listeners what there is to do.

        Raises:
            LeaseLost: this replica does not lead.
        """
        if not self.leads:
            raise LeaseLost("Another replica leads now.")
        for listener in self._woken:
            listener(keys)

    async def run(self) -> None:
        """Takes the lease when it is free and keeps it, and tells the leader what is done here."""
        if self._leases is None:
            await asyncio.Event().wait()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self._leases), name=f"{self.service}.lease")
            group.create_task(self._tell(), name=f"{self.service}.wake")

    async def while_leading(self, run: Callable[[], Awaitable[None]]) -> None:
        """Runs something whenever this replica leads, and ends it when it does not any more."""
        while True:
            await self._until_turned(leads=True)
            running = asyncio.ensure_future(run())
            lost = asyncio.ensure_future(self._until_turned(leads=False))
            try:
                await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    # That it ends by itself is for whoever runs this to judge.
                    return running.result()
            finally:
                for task in (running, lost):
                    task.cancel()
                # It ends before another can have taken over, or it is not waited for.
                await asyncio.wait({running, lost}, timeout=_STOP_SECONDS)

    async def release(self) -> None:
        """Gives the lease back at the end of the process."""
        lease, self._lease = self._lease, None
        self._turn()
        if lease is None or self._leases is None:
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._leases.release(self.service, lease)
        except (Fault, TimeoutError) as error:
            self._log.warning("lease not given back", service=self.service, error=str(error))

    async def _keep(self, leases: Leases) -> None:
        failed = False
        while True:
            pause = _LOOK_SECONDS
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if self._lease is None:
                        await self._look(leases)
                    else:
                        await self._renew(leases, self._lease)
                        pause = _RENEW_SECONDS
                failed = False
            except (Fault, TimeoutError) as error:
                if not failed:
                    self._log.warning(
                        "lease not kept", service=self.service, error=str(error) or "no answer"
                    )
                failed = True
                pause = _RETRY_SECONDS
            if self._lease is not None and not self.leads:
                self._lose("it could not be renewed in time")
            await self._clock.sleep(pause)

    async def _look(self, leases: Leases) -> None:
        """Takes the lease where it is free, or where its holder has been silent for long enough."""
        found = await leases.read(self.service)
        self._leader_at = found.address if found else ""
        now = self._clock.monotonic()
        if self._seen is None or self._seen[0] != found:
            self._seen = (found, now)
        is_free = found is None or found.holder in {"", self._replica.name}
        if not is_free and now - self._seen[1] < _TAKE_AFTER_SECONDS:
            return
        claimed = await leases.claim(
            self.service, found, self._replica.name, self._replica.address()
        )
        if claimed is not None:
            self._held(claimed, now)
            self._log.info("leads", service=self.service, epoch=claimed.epoch)
            self._turn()
            self._hear_what_is_here()

    async def _renew(self, leases: Leases, lease: Lease) -> None:
        asked = self._clock.monotonic()
        renewed = await leases.renew(self.service, lease)
        if renewed is None:
            self._lose("another has taken it")
        else:
            self._held(renewed, asked)

    def _held(self, lease: Lease, since: float) -> None:
        self._lease = lease
        self._until = since + _GIVE_UP_AFTER_SECONDS

    def _lose(self, why: str) -> None:
        self._lease, self._seen = None, None
        self._log.warning("leads no more", service=self.service, why=why)
        self._turn()

    def _turn(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def _until_turned(self, *, leads: bool) -> None:
        # Without leases it never turns.
        patience = None if self._leases is None else _NOTICE_SECONDS
        while self.leads is not leads:
            turned = self._turned
            try:
                async with asyncio.timeout(patience):
                    await turned.wait()
            except TimeoutError:
                pass

    def _hear_what_is_here(self) -> None:
        keys, self._keys = list(self._keys), {}
        self.heard(keys)

    async def _tell(self) -> None:
        """Tells the leader what was committed here, until it has heard."""
        failed = False
        while True:
            await self._untold.wait()
            self._untold.clear()
            keys = list(self._keys)[:_KEYS_AT_ONCE]
            if self.leads:
                self._hear_what_is_here()
                continue
            address = self._leader_at
            try:
                if not address:
                    raise LeaseLost("Nobody leads at present.")
                await self._replica.tell(address, keys)
            except Fault as fault:
                if not failed:
                    self._log.warning("leader not told", service=self.service, reason=fault.reason)
                failed = True
                await self._clock.sleep(_RETRY_SECONDS)
                self._untold.set()
                continue
            failed = False
            for key in keys:
                self._keys.pop(key, None)
            if self._keys:
                self._untold.set()
