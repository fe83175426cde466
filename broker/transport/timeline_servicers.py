"""TimelineService, AuditService and DeadLetterService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from allocator.timeline.v1 import (
    audit_service_pb2,
    dead_letter_pb2,
    dead_letter_service_pb2,
    timeline_service_pb2,
)
from google.protobuf.empty_pb2 import Empty

from broker.domain.letter import Letter
from broker.transport.events import act_message, event_message, letter_message
from broker.usecases.auditing import Auditing
from broker.usecases.post_office import PostOffice
from broker.usecases.timeline import Timeline
from chassis.listing import (
    Condition,
    FilterField,
    next_token,
    page_of,
    parse_filter,
    parse_order,
)
from chassis.rpc import Call

_NEWEST_FIRST = (("time", True),)
_AUDIT_FIELDS = {
    "actor": FilterField.text(),
    "method": FilterField.text(),
    "resource": FilterField.text(),
    "type": FilterField.text(),
    "time": FilterField.time(),
}
_LETTER_FIELDS = {
    "group": FilterField.text(),
    "topic": FilterField.text(),
    "key": FilterField.text(),
    "type": FilterField.text(),
    "reason": FilterField.text(),
    "replaying": FilterField.flag(),
    "fail_time": FilterField.time(),
}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    ":": lambda value, wanted: str(wanted).casefold() in str(value).casefold(),
}


class TimelineServicer:
    """Serves `allocator.timeline.v1.TimelineService`."""

    def __init__(self, timeline: Timeline) -> None:
        """Serves this use case."""
        self._timeline = timeline

    async def ListEvents(
        self, request: timeline_service_pb2.ListEventsRequest, call: Call
    ) -> timeline_service_pb2.ListEventsResponse:
        """Lists what happened to an allocation."""
        [(_, descending)] = parse_order(request.order_by, ["time"], _NEWEST_FIRST)
        bound = ("timeline", request.parent, descending)
        page = page_of(request.page_size, request.page_token, *bound, key=[str])
        told = await self._timeline.page(
            request.parent,
            "" if call.caller.sees_all else call.caller.user,
            page.after[0] if page.after else "",
            page.size,
            descending=descending,
        )
        return timeline_service_pb2.ListEventsResponse(
            events=[event_message(event, told) for event in told.events],
            next_page_token=next_token([told.events[-1].place], *bound) if told.more else "",
        )


class AuditServicer:
    """Serves `allocator.timeline.v1.AuditService`."""

    def __init__(self, auditing: Auditing) -> None:
        """Serves this use case."""
        self._auditing = auditing

    async def ListAuditEvents(
        self, request: audit_service_pb2.ListAuditEventsRequest, call: Call
    ) -> audit_service_pb2.ListAuditEventsResponse:
        """Lists what admins did."""
        conditions = parse_filter(request.filter, _AUDIT_FIELDS)
        [(_, descending)] = parse_order(request.order_by, ["time"], _NEWEST_FIRST)
        bound = ("audit", request.filter, descending)
        page = page_of(request.page_size, request.page_token, *bound, key=[str])
        after = page.after[0] if page.after else ""
        found = await self._auditing.page(conditions, after, page.size, descending=descending)
        return audit_service_pb2.ListAuditEventsResponse(
            audit_events=[act_message(act, found.people) for act in found.acts],
            next_page_token=next_token([found.acts[-1].place], *bound) if found.more else "",
        )

    async def ExportAuditEvents(
        self, request: audit_service_pb2.ExportAuditEventsRequest, call: Call
    ) -> AsyncGenerator[audit_service_pb2.ExportAuditEventsResponse]:
        """Streams what admins did."""
        conditions = parse_filter(request.filter, _AUDIT_FIELDS)
        async for page in self._auditing.everything(conditions):
            for act in page.acts:
                yield audit_service_pb2.ExportAuditEventsResponse(
                    audit_event=act_message(act, page.people)
                )


class DeadLetterServicer:
    """Serves `allocator.timeline.v1.DeadLetterService`."""

    def __init__(self, post_office: PostOffice) -> None:
        """Serves this use case."""
        self._post_office = post_office

    async def ListDeadLetters(
        self, request: dead_letter_service_pb2.ListDeadLettersRequest, call: Call
    ) -> dead_letter_service_pb2.ListDeadLettersResponse:
        """Lists dead letters."""
        wanted = _which(parse_filter(request.filter, _LETTER_FIELDS))
        bound = ("letters", request.filter)
        page = page_of(request.page_size, request.page_token, *bound, key=[int])
        after = page.after[0] if page.after else 0
        letters, further = await self._post_office.page(wanted, after, page.size)
        return dead_letter_service_pb2.ListDeadLettersResponse(
            dead_letters=[letter_message(letter) for letter in letters],
            next_page_token=next_token([further], *bound) if further else "",
        )

    async def GetDeadLetter(
        self, request: dead_letter_service_pb2.GetDeadLetterRequest, call: Call
    ) -> dead_letter_pb2.DeadLetter:
        """Reads one dead letter."""
        return letter_message(await self._post_office.get(_id_in(request.name)))

    async def ReplayDeadLetter(
        self, request: dead_letter_service_pb2.ReplayDeadLetterRequest, call: Call
    ) -> dead_letter_pb2.DeadLetter:
        """Has a dead letter taken in again."""
        return letter_message(await self._post_office.replay(_id_in(request.name)))

    async def ReplayAllDeadLetters(
        self, request: dead_letter_service_pb2.ReplayAllDeadLettersRequest, call: Call
    ) -> dead_letter_service_pb2.ReplayAllDeadLettersResponse:
        """Has all dead letters taken in again."""
        count = await self._post_office.replay_all(request.group)
        return dead_letter_service_pb2.ReplayAllDeadLettersResponse(replaying_count=count)

    async def DeleteDeadLetter(
        self, request: dead_letter_service_pb2.DeleteDeadLetterRequest, call: Call
    ) -> Empty:
        """Throws a dead letter away."""
        await self._post_office.discard(_id_in(request.name))
        return Empty()


def _id_in(name: str) -> int:
    return int(name.rpartition("/")[2])


def _which(conditions: Sequence[Condition]) -> Callable[[Letter], bool]:
    return lambda letter: all(
        _COMPARED[one.op](getattr(letter, one.field), one.value) for one in conditions
    )
