"""What a process gives to a service that it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import structlog

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.identity import Certificates, ServiceTokens, Trust, Vault
from chassis.leading import Leadership, Leases, Replica
from chassis.rpc import PeerChannel, ask
from chassis.serving.store import Store
from chassis.settings import LoadedSettings, ProcessSettings, ServiceSettings
from chassis.sql import Database, open_database
from chassis.telemetry import REPLICA_LEADS, log

if TYPE_CHECKING:
    import grpc

    from chassis.bus.outbox import Publishing
    from chassis.documents import Documents

S = TypeVar("S", bound=ServiceSettings)
_TELL_SECONDS = 2.0


@dataclass
class Shared:
    """What all services of one process share.

    Attributes:
        settings: of every service.
        clock: the time.
        exits: what is closed at the end, in reverse.
        bus: facts.
        trust: which access tokens are good.
        service_tokens: how services know each other.
        certificates: what this process shows which service it is with; None for no TLS.
        vault: secrets at rest.
        draining: set when the process begins to stop.
        internal_target: the gRPC target of this process's own services.
        here: the services of this process, which call each other over its own socket.
        advertised: gives host:port of this process's gRPC, as other replicas reach it.
        leaderships: who leads, by service.
        channels: the open channels, by (caller, peer, target).
    """

    settings: LoadedSettings
    clock: Clock
    exits: AsyncExitStack
    bus: Bus
    trust: Trust
    service_tokens: ServiceTokens
    certificates: Certificates | None
    vault: Vault
    draining: asyncio.Event
    internal_target: str
    advertised: Callable[[], str]
    here: frozenset[str] = frozenset()
    leaderships: dict[str, Leadership] = field(default_factory=dict)
    channels: dict[tuple[str, str, str], PeerChannel] = field(default_factory=dict)


class Platform:
    """The process as one service sees it; given to its `compose`."""

    def __init__(self, service: str, shared: Shared) -> None:
        """Makes the view of the named service."""
        self.service = service
        self._shared = shared
        self.process = shared.settings.of(ProcessSettings)
        self.clock = shared.clock
        self.exits = shared.exits
        self.bus = shared.bus
        self.trust = shared.trust
        self.vault = shared.vault
        self.draining = shared.draining

    @property
    def loaded(self) -> LoadedSettings:
        """The settings of every service."""
        return self._shared.settings

    @property
    def data_dir(self) -> Path:
        """The folder of everything that is kept."""
        return self.process.data_dir

    def settings(self, cls: type[S]) -> S:
        """The service's settings, read when the process started."""
        return self._shared.settings.of(cls)

    def channel(self, peer: str) -> grpc.aio.Channel:
        """A channel to a peer, over which this service calls in its own name."""
        process, shared = self.process, self._shared
        # What is named by itself counts, also for a service that is here.
        elsewhere = process.peers.get(peer) if peer in shared.here else process.target_of(peer)
        return self._channel_to(peer, elsewhere or shared.internal_target)

    def _channel_to(self, peer: str, target: str) -> grpc.aio.Channel:
        key = (self.service, peer, target)
        found = self._shared.channels.get(key)
        if found is None:
            tokens = self._shared.service_tokens
            found = PeerChannel(
                peer,
                target,
                lambda: tokens.mint(self.service),
                certificates=self._shared.certificates,
            )
            self._shared.channels[key] = found
            self.exits.push_async_callback(found.close)
        # Generated stubs ask for nothing of a channel but the four functions that it has.
        return cast("grpc.aio.Channel", found)

    def leadership(self, leases: Leases | None) -> Leadership:
        """Which replica of this service does what only one may do; asked for once, in `compose`.

        It is among the service's tasks: `Service(tasks=[*led(leadership, …), …])`.

        Args:
            leases: in the service's store; None where that is a file, which this process has alone.
        """

        async def tell(address: str, keys: Sequence[str]) -> None:
            from allocator.replicas.v1 import replica_service_pb2 as wire
            from allocator.replicas.v1.replica_service_pb2_grpc import ReplicaServiceStub

            stub = ReplicaServiceStub(self._channel_to(self.service, f"dns:///{address}"))
            request = wire.WakeRequest(service=self.service, keys=keys)
            await ask(stub.Wake, request, timeout=_TELL_SECONDS)

        leadership = Leadership(
            self.service,
            leases,
            Replica(self.process.replica, self._shared.advertised, tell),
            self.clock,
        )
        self._shared.leaderships[self.service] = leadership
        REPLICA_LEADS.labels(self.service).set_function(lambda: float(leadership.leads))
        self.exits.push_async_callback(leadership.release)
        return leadership

    def publishes(self, relay: Publishing, leadership: Leadership) -> None:
        """Has a relay woken where this replica leads, and its outbox emptied at the end.

        Its `run` is a task of the service that is led.
        """
        leadership.on_wake(lambda _keys: relay.wake())

        async def flush() -> None:
            if leadership.leads:
                await relay.flush()

        self.exits.push_async_callback(flush)

    async def database(self, store: Store, folder: Path | None = None) -> Database:
        """Opens a SQL database; closed when the process ends.

        A file is brought to the newest schema; a server is not, since other replicas use it:
        `allocctl migrate` does that.

        Args:
            store: which.
            folder: of the file; the data folder by default.

        Raises:
            SchemaTooOld: a server's schema is older than this program's.
            SchemaTooNew: it was written by a newer version of the program.
        """
        database = await open_database(
            store.url_in(folder or self.data_dir), store.schema, self.clock, migrate=store.is_file
        )
        self.exits.push_async_callback(database.close)
        return database

    async def documents(self, store: Store) -> Documents:
        """Opens a database of documents; closed when the process ends.

        Raises:
            SchemaTooOld, SchemaTooNew: as `database` does.
        """
        from chassis.documents import open_documents

        documents = await open_documents(store.url, store.schema, self.clock, migrate=False)
        self.exits.push_async_callback(documents.close)
        return documents

    def log(self, name: str = "") -> structlog.typing.FilteringBoundLogger:
        """A logger: of the service, or of a part of it."""
        return log(f"{self.service}.{name}" if name else self.service)
