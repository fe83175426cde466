"""How machines_svc is put together; the only place that knows concrete classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from chassis.bus import Record, state_topic
from chassis.bus.outbox import Publishing, Relay
from chassis.cache import open_cache
from chassis.cache.answers import Answers
from chassis.leading import Leadership
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql.leases import SqlLeases
from machines_svc.adapters.image_prefetch.grpc import GrpcImagePrefetch
from machines_svc.adapters.image_prefetch.nowhere import NoImagePrefetch
from machines_svc.adapters.machine_store.announcing import AnnouncingMachineStore
from machines_svc.adapters.machine_store.sql import SqlMachineStore
from machines_svc.adapters.picture_store.sql import SqlPictureStore
from machines_svc.adapters.runtime_view.grpc import GrpcRuntimeView
from machines_svc.adapters.standing_store.sql import SqlStandingStore
from machines_svc.adapters.starter_catalogue.files import FileStarterCatalogue
from machines_svc.ports import ImagePrefetch, MachineStore, PictureStore, StandingStore
from machines_svc.schema.tables import LEASES, OUTBOX
from machines_svc.settings import Settings
from machines_svc.transport import definition
from machines_svc.transport.consumer import GROUP, RATINGS, TOPICS, FollowingConsumer
from machines_svc.transport.facts import records_of
from machines_svc.transport.servicer import CATALOGUE, MachineServicer
from machines_svc.usecases.browsing import Browsing
from machines_svc.usecases.editing import Editing
from machines_svc.usecases.following import Following
from machines_svc.usecases.history import History
from machines_svc.usecases.illustration import Illustration
from machines_svc.usecases.publication import Publication
from machines_svc.usecases.sowing import Sowing

PUBLISHES: tuple[str, ...] = ("machines",)
"""The nouns of the topics that it publishes to."""

NEWS = (state_topic("machines"), RATINGS)
"""After which no answer from the cache is given again."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store(
            "machines", "machines_svc.schema", settings.of(Settings).database_url.get_secret_value()
        ),
    )


async def compose(platform: Platform) -> Service:
    """Wires the service; fills a new store with the starter catalogue."""
    settings = platform.settings(Settings)
    clock = platform.clock
    log = platform.log()

    opened = await _open(platform, stores(platform.loaded)[0])

    cached = open_cache(platform.process.cache_url.get_secret_value(), clock, platform.service)
    platform.exits.push_async_callback(cached.close)

    async def changed(_record: Record | None = None) -> None:
        await cached.cache.invalidate(CATALOGUE)

    store = AnnouncingMachineStore(opened.store, changed)
    tended = await store.tend()
    if tended:
        log.info("machines indexed", machines=tended)

    docker_svc = platform.channel("docker_svc")
    runtime = GrpcRuntimeView(
        docker_svc,
        clock,
        refresh_seconds=settings.runtime_refresh_seconds,
        retry_seconds=settings.runtime_retry_seconds,
        timeout_seconds=settings.runtime_timeout_seconds,
    )
    following = Following(store, opened.standing, clock, changed)
    consumer = FollowingConsumer(following)
    tasks = [
        *led(opened.leadership, Task("machines_svc.relay", opened.relay.run)),
        Task("machines_svc.runtime_view", runtime.run),
        # What other replicas change.
        Task("machines_svc.news", lambda: platform.bus.tail(NEWS, changed)),
        Task("machines_svc.following", lambda: platform.bus.consume(GROUP, TOPICS, consumer)),
        *(Task("machines_svc.cache", watch) for watch in cached.watches),
    ]
    images: ImagePrefetch = NoImagePrefetch()
    if settings.prefetch:
        prefetch = GrpcImagePrefetch(
            docker_svc,
            clock,
            queue=settings.prefetch_queue,
            timeout_seconds=settings.prefetch_timeout_seconds,
        )
        tasks.append(Task("machines_svc.image_prefetch", prefetch.run))
        images = prefetch

    if settings.starter_catalogue:
        starters = FileStarterCatalogue(resources.files("machines_svc.catalogue"), definition.read)
        sown = await Sowing(store, starters, clock, settings.default_resource_class).sow()
        if sown:
            log.info("starter catalogue added", machines=sown)

    browsing = Browsing(store, runtime)
    editing = Editing(store, clock, settings.default_resource_class, settings.drafts_per_person)
    publication = Publication(store, clock, runtime, images)
    return Service(
        name="machines_svc",
        servicers={
            "allocator.machines.v1.MachineService": MachineServicer(
                Answers(cached.cache, settings.cache_seconds),
                browsing=browsing,
                editing=editing,
                history=History(store, browsing, clock),
                publication=publication,
                illustration=Illustration(store, opened.pictures, clock),
            )
        },
        tasks=tasks,
        checks={
            "docker_svc": runtime.problem,
            **opened.checks,
            **({"cache": cached.problem} if cached.watches else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    store: MachineStore
    standing: StandingStore
    pictures: PictureStore
    relay: Publishing
    leadership: Leadership
    checks: dict[str, Callable[[], str | None]]


async def _open(platform: Platform, where: Store) -> _Opened:
    """Opens the store, of whichever kind it is, and what publishes from it where this replica leads."""
    relay: Publishing
    store: MachineStore
    standing: StandingStore
    pictures: PictureStore
    if where.is_documents:
        from chassis.documents.leases import MongoLeases
        from chassis.documents.outbox import DocumentRelay
        from machines_svc.adapters.machine_store.mongo import MongoMachineStore
        from machines_svc.adapters.picture_store.mongo import MongoPictureStore
        from machines_svc.adapters.standing_store.mongo import MongoStandingStore

        documents = await platform.documents(where)
        leadership = platform.leadership(MongoLeases(documents))
        relay = DocumentRelay(documents, "machines", platform.bus)
        store = MongoMachineStore(documents, platform.clock, records_of, leadership.wake)
        standing = MongoStandingStore(documents)
        pictures = MongoPictureStore(documents, platform.clock)
        checks = {"store": documents.problem}
    else:
        database = await platform.database(where)
        leases = None if database.is_sqlite else SqlLeases(database, LEASES)
        leadership = platform.leadership(leases)
        fence = None if leases is None else leases.fence_for(leadership)
        relay = Relay(database, OUTBOX, platform.bus, fence=fence)
        store = SqlMachineStore(database, platform.clock, records_of, leadership.wake)
        standing = SqlStandingStore(database)
        pictures = SqlPictureStore(database, platform.clock)
        checks = {}
    platform.publishes(relay, leadership)
    return _Opened(store, standing, pictures, relay, leadership, checks)
