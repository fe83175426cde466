"""Quotas: what people may have and have, and what admins set for one of them."""

from __future__ import annotations

from collections.abc import Mapping

from allocation_svc.domain.quota import Quota
from allocation_svc.ports.quota_store import QuotaStore
from allocation_svc.usecases.allowances import Allowances
from chassis.faults import Conflict, Forbidden
from chassis.identity.caller import Caller

_MOST_RACES = 20


class Quotas:
    """Reads and sets quotas."""

    def __init__(self, store: QuotaStore, allowances: Allowances) -> None:
        """Works on the store.

        Args:
            store: what is set for single people.
            allowances: what each role may have.
        """
        self._store = store
        self._allowances = allowances

    async def one(self, caller: Caller, owner: str) -> Quota:
        """What a person may have, and has.

        Args:
            caller: who asks.
            owner: `users/{user}`, or `users/me`.

        Raises:
            Forbidden: PARENT_FOREIGN, somebody else's, asked by one who is no admin.
        """
        owner = caller.user if owner == "users/me" else owner
        if owner != caller.user and not caller.sees_all:
            raise Forbidden(
                f"{owner!r} is not you; use users/me. Only admins see other people's quotas.",
                reason="PARENT_FOREIGN",
                parent=owner,
            )
        overrides, roles, used = await self._store.find(owner)
        of_role = self._allowances.quotas.of(caller.roles if owner == caller.user else roles)
        return Quota(owner, overrides.over(of_role), used, overrides)

    async def override(
        self,
        caller: Caller,
        owner: str,
        changes: Mapping[str, int | None],
        version: int | None = None,
    ) -> Quota:
        """Sets what a person may have, instead of what their role may.

        Args:
            caller: an admin.
            owner: `users/{user}`, or `users/me`.
            changes: by the name of the amount: the limit, -1 for none, None for what the role may.
            version: that the overrides must have; None for any.

        Raises:
            Conflict: ETAG_STALE, they have another version.
        """
        owner = caller.user if owner == "users/me" else owner
        for _ in range(_MOST_RACES):
            overrides, _, _ = await self._store.find(owner)
            if version is not None and overrides.version != version:
                raise Conflict(
                    f"The quota of {owner!r} was changed since it was read; read it again and send that "
                    "etag.",
                    quota=owner,
                )
            kept = {name: limit for name, limit in overrides.amounts.items() if name not in changes}
            kept |= {name: limit for name, limit in changes.items() if limit is not None}
            if await self._store.override(owner, kept, overrides.version):
                return await self.one(caller, owner)
        raise Conflict(f"The quota of {owner!r} changes too fast at present; try again.")

    async def forget(self, owner: str) -> None:
        """Removes what was set for somebody whose account has ended.

        Raises:
            Unavailable: the store does not answer.
        """
        await self._store.forget(owner)
