"""What is worked on when, by whom."""

from __future__ import annotations

import asyncio

from allocation_svc.usecases.agenda import Agenda, Lane, until
from chassis.clock import ManualClock


async def test_a_name_waits_once_however_often_it_is_kicked() -> None:
    agenda = Agenda(ManualClock())
    for _ in range(5):
        agenda.kick("a")
    agenda.kick("b")
    assert (await agenda.take(Lane.STEPS))[0] == "a"
    assert (await agenda.take(Lane.STEPS))[0] == "b"


async def test_a_name_kicked_while_it_is_worked_on_is_handed_out_afterwards() -> None:
    clock = ManualClock()
    agenda = Agenda(clock)
    agenda.kick("a")
    name, _ = await agenda.take(Lane.STEPS)
    clock.advance(1)
    agenda.kick("a")
    clock.advance(1)
    agenda.kick("a", Lane.REMOVALS)
    waiting = asyncio.ensure_future(agenda.take(Lane.REMOVALS))
    await asyncio.sleep(0)
    assert not waiting.done()
    agenda.done(name)
    assert await waiting == ("a", 1.0), "it has waited since it was first kicked again"
    agenda.done("a")


async def test_removals_do_not_wait_behind_anything_else() -> None:
    agenda = Agenda(ManualClock())
    for name in "abc":
        agenda.kick(name)
    agenda.kick("gone", Lane.REMOVALS)
    assert (await agenda.take(Lane.REMOVALS))[0] == "gone"


async def test_the_last_word_about_the_time_of_a_name_counts() -> None:
    clock = ManualClock()
    agenda = Agenda(clock)
    running = asyncio.ensure_future(agenda.run())
    agenda.later("a", 10)
    agenda.later("a", 30)
    agenda.later("b", 20)
    agenda.later("c", 5)
    agenda.no_more("c")
    taken: list[tuple[str, float]] = []
    await clock.run(40)
    for _ in range(2):
        name, since = await agenda.take(Lane.STEPS)
        taken.append((name, since))
    assert taken == [("b", 20.0), ("a", 30.0)]
    running.cancel()
    await asyncio.wait([running])


async def test_waiting_for_an_event_ends_with_the_event_or_the_time() -> None:
    clock = ManualClock()
    event = asyncio.Event()
    timed = asyncio.ensure_future(until(clock, event, 5))
    await clock.run(5)
    assert await timed is False
    told = asyncio.ensure_future(until(clock, event, 5))
    event.set()
    assert await told is True
