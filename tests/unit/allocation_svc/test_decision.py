"""What the reconciler does next, decided purely."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.decision import decide
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import AllocationDeleted, AllocationNotRunning
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.step import REST, Act, Observation, Step
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation


def an_instance(state: InstanceState, incarnation: int = 1, **fields: object) -> Instance:
    """An instance of generation 1."""
    made = Instance("allocations/7f3k2m9q", 1, state, incarnation, observe_time=NOW)
    return replace(made, **fields)  # type: ignore[arg-type]


def decided(
    allocation: Allocation,
    instance: Instance | None = None,
    *,
    done: Act | None = None,
    now: datetime = NOW,
) -> Step:
    """The step while the engine answers."""
    return decide(allocation, Observation(instance=instance, done=done), now, RULES)


def after(step: Step) -> Allocation:
    """The change of a step that has one."""
    assert step.after is not None
    return step.after


def test_a_new_allocation_is_made_without_looking_first() -> None:
    assert decided(an_allocation()) == Step(act=Act.ENSURE)


def test_what_is_begun_is_waited_for_until_its_deadline() -> None:
    allocation = an_allocation(progress="pulling")
    instance = an_instance(InstanceState.PULLING, 0, progress="pulling")
    assert decided(allocation, instance) == Step(look_again=allocation.deadline)


def test_progress_gives_the_full_time_again() -> None:
    allocation = an_allocation(progress="pulling, 1 %")
    step = decided(allocation, an_instance(InstanceState.PULLING, 0, progress="pulling, 41 %"))
    assert after(step).progress == "pulling, 41 %"
    assert after(step).deadline == NOW + timedelta(seconds=RULES.provisioning)
    assert step.fact is None


def test_progress_is_written_once_a_second_at_most() -> None:
    allocation = an_allocation(progress="pulling, 1 %", update_time=NOW)
    step = decided(allocation, an_instance(InstanceState.PULLING, 0, progress="pulling, 2 %"))
    assert step == Step(look_again=NOW + timedelta(seconds=RULES.progress))


def test_without_progress_provisioning_fails_at_its_deadline() -> None:
    allocation = an_allocation(progress="pulling", deadline=NOW)
    step = decided(allocation, an_instance(InstanceState.PULLING, 0, progress="pulling"))
    assert step.fact is Fact.FAILED
    assert after(step).reason is not None
    assert after(step).reason.reason == "STEP_TIMED_OUT"  # type: ignore[union-attr]


def test_an_answering_probe_makes_it_ready() -> None:
    step = decided(an_allocation(progress="x"), an_instance(InstanceState.READY))
    ready = after(step)
    assert (ready.state, ready.incarnation, ready.deadline) == (State.READY, 1, None)
    assert ready.first_ready_time == NOW
    assert ready.progress == ""
    assert step.fact is Fact.READY


def test_a_ready_one_rests() -> None:
    ready = an_allocation(State.READY, incarnation=1)
    assert decided(ready, an_instance(InstanceState.READY)) == REST


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        (an_instance(InstanceState.EXITED, exit_code=0), "PROGRAM_ENDED"),
        (an_instance(InstanceState.EXITED, exit_code=3), "PROGRAM_FAILED"),
        (an_instance(InstanceState.EXITED, exit_code=137, out_of_memory=True), "OUT_OF_MEMORY"),
        (
            an_instance(InstanceState.FAILED, 0, reason="IMAGE_NOT_FOUND", message="no such image"),
            "IMAGE_NOT_FOUND",
        ),
        (an_instance(InstanceState.FAILED, reason="PROBE_TIMED_OUT"), "PROBE_TIMED_OUT"),
    ],
)
@pytest.mark.parametrize("state", [State.PROVISIONING, State.READY])
def test_an_end_by_itself_is_a_failure_with_its_reason(
    state: State, instance: Instance, reason: str
) -> None:
    step = decided(an_allocation(state, incarnation=1), instance)
    failed = after(step)
    assert failed.state is State.FAILED
    assert failed.reason is not None
    assert failed.reason.reason == reason
    assert failed.reason.exit_code == instance.exit_code
    assert failed.reason.out_of_memory == instance.out_of_memory
    assert step.fact is Fact.FAILED
    assert step.wants_lines == (instance.incarnation > 0)
    assert decided(failed, instance) == REST


def test_a_failed_program_is_started_again_once_its_owner_asks() -> None:
    ended = an_instance(InstanceState.EXITED, exit_code=1)
    failed = after(decided(an_allocation(State.READY, incarnation=1), ended))
    step = decided(requests.start(failed, NOW), ended)
    starting = after(step)
    assert (step.act, starting.state) == (Act.START, State.STARTING)
    assert starting.generation == 1
    assert not starting.asked
    # Killed before the call was made: the same end is not taken for a new one.
    assert decided(starting, ended).act is Act.START
    assert after(decided(starting, an_instance(InstanceState.READY, 2))).state is State.READY
    ended_again = an_instance(InstanceState.EXITED, 2, exit_code=1)
    assert after(decided(starting, ended_again)).state is State.FAILED


def test_what_could_not_be_made_is_made_anew_once_its_owner_asks() -> None:
    refused = an_instance(InstanceState.FAILED, 0, reason="IMAGE_NOT_FOUND")
    failed = after(decided(an_allocation(), refused))
    step = decided(requests.start(failed, NOW), refused)
    assert (step.act, after(step).generation) == (Act.ENSURE, 2)
    assert after(step).state is State.PROVISIONING
    # The old instance is none of the new generation.
    assert decided(after(step), refused).act is Act.ENSURE


def test_one_that_never_answered_is_restarted_with_its_files() -> None:
    unanswered = an_instance(InstanceState.FAILED, reason="PROBE_TIMED_OUT")
    failed = after(decided(an_allocation(), unanswered))
    step = decided(requests.start(failed, NOW), unanswered)
    assert (step.act, after(step).after_incarnation) == (Act.RESTART, 1)
    assert decided(after(step), unanswered).act is Act.RESTART


def test_a_restart_restarts_once_although_the_process_dies() -> None:
    ready = an_allocation(State.READY, incarnation=4)
    instance = an_instance(InstanceState.READY, 4)
    asked = requests.restart(ready, NOW)
    step = decided(asked, instance)
    assert (step.act, after(step).state) == (Act.RESTART, State.STARTING)
    assert after(step).after_incarnation == 4
    # Killed before the call, or after it and before its effect was seen: the call is made again.
    assert decided(after(step), instance).act is Act.RESTART
    # Its effect was seen: it is not.
    restarted = decided(after(step), an_instance(InstanceState.READY, 5))
    assert restarted.act is None
    assert after(restarted).state is State.READY
    assert decided(after(restarted), an_instance(InstanceState.READY, 5)) == REST


def test_restarting_twice_before_the_first_has_happened_is_one_restart() -> None:
    asked = requests.restart(an_allocation(State.READY, incarnation=4), NOW)
    assert requests.restart(asked, NOW) is asked


def test_what_does_not_run_cannot_be_restarted() -> None:
    for state in (State.STOPPED, State.PROVISIONING, State.FAILED, State.STOPPING):
        with pytest.raises(AllocationNotRunning):
            requests.restart(an_allocation(state, incarnation=1), NOW)


def test_a_stop_is_called_once_and_waited_for() -> None:
    ready = an_allocation(State.READY, incarnation=1)
    step = decided(requests.stop(ready, NOW), an_instance(InstanceState.READY))
    assert (step.act, after(step).state) == (Act.STOP, State.STOPPING)
    assert after(step).deadline == NOW + timedelta(seconds=10 + RULES.stopping)
    waits = decided(after(step), an_instance(InstanceState.STOPPING), done=Act.STOP)
    assert waits == Step(look_again=after(step).deadline)
    stopped = decided(after(step), an_instance(InstanceState.EXITED, stop_requested=True))
    assert after(stopped).state is State.STOPPED
    assert stopped.fact is Fact.STOPPED
    assert after(stopped).reason is not None
    assert after(stopped).reason.reason == "STOPPED_BY_OWNER"  # type: ignore[union-attr]


def test_a_start_asked_while_it_stops_follows_the_stop() -> None:
    stopping = an_allocation(State.STOPPING, incarnation=1, desired=Desired.STOPPED)
    asked = requests.start(stopping, NOW)
    still = an_instance(InstanceState.STOPPING)
    assert decided(asked, still) == Step(look_again=asked.deadline)
    step = decided(asked, an_instance(InstanceState.EXITED, stop_requested=True))
    assert (step.act, after(step).state) == (Act.START, State.STARTING)


def test_a_stop_before_anything_was_made_makes_nothing() -> None:
    asked = requests.stop(an_allocation(), NOW)
    step = decided(asked, Instance(asked.name, 0, InstanceState.MISSING))
    assert after(step).state is State.STOPPED
    started = decided(
        requests.start(after(step), NOW), Instance(asked.name, 0, InstanceState.MISSING)
    )
    assert (started.act, after(started).generation) == (Act.ENSURE, 2)


def test_a_lost_instance_is_made_anew_three_times_in_ten_minutes() -> None:
    allocation = an_allocation(State.READY, incarnation=1, first_ready_time=NOW)
    gone = Instance(allocation.name, 0, InstanceState.MISSING)
    for time in range(3):
        now = NOW + timedelta(minutes=time)
        step = decided(allocation, gone, now=now)
        assert (step.act, step.fact) == (Act.ENSURE, Fact.RESTARTED)
        assert after(step).reason is not None
        assert after(step).reason.reason == "INSTANCE_LOST"  # type: ignore[union-attr]
        allocation = replace(after(step), state=State.READY, reason=None)
    assert allocation.generation == 4
    lost = after(decided(allocation, gone, now=NOW + timedelta(minutes=3)))
    assert lost.state is State.FAILED
    later = decided(allocation, gone, now=NOW + timedelta(minutes=30))
    assert later.act is Act.ENSURE


def test_a_taken_port_is_exchanged_and_the_instance_made_anew() -> None:
    taken = an_instance(InstanceState.FAILED, 0, reason="PORT_TAKEN")
    step = decided(an_allocation(), taken, done=Act.ENSURE)
    assert step.next_ports
    assert (step.act, after(step).generation, after(step).port_tries) == (Act.ENSURE, 2, 1)


def test_ports_are_exchanged_a_few_times_only() -> None:
    taken = an_instance(InstanceState.FAILED, 0, reason="PORT_TAKEN")
    step = decided(an_allocation(port_tries=RULES.port_tries), taken)
    assert after(step).state is State.FAILED
    assert not step.next_ports


def test_a_taken_port_at_a_start_never_costs_the_files() -> None:
    starting = an_allocation(State.STARTING, incarnation=1, after_incarnation=1)
    taken = an_instance(InstanceState.FAILED, reason="PORT_TAKEN")
    assert decided(starting, taken).act is Act.START
    waits = decided(starting, taken, done=Act.START)
    assert waits.look_again == NOW + timedelta(seconds=RULES.again)
    failed = after(decided(starting, taken, now=NOW + timedelta(minutes=2)))
    assert failed.state is State.FAILED
    # Its owner says so: then it is another port, and another instance.
    again = decided(requests.start(failed, NOW), taken)
    assert again.next_ports
    assert after(again).generation == 2


def test_an_engine_away_for_a_moment_changes_nothing() -> None:
    seen = Observation(engine_answers=False, away_seconds=1.0)
    step = decide(an_allocation(State.READY), seen, NOW, RULES)
    assert step == Step(look_again=NOW + timedelta(seconds=RULES.away - 1.0))


def test_an_engine_away_for_longer_makes_it_unknown_and_keeps_what_was_known() -> None:
    ready = an_allocation(State.READY, incarnation=1)
    heard = NOW - timedelta(seconds=4)
    seen = Observation(engine_answers=False, away_seconds=4.0, heard_time=heard)
    step = decide(ready, seen, NOW, RULES)
    lost = after(step)
    assert (lost.state, lost.known_state, lost.observed_time) == (
        State.UNKNOWN,
        State.READY,
        heard,
    )
    assert step.fact is Fact.LOST
    assert decide(lost, seen, NOW, RULES) == REST
    # It is back: first one looks, then it is as it was, since when it was.
    assert decided(lost).act is Act.LOOK
    back = decided(lost, an_instance(InstanceState.READY))
    assert after(back).state is State.READY
    assert after(back).state_time == ready.state_time
    assert back.fact is Fact.READY


def test_what_ended_while_the_engine_was_away_has_failed() -> None:
    lost = an_allocation(State.UNKNOWN, incarnation=1)
    step = decided(lost, an_instance(InstanceState.EXITED, exit_code=1))
    assert after(step).state is State.FAILED


def test_a_moving_state_gets_its_full_time_when_the_engine_is_back() -> None:
    moving = an_allocation()
    away = Observation(engine_answers=False, away_seconds=9.0)
    lost = after(decide(moving, away, NOW, RULES))
    later = NOW + timedelta(hours=1)
    step = decided(lost, an_instance(InstanceState.CREATING, 0), now=later)
    assert after(step).state is State.PROVISIONING
    assert after(step).deadline == later + timedelta(seconds=RULES.provisioning)


def test_a_stop_asked_while_the_engine_was_away_is_done_when_it_is_back() -> None:
    lost = requests.stop(an_allocation(State.UNKNOWN, incarnation=1), NOW)
    step = decided(lost, an_instance(InstanceState.READY))
    assert (step.act, after(step).state) == (Act.STOP, State.STOPPING)


def test_an_engine_that_knows_more_generations_than_the_store_is_believed() -> None:
    step = decided(an_allocation(State.READY), an_instance(InstanceState.READY, generation=7))
    assert after(step).generation == 7


INSTANCES = [
    None,
    *(
        an_instance(state, incarnation, reason=reason)
        for state, incarnation, reason in itertools.product(
            InstanceState, (0, 1), ("", "PROBE_TIMED_OUT", "PORT_TAKEN", "ENGINE_UNAVAILABLE")
        )
    ),
]


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_a_delete_is_legal_in_every_state_and_ends(state: State) -> None:
    for told, overdue in itertools.product(INSTANCES, (False, True)):
        allocation, instance = requests.delete(an_allocation(state), NOW), told
        done = None
        now = NOW + timedelta(hours=1) if overdue else NOW
        for _ in range(5):
            step = decided(allocation, instance, done=done, now=now)
            allocation, done = step.after or allocation, step.act
            if not allocation.exists:
                break
            if done is Act.LOOK:
                instance = an_instance(InstanceState.MISSING, 0)
        assert allocation.state is State.DELETED
        assert allocation.delete_time == now


@pytest.mark.parametrize(
    ("first_ready", "reason"), [(None, "CANCELLED_BY_OWNER"), (NOW, "REMOVED_BY_OWNER")]
)
def test_a_removal_says_whether_it_was_a_cancellation(
    first_ready: datetime | None, reason: str
) -> None:
    deleting = an_allocation(State.DELETING, desired=Desired.DELETED, first_ready_time=first_ready)
    gone = after(decided(deleting, done=Act.REMOVE))
    assert gone.reason == StateReason(reason, gone.reason.message if gone.reason else "")


@pytest.mark.parametrize("ask", [requests.start, requests.stop, requests.restart])
def test_what_is_to_be_removed_takes_no_other_request(ask: object) -> None:
    deleted = an_allocation(State.DELETING, desired=Desired.DELETED)
    with pytest.raises(AllocationDeleted):
        ask(deleted, NOW)  # type: ignore[operator]


@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize("state", list(State))
def test_every_moving_state_has_a_deadline_and_is_looked_at_again(
    state: State, desired: Desired
) -> None:
    for instance, asked, engine in itertools.product(INSTANCES, (False, True), (True, False)):
        allocation = an_allocation(state, desired=desired, asked=asked)
        seen = Observation(engine, instance, None, 0.0 if engine else 60.0)
        step = decide(allocation, seen, NOW, RULES)
        kept = step.after or allocation
        assert (kept.deadline is not None) == kept.is_moving
        if kept.is_moving and engine and step.after is None:
            assert step.act is not None or step.look_again is not None
        assert kept.generation >= allocation.generation
        if kept.state is State.UNKNOWN:
            assert kept.last_known is not None
