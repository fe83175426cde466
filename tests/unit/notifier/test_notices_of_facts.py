"""Facts become notices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.feed.v1 import feed_facts_pb2, feed_pb2
from allocator.machines.v1 import machine_facts_pb2, machine_pb2
from allocator.reasons.v1 import reason_pb2
from allocator.users.v1 import session_facts_pb2, user_facts_pb2, user_pb2

from chassis.bus import Record
from tests.unit.notifier.conftest import BOB, World

READY = allocation_facts_pb2.AllocationReady
FAILED = allocation_facts_pb2.AllocationFailed
STOPPED = allocation_facts_pb2.AllocationStopped
DELETED = allocation_facts_pb2.AllocationDeleted
UNHEALTHY = allocation_facts_pb2.AllocationUnhealthy
EXPIRING = allocation_facts_pb2.AllocationExpiring
STATE = allocation_pb2.Desired.State


async def test_who_has_verified_an_address_is_welcomed_once(world: World) -> None:
    ada = world.person("ada", given_name="Ada", language_code="de")
    for version in (2, 5):
        await world.publish("users", user_facts_pb2.UserVerified(user=ada), ada.name, version)
    [told] = await world.told("WELCOME")
    assert told.title == "Willkommen"
    assert "Guten Tag Ada" in told.text
    await world.marker()
    await world.told("WELCOME")
    assert sum("Willkommen" in mail for mail in await world.mails(2)) == 1


async def test_a_failure_is_told_with_its_reason_and_the_last_lines(world: World) -> None:
    reason = allocation_pb2.StateReason(
        reason=reason_pb2.PROGRAM_FAILED,
        message="The program has ended with exit code 3.",
        last_lines=["starting", "<b>no disk</b>"],
    )
    await world.allocation(FAILED, 3, state_reason=reason, display_name="my redis")
    [told] = await world.told("ALLOCATION_FAILED")
    assert told.title == "my redis has failed"
    assert "exit code 3" in told.text
    assert "    <b>no disk</b>" in told.text
    assert told.resource == "allocations/a1b2"
    [mail] = await world.mails(1)
    assert "Subject: my redis has failed" in mail
    assert "&lt;b&gt;no disk" in mail


@pytest.mark.parametrize(
    ("language", "state", "title", "text"),
    [
        ("en", STATE.STOPPED, "my redis will be stopped in 10 minutes", "a start brings it back"),
        ("en", STATE.DELETED, "my redis will be removed in 10 minutes", "Its files go with it"),
        ("de", STATE.STOPPED, "my redis wird in 10 Minuten angehalten", "ein Start bringt"),
        ("de", STATE.DELETED, "my redis wird in 10 Minuten entfernt", "Die Dateien gehen mit"),
    ],
)
async def test_what_will_end_by_itself_is_told_beforehand(
    world: World, language: str, state: STATE.ValueType, title: str, text: str
) -> None:
    world.person("ada", language_code=language)
    planned = allocation_pb2.PlannedChange(
        desired_state=state,
        reason=allocation_pb2.StateReason(reason=reason_pb2.IDLE, message="Nobody has used it."),
    )
    time = datetime.now(UTC) + timedelta(minutes=10)
    planned.time.FromDatetime(time)
    await world.allocation(READY, 3)
    await world.allocation(EXPIRING, 4, planned=planned, display_name="my redis")
    [_, told] = await world.told("ALLOCATION_READY", "ALLOCATION_EXPIRING")
    assert told.title == title
    assert text in told.text
    assert "Nobody has used it." in told.text
    assert f"{time:%H:%M} UTC" in told.text
    [mail] = await world.mails(1)
    assert "Nobody has used it." in mail
    # Of a stop that was overtaken nobody is warned.
    await world.allocation(DELETED, 9)
    await world.allocation(EXPIRING, 8, planned=planned)
    await world.marker()
    await world.told("ALLOCATION_READY", "ALLOCATION_EXPIRING", "ALLOCATION_REMOVED")


async def test_what_runs_without_answering_is_told_with_its_last_lines(world: World) -> None:
    reason = allocation_pb2.StateReason(
        reason=reason_pb2.PROBE_UNANSWERED,
        message="Its port 80 does not answer any more.",
        last_lines=["out of workers"],
    )
    await world.allocation(READY, 3)
    await world.allocation(UNHEALTHY, 5, state_reason=reason)
    [_, told] = await world.told("ALLOCATION_READY", "ALLOCATION_UNHEALTHY")
    assert told.title == "Redis does not answer any more"
    assert "Its port 80" in told.text
    assert "    out of workers" in told.text
    [mail] = await world.mails(1)
    assert "out of workers" in mail


async def test_duplicate_late_and_disordered_facts_change_nothing(world: World) -> None:
    ready = await world.allocation(READY, 3)
    await world.told("ALLOCATION_READY")
    await world.bus.publish([ready])
    await world.allocation(DELETED, 7)
    await world.told("ALLOCATION_READY", "ALLOCATION_REMOVED")
    await world.allocation(STOPPED, 5)
    await world.allocation(READY, 6)
    await world.bus.publish([ready])
    await world.allocation(FAILED, 1, name="allocations/z9")
    await world.told("ALLOCATION_READY", "ALLOCATION_REMOVED", "ALLOCATION_FAILED")


async def test_what_one_has_done_oneself_is_told_in_the_page_alone(world: World) -> None:
    by_owner = allocation_pb2.StateReason(reason=reason_pb2.STOPPED_BY_OWNER, message="You did.")
    await world.allocation(STOPPED, 3, state_reason=by_owner)
    await world.told("ALLOCATION_STOPPED")
    other = allocation_pb2.StateReason(message="It was idle for 30 minutes.")
    await world.allocation(STOPPED, 5, state_reason=other)
    [_, told] = await world.told("ALLOCATION_STOPPED", "ALLOCATION_STOPPED")
    assert "idle for 30 minutes" in told.text
    [mail] = await world.mails(1)
    assert "idle for 30 minutes" in mail


async def test_old_facts_come_into_the_inbox_and_are_not_mailed(world: World) -> None:
    await world.allocation(FAILED, 3, ago=timedelta(hours=25))
    await world.allocation(FAILED, 3, name="allocations/new", ago=timedelta(hours=23))

    async def both() -> bool:
        return len(await world.inbox()) == 2

    await world.until(both)
    await world.marker()
    mails = [mail for mail in await world.mails(2) if "has failed" in mail]
    assert len(mails) == 1
    old = next(one for one in await world.inbox() if one.resource == "allocations/a1b2")
    age = old.create_time.ToDatetime() - old.event_time.ToDatetime()
    assert age > timedelta(hours=24)


async def test_nobody_is_guessed_while_the_directory_is_away(world: World) -> None:
    world.directory.away = True
    await world.allocation(FAILED, 3)
    world.directory.away = False
    await world.told("ALLOCATION_FAILED")
    # Who is not there any more is not told, and holds nothing up.
    del world.directory.users["users/ada"]
    await world.allocation(READY, 4)
    await world.marker()
    await world.told("ALLOCATION_FAILED")


async def test_an_address_that_is_not_verified_and_a_disabled_account_get_no_mail(
    world: World,
) -> None:
    ada = world.person("ada")
    ada.verified = ada.email_verified = False
    await world.allocation(FAILED, 3)
    await world.told("ALLOCATION_FAILED")
    ada.verified = ada.email_verified = True
    ada.state = user_pb2.User.DISABLED
    await world.allocation(FAILED, 4)
    await world.told("ALLOCATION_FAILED", "ALLOCATION_FAILED")
    await world.marker()
    [mail] = await world.mails(1)
    assert "To: marker99@example.org" in mail


async def test_comments_are_told_to_the_publisher_and_to_who_is_answered(world: World) -> None:
    world.directory.machines["machines/redis"] = machine_pb2.Machine(
        name="machines/redis", title="Redis", publisher="users/ada"
    )

    async def comment(number: int, author: str, reply_to: str = "") -> str:
        name = f"machines/redis/comments/c{number}"
        said = feed_pb2.Comment(name=name, author=author, author_name="Bob", text="Nice.\nYes.")
        fact = feed_facts_pb2.CommentCreated(comment=said, reply_to_author=reply_to)
        await world.publish("feed", fact, "machines/redis", number)
        return name

    first = await comment(1, "users/bob")
    [told] = await world.told("COMMENT_ON_MY_MACHINE")
    assert told.title == "A comment on Redis"
    assert "Bob has written:" in told.text
    assert "    Nice.\n    Yes." in told.text
    # Never oneself; a publisher who is answered is told that, and not twice.
    await comment(2, "users/ada")
    await comment(3, "users/bob", reply_to="users/ada")
    await comment(4, "users/ada", reply_to="users/bob")
    await world.told("REPLY_TO_MY_COMMENT", caller=BOB)
    await world.told("COMMENT_ON_MY_MACHINE", "REPLY_TO_MY_COMMENT")
    review = feed_pb2.Review(
        name="machines/redis/reviews/bob", author="users/bob", author_name="Bob", stars=4
    )
    for replaced, version in ((False, 5), (True, 6)):
        fact = feed_facts_pb2.ReviewWritten(review=review, replaced=replaced)
        await world.publish("feed", fact, "machines/redis", version)
    deleted = feed_facts_pb2.CommentDeleted(name=first, author="users/bob")
    await world.publish("feed", deleted, "machines/redis", 7)
    [_, told] = await world.told("REPLY_TO_MY_COMMENT", "REVIEW_OF_MY_MACHINE")
    assert told.title == "A review of Redis: 4 of 5 stars"


async def test_admins_and_publishers_hear_of_submissions(world: World) -> None:
    await world.admin(BOB)
    machine = machine_pb2.Machine(
        name="machines/mine",
        title="Mine",
        publisher="users/ada",
        submission=machine_pb2.Submission(rejection="No image."),
    )
    facts = (
        machine_facts_pb2.MachineSubmitted(machine=machine),
        machine_facts_pb2.MachineRejected(machine=machine),
        machine_facts_pb2.MachinePublished(machine=machine),
    )
    for version, fact in enumerate(facts, 2):
        await world.publish("machines", fact, machine.name, version)
    [told, _] = await world.told("MACHINE_REJECTED", "MACHINE_PUBLISHED")
    assert "No image." in told.text
    assert "MACHINE_SUBMITTED" in {one.kind for one in await world.inbox(BOB)}
    assert "DEAD_LETTER" in {one.kind for one in await world.inbox(BOB)}


async def test_log_ins_from_a_new_place_are_told_each(world: World) -> None:
    for number in (1, 2):
        fact = session_facts_pb2.UserLoggedInFromNewPlace(
            user="users/ada", session=f"sessions/s{number}", user_agent="Firefox", address="::1"
        )
        await world.publish("users", fact, "users/ada", 0)
    kind = "LOGGED_IN_FROM_NEW_PLACE"
    [told, _] = await world.told(kind, kind)
    assert "Device: Firefox" in told.text


@pytest.mark.parametrize("world", [{"ALLOCATOR_NOTIFIER_DIGEST_SPAN_SECONDS": "3"}], indirect=True)
async def test_many_mails_of_a_kind_become_one_and_the_inbox_has_each(world: World) -> None:
    for number in range(12):
        await world.allocation(FAILED, 1, name=f"allocations/many{number}")

    async def all_there() -> bool:
        return len(await world.inbox()) == 12

    await world.until(all_there)
    mails = await world.mails(6)
    digests = [mail for mail in mails if "more notices" in mail]
    while not digests:
        mails = await world.mails(len(mails) + 1)
        digests = [mail for mail in mails if "more notices" in mail]
    singles = [mail for mail in mails if mail not in digests]
    gathered = sum(int(mail.partition("Subject: ")[2].split()[0]) for mail in digests)
    assert len(singles) + gathered == 12
    assert len(mails) < 12


async def test_nothing_is_kept_of_who_has_gone(world: World) -> None:
    await world.allocation(FAILED, 3)
    await world.told("ALLOCATION_FAILED")
    gone = user_facts_pb2.UserDeleted(name="users/ada")
    for _ in range(2):
        await world.publish("users", gone, "users/ada", 9)
    await world.told()
    await world.allocation(READY, 4)
    await world.marker()
    assert await world.inbox() == []


async def test_a_record_that_is_none_of_ours_is_a_dead_letter_and_stops_nothing(
    world: World,
) -> None:
    good = await world.allocation(READY, 3)
    await world.bus.publish(
        [
            Record(good.topic, "allocations/bad", b"\xff\xff", good.headers),
            Record(good.topic, "allocations/bad", good.value, {"ce-type": good.headers["ce-type"]}),
            Record(good.topic, "allocations/bad", b"", {"ce-type": "allocator.later.v9.Thing"}),
        ]
    )
    await world.allocation(FAILED, 4)
    await world.told("ALLOCATION_READY", "ALLOCATION_FAILED")

    async def two() -> bool:
        return [one.group for one in await world.bus.dead_letters(10)] == ["notifier.notices"] * 2

    await world.until(two)
