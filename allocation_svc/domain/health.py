"""What is done about programs that have ended by themselves, or that do not answer any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from allocation_svc.domain.allocation import Allocation, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance
from allocation_svc.domain.moves import Moves
from allocation_svc.domain.step import REST, Act, Step, deadline_of

PAUSED = "INSTANCE_PAUSED"
"""The reason of an instance that somebody has paused at the engine."""

EXHAUSTED = "RESTARTS_EXHAUSTED"
"""The reason of an allocation whose program was started again as often as it may be."""

_TURN_SECONDS = 30.0
_ENDS = frozenset({"PROGRAM_ENDED", "PROGRAM_FAILED", "OUT_OF_MEMORY"})


class Healing(Moves):
    """Steps that bring a program back that has ended, or does not answer."""

    __slots__ = ()

    def ended(self, instance: Instance) -> Step:
        """A program has ended by itself: it is started again, or has failed."""
        if self._is_planned(instance):
            return self._when_due(instance, Act.START)
        why, failure, what = _why_ended(instance)
        if not self.allocation.restart_policy.restarts(failure=failure):
            return self.failed(why, wants_lines=True)
        return self._planned(instance, why, what)

    def unanswered(self, instance: Instance, why: StateReason) -> Step | None:
        """A program that was started did not become ready in time, and was stopped.

        Returns:
            None where it is not started again: one that was never ready will not be the next time.
        """
        if self._is_planned(instance):
            return self._when_due(instance, Act.RESTART)
        allocation = self.allocation
        if allocation.first_ready_time is None:
            return None
        if not allocation.restart_policy.restarts(failure=True):
            return None
        return self._planned(instance, why, "since it did not become ready")

    def unhealthy(self, instance: Instance) -> Step:
        """A program runs, but does not answer, or is paused."""
        allocation = self.allocation
        if allocation.asked and allocation.state in (State.FAILED, State.UNHEALTHY):
            step = self.move(State.STARTING, act=Act.RESTART)
            assert step.after is not None
            return replace(step, after=replace(step.after, after_incarnation=instance.incarnation))
        if allocation.state is State.FAILED:
            stays = allocation.reason is None or allocation.reason.reason != EXHAUSTED
            return REST if stays else self.again_unless_done(Act.STOP)
        why = StateReason(instance.reason or "PROBE_UNANSWERED", instance.message)
        known = allocation.reason.reason if allocation.reason else ""
        if allocation.state is not State.UNHEALTHY or known != why.reason:
            after = replace(
                self._steadied().moved(State.UNHEALTHY, self.now, reason=why),
                asked=False,
                incarnation=instance.incarnation,
                observed_time=instance.observe_time or self.now,
            )
            lines = why.reason != PAUSED
            return Step(after=after, fact=Fact.UNHEALTHY, wants_lines=lines)
        if why.reason == PAUSED or not allocation.restart_unhealthy:
            # Whoever paused it knows why, and when it goes on.
            return REST
        if self._is_planned(instance):
            return self._when_due(instance, Act.RESTART)
        return self._planned(instance, why, "since it does not answer", answers_perhaps=True)

    def with_host(self, instance: Instance) -> Step:
        """A program has ended with its host or engine: it is started again in its turn."""
        allocation = self.allocation
        why = StateReason(
            "HOST_RESTARTED",
            "The host or its engine was restarted; it is started again, after those that ran before it.",
        )
        if self.turn:
            deadline = deadline_of(State.STARTING, allocation, self.now, self.rules)
            after = replace(
                allocation.moved(State.STARTING, self.now, reason=why, deadline=deadline),
                after_incarnation=instance.incarnation,
                asked=False,
            )
            return Step(after=after, act=Act.START, look_again=deadline)
        look_again = self.now + timedelta(seconds=_TURN_SECONDS)
        if allocation.state is State.STARTING and allocation.progress and not allocation.deadline:
            return Step(look_again=look_again)
        # No deadline: it waits for others, each of which has one.
        after = allocation.moved(State.STARTING, self.now, reason=why)
        after = replace(after, progress="waiting for its turn to be started", asked=False)
        return Step(after=after, look_again=look_again)

    def failed_otherwise(self) -> bool:
        """Whether it has failed, and not just of an end that turned out to be that of its host."""
        allocation = self.allocation
        reason = allocation.reason.reason if allocation.reason else ""
        return allocation.state is State.FAILED and reason not in _ENDS

    def _is_planned(self, instance: Instance) -> bool:
        restarts = self.allocation.restarts
        return restarts.planned is not None and restarts.incarnation == instance.incarnation

    def _steadied(self) -> Allocation:
        allocation = self.allocation
        if allocation.state is not State.READY:
            return allocation
        return replace(
            allocation,
            restarts=allocation.restarts.steadied(
                allocation.state_time, self.now, self.rules.restarts
            ),
        )

    def _planned(
        self, instance: Instance, why: StateReason, what: str, *, answers_perhaps: bool = False
    ) -> Step:
        """Plans a restart, unless there were too many.

        Args:
            instance: what is restarted.
            why: what it has ended of.
            what: the same in the words of the progress.
            answers_perhaps: whether its program still runs: then it may answer until the restart.
        """
        allocation, rules = self._steadied(), self.rules.restarts
        restarts = allocation.restarts
        if restarts.exhausted(self.now, rules):
            step = self.failed(_exhausted(why, rules.most, rules.window), wants_lines=True)
            return replace(step, act=Act.STOP) if answers_perhaps else step
        delay = restarts.delay(rules)
        due = self.now + timedelta(seconds=delay)
        after = allocation
        if not answers_perhaps:
            deadline = deadline_of(State.STARTING, allocation, due, self.rules)
            after = allocation.moved(State.STARTING, self.now, reason=why, deadline=deadline)
        after = replace(
            after,
            asked=False,
            progress=f"restarting in {delay:g} s {what}",
            incarnation=max(instance.incarnation, allocation.incarnation),
            observed_time=instance.observe_time or self.now,
            restarts=replace(restarts, planned=due, incarnation=instance.incarnation),
        )
        return Step(after=after, look_again=due, wants_lines=not answers_perhaps)

    def _when_due(self, instance: Instance, act: Act) -> Step:
        """Restarts what was planned once its time has come."""
        allocation, rules = self.allocation, self.rules.restarts
        if not allocation.restarts.due(self.now, rules):
            return Step(look_again=allocation.restarts.planned)
        deadline = deadline_of(State.STARTING, allocation, self.now, self.rules)
        after = allocation
        if allocation.state is not State.STARTING:
            after = allocation.moved(State.STARTING, self.now, reason=allocation.reason)
        after = replace(
            after,
            asked=False,
            deadline=deadline,
            progress="starting again",
            after_incarnation=instance.incarnation,
            restarts=allocation.restarts.made(self.now, rules),
        )
        return Step(after=after, fact=Fact.RESTARTED, act=act, look_again=deadline)


def _why_ended(instance: Instance) -> tuple[StateReason, bool, str]:
    """Why a program has ended, whether that is a failure, and how the progress says it."""
    code = (
        "an unknown exit code" if instance.exit_code is None else f"exit code {instance.exit_code}"
    )
    failure = True
    if instance.out_of_memory:
        reason, what = "OUT_OF_MEMORY", "Its program used more memory than it may"
        advice, words = (
            "make it use less, or ask for a larger resource class",
            "for lack of memory",
        )
    elif instance.exit_code == 0:
        reason, what, failure = "PROGRAM_ENDED", "Its program ended by itself", False
        advice, words = "read its last lines, and start it again if it should run", f"after {code}"
    else:
        reason, what = "PROGRAM_FAILED", f"Its program ended with {code}"
        advice, words = (
            "read its last lines, correct its variables, and start it again",
            f"after {code}",
        )
    why = StateReason(
        reason,
        f"{what}; {advice}.",
        exit_code=instance.exit_code,
        out_of_memory=instance.out_of_memory,
    )
    return why, failure, words


def _exhausted(why: StateReason, most: int, window: float) -> StateReason:
    if why.reason == "OUT_OF_MEMORY":
        what = "Its program used more memory than it may"
    elif why.exit_code is not None and why.reason != "PROBE_TIMED_OUT":
        what = f"Its program ended with exit code {why.exit_code}"
    else:
        what = "Its program does not answer"
    return StateReason(
        EXHAUSTED,
        f"{what}, and was started again by itself {most} times within {_span(window)}; read its last "
        "lines, correct what they say, and start it again.",
        exit_code=why.exit_code,
        out_of_memory=why.out_of_memory,
    )


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
