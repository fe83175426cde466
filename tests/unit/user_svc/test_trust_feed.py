"""Keys that rotate, and revocations that are told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.faults import Unavailable
from user_svc.domain.trust import KeyPlan, SigningKey
from user_svc.usecases.trust_feed import FeedPace, TrustFeed

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = KeyPlan(timedelta(days=90), timedelta(minutes=2), timedelta(minutes=15))


async def test_a_watcher_gets_everything_then_changes_then_heartbeats(world, as_caller) -> None:
    await world.person()
    pair = await world.logged_in()
    running = asyncio.create_task(world.feed.run())
    async with asyncio.timeout(5), aclosing(world.feed.watch()) as watching:
        first = await anext(watching)
        assert [key.id for key in first.keys] == [world.feed.signing_key().id]
        assert not first.revocations
        await world.log_in.end(as_caller(pair), pair.session.id)
        told = await anext(watching)
        assert [one.session for one in told.revocations] == [pair.session.name]
        assert not told.keys
        beat = asyncio.ensure_future(anext(watching))
        await world.clock.until_sleepers(2)
        await world.clock.run(5)
        sign_of_life = await beat
        assert not sign_of_life.keys
        assert not sign_of_life.revocations
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_whoever_comes_later_hears_of_what_still_counts(world, as_caller) -> None:
    await world.person()
    pair = await world.logged_in()
    await world.log_in.end(as_caller(pair), pair.session.id)
    await world.feed.refresh()
    async with aclosing(world.feed.watch()) as watching:
        assert len((await anext(watching)).revocations) == 1
    world.clock.advance(18 * 60)
    await world.feed.refresh()
    async with aclosing(world.feed.watch()) as watching:
        assert not (await anext(watching)).revocations


async def test_there_is_no_sign_of_life_while_the_store_is_away(world) -> None:
    beats = []

    async def listen() -> None:
        async with aclosing(world.feed.watch()) as watching:
            async for change in watching:
                beats.append(change.time)

    tasks = [asyncio.create_task(world.feed.run()), asyncio.create_task(listen())]
    await world.clock.until_sleepers(2)
    last_read = world.clock.now()
    await world.database.close()
    await world.clock.run(60)
    assert world.failures
    # One that was due may still come; whoever listens must learn within 30 seconds.
    assert all(beat - last_read < timedelta(seconds=10) for beat in beats)
    assert len(beats) <= 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_stopping_process_says_so(world) -> None:
    async with asyncio.timeout(5), aclosing(world.feed.watch()) as watching:
        await anext(watching)
        world.stopping.set()
        with pytest.raises(Unavailable) as stopped:
            await anext(watching)
    assert stopped.value.reason == "SERVICE_STOPPING"


async def test_replicas_that_start_together_use_one_key(world) -> None:
    def replica() -> TrustFeed:
        return TrustFeed(
            world.trust_store,
            world.signer,
            plan=PLAN,
            pace=FeedPace(timedelta(seconds=2), timedelta(minutes=1), timedelta(seconds=5)),
            clock=world.clock,
            stopping=world.stopping,
            failed=world.failures.append,
        )

    for key in await world.trust_store.keys():
        await world.trust_store.drop_key(key.id)
    replicas = [replica() for _ in range(4)]
    await asyncio.gather(*(one.refresh() for one in replicas))
    assert len(await world.trust_store.keys()) == 1
    assert len({one.signing_key().id for one in replicas}) == 1


async def test_a_new_key_is_known_before_it_signs_and_the_old_one_stays_known(world) -> None:
    old = world.feed.signing_key()
    world.clock.advance(90 * 86400)
    await world.feed.refresh()
    [first, second] = world.feed.published()
    assert first == old
    assert world.feed.signing_key() == old
    world.clock.advance(120)
    assert world.feed.signing_key() == second
    world.clock.advance(15 * 60 + 119)
    await world.feed.sweep()
    assert len(await world.trust_store.keys()) == 2
    world.clock.advance(2)
    await world.feed.refresh()
    assert list(world.feed.published()) == [second]
    await world.feed.sweep()
    assert await world.trust_store.keys() == [second]


@given(st.lists(st.integers(0, 10**5), min_size=1, max_size=6, unique=True), st.integers(0, 10**5))
def test_the_key_that_signs_is_published_for_as_long_as_its_tokens_live(
    ages: list[int], at: int
) -> None:
    keys = [SigningKey(f"k{n}", b"", b"", NOW + timedelta(seconds=n)) for n in ages]
    signed = NOW + timedelta(seconds=max(ages) + at)
    known = [key for key in keys if key.create_time <= signed]
    signer = PLAN.signing(known, signed)
    assert signer in PLAN.published(keys, signed)
    assert signer in PLAN.published(keys, signed + PLAN.token_lifetime)
