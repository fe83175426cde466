"""How docker_svc is put together."""

from __future__ import annotations

import textwrap
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from chassis.clock import Clock
from chassis.serving import Platform, Service, Store, Task
from chassis.settings import LoadedSettings
from docker_svc.adapters.container_runtime.choice import (
    RuntimeChoice,
    choose_runtime,
    kept_choice,
)
from docker_svc.adapters.instance_records.sql import SqlInstanceRecords
from docker_svc.adapters.log_journal.files import FileLogJournal, JournalLimits
from docker_svc.adapters.log_source.pump import Pump
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.adapters.node_lock.file import FileNodeLock
from docker_svc.adapters.node_roster.single import SingleNode
from docker_svc.adapters.readiness.network import NetworkReadiness
from docker_svc.domain import EngineUnavailable
from docker_svc.ports.activity_meter import ActivityMeter
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.node_roster import NodeRoster
from docker_svc.settings import Settings
from docker_svc.transport.servicer import ContainerServicer
from docker_svc.usecases.activity import ActivityWatch
from docker_svc.usecases.duty import Duty, Work
from docker_svc.usecases.followers import Followers
from docker_svc.usecases.following import Following
from docker_svc.usecases.instances import Instances
from docker_svc.usecases.known import Known
from docker_svc.usecases.life import Life, Place
from docker_svc.usecases.logs import LogLimits, Logs
from docker_svc.usecases.node import Node
from docker_svc.usecases.probing import Probing
from docker_svc.usecases.volumes import Volumes
from docker_svc.usecases.watching import Watching

if TYPE_CHECKING:
    from docker_svc.adapters.container_runtime.swarm import SwarmRuntime

PUBLISHES: tuple[str, ...] = ()
"""The nouns of the topics that it publishes to."""


ON_DUTY = Gauge(
    "allocator_node_on_duty",
    "Whether this replica works on its node: 1, or 0 while it stands by.",
)


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    folder = settings.of(Settings).state_dir
    url = f"sqlite:///{(folder / 'docker.sqlite3').resolve()}" if folder else ""
    return (Store("docker", "docker_svc.schema", url),)


async def compose(platform: Platform) -> Service:
    """Wires the service; what one replica on a node may open at a time is opened by its take-over.

    Raises:
        RuntimeChanged: the settings ask for another runtime than this node has.
    """
    settings = platform.settings(Settings)
    folder = settings.state_dir or platform.data_dir
    kept_choice(platform.process.runtime, folder)
    notes = {"runtime": "found out when this replica takes over the node"}

    async def begin(exits: AsyncExitStack) -> Work:
        work = await open_work(platform, folder, exits)
        notes["runtime"] = await _runtime_in_words(work.node)
        return work

    duty = Duty(
        FileNodeLock(folder / "node.lock", platform.process.replica),
        begin,
        platform.clock,
        platform.draining,
        is_shared=settings.state_dir is not None,
        log=platform.log(),
    )
    platform.exits.push_async_callback(duty.hand_over)
    ON_DUTY.set_function(lambda: duty.present is not None)
    return Service(
        name="docker_svc",
        servicers={
            "allocator.containers.v1.ContainerService": ContainerServicer(duty, platform.draining)
        },
        tasks=[Task("docker_svc.duty", duty.run)],
        checks={
            "engine": lambda: duty.present.instances.trouble if duty.present else None,
            "journal": lambda: duty.present.logs.trouble if duty.present else None,
        },
        notes=notes,
        take_over=duty.take_over,
    )


async def open_work(platform: Platform, folder: Path, exits: AsyncExitStack) -> Work:
    """Opens what only the replica on duty may open.

    Args:
        platform: the process.
        folder: what the replicas on this node share.
        exits: what is to be closed when another replica takes over.
    """
    settings = platform.settings(Settings)
    clock, log = platform.clock, platform.log()

    choice = await choose_runtime(platform.process.runtime, folder)
    runtime = await open_runtime(choice, settings, platform, folder)
    exits.push_async_callback(runtime.close)
    log.info("runtime chosen", runtime=choice.runtime, installation=choice.installation)

    database = await platform.database(stores(platform.loaded)[0])
    exits.push_async_callback(database.close)
    records = SqlInstanceRecords(database, platform.vault)

    journal = FileLogJournal(folder / "journal", journal_limits(settings))
    reader = Pump(source_limits(settings), platform.log("logs"))
    logs = Logs(journal, reader, clock, platform.draining, log_limits(settings))
    exits.push_async_callback(logs.close)

    watching = Watching(clock)
    probing = Probing(runtime, NetworkReadiness(), logs, clock)
    life = Life(
        runtime=runtime,
        records=records,
        logs=logs,
        probing=probing,
        watching=watching,
        clock=clock,
        place=Place(runtime.name, settings.node_name),
        looks_at_once=settings.probes_at_once,
        report=lambda allocation, error: log.error(
            "instance work failed", allocation=allocation, exc_info=error
        ),
    )
    known = Known(runtime, records, life, watching)
    instances = Instances(
        known=known, runtime=runtime, records=records, life=life, watching=watching
    )
    following = Following(
        known=known, runtime=runtime, records=records, life=life, watching=watching, clock=clock
    )
    volumes = Volumes(runtime.volumes, clock, measure_seconds=settings.volume_measure_seconds)
    node = Node(
        runtime,
        settings.node_name,
        settings.public_host,
        open_roster(runtime, settings, folder, clock),
        watching,
    )
    followers = Followers(clock)
    meter = open_meter(choice.runtime, settings, runtime, folder)
    exits.push_async_callback(meter.close)
    activity = ActivityWatch(instances.running, followers.last, meter, clock)
    return Work(instances, following, node, logs, volumes, activity, followers)


def journal_limits(settings: Settings) -> JournalLimits:
    """How much of logs is kept."""
    return JournalLimits(
        max_bytes=settings.journal_log_bytes,
        max_age=settings.journal_days * 86_400,
        total_bytes=settings.journal_total_bytes,
        segment_bytes=settings.journal_segment_bytes,
    )


def source_limits(settings: Settings) -> SourceLimits:
    """How logs are read."""
    return SourceLimits(
        max_line=settings.log_line_bytes,
        batch_bytes=settings.log_batch_bytes,
        batch_seconds=settings.log_batch_seconds,
        first_retry=settings.log_first_retry_seconds,
        last_retry=settings.log_last_retry_seconds,
    )


def log_limits(settings: Settings) -> LogLimits:
    """How logs are handed out; the lines of a page are the contract's."""
    return LogLimits(
        recent_bytes=settings.log_recent_bytes,
        read_bytes=settings.log_read_bytes,
        sweep_seconds=settings.journal_sweep_seconds,
        handed_entries=settings.log_handed_entries,
        probes=settings.log_probes,
    )


async def _runtime_in_words(node: Node) -> str:
    """What runs instances, for the person who starts the process."""
    try:
        capacity = await node.capacity()
    except EngineUnavailable:
        return f"{node.runtime_name}  (does not answer now; it is asked again and again)"
    return f"{node.runtime_name}  ({capacity.runtime_version})\n{_indented(capacity.isolation)}"


def _indented(text: str) -> str:
    """A text in lines under the notes of `allocctl up`."""
    return textwrap.fill(text, 90, initial_indent=" " * 16, subsequent_indent=" " * 16)


def open_roster(
    runtime: ContainerRuntime, settings: Settings, folder: Path, clock: Clock
) -> NodeRoster:
    """The nodes: this one, or those of the runtime's cluster."""
    if runtime.name == "swarm":
        from docker_svc.adapters.container_runtime.swarm import SwarmRuntime
        from docker_svc.adapters.node_roster.swarm import SwarmNodes

        assert isinstance(runtime, SwarmRuntime)
        return SwarmNodes(runtime.view, clock)
    return SingleNode(runtime, folder, settings.node_name, settings.public_host, clock)


def open_swarm(installation: str, settings: Settings) -> SwarmRuntime:
    """Opens the runtime of a Swarm."""
    from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy
    from docker_svc.adapters.container_runtime.swarm import SwarmRuntime
    from docker_svc.adapters.container_runtime.swarm_service import ServicePolicy

    return SwarmRuntime(
        ServicePolicy(
            ContainerPolicy(
                installation=installation,
                # Swarm publishes ports at every address of a node.
                bind_address="0.0.0.0",  # noqa: S104
                log_max_size=settings.container_log_size,
                log_max_files=settings.container_log_files,
            ),
            cpu_share=settings.swarm_cpu_share,
            memory_share=settings.swarm_memory_share,
            volume_driver=settings.swarm_volume_driver,
            volume_options=settings.swarm_volume_options,
        ),
        engines=settings.swarm_engines,
        network=settings.swarm_network,
        poll_seconds=settings.swarm_poll_seconds,
    )


def open_meter(
    runtime_name: str, settings: Settings, runtime: ContainerRuntime, folder: Path
) -> ActivityMeter:
    """Opens what counts the use of instances; the driver of another runtime is not imported."""
    match runtime_name:
        case "docker":
            from docker_svc.adapters.activity_meter.docker import DockerActivityMeter

            # With a host for probes this is not the engine's host, whose processes could be looked at.
            return DockerActivityMeter(looks_itself=not settings.probe_host)
        case "process":
            from docker_svc.adapters.activity_meter.process import ProcessActivityMeter

            return ProcessActivityMeter(folder.resolve() / "instances")
        case _:
            from docker_svc.adapters.activity_meter.samples import SampledActivityMeter

            return SampledActivityMeter(runtime)


async def open_runtime(
    choice: RuntimeChoice, settings: Settings, platform: Platform, folder: Path
) -> ContainerRuntime:
    """Opens the runtime that was chosen; the other one's driver is not imported."""
    if choice.runtime == "docker":
        from docker_svc.adapters.container_runtime.docker import DockerRuntime
        from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy

        return DockerRuntime(
            ContainerPolicy(
                installation=choice.installation,
                bind_address=settings.bind_address,
                log_max_size=settings.container_log_size,
                log_max_files=settings.container_log_files,
            ),
            settings.subnet_list(),
            probe_host=settings.probe_host,
        )
    if choice.runtime == "swarm":
        return open_swarm(choice.installation, settings)
    from docker_svc.adapters.container_runtime.process import (
        ProcessPolicy,
        open_process_runtime,
    )

    return await open_process_runtime(
        folder,
        ProcessPolicy(
            bind_address=settings.bind_address,
            log_max_bytes=settings.process_log_bytes,
            first_uid=settings.process_first_uid,
            nice=settings.process_nice,
            trusts_everyone=settings.trust_everyone,
        ),
        also_hidden=(platform.data_dir,),
    )
