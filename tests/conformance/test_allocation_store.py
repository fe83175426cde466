"""Allocations, their leases and tallies, as the port promises them."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from allocation_svc.domain.allocation import (
    Allocation,
    Desired,
    LastKnown,
    Protocol,
    State,
    StateReason,
    VariableValue,
)
from allocation_svc.domain.capacity import NOTHING_HELD, Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import PortsExhausted, QuotaExceeded, StockExhausted
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.machine import MachinePort, Plan
from allocation_svc.domain.quota import RoleQuotas
from allocation_svc.domain.room import Room
from allocation_svc.ports.allocation_store import AllocationStore, Claim, Remaking, Selection
from allocation_svc.schema.tables import METADATA, OUTBOX, PORT_LEASES
from chassis.faults import Conflict
from chassis.listing import Condition, Once
from chassis.sql import assert_schema_matches
from tests.conformance import admissions
from tests.conformance.admissions import NOW, WEB, Opening, opening

__all__ = ["opening"]

PLAN = Plan("redis:7-alpine", ("redis-server", "--port", "6379"), Limits(500, 1 << 29, 128))
REST_SECONDS = 60.0


@dataclass
class Opened(admissions.Counter):
    """A store whose ports rest before they go to others."""

    port_rest_seconds: float = REST_SECONDS

    async def tally(self, subject: str) -> int:
        """How many live allocations a subject is counted to have."""
        counted = await self.tallies()
        return counted[subject].instances if subject in counted else 0

    async def facts(self) -> list[str]:
        """The topics and types of what waits to be published."""
        found = await self.rows(select(OUTBOX.c.topic, OUTBOX.c.headers).order_by(OUTBOX.c.id))
        return [f"{topic.split('.')[2]} {h['ce-type'].split('.')[-1]}" for topic, h in found]


@pytest.fixture
def kind() -> type[Opened]:
    """What is opened."""
    return Opened


@pytest.fixture
async def opened(opening: Opening) -> Opened:
    """A store with nothing in it."""
    return await opening()


def a_claim(
    owner: str = "users/ada",
    machine: str = "machines/redis",
    *,
    ports: tuple[MachinePort, ...] = (WEB,),
    quota: int | None = 10,
    stock: int = 0,
    once: Once | None = None,
    secrets: bytes = b"",
    **fields: object,
) -> Claim:
    """A claim that is granted where there is room."""
    allocation = Allocation(
        name=f"allocations/{uuid.uuid4().hex[:8]}",
        uid=str(uuid.uuid4()),
        owner=owner,
        machine=machine,
        machine_version=3,
        machine_title="Redis",
        display_name="Redis",
        resource_class="small",
        desired=Desired.RUNNING,
        state=State.PROVISIONING,
        state_time=NOW,
        create_time=NOW,
        update_time=NOW,
        node="here",
        deadline=NOW + timedelta(minutes=10),
    )
    return Claim(
        replace(allocation, **fields),  # type: ignore[arg-type]
        PLAN,
        secrets,
        ports,
        "127.0.0.1",
        Room(RoleQuotas({"PERSON": Bounds(instances=quota)})),
        stock,
        once=once,
    )


async def deleted(store: AllocationStore, allocation: Allocation) -> Allocation:
    """The allocation as history."""
    gone = replace(allocation, state=State.DELETED, desired=Desired.DELETED, deadline=None)
    written = await store.replace(gone, Fact.DELETED)
    assert written is not None
    return written


async def test_the_migrations_make_the_tables_that_the_code_knows() -> None:
    await asyncio.to_thread(assert_schema_matches, METADATA, "allocation_svc.schema")


async def test_an_allocation_comes_back_as_it_was_kept(opened: Opened) -> None:
    claim = a_claim(
        display_name="Ada's 🦊 «caché»; DROP TABLE allocations --",
        labels={"team": "🚀" * 255, "empty": ""},
        variables=(VariableValue("LEVEL", "x" * 4096), VariableValue("TOKEN", "", secret=True)),
        reason=StateReason(
            "PROGRAM_FAILED", "It ended.", 3, out_of_memory=True, last_lines=("é", "")
        ),
        last_known=LastKnown(State.READY, NOW, StateReason("INSTANCE_LOST", "Gone.")),
        recreated=(NOW, NOW + timedelta(milliseconds=1)),
        observed_time=NOW - timedelta(milliseconds=7),
        first_ready_time=NOW,
        delete_time=None,
        probe_seconds=0.5,
    )
    kept = await opened.store.admit(claim)
    assert replace(kept, endpoints=(), held=NOTHING_HELD) == claim.allocation
    assert await opened.store.find(kept.name) == kept
    assert (await opened.store.page(Selection("users/ada"), 10)) == [kept]
    assert opened.committed == [kept]


async def test_every_port_of_the_machine_gets_a_lease_of_its_own(opened: Opened) -> None:
    ports = (WEB, MachinePort(9090, Protocol.TCP, "metrics"), MachinePort(53, Protocol.UDP))
    kept = await opened.store.admit(a_claim(ports=ports))
    shown = [(e.host, e.protocol, e.container_port, e.title, e.scheme) for e in kept.endpoints]
    assert shown == [
        ("127.0.0.1", Protocol.TCP, 8080, "web page", "http"),
        ("127.0.0.1", Protocol.TCP, 9090, "metrics", ""),
        ("127.0.0.1", Protocol.UDP, 53, "", ""),
    ]
    leased = {(e.protocol.value, e.port, kept.name) for e in kept.endpoints}
    assert set(await opened.leases()) == leased
    assert len(leased) == 3


async def test_a_machine_without_ports_leases_none(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim(ports=()))
    assert kept.endpoints == ()
    assert await opened.leases() == []


async def test_somebody_elses_allocation_is_not_found(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim("users/ada"))
    assert await opened.store.find(kept.name, "users/ada") == kept
    assert await opened.store.find(kept.name, "users/bob") is None
    assert await opened.store.page(Selection("users/bob"), 10) == []


async def test_secrets_are_given_back_as_they_were_sealed_and_nowhere_else(
    opened: Opened,
) -> None:
    kept = await opened.store.admit(a_claim(secrets=b"\0sealed\xff"))
    assert await opened.store.plan(kept.name) == (PLAN, b"\0sealed\xff")
    assert await opened.store.plan("allocations/nobody") is None
    assert b"sealed" not in repr(await opened.store.find(kept.name)).encode()
    assert b"sealed" not in repr(a_claim(secrets=b"sealed")).encode()


async def test_a_change_may_bring_another_plan_and_other_secrets(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim(secrets=b"old"))
    larger = replace(PLAN, limits=Limits(2000, 1 << 30, 256))
    resized = await opened.store.replace(kept, Fact.UPDATED, remaking=Remaking(larger))
    assert resized is not None
    assert await opened.store.plan(kept.name) == (larger, b"old")
    remade = await opened.store.replace(resized, remaking=Remaking(PLAN, b"new"))
    assert remade is not None
    assert await opened.store.plan(kept.name) == (PLAN, b"new")
    assert await opened.store.replace(kept, remaking=Remaking(larger, b"lost")) is None
    assert await opened.store.plan(kept.name) == (PLAN, b"new"), (
        "who loses the race changes nothing"
    )


async def test_one_of_two_writers_of_a_version_wins(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim())
    results = await asyncio.gather(
        *(opened.store.replace(replace(kept, progress=f"writer {n}")) for n in range(20))
    )
    won = [result for result in results if result is not None]
    assert len(won) == 1
    assert won[0].version == kept.version + 1
    assert await opened.store.find(kept.name) == won[0]
    assert opened.committed == [kept, won[0]]


async def test_of_a_hundred_requests_for_the_last_place_one_gets_it(opened: Opened) -> None:
    for _ in range(4):
        await opened.store.admit(a_claim(quota=5))
    results = await asyncio.gather(
        *(opened.store.admit(a_claim(quota=5)) for _ in range(100)), return_exceptions=True
    )
    assert Counter(type(r) for r in results) == {Allocation: 1, QuotaExceeded: 99}
    assert await opened.tally("users/ada") == 5
    assert len(await opened.leases()) == 5


async def test_of_a_hundred_people_one_gets_the_last_of_a_machine(opened: Opened) -> None:
    await opened.store.admit(a_claim("users/first", stock=2))
    results = await asyncio.gather(
        *(opened.store.admit(a_claim(f"users/u{n}", stock=2)) for n in range(100)),
        return_exceptions=True,
    )
    assert Counter(type(r) for r in results) == {Allocation: 1, StockExhausted: 99}
    assert await opened.tally("machines/redis") == 2
    # What was refused for its stock counts for nobody's quota.
    refused = [f"users/u{n}" for n, r in enumerate(results) if not isinstance(r, Allocation)]
    assert [await opened.tally(user) for user in refused] == [0] * 99


async def test_the_last_ports_are_given_once(opening: Opening) -> None:
    opened = await opening(range(20000, 20010))
    two = (WEB, MachinePort(9090, Protocol.TCP))
    results = await asyncio.gather(
        *(opened.store.admit(a_claim(ports=two, quota=None)) for _ in range(20)),
        return_exceptions=True,
    )
    assert Counter(type(r) for r in results) == {Allocation: 5, PortsExhausted: 15}
    assert sorted(port for _, port, _ in await opened.leases()) == list(range(20000, 20010))
    assert await opened.tally("users/ada") == 5
    # Another protocol has ports of its own.
    await opened.store.admit(a_claim(ports=(MachinePort(53, Protocol.UDP),), quota=None))


async def test_released_ports_rest_before_they_are_leased_again(opening: Opening) -> None:
    opened = await opening(range(20000, 20001))
    first = await opened.store.admit(a_claim())
    await deleted(opened.store, first)
    opened.clock.advance(REST_SECONDS - 0.001)
    with pytest.raises(PortsExhausted):
        await opened.store.admit(a_claim())
    opened.clock.advance(0.001)
    second = await opened.store.admit(a_claim())
    assert second.endpoints[0].port == 20000


async def test_a_deleted_allocation_gives_everything_back_once(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim(quota=1, stock=1))
    gone = await deleted(opened.store, kept)
    assert await opened.leases() == []
    assert (await opened.tally("users/ada"), await opened.tally("machines/redis")) == (0, 0)
    assert await opened.store.replace(replace(gone, progress="again"), Fact.DELETED) is None
    assert await opened.tally("users/ada") == 0
    assert await opened.store.find(kept.name) == gone
    assert gone.endpoints == kept.endpoints
    await opened.store.admit(a_claim(quota=1, stock=1))


async def test_ports_that_strangers_have_are_exchanged_for_others(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim(ports=(WEB, MachinePort(53, Protocol.UDP))))
    anew = replace(kept, generation=2)
    changed = await opened.store.replace(anew, next_ports=True)
    assert changed is not None
    assert changed.version == kept.version + 1
    assert changed.endpoints[0].port != kept.endpoints[0].port
    assert changed.endpoints[0].container_port == 8080
    leased = {(e.protocol.value, e.port, kept.name) for e in changed.endpoints}
    assert set(await opened.leases()) == leased
    assert await opened.store.find(kept.name) == changed


async def test_where_no_other_port_is_free_nothing_changes(opening: Opening) -> None:
    opened = await opening(range(20000, 20001))
    kept = await opened.store.admit(a_claim())
    with pytest.raises(PortsExhausted):
        await opened.store.replace(replace(kept, generation=2), next_ports=True)
    assert await opened.store.find(kept.name) == kept
    assert len(await opened.leases()) == 1


async def test_a_request_sent_again_gets_the_first_answer(opened: Opened) -> None:
    once = Once.of("users/ada", "CreateAllocation", str(uuid.uuid4()), "machines/redis")
    assert once is not None
    assert await opened.store.answered(once) is None
    first = await opened.store.admit(a_claim(once=once))
    await opened.store.replace(replace(first, state=State.READY, deadline=None), Fact.READY)
    assert await opened.store.admit(a_claim(once=once)) == first
    assert await opened.store.answered(once) == first
    assert await opened.tally("users/ada") == 1
    opened.clock.advance(25 * 3600)
    assert await opened.store.answered(once) is None


async def test_one_request_sent_fifty_times_at_once_has_one_effect(opened: Opened) -> None:
    once = Once.of("users/ada", "CreateAllocation", str(uuid.uuid4()), "machines/redis")
    answers = await asyncio.gather(*(opened.store.admit(a_claim(once=once)) for _ in range(50)))
    assert len({answer.name for answer in answers}) == 1
    assert await opened.tally("users/ada") == 1


async def test_a_request_id_used_for_something_else_is_refused(opened: Opened) -> None:
    request_id = str(uuid.uuid4())
    await opened.store.admit(
        a_claim(once=Once.of("users/ada", "CreateAllocation", request_id, "machines/redis"))
    )
    other = Once.of("users/ada", "CreateAllocation", request_id, "machines/nginx")
    assert other is not None
    with pytest.raises(Conflict, match="request id"):
        await opened.store.admit(a_claim(once=other))
    with pytest.raises(Conflict, match="request id"):
        await opened.store.answered(other)
    # Another person, or another method, may use the same one.
    await opened.store.admit(
        a_claim("users/bob", once=Once.of("users/bob", "CreateAllocation", request_id, "x"))
    )


async def test_a_change_that_is_asked_for_once_is_made_once(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim())
    once = Once.of("users/ada", "StartAllocation", str(uuid.uuid4()), kept.name)
    first = await opened.store.replace(replace(kept, asked=True), once=once)
    assert first is not None
    assert await opened.store.replace(replace(first, asked=True), once=once) == first
    assert await opened.store.find(kept.name) == first


async def test_facts_are_kept_with_the_change_and_only_with_it(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim(quota=1))
    with pytest.raises(QuotaExceeded):
        await opened.store.admit(a_claim(quota=1))
    ready = await opened.store.replace(replace(kept, state=State.READY), Fact.READY)
    assert await opened.store.replace(kept, Fact.FAILED) is None
    assert ready is not None
    await opened.store.replace(replace(ready, progress="only the state"))
    assert await opened.facts() == [
        "facts AllocationCreated",
        "state Allocation",
        "facts AllocationReady",
        "state Allocation",
        "state Allocation",
    ]


async def test_pages_are_newest_first_and_complete(opened: Opened) -> None:
    names = []
    for place in range(7):
        # Two of each millisecond, so that names decide.
        time = NOW + timedelta(milliseconds=place // 2)
        names.append((await opened.store.admit(a_claim(create_time=time))).name)
    seen: list[Allocation] = []
    after = None
    while page := await opened.store.page(Selection("users/ada"), 2, after):
        seen += page
        after = (page[-1].create_time, page[-1].name)
    assert sorted(a.name for a in seen) == sorted(names)
    keys = [(a.create_time, a.name) for a in seen]
    assert keys == sorted(keys, reverse=True)


async def test_lists_leave_deleted_ones_out_unless_they_are_asked_for(opened: Opened) -> None:
    kept = await opened.store.admit(a_claim())
    other = await opened.store.admit(a_claim("users/bob", "machines/nginx"))
    gone = await deleted(opened.store, await opened.store.admit(a_claim()))

    async def names(owner: str, *conditions: Condition) -> set[str]:
        page = await opened.store.page(Selection(owner, conditions), 10)
        return {allocation.name for allocation in page}

    assert await names("") == {kept.name, other.name}
    assert await names("users/ada") == {kept.name}
    assert await names("", Condition("state", "=", "DELETED")) == {gone.name}
    assert await names("", Condition("state", "!=", "READY")) == {kept.name, other.name, gone.name}
    assert await names("", Condition("machine", "=", "machines/nginx")) == {other.name}
    assert await names("", Condition("machine", "!=", "machines/nginx")) == {kept.name}
    assert await names("", Condition("desired_state", "=", "STOPPED")) == set()


async def test_what_exists_is_gone_through_by_name(opened: Opened) -> None:
    names = {(await opened.store.admit(a_claim(f"users/u{n}"))).name for n in range(5)}
    gone = await deleted(opened.store, await opened.store.admit(a_claim()))
    seen: list[str] = []
    while page := await opened.store.existing(2, seen[-1] if seen else ""):
        seen += [allocation.name for allocation in page]
    assert seen == sorted(names)
    assert gone.name not in seen
    [first, *_] = await opened.store.existing(1)
    assert (first.version, first.state) == (1, State.PROVISIONING)
    found = await opened.store.several([*names, gone.name, "allocations/nobody"])
    assert {allocation.name for allocation in found} == {*names, gone.name}
    assert await opened.store.several([]) == []


async def test_what_is_kept_survives_a_restart(opening: Opening) -> None:
    first = await opening()
    once = Once.of("users/ada", "CreateAllocation", str(uuid.uuid4()), "machines/redis")
    assert once is not None
    kept = await first.store.admit(a_claim(once=once, secrets=b"sealed", quota=1))
    await first.database.close()
    second = await opening()
    assert await second.store.find(kept.name) == kept
    assert await second.store.plan(kept.name) == (PLAN, b"sealed")
    assert await second.store.answered(once) == kept
    with pytest.raises(QuotaExceeded):
        await second.store.admit(a_claim(quota=1))


async def test_two_processes_on_one_store_never_lease_one_port_twice(opening: Opening) -> None:
    ports = range(20000, 20040)
    stores = [await opening(ports), await opening(ports)]
    results = await asyncio.gather(
        *(stores[n % 2].store.admit(a_claim(f"users/u{n}")) for n in range(50)),
        return_exceptions=True,
    )
    assert Counter(type(r) for r in results) == {Allocation: 40, PortsExhausted: 10}
    leased = [port for _, port, _ in await stores[0].leases()]
    assert sorted(leased) == list(ports)


async def test_a_port_is_found_at_once_with_thousands_taken(opening: Opening) -> None:
    opened = await opening(range(20000, 29999 + 1))

    def fill(connection: object) -> None:
        rows = [
            {"node": "here", "protocol": "TCP", "port": port, "allocation": "x", "free_time": None}
            for port in range(20000, 29999)
        ]
        connection.execute(PORT_LEASES.insert(), rows)  # type: ignore[attr-defined]

    await opened.database.write(fill)
    assert (await opened.store.admit(a_claim())).endpoints[0].port == 29999
