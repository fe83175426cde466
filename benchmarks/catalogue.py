"""Pages of a large catalogue, searched, as a browser asks for them."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from uuid import uuid4

from benchmarks.figures import Figure, percentile
from benchmarks.running import Visitor, allocator, settled
from chassis.clock import SystemClock
from chassis.sql import open_database
from machines_svc.adapters.machine_store.sql import SqlMachineStore
from machines_svc.domain.facts import MachinePublished
from machines_svc.domain.machine import Machine, MachineSpec, Money, State

MACHINES = 10_000
ASKED = 400
PAGE = 50
_SYLLABLES = (
    "ba be bi co cu da do fa fi ga go ha ja ka ki la lo ma mi na no pa pe ra ri sa so ta ti va"
)


def run() -> list[Figure]:
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        data.mkdir(mode=0o700)
        words = ["".join(rng.choices(_SYLLABLES.split(), k=rng.randint(2, 4))) for _ in range(3000)]
        asyncio.run(fill(data / "machines.sqlite3", rng, words))
        # Each question is another one, and none is asked twice: the cache answers none of them.
        with allocator(data, ALLOCATOR_MACHINES_CACHE_SECONDS="0") as running:
            settled(running)
            return [
                figure("one rare word", asked(running, words[1000 : 1000 + ASKED])),
                figure("two words, the last one begun", asked(running, two_of(rng, words))),
                figure("a word that every second one has", asked(running, common(words))),
                figure("newest first, no word", asked(running, [""] * ASKED, "create_time desc")),
                figure("most rented first, no word", asked(running, [""] * ASKED, "rents desc")),
            ]


async def fill(file: Path, rng: random.Random, words: list[str]) -> None:
    """Puts the machines into a store that no service has opened yet."""
    clock = SystemClock()
    database = await open_database(f"sqlite:///{file}", "machines_svc.schema", clock)
    store = SqlMachineStore(database, clock, lambda _: [], lambda: None)
    now = clock.now()
    made = []
    for number in range(MACHINES):
        text = " ".join(some(rng, words, 60))
        common_word = "server" if number % 2 else "service"
        spec = MachineSpec(
            title=f"{' '.join(some(rng, words, 3))} {common_word}".title(),
            description=text,
            image=f"registry.example/{some(rng, words, 1)[0]}:{number}",
            resource_class="small",
            category=rng.choice(["web", "database", "development"]),
            tags=tuple(dict.fromkeys(some(rng, words, 3))),
            price_per_hour=Money("EUR", rng.randint(0, 100)),
        )
        machine = Machine(
            f"machines/m{number:05}", str(uuid4()), spec, State.ACTIVE, "", 1, now, now
        )
        made.append((machine, MachinePublished(machine)))
    assert await store.sow(made)
    await database.close()
    with closing(sqlite3.connect(file)) as rows:
        rows.execute("UPDATE machines SET rents = abs(random() % 50), rating = abs(random() % 500)")
        rows.commit()


def some(rng: random.Random, words: list[str], count: int) -> list[str]:
    """Words as texts have them: a few of them often, most of them seldom."""
    return [words[min(int(rng.paretovariate(0.6)), len(words)) - 1] for _ in range(count)]


def two_of(rng: random.Random, words: list[str]) -> list[str]:
    return [f"{words[rng.randint(20, 200)]} {rng.choice(words)[:3]}" for _ in range(ASKED)]


def common(words: list[str]) -> list[str]:
    return [f"{'service' if n % 2 else 'server'} {words[n % 20][:1]}" for n in range(ASKED)]


def asked(running: Visitor, queries: list[str], order: str = "") -> list[float]:
    """How long each page took, in milliseconds."""
    took = []
    for query in queries:
        params = {"pageSize": str(PAGE), "query": query, "orderBy": order}
        began = time.perf_counter()
        answer = running.call("GET", "/v1/machines", params=params)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    return took


def figure(what: str, took: list[float]) -> Figure:
    return Figure(
        f"page of {PAGE} of {MACHINES:,} machines, {what}, p99",
        "",
        percentile(took, 0.99),
        "< 50",
        "ms",
        f"median {median(took):.1f} ms, of {len(took)}",
    )
