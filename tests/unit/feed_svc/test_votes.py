"""Votes, and what feeds add up to."""

from __future__ import annotations

import asyncio

import pytest
from allocator.feed.v1 import feed_pb2, feed_service_pb2

from chassis.faults import Exhausted, Fault, Forbidden, Invalid, NotFound, Unavailable
from tests.unit.feed_svc.conftest import ADA, BOB, CROWD, NEW, REDIS, World

LIKE = feed_pb2.Vote.LIKE
DISLIKE = feed_pb2.Vote.DISLIKE


def reason(caught: pytest.ExceptionInfo[BaseException]) -> str:
    assert isinstance(caught.value, Fault)
    return caught.value.reason


async def votes(world: World) -> tuple[int, int]:
    found = await world.summary()
    return found.likes, found.dislikes


async def test_somebody_likes_switches_and_withdraws(world: World) -> None:
    given = await world.vote("LIKE")
    assert (given.name, given.direction) == (f"{REDIS}/votes/me", LIKE)
    assert await world.get_vote() == given
    assert await votes(world) == (1, 0)
    await world.vote("DISLIKE")
    assert await votes(world) == (0, 1)
    await world.clear()
    assert await votes(world) == (0, 0)
    with pytest.raises(NotFound) as caught:
        await world.get_vote()
    assert reason(caught) == "VOTE_NOT_FOUND"


async def test_the_same_again_changes_nothing(world: World) -> None:
    first = await world.vote("LIKE")
    assert await world.vote("LIKE") == first
    version = (await world.summary()).version
    await world.vote("LIKE")
    assert (await world.summary()).version == version
    await world.clear()
    await world.clear()
    assert await votes(world) == (0, 0)


async def test_fifty_who_vote_at_once_are_fifty(world: World) -> None:
    async def each(place: int) -> None:
        who = CROWD[place]
        await world.vote("LIKE", who)
        if place % 2:
            await world.vote("DISLIKE", who)
        if place % 5 == 0:
            await world.clear(who)

    await asyncio.gather(*(each(place) for place in range(50)))
    assert await votes(world) == (20, 20)


async def test_a_vote_is_seen_by_its_owner_alone(world: World) -> None:
    await world.vote("LIKE")
    with pytest.raises(NotFound):
        await world.get_vote(BOB)
    assert (await world.summary(caller=ADA)).own_vote == LIKE
    assert (await world.summary(caller=BOB)).own_vote == feed_pb2.Vote.DIRECTION_UNSPECIFIED
    assert (await world.summary()).own_vote == feed_pb2.Vote.DIRECTION_UNSPECIFIED


async def test_only_who_is_verified_votes_on_what_there_is(world: World) -> None:
    with pytest.raises(Forbidden) as caught:
        await world.vote("LIKE", NEW)
    assert reason(caught) == "USER_NOT_VERIFIED"
    with pytest.raises(NotFound) as caught:
        await world.vote("LIKE", machine="machines/none")
    assert reason(caught) == "MACHINE_NOT_FOUND"


async def test_a_vote_goes_one_way_or_the_other(world: World) -> None:
    for vote in (
        feed_pb2.Vote(name=f"{REDIS}/votes/me"),
        feed_pb2.Vote(name=f"{REDIS}/votes/me", direction=7),  # type: ignore[arg-type]
        feed_pb2.Vote(name=f"{REDIS}/votes/bob", direction=LIKE),
    ):
        with pytest.raises(Invalid):
            await world.call("SetVote", feed_service_pb2.SetVoteRequest(vote=vote), ADA)


async def test_who_votes_too_much_waits(begin) -> None:
    world = await begin(votes_burst="2", votes_refill_seconds="100")
    await world.vote("LIKE")
    await world.vote("DISLIKE")
    with pytest.raises(Exhausted) as caught:
        await world.vote("LIKE")
    assert reason(caught) == "TOO_MANY_REQUESTS"
    await world.comment("Words have a measure of their own.")


async def test_a_catalogue_that_is_away_takes_no_votes(world: World) -> None:
    world.machines.fault = Unavailable("It is away.")
    with pytest.raises(Unavailable):
        await world.vote("LIKE")
    assert await votes(world) == (0, 0)


async def test_a_page_of_summaries_comes_in_the_order_asked_for(world: World) -> None:
    await world.vote("LIKE")
    await world.vote("DISLIKE", machine="machines/echo")
    await world.comment()
    await world.review(5)
    await world.review(2, caller=BOB)
    answer = await world.summaries("machines/none", "machines/echo", REDIS, caller=ADA)
    none, echo, redis = answer.summaries
    assert none == feed_pb2.FeedSummary(
        name="machines/none/feedSummary", machine="machines/none", histogram=[0] * 5
    )
    assert (echo.dislikes, echo.own_vote) == (1, DISLIKE)
    assert (redis.likes, redis.comments, redis.reviews, redis.own_vote) == (1, 1, 2, LIKE)
    assert redis.average_rating == 3.5
    assert redis == await world.summary(caller=ADA)


@pytest.mark.parametrize(
    "machines",
    [[], [REDIS, REDIS], ["redis"], ["machines/-"], [f"machines/m{n}" for n in range(101)]],
)
async def test_what_cannot_be_summed_is_refused(world: World, machines: list[str]) -> None:
    with pytest.raises(Invalid):
        await world.summaries(*machines)


async def test_a_hundred_summaries_come_at_once(world: World) -> None:
    names = [f"machines/m{n}" for n in range(100)]
    assert [one.machine for one in (await world.summaries(*names)).summaries] == names
