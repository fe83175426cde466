"""A keyspace, from the event loop.

The driver has threads of its own; what it says comes back into the loop by `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    ResponseFuture,
    Session,
)
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    LoadBalancingPolicy,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, BatchType, PreparedStatement, tuple_factory

from chassis.faults import Unavailable
from feed_svc.adapters.cassandra.address import Address
from feed_svc.adapters.cassandra.translation import away, fault_of, overloaded, stopping

Row = tuple[Any, ...]
"""A row as the driver reads it: the values in the order in which they were asked for."""

Parameters = Sequence[Any]
"""What stands for the question marks of a statement, in order."""

_AT_ONCE = 256
_MAX_WAITING = 2000
_TRIES = 2
_AWAY_SECONDS = 2.0
_CONNECT_SECONDS = 10.0
# All of it, at the start, when everything else on the machine starts too.
_OPEN_SECONDS = 30.0
_PAGE_ROWS = 1000
_RECONNECT_FIRST_SECONDS = 0.2
_RECONNECT_LONGEST_SECONDS = 2.0


class Keyspace:
    """A keyspace. Opened by `connect`; belongs to the event loop that uses it.

    Statements are prepared once. Those that may be done twice are tried twice; conditional ones never
    are, since of a second try nobody can say what the first one did.

    Args:
        cluster: connected.
        session: of the keyspace.
        address: where it is.
        deadline: how long one statement may take, in seconds.

    Attributes:
        address: where it is.
    """

    def __init__(
        self, cluster: Cluster, session: Session, address: Address, deadline: float
    ) -> None:
        self.address = address
        self._cluster = cluster
        self._session = session
        self._deadline = deadline
        self._prepared: dict[str, PreparedStatement] = {}
        self._preparing = asyncio.Lock()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._wanted = 0
        self._is_away = False
        self._closed = False

    async def rows(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Reads all rows of a query, a page at a time.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`.
        """
        return await self._twice(statement, parameters, serial=False)

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """Reads the first row of a query; None where there is none.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`.
        """
        found = await self._twice(statement, parameters, serial=False)
        return found[0] if found else None

    async def settled(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """Reads the first row of a query, once every conditional write that was begun has ended.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`.
        """
        found = await self._twice(statement, parameters, serial=True)
        return found[0] if found else None

    async def write(self, statement: str, parameters: Parameters = ()) -> None:
        """Writes what does no harm when it is written twice.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`.
        """
        await self._twice(statement, parameters, serial=False)

    async def apply(self, statements: Iterable[tuple[str, Parameters]]) -> bool:
        """Writes statements about one partition together, if their condition holds.

        Returns:
            Whether it held; if not, nothing was written.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`; whether they were written is
                not known then.
        """
        batch = BatchStatement(
            batch_type=BatchType.LOGGED,
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        )
        for statement, parameters in statements:
            batch.add(await self._prepare(statement), parameters)
        found = await self._send(batch)
        return bool(found[0][0])

    async def change_schema(self, statement: str) -> None:
        """Changes the schema, and waits until all servers know.

        Raises:
            Unavailable: as in `feed_svc.adapters.cassandra.translation`.
        """
        await self._send(statement, _CONNECT_SECONDS)

    def problem(self) -> str | None:
        """None while the database answers, else a sentence about it; asks nobody."""
        if self._closed or self._is_away or not self._session.get_pools():
            return "the database does not answer"
        return None

    async def close(self) -> None:
        """Closes every connection; who waits gets SERVICE_STOPPING. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._cluster.shutdown)

    async def _twice(self, statement: str, parameters: Parameters, *, serial: bool) -> list[Row]:
        for left in reversed(range(_TRIES)):
            try:
                bound = (await self._prepare(statement)).bind(parameters)
                bound.consistency_level = (
                    ConsistencyLevel.LOCAL_SERIAL if serial else ConsistencyLevel.LOCAL_QUORUM
                )
                bound.fetch_size = _PAGE_ROWS
                return await self._send(bound)
            except Unavailable:
                if not left or self._closed:
                    raise
        raise AssertionError

    async def _prepare(self, statement: str) -> PreparedStatement:
        known = self._prepared.get(statement)
        if known is not None:
            return known
        async with self._preparing:
            known = self._prepared.get(statement)
            if known is None:
                known = await in_thread(lambda: self._session.prepare(statement), self._deadline)
                self._prepared[statement] = known
        return known

    async def _send(self, statement: Any, deadline: float = 0.0) -> list[Row]:
        if self._closed:
            raise stopping()
        if self._wanted >= _MAX_WAITING:
            raise overloaded()
        self._wanted += 1
        has_turn = False
        try:
            async with asyncio.timeout(deadline or self._deadline) as limit, self._turns:
                has_turn = True
                rows = await self._rows(statement, deadline or self._deadline)
            self._is_away = False
            return rows
        except TimeoutError:
            if not limit.expired():
                raise
            self._is_away = has_turn
            raise (away() if has_turn else overloaded()) from None
        except Unavailable:
            self._is_away = True
            raise
        finally:
            self._wanted -= 1

    async def _rows(self, statement: Any, deadline: float) -> list[Row]:
        try:
            # Not much later than our own deadline, so that the driver forgets it as well.
            pages = _Pages(self._session.execute_async(statement, timeout=deadline + 1.0))
            return await pages.all
        except Exception as error:
            if self._closed:
                raise stopping() from None
            fault = fault_of(error)
            if fault is None:
                raise
            raise fault from error


class _Pages:
    """The rows of an answer, all its pages, in the event loop."""

    def __init__(self, response: ResponseFuture) -> None:
        self._loop = asyncio.get_running_loop()
        self._response = response
        self._rows: list[Row] = []
        self.all: asyncio.Future[list[Row]] = self._loop.create_future()
        # Called in a thread of the driver.
        response.add_callbacks(self._page, self._failed)

    def _page(self, rows: Sequence[Row] | None) -> None:
        self._rows += rows or ()
        if self._response.has_more_pages and not self.all.done():
            self._response.start_fetching_next_page()
        else:
            self._end(lambda: self.all.set_result(self._rows))

    def _failed(self, error: BaseException) -> None:
        self._end(lambda: self.all.set_exception(error))

    def _end(self, tell: Any) -> None:
        def in_loop() -> None:
            if not self.all.done():
                tell()

        # A loop that has ended has nobody who waits.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(in_loop)


async def connect(address: Address, deadline: float) -> tuple[Cluster, Session]:
    """Connects to the servers, without a keyspace; close the cluster at the end.

    Args:
        address: where they are.
        deadline: how long one statement may take, in seconds.

    Raises:
        Unavailable: none answers, or none lets us in.
    """
    placed: LoadBalancingPolicy = DCAwareRoundRobinPolicy(local_dc=address.datacenter)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(placed),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=deadline,
        row_factory=tuple_factory,
    )
    cluster = Cluster(
        contact_points=list(address.hosts),
        port=address.port,
        # Of Cassandra 4.0 and later; to try others first costs time and a warning each.
        protocol_version=ProtocolVersion.V5,
        auth_provider=PlainTextAuthProvider(address.user, address.password)
        if address.user
        else None,
        ssl_context=_tls() if address.tls else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ExponentialReconnectionPolicy(
            _RECONNECT_FIRST_SECONDS, _RECONNECT_LONGEST_SECONDS
        ),
        connect_timeout=_CONNECT_SECONDS,
        control_connection_timeout=_CONNECT_SECONDS,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=_AWAY_SECONDS,
    )
    try:
        session = await in_thread(cluster.connect, _OPEN_SECONDS)
        # One that goes away later is noticed sooner.
        cluster.connect_timeout = _AWAY_SECONDS
    except BaseException:
        await asyncio.to_thread(cluster.shutdown)
        raise
    return cluster, cast("Session", session)


async def in_thread(work: Any, deadline: float) -> Any:
    """Does what the driver does only while its caller waits.

    Raises:
        Unavailable: as in `feed_svc.adapters.cassandra.translation`.
    """
    try:
        async with asyncio.timeout(deadline):
            return await asyncio.to_thread(work)
    except TimeoutError:
        raise away() from None
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error


def _tls() -> Any:
    import ssl

    return ssl.create_default_context()
