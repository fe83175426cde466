"""The sweep: compares every allocation with its instance, now and then, whatever was heard of either.

It costs most where it finds nothing, since then it is made again and again: so what was found settled is not
read again while neither its row nor its instance has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.ports.allocation_store import AllocationStore, Existing
from allocation_svc.ports.engine import Engine
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.usecases.agenda import Lane
from allocation_svc.usecases.boot import Turns
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.steps import Steps
from chassis.clock import Clock

_PAGE = 1000
_AT_ONCE = 200
_STAYS = frozenset({State.UNKNOWN, State.FAILED, State.DELETING})
_TELLS_OF_A_FAILED_ONE = frozenset({InstanceState.READY, InstanceState.UNHEALTHY})

_Key = tuple[int, int, int, InstanceState, bool]
"""What has to change before something that is settled can have something to do."""


class Sweep:
    """Kicks those allocations that are to be worked on, and finds instances that have none."""

    def __init__(
        self,
        store: AllocationStore,
        engine: Engine,
        watch: EngineWatch,
        steps: Steps,
        *,
        clock: Clock,
        observer: StepObserver,
        turns: Turns,
        kick: Callable[[str, Lane], None],
        noticed: Callable[[Allocation], bool],
        orphan_grace_seconds: float,
    ) -> None:
        """Nothing is compared before it is asked for.

        Args:
            store: what is desired.
            engine: what is so.
            watch: whether the engine answers.
            steps: keeps what the engine has told of each allocation.
            clock: the time.
            observer: is told what was found.
            turns: are told of each instance, and then that these were all.
            kick: has an allocation worked on.
            noticed: is told of each allocation that has changed; says whether it is to be worked on.
            orphan_grace_seconds: how long an instance without an allocation is left alone.
        """
        self._store = store
        self._engine = engine
        self._watch = watch
        self._steps = steps
        self._clock = clock
        self._observer = observer
        self._turns = turns
        self._kick = kick
        self._noticed = noticed
        self._orphan_grace = orphan_grace_seconds
        self._settled: dict[str, _Key] = {}
        self._orphans: dict[str, float] = {}
        self._doomed: dict[str, Instance] = {}

    async def compare(self) -> None:
        """Compares every allocation with its instance.

        Raises:
            Unavailable: the engine or the store does not answer.
        """
        began = self._clock.monotonic()
        await self._watch.refresh_node()
        listed = {instance.allocation: instance for instance in await self._engine.instances()}
        orphans = dict(listed)
        for instance in listed.values():
            self._turns.heard(instance)
        self._turns.all_heard()
        count, after, settled = 0, "", dict[str, _Key]()
        while page := await self._store.existing(_PAGE, after):
            told = [self._instance(one.name, listed, began) for one in page]
            for one in page:
                orphans.pop(one.name, None)
            settled |= await self._unless_settled(page, told)
            count, after = count + len(page), page[-1].name
            # Ten thousand allocations must not hold everybody else up.
            await self._clock.sleep(0)
        self._settled = settled
        removed = self._doom(orphans)
        self._observer.swept(count, len(listed), removed, self._clock.monotonic() - began)

    async def mark_unknown(self) -> None:
        """Kicks everything whose state is not known any more."""
        after = ""
        while page := await self._store.existing(_PAGE, after):
            for one in page:
                if one.state not in _STAYS:
                    self._kick(one.name, Lane.STEPS)
            after = page[-1].name
            await self._clock.sleep(0)

    def orphan(self, name: str) -> Instance | None:
        """The instance that is to be removed because it has outlived the allocation of that name."""
        return self._doomed.get(name)

    def removed(self, name: str) -> None:
        """That instance is gone."""
        self._orphans.pop(name, None)
        self._doomed.pop(name, None)

    def _instance(self, name: str, listed: Mapping[str, Instance], began: float) -> Instance:
        instance = listed.get(name)
        if instance is None:
            return self._steps.not_listed(name, began)
        self._steps.heard(instance)
        return instance

    async def _unless_settled(
        self, page: Sequence[Existing], told: Sequence[Instance]
    ) -> dict[str, _Key]:
        """Kicks those of a page that have something to do; gives what the others depend on."""
        settled: dict[str, _Key] = {}
        changed: dict[str, tuple[_Key, Instance]] = {}
        for one, instance in zip(page, told, strict=True):
            key = (
                one.version,
                instance.generation,
                instance.incarnation,
                instance.state,
                instance.ended_with_host,
            )
            if self._settled.get(one.name) == key:
                settled[one.name] = key
            else:
                changed[one.name] = (key, instance)
        for names in _parts(list(changed)):
            for allocation in await self._store.several(names):
                key, instance = changed[allocation.name]
                # Each is noticed, settled or not.
                if not self._noticed(allocation) and is_settled(allocation, instance):
                    settled[allocation.name] = (allocation.version, *key[1:])
                else:
                    self._kick(allocation.name, _lane(allocation))
        return settled

    def _doom(self, found: Mapping[str, Instance]) -> int:
        """Has instances removed that have had no live allocation for the grace."""
        now = self._clock.monotonic()
        # A MISSING one is listed for what is left of it: its volumes, or a record.
        self._orphans = {name: self._orphans.get(name, now) for name in found}
        self._doomed = {
            name: found[name]
            for name, since in self._orphans.items()
            if now - since >= self._orphan_grace
        }
        for name in self._doomed:
            self._kick(name, Lane.REMOVALS)
        return len(self._doomed)


def _parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


def _lane(allocation: Allocation) -> Lane:
    return Lane.REMOVALS if allocation.desired is Desired.DELETED else Lane.STEPS


def is_settled(allocation: Allocation, instance: Instance) -> bool:
    """Whether nothing is to be done, seen at a glance; where it is not sure, `decide` looks.

    It may look at the allocation, and at the generation, incarnation and state of the instance and whether
    it ended with its host, and at nothing else: what it says is remembered until one of these changes. What happens by time is not seen
    here: `decide` names the time, and who is kicked once is kicked then.
    """
    if allocation.to_be_remade and allocation.desired is Desired.RUNNING:
        return False
    if allocation.asked or instance.generation > allocation.generation:
        return False
    current = instance.generation == allocation.generation
    match allocation.desired, allocation.state:
        case Desired.RUNNING, State.READY:
            return (
                current
                and instance.state is InstanceState.READY
                and instance.incarnation == allocation.incarnation
                and instance.incarnation > allocation.after_incarnation
            )
        case Desired.STOPPED, State.STOPPED:
            return not current or instance.state in (InstanceState.EXITED, InstanceState.MISSING)
        case Desired.RUNNING, State.FAILED:
            tells = instance.state in _TELLS_OF_A_FAILED_ONE or instance.ended_with_host
            return not (current and tells)
        case _:
            return False
