"""A process that keeps one log, for tests that kill it: `log_keeper.py FOLDER SOURCE-AS-JSON`.

On standard output: a line of JSON for each batch, `[first, last, cause]`. On standard input:
`limit N` bounds the size of each file that it writes, as a full disk would; `limit -1` ends that.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

import structlog

from chassis.clock import SystemClock
from docker_svc.adapters.log_journal.files import JournalLimits, open_file_journal
from docker_svc.adapters.log_source.pump import open_pump
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.ports.logs import LogSource
from docker_svc.usecases.logs import Logs


async def main() -> None:
    folder, source = Path(sys.argv[1]), LogSource(**json.loads(sys.argv[2]))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    journal = open_file_journal(folder / "journal", JournalLimits(segment_bytes=300_000))
    pump = open_pump(structlog.get_logger(), SourceLimits(first_retry=0.02, last_retry=0.1))
    logs = Logs(journal, pump, SystemClock(), asyncio.Event())
    run = asyncio.create_task(logs.run())
    listening = asyncio.create_task(asyncio.to_thread(listen))
    await logs.attach("allocations/abcd2345", 1, 1, source)
    extent = journal.extent("allocations/abcd2345")
    async for entry in logs.follow("allocations/abcd2345", extent.last + 1 if extent else 0):
        say([*entry[:2], entry.cause])
    await run
    await listening


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def listen() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for line in sys.stdin:
        wanted = int(line.split()[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (most if wanted < 0 else wanted, most))
        say("limited")


asyncio.run(main())
