"""Having one-time codes sent, to whoever it is, no more often than may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from chassis.limits import RateLimiter
from user_svc.domain.code import Addressee, Letter, Purpose, address_taken_letter, new_code
from user_svc.domain.contact import Contact
from user_svc.domain.faults import CodeSentRecently, TooManyRequests
from user_svc.ports.accounts import AccountStore

NOBODY = "-"
"""The identifier of no account: under it the codes are stored that nobody gets."""

_NOTE_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CodeRules:
    """How codes go out.

    Attributes:
        lifetime: how long a one-time code can be used.
        pause: how long to wait between two codes for one contact, whatever they are for.
        address_burst, address_refill: codes that are asked for from one network address: so many at
            once, then one more each time.
    """

    lifetime: timedelta
    pause: timedelta
    address_burst: int
    address_refill: timedelta


class Codes:
    """Sends one-time codes, and lets nobody see whether one was sent.

    Limits count contacts and network addresses, not accounts. Where nobody gets a code, one is made
    and stored all the same, so that the answer takes as long.
    """

    def __init__(
        self,
        accounts: AccountStore,
        *,
        limiter: RateLimiter,
        rules: CodeRules,
        clock: Clock,
        letter_waits: Callable[[], None],
    ) -> None:
        """Takes what it needs; `letter_waits` is called when a letter was stored."""
        self._accounts = accounts
        self._limiter = limiter
        self.rules = rules
        self._clock = clock
        self.letter_waits = letter_waits

    async def limit(self, what: str, address: str) -> None:
        """Counts something that is done from a network address.

        Raises:
            TooManyRequests: it was done too often.
        """
        wait = await self._limiter.take(
            f"{what} from {address}",
            self.rules.address_burst,
            self.rules.address_refill.total_seconds(),
        )
        if wait > 0:
            raise TooManyRequests(
                "There were too many of these requests from here; wait, then try again.",
                retry_after=wait,
            )

    async def take_turn(self, contact: Contact) -> float:
        """Takes the turn of a contact to get a code; returns how many seconds it has to wait, 0 for none."""
        pause = self.rules.pause.total_seconds()
        return await self._limiter.take(f"code for {contact.key}", 1, pause)

    async def allow(self, contact: Contact, address: str) -> None:
        """Takes the turn of a contact to get a code.

        Raises:
            TooManyRequests: many codes were asked for from this network address.
            CodeSentRecently: one was sent to this contact a moment ago.
        """
        await self.limit("codes", address)
        wait = await self.take_turn(contact)
        if wait > 0:
            pause = self.rules.pause.total_seconds()
            raise CodeSentRecently(
                f"A code was sent there less than {pause:.0f} seconds ago; wait, then ask again.",
                retry_after=wait,
            )

    async def send(self, account_id: str, to: Addressee, purpose: Purpose) -> None:
        """Sends a new code; to nobody where the account is `NOBODY`."""
        code, letter = new_code(to, purpose, self._clock.now(), self.rules.lifetime)
        is_sent = account_id != NOBODY
        await self._accounts.replace_code(account_id, code, letter if is_sent else None)
        if is_sent:
            self.letter_waits()

    async def pretend(
        self, account_id: str, asked: Contact, purpose: Purpose, note: Letter
    ) -> None:
        """Stores a code that is not sent, and sends the owner of the contact a note instead."""
        code, _ = new_code(Addressee(asked), purpose, self._clock.now(), self.rules.lifetime)
        await self._accounts.replace_code(account_id, code, note)
        self.letter_waits()

    def taken(self, owner: Addressee) -> Letter:
        """Tells the owner of a contact that somebody tried to have an account with it."""
        return address_taken_letter(owner, self._clock.now(), _NOTE_LIFETIME)
