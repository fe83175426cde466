"""The right to work on a node, which one replica has at a time."""

from __future__ import annotations

from typing import Protocol


class NodeLock(Protocol):
    """Held by one replica on a node at a time; only that one writes the engine and the journal.

    The end of the holder's process, however it comes, lets it go. Nobody else takes it from one that
    lives: a holder that hangs holds it until it is ended.
    """

    @property
    def is_held(self) -> bool:
        """Whether this replica holds it."""
        ...

    def take(self) -> bool:
        """Tries to take it, without waiting; True where it is held by this replica now.

        Raises:
            OSError: the folder that it is in cannot be used.
        """
        ...

    def holder(self) -> str:
        """Who has said last that they hold it, in words for people; empty where nobody has."""
        ...

    def let_go(self) -> None:
        """Lets it go, for the next replica; where it is not held, does nothing."""
        ...
