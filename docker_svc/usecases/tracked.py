"""What is known of one instance at present."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from docker_svc.domain import Instance, Limits, Standing, State
from docker_svc.ports.container_runtime import ProgramEnd
from docker_svc.ports.instance_records import InstanceRecord, Wanted

_SHUTDOWN = timedelta(seconds=60)


@dataclass(slots=True)
class Tracked:
    """One allocation's instance: its record, what the runtime last said, and what is being done.

    Attributes:
        record: what is kept of it.
        standing: what the runtime last said; None where there is none.
        moving: the state while something is being done; None while nothing is.
        progress: what is being done, in words.
        work: what is being done; None or ended while nothing is.
        restarting: the incarnation that a restart, going on now, is to end; 0 without one.
        stamp: grows with each piece of work that is begun and each change that the runtime tells of:
            whoever has asked the runtime meanwhile, knows from it that the answer may be older than what
            is known.
        missed: whether the runtime told of a change that was not looked at, since work goes on.
        older: the instance of a lower generation, which goes on until all that this one needs is there.
    """

    record: InstanceRecord
    standing: Standing | None = None
    moving: State | None = None
    progress: str = ""
    work: asyncio.Task[None] | None = None
    restarting: int = 0
    stamp: int = 0
    missed: bool = False
    older: Tracked | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self.work is not None and not self.work.done()

    @property
    def at_rest(self) -> int | None:
        """Tells one time of rest from another; None while something is being done."""
        return None if self.moving is not None else self.stamp

    def change(
        self,
        *,
        wanted: Wanted | None = None,
        ready: bool | None = None,
        stop_requested: bool | None = None,
        reason: str | None = None,
        message: str | None = None,
        unanswered: bool | None = None,
    ) -> None:
        """Changes the record; the caller keeps it."""
        record = self.record
        self.record = replace(
            record,
            wanted=record.wanted if wanted is None else wanted,
            ready=record.ready if ready is None else ready,
            stop_requested=record.stop_requested if stop_requested is None else stop_requested,
            reason=record.reason if reason is None else reason,
            message=record.message if message is None else message,
            unanswered=record.unanswered if unanswered is None else unanswered,
        )

    def limit(self, limits: Limits | None) -> None:
        """Changes what its next run may use; the caller keeps the record. None changes nothing."""
        spec = self.record.spec
        if limits is not None and spec is not None:
            self.record = replace(self.record, spec=replace(spec, limits=limits))

    def count(self, standing: Standing) -> bool:
        """Takes what the runtime says, and counts a start that was not counted yet.

        Returns:
            Whether it was a new start.
        """
        self.standing = standing
        if not standing.run or standing.run == self.record.run:
            return False
        self.record = replace(
            self.record,
            run=standing.run,
            incarnation=self.record.incarnation + 1,
            ready=False,
            session="",
            with_host=False,
            unanswered=False,
        )
        return True

    def ended(self, end: ProgramEnd) -> Standing | None:
        """How it stands once the program that is known to run has ended so.

        Returns:
            None where the runtime is to be asked: no program is known to run, or only one that was
            started after that end.
        """
        if (known := self._running_before(end)) is None:
            return None
        return replace(
            known,
            running=False,
            paused=False,
            finish_time=end.time,
            exit_code=end.exit_code,
            out_of_memory=end.out_of_memory,
        )

    def killed(self, end: ProgramEnd) -> Standing | None:
        """How it stands once somebody has killed it, until the runtime says what became of it.

        Returns:
            None as in `ended`.
        """
        if (known := self._running_before(end)) is None:
            return None
        return replace(known, away=True, killed=True, away_time=end.time)

    def _running_before(self, end: ProgramEnd) -> Standing | None:
        known = self.standing
        if known is None or not known.running or known.away or known.start_time is None:
            return None
        return known if known.start_time < end.time else None

    def note_session(self, session: str, now: datetime) -> bool:
        """Notes in which session of the engine the program runs, or that it has ended with one.

        An engine that is asked to end tells of the ends of its instances before it is gone: so an end
        counts as that of its engine where the engine ends soon after.

        Args:
            session: the present one; empty where that is not known.
            now: the present.

        Returns:
            Whether the record is different now.
        """
        record, standing = self.record, self.standing
        if standing is None or not standing.run:
            return False
        if standing.running:
            self.record = replace(record, session=session, with_host=False)
        elif record.session and session and session != record.session:
            self.record = replace(record, session="", with_host=not record.stop_requested)
        elif record.session and standing.finish_time and now - standing.finish_time > _SHUTDOWN:
            self.record = replace(record, session="")
        return self.record != record

    @property
    def state(self) -> State:
        """What is so."""
        standing = self.standing
        if self.moving is not None:
            return self.moving
        if self.record.reason:
            return State.FAILED
        if standing is None or not standing.run:
            return State.MISSING
        if standing.away:
            return State.AWAY
        if not standing.running:
            return State.EXITED
        if standing.paused:
            return State.UNHEALTHY
        if not self.record.ready:
            return State.RUNNING
        return State.UNHEALTHY if self.record.unanswered else State.READY

    def _why(self, state: State) -> tuple[str, str]:
        """Why it is FAILED, UNHEALTHY or AWAY: the reason, and the same in a sentence."""
        record, standing = self.record, self.standing
        if state is State.AWAY and standing is not None:
            return _why_away(standing)
        if state is not State.UNHEALTHY:
            return (record.reason, record.message) if self.moving is None else ("", "")
        if standing is not None and standing.paused:
            return (
                "INSTANCE_PAUSED",
                "Somebody has paused it at the engine; restart it, or ask them to unpause it.",
            )
        return (
            "PROBE_UNANSWERED",
            "It runs, but does not answer its probe any more; read its last lines, and restart it if "
            "it does not answer again by itself.",
        )

    def shown(self, runtime: str, node: str, now: datetime) -> Instance:
        """As others are told."""
        record, standing = self.record, self.standing
        spec, state = record.spec, self.state
        reason, message = self._why(state)
        shown = Instance(
            key=record.key,
            state=state,
            runtime=runtime,
            node=node,
            observe_time=now,
            incarnation=record.incarnation,
            image=spec.image if spec else "",
            ports=spec.ports if spec else (),
            stop_requested=record.stop_requested,
            ended_with_host=record.with_host and state is State.EXITED,
            reason=reason,
            message=message,
            progress=self.progress if self.moving is not None else "",
        )
        if standing is None:
            return shown
        return replace(
            shown,
            name=standing.name,
            image=standing.image or shown.image,
            ports=standing.ports or shown.ports,
            start_time=standing.start_time,
            finish_time=standing.finish_time,
            exit_code=standing.exit_code,
            out_of_memory=standing.out_of_memory,
            node=standing.node or node,
            host=standing.host,
            away_time=standing.away_time,
        )


def _why_away(standing: Standing) -> tuple[str, str]:
    if standing.killed:
        return (
            "INSTANCE_KILLED",
            "Somebody has killed it at the engine, which says in a moment whether that was to remove it.",
        )
    return (
        "NODE_AWAY",
        f"The node {standing.node} does not answer, or it is on its way to another node. What is so is "
        "not known until it runs elsewhere, or the node is back; nothing needs to be done.",
    )
