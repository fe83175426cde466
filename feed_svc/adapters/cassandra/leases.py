"""Leases in a keyspace: one row for each, changed by conditional writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from chassis.leading import Leadership, Lease, LeaseLost
from feed_svc.adapters.cassandra.session import Keyspace

_READ = "SELECT holder, address, epoch, beat FROM leases WHERE name = ?"
_FIRST = (
    "INSERT INTO leases (name, holder, address, epoch, beat) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS"
)
_TAKE = (
    "UPDATE leases SET holder = ?, address = ?, epoch = ?, beat = ? WHERE name = ? "
    "IF epoch = ? AND beat = ?"
)
_RENEW = "UPDATE leases SET beat = ? WHERE name = ? IF epoch = ? AND holder = ?"
_RELEASE = (
    "UPDATE leases SET holder = '', address = '', beat = ? WHERE name = ? "
    "IF epoch = ? AND holder = ?"
)


class CassandraLeases:
    """Keeps leases beside what they protect; see `chassis.leading.Leases`."""

    def __init__(self, keyspace: Keyspace) -> None:
        """Works on an open keyspace."""
        self._keyspace = keyspace

    async def read(self, name: str) -> Lease | None:
        """The lease of a name."""
        row = await self._keyspace.settled(_READ, [name])
        return None if row is None else Lease(*row)

    async def claim(self, name: str, seen: Lease | None, holder: str, address: str) -> Lease | None:
        """Takes a lease, if it still is what was seen."""
        claimed = Lease(holder, address, (seen.epoch if seen else 0) + 1, 0)
        row = [claimed.holder, claimed.address, claimed.epoch, claimed.beat]
        if seen is None:
            done = await self._keyspace.apply([(_FIRST, [name, *row])])
        else:
            done = await self._keyspace.apply([(_TAKE, [*row, name, seen.epoch, seen.beat])])
        return claimed if done else None

    async def renew(self, name: str, lease: Lease) -> Lease | None:
        """Raises the beat of a lease that is held."""
        renewed = Lease(lease.holder, lease.address, lease.epoch, lease.beat + 1)
        held = [renewed.beat, name, lease.epoch, lease.holder]
        return renewed if await self._keyspace.apply([(_RENEW, held)]) else None

    async def release(self, name: str, lease: Lease) -> None:
        """Gives a lease back."""
        # The beat changes too, so that nobody who saw it before takes it for what they saw.
        await self._keyspace.apply([(_RELEASE, [lease.beat + 1, name, lease.epoch, lease.holder])])

    def fence_for(self, leadership: Leadership) -> Callable[[], Awaitable[None]]:
        """What raises LeaseLost where this replica does not lead any more, by the word of the store."""

        async def fence() -> None:
            held = await self.read(leadership.service)
            if held is None or held.epoch != leadership.epoch:
                raise LeaseLost("Another replica leads now.")

        return fence
