"""How feed_svc is put together; the only place that knows concrete classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chassis.bus.outbox import Publishing, Relay
from chassis.leading import Leadership
from chassis.limits import open_limits
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql.leases import SqlLeases
from feed_svc.adapters.catalogue.grpc import GrpcCatalogue
from feed_svc.adapters.feed_store.sql import SqlFeedStore
from feed_svc.adapters.rentals.grpc import GrpcRentals
from feed_svc.ports import FeedStore
from feed_svc.schema.tables import LEASES, OUTBOX
from feed_svc.settings import Settings
from feed_svc.transport.consumer import GROUP, TOPICS, StateConsumer
from feed_svc.transport.mapping import records_of
from feed_svc.transport.servicer import FeedServicer
from feed_svc.usecases.changing import Changing
from feed_svc.usecases.commenting import Commenting
from feed_svc.usecases.following import Following
from feed_svc.usecases.limiting import Limiting, Pace
from feed_svc.usecases.naming import Naming
from feed_svc.usecases.reviewing import Reviewing
from feed_svc.usecases.summing import Summing
from feed_svc.usecases.voting import Voting

PUBLISHES: tuple[str, ...] = ("feed",)
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store("feed", "feed_svc.schema", settings.of(Settings).database_url.get_secret_value()),
    )


async def compose(platform: Platform) -> Service:
    """Wires the service."""
    settings = platform.settings(Settings)
    clock = platform.clock

    opened = await _open(platform, stores(platform.loaded)[0])
    store = opened.store
    limits = open_limits(platform.process.cache_url.get_secret_value(), clock, platform.service)
    platform.exits.push_async_callback(limits.close)
    limiting = Limiting(
        limits.limiter,
        words=Pace(settings.words_burst, settings.words_refill_seconds),
        votes=Pace(settings.votes_burst, settings.votes_refill_seconds),
    )
    catalogue = GrpcCatalogue(platform.channel("machines_svc"), settings.peer_seconds)
    rentals = GrpcRentals(platform.channel("broker"), settings.peer_seconds)

    changing = Changing(store, clock)
    follow = StateConsumer(Following(store, changing))
    servicer = FeedServicer(
        Commenting(
            store,
            changing,
            catalogue=catalogue,
            rentals=rentals,
            limiting=limiting,
            clock=clock,
        ),
        Reviewing(
            store,
            changing,
            catalogue=catalogue,
            rentals=rentals,
            limiting=limiting,
            clock=clock,
        ),
        Voting(store, changing, catalogue=catalogue, limiting=limiting, clock=clock),
        Summing(store),
        Naming(store),
    )
    return Service(
        name="feed_svc",
        servicers={"allocator.feed.v1.FeedService": servicer},
        tasks=[
            *led(opened.leadership, Task("feed_svc.relay", opened.relay.run)),
            Task("feed_svc.following", lambda: platform.bus.consume(GROUP, TOPICS, follow)),
            *(Task("feed_svc.limits", watch) for watch in limits.watches),
        ],
        checks={
            **opened.checks,
            **({"limits": limits.problem} if limits.watches else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    store: FeedStore
    relay: Publishing
    leadership: Leadership
    checks: dict[str, Callable[[], str | None]]


async def _open(platform: Platform, where: Store) -> _Opened:
    """Opens the store, and what publishes from it where this replica leads."""
    if where.is_wide_rows:
        from feed_svc.adapters.cassandra.leases import CassandraLeases
        from feed_svc.adapters.cassandra.opening import open_keyspace
        from feed_svc.adapters.cassandra.outbox import CassandraRelay
        from feed_svc.adapters.feed_store.cassandra import CassandraFeedStore

        keyspace = await open_keyspace(where.url, where.schema, platform.clock, migrate=False)
        platform.exits.push_async_callback(keyspace.close)
        kept = CassandraLeases(keyspace)
        leadership = platform.leadership(kept)
        outbox = CassandraRelay(keyspace, platform.bus, platform.clock, kept.fence_for(leadership))
        leadership.on_wake(outbox.note)
        platform.publishes(outbox, leadership)
        wide = CassandraFeedStore(keyspace, platform.clock, records_of, leadership.wake)
        return _Opened(wide, outbox, leadership, {"store": keyspace.problem})
    database = await platform.database(where)
    leases = None if database.is_sqlite else SqlLeases(database, LEASES)
    leadership = platform.leadership(leases)
    fence = None if leases is None else leases.fence_for(leadership)
    relay = Relay(database, OUTBOX, platform.bus, fence=fence)
    store = SqlFeedStore(database, platform.clock, records_of, leadership.wake)
    platform.publishes(relay, leadership)
    return _Opened(store, relay, leadership, {})
