"""Comments and replies."""

from __future__ import annotations

from uuid import uuid4

import pytest
from allocator.feed.v1 import feed_pb2

from chassis.faults import Conflict, Exhausted, Fault, Forbidden, Invalid, NotFound, WrongState
from tests.unit.feed_svc.conftest import ADA, ADMIN, BOB, NEW, REDIS, World


def reason(caught: pytest.ExceptionInfo[BaseException]) -> str:
    assert isinstance(caught.value, Fault)
    return caught.value.reason


async def test_what_is_said_is_there_to_be_read(world: World) -> None:
    made = await world.comment("Runs **well** 🦀.\n\n<script>alert(1)</script>")
    assert made.author == "users/ada"
    assert made.name == "machines/redis/comments/1"
    assert made.text == "Runs **well** 🦀.\n\n<script>alert(1)</script>"
    assert list((await world.comments()).comments) == [made]
    assert await world.get_comment(made.name) == made


async def test_comments_come_newest_first_in_pages(world: World) -> None:
    names = [(await world.comment(f"No. {n}")).name for n in range(7)]
    seen: list[str] = []
    token = ""
    while True:
        page = await world.comments(page_size=3, page_token=token)
        seen += [one.name for one in page.comments]
        assert len(page.comments) <= 3
        token = page.next_page_token
        if not token:
            break
        # What comes in between is on no later page, and moves none.
        await world.comment("in between")
    assert seen == names[::-1]


async def test_a_page_token_of_other_arguments_is_refused(world: World) -> None:
    for n in range(3):
        await world.comment(f"No. {n}")
    token = (await world.comments(page_size=1)).next_page_token
    with pytest.raises(Invalid) as caught:
        await world.comments(machine="machines/echo", page_token=token)
    assert reason(caught) == "PAGE_TOKEN_INVALID"


async def test_replies_are_one_level_deep_and_read_in_order(world: World) -> None:
    made = await world.comment("Which port?")
    first = await world.comment("6379.", BOB, reply_to=made.name)
    second = await world.comment("Thanks.", ADA, reply_to=made.name)
    assert first.name == f"{made.name}-1"
    assert first.reply_to == made.name
    assert list((await world.replies(made.name)).replies) == [first, second]
    listed = (await world.comments()).comments
    assert [(one.name, one.reply_count) for one in listed] == [(made.name, 2)]
    assert (await world.summary()).comments == 3
    with pytest.raises(WrongState) as caught:
        await world.comment("And?", reply_to=first.name)
    assert reason(caught) == "REPLY_TOO_DEEP"


async def test_replies_have_pages(world: World) -> None:
    made = await world.comment()
    replies = [await world.comment(f"{n}", BOB, reply_to=made.name) for n in range(5)]
    page = await world.replies(made.name, page_size=2)
    assert list(page.replies) == replies[:2]
    page = await world.replies(made.name, page_size=9, page_token=page.next_page_token)
    assert list(page.replies) == replies[2:]
    assert page.next_page_token == ""


@pytest.mark.parametrize(
    "to", [f"{REDIS}/comments/99", f"{REDIS}/comments/me", "machines/echo/comments/1"]
)
async def test_only_a_comment_of_the_machine_is_answered(world: World, to: str) -> None:
    await world.comment()
    await world.comment(machine="machines/echo")
    with pytest.raises(NotFound) as caught:
        await world.comment("yes", reply_to=to)
    assert reason(caught) == "COMMENT_NOT_FOUND"


async def test_a_comment_has_so_many_replies_at_most(world: World) -> None:
    made = await world.comment()
    for _ in range(200):
        await world.comment("+1", BOB, reply_to=made.name)
    with pytest.raises(Exhausted) as caught:
        await world.comment("+1", BOB, reply_to=made.name)
    assert reason(caught) == "REPLIES_FULL"
    assert (await world.get_comment(made.name)).reply_count == 200


async def test_an_author_changes_a_comment(world: World) -> None:
    made = await world.comment("Godo.")
    changed = await world.edit(made.name, "Good.", etag=made.etag)
    assert changed.text == "Good."
    assert changed.etag != made.etag
    assert changed.create_time == made.create_time
    assert await world.get_comment(made.name) == changed
    assert await world.edit(made.name, "Good.", etag=changed.etag) == changed


async def test_a_change_from_an_older_version_is_refused(world: World) -> None:
    made = await world.comment("1")
    await world.edit(made.name, "2")
    with pytest.raises(Conflict) as caught:
        await world.edit(made.name, "3", etag=made.etag)
    assert reason(caught) == "ETAG_STALE"
    with pytest.raises(Conflict):
        await world.delete_comment(made.name, etag=made.etag)


async def test_only_the_text_is_changed(world: World) -> None:
    made = await world.comment("1")
    with pytest.raises(Invalid) as caught:
        await world.edit(made.name, "2", paths=["author"])
    assert reason(caught) == "FIELD_NOT_UPDATABLE"


async def test_nobody_changes_what_somebody_else_wrote(world: World) -> None:
    made = await world.comment()
    for who in (BOB, ADMIN):
        with pytest.raises(Forbidden) as caught:
            await world.edit(made.name, "Bad.", who)
        assert reason(caught) == "COMMENT_NOT_YOURS"
    with pytest.raises(Forbidden) as caught:
        await world.delete_comment(made.name, BOB)
    assert reason(caught) == "COMMENT_NOT_YOURS"


async def test_an_admin_deletes_what_anybody_wrote(world: World) -> None:
    made = await world.comment()
    await world.delete_comment(made.name, ADMIN)
    with pytest.raises(NotFound) as caught:
        await world.get_comment(made.name)
    assert reason(caught) == "COMMENT_NOT_FOUND"
    assert (await world.summary()).comments == 0
    with pytest.raises(NotFound):
        await world.delete_comment(made.name, ADMIN)


async def test_a_deleted_comment_stays_for_its_replies_alone(world: World) -> None:
    made = await world.comment("secret")
    reply = await world.comment("indeed", BOB, reply_to=made.name)
    await world.delete_comment(made.name)
    (left,) = (await world.comments()).comments
    assert left.deleted
    assert (left.text, left.author, left.reply_count) == ("", "", 1)
    assert (await world.summary()).comments == 1
    for again in (world.edit(made.name, "x"), world.delete_comment(made.name)):
        with pytest.raises(NotFound):
            await again
    with pytest.raises(WrongState) as caught:
        await world.comment("late", BOB, reply_to=made.name)
    assert reason(caught) == "COMMENT_DELETED"
    await world.delete_comment(reply.name, BOB)
    assert not (await world.comments()).comments
    assert (await world.summary()).comments == 0


async def test_numbers_are_never_used_twice(world: World) -> None:
    made = await world.comment()
    await world.delete_comment(made.name)
    assert (await world.comment()).name != made.name


async def test_a_request_sent_twice_says_it_once(world: World) -> None:
    request_id = str(uuid4())
    made = await world.comment("once", request_id=request_id)
    await world.edit(made.name, "changed since")
    assert await world.comment("once", request_id=request_id) == made
    assert (await world.summary()).comments == 1
    with pytest.raises(Conflict) as caught:
        await world.comment("other", request_id=request_id)
    assert reason(caught) == "REQUEST_ID_REUSED"
    # Of another machine, and by another person, it is another request.
    await world.comment("once", machine="machines/echo", request_id=request_id)
    await world.comment("once", BOB, request_id=request_id)


async def test_a_comment_points_at_a_line_of_ones_own(world: World) -> None:
    world.directory.rented = {
        "allocations/mine1": ("users/ada", REDIS),
        "allocations/other1": ("users/ada", "machines/echo"),
        "allocations/bobs1": ("users/bob", REDIS),
    }
    line = feed_pb2.LineReference(allocation="allocations/mine1", cursor=2**53)
    made = await world.comment("What is this?", line=line)
    assert (await world.get_comment(made.name)).line == line
    for allocation, why in [
        ("allocations/other1", "LINE_OF_OTHER_MACHINE"),
        ("allocations/bobs1", "ALLOCATION_NOT_FOUND"),
        ("allocations/none1", "ALLOCATION_NOT_FOUND"),
    ]:
        with pytest.raises(Fault) as caught:
            line = feed_pb2.LineReference(allocation=allocation, cursor=1)
            await world.comment("?", line=line)
        assert caught.value.reason == why


async def test_who_is_not_verified_does_not_write(world: World) -> None:
    with pytest.raises(Forbidden) as caught:
        await world.comment("hi", NEW)
    assert reason(caught) == "USER_NOT_VERIFIED"


async def test_a_machine_that_is_not_there_has_no_comments(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        await world.comment(machine="machines/none")
    assert reason(caught) == "MACHINE_NOT_FOUND"
    assert not (await world.comments("machines/none")).comments
    world.machines.drafts.add("machines/draft")
    with pytest.raises(NotFound):
        await world.comment(machine="machines/draft")
    await world.comment(machine="machines/draft", caller=ADMIN)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t ", "\u3000", "a\0b", "\x1b[31m", "\x7f", "x" * 4001]
)
async def test_what_says_nothing_or_cannot_be_shown_is_refused(world: World, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        await world.comment(text)
    assert [one.field for one in caught.value.fields] == ["comment.text"]


@pytest.mark.parametrize(
    "text",
    [
        "x" * 4000,
        "🦀" * 4000,
        "a\tb\r\nc",
        "\u202ertl",
        "[x](javascript:alert(1))",
        "'; DROP TABLE x; --",
    ],
)
async def test_odd_text_is_kept_as_it_was_written(world: World, text: str) -> None:
    made = await world.comment(text)
    assert (await world.get_comment(made.name)).text == text


async def test_who_writes_too_much_waits(begin) -> None:
    world = await begin(words_burst="3", words_refill_seconds="100")
    for _ in range(3):
        await world.comment()
    with pytest.raises(Exhausted) as caught:
        await world.comment()
    assert reason(caught) == "TOO_MANY_REQUESTS"
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 100
    # Others write, and reading and deleting go on.
    await world.comment("hi", BOB)
    (_, *mine) = (await world.comments()).comments
    await world.delete_comment(mine[0].name)
