"""What facts mean, in words that the owner of an allocation understands.

Each fact that is not named here is told by the words of its type: facts of later versions need no more
than a good name. Words never hold the name of a person: who did it is put before them when they are
read, so that they follow who is renamed, and who has gone is gone from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
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
_BY_METHOD = {"RestartAllocation": "restarted it."}

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
    words = f"{ACTOR}changed its name or labels." if actor else "Its name or labels were changed."
    return words, Phase.NONE


def _requested(allocation: allocation_pb2.Allocation, actor: str, method: str) -> Words:
    by_actor, by_itself = _ASKED.get(
        allocation.desired_state, ("asked for another state.", "Another state is asked for.")
    )
    phase = Phase.ASKED if allocation.desired_state == _RUNNING else Phase.NONE
    if actor:
        return ACTOR + _BY_METHOD.get(method, by_actor), phase
    return _with_reason(by_itself, allocation), phase


def _ready(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    # How long it took and the stop are put behind it when it is read.
    if allocation.port:
        return f"It answered on {_address(allocation.host, allocation.port)}", Phase.ANSWERED
    return "It runs", Phase.ANSWERED


def _stopped(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It has stopped.", allocation), Phase.NONE


def _failed(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    # What answers after a failure without being asked again has not taken that long.
    return _with_reason("It has failed.", allocation), Phase.NONE


def _lost(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It is not known how it is.", allocation), Phase.NONE


def _deleted(allocation: allocation_pb2.Allocation, _actor: str, _method: str) -> Words:
    return _with_reason("It is gone.", allocation), Phase.NONE


def _with_reason(words: str, allocation: allocation_pb2.Allocation) -> str:
    reason = allocation.state_reason.message.strip()
    return f"{words} {reason}" if reason else words


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
            "AllocationUpdated": "changed the name or labels of",
            "AllocationStateRequested": "asked for another state of",
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
