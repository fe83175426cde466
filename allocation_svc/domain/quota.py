"""How much people may have at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from allocation_svc.domain.capacity import AMOUNTS, Amounts, Bounds

EVERYBODY = "PERSON"
"""The role that everybody has."""


@dataclass(frozen=True, slots=True)
class RoleQuotas:
    """What each role may have; who has several roles may have the most that any of them may.

    Attributes:
        of_role: the limits of a role by its name as in the contract, and of `PERSON`: everybody.
    """

    of_role: Mapping[str, Bounds] = field(default_factory=dict)

    def of(self, roles: Collection[str]) -> Bounds:
        """What somebody with these roles may have."""
        known = [self.of_role[role] for role in (EVERYBODY, *roles) if role in self.of_role]
        return Bounds(*(_most([getattr(limits, name) for limits in known]) for name in AMOUNTS))


@dataclass(frozen=True, slots=True)
class Overrides:
    """What an admin has set for one person.

    Attributes:
        amounts: by the name of the amount: the limit, or -1 for none. What is not named is by role.
        version: counts the changes; 0 where nothing was ever set.
        update_time: when that changed last.
    """

    amounts: Mapping[str, int] = field(default_factory=dict)
    version: int = 0
    update_time: datetime | None = None

    def over(self, limits: Bounds) -> Bounds:
        """The limits of a role, with these in their places."""
        return Bounds(*(self._one(name, getattr(limits, name)) for name in AMOUNTS))

    def _one(self, name: str, of_role: int | None) -> int | None:
        if name not in self.amounts:
            return of_role
        return None if self.amounts[name] < 0 else self.amounts[name]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a person may have, and has.

    Attributes:
        owner: `users/{user}`.
        limits: what they may have.
        used: what they have.
        overrides: what of the limits an admin has set.
    """

    owner: str
    limits: Bounds
    used: Amounts
    overrides: Overrides


def _most(limits: list[int | None]) -> int | None:
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None
