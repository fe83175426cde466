"""What becomes of programs that end by themselves, or do not answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.clock_steps import ClockStep, decide_by_any_clock
from allocation_svc.domain.crashes import RestartPolicy, RestartRules, Restarts
from allocation_svc.domain.decision import decide
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState, Limits
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.recreation import remade
from allocation_svc.domain.step import Act, Observation, Rules, Step
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

SECOND = timedelta(seconds=1)


def an_instance(
    state: InstanceState = InstanceState.EXITED, incarnation: int = 1, **fields: object
) -> Instance:
    """The instance of `an_allocation`, as the engine tells it."""
    made = Instance("allocations/7f3k2m9q", 1, state, incarnation, observe_time=NOW)
    return replace(made, **fields)  # type: ignore[arg-type]


def ready(policy: RestartPolicy = RestartPolicy.ON_FAILURE, **fields: object) -> Allocation:
    """One that runs."""
    return an_allocation(
        State.READY, restart_policy=policy, incarnation=1, first_ready_time=NOW, **fields
    )


def decided(
    allocation: Allocation, instance: Instance, now: datetime = NOW, rules: Rules = RULES
) -> Step:
    """The next step, where that was just told."""
    return decide(allocation, Observation(instance=instance), now, rules)


def after(step: Step) -> Allocation:
    """What is written down."""
    assert step.after is not None
    return step.after


@pytest.mark.parametrize(
    ("policy", "exit_code", "again"),
    [
        (RestartPolicy.NEVER, 3, False),
        (RestartPolicy.NEVER, 0, False),
        (RestartPolicy.ON_FAILURE, 3, True),
        (RestartPolicy.ON_FAILURE, None, True),
        (RestartPolicy.ON_FAILURE, 0, False),
        (RestartPolicy.ALWAYS, 3, True),
        (RestartPolicy.ALWAYS, 0, True),
    ],
)
def test_the_policy_says_whether_a_program_is_started_again(
    policy: RestartPolicy, exit_code: int | None, again: bool
) -> None:
    step = decided(ready(policy), an_instance(exit_code=exit_code))
    assert step.act is None
    assert step.wants_lines
    assert after(step).state is (State.STARTING if again else State.FAILED)
    assert step.fact is (None if again else Fact.FAILED)


def test_a_planned_restart_says_when_and_why() -> None:
    step = decided(ready(), an_instance(exit_code=3))
    planned = after(step)
    assert planned.progress == "restarting in 1 s after exit code 3"
    assert planned.reason is not None
    assert (planned.reason.reason, planned.reason.exit_code) == ("PROGRAM_FAILED", 3)
    assert step.look_again == NOW + SECOND
    assert planned.deadline is not None
    assert planned.deadline > NOW + SECOND
    assert planned.restarts.count == 0, "it is not made yet"


def test_a_lack_of_memory_is_told_as_such() -> None:
    step = decided(ready(), an_instance(exit_code=137, out_of_memory=True))
    planned = after(step)
    assert planned.progress == "restarting in 1 s for lack of memory"
    assert planned.reason is not None
    assert (planned.reason.reason, planned.reason.out_of_memory) == ("OUT_OF_MEMORY", True)


def test_the_restart_comes_when_its_time_has_come_and_not_before() -> None:
    crashed = an_instance(exit_code=3)
    planned = after(decided(ready(), crashed))
    early = decided(planned, crashed, NOW + timedelta(milliseconds=900))
    assert (early.after, early.act, early.look_again) == (None, None, NOW + SECOND)
    due = decided(planned, crashed, NOW + SECOND)
    assert (due.act, due.fact) == (Act.START, Fact.RESTARTED)
    started = after(due)
    assert (started.state, started.restarts.count) == (State.STARTING, 1)
    assert started.generation == planned.generation, "the same instance, with its files"
    assert started.endpoints == planned.endpoints
    # Killed before the call: it is made again, and counts once.
    again = decided(started, crashed, NOW + 2 * SECOND)
    assert (again.act, again.after) == (Act.START, None)
    runs = decided(started, an_instance(InstanceState.READY, 2), NOW + 2 * SECOND)
    assert after(runs).state is State.READY
    assert after(runs).restarts.count == 1


def crash_until_rest(
    allocation: Allocation, rules: Rules, runs_for: timedelta = timedelta(0)
) -> tuple[Allocation, list[float]]:
    """Follows a program that ends with code 3 after a while, until it is FAILED; the waits it had."""
    now, incarnation, waits = NOW, allocation.incarnation, list[float]()
    for _ in range(100):
        crashed = an_instance(incarnation=incarnation, exit_code=3, observe_time=now)
        allocation = after(decided(allocation, crashed, now, rules))
        if allocation.state is State.FAILED:
            return allocation, waits
        assert allocation.restarts.planned is not None
        waits.append((allocation.restarts.planned - now).total_seconds())
        now = allocation.restarts.planned
        allocation = after(decided(allocation, crashed, now, rules))
        incarnation += 1
        back = an_instance(InstanceState.READY, incarnation, observe_time=now)
        allocation = after(decided(allocation, back, now, rules))
        now += runs_for
        if len(waits) == 12:
            return allocation, waits
    raise AssertionError("it neither rests nor goes on")


def test_the_waits_grow_and_a_guard_ends_the_loop() -> None:
    failed, waits = crash_until_rest(ready(), RULES)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert failed.restarts.count == 8
    assert failed.reason is not None
    assert failed.reason.reason == "RESTARTS_EXHAUSTED"
    assert "exit code 3" in failed.reason.message
    assert "8 times within 10 min" in failed.reason.message
    assert failed.reason.exit_code == 3
    # It rests now, until its owner asks; then all is counted anew.
    crashed = an_instance(incarnation=failed.incarnation, exit_code=3)
    assert decided(failed, crashed) == Step()
    asked = requests.start(failed, NOW)
    step = decided(asked, crashed)
    assert step.act is Act.START
    assert after(step).restarts == Restarts()


def test_the_waits_begin_anew_after_a_long_time_of_being_ready() -> None:
    _, waits = crash_until_rest(ready(), RULES, timedelta(minutes=9))
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(waits) == 12, "so slow a loop goes on"
    _, waits = crash_until_rest(ready(), RULES, timedelta(minutes=10))
    assert waits == [1] * 12


def test_the_rules_are_settings() -> None:
    rules = replace(RULES, restarts=RestartRules(first=5, longest=7, most=2, window=60))
    failed, waits = crash_until_rest(ready(), rules)
    assert waits == [5, 7]
    assert failed.reason is not None
    assert "2 times within 1 min" in failed.reason.message


@pytest.mark.parametrize("ask", [requests.stop, requests.delete])
def test_a_stop_or_delete_in_the_middle_of_the_wait_wins_at_once(ask: object) -> None:
    crashed = an_instance(exit_code=3)
    planned = after(decided(ready(), crashed))
    asked = ask(planned, NOW)  # type: ignore[operator]
    step = decided(asked, crashed)
    wanted = State.STOPPED if asked.desired is Desired.STOPPED else State.DELETING
    assert after(step).state is wanted
    assert after(step).restarts.planned is None
    later = decided(after(step), crashed, NOW + timedelta(minutes=1))
    assert later.act in (None, Act.REMOVE)


@pytest.mark.parametrize("ask", [requests.start, requests.restart])
def test_an_owner_does_not_wait_for_the_wait(ask: object) -> None:
    crashed = an_instance(exit_code=3)
    planned = after(decided(ready(), crashed))
    asked = ask(planned, NOW)  # type: ignore[operator]
    assert asked is not planned
    step = decided(asked, crashed)
    assert step.act is Act.START


def test_a_restart_that_is_never_ready_is_tried_again_but_not_the_first_start() -> None:
    unready = an_instance(InstanceState.FAILED, 2, reason="PROBE_TIMED_OUT", message="No.")
    starting = an_allocation(
        State.STARTING,
        restart_policy=RestartPolicy.ON_FAILURE,
        incarnation=2,
        after_incarnation=1,
        first_ready_time=NOW,
    )
    planned = after(decided(starting, unready))
    assert planned.progress == "restarting in 1 s since it did not become ready"
    due = decided(planned, unready, NOW + SECOND)
    assert (due.act, after(due).after_incarnation) == (Act.RESTART, 2)
    assert after(decided(replace(starting, first_ready_time=None), unready)).state is State.FAILED


def silent(reason: str = "PROBE_UNANSWERED", incarnation: int = 1) -> Instance:
    """One that does not answer."""
    return an_instance(InstanceState.UNHEALTHY, incarnation, reason=reason, message="Silent.")


def test_one_that_does_not_answer_is_told_from_one_that_has_ended() -> None:
    step = decided(ready(), silent())
    unhealthy = after(step)
    assert (unhealthy.state, step.fact, step.act) == (State.UNHEALTHY, Fact.UNHEALTHY, None)
    assert unhealthy.reason is not None
    assert (unhealthy.reason.reason, unhealthy.reason.message) == ("PROBE_UNANSWERED", "Silent.")
    assert decided(unhealthy, silent()) == Step(), "its machine does not want it restarted"
    answers = decided(unhealthy, an_instance(InstanceState.READY))
    assert (after(answers).state, answers.fact) == (State.READY, Fact.READY)
    ended = decided(unhealthy, an_instance(exit_code=3))
    assert after(ended).state is State.STARTING
    restarted = requests.restart(unhealthy, NOW)
    assert decided(restarted, silent()).act is Act.RESTART
    assert decided(requests.stop(unhealthy, NOW), silent()).act is Act.STOP


def test_one_that_does_not_answer_is_restarted_where_its_machine_says_so() -> None:
    allocation = ready(RestartPolicy.NEVER, restart_unhealthy=True)
    unhealthy = after(decided(allocation, silent()))
    planned = after(decided(unhealthy, silent()))
    assert planned.state is State.UNHEALTHY, "it may still answer"
    assert planned.progress == "restarting in 1 s since it does not answer"
    answers = after(decided(planned, an_instance(InstanceState.READY)))
    assert answers.restarts.planned is None
    due = decided(planned, silent(), NOW + SECOND)
    assert (due.act, due.fact) == (Act.RESTART, Fact.RESTARTED)
    assert after(due).state is State.STARTING
    # Told once more as it was before the call: nothing is counted twice.
    again = decided(after(due), silent(), NOW + SECOND)
    assert (again.act, again.after) == (Act.RESTART, None)
    assert after(due).restarts.count == 1


def test_one_that_no_restart_heals_is_stopped_in_the_end() -> None:
    rules = replace(RULES, restarts=RestartRules(most=1))
    exhausted = ready(restart_unhealthy=True, restarts=Restarts(1, 1, (NOW,)))
    unhealthy = after(decided(exhausted, silent(), rules=rules))
    step = decided(unhealthy, silent(), rules=rules)
    failed = after(step)
    assert (failed.state, step.act) == (State.FAILED, Act.STOP)
    assert failed.reason is not None
    assert failed.reason.reason == "RESTARTS_EXHAUSTED"
    assert decided(failed, silent(), rules=rules).act is Act.STOP, "also after a kill before it"
    stopped = an_instance(stop_requested=True, exit_code=143)
    assert decided(failed, stopped, rules=rules) == Step()


def test_one_that_is_paused_is_left_to_whoever_paused_it() -> None:
    allocation = ready(RestartPolicy.ALWAYS, restart_unhealthy=True)
    paused = after(decided(allocation, silent("INSTANCE_PAUSED")))
    assert paused.reason is not None
    assert (paused.state, paused.reason.reason) == (State.UNHEALTHY, "INSTANCE_PAUSED")
    later = decided(paused, silent("INSTANCE_PAUSED"), NOW + timedelta(days=1))
    assert later == Step()
    assert after(decided(paused, silent())).reason != paused.reason


def test_one_that_ended_with_its_host_waits_for_its_turn_and_counts_as_no_crash() -> None:
    ended = an_instance(exit_code=137, ended_with_host=True)
    allocation = ready(RestartPolicy.NEVER)
    waits = decide(allocation, Observation(instance=ended, turn=False), NOW, RULES)
    waiting = after(waits)
    assert (waiting.state, waits.act) == (State.STARTING, None)
    assert waiting.progress == "waiting for its turn to be started"
    again = decide(waiting, Observation(instance=ended, turn=False), NOW, RULES)
    assert (again.after, again.act) == (None, None)
    assert again.look_again is not None
    begins = decide(waiting, Observation(instance=ended), NOW + timedelta(hours=1), RULES)
    assert begins.act is Act.START
    assert after(begins).restarts == Restarts()
    assert after(begins).reason is not None
    stopped = requests.stop(waiting, NOW)
    assert after(decided(stopped, ended)).state is State.STOPPED


def test_an_end_that_turns_out_to_be_that_of_the_host_is_no_failure() -> None:
    failed = after(decided(ready(RestartPolicy.NEVER), an_instance(exit_code=143)))
    assert failed.state is State.FAILED
    ended = an_instance(exit_code=143, ended_with_host=True)
    step = decided(failed, ended)
    assert (after(step).state, step.act) == (State.STARTING, Act.START)
    other = replace(failed, reason=StateReason("STEP_TIMED_OUT", "Late."))
    assert decided(other, ended) == Step()


def test_a_name_that_a_stranger_has_is_passed_over() -> None:
    taken = an_instance(InstanceState.FAILED, 0, reason="INSTANCE_NAME_TAKEN", message="Taken.")
    step = decided(an_allocation(), taken)
    assert (step.act, after(step).generation, step.next_ports) == (Act.ENSURE, 2, False)
    tried = an_allocation(port_tries=RULES.port_tries)
    assert after(decided(tried, taken)).state is State.FAILED


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_clock_that_is_set_ends_no_step_and_holds_none_up(days: int) -> None:
    by = timedelta(days=days)
    starting = an_allocation(
        State.STARTING, incarnation=1, deadline=NOW + timedelta(minutes=2), update_time=NOW
    )
    runs = Observation(instance=an_instance(InstanceState.RUNNING))
    now = NOW + by
    steps = [ClockStep(now, by)] if days > 0 else []
    step = decide_by_any_clock(starting, runs, now, RULES, steps)
    kept = after(step)
    assert kept.state is State.STARTING
    deadline = kept.deadline
    assert deadline is not None
    assert now < deadline <= now + timedelta(minutes=4)
    kept = replace(kept, update_time=now)
    late = decide_by_any_clock(kept, runs, deadline + SECOND, RULES, steps)
    assert after(late).state is State.FAILED


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_planned_restart_does_not_wait_for_a_clock_that_was_set(hours: int) -> None:
    crashed = an_instance(exit_code=3)
    planned = after(decided(ready(), crashed))
    assert decided(planned, crashed, NOW + timedelta(hours=hours)).act is Act.START


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS),
        (RestartPolicy.NEVER, RestartPolicy.NEVER),
    ],
    ids=["the machine's", "the owner's"],
)
def test_one_that_is_remade_has_the_policy_of_the_machine_unless_its_owner_chose_another(
    chosen: RestartPolicy, expected: RestartPolicy
) -> None:
    allocation = ready(chosen, machine_restart_policy=RestartPolicy.ON_FAILURE)
    newer = Machine(
        "machines/echo", "Echo", 2, active=True, restart_policy=RestartPolicy.ALWAYS,
        restart_unhealthy=True,
    )  # fmt: skip
    plan = newer.plan(Limits(500, 1 << 29, 128))
    made = remade(allocation, newer, (), (plan, plan), "here", NOW)
    assert made.restart_policy is expected
    assert made.machine_restart_policy is RestartPolicy.ALWAYS
    assert made.restart_unhealthy
