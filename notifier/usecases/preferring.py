"""What people want to be told, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis.clock import Clock
from chassis.faults import FieldViolation, Invalid
from chassis.identity.caller import Caller
from notifier.domain.faults import PersonNotFound
from notifier.domain.kind import Kind
from notifier.domain.preference import Preferences, Rule, Way
from notifier.ports import Directory, PreferenceStore, Templates


class Preferring:
    """Reads and changes what a person wants to be told."""

    def __init__(
        self, store: PreferenceStore, directory: Directory, templates: Templates, clock: Clock
    ) -> None:
        """Takes what it needs.

        Args:
            store: what each person has chosen.
            directory: who there is.
            templates: what holds of each kind by default.
            clock: the time.
        """
        self._store = store
        self._directory = directory
        self._templates = templates
        self._clock = clock

    async def read(self, caller: Caller, user: str) -> Preferences:
        """What a person has chosen: `users/me`, one's own, or, for admins, anybody's.

        Raises:
            PersonNotFound: there is none, or it is somebody else.
        """
        return await self._store.get(await self._whose(caller, user))

    async def change(
        self,
        caller: Caller,
        user: str,
        changes: Mapping[str, Mapping[Way, bool]],
        version: int | None,
    ) -> Preferences:
        """Changes what is chosen of some kinds; a way that is left out is as by default again.

        Raises:
            PersonNotFound: there is none, or it is somebody else.
            Invalid: NOTIFICATION_KIND_UNKNOWN.
            Conflict: ETAG_STALE.
        """
        owner = await self._whose(caller, user)
        known = {kind.value: kind for kind in Kind}
        unknown = [name for name in changes if name not in known]
        if unknown:
            message = f"There is no kind {unknown[0]!r}; the preferences list those that there are."
            raise Invalid(
                message,
                reason="NOTIFICATION_KIND_UNKNOWN",
                fields=[FieldViolation("notification_preferences.preferences.kind", message)],
            )
        chosen = {known[name]: ways for name, ways in changes.items()}
        return await self._store.change(owner, chosen, version, self._clock.now())

    def rules(self, *, for_admins: bool) -> Sequence[tuple[Kind, Rule]]:
        """The kinds that somebody can choose about, with what holds of each by default.

        Args:
            for_admins: whether with those that only admins are told of.
        """
        rules = [(kind, self._templates.rule(kind.value)) for kind in Kind]
        return [(kind, rule) for kind, rule in rules if for_admins or not rule.for_admins]

    async def _whose(self, caller: Caller, user: str) -> str:
        if user in {"users/me", caller.user}:
            return caller.user
        if not caller.sees_all or await self._directory.person(user) is None:
            raise PersonNotFound(user)
        return user
