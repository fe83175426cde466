"""How an allocation comes to run, or to have failed, whatever is so at first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from allocation_svc.domain.allocation import State, StateReason
from allocation_svc.domain.away import placed
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.health import Healing
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.step import REST, Act, Step, deadline_of

_PASSING = frozenset(
    {"ENGINE_UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", "GENERATION_STALE", "DISK_FULL"}
)


class TowardsRunning(Healing):
    """The owner wants it to run."""

    __slots__ = ()

    def step(self) -> Step:
        """The next step."""
        allocation, instance = self.allocation, self.instance
        if allocation.to_be_remade:
            return self.anew()
        if instance is None:
            if allocation.state is State.PROVISIONING:
                return self.unless_overdue(Step(act=Act.ENSURE))
            return Step(act=Act.LOOK)
        match instance.state:
            case InstanceState.MISSING:
                return self._missing()
            case InstanceState.PULLING | InstanceState.CREATING:
                return self._being_made(instance)
            case InstanceState.RUNNING | InstanceState.READY:
                return self._runs(instance)
            case InstanceState.STOPPING:
                return self._being_stopped()
            case InstanceState.EXITED:
                return self._exited(instance)
            case InstanceState.FAILED:
                return self._not_made(instance)
            case InstanceState.AWAY:
                return REST  # decided before
            case InstanceState.UNHEALTHY:
                if instance.incarnation <= allocation.after_incarnation:
                    return self._restart()
                return self.unhealthy(instance)

    def _missing(self) -> Step:
        allocation = self.allocation
        match allocation.state:
            case State.PROVISIONING:
                return self.unless_overdue(self.again_unless_done(Act.ENSURE))
            case State.READY | State.STARTING | State.UNHEALTHY:
                return self._lost()
            case State.FAILED if not allocation.asked:
                return REST
            case _:
                return self.anew()

    def _lost(self) -> Step:
        """Makes a lost instance anew, unless it is lost again and again."""
        window = self.now - timedelta(seconds=self.rules.recreation_window)
        recent = tuple(time for time in self.allocation.recreated if time > window)
        if len(recent) >= self.rules.recreations:
            return self.failed(
                StateReason(
                    "INSTANCE_LOST",
                    f"Its instance was removed behind our back, {len(recent) + 1} times in a row; "
                    "start it again. Files inside the container are lost.",
                )
            )
        reason = StateReason(
            "INSTANCE_LOST",
            "Its instance was removed behind our back; a new one is being made. Files inside the "
            "container are lost.",
        )
        step = self.anew(reason=reason)
        assert step.after is not None
        after = replace(step.after, recreated=(*recent, self.now))
        return replace(step, after=after, fact=Fact.RESTARTED)

    def _being_made(self, instance: Instance) -> Step:
        allocation = self.allocation
        if allocation.state is State.FAILED and not allocation.asked:
            return REST
        if allocation.state not in (State.PROVISIONING, State.STARTING):
            return self.move(State.PROVISIONING)
        if allocation.overdue(self.now):
            return self.timed_out("Its instance was not made in time.")
        return self._progress(instance, instance.progress)

    def _progress(self, instance: Instance, progress: str) -> Step:
        """Writes down how far it is, now and then; what moves gets its full time again."""
        allocation = self.allocation
        if progress == allocation.progress and not allocation.asked:
            return self.wait()
        due = allocation.update_time + timedelta(seconds=self.rules.progress)
        if self.now < due and allocation.progress and not allocation.asked:
            return Step(look_again=due)
        after = replace(
            allocation,
            progress=progress,
            asked=False,
            incarnation=max(instance.incarnation, allocation.incarnation),
            observed_time=instance.observe_time or self.now,
            deadline=deadline_of(allocation.state, allocation, self.now, self.rules),
        )
        return Step(after=after, look_again=after.deadline)

    def _runs(self, instance: Instance) -> Step:
        allocation = self.allocation
        if instance.incarnation <= allocation.after_incarnation:
            return self._restart()
        if instance.state is InstanceState.READY:
            return self._ready(instance)
        if allocation.state is State.FAILED and not allocation.asked:
            return REST
        if allocation.state not in (State.PROVISIONING, State.STARTING):
            return self.move(State.STARTING)
        if allocation.overdue(self.now):
            return self.timed_out("Its program runs, but was not ready in time.")
        return self._progress(instance, instance.progress or "waiting until it answers")

    def _ready(self, instance: Instance) -> Step:
        allocation = self.allocation
        if allocation.state is State.READY and instance.incarnation == allocation.incarnation:
            return Step(after=replace(allocation, asked=False)) if allocation.asked else REST
        after = replace(
            placed(allocation, instance).moved(State.READY, self.now),
            asked=False,
            incarnation=instance.incarnation,
            first_ready_time=allocation.first_ready_time or self.now,
            observed_time=instance.observe_time or self.now,
            port_tries=0,
        )
        return Step(after=after, fact=Fact.READY)

    def _restart(self) -> Step:
        if self.allocation.state is State.FAILED and not self.allocation.asked:
            return REST
        if self.allocation.state is not State.STARTING:
            return self.move(State.STARTING, act=Act.RESTART)
        # The call that started it may still be told of as it was before.
        if self.done is Act.START:
            return self.unless_overdue(self.wait(self.rules.again))
        return self.unless_overdue(self.again_unless_done(Act.RESTART))

    def _being_stopped(self) -> Step:
        allocation = self.allocation
        if allocation.is_moving:
            return self.unless_overdue(self.wait())
        if allocation.state is State.FAILED and allocation.asked:
            return self.move(State.STARTING, keep_asked=True)
        return self.wait()

    def _exited(self, instance: Instance) -> Step:
        allocation = self.allocation
        ended_by_itself = instance.incarnation > allocation.after_incarnation
        start_asked = allocation.asked or allocation.state in (State.STOPPED, State.STOPPING)
        stopped_for_us = ended_by_itself and instance.stop_requested
        if start_asked or (stopped_for_us and allocation.state is not State.FAILED):
            step = self.move(State.STARTING, act=Act.START)
            assert step.after is not None
            return replace(step, after=replace(step.after, after_incarnation=instance.incarnation))
        if ended_by_itself and instance.ended_with_host and not self.failed_otherwise():
            return self.with_host(instance)
        if allocation.state is State.FAILED:
            return REST
        if ended_by_itself:
            return self.ended(instance)
        if allocation.state is not State.STARTING:
            return self.move(State.STARTING, act=Act.START)
        return self.unless_overdue(self.again_unless_done(Act.START))

    def _not_made(self, instance: Instance) -> Step:
        """The engine could not make or start it, or its probe has not answered in time."""
        allocation, reason = self.allocation, instance.reason
        again = allocation.asked or allocation.state in (State.STOPPED, State.STOPPING)
        if allocation.state is State.FAILED and not again:
            return REST
        unanswered = reason == "PROBE_TIMED_OUT" and instance.incarnation > 0
        if again:
            if not unanswered:
                return self.anew(next_ports=reason == "PORT_TAKEN")
            step = self.move(State.STARTING, act=Act.RESTART)
            assert step.after is not None
            return replace(step, after=replace(step.after, after_incarnation=instance.incarnation))
        if unanswered and instance.incarnation <= allocation.after_incarnation:
            return self._restart()
        if unanswered and (planned := self.unanswered(instance, _refusal(instance))) is not None:
            return planned
        if allocation.state is State.STARTING and (reason == "PORT_TAKEN" or reason in _PASSING):
            # Its files are in the instance, so it is not made anew behind its owner's back.
            if allocation.overdue(self.now):
                return self.failed(_refusal(instance))
            return self.again_unless_done(Act.START)
        if reason == "PORT_TAKEN" and allocation.port_tries < self.rules.port_tries:
            return self.anew(next_ports=True, keep_deadline=True)
        if reason == "INSTANCE_NAME_TAKEN" and allocation.port_tries < self.rules.port_tries:
            # The name of the next generation is another one.
            return self.anew(keep_deadline=True, tries=1)
        if reason in _PASSING and not allocation.overdue(self.now):
            if self.done is Act.ENSURE:
                return self.wait(self.rules.again)
            return self.anew(keep_deadline=True)
        return self.failed(_refusal(instance), wants_lines=instance.incarnation > 0)


def _refusal(instance: Instance) -> StateReason:
    return StateReason(
        instance.reason or "ENGINE_REFUSED",
        instance.message or "The engine could not make or start the instance.",
        exit_code=instance.exit_code,
        out_of_memory=instance.out_of_memory,
    )
