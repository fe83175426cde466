"""Messages as files: what becomes of the former file of the same message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notifier.adapters.message_files import write_message
from notifier.domain.faults import ChannelUnavailable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=9)


async def written(folder: Path, identity: str, date: datetime, content: bytes) -> None:
    await write_message(
        folder, ".txt", identity=identity, date=date, to="+4930123456", content=content
    )


async def test_the_same_message_again_takes_the_place_of_its_file_alone(tmp_path: Path) -> None:
    await written(tmp_path, "a1", NOW, b"first")
    await written(tmp_path, "b2", NOW, b"another")
    await written(tmp_path, "a1", LATER, b"again")
    assert sorted(file.read_bytes() for file in tmp_path.iterdir()) == [b"again", b"another"]


async def test_a_file_stays_where_the_next_one_cannot_take_its_place(tmp_path: Path) -> None:
    await written(tmp_path, "a1", NOW, b"first")
    (tmp_path / "20260301T120009.000-+4930123456-a1.txt").mkdir()
    with pytest.raises(ChannelUnavailable):
        await written(tmp_path, "a1", LATER, b"again")
    assert [file.read_bytes() for file in tmp_path.iterdir() if file.is_file()] == [b"first"]
