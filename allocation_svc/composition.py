"""How allocation_svc is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from allocation_svc.adapters.activity.grpc import GrpcActivity
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.catalogue.grpc import GrpcCatalogue
from allocation_svc.adapters.contents.grpc import GrpcContents
from allocation_svc.adapters.engine.grpc import GrpcEngine
from allocation_svc.adapters.machine_versions.grpc import GrpcMachineVersions
from allocation_svc.adapters.node_store.sql import SqlNodeStore
from allocation_svc.adapters.quota_store.sql import SqlQuotaStore
from allocation_svc.adapters.resource_class_store.sql import SqlResourceClassStore
from allocation_svc.adapters.step_observer.telemetry import TelemetryStepObserver
from allocation_svc.adapters.usage_store.sql import SqlUsageStore
from allocation_svc.adapters.volume_store.rows import VolumeRows
from allocation_svc.adapters.volume_store.sql import SqlVolumeStore
from allocation_svc.adapters.waiting_room.sql import SqlWaitingRoom
from allocation_svc.adapters.wallet_reservations.granting import GrantingWalletReservations
from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.node import NodeRules
from allocation_svc.ports.volume_store import Shelf
from allocation_svc.schema.tables import LEASES, OUTBOX
from allocation_svc.settings import Settings
from allocation_svc.transport.consumer import (
    LEFT_FOR_GOOD,
    PEOPLE,
    PEOPLE_TOPICS,
    TOPICS,
    ChangeConsumer,
    LatePeopleConsumer,
    PeopleConsumer,
)
from allocation_svc.transport.mapping import records_of
from allocation_svc.transport.node_servicer import NodeServicer, node_records
from allocation_svc.transport.quota_servicer import QuotaServicer
from allocation_svc.transport.resource_class_servicer import ResourceClassServicer
from allocation_svc.transport.servicer import AllocationServicer
from allocation_svc.transport.volume_servicer import VolumeServicer, volume_records
from allocation_svc.usecases.admission import Admission
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.archives import Archives
from allocation_svc.usecases.departures import Departures
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.estimation import Estimation
from allocation_svc.usecases.idleness import Idleness
from allocation_svc.usecases.lifecycle import Choices, Lifecycle
from allocation_svc.usecases.nodes import Nodes
from allocation_svc.usecases.queue import Places, Queueing, Turns
from allocation_svc.usecases.quotas import Quotas
from allocation_svc.usecases.reading import Reading
from allocation_svc.usecases.reconciliation import Reconciler
from allocation_svc.usecases.recreation import Recreation
from allocation_svc.usecases.resource_classes import ResourceClasses
from allocation_svc.usecases.starting import Starting
from allocation_svc.usecases.steps import Steps
from allocation_svc.usecases.transfers import Transfers
from allocation_svc.usecases.usage import UsageReading
from allocation_svc.usecases.volume_keeping import VolumeKeeping
from allocation_svc.usecases.volumes import Volumes
from allocation_svc.usecases.watching import Elsewhere, Feed, Watching
from chassis.bus.outbox import Relay
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql.leases import SqlLeases

PUBLISHES: tuple[str, ...] = ("allocations", "nodes", "volumes")
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store(
            "allocations",
            "allocation_svc.schema",
            settings.of(Settings).database_url.get_secret_value(),
        ),
    )


async def compose(platform: Platform) -> Service:  # noqa: PLR0915 - a diagram, from top to bottom
    """Wires the service."""
    settings = platform.settings(Settings)
    clock = platform.clock

    # What it keeps, and whom it tells of changes
    database = await platform.database(stores(platform.loaded)[0])
    leases = None if database.is_sqlite else SqlLeases(database, LEASES)
    leadership = platform.leadership(leases)
    fence = None if leases is None else leases.fence_for(leadership)
    relay = Relay(database, OUTBOX, platform.bus, clock, fence=fence)
    platform.publishes(relay, leadership)
    feed = Feed()

    def committed(allocation: Allocation) -> None:
        feed.changed(allocation)
        leadership.wake()

    store = SqlAllocationStore(
        database,
        clock,
        leases=PortLeases(settings.ports),
        port_rest_seconds=settings.port_rest_seconds,
        records_of=records_of,
        committed=committed,
        volumes=VolumeRows(volume_records),
    )
    volume_store = SqlVolumeStore(database, clock, volume_records)

    # Its peers
    engine = GrpcEngine(platform.channel("docker_svc"), remove_seconds=settings.deleting_seconds)
    contents = GrpcContents(platform.channel("docker_svc"))
    machines_svc = platform.channel("machines_svc")
    catalogue = GrpcCatalogue(machines_svc)
    versions = GrpcMachineVersions(machines_svc, platform.bus, clock)

    # What it does by itself
    observer = TelemetryStepObserver(platform.log("reconciler"))
    watch = EngineWatch(
        engine,
        clock,
        observer,
        platform.draining,
        grace_seconds=settings.engine_away_seconds,
    )
    allowances = Allowances(
        watch,
        settings.role_quotas,
        settings.overcommit,
        queue_limit=settings.queue_limit,
        max_wait_seconds=settings.max_wait_seconds,
    )
    wallets = GrantingWalletReservations()
    starting = Starting(store, allowances, wallets, clock)
    idleness = Idleness(
        GrpcActivity(platform.channel("docker_svc")),
        clock,
        observer,
        seconds=settings.idle_look_seconds,
    )
    steps = Steps(
        store,
        engine,
        watch,
        secrets=platform.vault,
        clock=clock,
        observer=observer,
        starting=starting,
        volumes=volume_store,
        contents=contents,
        use=idleness.use,
    )
    reconciler = Reconciler(
        store,
        engine,
        watch,
        steps,
        clock=clock,
        observer=observer,
        rules=settings.rules,
        workers=settings.concurrency,
        sweep_seconds=settings.sweep_seconds,
        orphan_grace_seconds=settings.orphan_grace_seconds,
        boot_starts=settings.boot_starts,
        idleness=idleness,
    )
    watch.listen(reconciler)
    nodes = Nodes(
        SqlNodeStore(database, clock, node_records),
        store,
        engine,
        watch,
        clock=clock,
        observer=observer,
        rules=NodeRules(settings.node_failures, settings.node_failure_window_seconds),
        seconds=settings.node_seconds,
    )

    def kick(allocation: Allocation) -> None:
        leadership.wake(allocation.name)

    keeping = VolumeKeeping(
        volume_store,
        store,
        contents,
        watch,
        clock=clock,
        observer=observer,
        kick=kick,
        sweep_seconds=settings.volume_sweep_seconds,
        stall_seconds=settings.transfer_stall_seconds,
        orphan_grace_seconds=settings.orphan_grace_seconds,
    )

    def work_on(names: Sequence[str]) -> None:
        for name in names:
            if name.startswith("volumes/"):
                keeping.wake()
            else:
                reconciler.kick(name)

    leadership.on_wake(work_on)

    waiting_room = SqlWaitingRoom(database, clock)
    turns = Turns(
        store,
        waiting_room,
        watch,
        allowances,
        wallets,
        clock=clock,
        observer=observer,
        rules=settings.rules,
        kick=kick,
    )
    leadership.on_wake(turns.wake)
    places = Places(store, waiting_room, feed, clock)
    feed.on_change(turns.changed)
    feed.on_change(places.changed)

    async def end_feed() -> None:
        await platform.draining.wait()
        feed.end()
        await asyncio.Event().wait()

    # What it is asked
    class_store = SqlResourceClassStore(database, clock)
    classes = ResourceClasses(class_store, clock)
    await classes.seed(settings.resource_classes, settings.default_class)
    admission = Admission(
        store,
        catalogue,
        watch,
        secret_box=platform.vault,
        clock=clock,
        kick=kick,
        classes=class_store,
        allowances=allowances,
        wallets=wallets,
        provisioning_seconds=settings.provisioning_seconds,
        rules=settings.rules,
        term_limits=settings.term_limits,
    )
    transfers = Transfers(most=settings.transfers, stall_seconds=settings.transfer_stall_seconds)
    volumes = Volumes(
        volume_store,
        contents,
        watch,
        transfers,
        clock=clock,
        wake=leadership.wake,
        shelf=Shelf(settings.detached_volumes, settings.detached_volume_bytes),
    )
    servicer = AllocationServicer(
        admission,
        Lifecycle(
            store,
            watch,
            clock,
            kick,
            starting=starting,
            choices=Choices(class_store, allowances, settings.term_limits, settings.rules),
        ),
        Reading(store, engine, watch, places.shown),
        Watching(store, feed, clock, places.shown),
        versions,
        estimation=Estimation(
            admission,
            catalogue,
            watch,
            waiting_room,
            allowances=allowances,
            ports=settings.ports,
        ),
        queueing=Queueing(store, waiting_room, wallets, clock, kick),
        recreation=Recreation(
            store,
            catalogue,
            admission,
            allowances,
            watch,
            secret_box=platform.vault,
            clock=clock,
            kick=kick,
        ),
        usage=UsageReading(SqlUsageStore(database), store, catalogue, clock),
        volumes=volumes,
        archives=Archives(volume_store, contents, watch, transfers, clock),
    )
    quotas = Quotas(SqlQuotaStore(database, clock), allowances)
    departures = Departures(store, clock, kick, volumes=volume_store, wake=leadership.wake)
    tasks = [
        *led(
            leadership,
            Task("allocation_svc.relay", relay.run),
            Task("allocation_svc.reconciler", reconciler.run),
            Task("allocation_svc.nodes", nodes.run),
            Task("allocation_svc.volumes", keeping.run),
            Task("allocation_svc.turns", turns.run),
        ),
        Task("allocation_svc.engine_watch", watch.run),
        Task("allocation_svc.machine_versions", versions.run),
        Task("allocation_svc.feed", end_feed),
        Task("allocation_svc.places", places.run),
        Task(
            "allocation_svc.people",
            lambda: platform.bus.consume(PEOPLE, PEOPLE_TOPICS, PeopleConsumer(departures, quotas)),
        ),
        Task(
            "allocation_svc.departures",
            lambda: platform.bus.consume(
                LEFT_FOR_GOOD, PEOPLE_TOPICS, LatePeopleConsumer(departures)
            ),
        ),
    ]
    if leases is not None:
        # There may be other replicas, whose changes the watchers of this one shall see.
        tasks.append(
            Task(
                "allocation_svc.changes",
                lambda: platform.bus.tail(TOPICS, ChangeConsumer(Elsewhere(store, feed))),
            )
        )
    return Service(
        name="allocation_svc",
        servicers={
            "allocator.allocations.v1.AllocationService": servicer,
            "allocator.allocations.v1.QuotaService": QuotaServicer(quotas),
            "allocator.allocations.v1.NodeService": NodeServicer(nodes),
            "allocator.allocations.v1.VolumeService": VolumeServicer(volumes),
            "allocator.allocations.v1.ResourceClassService": ResourceClassServicer(classes),
        },
        tasks=tasks,
        checks={
            "engine": lambda: None if watch.answers else "the container engine does not answer"
        },
    )
