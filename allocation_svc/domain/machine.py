"""A machine of the catalogue, as far as renting it needs it."""

from __future__ import annotations

from dataclasses import dataclass

from allocation_svc.domain.allocation import Endpoint, Price, Protocol, VariableValue
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.instance import InstanceSpec, Limits, Node, PublishedPort, Volume


@dataclass(frozen=True, slots=True)
class MachinePort:
    """A port that a machine listens on."""

    number: int
    protocol: Protocol
    title: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a machine takes.

    Attributes:
        key: the name of the environment variable.
        required: whether there must be a value.
        default_value: the value where none is given; empty for none.
        secret: whether its value is kept sealed and never shown.
        choices: the values that it may have; empty for any.
        pattern: a regular expression that the whole value matches; empty for any. machines_svc
            accepts only those that Python's `re` reads as RE2 does, and that end in time.
        generated_length: how many letters and digits a value has that is made where none is given; 0
            where none is made.
    """

    key: str
    required: bool = False
    default_value: str = ""
    secret: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    generated_length: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How instances of an allocation are made: its machine when it was rented, kept with it.

    Attributes:
        image: the container image; empty where only a process can run it.
        command: the program and its arguments; empty for the image's own.
        limits: what an instance may use.
        tcp_port: of the readiness probe, container port; 0 for another check.
        http_port: of the readiness probe, container port; 0 for another check.
        http_path: of the readiness probe.
        log_pattern: of the readiness probe.
        probe_seconds: how long an instance may take to become ready.
        stop_grace_seconds: how long it may take to stop.
        run_as: the user inside its container.
        stop_signal: the name of the signal that asks it to end; empty for the usual one.
        volumes: the folders that an allocation keeps.
        liveness_seconds: how often its probe goes on once it is ready; 0 for not at all.
        liveness_failures: how often in a row it must not answer until it is UNHEALTHY.
    """

    image: str
    command: tuple[str, ...]
    limits: Limits
    tcp_port: int = 0
    http_port: int = 0
    http_path: str = ""
    log_pattern: str = ""
    probe_seconds: float = 60.0
    stop_grace_seconds: float = 10.0
    run_as: str = ""
    stop_signal: str = ""
    volumes: tuple[Volume, ...] = ()
    liveness_seconds: float = 0.0
    liveness_failures: int = 3

    def spec(
        self,
        node: Node,
        endpoints: tuple[Endpoint, ...],
        variables: tuple[VariableValue, ...],
        secrets: tuple[tuple[str, str], ...],
    ) -> InstanceSpec:
        """What the engine of the node is asked to make.

        `PORT` in the environment is where the program listens on its main port, and `PORT_<n>` where
        it listens on the machine's port n: inside a container the numbers are the machine's own, a
        process listens at the node's. They win over variables of these names.
        """
        in_container = node.runs_images and bool(self.image)
        environment = {value.key: value.value for value in variables if not value.secret}
        environment.update(secrets)
        for place, endpoint in enumerate(endpoints):
            listens = str(endpoint.container_port if in_container else endpoint.port)
            environment[f"PORT_{endpoint.container_port}"] = listens
            if place == 0:
                environment["PORT"] = listens
        return InstanceSpec(
            image=self.image if in_container else "",
            command=self.command,
            environment=tuple(environment.items()),
            ports=tuple(
                PublishedPort(endpoint.container_port, endpoint.port, endpoint.protocol)
                for endpoint in endpoints
            ),
            limits=self.limits,
            tcp_port=self.tcp_port,
            http_port=self.http_port,
            http_path=self.http_path,
            log_pattern=self.log_pattern,
            probe_seconds=self.probe_seconds,
            stop_grace_seconds=self.stop_grace_seconds,
            run_as=self.run_as,
            stop_signal=self.stop_signal,
            volumes=self.volumes,
            liveness_seconds=self.liveness_seconds,
            liveness_failures=self.liveness_failures,
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the catalogue.

    Attributes:
        name: `machines/{machine}`.
        title: what people read first.
        version: counts its changes.
        active: whether it is in the catalogue.
        image: the container image; empty where only a process can run it.
        command: the program and its arguments.
        needs_image: whether the program of the command comes with the image.
        ports: that it listens on; the main one first.
        variables: that it takes.
        resource_class: how much of the host it may use; empty for the default one.
        stock: how many may be allocated at once; 0 for no limit.
        tcp_port: of its probe: the port that accepts connections; 0 for another check.
        http_port: of its probe: the port of the HTTP GET; 0 for another check.
        http_path: of its probe.
        log_pattern: of its probe.
        probe_seconds: how long it may take to become ready.
        stop_grace_seconds: how long it may take to stop.
        run_as: the user inside its container.
        stop_signal: the name of the signal that asks it to end; empty for the usual one.
        volumes: the folders that an allocation keeps.
        price: what an hour in READY costs; None for nothing.
        liveness_seconds: how often its probe goes on once it is ready; 0 for not at all.
        liveness_failures: how often in a row it must not answer until it is UNHEALTHY.
        restart_policy: what becomes of a program that ends by itself.
        restart_unhealthy: whether one that does not answer any more is restarted.
        publisher: whose it is: `users/{user}`; empty where it is nobody's.
    """

    name: str
    title: str
    version: int
    active: bool
    image: str = ""
    command: tuple[str, ...] = ()
    needs_image: bool = False
    ports: tuple[MachinePort, ...] = ()
    variables: tuple[Variable, ...] = ()
    resource_class: str = ""
    stock: int = 0
    tcp_port: int = 0
    http_port: int = 0
    http_path: str = ""
    log_pattern: str = ""
    probe_seconds: float = 60.0
    stop_grace_seconds: float = 10.0
    run_as: str = ""
    stop_signal: str = ""
    volumes: tuple[Volume, ...] = ()
    liveness_seconds: float = 0.0
    liveness_failures: int = 3
    restart_policy: RestartPolicy = RestartPolicy.NEVER
    restart_unhealthy: bool = False
    publisher: str = ""
    price: Price | None = None

    def runs_on(self, node: Node) -> bool:
        """Whether the node's runtime can run it."""
        if self.image and node.runs_images:
            return True
        return bool(self.command) and not self.needs_image and node.runs_commands

    def plan(self, limits: Limits) -> Plan:
        """How instances of an allocation of it are made."""
        return Plan(
            image=self.image,
            command=self.command,
            limits=limits,
            tcp_port=self.tcp_port,
            http_port=self.http_port,
            http_path=self.http_path,
            log_pattern=self.log_pattern,
            probe_seconds=self.probe_seconds,
            stop_grace_seconds=self.stop_grace_seconds,
            run_as=self.run_as,
            stop_signal=self.stop_signal,
            volumes=self.volumes,
            liveness_seconds=self.liveness_seconds,
            liveness_failures=self.liveness_failures,
        )
