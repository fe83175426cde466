"""Reviews: stars and a text, one for each person who rented the machine."""

from __future__ import annotations

import pytest
from allocator.feed.v1 import feed_pb2, feed_service_pb2

from chassis.faults import (
    Conflict,
    Exhausted,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from tests.unit.feed_svc.conftest import ADA, ADMIN, BOB, CROWD, NEW, REDIS, World

OWN = f"{REDIS}/reviews/me"


def reason(caught: pytest.ExceptionInfo[BaseException]) -> str:
    assert isinstance(caught.value, Fault)
    return caught.value.reason


async def test_who_rented_a_machine_reviews_it(world: World) -> None:
    written = await world.review(5, "Starts at **once**.")
    assert written.name == f"{REDIS}/reviews/1"
    assert (written.author, written.stars) == ("users/ada", 5)
    assert list((await world.reviews()).reviews) == [written]
    assert await world.get_review(written.name) == written
    assert await world.get_review(OWN, ADA) == written


async def test_who_never_rented_it_does_not(world: World) -> None:
    world.directory.rented["allocations/other"] = ("users/ada", "machines/echo")
    world.directory.rented["allocations/bobs"] = ("users/bob", REDIS)
    request = feed_service_pb2.SetReviewRequest(review=feed_pb2.Review(name=OWN, stars=1))
    with pytest.raises(Forbidden) as caught:
        await world.call("SetReview", request, ADA)
    assert reason(caught) == "NOT_RENTED"
    with pytest.raises(Forbidden) as caught:
        await world.call("SetReview", request, NEW)
    assert reason(caught) == "USER_NOT_VERIFIED"


async def test_a_second_review_takes_the_place_of_the_first(world: World) -> None:
    first = await world.review(2, "Slow.")
    await world.review(5, caller=BOB)
    second = await world.review(4, "Better.")
    assert second.name == first.name
    assert second.create_time == first.create_time
    assert second.etag != first.etag
    assert [one.stars for one in (await world.reviews()).reviews] == [5, 4]
    found = await world.summary()
    assert (found.reviews, found.average_rating) == (2, 4.5)
    assert list(found.histogram) == [0, 0, 0, 1, 1]
    assert await world.review(4, "Better.") == second


async def test_an_etag_keeps_from_replacing_what_was_not_read(world: World) -> None:
    first = await world.review(2)
    second = await world.review(3, etag=first.etag)
    with pytest.raises(Conflict) as caught:
        await world.review(4, etag=first.etag)
    assert reason(caught) == "ETAG_STALE"
    with pytest.raises(Conflict):
        await world.review(4, caller=BOB, etag=second.etag)
    with pytest.raises(Conflict):
        await world.delete_review(OWN, etag=first.etag)


async def test_an_author_or_an_admin_deletes_a_review(world: World) -> None:
    written = await world.review(1)
    with pytest.raises(Forbidden) as caught:
        await world.delete_review(written.name, BOB)
    assert reason(caught) == "REVIEW_NOT_YOURS"
    await world.delete_review(OWN)
    with pytest.raises(NotFound) as caught:
        await world.get_review(OWN, ADA)
    assert reason(caught) == "REVIEW_NOT_FOUND"
    again = await world.review(3)
    assert again.name != written.name
    await world.delete_review(again.name, ADMIN)
    found = await world.summary()
    assert (found.reviews, found.average_rating, list(found.histogram)) == (0, 0.0, [0] * 5)


async def test_nobodys_own_review_cannot_be_read(world: World) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await world.get_review(OWN)
    assert reason(caught) == "TOKEN_MISSING"


async def test_a_review_is_written_as_ones_own(world: World) -> None:
    written = await world.review()
    request = feed_service_pb2.SetReviewRequest(review=feed_pb2.Review(name=written.name, stars=1))
    with pytest.raises(Forbidden) as caught:
        await world.call("SetReview", request, BOB)
    assert reason(caught) == "REVIEW_NOT_YOURS"


@pytest.mark.parametrize("name", ["reviews/0", "reviews/x", "reviews/1-1", "reviews/99"])
async def test_a_name_that_no_review_has_leads_nowhere(world: World, name: str) -> None:
    await world.review()
    with pytest.raises(NotFound) as caught:
        await world.get_review(f"{REDIS}/{name}")
    assert reason(caught) == "REVIEW_NOT_FOUND"


@pytest.mark.parametrize(
    ("stars", "text", "field"),
    [
        (0, "", "review.stars"),
        (6, "", "review.stars"),
        (-1, "", "review.stars"),
        (3, " \n", "review.text"),
        (3, "a\0", "review.text"),
        (3, "x" * 4001, "review.text"),
    ],
)
async def test_a_review_that_breaks_the_contract_is_refused(
    world: World, stars: int, text: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await world.review(stars, text)
    assert [one.field for one in caught.value.fields] == [field]


async def test_reviews_have_pages(world: World) -> None:
    names = [(await world.review(caller=who)).name for who in CROWD[:7]]
    seen: list[str] = []
    token = ""
    while True:
        page = await world.reviews(page_size=3, page_token=token)
        seen += [one.name for one in page.reviews]
        token = page.next_page_token
        if not token:
            break
    assert seen == names[::-1]


async def test_a_directory_that_is_away_lets_nobody_review(world: World) -> None:
    world.directory.fault = Unavailable("It is away.")
    with pytest.raises(Unavailable) as caught:
        await world.review()
    assert reason(caught) == "DEPENDENCY_UNAVAILABLE"
    assert not (await world.reviews()).reviews


async def test_who_writes_too_much_waits(begin) -> None:
    world = await begin(words_burst="1", words_refill_seconds="100")
    await world.review(1)
    with pytest.raises(Exhausted) as caught:
        await world.review(2)
    assert reason(caught) == "TOO_MANY_REQUESTS"
