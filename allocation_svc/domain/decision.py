"""What the reconciler does next about an allocation: a pure function of what is desired and seen.

`decide` compares and names one step: a change of the allocation to write down, then one call of the
engine, then when to look again. The change is written before the call is made, and each call may be
made again, so a process that dies between any two of them goes on where it stopped.

How a program is started at most once for each request: `after_incarnation` is the incarnation that
was there when the request was made, and the program shall run with a higher one. An end with a
higher incarnation is an end by itself; one with the same is a start that is still to be made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState


class Act(Enum):
    """One call of the engine."""

    LOOK = "look"
    ENSURE = "ensure"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things may take, in seconds, and how often they are tried.

    Attributes:
        provisioning: fetching and making an instance, counted again whenever its progress moves.
        starting: starting a program that was there before.
        stopping: above the grace of the program.
        deleting: after which a removal counts as slow; it is tried for ever.
        away: how long the engine may be away before its allocations become UNKNOWN.
        progress: at most one change of the progress is written in this time.
        again: after which a call whose effect is not seen is made again.
        recreations: how often a lost instance is made anew within `recreation_window`.
        recreation_window: see above.
        port_tries: how many leased ports in a row may turn out to be taken by strangers.
    """

    provisioning: float = 600.0
    starting: float = 120.0
    stopping: float = 30.0
    deleting: float = 120.0
    away: float = 3.0
    progress: float = 1.0
    again: float = 5.0
    recreations: int = 3
    recreation_window: float = 600.0
    port_tries: int = 5


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known when a decision is made.

    Attributes:
        engine_answers: whether the engine can be asked.
        instance: the allocation's instance as it was last told; None if it was not told since this
            process began.
        done: the call that `instance` is the immediate answer to; None where it is older.
        away_seconds: for how long the engine has been away.
        heard_time: when anything was last heard of the engine.
    """

    engine_answers: bool = True
    instance: Instance | None = None
    done: Act | None = None
    away_seconds: float = 0.0
    heard_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next; nothing at all where every field is empty.

    Attributes:
        after: the allocation as it is to be written first; None for no change.
        fact: what is told to others with that change; None if only its new state is.
        next_ports: whether its ports are exchanged for others with that change.
        wants_lines: whether the end of its log belongs into the reason of that change.
        act: the call to make then.
        look_again: when to decide again if nothing happens before; None for never.
    """

    after: Allocation | None = None
    fact: Fact | None = None
    next_ports: bool = False
    wants_lines: bool = False
    act: Act | None = None
    look_again: datetime | None = None


REST = Step()

_PASSING = frozenset(
    {"ENGINE_UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", "GENERATION_STALE", "DISK_FULL"}
)


def decide(
    allocation: Allocation, seen: Observation, now: datetime, rules: Rules | None = None
) -> Step:
    """The next step.

    Args:
        allocation: as it is kept.
        seen: what is known of its instance and of the engine.
        now: the present.
        rules: how long and how often.
    """
    rules = rules or Rules()
    if allocation.state is State.DELETED:
        return REST
    if not seen.engine_answers:
        return _without_engine(allocation, seen, now, rules)
    if allocation.state is State.UNKNOWN:
        return _engine_is_back(allocation, seen, now, rules)
    instance = seen.instance
    if instance is not None and instance.generation > allocation.generation:
        # The engine has seen more than the store remembers, as after a restored backup.
        return Step(after=replace(allocation, generation=instance.generation), act=Act.LOOK)
    if instance is not None and instance.generation < allocation.generation:
        instance = Instance(allocation.name, allocation.generation, InstanceState.MISSING)
    return _Decision(allocation, instance, seen.done, now, rules).step()


def _without_engine(allocation: Allocation, seen: Observation, now: datetime, rules: Rules) -> Step:
    # FAILED says more than UNKNOWN, and DELETING stays true: it goes on when the engine is back.
    if allocation.state in (State.UNKNOWN, State.FAILED, State.DELETING, State.PENDING):
        return REST
    if seen.away_seconds < rules.away:
        return Step(look_again=now + timedelta(seconds=rules.away - seen.away_seconds))
    reason = StateReason(
        "ENGINE_UNAVAILABLE",
        "The engine does not answer, so what is so is not known; nothing is lost, and what was asked "
        "for is done when the engine is back.",
    )
    lost = replace(
        allocation.moved(State.UNKNOWN, now, reason=reason),
        last_known=LastKnown(allocation.state, allocation.state_time, allocation.reason),
        observed_time=seen.heard_time or allocation.observed_time,
    )
    return Step(after=lost, fact=Fact.LOST)


def _engine_is_back(allocation: Allocation, seen: Observation, now: datetime, rules: Rules) -> Step:
    known = allocation.last_known
    if seen.instance is None and not (known and known.state is State.PROVISIONING):
        return Step(act=Act.LOOK)
    before = known or LastKnown(State.PROVISIONING, now, None)
    back = replace(
        allocation,
        state=before.state,
        state_time=before.state_time,
        reason=before.reason,
        last_known=None,
        observed_time=now,
        deadline=_deadline(before.state, allocation, now, rules),
    )
    step = decide(back, seen, now, rules)
    if step.after is not None:
        return step
    return replace(step, after=back, fact=_fact_of(back.state))


def _deadline(state: State, allocation: Allocation, now: datetime, rules: Rules) -> datetime | None:
    # A probe has its own time; whoever looks after it reports before we give up.
    probing = allocation.probe_seconds + rules.stopping
    seconds = {
        State.PROVISIONING: max(rules.provisioning, probing),
        State.STARTING: max(rules.starting, probing),
        State.STOPPING: allocation.stop_grace_seconds + rules.stopping,
        State.DELETING: allocation.stop_grace_seconds + rules.deleting,
    }.get(state)
    return None if seconds is None else now + timedelta(seconds=seconds)


def _fact_of(state: State) -> Fact | None:
    return {
        State.READY: Fact.READY,
        State.STOPPED: Fact.STOPPED,
        State.FAILED: Fact.FAILED,
        State.UNKNOWN: Fact.LOST,
        State.DELETED: Fact.DELETED,
    }.get(state)


@dataclass(frozen=True, slots=True)
class _Decision:
    """One decision while the engine answers and the state is not UNKNOWN."""

    allocation: Allocation
    instance: Instance | None
    done: Act | None
    now: datetime
    rules: Rules

    def step(self) -> Step:
        match self.allocation.desired:
            case Desired.DELETED:
                return self._towards_deleted()
            case Desired.STOPPED:
                return self._towards_stopped()
            case Desired.RUNNING:
                return self._towards_running()

    # Removing

    def _towards_deleted(self) -> Step:
        allocation = self.allocation
        if allocation.state is not State.DELETING:
            return self._move(State.DELETING, act=Act.REMOVE)
        if self.done is Act.REMOVE:
            gone = replace(
                allocation.moved(State.DELETED, self.now, reason=self._why_deleted()),
                delete_time=self.now,
                asked=False,
            )
            return Step(after=gone, fact=Fact.DELETED)
        return Step(act=Act.REMOVE)

    def _why_deleted(self) -> StateReason:
        if self.allocation.first_ready_time is None:
            return StateReason("CANCELLED_BY_OWNER", "It was removed before it was ready.")
        return StateReason("REMOVED_BY_OWNER", "Its owner removed it.")

    # Stopping

    def _towards_stopped(self) -> Step:
        allocation, instance = self.allocation, self.instance
        if instance is None:
            return Step(act=Act.LOOK)
        if self._rests_stopped(instance):
            return self._stopped(instance)
        if allocation.state is State.FAILED and not allocation.asked:
            return REST
        if allocation.state is not State.STOPPING or allocation.asked:
            act = None if instance.state is InstanceState.STOPPING else Act.STOP
            return self._move(State.STOPPING, act=act)
        if allocation.overdue(self.now):
            return self._timed_out("It did not stop in time.")
        if instance.state is InstanceState.STOPPING:
            return self._wait()
        return self._again_unless_done(Act.STOP)

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
        reason = StateReason(
            "STOPPED_BY_OWNER",
            "Its owner stopped it; start it when you need it.",
            exit_code=instance.exit_code,
        )
        after = replace(
            allocation.moved(State.STOPPED, self.now, reason=reason),
            asked=False,
            observed_time=instance.observe_time or self.now,
            incarnation=max(instance.incarnation, allocation.incarnation),
        )
        return Step(after=after, fact=Fact.STOPPED)

    # Running

    def _towards_running(self) -> Step:
        allocation, instance = self.allocation, self.instance
        if instance is None:
            if allocation.state is State.PROVISIONING:
                return self._unless_overdue(Step(act=Act.ENSURE))
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

    def _missing(self) -> Step:
        allocation = self.allocation
        match allocation.state:
            case State.PENDING:
                return self._move(State.PROVISIONING, act=Act.ENSURE)
            case State.PROVISIONING:
                return self._unless_overdue(self._again_unless_done(Act.ENSURE))
            case State.READY | State.STARTING:
                return self._lost()
            case State.FAILED if not allocation.asked:
                return REST
            case _:
                return self._anew()

    def _lost(self) -> Step:
        """Makes a lost instance anew, unless it is lost again and again."""
        window = self.now - timedelta(seconds=self.rules.recreation_window)
        recent = tuple(time for time in self.allocation.recreated if time > window)
        if len(recent) >= self.rules.recreations:
            return self._failed(
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
        step = self._anew(reason=reason)
        assert step.after is not None
        return replace(step, after=replace(step.after, recreated=(*recent, self.now)))

    def _being_made(self, instance: Instance) -> Step:
        allocation = self.allocation
        if allocation.state is State.FAILED and not allocation.asked:
            return REST
        if allocation.state not in (State.PROVISIONING, State.STARTING):
            return self._move(State.PROVISIONING)
        if allocation.overdue(self.now):
            return self._timed_out("Its instance was not made in time.")
        return self._progress(instance, instance.progress)

    def _progress(self, instance: Instance, progress: str) -> Step:
        """Writes down how far it is, now and then; what moves gets its full time again."""
        allocation = self.allocation
        if progress == allocation.progress and not allocation.asked:
            return self._wait()
        due = allocation.update_time + timedelta(seconds=self.rules.progress)
        if self.now < due and allocation.progress and not allocation.asked:
            return Step(look_again=due)
        after = replace(
            allocation,
            progress=progress,
            asked=False,
            incarnation=max(instance.incarnation, allocation.incarnation),
            observed_time=instance.observe_time or self.now,
            deadline=_deadline(allocation.state, allocation, self.now, self.rules),
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
            return self._move(State.STARTING)
        if allocation.overdue(self.now):
            return self._timed_out("Its program runs, but was not ready in time.")
        return self._progress(instance, instance.progress or "waiting until it answers")

    def _ready(self, instance: Instance) -> Step:
        allocation = self.allocation
        if allocation.state is State.READY and instance.incarnation == allocation.incarnation:
            return Step(after=replace(allocation, asked=False)) if allocation.asked else REST
        after = replace(
            allocation.moved(State.READY, self.now),
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
            return self._move(State.STARTING, act=Act.RESTART)
        # The call that started it may still be told of as it was before.
        if self.done is Act.START:
            return self._unless_overdue(self._wait(self.rules.again))
        return self._unless_overdue(self._again_unless_done(Act.RESTART))

    def _being_stopped(self) -> Step:
        allocation = self.allocation
        if allocation.is_moving:
            return self._unless_overdue(self._wait())
        if allocation.state is State.FAILED and allocation.asked:
            return self._move(State.STARTING, keep_asked=True)
        return self._wait()

    def _exited(self, instance: Instance) -> Step:
        allocation = self.allocation
        ended_by_itself = instance.incarnation > allocation.after_incarnation
        start_asked = allocation.asked or allocation.state in (State.STOPPED, State.STOPPING)
        stopped_for_us = ended_by_itself and instance.stop_requested
        if start_asked or (stopped_for_us and allocation.state is not State.FAILED):
            step = self._move(State.STARTING, act=Act.START)
            assert step.after is not None
            return replace(step, after=replace(step.after, after_incarnation=instance.incarnation))
        if allocation.state is State.FAILED:
            return REST
        if ended_by_itself:
            return self._program_ended(instance)
        if allocation.state is not State.STARTING:
            return self._move(State.STARTING, act=Act.START)
        return self._unless_overdue(self._again_unless_done(Act.START))

    def _program_ended(self, instance: Instance) -> Step:
        if instance.out_of_memory:
            reason, what = "OUT_OF_MEMORY", "Its program used more memory than it may"
            advice = "make it use less, or ask for a larger resource class"
        elif instance.exit_code == 0:
            reason, what = "PROGRAM_ENDED", "Its program ended by itself"
            advice = "read its last lines, and start it again if it should run"
        else:
            code = "an unknown code" if instance.exit_code is None else str(instance.exit_code)
            reason, what = "PROGRAM_FAILED", f"Its program ended with exit code {code}"
            advice = "read its last lines, correct its variables, and start it again"
        why = StateReason(
            reason,
            f"{what}; {advice}.",
            exit_code=instance.exit_code,
            out_of_memory=instance.out_of_memory,
        )
        return self._failed(why, wants_lines=True)

    def _not_made(self, instance: Instance) -> Step:
        """The engine could not make or start it, or its probe has not answered in time."""
        allocation, reason = self.allocation, instance.reason
        again = allocation.asked or allocation.state in (State.STOPPED, State.STOPPING)
        if allocation.state is State.FAILED and not again:
            return REST
        unanswered = reason == "PROBE_TIMED_OUT" and instance.incarnation > 0
        if again:
            if not unanswered:
                return self._anew(next_ports=reason == "PORT_TAKEN")
            step = self._move(State.STARTING, act=Act.RESTART)
            assert step.after is not None
            return replace(step, after=replace(step.after, after_incarnation=instance.incarnation))
        if unanswered and instance.incarnation <= allocation.after_incarnation:
            return self._restart()
        if allocation.state is State.STARTING and (reason == "PORT_TAKEN" or reason in _PASSING):
            # Its files are in the instance, so it is not made anew behind its owner's back.
            if allocation.overdue(self.now):
                return self._failed(_refusal(instance))
            return self._again_unless_done(Act.START)
        if reason == "PORT_TAKEN" and allocation.port_tries < self.rules.port_tries:
            return self._anew(next_ports=True, keep_deadline=True)
        if reason in _PASSING and not allocation.overdue(self.now):
            if self.done is Act.ENSURE:
                return self._wait(self.rules.again)
            return self._anew(keep_deadline=True)
        return self._failed(_refusal(instance), wants_lines=instance.incarnation > 0)

    # The steps

    def _move(
        self,
        state: State,
        *,
        act: Act | None = None,
        keep_asked: bool = False,
    ) -> Step:
        deadline = _deadline(state, self.allocation, self.now, self.rules)
        after = self.allocation.moved(state, self.now, deadline=deadline)
        after = replace(after, asked=keep_asked and after.asked)
        return Step(after=after, act=act, look_again=deadline)

    def _anew(
        self,
        *,
        reason: StateReason | None = None,
        next_ports: bool = False,
        keep_deadline: bool = False,
    ) -> Step:
        """Makes an instance of a new generation."""
        allocation = self.allocation
        deadline = _deadline(State.PROVISIONING, allocation, self.now, self.rules)
        if keep_deadline and allocation.deadline is not None:
            deadline = allocation.deadline
        moved = allocation.moved(State.PROVISIONING, self.now, reason=reason, deadline=deadline)
        after = replace(
            moved,
            generation=allocation.generation + 1,
            incarnation=0,
            after_incarnation=0,
            asked=False,
            port_tries=allocation.port_tries + 1 if next_ports else allocation.port_tries,
        )
        return Step(after=after, next_ports=next_ports, act=Act.ENSURE, look_again=deadline)

    def _failed(self, reason: StateReason, *, wants_lines: bool = False) -> Step:
        instance = self.instance
        after = replace(
            self.allocation.moved(State.FAILED, self.now, reason=reason),
            asked=False,
            port_tries=0,
            incarnation=max(instance.incarnation if instance else 0, self.allocation.incarnation),
            observed_time=(instance.observe_time if instance else None) or self.now,
        )
        return Step(after=after, fact=Fact.FAILED, wants_lines=wants_lines)

    def _timed_out(self, what: str) -> Step:
        return self._failed(
            StateReason(
                "STEP_TIMED_OUT", f"{what} Start it again; tell an admin if that happens twice."
            ),
            wants_lines=True,
        )

    def _unless_overdue(self, step: Step) -> Step:
        if self.allocation.overdue(self.now):
            return self._timed_out("It took longer than it may.")
        return step

    def _again_unless_done(self, act: Act) -> Step:
        """Makes a call, or waits for its effect if it was made a moment ago."""
        if self.done is act:
            return self._wait(self.rules.again)
        return Step(act=act)

    def _wait(self, seconds: float | None = None) -> Step:
        """Looks again at the deadline, or after some seconds if that is earlier."""
        times = [self.allocation.deadline]
        if seconds is not None:
            times.append(self.now + timedelta(seconds=seconds))
        return Step(look_again=min((time for time in times if time is not None), default=None))


def _refusal(instance: Instance) -> StateReason:
    return StateReason(
        instance.reason or "ENGINE_REFUSED",
        instance.message or "The engine could not make or start the instance.",
        exit_code=instance.exit_code,
        out_of_memory=instance.out_of_memory,
    )
