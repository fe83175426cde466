"""Reviews: write, read, delete."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from chassis.clock import Clock
from chassis.faults import Unauthenticated
from chassis.identity.caller import Caller
from chassis.listing import next_token, page_of
from feed_svc.domain.change import Change
from feed_svc.domain.facts import ReviewDeleted, ReviewWritten
from feed_svc.domain.faults import NotRented, ReviewNotYours, changed_since, no_review
from feed_svc.domain.feed import Feed, Review
from feed_svc.domain.names import review_place
from feed_svc.domain.wording import check_wording
from feed_svc.ports import Catalogue, FeedStore, Rentals
from feed_svc.usecases.changing import Changing, Decision
from feed_svc.usecases.limiting import Limiting

_ABOVE_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """A page of reviews.

    Attributes:
        reviews: of this page.
        next_page_token: for the next one; empty at the end.
    """

    reviews: list[Review]
    next_page_token: str


class Reviewing:
    """Reviews of machines: one per person and machine, by those who rented it."""

    def __init__(
        self,
        store: FeedStore,
        changing: Changing,
        *,
        catalogue: Catalogue,
        rentals: Rentals,
        limiting: Limiting,
        clock: Clock,
    ) -> None:
        """Works on a store.

        Args:
            store: where feeds are.
            changing: changes them.
            catalogue: knows the machines.
            rentals: knows who has rented what.
            limiting: slows down who writes too much.
            clock: tells when.
        """
        self._store = store
        self._changing = changing
        self._catalogue = catalogue
        self._rentals = rentals
        self._limiting = limiting
        self._clock = clock

    async def set(
        self, machine: str, stars: int, text: str, version: int | None, author: str
    ) -> Review:
        """Writes the author's review, or puts it in place of the one that is there.

        Args:
            machine: of which machine.
            stars: one to five.
            text: why; may be empty.
            version: the one that must be there; None for whatever is, also none.
            author: who, `users/{user}`.

        Raises:
            Invalid: there is nothing in the text but space.
            MachineNotFound: there is no such machine.
            NotRented: the author has never rented it.
            FeedChanged: the review is of another version.
            TooManyRequests: the author has written too much of late.
        """
        if text:
            check_wording(text, "review.text")
        await self._limiting.words(author)
        await self._catalogue.check_visible(machine)
        if not await self._rentals.has_rented(author, machine):
            raise NotRented(
                f"You have never rented {machine}; rent it first, then review it.", machine=machine
            )
        looked_in: int | None = None

        async def decide(feed: Feed) -> Decision[Review]:
            nonlocal looked_in
            # Again after the feed was read: see comments.
            if looked_in != feed.epoch:
                await self._catalogue.check_visible(machine)
                looked_in = feed.epoch
            former = await self._store.review_of(feed, author)
            if version is not None and (former is None or former.version != version):
                raise changed_since(f"{machine}/reviews/me")
            now = self._clock.now()
            if former is None:
                number = feed.reviews_made + 1
                made = Review(machine, number, str(uuid.uuid4()), author, stars, text, 1, now, now)
                changed = replace(feed.with_stars(0, stars), reviews_made=number)
                fact = ReviewWritten(made, replaced=False)
                return Change(changed, reviews=[made], facts=[fact]), made
            if (former.stars, former.text) == (stars, text):
                return None, former
            written = replace(
                former, stars=stars, text=text, version=former.version + 1, update_time=now
            )
            changed = feed.with_stars(former.stars, stars)
            fact = ReviewWritten(written, replaced=True)
            return Change(changed, reviews=[written], facts=[fact]), written

        return await self._changing.change(machine, decide)

    async def get(self, name: str, caller: Caller) -> Review:
        """Reads one review; `reviews/me` is the caller's own.

        Raises:
            ReviewNotFound: there is none.
            Unauthenticated: nobody's own was asked for.
        """
        machine, number = review_place(name)
        feed = await self._store.feed(machine)
        return await self._find(feed, number, name, caller)

    async def list(self, machine: str, page_size: int, page_token: str) -> ReviewPage:
        """Lists the reviews of a machine, newest first.

        Raises:
            Invalid: PAGE_TOKEN_INVALID.
        """
        feed = await self._store.feed(machine)
        bound = ("reviews", machine, feed.epoch)
        page = page_of(page_size, page_token, *bound, key=[int])
        before = page.after[0] if page.after else _ABOVE_ALL
        found = await self._store.reviews(feed, before, page.size + 1)
        shown = found[: page.size]
        more = len(found) > page.size
        return ReviewPage(shown, next_token((shown[-1].number,), *bound) if more else "")

    async def delete(self, name: str, version: int | None, caller: Caller) -> None:
        """Deletes one's own review, or as an admin anybody's.

        Raises:
            ReviewNotFound, ReviewNotYours, FeedChanged: of the review.
        """
        machine, number = review_place(name)

        async def decide(feed: Feed) -> Decision[None]:
            review = await self._find(feed, number, name, caller)
            if review.author != caller.user and not caller.is_admin:
                raise ReviewNotYours(
                    "Somebody else wrote this review; its author and admins delete it.", review=name
                )
            if version is not None and review.version != version:
                raise changed_since(name)
            changed = feed.with_stars(review.stars, 0)
            return Change(changed, gone_reviews=[review], facts=[ReviewDeleted(review)]), None

        await self._changing.change(machine, decide)

    async def _find(self, feed: Feed, number: int, name: str, caller: Caller) -> Review:
        if not number and not caller.user:
            raise Unauthenticated(
                "Log in to read your own review, or ask for one by its number.",
                reason="TOKEN_MISSING",
            )
        if number:
            found = await self._store.review(feed, number)
        else:
            found = await self._store.review_of(feed, caller.user)
        if found is None:
            raise no_review(name)
        return found
