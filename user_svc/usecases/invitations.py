"""Invitations: making, listing and withdrawing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from chassis.clock import Clock
from chassis.identity.caller import Caller
from user_svc.domain.code import Addressee, invitation_letter
from user_svc.domain.contact import email as by_email
from user_svc.domain.faults import InvitationEndInvalid, InvitationNotFound
from user_svc.domain.invitation import LONGEST, USUAL, Invitation, digest_of, new_code
from user_svc.domain.names import id_of, new_id
from user_svc.ports.invitations import InvitationStore


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an invitation shall be.

    Attributes:
        title: whom it is for, in the admin's words.
        email: the only address that can sign up with it; empty for any contact.
        language_code: of the mail to that address; empty for English.
        max_uses: how many contacts can sign up with it.
        expire_time: when it ends; None for seven days from now.
    """

    title: str = ""
    email: str = field(default="", repr=False)
    language_code: str = ""
    max_uses: int = 1
    expire_time: datetime | None = None


class Invitations:
    """Makes, lists and withdraws invitations."""

    def __init__(
        self,
        store: InvitationStore,
        *,
        most: int,
        clock: Clock,
        letter_waits: Callable[[], None],
    ) -> None:
        """Takes what it needs.

        Args:
            store: where they are kept.
            most: how many may be open at once.
            clock: the time.
            letter_waits: is called when a letter was stored.
        """
        self._store = store
        self._most = most
        self._clock = clock
        self._letter_waits = letter_waits

    async def create(self, caller: Caller, wanted: Wanted) -> tuple[Invitation, str]:
        """Makes one, and its code, which is told this once; sends it to the address that it names.

        Raises:
            InvitationEndInvalid: the end is in the past, or more than 365 days away.
            TooManyInvitations: as many are open as may be.
        """
        now = self._clock.now()
        end = wanted.expire_time or now + USUAL
        if not now < end <= now + LONGEST:
            raise InvitationEndInvalid(
                f"Choose an end in the future, at most {LONGEST.days} days away."
            )
        code = new_code()
        invitation = Invitation(
            id=new_id(),
            digest=digest_of(code),
            user_id=id_of(caller.user),
            create_time=now,
            expire_time=end,
            title=wanted.title,
            email=wanted.email,
            max_uses=wanted.max_uses,
        )
        letter = None
        if wanted.email:
            to = Addressee(by_email(wanted.email), language_code=wanted.language_code or "en")
            letter = invitation_letter(to, code, end)
        await self._store.add(invitation, letter, most=self._most)
        self._letter_waits()
        return invitation, code

    async def read(self, invitation_id: str) -> Invitation:
        """One of them.

        Raises:
            InvitationNotFound: there is none of that name.
        """
        found = await self._store.get(invitation_id)
        if found is None:
            raise _not_found()
        return found

    async def find(self, after: tuple[datetime, str] | None, limit: int) -> list[Invitation]:
        """Those of all admins, newest first."""
        return await self._store.find(after, limit)

    async def delete(self, invitation_id: str) -> None:
        """Withdraws one.

        Raises:
            InvitationNotFound: there is none of that name.
        """
        if not await self._store.delete(invitation_id, self._clock.now()):
            raise _not_found()


def _not_found() -> InvitationNotFound:
    return InvitationNotFound("There is no such invitation; list the invitations.")
