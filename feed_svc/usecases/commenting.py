"""Comments and replies: write, read, change, delete."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.listing import Once, next_token, page_of
from feed_svc.domain.change import Change
from feed_svc.domain.facts import CommentCreated, CommentDeleted, CommentUpdated
from feed_svc.domain.faults import (
    AllocationNotFound,
    CommentNotYours,
    LineOfOtherMachine,
    RepliesFull,
    ReplyTooDeep,
    changed_since,
    no_comment,
)
from feed_svc.domain.faults import (
    CommentDeleted as IsDeleted,
)
from feed_svc.domain.feed import MOST_REPLIES, Comment, Feed, LineReference
from feed_svc.domain.names import comment_place
from feed_svc.domain.wording import check_wording
from feed_svc.ports import Catalogue, FeedStore, Rentals
from feed_svc.usecases.changing import Changing, Decision
from feed_svc.usecases.limiting import Limiting

_ABOVE_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CommentPage:
    """A page of comments, or of replies.

    Attributes:
        comments: of this page.
        next_page_token: for the next one; empty at the end.
    """

    comments: list[Comment]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to say.

    Attributes:
        machine: of which machine.
        text: Markdown.
        reply_to: the name of the comment that it answers; empty for none.
        line: the line that it is about; None for none.
    """

    machine: str
    text: str
    reply_to: str
    line: LineReference | None


class Commenting:
    """Comments of machines, and replies to them."""

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
            rentals: knows whose an allocation is.
            limiting: slows down who writes too much.
            clock: tells when.
        """
        self._store = store
        self._changing = changing
        self._catalogue = catalogue
        self._rentals = rentals
        self._limiting = limiting
        self._clock = clock

    async def create(self, draft: Draft, author: str, once: Once | None) -> Comment:
        """Says something.

        Args:
            draft: what.
            author: who, `users/{user}`.
            once: the request, if it has an id.

        Raises:
            Invalid: there is nothing in it.
            MachineNotFound: there is no such machine.
            CommentNotFound, CommentDeleted, ReplyTooDeep, RepliesFull: of what it answers.
            AllocationNotFound, LineOfOtherMachine: of the line.
            Conflict: REQUEST_ID_REUSED.
            TooManyRequests: the author has written too much of late.
        """
        check_wording(draft.text, "comment.text")
        thread = _answered_thread(draft)
        answered = await self._store.answered(draft.machine, once)
        if answered is not None:
            return answered
        await self._limiting.words(author)
        if draft.line is not None:
            await self._check_line(draft.machine, draft.line, author)
        looked_in = -1

        async def decide(feed: Feed) -> Decision[Comment]:
            nonlocal looked_in
            before = await self._store.answered(draft.machine, once)
            if before is not None:
                return None, before
            # After the feed was read: a machine that is deleted from now on ends the feed as well.
            if looked_in != feed.epoch:
                await self._catalogue.check_visible(draft.machine)
                looked_in = feed.epoch
            if thread:
                return await self._reply(feed, thread, draft, author)
            number = feed.threads_made + 1
            made = _comment(draft, number, 0, author, self._clock.now())
            changed = replace(feed, threads_made=number, comments=feed.comments + 1)
            return Change(changed, comments=[made], facts=[CommentCreated(made, "")]), made

        return await self._changing.change(draft.machine, decide, once)

    async def get(self, name: str) -> Comment:
        """Reads one comment, or one reply.

        Raises:
            CommentNotFound: there is none.
        """
        machine, thread, reply = comment_place(name)
        feed = await self._store.feed(machine)
        found = await self._store.comment(feed, thread, reply)
        if found is None:
            raise no_comment(name)
        return found

    async def list(self, machine: str, page_size: int, page_token: str) -> CommentPage:
        """Lists the comments of a machine without the replies, newest first.

        Raises:
            Invalid: PAGE_TOKEN_INVALID.
        """
        feed = await self._store.feed(machine)
        bound = ("comments", machine, feed.epoch)
        page = page_of(page_size, page_token, *bound, key=[int])
        before = page.after[0] if page.after else _ABOVE_ALL
        found = await self._store.comments(feed, before, page.size + 1)
        shown = found[: page.size]
        more = len(found) > page.size
        return CommentPage(shown, next_token((shown[-1].thread,), *bound) if more else "")

    async def list_replies(self, name: str, page_size: int, page_token: str) -> CommentPage:
        """Lists the replies to a comment, oldest first.

        Raises:
            CommentNotFound: no comment has such a name.
            Invalid: PAGE_TOKEN_INVALID.
        """
        machine, thread, reply = comment_place(name)
        feed = await self._store.feed(machine)
        bound = ("replies", name, feed.epoch)
        page = page_of(page_size, page_token, *bound, key=[int])
        if reply:
            # A reply has none.
            return CommentPage([], "")
        after = page.after[0] if page.after else 0
        found = await self._store.replies(feed, thread, after, page.size + 1)
        shown = found[: page.size]
        more = len(found) > page.size
        return CommentPage(shown, next_token((shown[-1].reply,), *bound) if more else "")

    async def update(
        self, name: str, text: str | None, version: int | None, author: str
    ) -> Comment:
        """Changes the text of one's own comment.

        Args:
            name: of the comment.
            text: what it shall say; None for what it says.
            version: the one that the change was made from; None for whatever is there.
            author: who asks.

        Raises:
            Invalid: there is nothing in it.
            CommentNotFound, CommentNotYours, FeedChanged: of the comment.
            TooManyRequests: the author has written too much of late.
        """
        if text is not None:
            check_wording(text, "comment.text")
        machine, thread, reply = comment_place(name)
        await self._limiting.words(author)

        async def decide(feed: Feed) -> Decision[Comment]:
            comment = await self._living(feed, thread, reply)
            if comment.author != author:
                raise CommentNotYours(
                    "Somebody else wrote this comment; only its author changes it.", comment=name
                )
            _check_version(name, comment.version, version)
            if text is None or text == comment.text:
                return None, comment
            changed = replace(
                comment, text=text, version=comment.version + 1, update_time=self._clock.now()
            )
            return Change(feed, comments=[changed], facts=[CommentUpdated(changed)]), changed

        return await self._changing.change(machine, decide)

    async def delete(self, name: str, version: int | None, caller: Caller) -> None:
        """Deletes one's own comment, or as an admin anybody's.

        Args:
            name: of the comment.
            version: the one that was read; None for whatever is there.
            caller: who asks.

        Raises:
            CommentNotFound, CommentNotYours, FeedChanged: of the comment.
        """
        machine, thread, reply = comment_place(name)

        async def decide(feed: Feed) -> Decision[None]:
            comment = await self._living(feed, thread, reply)
            if comment.author != caller.user and not caller.is_admin:
                raise CommentNotYours(
                    "Somebody else wrote this comment; its author and admins delete it.",
                    comment=name,
                )
            _check_version(name, comment.version, version)
            less = replace(feed, comments=feed.comments - 1)
            fact = CommentDeleted(comment)
            if comment.replies:
                emptied = replace(
                    comment,
                    author="",
                    text="",
                    line=None,
                    deleted=True,
                    version=comment.version + 1,
                    update_time=self._clock.now(),
                )
                return Change(less, comments=[emptied], facts=[fact]), None
            gone = [(thread, reply)]
            kept = []
            parent = await self._store.comment(feed, thread, 0) if reply else None
            if parent is not None and parent.deleted and parent.replies == 1:
                gone.append((thread, 0))
            elif parent is not None:
                kept.append(replace(parent, replies=parent.replies - 1))
            return Change(less, comments=kept, gone_comments=gone, facts=[fact]), None

        await self._changing.change(machine, decide)

    async def _reply(self, feed: Feed, thread: int, draft: Draft, author: str) -> Decision[Comment]:
        parent = await self._store.comment(feed, thread, 0)
        if parent is None:
            raise no_comment(draft.reply_to)
        if parent.deleted:
            raise IsDeleted(
                "The comment that you answer was deleted; say it in a comment of its own.",
                comment=draft.reply_to,
            )
        if parent.replies_made >= MOST_REPLIES:
            raise RepliesFull(
                f"This comment was answered {MOST_REPLIES} times, which is as often as it may; say "
                "it in a comment of its own.",
                comment=draft.reply_to,
            )
        number = parent.replies_made + 1
        made = _comment(draft, thread, number, author, self._clock.now())
        parent_now = replace(parent, replies=parent.replies + 1, replies_made=number)
        changed = replace(feed, comments=feed.comments + 1)
        fact = CommentCreated(made, parent.author)
        return Change(changed, comments=[made, parent_now], facts=[fact]), made

    async def _living(self, feed: Feed, thread: int, reply: int) -> Comment:
        comment = await self._store.comment(feed, thread, reply)
        if comment is None or comment.deleted:
            raise no_comment(comment.name if comment else f"{feed.machine}/comments/{thread}")
        return comment

    async def _check_line(self, machine: str, line: LineReference, author: str) -> None:
        of_machine = await self._rentals.machine_of(author, line.allocation)
        if of_machine is None:
            raise AllocationNotFound(
                f"You have no allocation {line.allocation!r}; list your allocations.",
                allocation=line.allocation,
            )
        if of_machine != machine:
            raise LineOfOtherMachine(
                f"{line.allocation} is an allocation of {of_machine}, not of {machine}; point at a "
                "line of one of this machine.",
                allocation=line.allocation,
            )


def _comment(draft: Draft, thread: int, reply: int, author: str, now: datetime) -> Comment:
    return Comment(
        machine=draft.machine,
        thread=thread,
        reply=reply,
        uid=str(uuid.uuid4()),
        author=author,
        text=draft.text,
        line=draft.line,
        replies=0,
        replies_made=0,
        deleted=False,
        version=1,
        create_time=now,
        update_time=now,
    )


def _answered_thread(draft: Draft) -> int:
    """The thread that a draft answers; 0 for none."""
    if not draft.reply_to:
        return 0
    machine, thread, reply = comment_place(draft.reply_to)
    if machine != draft.machine:
        raise no_comment(draft.reply_to)
    if reply:
        raise ReplyTooDeep(
            "A reply cannot be answered; answer the comment that it belongs to.",
            comment=draft.reply_to,
        )
    return thread


def _check_version(name: str, kept: int, expected: int | None) -> None:
    if expected is not None and kept != expected:
        raise changed_since(name)
