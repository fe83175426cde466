"""Frames of a console in the forms of the wire: JSON text, and the contract's messages."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from allocator.allocations.v1 import allocation_pb2
from allocator.consoles.v1 import console_service_pb2, frame_pb2
from allocator.containers.v1 import container_service_pb2
from google.protobuf.json_format import MessageToDict

from chassis.faults import Fault, Kind
from interact_svc.domain.frames import (
    AllocationSnapshot,
    AuthExpiring,
    Bye,
    Chunk,
    Frame,
    Heartbeat,
    Hello,
    LineFilter,
    Measure,
    Selection,
)
from interact_svc.domain.limits import Limits

_LETTER_OF = {
    frame_pb2.STREAM_UNSPECIFIED: "",
    frame_pb2.STDOUT: "o",
    frame_pb2.STDERR: "e",
}
_STREAM_OF = {"o": frame_pb2.STDOUT, "e": frame_pb2.STDERR}
_JSON = "json"
_RETRY_SECONDS = 1.0


def line_filter(wanted: frame_pb2.Filter) -> LineFilter:
    """The filter that a client asked for."""
    return LineFilter(contains=wanted.contains, stream=_LETTER_OF[wanted.stream])


class FrameMapping:
    """Renders frames; what many watchers get is rendered once."""

    def __init__(self, limits: Limits) -> None:
        """Keeps the limits that `hello` tells."""
        self._limits = limits

    def text(self, frame: Frame) -> str:
        """The frame as the JSON form of ServerFrame."""
        match frame:
            case Chunk():
                shared = frame.rendered
                if _JSON not in shared:
                    shared[_JSON] = _log_text(frame)
                return str(shared[_JSON])
            case AllocationSnapshot() | Measure():
                shared = frame.rendered
                if _JSON not in shared:
                    shared[_JSON] = _text(self.message(frame))
                return str(shared[_JSON])
            case _:
                return _text(self.message(frame))

    def message(self, frame: Frame) -> frame_pb2.ServerFrame:
        """The frame as a message of the contract."""
        match frame:
            case Chunk(gap=gap) if gap:
                return frame_pb2.ServerFrame(gap=gap_message(frame))
            case Chunk():
                return frame_pb2.ServerFrame(log=_lines(frame))
            case Selection():
                return frame_pb2.ServerFrame(log=_selected(frame))
            case AllocationSnapshot():
                allocation = allocation_pb2.Allocation.FromString(frame.wire)
                return frame_pb2.ServerFrame(state=frame_pb2.StateChange(allocation=allocation))
            case Measure():
                return frame_pb2.ServerFrame(stats=_stats(frame))
            case Hello():
                return self._hello(frame)
            case AuthExpiring():
                made = frame_pb2.ServerFrame()
                made.auth_expiring.expire_time.FromDatetime(frame.expires)
                return made
            case Bye():
                return _bye(frame.fault)
            case Heartbeat():
                return frame_pb2.ServerFrame()

    def _hello(self, frame: Hello) -> frame_pb2.ServerFrame:
        limits = self._limits
        made = frame_pb2.ServerFrame()
        made.hello.allocation = frame.allocation
        made.hello.first_cursor = frame.first_cursor
        made.hello.last_cursor = frame.last_cursor
        made.hello.max_frame_bytes = limits.max_frame_bytes
        made.hello.max_frames_per_second = limits.frames_per_second
        made.hello.max_line_bytes = limits.max_line_bytes
        made.hello.heartbeat.FromNanoseconds(int(limits.heartbeat_seconds * 1e9))
        return made


def lines_of(chunk: Chunk) -> list[console_service_pb2.Line]:
    """The lines of a chunk, one message each."""
    made = []
    cut = set(chunk.truncated)
    for place, text in enumerate(chunk.texts):
        line = console_service_pb2.Line(
            seq=chunk.first + place,
            stream=_STREAM_OF[chunk.streams[place]],
            text=text,
            truncated=place in cut,
            generation=chunk.generation,
            incarnation=chunk.incarnation,
        )
        line.time.FromMicroseconds(round(chunk.times[place] * 1000))
        made.append(line)
    return made


def gap_message(chunk: Chunk) -> frame_pb2.Gap:
    """The gap that a chunk is."""
    cause = frame_pb2.Gap.Cause.Value(chunk.gap)
    return frame_pb2.Gap(first_seq=chunk.first, last_seq=chunk.last, cause=cause)


def _log_text(chunk: Chunk) -> str:
    """A chunk as text, without the detour over a message: this is the hot path."""
    body: Mapping[str, object]
    if chunk.gap:
        body = {
            "gap": {"firstSeq": str(chunk.first), "lastSeq": str(chunk.last), "cause": chunk.gap}
        }
    else:
        lines: dict[str, object] = {
            "firstSeq": str(chunk.first),
            "times": chunk.times,
            "texts": chunk.texts,
            "streams": chunk.streams,
            "generation": chunk.generation,
            "incarnation": chunk.incarnation,
        }
        if chunk.truncated:
            lines["truncated"] = chunk.truncated
        body = {"log": lines}
    return orjson.dumps(body).decode()


def _text(message: frame_pb2.ServerFrame) -> str:
    return orjson.dumps(MessageToDict(message)).decode()


def _lines(chunk: Chunk) -> frame_pb2.LogLines:
    return frame_pb2.LogLines(
        first_seq=chunk.first,
        times=chunk.times,
        texts=chunk.texts,
        streams=chunk.streams,
        truncated=chunk.truncated,
        generation=chunk.generation,
        incarnation=chunk.incarnation,
    )


def _selected(selection: Selection) -> frame_pb2.LogLines:
    chunk, places = selection.chunk, selection.places
    cut = set(chunk.truncated)
    return frame_pb2.LogLines(
        first_seq=chunk.first + places[0] if places else chunk.first,
        times=[chunk.times[place] for place in places],
        texts=[chunk.texts[place] for place in places],
        streams="".join(chunk.streams[place] for place in places),
        truncated=[new for new, place in enumerate(places) if place in cut],
        generation=chunk.generation,
        incarnation=chunk.incarnation,
        seqs=[chunk.first + place for place in places],
        last_seq=chunk.last,
    )


def _stats(measure: Measure) -> frame_pb2.Stats:
    read = container_service_pb2.InstanceStats.FromString(measure.wire)
    return frame_pb2.Stats(
        time=read.time,
        cpu_millis=read.cpu_millis,
        memory_bytes=read.memory_bytes,
        memory_limit_bytes=read.memory_limit_bytes,
        received_bytes=read.received_bytes,
        sent_bytes=read.sent_bytes,
        pids=read.pids,
    )


def _bye(fault: Fault) -> frame_pb2.ServerFrame:
    made = frame_pb2.ServerFrame()
    made.bye.reason = fault.reason
    made.bye.message = fault.message
    after = fault.retry_after
    if after is None and fault.kind in (Kind.UNAVAILABLE, Kind.DEADLINE):
        after = _RETRY_SECONDS  # what is away comes back: clients open the console again
    if after is not None:
        made.bye.retry_after.FromNanoseconds(int(after * 1e9))
    return made
