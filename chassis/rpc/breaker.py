"""Failing at once where a peer is known to be away."""

from __future__ import annotations

import time
from collections.abc import Callable

from chassis.faults import Unavailable
from chassis.telemetry import log

FAILURES = 5
"""So many failures in a row, and the peer counts as away."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 4.0


class PeerAway(Unavailable):
    """A peer has not answered several calls in a row, and is not asked for a moment."""


class Breaker:
    """Counts the failures of a peer in a row, and lets no call through for a moment after too many.

    After the pause one call goes through, to see. If it fails as well, the pause is twice as long, up to
    four seconds; if the peer answers, whatever it says, everything goes through again.
    """

    def __init__(self, peer: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Lets everything through at first.

        Args:
            peer: its name, for the fault and the log.
            monotonic: seconds.
        """
        self._peer = peer
        self._monotonic = monotonic
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._shut_until = 0.0
        self._is_trying = False
        self._log = log("chassis.rpc")

    def enter(self) -> bool:
        """A call begins.

        Returns:
            Whether it is the one that finds out if the peer is back.

        Raises:
            PeerAway: the peer is away; try again when the pause is over.
        """
        if self._failures < FAILURES:
            return False
        remaining = self._shut_until - self._monotonic()
        if remaining > 0 or self._is_trying:
            raise PeerAway(
                f"{self._peer} cannot be reached; try again in a moment.",
                retry_after=max(remaining, FIRST_PAUSE_SECONDS),
                service=self._peer,
            )
        self._is_trying = True
        return True

    def answered(self) -> None:
        """The peer has answered, if only to say no."""
        if self._failures >= FAILURES:
            self._log.info("peer is back", peer=self._peer)
        self._failures, self._is_trying, self._pause = 0, False, FIRST_PAUSE_SECONDS

    def silent(self, why: str, *, trial: bool) -> None:
        """The peer was not reached, or has not answered in time.

        Args:
            why: for the log.
            trial: what `enter` said of the call.
        """
        self._failures += 1
        if trial:
            self._is_trying = False
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        elif self._failures == FAILURES:
            self._log.warning("peer is away", peer=self._peer, why=why)
        else:
            # Too few; or it began before the peer was known to be away, and tells nothing new.
            return
        self._shut_until = self._monotonic() + self._pause

    def gave_up(self, *, trial: bool) -> None:
        """The call has ended without telling anything of the peer: its caller has gone."""
        if trial:
            self._is_trying = False
