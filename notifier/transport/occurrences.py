"""What of the facts of other services people are told: from records to events.

A kind of notice is made here of its fact. A fact that nobody is told of gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from allocator.allocations.v1 import (
    allocation_facts_pb2,
    allocation_pb2,
    node_facts_pb2,
    node_pb2,
)
from allocator.billing.v1 import billing_facts_pb2
from allocator.feed.v1 import feed_facts_pb2
from allocator.machines.v1 import machine_facts_pb2, machine_pb2
from allocator.reasons.v1 import reason_pb2
from allocator.timeline.v1 import timeline_facts_pb2
from allocator.users.v1 import session_facts_pb2, user_facts_pb2
from google.protobuf.message import Message

from chassis.bus import Record
from chassis.bus.facts import decode
from chassis.clock import millis_of, truncated
from chassis.faults import Invalid
from notifier.domain.kind import Kind
from notifier.domain.notice import Draft, Event, ToAdmins, ToPerson, ToPublisher
from notifier.domain.spoken import Amount, Day, Moment, Phrase, Span, Value

_BY_OWNER = {
    reason_pb2.STOPPED_BY_OWNER,
    reason_pb2.REMOVED_BY_OWNER,
    reason_pb2.CANCELLED_BY_OWNER,
}
_LAST_LINES = 20
_STOPPED = Phrase({"en": "stopped", "de": "angehalten"})
_REMOVED = Phrase({"en": "removed", "de": "entfernt"})
_AFTER_STOP = Phrase({
    "en": "Its files and its address stay, and a start brings it back.",
    "de": "Dateien und Adresse bleiben, und ein Start bringt die Maschine zurück.",
})  # fmt: skip
_AFTER_REMOVAL = Phrase({
    "en": "Its files go with it; save what you need, or choose a later end.",
    "de": "Die Dateien gehen mit: Sichern Sie, was Sie brauchen, oder wählen Sie ein späteres Ende.",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Told:
    """A record, as far as every event needs it."""

    fact_id: str
    time: datetime
    version: int
    key: str

    def event(self, *drafts: Draft, thread: str = "", withdraws: str = "") -> Event:
        """An event of it; its place in its thread is the version of the fact."""
        order = self.version or millis_of(self.time)
        return Event(self.fact_id, self.time, thread, order, drafts, withdraws)


def event_of(record: Record) -> Event | None:
    """What people are told of a record; None for nothing.

    Raises:
        Invalid: the record is not one that our services publish.
    """
    message = decode(record, *_EVENTS)
    if message is None:
        return None
    return _EVENTS[type(message)](message, _told(record))


def _told(record: Record) -> _Told:
    headers = record.headers
    try:
        time = truncated(datetime.fromisoformat(headers["ce-time"]))
        version = int(headers.get("version", "0"))
        return _Told(headers["ce-id"], time, version, record.key)
    except (KeyError, ValueError):
        raise Invalid(f"The record of {record.key} says no id, no time or no version.") from None


def _verified(fact: user_facts_pb2.UserVerified, told: _Told) -> Event:
    user = fact.user
    draft = Draft(
        ToPerson(user.name, told.version),
        Kind.WELCOME,
        {"given_name": user.given_name},
        resource=user.name,
        path="/",
    )
    # Once, also for who verifies an address and later a number.
    return replace(told.event(draft, thread=f"welcome/{user.name}"), order=1)


def _logged_in(fact: session_facts_pb2.UserLoggedInFromNewPlace, told: _Told) -> Event:
    values: dict[str, Value] = {
        "user_agent": fact.user_agent,
        "address": fact.address,
        "time": Moment(fact.time.ToDatetime(UTC)),
    }
    draft = Draft(
        ToPerson(fact.user),
        Kind.LOGGED_IN_FROM_NEW_PLACE,
        values,
        resource=fact.session,
        path="/account/security",
    )
    return told.event(draft)


def _ready(fact: allocation_facts_pb2.AllocationReady, told: _Told) -> Event:
    one = fact.allocation
    address = f"{one.host}:{one.port}" if one.port else ""
    return _of_allocation(one, told, Kind.ALLOCATION_READY, {"address": address})


def _failed(fact: allocation_facts_pb2.AllocationFailed, told: _Told) -> Event:
    reason = fact.allocation.state_reason
    values = {"reason": reason.message, "last_lines": _last_lines(reason)}
    return _of_allocation(fact.allocation, told, Kind.ALLOCATION_FAILED, values)


def _stopped(fact: allocation_facts_pb2.AllocationStopped, told: _Told) -> Event:
    values = {"reason": fact.allocation.state_reason.message}
    return _of_allocation(fact.allocation, told, Kind.ALLOCATION_STOPPED, values)


def _removed(fact: allocation_facts_pb2.AllocationDeleted, told: _Told) -> Event:
    values = {"reason": fact.allocation.state_reason.message}
    return _of_allocation(fact.allocation, told, Kind.ALLOCATION_REMOVED, values)


def _expiring(fact: allocation_facts_pb2.AllocationExpiring, told: _Told) -> Event:
    planned = fact.planned
    time = planned.time.ToDatetime(UTC)
    removed = planned.desired_state == allocation_pb2.Desired.State.DELETED
    values: dict[str, Value] = {
        "deed": _REMOVED if removed else _STOPPED,
        "left": Span(time - told.time),
        "time": Moment(time),
        "reason": planned.reason.message,
        "after": _AFTER_REMOVAL if removed else _AFTER_STOP,
    }
    return _of_allocation(fact.allocation, told, Kind.ALLOCATION_EXPIRING, values)


def _unhealthy(fact: allocation_facts_pb2.AllocationUnhealthy, told: _Told) -> Event:
    reason = fact.allocation.state_reason
    values = {"reason": reason.message, "last_lines": _last_lines(reason)}
    return _of_allocation(fact.allocation, told, Kind.ALLOCATION_UNHEALTHY, values)


def _last_lines(reason: allocation_pb2.StateReason) -> str:
    return "\n".join(reason.last_lines[-_LAST_LINES:])


def _of_allocation(
    one: allocation_pb2.Allocation, told: _Told, kind: Kind, values: Mapping[str, Value]
) -> Event:
    draft = Draft(
        ToPerson(one.owner),
        kind,
        {"title": one.display_name or one.machine_title or one.name, **values},
        resource=one.name,
        path=f"/{one.name}",
        own_doing=one.state_reason.reason in _BY_OWNER,
    )
    return told.event(draft, thread=one.name)


def _balance_low(fact: billing_facts_pb2.WalletBalanceLow, told: _Told) -> Event:
    left: Value = Span(fact.time_left.ToTimedelta()) if fact.HasField("time_left") else ""
    draft = Draft(
        ToPerson(fact.user),
        Kind.BALANCE_LOW,
        {"balance": _amount(fact.balance), "left": left},
        resource=told.key,
        path="/wallet",
    )
    return told.event(draft, thread=told.key)


def _invoice(fact: billing_facts_pb2.InvoiceIssued, told: _Told) -> Event:
    values: dict[str, Value] = {
        "number": fact.number,
        "total": _amount(fact.total),
        "date": Day(fact.issue_time.ToDatetime(UTC)),
    }
    draft = Draft(ToPerson(fact.user), Kind.INVOICE, values, fact.order, f"/{fact.order}")
    return told.event(draft)


def _amount(money: machine_pb2.Money) -> Amount:
    return Amount(money.currency_code, money.minor_units)


def _submitted(fact: machine_facts_pb2.MachineSubmitted, told: _Told) -> Event:
    machine = fact.machine
    values = {"machine": _title(machine), "publisher": machine.publisher}
    place = f"/admin/{machine.name}"
    draft = Draft(ToAdmins(), Kind.MACHINE_SUBMITTED, values, machine.name, place)
    return told.event(draft, thread=machine.name)


def _published(fact: machine_facts_pb2.MachinePublished, told: _Told) -> Event:
    machine = fact.machine
    draft = Draft(
        ToPerson(machine.publisher),
        Kind.MACHINE_PUBLISHED,
        {"machine": _title(machine)},
        machine.name,
        _place(machine),
    )
    return told.event(draft, thread=machine.name)


def _rejected(fact: machine_facts_pb2.MachineRejected, told: _Told) -> Event:
    machine = fact.machine
    values = {"machine": _title(machine), "reason": machine.submission.rejection}
    place = machine.name.replace("machines/", "/mine/", 1)
    draft = Draft(ToPerson(machine.publisher), Kind.MACHINE_REJECTED, values, machine.name, place)
    return told.event(draft, thread=machine.name)


def _commented(fact: feed_facts_pb2.CommentCreated, told: _Told) -> Event:
    comment = fact.comment
    machine = _machine_of(comment.name)
    values = {"author": comment.author_name, "text": comment.text}

    def draft(to: ToPerson | ToPublisher, kind: Kind) -> Draft:
        return Draft(to, kind, values, comment.name, f"/{machine}", machine, comment.author)

    drafts = [draft(ToPublisher(), Kind.COMMENT_ON_MY_MACHINE)]
    if fact.reply_to_author:
        # First, so that a publisher whose own comment is answered is told that.
        drafts.insert(0, draft(ToPerson(fact.reply_to_author), Kind.REPLY_TO_MY_COMMENT))
    return told.event(*drafts, thread=comment.name)


def _comment_deleted(fact: feed_facts_pb2.CommentDeleted, told: _Told) -> Event:
    return told.event(thread=fact.name, withdraws=fact.name)


def _reviewed(fact: feed_facts_pb2.ReviewWritten, told: _Told) -> Event | None:
    review = fact.review
    if fact.replaced:
        return None
    machine = _machine_of(review.name)
    values = {"author": review.author_name, "text": review.text, "stars": str(review.stars)}
    draft = Draft(
        ToPublisher(),
        Kind.REVIEW_OF_MY_MACHINE,
        values,
        review.name,
        f"/{machine}",
        machine,
        review.author,
    )
    return told.event(draft, thread=review.name)


def _review_deleted(fact: feed_facts_pb2.ReviewDeleted, told: _Told) -> Event:
    return told.event(thread=fact.name, withdraws=fact.name)


def _node_away(fact: node_facts_pb2.NodeLost, told: _Told) -> Event:
    node = fact.node
    since = Moment(node.state_time.ToDatetime(UTC) if node.HasField("state_time") else told.time)
    values: dict[str, Value] = {
        "node": _host(node),
        "reason": node.state_reason.message,
        "since": since,
        "allocations": str(node.allocations or ""),
    }
    draft = Draft(ToAdmins(), Kind.NODE_AWAY, values, node.name, "/admin/nodes")
    return told.event(draft, thread=node.name)


def _node_returned(fact: node_facts_pb2.NodeReturned, told: _Told) -> Event:
    values = {"node": _host(fact.node)}
    draft = Draft(ToAdmins(), Kind.NODE_RETURNED, values, fact.node.name, "/admin/nodes")
    return told.event(draft, thread=fact.node.name)


def _node_draining(fact: node_facts_pb2.NodeDraining, told: _Told) -> Event:
    node = fact.node
    values = {"node": _host(node), "reason": node.state_reason.message}
    drafts = (
        Draft(ToPerson(owner), Kind.NODE_DRAINING, values, node.name, "/allocations")
        for owner in fact.owners
    )
    return told.event(*drafts, thread=f"draining/{node.name}")


def _host(node: node_pb2.Node) -> str:
    return node.display_name or node.name.partition("/")[2]


def _dead_letter(fact: timeline_facts_pb2.DeadLetterAdded, told: _Told) -> Event | None:
    letter = fact.dead_letter
    own = str(timeline_facts_pb2.DeadLetterAdded.DESCRIPTOR.full_name)
    if letter.type == own:
        # That one could not be told would be told, could not be, would be told …
        return None
    values = {
        "group": letter.group,
        "type": letter.type,
        "key": letter.key,
        "reason": letter.reason,
        "explanation": letter.message,
    }
    draft = Draft(ToAdmins(), Kind.DEAD_LETTER, values, letter.name, "/admin/dead-letters")
    return told.event(draft)


def _title(machine: machine_pb2.Machine) -> str:
    return machine.title or machine.name


def _place(machine: machine_pb2.Machine) -> str:
    return f"/{machine.name}"


def _machine_of(name: str) -> str:
    return "/".join(name.split("/")[:2])


_EVENTS: dict[type[Message], Callable[[Any, _Told], Event | None]] = {
    user_facts_pb2.UserVerified: _verified,
    session_facts_pb2.UserLoggedInFromNewPlace: _logged_in,
    allocation_facts_pb2.AllocationReady: _ready,
    allocation_facts_pb2.AllocationFailed: _failed,
    allocation_facts_pb2.AllocationStopped: _stopped,
    allocation_facts_pb2.AllocationDeleted: _removed,
    allocation_facts_pb2.AllocationExpiring: _expiring,
    allocation_facts_pb2.AllocationUnhealthy: _unhealthy,
    billing_facts_pb2.WalletBalanceLow: _balance_low,
    billing_facts_pb2.InvoiceIssued: _invoice,
    machine_facts_pb2.MachineSubmitted: _submitted,
    machine_facts_pb2.MachinePublished: _published,
    machine_facts_pb2.MachineRejected: _rejected,
    feed_facts_pb2.CommentCreated: _commented,
    feed_facts_pb2.CommentDeleted: _comment_deleted,
    feed_facts_pb2.ReviewWritten: _reviewed,
    feed_facts_pb2.ReviewDeleted: _review_deleted,
    node_facts_pb2.NodeLost: _node_away,
    node_facts_pb2.NodeReturned: _node_returned,
    node_facts_pb2.NodeDraining: _node_draining,
    timeline_facts_pb2.DeadLetterAdded: _dead_letter,
}
