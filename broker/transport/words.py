"""What facts mean, in words that the owner of an allocation understands.

Each fact that is not named here is told by the words of its type: facts of later versions need no more
than a good name. Words never hold the name of a person: who did it is put before them when they are
read, so that they follow who is renamed, and who has gone is gone from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta

from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.reasons.v1 import reason_pb2
from allocator.users.v1 import user_pb2
from google.protobuf.message import Message

from broker.domain.event import ACTOR, RESOURCE, Phase

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")
_MOST_CHARACTERS = 2000

_RUNNING = allocation_pb2.Desired.State.RUNNING
_ASKED = {
    allocation_pb2.Desired.State.RUNNING: ("started it.", "It is started."),
    allocation_pb2.Desired.State.STOPPED: ("stopped it.", "It is stopped."),
    allocation_pb2.Desired.State.DELETED: ("removed it.", "It is removed."),
}
_BY_METHOD = {
    "RecreateAllocation": "had it made anew from its machine as it is now.",
    "RestartAllocation": "restarted it.",
}
_WILL_BE = {
    allocation_pb2.Desired.State.RUNNING: "started",
    allocation_pb2.Desired.State.STOPPED: "stopped",
    allocation_pb2.Desired.State.DELETED: "removed",
}
# Why something was done that nobody asked for at that moment, and why it will be; by reason.
_BECAUSE = {
    "EXPIRED": ("its time was over", "its time is over then"),
    "IDLE": ("it was idle", "nobody uses it"),
    "SCHEDULED": ("its schedule says so", "its schedule says so"),
    "VOLUME_FULL": ("a volume of it is full", "a volume of it is full"),
}
# What the reason alone does not say.
_WITH_MESSAGE = frozenset({"VOLUME_FULL"})

Words = tuple[str, Phase]


def event_words(type_name: str, fact: Message | None, actor: str, method: str) -> Words:
    """What is said of a fact in the timeline of an allocation.

    Args:
        type_name: of the fact, `allocator.allocations.v1.AllocationReady`.
        fact: what it says; None where this version cannot read it.
        actor: who has caused it; empty where the service did it by itself.
        method: the call that has caused it; may be empty.
    """
    name = type_name.rpartition(".")[2]
    allocation = getattr(fact, "allocation", None)
    known = _EVENTS.get(name) if isinstance(allocation, allocation_pb2.Allocation) else None
    if known is None or allocation is None:
        words, phase = f"{_generic(name, 'Allocation')}.", Phase.NONE
    else:
        words, phase = known(allocation, actor, method.rpartition("/")[2])
    return words[:_MOST_CHARACTERS], phase


def act_words(type_name: str, fact: Message | None) -> str:
    """What is said of a fact among what admins did.

    Args:
        type_name: of the fact, `allocator.users.v1.UserRolesChanged`.
        fact: what it says; None where this version cannot read it.
    """
    name = type_name.rpartition(".")[2]
    known = _ACTS.get(name)
    words = known(fact) if known else f"did this to {RESOURCE}: {_generic(name).lower()}."
    return f"{ACTOR}{words}"[:_MOST_CHARACTERS]


def _created(allocation: allocation_pb2.Allocation, actor: str, _method: str) -> Words:
    title = allocation.machine_title or allocation.machine
    return (f"{ACTOR}rented {title}." if actor else f"{title} was rented."), Phase.ASKED


def _updated(_allocation: allocation_pb2.Allocation, actor: str, _method: str) -> Words:
    changed = "name, labels or plans"
    words = f"{ACTOR}changed its {changed}." if actor else f"Its {changed} were changed."
    return words, Phase.NONE


def _requested(allocation: allocation_pb2.Allocation, actor: str, method: str) -> Words:
    by_actor, by_itself = _ASKED.get(
        allocation.desired_state, ("asked for another state.", "Another state is asked for.")
    )
    phase = Phase.ASKED if allocation.desired_state == _RUNNING else Phase.NONE
    if actor:
        return ACTOR + _BY_METHOD.get(method, by_actor), phase
    return _with_reason(by_itself, allocation, by_itself[:-1]), phase


def _ready(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    # How long it took and the stop are put behind it when it is read.
    if allocation.port:
        return f"It answered on {_address(allocation.host, allocation.port)}", Phase.ANSWERED
    return "It runs", Phase.ANSWERED


def _stopped(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It has stopped.", allocation, "It was stopped"), Phase.NONE


def _failed(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    # What answers after a failure without being asked again has not taken that long.
    return _with_reason("It has failed.", allocation), Phase.NONE


def _lost(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It is not known how it is.", allocation), Phase.NONE


def _deleted(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It is gone.", allocation, "It was removed"), Phase.NONE


def _unhealthy(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It runs, but does not answer any more.", allocation), Phase.NONE


def _restarted(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It is started again by itself.", allocation), Phase.NONE


def _queued(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    queue = getattr(allocation, "queue", None)
    if queue is None or not queue.position:
        return "It waits for room.", Phase.NONE
    words = f"It waits for room, as number {queue.position} of {queue.length}."
    why = queue.waiting_for.message.strip()
    return f"{words} {why}" if why else words, Phase.NONE


def _admitted(_allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    # From here on it is the start that takes time, and not the queue.
    return "There is room for it now.", Phase.ASKED


def _expiring(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    planned = allocation.planned
    deed = _WILL_BE.get(planned.desired_state)
    if deed is None or not planned.HasField("time"):
        return "It ends soon.", Phase.NONE
    words = f"It will be {deed} at {planned.time.ToDatetime(UTC):%Y-%m-%d %H:%M} UTC"
    name = _reason_name(planned.reason)
    if name in _BECAUSE:
        return f"{words} because {_BECAUSE[name][1]}.", Phase.NONE
    why = planned.reason.message.strip()
    return f"{words}. {why}" if why else f"{words}.", Phase.NONE


def _with_reason(words: str, allocation: allocation_pb2.Allocation, by_itself: str = "") -> str:
    """What has happened and why.

    Args:
        words: a sentence.
        allocation: has the reason.
        by_itself: how a sentence begins that goes on with "because", for what has happened because of
            time, rest or lack of room; empty where none does.
    """
    reason = allocation.state_reason.message.strip()
    name = _reason_name(allocation.state_reason)
    if by_itself and name in _BECAUSE:
        words = f"{by_itself} because {_BECAUSE[name][0]}"
        if name == "IDLE" and allocation.idle_policy.HasField("timeout"):
            words += f" for {_span(allocation.idle_policy.timeout.ToTimedelta())}"
        words += "."
        reason = reason if name in _WITH_MESSAGE else ""
    return f"{words} {reason}" if reason else words


def _reason_name(reason: allocation_pb2.StateReason) -> str:
    """The name of a reason; empty for one of a later version."""
    try:
        return reason_pb2.Reason.Name(reason.reason)
    except ValueError:
        return ""


def _span(span: timedelta) -> str:
    """`45 seconds`, `30 minutes`, `2 hours`, `3 days`."""
    seconds = max(1, round(span.total_seconds()))
    units = (("day", 86_400), ("hour", 3600), ("minute", 60))
    whole = (one for one in units if seconds % one[1] == 0 or seconds >= 100 * one[1])
    unit, length = next(whole, ("second", 1))
    number = round(seconds / length)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


_EVENTS: Mapping[str, Callable[[allocation_pb2.Allocation, str, str], Words]] = {
    allocation_facts_pb2.AllocationCreated.DESCRIPTOR.name: _created,
    allocation_facts_pb2.AllocationUpdated.DESCRIPTOR.name: _updated,
    allocation_facts_pb2.AllocationStateRequested.DESCRIPTOR.name: _requested,
    allocation_facts_pb2.AllocationReady.DESCRIPTOR.name: _ready,
    allocation_facts_pb2.AllocationStopped.DESCRIPTOR.name: _stopped,
    allocation_facts_pb2.AllocationFailed.DESCRIPTOR.name: _failed,
    allocation_facts_pb2.AllocationLost.DESCRIPTOR.name: _lost,
    allocation_facts_pb2.AllocationDeleted.DESCRIPTOR.name: _deleted,
    allocation_facts_pb2.AllocationUnhealthy.DESCRIPTOR.name: _unhealthy,
    allocation_facts_pb2.AllocationRestarted.DESCRIPTOR.name: _restarted,
    allocation_facts_pb2.AllocationExpiring.DESCRIPTOR.name: _expiring,
    "AllocationQueued": _queued,
    "AllocationAdmitted": _admitted,
}


def _roles(fact: Message | None) -> str:
    user = getattr(fact, "user", None)
    if not isinstance(user, user_pb2.User):
        return f"changed the roles of {RESOURCE}."
    roles = ", ".join(user_pb2.User.Role.Name(role) for role in user.roles) or "none"
    return f"changed the roles of {RESOURCE}; they are now: {roles}."


def _plainly(words: str) -> Callable[[Message | None], str]:
    return lambda _fact: words


_ACTS: Mapping[str, Callable[[Message | None], str]] = {
    "UserRolesChanged": _roles,
    **{
        name: _plainly(f"{deed} {RESOURCE}.")
        for name, deed in {
            "UserUpdated": "changed",
            "UserDisabled": "disabled",
            "UserEnabled": "enabled",
            "UserDeleted": "deleted",
            "MachineCreated": "added",
            "MachineUpdated": "changed",
            "MachinePublished": "published",
            "MachineRetired": "retired",
            "MachineDeleted": "deleted",
            "AllocationUpdated": "changed the name, labels or plans of",
            "AllocationQueued": "changed the place in the queue of",
            "AllocationDeleted": "removed",
            "AllocationStateRequested": "asked for another state of",
            "NodeDraining": "had what runs on this node moved away:",
            "NodeActivated": "let this node take instances again:",
            "VolumeDeleted": "deleted",
            "InvitationCreated": "made",
            "InvitationDeleted": "withdrew",
            "DeadLetterDiscarded": "threw away",
            "DeadLetterReplayed": "had this taken in again:",
        }.items()
    },
    "DeadLettersReplayed": lambda fact: (
        f"had all dead letters of {getattr(fact, 'group', '')} taken in again."
        if getattr(fact, "group", "")
        else "had all dead letters taken in again."
    ),
}


def _generic(name: str, but: str = "") -> str:
    """`AllocationSnapshotTaken` → `Snapshot taken`."""
    words = _WORD.findall(name)
    if but and len(words) > 1 and words[0] == but:
        words = words[1:]
    return " ".join(words).capitalize() or "Something happened"
