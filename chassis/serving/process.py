"""One process and the services in it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from starlette.types import ASGIApp

from chassis.bus import open_bus
from chassis.clock import SystemClock
from chassis.identity import (
    CLOCK_SKEW_SECONDS,
    Certificates,
    CertificatesUnusable,
    SecretUnusable,
    ServiceTokens,
    Trust,
    Vault,
    kept_secrets,
)
from chassis.leading.servicer import ReplicaServicer
from chassis.rest import rest_app
from chassis.rest.openapi import document_bytes
from chassis.rpc import Chain, ContractBroken
from chassis.rpc.addresses import networks
from chassis.rpc.server import RpcServer
from chassis.serving.data_folder import DataFolder, DataFolderBusy
from chassis.serving.platform import Platform, Shared
from chassis.serving.service import Service, Task
from chassis.serving.trusting import trust_tasks
from chassis.serving.web import HttpServer, bound_socket, console_routes, http_server, life_routes
from chassis.settings import (
    LoadedSettings,
    ProcessSettings,
    SettingsInvalid,
    load_settings,
    read_settings_file,
)
from chassis.starting import started
from chassis.telemetry import TASKS_RUNNING, configure_logs, log

Compose = Callable[[Platform], Awaitable[Service]]
REPLICAS = "allocator.replicas.v1.ReplicaService"
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]", "::1")
_GOODBYE_SECONDS = 0.2
_FIRST_TRUST_SECONDS = 15.0
_FIRST_TAKE_OVER_SECONDS = 5.0


class AddressUnusable(Exception):
    """What is to be served cannot be served at its address; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """What can be said of a process that is ready.

    Attributes:
        http: where it serves HTTP, `127.0.0.1:8080`.
        grpc: where it serves public gRPC.
        services: what it runs.
        settings: its settings.
    """

    http: str
    grpc: str
    services: Mapping[str, Service]
    settings: LoadedSettings


@dataclass(frozen=True, slots=True)
class Servers:
    """What listens: gRPC for our own services, gRPC for everybody, HTTP at its socket."""

    internal: RpcServer
    public: RpcServer
    http: HttpServer
    listening: socket.socket


class Process:
    """Runs services in one process from start to end."""

    def __init__(
        self,
        composers: Sequence[Compose],
        settings: LoadedSettings,
        on_ready: Callable[[Running], None] | None = None,
    ) -> None:
        """Prepares a process; `run` does everything.

        Args:
            composers: `compose` of each service.
            settings: of all of them.
            on_ready: called once, when calls can come.
        """
        self._composers = composers
        self._settings = settings
        self._process = settings.of(ProcessSettings)
        self._on_ready = on_ready
        self._ready = False
        self._active: list[str] = [REPLICAS]
        self._advertised = self._process.advertised_address
        self._log = log("chassis.serving")

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set or a task fails, then drains and closes everything.

        Raises:
            AddressUnusable: something else listens where it is to listen.
            CertificatesUnusable: they cannot be used, or are another service's.
            DataFolderBusy: another process holds the data folder.
            ExceptionGroup: a task of a service has failed; it is the reason.
        """
        async with AsyncExitStack() as exits:
            folder = exits.enter_context(DataFolder(self._process.data_dir))
            shared = await self._shared(exits, folder)
            services = [await self._compose(compose, shared) for compose in self._composers]
            servicers = {n: s for service in services for n, s in service.servicers.items()}
            servicers[REPLICAS] = ReplicaServicer(shared.leaderships)
            chain = Chain(servicers, shared.trust)
            internal = RpcServer(
                chain,
                address=shared.internal_target,
                internal=True,
                max_request_bytes=self._process.max_body_bytes,
            )
            with _listening_on(self._process.grpc_address, "ALLOCATOR_GRPC_ADDRESS"):
                public = RpcServer(
                    chain,
                    address=self._process.grpc_address,
                    # With TLS, the caller's certificate selects what it may call.
                    internal=shared.certificates is not None,
                    max_request_bytes=self._process.max_body_bytes,
                    certificates=shared.certificates,
                    trusted_proxies=networks(_names(self._process.trusted_proxies)),
                )
            with _listening_on(self._process.http_address, "ALLOCATOR_HTTP_ADDRESS"):
                listening = bound_socket(self._process.http_address)
            exits.callback(listening.close)
            http = http_server(
                self._app(chain, services, shared.certificates),
                self._process.drain_seconds,
                self._process.head_seconds,
                shared.certificates,
            )
            host = self._process.http_address.rpartition(":")[0]
            http_at = f"{host}:{listening.getsockname()[1]}"
            grpc_at = f"{self._process.grpc_address.rpartition(':')[0]}:{public.port}"
            self._advertised = self._advertised or f"{socket.gethostname()}:{public.port}"

            await internal.start()
            await public.start()
            running = Running(http_at, grpc_at, {s.name: s for s in services}, self._settings)
            folder.say(pid=os.getpid(), http=http_at, grpc=grpc_at)
            await self._serve(running, shared, Servers(internal, public, http, listening), stop)
        self._log.info("process ended")

    async def _serve(
        self,
        running: Running,
        shared: Shared,
        servers: Servers,
        stop: asyncio.Event,
    ) -> None:
        """Runs everything that runs until the stop, then drains."""
        try:
            async with asyncio.TaskGroup() as group:
                web = group.create_task(servers.http.serve([servers.listening]), name="http")
                trust = trust_tasks(Platform(_service_of(self._composers[0]), shared), shared)
                tasks = [group.create_task(_owned(one), name=one.name) for one in trust]
                places = [asyncio.Event() for _ in running.services]
                beginning = [
                    group.create_task(self._begin(service, place, servers, group, tasks))
                    for service, place in zip(running.services.values(), places, strict=True)
                ]
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FIRST_TAKE_OVER_SECONDS):
                        for place in places:
                            await place.wait()
                await self._announce(running, shared, servers)
                waiting = group.create_task(stop.wait(), name="stop")
                await asyncio.wait({waiting, web}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                await self._drain(shared, servers)
                await web
                for task in (*beginning, *tasks):
                    task.cancel()
                # After the public side, whose last calls still call here.
                await servers.internal.stop(1.0)
        finally:
            await servers.public.stop(0)
            await servers.internal.stop(0)

    async def _begin(
        self,
        service: Service,
        place: asyncio.Event,
        servers: Servers,
        group: asyncio.TaskGroup,
        tasks: list[asyncio.Task[None]],
    ) -> None:
        """Begins what a service does by itself, once it has what one replica at a time may hold.

        `place` is set once this replica is as ready as it can be: it works, or stands by.
        """
        if service.take_over is not None:
            await service.take_over(place)
            self._log.info("taken over", service=service.name)
        tasks += [group.create_task(_owned(task), name=task.name) for task in service.tasks]
        self._active += [service.name, *service.servicers]
        await servers.internal.set_ready(self._active)
        if self._ready:
            await servers.public.set_ready(self._active)
        place.set()

    async def _drain(self, shared: Shared, servers: Servers) -> None:
        """Lets no new call in, and those that are in go on for the grace."""
        self._log.info("draining")
        self._ready = False
        # The services of this process go on calling each other until the last call has ended.
        await servers.public.set_ready(())
        shared.draining.set()
        # Consoles and streams say goodbye before HTTP closes their sockets.
        await asyncio.sleep(_GOODBYE_SECONDS)
        servers.http.should_exit = True
        await servers.public.stop(self._process.drain_seconds)

    async def _announce(self, running: Running, shared: Shared, servers: Servers) -> None:
        """Says that calls can come, once they can."""
        while not servers.http.started:
            if servers.http.should_exit:
                raise RuntimeError("HTTP could not be served")
            await asyncio.sleep(0.005)
        if not await shared.trust.known(_FIRST_TRUST_SECONDS):
            # Open methods are served all the same; others say TRUST_STALE until it is known.
            self._log.warning("source of trust is away")
        await servers.public.set_ready(self._active)
        started()
        self._ready = True
        self._log.info("ready", http=running.http, grpc=running.grpc)
        if self._on_ready is not None:
            self._on_ready(running)

    async def _shared(self, exits: AsyncExitStack, folder: DataFolder) -> Shared:
        settings = self._process
        certificates = Certificates(settings.tls_dir) if settings.tls_dir is not None else None
        runs = {_service_of(compose) for compose in self._composers}
        if certificates is not None and runs != {certificates.service}:
            raise CertificatesUnusable(
                f"The certificate in {settings.tls_dir} is {certificates.service}'s, and this process "
                f"runs {', '.join(sorted(runs))}; each service has a folder and a process of its own."
            )
        clock = SystemClock()
        keys = settings.data_dir / "keys"
        tokens = ServiceTokens(
            *kept_secrets(settings.service_secret.get_secret_value(), keys / "service.secret")
        )
        bus = await open_bus(
            settings.bus_url.get_secret_value()
            or f"sqlite:///{(settings.data_dir / 'bus.sqlite3').resolve()}",
            clock,
            retention=timedelta(days=settings.bus_retention_days),
        )
        exits.push_async_callback(bus.close)
        return Shared(
            settings=self._settings,
            clock=clock,
            exits=exits,
            bus=bus,
            # Tokens that are made in this process are made by its clock.
            trust=Trust(tokens, leeway=0.0 if "user_svc" in runs else CLOCK_SKEW_SECONDS),
            service_tokens=tokens,
            certificates=certificates,
            vault=Vault(*kept_secrets(settings.vault_key.get_secret_value(), keys / "vault.key")),
            draining=asyncio.Event(),
            advertised=lambda: self._advertised,
            here=frozenset(_service_of(compose) for compose in self._composers),
            internal_target=f"unix:{folder.make_sockets_folder()}/internal.sock",
        )

    async def _compose(self, compose: Compose, shared: Shared) -> Service:
        return await compose(Platform(_service_of(compose), shared))

    def _app(
        self, chain: Chain, services: Sequence[Service], certificates: Certificates | None
    ) -> ASGIApp:
        routes = [
            *(route for service in services for route in service.routes),
            *life_routes(services, lambda: self._ready, certificates),
            *console_routes(self._process.web_dir),
        ]
        return rest_app(
            chain,
            extra_routes=routes,
            openapi=lambda: document_bytes(
                chain.methods(), title="The allocator", version=version("allocator")
            ),
            allowed_hosts=_allowed_hosts(self._process),
            trusted_proxies=_names(self._process.trusted_proxies),
            max_body_bytes=self._process.max_body_bytes,
        )


@contextmanager
def _listening_on(address: str, setting: str) -> Iterator[None]:
    """Says which address cannot be listened on, and how to choose another one."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "something else may listen there"
        raise AddressUnusable(
            f"Nothing can be served at {address}: {why}. End what has the address, or choose another "
            f"one with {setting}=host:port."
        ) from None


def _service_of(compose: Compose) -> str:
    """The name of the service that a function composes: that of its package."""
    return compose.__module__.partition(".")[0]


async def _owned(task: Task) -> None:
    """Runs a task; that it ends by itself is as wrong as that it fails."""
    running = TASKS_RUNNING.labels(task.name)
    running.inc()
    try:
        await task.run()
    finally:
        running.dec()
    raise RuntimeError(f"the task {task.name} has ended by itself")


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _allowed_hosts(process: ProcessSettings) -> frozenset[str] | None:
    if process.allowed_hosts:
        return _names(process.allowed_hosts)
    if process.tls_dir is not None:
        # Who has no certificate does not get as far.
        return None
    host = process.http_address.rpartition(":")[0]
    return frozenset(_LOOPBACK_HOSTS) if host in _LOOPBACK_HOSTS else None


def run_process(
    composers: Sequence[Compose],
    *,
    arguments: Sequence[str] | None = None,
    defaults: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
    on_ready: Callable[[Running], None] | None = None,
) -> None:
    """Runs services until SIGTERM or SIGINT, then exits with 0; 1 when something failed.

    Args:
        composers: `compose` of each service.
        arguments: of the command line; the process's own by default.
        defaults: makes, of what is set, settings for what is left open.
        on_ready: called once, when calls can come.
    """
    options = argparse.ArgumentParser(description="Runs services of the allocator.")
    options.add_argument("--settings", type=Path, help="a file of NAME=value lines")
    options.add_argument("--check-config", action="store_true", help="read the settings, then end")
    options.add_argument("--print-config", action="store_true", help="show the settings, then end")
    chosen = options.parse_args(arguments)
    try:
        from_file = read_settings_file(chosen.settings) if chosen.settings else {}
        given = {**from_file, **os.environ}
        settings = load_settings({**(defaults(given) if defaults else {}), **given})
    except SettingsInvalid as error:
        sys.exit(f"The settings cannot be used:\n{error}")
    if chosen.print_config:
        sys.stdout.writelines(f"{name}={value}\n" for name, value in settings.shown().items())
    if chosen.print_config or chosen.check_config:
        return
    process = settings.of(ProcessSettings)
    configure_logs(process.log_level, Path(process.log_file) if process.log_file else None)
    try:
        asyncio.run(_until_signalled(Process(composers, settings, on_ready)))
    except (
        AddressUnusable,
        CertificatesUnusable,
        ContractBroken,
        DataFolderBusy,
        SecretUnusable,
    ) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"The process cannot start: {error}")
    except BaseExceptionGroup as group:
        for failure in group.exceptions:
            log("chassis.serving").error("process failed", exc_info=failure)
        sys.exit(f"The process has failed: {group.exceptions[0]!r}")


async def _until_signalled(process: Process) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await process.run(stop)
