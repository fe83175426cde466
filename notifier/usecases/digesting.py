"""Putting mails together that came too fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from notifier.domain.delivery import Channel, Content, Delivery, delivery_id
from notifier.domain.notice import Gathered, Person, notice_id
from notifier.domain.preference import Way
from notifier.ports import Directory, NoticeStore, PreferenceStore, Templates
from notifier.usecases.accepting import CLOCKS_APART
from notifier.usecases.notifying import WORTH_SENDING, Rules

_LOOK_SECONDS = 5.0
_AT_ONCE = 100
_SWEEP_EVERY = timedelta(hours=1)
_TOLD_KEPT = timedelta(days=60)
_PATH = "/inbox"


class Digesting:
    """Puts mails together that came too fast: one at a time of all replicas does."""

    def __init__(
        self,
        store: NoticeStore,
        preferences: PreferenceStore,
        directory: Directory,
        templates: Templates,
        *,
        rules: Rules,
        clock: Clock,
        sends: Callable[[], None],
    ) -> None:
        """Takes what it needs; `sends` is called when a digest waits to be sent."""
        self._store = store
        self._preferences = preferences
        self._directory = directory
        self._templates = templates
        self._rules = rules
        self._clock = clock
        self._sends = sends

    async def run(self) -> None:
        """Makes digests that are due, and sweeps once an hour, until cancelled."""
        swept = None
        while True:
            try:
                due = await self.digest()
                now = self._clock.now()
                if swept is None or now - swept >= _SWEEP_EVERY:
                    await self.sweep()
                    swept = now
            except Fault:
                # The store, the directory or the queue of mails; the next look finds the same.
                due = 0
            if due < _AT_ONCE:
                await self._clock.sleep(_LOOK_SECONDS)

    async def digest(self) -> int:
        """Makes digests of what has been gathered for long enough; returns how many were due.

        Raises:
            Unavailable: the store or the directory does not answer.
            DeliveryQueueFull: as many mails wait as may.
        """
        before = self._clock.now() - self._rules.gathering.span
        due = await self._store.gathered(before, _AT_ONCE)
        for gathered in due:
            digest = await self._digest_of(gathered)
            settled = await self._store.settle(gathered, digest, self._rules.most_waiting)
            if settled and digest is not None:
                self._sends()
        return len(due)

    async def sweep(self) -> int:
        """Forgets what is old, and what is more than an inbox holds; returns how much it was.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        return await self._store.sweep(
            self._rules.inbox_size, now - self._rules.inbox_kept, now - _TOLD_KEPT
        )

    async def _digest_of(self, gathered: Gathered) -> Delivery | None:
        person = await self._directory.person(gathered.user)
        chosen = await self._preferences.get(gathered.user)
        rule = self._templates.rule(gathered.kind.value)
        if person is None or not person.email or Way.EMAIL not in chosen.ways(gathered.kind, rule):
            return None
        return self._delivery(gathered, person)

    def _delivery(self, gathered: Gathered, person: Person) -> Delivery:
        titles = gathered.titles
        words = self._templates.render(
            "DIGEST",
            person.language,
            {
                "count": str(gathered.count),
                "first": titles[0],
                "titles": "\n".join([*titles, *_more(gathered.count, titles)]),
            },
            _PATH,
        )
        now = self._clock.now()
        named = notice_id(f"{gathered.kind.value}/{gathered.last_position}", gathered.user)
        fact = f"digest/{named}"
        return Delivery(
            id=delivery_id(fact, Channel.EMAIL, person.email),
            channel=Channel.EMAIL,
            destination=person.email,
            content=Content(subject=words.subject, text=words.text, html=words.html),
            fact_id=fact,
            accept_time=now,
            due_time=now - CLOCKS_APART,
            expire_time=now + WORTH_SENDING,
            kind="DIGEST",
            user=gathered.user,
        )


def _more(count: int, titles: Sequence[str]) -> list[str]:
    return [f"… + {count - len(titles)}"] if count > len(titles) else []
