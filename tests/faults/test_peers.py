"""Bad luck between services: slow peers, dead ones, replicas that come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from allocator.machines.v1 import machine_pb2
from peers import ADA, Peers, Replica, get, serving, wake
from proxy import Proxy

from chassis.faults import DeadlineExceeded, Fault, Forbidden, NotFound, Unavailable
from chassis.rpc.breaker import FAILURES, Breaker, PeerAway


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    made = Peers(tmp_path / "tls")
    yield made
    await made.close()


class Callers:
    """Calls again and again until told to stop; what failed is kept."""

    def __init__(self, call: Callable[[], Awaitable[object]], at_once: int = 4) -> None:
        self.done: list[object] = []
        self.failed: list[Fault] = []
        self._call = call
        self._stopping = False
        self._tasks = [asyncio.create_task(self._run()) for _ in range(at_once)]
        self._news = asyncio.Event()

    async def some_more(self, many: int = 40) -> list[object]:
        """Waits for so many more answers, and gives them."""
        before = len(self.done)
        async with asyncio.timeout(20):
            while len(self.done) < before + many:
                self._news.clear()
                await self._news.wait()
        return self.done[before:]

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                self.done.append(await self._call())
            except Fault as fault:
                self.failed.append(fault)
                self.done.append(fault)
            self._news.set()
            await asyncio.sleep(0.001)


def tags(answers: list[object]) -> set[str]:
    return {one.description for one in answers}


async def test_calls_go_to_both_replicas_and_none_fails_while_one_drains(peers: Peers) -> None:
    one, two = await peers.replica("one"), await peers.replica("two")
    channel = peers.channel("allocation_svc", one, two)
    callers = Callers(lambda: get(channel))
    while tags(await callers.some_more()) != {"one", "two"}:
        pass
    began = time.monotonic()
    await one.drain()
    # Nobody who watches its health keeps it from ending.
    assert time.monotonic() - began < 4
    await callers.some_more()
    assert tags(await callers.some_more()) == {"two"}
    back = await peers.replica("three", one.server.port)
    while tags(await callers.some_more()) != {"two", "three"}:
        pass
    await callers.stop()
    assert callers.failed == []
    assert len(back.machines.calls) > 0


async def test_no_reading_call_fails_where_a_replica_dies_at_once(peers: Peers) -> None:
    one, two = await peers.replica("one"), await peers.replica("two")
    async with Proxy(*_parts(one)) as way:
        channel = peers.channel("allocation_svc", way.address, two)
        callers = Callers(lambda: get(channel))
        while tags(await callers.some_more()) != {"one", "two"}:
            pass
        await way.stop()
        await callers.some_more()
        assert tags(await callers.some_more()) == {"two"}
        await callers.stop()
    assert callers.failed == []


async def test_a_replica_that_stands_by_gets_no_calls(peers: Peers) -> None:
    one, two = await peers.replica("one"), await peers.replica("two")
    await one.server.set_ready(["allocator.replicas.v1.ReplicaService"])
    channel = peers.channel("allocation_svc", one, two)
    assert tags([await get(channel) for _ in range(20)]) == {"two"}


async def test_what_does_more_than_read_is_not_repeated(peers: Peers) -> None:
    replica = await peers.replica()
    replica.replicas.failing = Unavailable("Not now.")
    channel = peers.channel("allocation_svc", replica)
    with pytest.raises(Unavailable, match="Not now"):
        await wake(channel)
    assert replica.replicas.woken == 1


async def test_what_says_when_to_come_again_is_not_repeated_before(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("allocation_svc", replica)
    retry_after: float | None = 2.0

    async def away() -> object:
        raise Unavailable("The store is away.", retry_after=retry_after)

    replica.machines.serve = away
    with pytest.raises(Unavailable) as caught:
        await get(channel)
    assert (len(replica.machines.calls), caught.value.retry_after) == (1, 2.0)
    retry_after = None
    with pytest.raises(Unavailable, match="The store is away"):
        await get(channel)
    assert len(replica.machines.calls) == 5


async def test_a_slow_peer_is_named_and_the_deadline_holds(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("allocation_svc", replica)
    await get(channel)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="machines_svc did not answer in time"):
        await get(channel, "machines/slow", timeout=0.3)
    async with serving(replica, ADA, seconds=0.3):
        with pytest.raises(DeadlineExceeded, match="machines_svc") as caught:
            await get(channel, "machines/slow", timeout=20)
    assert time.monotonic() - began < 3
    assert caught.value.metadata["service"] == "machines_svc"
    # It had given up by itself, a little before its caller.
    assert [call.remaining() for call in replica.machines.calls[1:]] == [0, 0]


async def test_a_peer_that_says_nothing_any_more_is_named_too(peers: Peers) -> None:
    replica = await peers.replica()
    async with Proxy(*_parts(replica)) as way:
        channel = peers.channel("allocation_svc", way.address)
        await get(channel)
        way.hang()
        with pytest.raises(DeadlineExceeded, match="machines_svc did not answer in time"):
            await get(channel, timeout=0.3)
        way.flow()
        assert await get(channel)


async def test_who_asked_a_slow_peer_can_still_say_which_it_was(peers: Peers) -> None:
    last, middle = await peers.replica("last"), await peers.replica("middle")
    onward = peers.channel("allocation_svc", last)
    channel = peers.channel("broker", middle)

    async def pass_on() -> object:
        try:
            return await get(onward, "machines/slow", timeout=20)
        except DeadlineExceeded as fault:
            # As if it were another service.
            fault.metadata = {"service": "docker_svc"}
            raise

    middle.machines.serve = pass_on
    with pytest.raises(DeadlineExceeded) as caught:
        await get(channel, timeout=0.5)
    assert caught.value.metadata["service"] == "docker_svc"
    assert last.machines.calls


async def test_a_dead_peer_is_not_asked_for_a_moment_and_then_found_again(peers: Peers) -> None:
    replica = await peers.replica()
    async with Proxy(*_parts(replica)) as way:
        channel = peers.channel("allocation_svc", way.address)
        await get(channel)
        await way.stop()
        faults: list[Fault] = []
        while not isinstance(faults[-1] if faults else None, PeerAway):
            with pytest.raises(Unavailable, match="machines_svc cannot be reached") as caught:
                await get(channel)
            faults.append(caught.value)
        assert len(faults) == FAILURES + 1
        assert faults[-1].retry_after is not None
        assert faults[-1].retry_after >= 0.5
        began = time.monotonic()
        with pytest.raises(PeerAway):
            await get(channel)
        assert time.monotonic() - began < 0.05
        await way.start()
        async with asyncio.timeout(15):
            while True:
                try:
                    await get(channel)
                    break
                except Unavailable as fault:
                    await asyncio.sleep(min(fault.retry_after or 0.1, 0.1))
        for _ in range(20):
            await get(channel)


async def test_what_a_peer_refuses_does_not_count_as_silence(peers: Peers) -> None:
    channel = peers.channel("allocation_svc", await peers.replica())
    for _ in range(FAILURES * 2):
        with pytest.raises(NotFound):
            await get(channel, "machines/absent")
    with pytest.raises(Forbidden):
        await wake(peers.channel("interact_svc", await peers.replica()))
    assert await get(channel)


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_tries_once_after_each_pause_and_waits_longer_each_time() -> None:
    hands = Hands()
    breaker = Breaker("docker_svc", monotonic=hands)
    for _ in range(FAILURES):
        assert breaker.enter() is False
    for _ in range(FAILURES + 3):
        breaker.silent("refused", trial=False)
    pauses = []
    for _ in range(5):
        with pytest.raises(PeerAway, match="docker_svc") as caught:
            breaker.enter()
        assert caught.value.retry_after is not None
        pauses.append(caught.value.retry_after)
        hands.now += caught.value.retry_after
        assert breaker.enter() is True
        with pytest.raises(PeerAway):
            breaker.enter()
        breaker.silent("refused", trial=True)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0]
    hands.now += 4
    assert breaker.enter() is True
    breaker.gave_up(trial=True)
    assert breaker.enter() is True
    breaker.answered()
    assert [breaker.enter() for _ in range(3)] == [False, False, False]


async def test_methods_that_stubs_ask_for_later_are_repeated_as_well(peers: Peers) -> None:
    one, two = await peers.replica("one"), await peers.replica("two")
    channel = peers.channel("allocation_svc", one, two)
    one.replicas.let_go.clear()
    two.replicas.let_go.clear()
    before = asyncio.create_task(wake(channel))
    async with asyncio.timeout(10):
        while not (one.replicas.woken or two.replicas.woken):
            await asyncio.wait(
                [asyncio.ensure_future(r.replicas.asked.wait()) for r in (one, two)],
                return_when=asyncio.FIRST_COMPLETED,
            )
    failures = 2

    async def away_twice() -> object:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise Unavailable("Not now.")
        return machine_pb2.Machine(name="machines/a")

    one.machines.serve = two.machines.serve = away_twice
    assert await get(channel)
    # What had begun before goes on where it is.
    one.replicas.let_go.set()
    two.replicas.let_go.set()
    await before


def _parts(replica: Replica) -> tuple[str, int]:
    return "127.0.0.1", replica.server.port
