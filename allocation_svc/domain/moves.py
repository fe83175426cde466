"""The steps that decisions are put together from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance
from allocation_svc.domain.step import Act, Rules, Step, deadline_of


@dataclass(frozen=True, slots=True)
class Moves:
    """What is known for one decision, and the steps that it may name.

    Attributes:
        allocation: as it is kept.
        instance: of the present generation; None if it was not told yet.
        done: the call that `instance` is the answer to.
        now: the present.
        rules: how long and how often.
        turn: whether it may be started now.
    """

    allocation: Allocation
    instance: Instance | None
    done: Act | None
    now: datetime
    rules: Rules
    turn: bool = True

    def move(
        self,
        state: State,
        *,
        act: Act | None = None,
        keep_asked: bool = False,
    ) -> Step:
        """Another state, with its deadline, and then a call.

        Args:
            state: which.
            act: the call.
            keep_asked: whether what the owner asked for is still to be done.
        """
        deadline = deadline_of(state, self.allocation, self.now, self.rules)
        after = self.allocation.moved(state, self.now, deadline=deadline)
        after = replace(after, asked=keep_asked and after.asked)
        return Step(after=after, act=act, look_again=deadline)

    def anew(
        self,
        *,
        reason: StateReason | None = None,
        next_ports: bool = False,
        keep_deadline: bool = False,
        tries: int = 0,
    ) -> Step:
        """Makes an instance of a new generation.

        Args:
            reason: why; None for nothing to say.
            next_ports: whether its ports are exchanged, since a stranger has one of them.
            keep_deadline: whether it is only the next try of what was begun.
            tries: how many more ports or names of strangers have been in the way.
        """
        allocation = self.allocation
        deadline = deadline_of(State.PROVISIONING, allocation, self.now, self.rules)
        if keep_deadline and allocation.deadline is not None:
            deadline = allocation.deadline
        moved = allocation.moved(State.PROVISIONING, self.now, reason=reason, deadline=deadline)
        after = replace(
            moved,
            generation=allocation.generation + 1,
            incarnation=0,
            after_incarnation=0,
            to_be_remade=False,
            asked=False,
            port_tries=allocation.port_tries + max(tries, int(next_ports)),
        )
        return Step(after=after, next_ports=next_ports, act=Act.ENSURE, look_again=deadline)

    def failed(self, reason: StateReason, *, wants_lines: bool = False) -> Step:
        """It has failed, and rests until its owner asks again."""
        instance = self.instance
        after = replace(
            self.allocation.moved(State.FAILED, self.now, reason=reason),
            asked=False,
            port_tries=0,
            incarnation=max(instance.incarnation if instance else 0, self.allocation.incarnation),
            observed_time=(instance.observe_time if instance else None) or self.now,
        )
        return Step(after=after, fact=Fact.FAILED, wants_lines=wants_lines)

    def timed_out(self, what: str) -> Step:
        """It has failed because its deadline is past."""
        return self.failed(
            StateReason(
                "STEP_TIMED_OUT", f"{what} Start it again; tell an admin if that happens twice."
            ),
            wants_lines=True,
        )

    def unless_overdue(self, step: Step) -> Step:
        """The step, as long as the deadline is not past."""
        if self.allocation.overdue(self.now):
            return self.timed_out("It took longer than it may.")
        return step

    def again_unless_done(self, act: Act) -> Step:
        """Makes a call, or waits for its effect if it was made a moment ago."""
        if self.done is act:
            return self.wait(self.rules.again)
        return Step(act=act)

    def wait(self, seconds: float | None = None) -> Step:
        """Looks again at the deadline, or after some seconds if that is earlier."""
        times = [self.allocation.deadline]
        if seconds is not None:
            times.append(self.now + timedelta(seconds=seconds))
        return Step(look_again=min((time for time in times if time is not None), default=None))
