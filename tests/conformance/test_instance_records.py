"""Records of instances, as their port promises them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.sql import Database, open_database
from docker_svc.adapters.instance_records.sql import SqlInstanceRecords
from docker_svc.domain import (
    HttpCheck,
    InstanceKey,
    InstanceSpec,
    Limits,
    Liveness,
    LogCheck,
    Probe,
    Protocol,
    PublishedPort,
    StopSignal,
    TcpCheck,
    Volume,
)
from docker_svc.ports.instance_records import InstanceRecord, InstanceRecords, Wanted

ALLOCATION = "allocations/7f3k2m9q"
SECRET = "correct-horse-battery"

Opening = Callable[[], Awaitable[tuple[InstanceRecords, Database]]]


@pytest.fixture(params=["sqlite"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Opens the same records each time that it is called."""
    assert request.param == "sqlite"

    async def open_() -> tuple[InstanceRecords, Database]:
        database = await open_database(
            f"sqlite:///{tmp_path}/instances.sqlite3", "docker_svc.schema", SystemClock()
        )
        return SqlInstanceRecords(database, Vault(b"k" * 32)), database

    return open_


@pytest.fixture
async def records(opening: Opening) -> AsyncIterator[InstanceRecords]:
    """Records of nothing yet."""
    opened, database = await opening()
    yield opened
    await database.close()


def a_spec(**changes: object) -> InstanceSpec:
    """A spec in which every field says something."""
    spec = InstanceSpec(
        Limits(1500, 1 << 40, 512),
        image="registry.example.org/team/tool:1.2",
        command=("serve", "--port", "80", ""),
        environment={"TOKEN": SECRET, "EMPTY": ""},
        ports=(PublishedPort(80, 30000), PublishedPort(53, 30001, Protocol.UDP)),
        probe=Probe(HttpCheck(80, "/healthy?deep=1"), 12.5, Liveness(2.5, 7)),
        stop_grace=2.5,
        run_as="1000:1000",
        stop_signal=StopSignal.SIGHUP,
        volumes=(Volume("/data", 1024), Volume("/x", 1)),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def a_record(generation: int = 1, allocation: str = ALLOCATION) -> InstanceRecord:
    """A record of what shall run and was not started yet."""
    return InstanceRecord(InstanceKey(allocation, generation), a_spec(), Wanted.RUNNING)


def gone(generation: int) -> InstanceRecord:
    """A record of what is removed."""
    return InstanceRecord(InstanceKey(ALLOCATION, generation), None, Wanted.GONE)


async def test_nothing_is_there_of_what_was_never_asked(records: InstanceRecords) -> None:
    assert await records.get(ALLOCATION) is None
    assert await records.unfinished() == []


async def test_a_record_comes_back_as_it_was_put(records: InstanceRecords) -> None:
    record = replace(
        a_record(3),
        wanted=Wanted.STOPPED,
        incarnation=7,
        run="2026-03-01T12:00:00.123456789Z",
        ready=True,
        session="8c1f 2026-03-01T11:00:00Z",
        with_host=True,
        unanswered=True,
        stop_requested=True,
        reason="IMAGE_NOT_FOUND",
        message="There is no such image.",
    )
    assert await records.put(record)
    assert await records.get(ALLOCATION) == record
    assert await records.unfinished() == [record]


@pytest.mark.parametrize(
    "check",
    [None, TcpCheck(65535), HttpCheck(1, ""), LogCheck(r"^listening on \d+\s*$")],
    ids=["none", "tcp", "http", "log"],
)
async def test_every_way_to_look_comes_back(
    records: InstanceRecords, check: TcpCheck | HttpCheck | LogCheck | None
) -> None:
    record = replace(a_record(), spec=a_spec(probe=Probe(check, 0.5)))
    assert await records.put(record)
    assert await records.get(ALLOCATION) == record


async def test_a_spec_that_says_the_least_comes_back(records: InstanceRecords) -> None:
    record = replace(a_record(), spec=InstanceSpec(Limits(1, 1, 1)))
    assert await records.put(record)
    assert await records.get(ALLOCATION) == record


async def test_a_lower_generation_is_refused_and_changes_nothing(
    records: InstanceRecords,
) -> None:
    highest = replace(a_record(5), incarnation=2)
    assert await records.put(highest)
    assert not await records.put(replace(a_record(4), incarnation=9, spec=a_spec(image="older")))
    assert not await records.put(gone(4))
    assert await records.get(ALLOCATION) == highest
    assert await records.unfinished() == [highest]


async def test_the_highest_generation_outlives_what_it_counted(
    records: InstanceRecords,
) -> None:
    assert await records.put(a_record(5))
    assert await records.put(gone(5))
    assert not await records.put(a_record(4))
    assert await records.get(ALLOCATION) == gone(5)
    assert await records.unfinished() == []
    assert await records.put(a_record(6))
    assert await records.get(ALLOCATION) == a_record(6)


async def test_a_removal_of_what_never_was_holds_its_generation(
    records: InstanceRecords,
) -> None:
    assert await records.put(gone(9))
    assert not await records.put(a_record(8))
    assert await records.get(ALLOCATION) == gone(9)


async def test_the_same_generation_is_replaced_as_a_whole(records: InstanceRecords) -> None:
    first = replace(a_record(), incarnation=4, run="one", ready=True, reason="X", message="y")
    assert await records.put(first)
    second = replace(a_record(), spec=a_spec(image="another"), incarnation=5, run="two")
    assert await records.put(second)
    assert await records.get(ALLOCATION) == second


async def test_a_step_that_leaves_the_spec_alone_keeps_it(records: InstanceRecords) -> None:
    record = a_record()
    for incarnation in range(1, 4):
        record = replace(record, incarnation=incarnation, run=f"run {incarnation}")
        assert await records.put(record)
    assert await records.get(ALLOCATION) == record


async def test_a_refused_spec_never_takes_the_place_of_the_one_kept(
    records: InstanceRecords,
) -> None:
    kept = a_record(2)
    assert await records.put(kept)
    assert not await records.put(replace(a_record(1), spec=a_spec(image="older")))
    kept = replace(kept, incarnation=1)
    assert await records.put(kept)
    assert await records.get(ALLOCATION) == kept


async def test_all_but_what_is_gone_is_unfinished(records: InstanceRecords) -> None:
    made = {}
    for wanted in Wanted:
        record = replace(a_record(1, f"allocations/{wanted.value.lower()}"), wanted=wanted)
        made[wanted] = record
        assert await records.put(record)
    del made[Wanted.GONE]
    unfinished = await records.unfinished()
    assert {one.wanted: one for one in unfinished} == made
    assert len(unfinished) == len(made)


async def test_one_allocation_knows_nothing_of_another(records: InstanceRecords) -> None:
    other = a_record(1, "allocations/7f3k2m9Q")
    assert await records.put(a_record(9))
    assert await records.put(other)
    assert await records.get(other.key.allocation) == other
    assert await records.get(ALLOCATION) == a_record(9)


async def test_of_many_puts_at_once_the_highest_generation_stays(
    records: InstanceRecords,
) -> None:
    order = [7, 2, 12, 1, 9, 4, 11, 3, 8, 10, 5, 6]
    kept = await asyncio.gather(*(records.put(a_record(generation)) for generation in order))
    assert kept[order.index(12)]
    assert await records.get(ALLOCATION) == a_record(12)


async def test_two_openings_never_lower_a_generation(opening: Opening) -> None:
    # As when a second process is started by mistake.
    (one, first), (two, second) = await opening(), await opening()
    await asyncio.gather(
        *((one, two)[n % 2].put(a_record(generation)) for n, generation in enumerate([6, 1, 3, 5]))
    )
    assert await one.get(ALLOCATION) == await two.get(ALLOCATION) == a_record(6)
    assert not await two.put(a_record(5))
    await first.close()
    await second.close()


async def test_many_allocations_at_once_are_all_kept(records: InstanceRecords) -> None:
    made = {name: a_record(1, name) for name in (f"allocations/{n:08d}" for n in range(40))}
    assert all(await asyncio.gather(*(records.put(one) for one in made.values())))
    assert {one.key.allocation: one for one in await records.unfinished()} == made


async def test_a_put_whose_caller_left_is_kept_whole_or_not_at_all(
    records: InstanceRecords,
) -> None:
    assert await records.put(a_record(1))
    leaving = asyncio.create_task(records.put(a_record(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert await records.get(ALLOCATION) in (a_record(1), a_record(2))
    assert await records.put(a_record(3))
    assert await records.get(ALLOCATION) == a_record(3)


async def test_records_survive_a_restart(opening: Opening) -> None:
    records, database = await opening()
    running = replace(a_record(3, "allocations/running"), incarnation=2, run="r", ready=True)
    assert await records.put(running)
    assert await records.put(a_record(5))
    assert await records.put(gone(5))
    await database.close()
    records, database = await opening()
    assert await records.unfinished() == [running]
    assert await records.get(ALLOCATION) == gone(5)
    assert not await records.put(a_record(4))
    assert not await records.put(a_record(2, "allocations/running"))
    # What was read is put again with a change, as a service does after its start.
    assert await records.put(replace(running, incarnation=3))
    assert await records.get("allocations/running") == replace(running, incarnation=3)
    await database.close()


async def test_what_was_put_is_there_for_another_opening_at_once(opening: Opening) -> None:
    (one, first), (two, second) = await opening(), await opening()
    assert await one.put(a_record())
    assert await two.get(ALLOCATION) == a_record()
    await first.close()
    await second.close()


async def test_specs_are_sealed(opening: Opening, tmp_path: Path) -> None:
    records, database = await opening()
    assert await records.put(a_record())

    def holds_secret() -> bool:
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert any(ALLOCATION.encode() in content for content in files)
        return any(SECRET.encode() in content for content in files)

    # While it is open what was put may still be in a log beside the database.
    assert not holds_secret()
    await database.close()
    assert not holds_secret()


async def test_every_script_and_sign_comes_back(records: InstanceRecords) -> None:
    text = "🚀 e\u0301 \u202eא\u202c 漢字 \U0010ffff \x00 \x1b[31m \" ' \\ \r\n\t"
    spec = a_spec(
        image=text,
        command=(text, "👩‍👩‍👧‍👦"),
        environment={"GREETING": text, "🔑": "🗝"},
        probe=Probe(LogCheck(text)),
    )
    record = replace(a_record(), spec=spec, message="The program 🧨 said: naïve 漢字 ' -- \n")
    assert await records.put(record)
    assert await records.get(ALLOCATION) == record


async def test_the_largest_record_comes_back(opening: Opening) -> None:
    # At least as much as a machine may say; far more than fits in one page of a database.
    spec = a_spec(
        image="i" * 255,
        command=tuple("🦣" * 8192 for _ in range(64)),
        environment={f"{'N' * 120}{n:04d}": "v" * 32768 for n in range(64)},
        ports=tuple(PublishedPort(65535 - n, 65535 - n) for n in range(64)),
        limits=Limits(2**31 - 1, 2**63 - 1, 2**31 - 1),
        stop_grace=86400.0,
    )
    record = InstanceRecord(
        InstanceKey("allocations/" + "a" * 52, 2**31 - 1),
        spec,
        Wanted.RUNNING,
        incarnation=2**31 - 1,
        run="r" * 128,
        reason="R" * 64,
        message="💥" * 16384,
        session="s" * 128,
    )
    records, database = await opening()
    assert await records.put(record)
    await database.close()
    records, database = await opening()
    assert await records.get(record.key.allocation) == record
    assert await records.unfinished() == [record]
    await database.close()
