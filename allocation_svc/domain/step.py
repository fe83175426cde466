"""What a decision about an allocation is made of, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.crashes import USUAL_RULES, RestartRules
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance


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
        port_tries: how many leased ports in a row, and names, may turn out to be taken by strangers.
        restarts: how soon and how often programs that have ended are started again.
        warning: how long before a change that comes by itself its owner is told; half of the time until
            then, where that is less.
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
    restarts: RestartRules = USUAL_RULES
    warning: float = 600.0


@dataclass(frozen=True, slots=True)
class Use:
    """What is known of the use of a running allocation.

    Attributes:
        last_time: when it was last in use, by whatever sign; where none was seen, since when it is
            watched.
        asked_time: when that was so: later use is not known of.
    """

    last_time: datetime
    asked_time: datetime


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
        turn: whether it may be started now: after a restart of the host a few at a time are.
        use: what is known of its use; None where nothing is.
    """

    engine_answers: bool = True
    instance: Instance | None = None
    done: Act | None = None
    away_seconds: float = 0.0
    heard_time: datetime | None = None
    turn: bool = True
    use: Use | None = None


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


def deadline_of(
    state: State, allocation: Allocation, now: datetime, rules: Rules
) -> datetime | None:
    """When a state that begins now is out of time; None for states of rest."""
    # A probe has its own time; whoever looks after it reports before we give up.
    probing = allocation.probe_seconds + rules.stopping
    seconds = {
        State.PROVISIONING: max(rules.provisioning, probing),
        State.STARTING: max(rules.starting, probing),
        State.STOPPING: allocation.stop_grace_seconds + rules.stopping,
        State.DELETING: allocation.stop_grace_seconds + rules.deleting,
    }.get(state)
    return None if seconds is None else now + timedelta(seconds=seconds)


def fact_of(state: State) -> Fact | None:
    """What is told to others when an allocation comes into a state; None where only the state is."""
    return {
        State.READY: Fact.READY,
        State.STOPPED: Fact.STOPPED,
        State.FAILED: Fact.FAILED,
        State.UNKNOWN: Fact.LOST,
        State.DELETED: Fact.DELETED,
        State.UNHEALTHY: Fact.UNHEALTHY,
    }.get(state)
