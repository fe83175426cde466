"""How an allocation comes to be stopped, or removed, whatever is so at first."""

from __future__ import annotations

from dataclasses import replace

from allocation_svc.domain.allocation import State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.moves import Moves
from allocation_svc.domain.step import REST, Act, Step


class TowardsDeleted(Moves):
    """The owner wants it gone."""

    __slots__ = ()

    def step(self) -> Step:
        """The next step."""
        allocation = self.allocation
        if allocation.state is not State.DELETING:
            return self.move(State.DELETING, act=Act.REMOVE)
        if self.done is Act.REMOVE:
            gone = replace(
                allocation.moved(State.DELETED, self.now, reason=self._why_deleted()),
                delete_time=self.now,
                asked=False,
            )
            return Step(after=gone, fact=Fact.DELETED)
        return Step(act=Act.REMOVE)

    def _why_deleted(self) -> StateReason:
        if self.allocation.stop_reason is not None:
            return self.allocation.stop_reason
        if self.allocation.first_ready_time is None:
            return StateReason("CANCELLED_BY_OWNER", "It was removed before it was ready.")
        return StateReason("REMOVED_BY_OWNER", "Its owner removed it.")


class TowardsStopped(Moves):
    """The owner wants it not to run."""

    __slots__ = ()

    def step(self) -> Step:
        """The next step."""
        allocation, instance = self.allocation, self.instance
        if instance is None:
            return Step(act=Act.LOOK)
        if self._rests_stopped(instance):
            return self._stopped(instance)
        if allocation.state is State.FAILED and not allocation.asked:
            return REST
        if allocation.state is not State.STOPPING or allocation.asked:
            act = None if instance.state is InstanceState.STOPPING else Act.STOP
            return self.move(State.STOPPING, act=act)
        if allocation.overdue(self.now):
            return self.timed_out("It did not stop in time.")
        if instance.state is InstanceState.STOPPING:
            return self.wait()
        return self.again_unless_done(Act.STOP)

    def _rests_stopped(self, instance: Instance) -> bool:
        if instance.state in (InstanceState.EXITED, InstanceState.MISSING):
            return True
        # One whose probe has not answered may still run: it counts as stopped once it was told to.
        return instance.state is InstanceState.FAILED and (
            instance.reason != "PROBE_TIMED_OUT" or self.done is Act.STOP
        )

    def _stopped(self, instance: Instance) -> Step:
        allocation = self.allocation
        if allocation.state is State.STOPPED and not allocation.asked:
            return REST
        if allocation.state is State.STOPPED:
            return Step(after=replace(allocation, asked=False))
        why = allocation.stop_reason or StateReason(
            "STOPPED_BY_OWNER", "Its owner stopped it; start it when you need it."
        )
        reason = replace(why, exit_code=instance.exit_code)
        after = replace(
            allocation.moved(State.STOPPED, self.now, reason=reason),
            asked=False,
            observed_time=instance.observe_time or self.now,
            incarnation=max(instance.incarnation, allocation.incarnation),
        )
        return Step(after=after, fact=Fact.STOPPED)
