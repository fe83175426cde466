"""What invitations need: where they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from user_svc.domain.code import Letter
from user_svc.domain.invitation import Invitation, Use


class InvitationStore(Protocol):
    """Keeps invitations, and which contacts have signed up with each, in the store of the accounts.

    A use is counted together with the change that it is for (`Change.use`, `AccountStore.send`). Every
    method raises Unavailable where the store does not answer.
    """

    async def add(self, invitation: Invitation, letter: Letter | None, *, most: int) -> None:
        """Stores a new one, the letter that brings its code, and tells others that it was made.

        Raises:
            TooManyInvitations: `most` are there that have neither ended nor been used up.
        """

    async def get(self, invitation_id: str) -> Invitation | None:
        """The invitation with that identifier."""

    async def find(self, after: tuple[datetime, str] | None, limit: int) -> list[Invitation]:
        """Invitations, newest first, then by identifier, descending."""

    async def delete(self, invitation_id: str, now: datetime) -> bool:
        """Withdraws one, and tells others; False where there is none."""

    async def can_be_used(self, use: Use, now: datetime) -> bool:
        """Whether that contact can sign up with that code now: a first look, which counts nothing."""

    async def sweep(self, before: datetime) -> int:
        """Forgets those that ended before then; returns how many."""
