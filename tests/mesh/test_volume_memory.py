"""Gigabytes go through without megabytes of memory, into a volume and out of it."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from allocator_process import AllocatorProcess

MIB = 1 << 20
GIB = 1 << 30
# A gigabyte shows what grows with the length of a stream; `make soak` sends ten.
SIZE = int(float(os.environ.get("ALLOCATOR_TEST_VOLUME_GIB", "0.5")) * GIB)
MOST_GROWTH = 10 * MIB
PIECE = bytes(MIB)


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[AllocatorProcess]:
    running = AllocatorProcess(
        tmp_path / "data", ALLOCATOR_ALLOCATION_DETACHED_VOLUME_BYTES=str(3 * SIZE + GIB)
    )
    running.client = running.open_client()
    running.client.timeout = 600
    try:
        yield running.start()
    finally:
        running.close()


def archive(size: int) -> Iterator[bytes]:
    """A tar archive with one file of zeros, which takes no room on a disk."""
    entry = tarfile.TarInfo("big")
    entry.size = size
    yield entry.tobuf(tarfile.PAX_FORMAT)
    for _ in range(0, size, len(PIECE)):
        yield PIECE
    yield bytes(1024)


def peak_of(running: AllocatorProcess) -> int:
    """The most memory that its process has had since the peak was forgotten, in bytes."""
    assert running.process is not None
    for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")


def forget_peak(running: AllocatorProcess) -> None:
    assert running.process is not None
    Path(f"/proc/{running.process.pid}/clear_refs").write_text("5")


def growth(running: AllocatorProcess, transfer: Callable[[], None]) -> int:
    """How much more memory it has while something goes through, in bytes.

    The least of up to three times: what a stream needs it needs each time, and a page that the process
    happens to take for something else meanwhile is not the stream's.
    """
    seen: list[int] = []
    while len(seen) < 3 and not any(each < MOST_GROWTH for each in seen):
        forget_peak(running)
        before = peak_of(running)
        transfer()
        seen.append(peak_of(running) - before)
    return min(seen)


def send(running: AllocatorProcess, token: str, size: int) -> str:
    made = running.call("POST", "/v1/volumes:upload", token, content=archive(size))
    assert made.status_code == 200, made.text
    assert made.json()["sizeBytes"] == str(size)
    return str(made.json()["name"])


def fetch(running: AllocatorProcess, token: str, path: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    with running.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        return sum(len(piece) for piece in answer.iter_bytes())


@pytest.mark.timeout(120 + 120 * SIZE // GIB)
def test_whatever_size_goes_in_and_out_in_less_than_ten_megabytes(lone: AllocatorProcess) -> None:
    token = lone.person(f"{uuid4().hex[:12]}@example.org")
    # What is imported and opened once is no growth.
    small = send(lone, token, 64 * MIB)
    for path in (f"/v1/{small}:download", f"/v1/{small}:download?compression=GZIP"):
        fetch(lone, token, path)

    volumes: list[str] = []
    assert growth(lone, lambda: volumes.append(send(lone, token, SIZE))) < MOST_GROWTH

    fetched: list[int] = []
    path = f"/v1/{volumes[0]}:download"
    assert growth(lone, lambda: fetched.append(fetch(lone, token, path))) < MOST_GROWTH
    assert min(fetched) >= SIZE
