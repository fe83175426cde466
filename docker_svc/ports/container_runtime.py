"""What runs instances."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from docker_svc.domain import (
    Capacity,
    InstanceKey,
    InstanceSpec,
    Progress,
    Standing,
    Target,
    Usage,
)
from docker_svc.ports.logs import LogSource
from docker_svc.ports.runtime_volumes import RuntimeVolumes


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How a program has ended.

    Attributes:
        time: when, by the clock that start times are of.
        exit_code: 128 + n for signal n.
        out_of_memory: whether it was killed for lack of memory.
    """

    time: datetime
    exit_code: int
    out_of_memory: bool = False


Change = Literal["started", "ended", "killed", "removed", "paused", "unpaused"]


@dataclass(frozen=True, slots=True)
class InstanceChanged:
    """Something has happened to an instance: ask for it.

    Attributes:
        key: which one.
        change: `started`, `ended` (by itself, by a stop, or for lack of memory), `killed` (by somebody
            else, perhaps to remove it: the runtime may need a moment until it can say), `removed`,
            `paused` or `unpaused`.
        end: of one that has `ended`, all that there is to say of it; None where the runtime is to be
            asked. Of one that was `killed`, how its program has ended; it may be gone by now.
    """

    key: InstanceKey
    change: Change
    end: ProgramEnd | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class EngineAvailable:
    """Whether the engine answers now. Where it does, changes may have been missed: list again.

    Attributes:
        available: whether it does.
        session: tells one time from its start to its end from every other: what ran in another one has
            ended with it. Empty where that is not known.
    """

    available: bool
    session: str = field(default="", compare=False)


RuntimeEvent = InstanceChanged | EngineAvailable


class ContainerRuntime(Protocol):
    """Runs instances; the weakest guarantee that every adapter keeps.

    * An instance is found by its key, also by a later process: its standing outlives this one.
    * What this installation did not make is never touched, listed or told of.
    * Methods of different allocations may run at once; those of one allocation are called one after
      another by the use cases, with the exception of `get`, `list`, `targets`, `stats`, `log_source`.
    * A method that is cancelled either has had its whole effect or none; it may take a moment to end.
    * Volumes outlast instances, which find in those of their spec what former ones have written, at
      `ALLOCATOR_VOLUME_1` and so on in their environment, and may write there.
    * Program ends are never undone by the runtime itself: no restart policy.
    * Every method may raise EngineUnavailable. It recovers by itself; nothing needs to be opened again.
    """

    @property
    def name(self) -> str:
        """`docker` or `process`."""
        ...

    @property
    def volumes(self) -> RuntimeVolumes:
        """What it keeps for allocations."""
        ...

    async def check(self, spec: InstanceSpec) -> None:
        """Looks whether a spec could run here, as far as that is cheap to see.

        Raises:
            NotRunnable: this runtime cannot run it.
            PortTaken: something listens on one of its ports.
        """
        ...

    async def ensure(
        self, key: InstanceKey, spec: InstanceSpec, progress: Callable[[Progress], None]
    ) -> Standing:
        """Makes an instance and starts it. One that is there and was ever started is left alone.

        Args:
            key: which; instances of lower generations were removed before.
            spec: what it shall be; not looked at where the instance is there. Volumes that are not
                there are made.
            progress: told how far the fetching of the image is, where one is fetched.

        Raises:
            ImageNotFound, PortTaken, NameTaken, ProgramNotStarted, EngineRefused: it was not started, and
                nothing of it remains but volumes. A program that cannot be executed may instead end at once with 126 or 127.
        """
        ...

    async def start(self, key: InstanceKey, spec: InstanceSpec) -> Standing:
        """Starts the program of an instance that has ended; a running one is left alone.

        Args:
            key: which.
            spec: the one that it was made with. Handed in again, so that no runtime needs to keep
                secrets on its disk.

        Raises:
            InstanceNotFound, PortTaken, ProgramNotStarted, EngineRefused: it was not started; the
                instance remains.
        """
        ...

    async def stop(self, key: InstanceKey, grace: float) -> Standing:
        """Asks the program to end, and kills it and all that it started after the grace.

        It is asked by the signal of the spec that it was made with; by the image's own, or SIGTERM,
        where that names none. Returns once it has ended; one that has ended already is left alone.

        Args:
            key: which.
            grace: seconds; whole ones where the engine knows no others, rounded up.

        Raises:
            InstanceNotFound: there is none.
        """
        ...

    async def remove(self, allocation: str, generation: int) -> None:
        """Kills and removes the instances of an allocation up to a generation: processes, files, ports.

        Returns once they are gone; where there are none, it does nothing.

        Args:
            allocation: whose.
            generation: the highest to remove.
        """
        ...

    async def get(self, key: InstanceKey) -> Standing | None:
        """What is so now; None where there is no such instance."""
        ...

    async def list_all(self) -> list[Standing]:
        """Every instance of this installation; several generations of an allocation where they are."""
        ...

    def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """What happens, from now on, for one listener. First comes whether the engine answers.

        Changes arrive within a second. While the engine is away some are lost.
        """
        ...

    def targets(self, standing: Standing, container_port: int) -> list[Target]:
        """Where a container port can be probed, the best place first; empty for an unknown port."""
        ...

    def log_source(self, standing: Standing) -> LogSource:
        """Where the raw log of an instance is."""
        ...

    def stats(self, key: InstanceKey) -> AsyncGenerator[Usage, None]:
        """What an instance uses, about once in two seconds; ends when it does not run (any more)."""
        ...

    async def node(self) -> Capacity:
        """What this node is and has."""
        ...

    def pull(self, image: str) -> AsyncGenerator[Progress, None]:
        """Fetches an image; ends when it is there.

        Raises:
            ImageNotFound: there is none, or it may not be fetched.
            NotRunnable: this runtime knows no images.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections and watchers. Instances go on running."""
        ...
