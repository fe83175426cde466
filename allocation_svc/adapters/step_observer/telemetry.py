"""What the reconciler does, as log lines and metrics."""

from __future__ import annotations

from prometheus_client import Counter, Histogram
from structlog.typing import FilteringBoundLogger

from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.step import Act
from chassis.faults import Fault

_DELAYS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10)

KICK_SECONDS = Histogram(
    "allocator_reconciler_kick_seconds",
    "From the moment when work on an allocation was asked for until the call of the engine began.",
    ("act",),
    buckets=_DELAYS,
)
CALLS = Counter(
    "allocator_reconciler_calls_total",
    "Calls of the engine by the reconciler.",
    ("act", "outcome"),
)
MOVES = Counter(
    "allocator_reconciler_moves_total", "Changes of state that the reconciler wrote.", ("state",)
)
FAILURES = Counter(
    "allocator_reconciler_failures_total", "What failed and is tried again.", ("work",)
)
SWEEP_SECONDS = Histogram(
    "allocator_reconciler_sweep_seconds",
    "How long the comparison of all instances with all allocations took.",
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10),
)
ORPHANS = Counter(
    "allocator_reconciler_orphans_total", "Instances without an allocation that are removed."
)

_WORK = ("events", "sweep", "orphan", "step", "queue", "nodes", "volumes")


class TelemetryStepObserver:
    """Writes log lines, and counts."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """Makes every label value that there can be.

        Args:
            log: of the reconciler.
        """
        self._log = log
        self._kicks = {act.value: KICK_SECONDS.labels(act.value) for act in Act}
        self._calls = {
            (act.value, outcome): CALLS.labels(act.value, outcome)
            for act in Act
            for outcome in ("ok", "fault")
        }
        self._moves = {state: MOVES.labels(state.value) for state in State}
        self._failures = {work: FAILURES.labels(work) for work in _WORK}

    def called(
        self, allocation: str, generation: int, act: str, seconds: float, outcome: str
    ) -> None:
        """A call of the engine has ended."""
        self._kicks[act].observe(seconds)
        self._calls[act, "ok" if outcome == "ok" else "fault"].inc()
        self._log.info(
            "engine called",
            allocation=allocation,
            generation=generation,
            act=act,
            begun_after_seconds=round(seconds, 6),
            outcome=outcome,
        )

    def moved(self, before: Allocation, after: Allocation) -> None:
        """The reconciler has written another state."""
        self._moves[after.state].inc()
        self._log.info(
            "allocation moved",
            allocation=after.name,
            generation=after.generation,
            version=after.version,
            before=before.state.value,
            state=after.state.value,
            reason=after.reason.reason if after.reason else "",
            seconds=(after.state_time - before.state_time).total_seconds(),
        )

    def swept(self, allocations: int, instances: int, orphans: int, seconds: float) -> None:
        """All instances were compared with all allocations."""
        SWEEP_SECONDS.observe(seconds)
        ORPHANS.inc(orphans)
        self._log.debug(
            "swept",
            allocations=allocations,
            instances=instances,
            orphans=orphans,
            seconds=round(seconds, 6),
        )

    def failed(self, work: str, fault: Exception) -> None:
        """Something has failed that is tried again by itself."""
        self._failures[work].inc()
        if isinstance(fault, Fault | TimeoutError | StopAsyncIteration):
            reason = fault.reason if isinstance(fault, Fault) else type(fault).__name__
            self._log.warning("trying again", work=work, reason=reason, message=str(fault))
        else:
            self._log.error("trying again", work=work, exc_info=fault)
