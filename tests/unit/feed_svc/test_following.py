"""What becomes of feeds when people and machines change or go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allocator.feed.v1 import feed_facts_pb2, feed_pb2
from allocator.machines.v1 import machine_facts_pb2, machine_pb2
from allocator.users.v1 import user_facts_pb2, user_pb2

from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.facts import decode, fact_records
from chassis.clock import SystemClock
from chassis.faults import Invalid, NotFound
from feed_svc.transport.consumer import TOPICS, StateConsumer
from feed_svc.usecases.changing import Changing
from feed_svc.usecases.following import Following
from tests.composed import PATIENCE
from tests.unit.feed_svc.conftest import ADA, BOB, REDIS, World

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def named(person: str, given: str, family: str, version: int) -> list[Record]:
    user = user_pb2.User(name=person, given_name=given, family_name=family, email="ada@example.org")
    return fact_records(
        noun="users",
        source="user_svc",
        fact=user_facts_pb2.UserUpdated(user=user),
        resource=user,
        key=person,
        version=version,
        now=NOW,
    )


def gone(person: str, version: int) -> list[Record]:
    return fact_records(
        noun="users",
        source="user_svc",
        fact=user_facts_pb2.UserUpdated(),
        resource=None,
        key=person,
        version=version,
        now=NOW,
    )


def deleted(machine: str, time: datetime = NOW) -> list[Record]:
    return fact_records(
        noun="machines",
        source="machines_svc",
        fact=machine_facts_pb2.MachineDeleted(name=machine),
        resource=None,
        key=machine,
        version=4,
        now=time,
    )


async def follow(world: World, *records: Record) -> None:
    """Has the service follow records of state, in this order."""
    servicer: Any = world.service.servicers["allocator.feed.v1.FeedService"]
    store = servicer._naming._store
    consume = StateConsumer(Following(store, Changing(store, SystemClock())))
    for record in records:
        if record.topic in TOPICS:
            await consume(record)


async def test_what_is_on_the_bus_is_followed(world: World) -> None:
    made = await world.comment()
    await world.bus.publish(named("users/ada", "Ada", "Lovelace", 2))
    world.begin("following")
    async with asyncio.timeout(PATIENCE):
        while (await world.get_comment(made.name)).author_name != "Ada Lovelace":
            pass
        await world.bus.publish(deleted(REDIS))
        while (await world.summary()).comments:
            pass


async def test_a_record_that_says_nothing_is_refused(world: World) -> None:
    (_, state) = named("users/ada", "Ada", "Lovelace", 2)
    for broken in (
        replace(state, key="users/bob"),
        replace(state, value=b"\xff"),
        replace(state, headers={**state.headers, "version": "x"}),
        replace(state, headers={k: v for k, v in state.headers.items() if k != "version"}),
        replace(deleted(REDIS)[1], headers={}),
    ):
        with pytest.raises(Invalid):
            await follow(world, broken)
    await follow(world, replace(state, headers={**state.headers, "ce-type": "allocator.New"}))


async def test_names_follow_a_renamed_account(world: World) -> None:
    made = await world.comment()
    await world.review(4)
    assert made.author_name == ""
    await follow(world, *named("users/ada", "Ada", "Lovelace", 2))
    assert (await world.get_comment(made.name)).author_name == "Ada Lovelace"
    await follow(world, *named("users/ada", "Augusta", "", 3), *named("users/ada", "Ada", "B.", 1))
    (listed,) = (await world.comments()).comments
    assert listed.author_name == "Augusta"
    assert [one.author_name for one in (await world.reviews()).reviews] == ["Augusta"]


async def test_who_is_gone_leaves_words_without_a_name(world: World) -> None:
    await follow(world, *named("users/ada", "Ada", "Lovelace", 2))
    parent = await world.comment("Mine.", ADA)
    reply = await world.comment("Mine too.", ADA, reply_to=parent.name)
    others = await world.comment("Not mine.", BOB)
    written = await world.review(2, "Meh.")
    await world.vote("LIKE")
    await world.vote("LIKE", machine="machines/echo")
    # Told twice, and told late of a change before.
    await follow(world, *gone("users/ada", 5), *named("users/ada", "Ada", "L.", 4))
    await follow(world, *gone("users/ada", 5))
    for name, text in ((parent.name, "Mine."), (reply.name, "Mine too.")):
        found = await world.get_comment(name)
        assert (found.author, found.author_name, found.text) == ("users/deleted", "", text)
    assert (await world.get_comment(others.name)).author == "users/bob"
    found_review = await world.get_review(written.name)
    assert (found_review.author, found_review.author_name) == ("users/deleted", "")
    redis, echo = (await world.summaries(REDIS, "machines/echo")).summaries
    assert (redis.likes, redis.comments, redis.reviews) == (0, 3, 1)
    assert echo.likes == 0
    # Whoever has the same name, should that ever be, has written nothing.
    with pytest.raises(NotFound):
        await world.get_review(f"{REDIS}/reviews/me", ADA)


async def test_a_name_is_gone_from_answers_before_it_is_from_rows(world: World) -> None:
    made = [await world.comment(f"{n}") for n in range(40)]
    await follow(world, *gone("users/ada", 5))
    authors = {(await world.get_comment(one.name)).author for one in made}
    assert authors == {"users/deleted"}


async def test_a_deleted_machine_takes_its_feed_along(world: World) -> None:
    made = await world.comment()
    await world.comment(machine="machines/echo")
    await world.review()
    await world.vote("LIKE")
    before = await world.summary()
    await follow(world, *deleted(REDIS))
    assert not (await world.comments()).comments
    assert not (await world.reviews()).reviews
    with pytest.raises(NotFound):
        await world.get_comment(made.name)
    with pytest.raises(NotFound):
        await world.get_vote()
    found = await world.summary()
    assert (found.likes, found.comments, found.reviews) == (0, 0, 0)
    assert found.version > before.version
    assert (await world.summary("machines/echo")).comments == 1


async def test_a_machine_made_anew_begins_with_nothing(world: World) -> None:
    made = await world.comment()
    await follow(world, *deleted(REDIS))
    again = await world.comment("Anew.")
    assert again.name != made.name
    # What is told again, and what comes late, is about the former one.
    await follow(world, *deleted(REDIS), *deleted(REDIS, NOW - timedelta(hours=1)))
    assert [one.text for one in (await world.comments()).comments] == ["Anew."]
    await follow(world, *deleted(REDIS, NOW + timedelta(hours=1)))
    assert not (await world.comments()).comments


async def test_a_page_token_ends_with_the_feed(world: World) -> None:
    for _ in range(3):
        await world.comment()
    token = (await world.comments(page_size=1)).next_page_token
    await follow(world, *deleted(REDIS))
    with pytest.raises(Exception, match="page token"):
        await world.comments(page_size=1, page_token=token)


async def test_what_a_machine_says_of_itself_changes_nothing(world: World) -> None:
    await world.comment()
    machine = machine_pb2.Machine(name=REDIS, title="Redis")
    retired = fact_records(
        noun="machines",
        source="machines_svc",
        fact=machine_facts_pb2.MachineRetired(machine=machine),
        resource=machine,
        key=REDIS,
        version=3,
        now=NOW,
    )
    await follow(world, *retired)
    assert len((await world.comments()).comments) == 1


async def test_each_change_is_a_fact_with_its_cause(world: World) -> None:
    made = await world.comment("Hm.")
    reply = await world.comment("What?", BOB, reply_to=made.name)
    await world.edit(made.name, "Hm!")
    await world.delete_comment(reply.name, BOB)
    written = await world.review(4)
    await world.review(5)
    await world.delete_review(written.name)
    await world.vote("LIKE")
    had: list[Record] = []
    enough = asyncio.Event()

    async def effect(record: Record) -> None:
        had.append(record)
        # Of states, those that newer ones have replaced may be left out.
        newest = [r.topic for r in had if r.headers["version"] == "8"]
        if sum(r.topic == facts_topic("feed") for r in had) == 8 and len(newest) == 2:
            enough.set()

    world.begin("relay", "leadership")
    topics = [facts_topic("feed"), state_topic("feed")]
    reading = asyncio.ensure_future(world.bus.consume("test", topics, effect))
    async with asyncio.timeout(PATIENCE):
        await enough.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    facts = [record for record in had if record.topic == facts_topic("feed")]
    assert [record.headers["ce-type"].rpartition(".")[2] for record in facts] == [
        "CommentCreated",
        "CommentCreated",
        "CommentUpdated",
        "CommentDeleted",
        "ReviewWritten",
        "ReviewWritten",
        "ReviewDeleted",
        "VotesChanged",
    ]
    answered = decode(facts[1], feed_facts_pb2.CommentCreated)
    assert answered is not None
    assert answered.reply_to_author == "users/ada"
    assert answered.comment.author_name == ""
    assert facts[1].headers["actor"] == "users/bob"
    assert facts[1].headers["method"] == "allocator.feed.v1.FeedService/CreateComment"
    # Whose vote it was is nobody's business.
    assert b"ada" not in facts[-1].value
    states = [record for record in had if record.topic == state_topic("feed")]
    last = decode(states[-1], feed_pb2.FeedSummary)
    assert last == await world.summary()
    assert {record.key for record in had} == {REDIS}
