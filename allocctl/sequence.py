"""Checks that a log came without a hole: every number once, as a line or within a declared gap."""

from __future__ import annotations


class SequenceBroken(Exception):
    """Numbers are missing without a gap that says so, or came twice."""


class SequenceChecker:
    """Looks at the sequence numbers of a log as they come.

    Args:
        first: the number that must come first; 0 to begin with whichever comes.

    Attributes:
        lines: how many lines came.
        missing: how many numbers were declared missing.
        gaps: how many gaps there were, by their kind.
        next: the number that must come next; 0 before anything came, where none was given.
    """

    def __init__(self, first: int = 0) -> None:
        self.lines = 0
        self.missing = 0
        self.gaps: dict[str, int] = {}
        self.next = first

    def feed(self, first: int, last: int, kind: str = "") -> None:
        """Takes a batch of lines, or a gap.

        Args:
            first: its first number.
            last: its last number.
            kind: empty for lines; the cause of a gap, `RETENTION`.

        Raises:
            SequenceBroken: it does not follow what came before. The checker goes on behind it.
        """
        expected, self.next = self.next, last + 1
        if first < 1 or last < first:
            self.next = expected
            raise SequenceBroken(f"{first} to {last} are no sequence numbers.")
        count = last - first + 1
        if kind:
            self.missing += count
            self.gaps[kind] = self.gaps.get(kind, 0) + 1
        else:
            self.lines += count
        if expected and first > expected:
            raise SequenceBroken(f"{expected} to {first - 1} are missing, and no gap says so.")
        if expected and first < expected:
            raise SequenceBroken(f"{first} came again: {expected} was to come.")

    def summary(self) -> str:
        """What came, in a sentence."""
        if not self.gaps:
            return f"{self.lines} lines, none missing."
        causes = ", ".join(f"{kind} {count}" for kind, count in sorted(self.gaps.items()))
        return f"{self.lines} lines, {self.missing} missing in declared gaps ({causes})."
