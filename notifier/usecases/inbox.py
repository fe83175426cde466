"""Inboxes: looking, marking as read, removing, and watching what comes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.faults import Exhausted, Unavailable
from chassis.listing import FilterField, next_token, page_of, parse_filter
from notifier.domain.faults import NotificationNotFound
from notifier.domain.kind import Kind
from notifier.domain.notice import Notice
from notifier.ports import NoticeStore

_FILTERS = {
    "read": FilterField.flag(),
    "kind": FilterField.choice([kind.value for kind in Kind]),
    "resource": FilterField.text("=", "!="),
}
_PAGE = 100
_MOST_WATCHERS = 10_000
_MOST_OF_ONE = 20


class Watchers:
    """Who watches an inbox in this process, and is to look again."""

    def __init__(self) -> None:
        """Begins without watchers."""
        self._of_user: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0
        self.ended = False

    def wake(self, user: str) -> None:
        """Somebody's inbox has changed."""
        for woken in self._of_user.get(user, ()):
            woken.set()

    def end(self) -> None:
        """Ends every watch: the process stops."""
        self.ended = True
        for events in self._of_user.values():
            for woken in events:
                woken.set()

    @contextmanager
    def watching(self, user: str) -> Iterator[asyncio.Event]:
        """What is set whenever a person's inbox has changed.

        Raises:
            Exhausted: TOO_MANY_REQUESTS, as many watch as may, this inbox or all of them.
        """
        of_one = len(self._of_user[user]) if user in self._of_user else 0
        if self._count >= _MOST_WATCHERS or of_one >= _MOST_OF_ONE:
            raise Exhausted(
                "As many watch already as may; close one, or try again in a moment.",
                retry_after=5,
                reason="TOO_MANY_REQUESTS",
            )
        woken = asyncio.Event()
        self._of_user[user].add(woken)
        self._count += 1
        try:
            yield woken
        finally:
            self._count -= 1
            self._of_user[user].discard(woken)
            if not self._of_user[user]:
                del self._of_user[user]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a watcher is told.

    Attributes:
        notice: what has come; None for a sign of life, or where only the count has changed.
        unread: how many of the whole inbox are unread.
        position: how far the watcher has come.
    """

    notice: Notice | None
    unread: int
    position: int


class Inbox:
    """One person's inbox at a time, whoever asks: each call names the person."""

    def __init__(
        self,
        store: NoticeStore,
        watchers: Watchers,
        clock: Clock,
        changed: Callable[[str], None],
        *,
        alive_seconds: float = 15.0,
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the inboxes.
            watchers: who watches in this process.
            clock: the time.
            changed: is called when a person has changed their own inbox.
            alive_seconds: how often a sign of life is sent; also how soon a change is found that
                nobody told of.
        """
        self._store = store
        self._watchers = watchers
        self._clock = clock
        self._changed = changed
        self._alive_seconds = alive_seconds

    async def one(self, user: str, notice_id: str) -> Notice:
        """One entry.

        Raises:
            NotificationNotFound: there is none in this inbox.
        """
        notice = await self._store.get(user, notice_id)
        if notice is None:
            raise NotificationNotFound(notice_id)
        return notice

    async def page(
        self, user: str, filter_text: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Notice], str, int]:
        """A page of entries, newest first, the token of the next one, and how many are unread in all.

        Raises:
            Invalid: FILTER_INVALID, PAGE_TOKEN_INVALID.
        """
        conditions = parse_filter(filter_text, _FILTERS)
        asked = page_of(page_size, page_token, user, filter_text, key=(int,))
        before = asked.after[0] if asked.after else None
        found = await self._store.page(user, conditions, asked.size + 1, before)
        shown = found[: asked.size]
        unread, _ = await self._store.count(user)
        if len(found) <= asked.size:
            return shown, "", unread
        return shown, next_token((shown[-1].position,), user, filter_text), unread

    async def unread(self, user: str) -> int:
        """How many entries are unread."""
        return (await self._store.count(user))[0]

    async def mark_read(self, user: str, ids: Sequence[str] | None) -> int:
        """Marks entries as read, all of them for None; returns how many are unread now."""
        if await self._store.mark_read(user, ids, self._clock.now()):
            self._changed(user)
        return await self.unread(user)

    async def delete(self, user: str, notice_id: str) -> None:
        """Removes an entry.

        Raises:
            NotificationNotFound: there is none in this inbox.
        """
        if not await self._store.delete(user, notice_id):
            raise NotificationNotFound(notice_id)
        self._changed(user)

    async def watch(self, user: str, after: int | None) -> AsyncIterator[Seen]:
        """How many are unread now, then each entry that comes, until the process stops.

        Args:
            user: whose inbox.
            after: the position that was seen last, to be told first what has come since; None to begin
                with now.

        Raises:
            Exhausted: TOO_MANY_REQUESTS.
            Unavailable: SERVICE_STOPPING.
        """
        # Watching begins before reading, so that nothing falls in between.
        with self._watchers.watching(user) as woken:
            told, last = await self._store.count(user)
            position = last if after is None else min(after, last)
            yield Seen(None, told, position)
            while True:
                woken.clear()
                unread, last = await self._store.count(user)
                async for notice in self._new(user, position, last):
                    position, told = notice.position, unread
                    yield Seen(notice, unread, position)
                position = max(position, last)
                if unread != told:
                    told = unread
                    yield Seen(None, unread, position)
                if not await self._rest(woken):
                    yield Seen(None, told, position)

    async def _new(self, user: str, position: int, last: int) -> AsyncIterator[Notice]:
        while position < last:
            page = await self._store.since(user, position, _PAGE)
            for notice in page:
                yield notice
            if len(page) < _PAGE:
                return
            position = page[-1].position

    async def _rest(self, woken: asyncio.Event) -> bool:
        """Waits until the inbox has changed; False where it has not for a while.

        Raises:
            Unavailable: SERVICE_STOPPING.
        """
        changed = asyncio.ensure_future(woken.wait())
        slept = asyncio.ensure_future(self._clock.sleep(self._alive_seconds))
        try:
            await asyncio.wait({changed, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (changed, slept):
                one.cancel()
            await asyncio.gather(changed, slept, return_exceptions=True)
        if self._watchers.ended:
            raise Unavailable(
                "The service is stopping; open the stream again.",
                reason="SERVICE_STOPPING",
                retry_after=1,
            )
        return woken.is_set()
