"""Inboxes, preferences and admins, as their ports promise them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.clock import SystemClock
from chassis.faults import Conflict
from chassis.identity import Vault
from chassis.listing import Condition
from chassis.sql import open_database
from notifier.adapters.admin_list.sql import SqlAdminList
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.notice_store.sql import SqlNoticeStore
from notifier.adapters.preference_store.sql import SqlPreferenceStore
from notifier.domain.delivery import Channel, Content, Delivery, delivery_id
from notifier.domain.faults import DeliveryQueueFull
from notifier.domain.kind import Kind
from notifier.domain.notice import (
    Entry,
    Event,
    Gathering,
    Notice,
    Outcome,
    Telling,
    notice_id,
)
from notifier.domain.preference import Way
from notifier.ports import AdminList, DeliveryStore, NoticeStore, PreferenceStore
from tests.sql_places import SQL_ENGINES, SqlPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADA, BOB = "users/ada", "users/bob"


@dataclass
class World:
    """Everything that is in one database."""

    notices: NoticeStore
    preferences: PreferenceStore
    admins: AdminList
    deliveries: DeliveryStore
    gathering: Gathering = field(default_factory=lambda: Gathering(2, MINUTE))
    most_waiting: int = 100

    async def tell(
        self, event: Event, *entries: Entry, now: datetime = NOW, most: int | None = None
    ) -> Telling:
        """Tells people of a fact."""
        waiting = self.most_waiting if most is None else most
        return await self.notices.tell(event, entries, self.gathering, waiting, now)

    async def told(self, number: int, user: str = ADA, now: datetime = NOW) -> Notice:
        """A notice of a fact of its own, as it is in the inbox."""
        entry = an_entry(number, user, now=now)
        assert (await self.tell(an_event(number), entry, now=now)).outcome is Outcome.TOLD
        found = await self.notices.get(user, entry.notice.id)
        assert found is not None
        return found

    async def mails(self) -> list[Delivery]:
        """The mails that wait."""
        later = NOW + timedelta(days=1)
        return await self.deliveries.lease(Channel.EMAIL, later, later + MINUTE, 100)


@pytest.fixture(params=SQL_ENGINES)
async def world(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[World]:
    """Stores with nothing in them."""
    url = sql_place(request.param, "notifier.schema")
    database = await open_database(url, "notifier.schema", SystemClock())
    vault = Vault(b"k" * 32)
    yield World(
        SqlNoticeStore(database, vault),
        SqlPreferenceStore(database),
        SqlAdminList(database),
        SqlDeliveryStore(database, vault),
    )
    await database.close()


def an_event(number: int, thread: str = "", order: int = 0, withdraws: str = "") -> Event:
    """A fact."""
    return Event(f"fact-{number}", NOW, thread, order, withdraws=withdraws)


def an_entry(
    number: int,
    user: str = ADA,
    *,
    kind: Kind = Kind.ALLOCATION_READY,
    now: datetime = NOW,
    mail: bool = False,
    others: Sequence[Channel] = (),
) -> Entry:
    """What a person is told of it."""
    fact = f"fact-{number}"
    notice = Notice(
        id=notice_id(fact, user),
        user=user,
        kind=kind,
        title=f"Redis {number} ist bereit 🦊",
        text="It answers.\n\n    quoted\n",
        resource=f"allocations/a{number}",
        fact_id=fact,
        event_time=NOW - MINUTE,
        create_time=now,
        by="users/carol",
    )

    def delivery(channel: Channel) -> Delivery:
        to = f"{user}@{channel.value}"
        return Delivery(
            *(delivery_id(fact, channel, to), channel, to, Content(text="x"), fact, now, now),
            now + timedelta(days=1),
            kind=kind.value,
            user=user,
        )

    return Entry(
        notice,
        in_page=True,
        mail=delivery(Channel.EMAIL) if mail else None,
        others=[delivery(channel) for channel in others],
    )


async def test_a_notice_comes_back_as_it_was_told(world: World) -> None:
    entry = an_entry(1)
    telling = await world.tell(an_event(1), entry)
    assert telling == Telling(Outcome.TOLD, [ADA])
    found = await world.notices.get(ADA, entry.notice.id)
    assert found == replace(entry.notice, position=1)
    assert await world.notices.count(ADA) == (1, 1)
    assert await world.notices.get(BOB, entry.notice.id) is None


async def test_a_fact_is_told_once_also_at_once_also_after_it_was_removed(world: World) -> None:
    entry = an_entry(1, mail=True)
    outcomes = await asyncio.gather(*(world.tell(an_event(1), entry) for _ in range(6)))
    assert sorted(one.outcome.name for one in outcomes) == ["KNOWN"] * 5 + ["TOLD"]
    assert len(await world.mails()) == 1
    assert await world.notices.delete(ADA, entry.notice.id)
    assert not await world.notices.delete(ADA, entry.notice.id)
    assert (await world.tell(an_event(1), entry)).outcome is Outcome.KNOWN
    assert await world.notices.count(ADA) == (0, 1)


async def test_what_a_newer_one_has_overtaken_is_not_told(world: World) -> None:
    assert (await world.tell(an_event(3, "allocations/x", 3), an_entry(3))).users == [ADA]
    late = await world.tell(an_event(2, "allocations/x", 2), an_entry(2, mail=True))
    assert late == Telling(Outcome.LATE)
    assert (await world.tell(an_event(4, "allocations/y", 1), an_entry(4))).users == [ADA]
    assert (await world.tell(an_event(5, "allocations/x", 5), an_entry(5))).users == [ADA]
    assert (await world.notices.count(ADA))[0] == 3
    assert await world.mails() == []


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(facts=st.permutations(range(1, 7)), doubled=st.lists(st.integers(1, 6), max_size=6))
async def test_of_a_thread_the_told_are_in_order_whatever_comes_when(
    world: World, facts: list[int], doubled: list[int]
) -> None:
    thread = f"allocations/{facts}{doubled}"
    user = f"users/{abs(hash(thread))}"
    told = []
    for number in [*facts, *doubled]:
        event = replace(an_event(number, thread, number), fact_id=f"{thread}{number}"[:90])
        entry = an_entry(number, user)
        entry = replace(entry, notice=replace(entry.notice, id=notice_id(event.fact_id, user)))
        if (await world.tell(event, entry)).outcome is Outcome.TOLD:
            told.append(number)
    assert told == sorted(set(told))
    assert told[-1] == 6
    assert (await world.notices.count(user))[0] == len(told)


async def test_one_fact_for_several_people_is_told_to_all_of_them(world: World) -> None:
    entries = [an_entry(1, f"users/{name}") for name in "dcba"]
    telling = await world.tell(an_event(1), *entries)
    assert telling.users == ["users/a", "users/b", "users/c", "users/d"]


async def test_positions_come_in_order_and_none_is_filled_later(world: World) -> None:
    seen: list[int] = []

    async def follow() -> None:
        position = 0
        while len(seen) < 30:
            for notice in await world.notices.since(ADA, position, 100):
                position = notice.position
                seen.append(position)
            await asyncio.sleep(0)

    following = asyncio.create_task(follow())
    told = (world.tell(an_event(number), an_entry(number)) for number in range(30))
    async with asyncio.timeout(30):
        await asyncio.gather(*told)
        await following
    assert seen == list(range(1, 31))


async def test_pages_go_back_from_the_newest_and_conditions_hold(world: World) -> None:
    made = [await world.told(number) for number in range(5)]
    await world.told(9, BOB)
    first = await world.notices.page(ADA, [], 3, None)
    assert [one.id for one in first] == [one.id for one in reversed(made[2:])]
    rest = await world.notices.page(ADA, [], 3, first[-1].position)
    assert [one.id for one in rest] == [made[1].id, made[0].id]
    await world.notices.mark_read(ADA, [made[1].id], NOW)

    async def found(*conditions: Condition) -> list[int]:
        return [one.position for one in await world.notices.page(ADA, conditions, 10, None)]

    assert await found(Condition("read", "=", value=True)) == [2]
    assert await found(Condition("read", "!=", value=True)) == [5, 4, 3, 1]
    assert await found(Condition("resource", "=", "allocations/a3")) == [4]
    assert await found(Condition("kind", "!=", "ALLOCATION_READY")) == []
    assert [one.position for one in await world.notices.since(ADA, 3, 1)] == [4]


async def test_one_several_and_all_are_marked_as_read(world: World) -> None:
    made = [await world.told(number) for number in range(4)]
    bobs = await world.told(9, BOB)
    assert await world.notices.mark_read(ADA, [made[0].id], NOW) == 1
    read = await world.notices.get(ADA, made[0].id)
    assert read is not None
    assert read.read_time == NOW
    # When it was read first stays.
    assert await world.notices.mark_read(ADA, [made[0].id, made[1].id, bobs.id], NOW + MINUTE) == 1
    assert await world.notices.get(ADA, made[0].id) == read
    assert await world.notices.mark_read(ADA, None, NOW) == 2
    assert (await world.notices.count(ADA))[0] == 0
    assert (await world.notices.count(BOB))[0] == 1
    assert await world.notices.mark_read(ADA, [], NOW) == 0


async def test_mails_that_are_too_many_wait_for_a_digest(world: World) -> None:
    for number in range(5):
        await world.tell(an_event(number), an_entry(number, mail=True))
    await world.tell(an_event(8), an_entry(8, mail=True, kind=Kind.ALLOCATION_FAILED))
    await world.tell(an_event(9), an_entry(9, BOB, mail=True))
    assert sorted(one.destination for one in await world.mails()) == [
        *["users/ada@EMAIL"] * 3,
        "users/bob@EMAIL",
    ]
    assert await world.notices.gathered(NOW - MINUTE, 10) == []
    [gathered] = await world.notices.gathered(NOW, 10)
    assert (gathered.user, gathered.kind, gathered.count) == (ADA, Kind.ALLOCATION_READY, 3)
    assert gathered.titles == [f"Redis {number} ist bereit 🦊" for number in (2, 3, 4)]

    # One that comes meanwhile is not in it.
    await world.tell(an_event(7), an_entry(7, mail=True))
    digest = an_entry(99, mail=True).mail
    outcomes = await asyncio.gather(
        *(world.notices.settle(gathered, digest, world.most_waiting) for _ in range(3))
    )
    assert sorted(outcomes) == [False, False, True]
    assert [one.fact_id for one in await world.mails()] == ["fact-99"]
    [left] = await world.notices.gathered(NOW, 10)
    assert left.count == 1
    # After the minute they go out singly again.
    await world.tell(
        an_event(10), an_entry(10, mail=True, now=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE
    )
    assert [one.fact_id for one in await world.mails()] == ["fact-10"]


async def test_text_messages_beyond_are_left_out_and_webhooks_are_not(world: World) -> None:
    both = [Channel.SMS, Channel.WEBHOOK]
    for number in range(4):
        await world.tell(an_event(number), an_entry(number, others=both))
    later = NOW + timedelta(hours=1)
    for channel, count in ((Channel.SMS, 2), (Channel.WEBHOOK, 4)):
        assert len(await world.deliveries.lease(channel, NOW, later, 100)) == count
    assert (await world.notices.count(ADA))[0] == 4


async def test_a_full_queue_loses_no_mail_and_keeps_nothing_from_the_inbox(world: World) -> None:
    entry = an_entry(1, mail=True, others=[Channel.SMS])
    telling = await world.tell(an_event(1), entry, most=0)
    assert telling == Telling(Outcome.TOLD, [ADA], sends=False, dropped=1)
    [gathered] = await world.notices.gathered(NOW, 10)
    with pytest.raises(DeliveryQueueFull):
        await world.notices.settle(gathered, entry.mail, 0)
    assert await world.notices.settle(gathered, entry.mail, 1)
    assert len(await world.mails()) == 1


async def test_nothing_is_left_of_who_has_gone_and_nothing_comes(world: World) -> None:
    await world.told(1)
    await world.told(2, BOB)
    by_ada = an_entry(3, BOB)
    await world.tell(an_event(3), replace(by_ada, notice=replace(by_ada.notice, by=ADA)))
    await world.notices.erase(ADA, NOW)
    await world.notices.erase(ADA, NOW)
    late = await world.tell(an_event(4), an_entry(4, mail=True), an_entry(4, BOB))
    assert late.users == [BOB]
    assert await world.notices.page(ADA, [], 10, None) == []
    assert [one.fact_id for one in await world.notices.page(BOB, [], 10, None)] == [
        "fact-4",
        "fact-2",
    ]
    assert await world.mails() == []


async def test_what_is_told_while_somebody_goes_is_gone_too(world: World) -> None:
    telling = (world.tell(an_event(number), an_entry(number)) for number in range(20))
    await asyncio.gather(*telling, world.notices.erase(ADA, NOW))
    assert await world.notices.page(ADA, [], 100, None) == []


async def test_notices_of_what_is_taken_back_go(world: World) -> None:
    made = await world.told(1)
    await world.told(2)
    telling = await world.tell(an_event(3, made.resource, 9, withdraws=made.resource))
    assert telling.users == [ADA]
    assert [one.fact_id for one in await world.notices.page(ADA, [], 10, None)] == ["fact-2"]
    assert (await world.tell(an_event(4, made.resource, 8), an_entry(4))).outcome is Outcome.LATE


async def test_an_inbox_keeps_the_newest_and_not_for_ever(world: World) -> None:
    for number in range(5):
        await world.told(number, now=NOW + number * MINUTE)
    await world.told(9, BOB)
    long_ago = NOW - timedelta(days=90)
    assert await world.notices.sweep(3, long_ago, long_ago) == 2
    assert [one.position for one in await world.notices.page(ADA, [], 10, None)] == [5, 4, 3]
    assert await world.notices.sweep(3, NOW + 3 * MINUTE, long_ago) == 2
    assert [one.position for one in await world.notices.page(ADA, [], 10, None)] == [5, 4]
    # What was told is remembered for longer, and then forgotten too.
    assert (await world.tell(an_event(0), an_entry(0))).outcome is Outcome.KNOWN
    await world.notices.sweep(3, long_ago, NOW + timedelta(days=1))
    assert (await world.tell(an_event(0), an_entry(0))).outcome is Outcome.TOLD


async def test_preferences_are_kept_and_changed_by_kind(world: World) -> None:
    nothing = await world.preferences.get(ADA)
    assert (nothing.version, nothing.chosen, nothing.update_time) == (0, {}, None)
    ready = {Kind.ALLOCATION_READY: {Way.EMAIL: True, Way.IN_PAGE: False}}
    failed = {Kind.ALLOCATION_FAILED: {Way.SMS: True}}
    first = await world.preferences.change(ADA, ready, 0, NOW)
    assert first == await world.preferences.get(ADA)
    second = await world.preferences.change(ADA, failed, None, NOW + MINUTE)
    assert second == await world.preferences.get(ADA)
    assert second.chosen == {**ready, **failed}
    assert second.version == 2
    with pytest.raises(Conflict):
        await world.preferences.change(ADA, ready, 1, NOW)
    await world.preferences.erase(ADA)
    assert (await world.preferences.get(ADA)).version == 0


async def test_of_those_who_change_preferences_at_once_one_wins(world: World) -> None:
    change = {Kind.WELCOME: {Way.EMAIL: False}}
    for version in range(2):
        outcomes = await asyncio.gather(
            *(world.preferences.change(ADA, change, version, NOW) for _ in range(4)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Conflict) for one in outcomes) == 3


async def test_admins_are_known_by_the_newest_that_was_said_of_them(world: World) -> None:
    await world.admins.learn(ADA, 2, is_admin=True)
    await world.admins.learn(BOB, 5, is_admin=False)
    await world.admins.learn("users/carol", 1, is_admin=True)
    assert await world.admins.all() == [ADA, "users/carol"]
    await world.admins.learn(ADA, 4, is_admin=False)
    await world.admins.learn(ADA, 3, is_admin=True)
    assert await world.admins.all() == ["users/carol"]
