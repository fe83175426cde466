"""What machines were: their versions, back to one of them, and on from one as another machine."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.listing import next_token, page_of
from machines_svc.domain.facts import MachineUpdated
from machines_svc.domain.faults import no_version
from machines_svc.domain.machine import Machine
from machines_svc.domain.rules import check_by_people, check_spec
from machines_svc.ports import MachineStore
from machines_svc.usecases.browsing import Browsing, CataloguePage
from machines_svc.usecases.changing import change, check_may_change, read, sees


class History:
    """Shows former versions, and goes back to them."""

    def __init__(self, store: MachineStore, browsing: Browsing, clock: Clock) -> None:
        """Works on a store.

        Args:
            store: where the machines are.
            browsing: knows who sees what.
            clock: tells when.
        """
        self._store = store
        self._browsing = browsing
        self._clock = clock

    async def versions(
        self, name: str, page_size: int, page_token: str, caller: Caller
    ) -> CataloguePage:
        """Lists the kept versions of a machine that the caller sees, the newest first.

        Raises:
            MachineNotFound: there is none, or the caller does not see it.
            Invalid: PAGE_TOKEN_INVALID.
        """
        machine = await self._browsing.get(name, caller)
        bound = ("versions", name, machine.uid)
        page = page_of(page_size, page_token, *bound, key=[int])
        before = page.after[0] if page.after else None
        found = await self._store.versions(machine.uid, before, page.size + 1)
        shown = found[: page.size]
        more = len(found) > page.size
        return CataloguePage(
            [one for one in shown if sees(caller, one)],
            next_token([shown[-1].version], *bound) if more else "",
        )

    async def rollback(self, name: str, to: int, version: int | None, caller: Caller) -> Machine:
        """Makes a machine again what it was in a version, as its next one.

        Args:
            name: `machines/{machine}`.
            to: that version.
            version: the one that was read; None for whatever is there.
            caller: who does it.

        Returns:
            The machine as it is now; where nothing differs, as it was.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineVersionNotFound: that version is not kept.
            MachineNotDraft: it is the caller's own, and no draft any more.
            MachineChanged: it is of another version.
            SpecInvalid, VariableInvalid, CommandAdminsOnly: what it was is not allowed any more.
        """
        present = await read(self._store, name, version)
        check_may_change(caller, present)
        former = await self._store.version(present.uid, to)
        if former is None:
            raise no_version(name, to)

        def alter(machine: Machine) -> Machine:
            check_may_change(caller, machine)
            spec = former.spec
            check_spec(spec)
            if not caller.is_admin:
                # A command that it has had was an admin's, or came with the fork.
                spec = check_by_people(spec, spec)
            return machine.edited(spec, self._clock.now(), by_admin=caller.is_admin)

        return await change(self._store, name, version, alter, MachineUpdated)
