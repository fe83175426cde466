"""Archives as files, and as what flows through standard input and output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from allocctl.failures import Failure
from allocctl.keeping.backup import Summary, back_up
from allocctl.keeping.installation import Installation

_PIECE = 1 << 20


def new_archive(
    installation: Installation,
    path: Path,
    *,
    logs: bool = True,
    certificates: Path | None = None,
    say: Callable[[str], object] = lambda _line: None,
) -> Summary:
    """Writes an archive to a new file, readable by its owner alone; whole, or not at all.

    Args:
        installation: what is kept.
        path: the file; `-` for standard output.
        logs: whether logs are kept too.
        certificates: a folder whose files are kept too.
        say: told what is done, a line each.

    Raises:
        Failure: there is such a file, or nothing to keep.
        Unavailable: a store or the bus does not answer.
        OSError: it cannot be written.
    """
    if str(path) == "-":
        with tempfile.TemporaryDirectory() as scratch:
            target = sys.stdout.buffer
            return back_up(
                installation, target, Path(scratch), logs=logs, certificates=certificates, say=say
            )
    if path.exists():
        raise Failure(f"{path} is there already; name another file.")
    # Beside it, where there is room for it, and from where it can be renamed at once.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".allocator-") as scratch:
        coming = Path(scratch) / "archive"
        made = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(made, "wb") as target:
            summary = back_up(
                installation, target, Path(scratch), logs=logs, certificates=certificates, say=say
            )
            target.flush()
            os.fsync(target.fileno())
        coming.rename(path)
        return summary


@contextmanager
def archive_at(path: Path) -> Iterator[Path]:
    """An archive that can be read again and again; `-` is standard input.

    Raises:
        Failure: there is no such file.
    """
    if str(path) != "-":
        if not path.is_file():
            raise Failure(f"There is no archive {path}.")
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as kept:
        while piece := sys.stdin.buffer.read(_PIECE):
            kept.write(piece)
        kept.flush()
        yield Path(kept.name)
