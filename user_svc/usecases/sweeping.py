"""Forgetting what nobody needs any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from user_svc.ports.factors import AccessTokenStore
from user_svc.ports.invitations import InvitationStore
from user_svc.ports.sessions import SessionStore

_PERIOD_SECONDS = 3600.0
_SESSIONS_KEPT = timedelta(days=1)
_PLACES_KEPT = timedelta(days=365)
_INVITATIONS_KEPT = timedelta(days=30)


class Sweeping:
    """Looks once an hour for sessions and access tokens that ended, old places, keys and revocations."""

    def __init__(
        self,
        sessions: SessionStore,
        tokens: AccessTokenStore,
        invitations: InvitationStore,
        sweep_trust: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """Takes what it needs; `sweep_trust` forgets old keys and revocations."""
        self._sessions = sessions
        self._tokens = tokens
        self._invitations = invitations
        self._sweep_trust = sweep_trust
        self._clock = clock

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            await self._clock.sleep(_PERIOD_SECONDS)
            try:
                await self.sweep()
            except Fault:
                # The store is away; the next round does it.
                continue

    async def sweep(self) -> None:
        """Sweeps once.

        A session that has ended is kept for a day, so that a refresh token of it that turns up is
        known for what it is; an invitation for 30, so that admins see who came. A place where a person has not logged in for a year is new again.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        await self._sessions.sweep(now - _SESSIONS_KEPT)
        await self._sessions.sweep_places(now - _PLACES_KEPT)
        await self._tokens.sweep(now)
        await self._invitations.sweep(now - _INVITATIONS_KEPT)
        await self._sweep_trust()
