"""What the use cases need from outside. Each docstring is what the conformance tests check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from chassis.listing import Condition, Once
from machines_svc.domain.availability import RuntimeAbilities
from machines_svc.domain.facts import Fact
from machines_svc.domain.machine import Machine, MachineSpec

FORMER_VERSIONS_KEPT = 50
"""How many versions of a machine a store keeps, the present one among them."""


class MachineStore(Protocol):
    """Keeps machines, each as one document that is written as a whole.

    A change and its fact are kept together or not at all; facts reach the bus later, in the order of
    the changes of a machine, at least once. Times are UTC in milliseconds. Text is compared by code
    points. Every method may raise Unavailable while the store does not answer.
    """

    async def insert(self, machine: Machine, fact: Fact, once: Once | None = None) -> Machine:
        """Keeps a new machine.

        Args:
            machine: its name must be free.
            fact: published with it.
            once: the request, if it must have one effect.

        Returns:
            The machine; where the same request was answered within 24 hours, the machine as it was
            answered then, and nothing else happens.

        Raises:
            MachineExists: the name is taken.
            Conflict: REQUEST_ID_REUSED, the request id was used for another request.
        """
        ...

    async def replace(self, machine: Machine, expected_version: int, fact: Fact) -> None:
        """Keeps a changed machine, if the one that is kept is of the expected version.

        Raises:
            MachineNotFound: there is no machine of the name.
            MachineChanged: it is of another version, or of another uid.
        """
        ...

    async def delete(self, machine: Machine, fact: Fact) -> None:
        """Removes a machine, if the one that is kept is of the same version and uid.

        Its former versions stay.

        Raises:
            MachineNotFound: there is no machine of the name.
            MachineChanged: it is of another version, or of another uid.
        """
        ...

    async def get(self, name: str) -> Machine | None:
        """The machine of a name; None where there is none."""
        ...

    async def version(self, uid: str, version: int) -> Machine | None:
        """A machine as it was in one of its last 50 versions, also after it was deleted.

        Returns:
            None where that version is not kept.
        """
        ...

    async def list(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[Any, ...] | None,
        size: int,
    ) -> list[Machine]:
        """A page of the machines.

        Args:
            conditions: all must hold. `title`, `state`, `resource_class`, `image` and `publisher` take
                `=` and `!=`; `title` and `image` also `:`, contains. Titles are compared whatever
                their case, and so is all that `:` looks for.
            order: of `title` (whatever the case), `create_time` and `update_time`, each with whether
                it descends. Ties are ordered by name, ascending.
            after: the key, see `page_key`, of the last machine of the page before; None to begin.
            size: how many at most.
        """
        ...

    async def sow(self, machines: Sequence[tuple[Machine, Fact]]) -> bool:
        """Keeps the first machines of a new installation, once in the life of the store.

        Of several that try at once, one does.

        Returns:
            Whether it was done now; False where it was done before, or where the store has machines.
        """
        ...


def page_key(machine: Machine, order: Sequence[tuple[str, bool]]) -> tuple[Any, ...]:
    """Where a machine stands in an order: one part for each field of the order, then the name."""
    parts: dict[str, Any] = {
        "title": machine.spec.title.casefold(),
        "create_time": machine.create_time,
        "update_time": machine.update_time,
    }
    return (*(parts[field] for field, _ in order), machine.name)


class RuntimeView(Protocol):
    """Knows, of late, what the runtime of this installation can run."""

    def abilities(self) -> RuntimeAbilities | None:
        """What it can run, without asking; None while that is not known."""
        ...


class ImagePrefetch(Protocol):
    """Fetches images ahead of their use, in the background."""

    def ask(self, image: str) -> None:
        """Asks for an image to be fetched; returns at once. What becomes of it is logged."""
        ...


class StarterCatalogue(Protocol):
    """The machines that a new installation begins with."""

    def machines(self) -> Sequence[tuple[str, MachineSpec]]:
        """The name and the spec of each, `machines/redis`."""
        ...
