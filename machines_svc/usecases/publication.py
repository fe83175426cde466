"""What is in the catalogue: submit, reject, publish, retire."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.identity.caller import Caller
from machines_svc.domain.facts import (
    MachinePublished,
    MachineRejected,
    MachineRetired,
    MachineSubmitted,
)
from machines_svc.domain.machine import Machine
from machines_svc.ports import ImagePrefetch, MachineStore, RuntimeView
from machines_svc.usecases.changing import change, check_may_change


class Publication:
    """Puts machines into the catalogue and takes them out."""

    def __init__(
        self, store: MachineStore, clock: Clock, runtime: RuntimeView, images: ImagePrefetch
    ) -> None:
        """Works on a store.

        Args:
            store: where the machines are.
            clock: tells when.
            runtime: knows what can be run.
            images: fetches the images of machines that are published.
        """
        self._store = store
        self._clock = clock
        self._runtime = runtime
        self._images = images

    async def submit(self, name: str, version: int | None, caller: Caller) -> Machine:
        """Shows a draft to the admins; one that waits for them already stays as it is.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.
            caller: who asks: its publisher, or an admin.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineNotDraft: it is no draft any more.
            MachineChanged: it is of another version.
        """

        def alter(machine: Machine) -> Machine:
            check_may_change(caller, machine)
            return machine.submitted(self._clock.now())

        return await change(self._store, name, version, alter, MachineSubmitted)

    async def reject(self, name: str, version: int | None, rejection: str) -> Machine:
        """Refuses a draft that was submitted; it stays a draft.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.
            rejection: why, for its publisher to read.

        Raises:
            MachineNotFound: there is none of the name.
            MachineNotSubmitted: it does not wait for an admin.
            MachineChanged: it is of another version.
        """
        return await change(
            self._store,
            name,
            version,
            lambda m: m.rejected(rejection, self._clock.now()),
            MachineRejected,
        )

    async def publish(self, name: str, version: int | None) -> Machine:
        """Puts a machine into the catalogue; one that is there already stays as it is.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.

        Raises:
            MachineNotFound: there is none of the name.
            MachineChanged: it is of another version.
        """
        machine = await change(
            self._store, name, version, lambda m: m.published(self._clock.now()), MachinePublished
        )
        abilities = self._runtime.abilities()
        # A runtime that is not known yet may turn out to run images; fetching finds out.
        if machine.spec.image and (abilities is None or abilities.runs_images):
            self._images.ask(machine.spec.image)
        return machine

    async def retire(self, name: str, version: int | None) -> Machine:
        """Takes a machine out of the catalogue.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.

        Raises:
            MachineNotFound: there is none of the name.
            MachineChanged: it is of another version.
            MachineNotActive: it is not in the catalogue.
        """
        return await change(
            self._store, name, version, lambda m: m.retired(self._clock.now()), MachineRetired
        )
