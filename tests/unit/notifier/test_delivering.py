"""Sending until it has arrived, or was tried often enough."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import ManualClock
from chassis.identity import Vault
from chassis.sql import Database, open_database
from chassis.sql.migrations import assert_schema_matches
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.mail_channel.mailbox import MailboxMailChannel
from notifier.adapters.templates.files import FileTemplates
from notifier.domain.delivery import Channel, Delivery, Persistence, State
from notifier.domain.faults import DeliveryQueueFull
from notifier.domain.kind import KINDS
from notifier.domain.mail import mail_of
from notifier.domain.pacing import Bounds
from notifier.schema.tables import METADATA
from notifier.usecases.accepting import Accepting
from notifier.usecases.delivering import Delivering
from notifier.usecases.posting import Letter, Posting
from notifier.usecases.sending import MailSending

PERSISTENCE = Persistence(4, timedelta(seconds=1), timedelta(seconds=60), 0.0)


@dataclass
class World:
    """notifier without its transport; its mails are files in a folder."""

    clock: ManualClock
    database: Database
    store: SqlDeliveryStore
    delivering: Delivering
    posting: Posting
    mailbox: Path
    told: list[str] = field(default_factory=list)
    outcomes: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def accept(self, email: str = "ada@example.org", minutes: int = 10) -> str:
        """Accepts a code; returns the identifier of its delivery."""
        delivery_id = str(uuid.uuid4())
        values = {"code": "123456", "minutes": f"{minutes}"}
        await self.posting.post(
            Letter(
                delivery_id,
                Channel.EMAIL,
                email,
                "CODE_SIGN_UP",
                values,
                timedelta(minutes=minutes),
            )
        )
        return delivery_id

    async def state(self, delivery_id: str) -> State:
        """The state of a delivery."""
        found = await self.store.get(delivery_id)
        assert found is not None
        return found.state

    def mails(self) -> list[str]:
        """The mails that have arrived."""
        return [file.read_text() for file in sorted(self.mailbox.glob("*.eml"))]

    def break_channel(self) -> None:
        """From now on no mail can be sent."""
        self.mailbox.write_text("a file where the folder should be")

    def mend_channel(self) -> None:
        """From now on mails can be sent again."""
        self.mailbox.unlink()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which nothing waits."""
    clock = ManualClock()
    database = await open_database(
        f"sqlite:///{tmp_path}/notifications.sqlite3", "notifier.schema", clock
    )
    store = SqlDeliveryStore(database, Vault(b"k" * 32))
    mailbox = tmp_path / "mailbox"
    told: list[str] = []
    outcomes: asyncio.Queue[str] = asyncio.Queue()

    def tell(outcome: str, _delivery: Delivery, _why: str) -> None:
        told.append(outcome)
        outcomes.put_nowait(outcome)

    delivering = Delivering(
        store,
        Channel.EMAIL,
        MailSending(MailboxMailChannel(mailbox, "Allocator <no-reply@allocator.local>"), clock),
        persistence=PERSISTENCE,
        bounds=Bounds(2),
        lease=timedelta(seconds=120),
        clock=clock,
        told=tell,
    )
    accepting = Accepting(store, most_waiting=3, waits=delivering.wake)
    templates = FileTemplates(resources.files("notifier.templates"), KINDS)
    posting = Posting(accepting, templates, clock)
    yield World(clock, database, store, delivering, posting, mailbox, told, outcomes)
    await database.close()


async def test_a_code_stands_in_subject_and_text(world: World) -> None:
    delivery_id = await world.accept()
    assert await world.delivering.send_due() == 1
    [mail] = world.mails()
    assert "Subject: 123456 is your code\n" in mail
    assert "\n    123456\n" in mail
    assert "within 10 minutes" in " ".join(mail.split())
    assert await world.state(delivery_id) is State.SENT


async def test_the_same_message_again_is_sent_once(world: World) -> None:
    letter = Letter(
        "0a" * 16, Channel.EMAIL, "ada@example.org", "ADDRESS_TAKEN", {}, timedelta(days=1)
    )
    for _ in range(3):
        await world.posting.post(letter)
        await world.delivering.send_due()
    [mail] = world.mails()
    assert "Subject: You have an account already\n" in mail


async def test_what_fails_is_tried_again_after_growing_pauses_then_given_up(world: World) -> None:
    world.break_channel()
    delivery_id = await world.accept()
    for pause in (1, 2, 4):
        assert await world.delivering.send_due() == 1
        assert await world.state(delivery_id) is State.PENDING
        assert await world.delivering.send_due() == 0
        world.clock.advance(pause)
    assert await world.delivering.send_due() == 1
    assert await world.state(delivery_id) is State.FAILED
    assert (await world.store.get(delivery_id)).content is None  # type: ignore[union-attr]
    assert world.told == ["postponed", "postponed", "postponed", "failed"]


async def test_what_failed_once_arrives_when_the_channel_is_back(world: World) -> None:
    world.break_channel()
    await world.accept()
    await world.delivering.send_due()
    world.mend_channel()
    world.clock.advance(1)
    await world.delivering.send_due()
    assert len(world.mails()) == 1


async def test_what_is_of_no_use_any_more_is_not_sent(world: World) -> None:
    delivery_id = await world.accept(minutes=1)
    world.clock.advance(60)
    await world.delivering.send_due()
    assert world.mails() == []
    assert await world.state(delivery_id) is State.FAILED


async def test_an_address_that_is_refused_is_not_tried_again(world: World) -> None:
    delivery_id = await world.accept("not an address")
    good = await world.accept()
    await world.delivering.send_due()
    assert await world.state(delivery_id) is State.FAILED
    assert await world.state(good) is State.SENT


async def test_the_queue_is_bounded(world: World) -> None:
    for _ in range(3):
        await world.accept()
    with pytest.raises(DeliveryQueueFull):
        await world.accept()


async def test_what_a_dead_process_had_leased_is_sent_by_the_next(world: World) -> None:
    delivery_id = await world.accept()
    now = world.clock.now()
    # A worker takes it and is never heard of again.
    assert await world.store.lease(Channel.EMAIL, now, now + timedelta(seconds=120), 1)
    assert await world.delivering.send_due() == 0
    world.clock.advance(120)
    assert await world.delivering.send_due() == 1
    assert await world.state(delivery_id) is State.SENT


async def test_the_worker_sends_what_comes_and_what_is_postponed(world: World) -> None:
    running = asyncio.create_task(world.delivering.run())
    await world.clock.until_sleepers()
    world.break_channel()
    delivery_id = await world.accept()
    async with asyncio.timeout(10):
        assert await world.outcomes.get() == "postponed"
        world.mend_channel()
        await world.clock.until_sleepers()
        world.clock.advance(1)
        assert await world.outcomes.get() == "sent"
    assert await world.state(delivery_id) is State.SENT
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(world.mails()) == 1


@given(st.integers(1, 100), st.floats(0, 1))
def test_pauses_grow_and_stay_within_their_bounds(attempts: int, chance: float) -> None:
    rule = Persistence(10, timedelta(seconds=1), timedelta(seconds=120), 0.3)
    pause = rule.pause(attempts, chance)
    assert timedelta(seconds=1) <= pause <= timedelta(seconds=156)
    assert rule.pause(attempts + 1, 0) >= rule.pause(attempts, 0)


def test_a_message_without_content_is_no_mail() -> None:
    now = ManualClock().now()
    delivery = Delivery("x", Channel.EMAIL, "ada@example.org", None, "x", now, now, now)
    assert mail_of(delivery, now - timedelta(seconds=1)) is None


def test_the_migrations_make_the_table() -> None:
    assert_schema_matches(METADATA, "notifier.schema")
