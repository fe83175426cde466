"""The states of deliveries, whatever happens in whichever order: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from chassis.clock import ManualClock
from chassis.identity import Vault
from chassis.sql import open_database
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.domain.delivery import Channel, Content, Delivery, Persistence, State, delivery_id
from notifier.domain.faults import ChannelUnavailable, MessageRefused
from notifier.domain.pacing import Bounds
from notifier.usecases.delivering import Delivering

MOST_ATTEMPTS = 3
PERSISTENCE = Persistence(MOST_ATTEMPTS, timedelta(seconds=1), timedelta(seconds=8), 0.3)
LEASE = timedelta(seconds=30)
CHANNELS = [Channel.EMAIL, Channel.WEBHOOK]


@dataclass
class Seen:
    """What a gateway took of one message."""

    taken: int = 0
    tried: int = 0


class Gateway:
    """Sends, refuses, is away, or takes a message and is never heard of again: as it is told."""

    def __init__(self) -> None:
        self.mood = "well"
        self.seen: dict[str, Seen] = {}

    async def send(self, delivery: Delivery) -> int:
        """One attempt."""
        seen = self.seen.setdefault(delivery.id, Seen())
        seen.tried += 1
        if self.mood == "away":
            raise ChannelUnavailable("It is away.", status="503")
        if self.mood == "refuses":
            raise MessageRefused("It is no good.", status="410")
        assert delivery.content is not None, "what is sent says something"
        seen.taken += 1
        return 200


class DeliveryStates(RuleBasedStateMachine):
    """Messages are accepted, again and again; workers send, die, and come back."""

    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.gateway = Gateway()
        url = f"sqlite:///{self.folder.name}/notifications.sqlite3"
        self.database = self.run(open_database(url, "notifier.schema", self.clock))
        self.store = SqlDeliveryStore(self.database, Vault(b"k" * 32))
        self.workers = {
            channel: Delivering(
                self.store,
                channel,
                self.gateway,
                persistence=PERSISTENCE,
                bounds=Bounds(4, 2 if channel is Channel.WEBHOOK else 0),
                lease=LEASE,
                clock=self.clock,
                told=lambda *_: None,
            )
            for channel in CHANNELS
        }
        self.accepted: dict[str, Delivery] = {}
        self.replayed: set[str] = set()
        self.ended: dict[str, State] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs something to its end."""
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """In the end everything is sent or given up, once the gateway is well."""
        self.gateway.mood = "well"
        for _ in range(60):
            self.clock.advance(15)
            for channel in CHANNELS:
                self.run(self.workers[channel].send_due())
        for one in self.accepted.values():
            state = self.state(one).state
            assert state in (State.SENT, State.FAILED), "nothing waits for ever"
            if one.id not in self.replayed:
                assert self.gateway.seen.get(one.id, Seen()).taken <= 1
            if state is State.SENT:
                assert self.gateway.seen[one.id].taken >= 1, "nothing is lost"
        self.run(self.database.close())
        self.loop.close()
        self.folder.cleanup()

    def state(self, delivery: Delivery) -> Delivery:
        """What the store has of it."""
        found = self.run(self.store.get(delivery.id))
        assert found is not None
        return found  # type: ignore[no-any-return]

    @rule(
        target=made,
        fact=st.integers(0, 5),
        channel=st.sampled_from(CHANNELS),
        to=st.sampled_from(["webhooks/a", "webhooks/b"]),
        minutes=st.sampled_from([1, 5]),
    )
    def accept(self, fact: int, channel: Channel, to: str, minutes: int) -> Delivery:
        """The fact may have been told before."""
        now = self.clock.now()
        delivery = Delivery(
            *(delivery_id(f"f{fact}", channel, to), channel, to),
            Content(text="text", payload="{}"),
            *(f"f{fact}", now, now, now + timedelta(minutes=minutes)),
        )
        is_new = self.run(self.store.accept(delivery, 100))
        assert is_new == (delivery.id not in self.accepted)
        # Another identifier for the same is the same.
        again = replace(delivery, id=str(uuid.uuid4()))
        assert not self.run(self.store.accept(again, 100))
        return self.accepted.setdefault(delivery.id, delivery)

    @rule(mood=st.sampled_from(["well", "away", "refuses"]))
    def change_mood(self, mood: str) -> None:
        """The gateway is another from now on."""
        self.gateway.mood = mood

    @rule(channel=st.sampled_from(CHANNELS))
    def send(self, channel: Channel) -> None:
        """A worker looks."""
        self.run(self.workers[channel].send_due())

    @rule(channel=st.sampled_from(CHANNELS))
    def die(self, channel: Channel) -> None:
        """A worker takes some, and is never heard of again before it sends."""
        now = self.clock.now()
        self.run(self.store.lease(channel, now, now + LEASE, 2))

    @rule(channel=st.sampled_from(CHANNELS))
    def start_again(self, channel: Channel) -> None:
        """What the dead had is due at once."""
        self.run(self.store.reclaim(channel, self.clock.now()))

    @rule(seconds=st.sampled_from([0.5, 2, 31, 120]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @rule(which=made)
    def replay(self, which: Delivery) -> None:
        """Only what has ended, and only what is kept."""
        before = self.state(which)
        now = self.clock.now()
        done = self.run(self.store.replay(which, now, now + timedelta(minutes=5), 100))
        may = before.has_ended and which.channel is Channel.WEBHOOK
        assert done == may
        if done:
            self.replayed.add(which.id)
            self.ended.pop(which.id, None)

    @rule(which=made, end=st.sampled_from(["sent", "failed", "postpone"]))
    def meddle(self, which: Delivery, end: str) -> None:
        """A worker whose lease was lost changes nothing."""
        before = self.state(which)
        stale = replace(before, lease="somebody else's")
        match end:
            case "sent":
                assert not self.run(self.store.sent(stale))
            case "failed":
                assert not self.run(self.store.failed(stale, "x"))
            case _:
                assert not self.run(self.store.postpone(stale, self.clock.now(), "x"))
        assert self.state(which) == before

    @invariant()
    def holds(self) -> None:
        """What is true at every moment."""
        for one in self.accepted.values():
            found = self.state(one)
            if one.id in self.ended:
                assert found.state is self.ended[one.id], "an end is an end"
            if found.has_ended:
                self.ended[one.id] = found.state
                assert (found.content is None) == (one.channel is Channel.EMAIL)
            else:
                assert found.content == one.content
                assert (found.lease != "") == (found.state is State.LEASED)
            seen = self.gateway.seen.get(one.id, Seen())
            if one.id not in self.replayed:
                assert seen.taken <= 1, "at most once visible"
                assert (found.state is State.SENT) == (seen.taken == 1)
                assert seen.tried <= MOST_ATTEMPTS
                if found.state is State.PENDING:
                    assert found.due_time <= one.expire_time


DeliveryStates.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=20,
    deadline=None,
    # Making a failure shorter takes longer than a test may.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestDeliveryStates = DeliveryStates.TestCase
