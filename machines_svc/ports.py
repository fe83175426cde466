"""What the use cases need from outside. Each docstring is what the conformance tests check."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chassis.listing import Condition, Once
from machines_svc.domain.availability import RuntimeAbilities
from machines_svc.domain.facts import Fact
from machines_svc.domain.machine import Machine, MachineSpec
from machines_svc.domain.searching import Query, relevance, words_of

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

    async def versions(self, uid: str, before: int | None, size: int) -> Sequence[Machine]:
        """The kept versions of a machine, the newest first, also after it was deleted.

        Args:
            uid: of the machine.
            before: the version that comes before them, so that all of them are lower; None to begin.
            size: how many at most.
        """
        ...

    async def list(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[Any, ...] | None,
        size: int,
        query: Query | None = None,
    ) -> list[Machine]:
        """A page of the machines.

        Args:
            conditions: all must hold. `title`, `state`, `resource_class`, `image`, `publisher` and
                `category` take `=` and `!=`; `title` and `image` also `:`, contains. Titles are
                compared whatever their case, and so is all that `:` looks for. `tags` takes `:`, has
                the tag. `price`, in the smallest unit, takes every comparison, and `submitted`, a
                bool, `=` and `!=`.
            order: of `title` (whatever the case), `create_time`, `update_time`, `price`, `rating` and
                `rents`, each with whether it descends. Ties are ordered by name, ascending. With a
                query `relevance`, descending, may stand first.
            after: the key, see `page_key`, of the last machine of the page before; None to begin.
            size: how many at most.
            query: what is looked for: only machines whose `relevance` for it is not 0.
        """
        ...

    async def tend(self) -> int:
        """Makes anew what machines are searched by, where it was made by former rules or is missing.

        Several may do it at once. A machine that is changed meanwhile is as it was changed to.

        Returns:
            Of how many machines it was made.
        """
        ...

    async def disown_versions(self, publisher: str) -> int:
        """Writes `users/deleted` for a publisher in all former versions; gives in how many."""
        ...

    async def sow(self, machines: Sequence[tuple[Machine, Fact]]) -> bool:
        """Keeps the first machines of a new installation, once in the life of the store.

        Of several that try at once, one does.

        Returns:
            Whether it was done now; False where it was done before, or where the store has machines.
        """
        ...


def page_key(
    machine: Machine, order: Sequence[tuple[str, bool]], query: Query | None = None
) -> tuple[Any, ...]:
    """Where a machine stands in an order: one part for each field of the order, then the name."""
    price = machine.spec.price_per_hour
    parts: dict[str, Any] = {
        "title": machine.spec.title.casefold(),
        "create_time": machine.create_time,
        "update_time": machine.update_time,
        "price": price.minor_units if price else 0,
        "rating": machine.standing.rating_hundredths,
        "rents": machine.standing.rents,
    }
    if query is not None and any(field == "relevance" for field, _ in order):
        parts["relevance"] = relevance(words_of(machine.name, machine.spec), query)
    return (*(parts[field] for field, _ in order), machine.name)


class StandingStore(Protocol):
    """Keeps what others make of machines, beside them: none of it is a change of a machine.

    Every method may be called again with what it was told before, and changes nothing then. Every
    method may raise Unavailable while the store does not answer.
    """

    async def rated(
        self, name: str, rating_hundredths: int, reviews: int, feed_version: int
    ) -> bool:
        """Keeps what the reviews of a machine come to.

        Args:
            name: `machines/{machine}`; one that is not there changes nothing.
            rating_hundredths: the mean of the stars.
            reviews: how many there are.
            feed_version: counts the changes of the feed: an older one than is kept changes nothing.

        Returns:
            Whether anything was changed.
        """
        ...

    async def rented(self, name: str, allocation: str, time: datetime) -> bool:
        """Counts a rent of a machine, once for each allocation.

        Args:
            name: `machines/{machine}`; one that is not there, or was made later, counts nothing.
            allocation: `allocations/{allocation}`.
            time: when it was rented, UTC in milliseconds.

        Returns:
            Whether it was counted now.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """The bytes of a picture.

    Attributes:
        media_type: `image/png`.
        content: the bytes.
    """

    media_type: str
    content: bytes


class PictureStore(Protocol):
    """Keeps the bytes of pictures, by machine and digest. Every method may raise Unavailable."""

    async def keep(self, uid: str, digest: str, picture: KeptPicture) -> None:
        """Keeps a picture of a machine; one that is there counts as kept now."""
        ...

    async def get(self, uid: str, digest: str) -> KeptPicture | None:
        """A picture of a machine; None where it is not kept."""
        ...

    async def count(self, uid: str) -> int:
        """How many pictures of a machine are kept."""
        ...

    async def sweep(self, uid: str, digests: Collection[str], before: datetime) -> int:
        """Removes the pictures of a machine but these that were kept before a time; gives how many."""
        ...


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
