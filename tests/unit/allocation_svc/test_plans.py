"""What the engine is asked to make, and where."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from allocator.machines.v1 import machine_pb2
from google.protobuf.duration_pb2 import Duration

from allocation_svc.adapters.allocation_store.document import plan_document, plan_of
from allocation_svc.adapters.catalogue.grpc import machine_of
from allocation_svc.domain.allocation import Endpoint, Protocol, VariableValue
from allocation_svc.domain.instance import Limits, Node, PublishedPort, Volume
from allocation_svc.domain.machine import Machine

CONTAINERS = Node(
    "here", "docker", "127.0.0.1", runs_images=True, runs_commands=False, admins_only=False
)
PROCESSES = Node(
    "here", "process", "127.0.0.1", runs_images=False, runs_commands=True, admins_only=False
)
LIMITS = Limits(500, 1 << 29, 128)
MACHINE = Machine(
    "machines/echo",
    "Echo",
    1,
    active=True,
    image="python:3.11-slim",
    command=("python3", "-c", "x"),
)
ENDPOINTS = (
    Endpoint("127.0.0.1", 20001, Protocol.TCP, 8080),
    Endpoint("127.0.0.1", 20002, Protocol.UDP, 53),
)


def test_a_program_in_a_container_listens_at_the_machines_own_ports() -> None:
    spec = MACHINE.plan(LIMITS).spec(CONTAINERS, ENDPOINTS, (), ())
    assert dict(spec.environment) == {"PORT": "8080", "PORT_8080": "8080", "PORT_53": "53"}
    assert spec.image == "python:3.11-slim"
    assert spec.ports == (
        PublishedPort(8080, 20001, Protocol.TCP),
        PublishedPort(53, 20002, Protocol.UDP),
    )


def test_a_process_listens_at_the_nodes_ports() -> None:
    spec = MACHINE.plan(LIMITS).spec(PROCESSES, ENDPOINTS, (), ())
    assert dict(spec.environment) == {"PORT": "20001", "PORT_8080": "20001", "PORT_53": "20002"}
    assert spec.image == ""
    assert spec.command == MACHINE.command


def test_the_environment_has_every_value_and_secret_and_shows_none() -> None:
    spec = MACHINE.plan(LIMITS).spec(
        CONTAINERS,
        ENDPOINTS,
        (VariableValue("LEVEL", "info"), VariableValue("TOKEN", "", True)),
        (("TOKEN", "hush"), ("PORT", "1")),
    )
    environment = dict(spec.environment)
    assert environment["LEVEL"] == "info"
    assert environment["TOKEN"] == "hush"
    assert environment["PORT"] == "8080", "what the allocator says wins"
    assert "hush" not in repr(spec)


def test_a_machine_runs_where_its_image_or_its_command_does() -> None:
    command_only = replace(MACHINE, image="")
    image_only = replace(MACHINE, command=())
    needs_image = replace(MACHINE, needs_image=True)
    for machine, containers, processes in (
        (MACHINE, True, True),
        (command_only, False, True),
        (image_only, True, False),
        (needs_image, True, False),
    ):
        assert (machine.runs_on(CONTAINERS), machine.runs_on(PROCESSES)) == (
            containers,
            processes,
        )


@pytest.mark.parametrize("name", ["", "SIGTERM", "SIGINT", "SIGUSR2"])
def test_a_program_is_asked_to_end_as_its_machine_says(name: str) -> None:
    message = machine_pb2.Machine(name="machines/a", command=["a"], stop_signal=name or 0)
    plan = machine_of(message).plan(LIMITS)
    kept = plan_of(orjson.loads(orjson.dumps(plan_document(plan))))
    assert kept == plan
    assert kept.spec(PROCESSES, (), (), ()).stop_signal == name


def test_an_instance_has_the_volumes_of_its_machine_in_their_order() -> None:
    volumes = [machine_pb2.Volume(path=path, size_mib=9) for path in ("/b", "/a")]
    message = machine_pb2.Machine(name="machines/a", command=["a"], volumes=volumes)
    plan = machine_of(message).plan(LIMITS)
    kept = plan_of(orjson.loads(orjson.dumps(plan_document(plan))))
    assert kept == plan
    assert kept.spec(PROCESSES, (), (), ()).volumes == (Volume("/b", 9), Volume("/a", 9))


LOG = machine_pb2.LogProbe(pattern="tick")
HEARTBEAT = machine_pb2.Liveness(restart=True, period=Duration(seconds=3), failures=2)


@pytest.mark.parametrize(
    ("probe", "seconds", "failures"),
    [
        (machine_pb2.Probe(), 10, 3),
        (machine_pb2.Probe(liveness=HEARTBEAT), 3, 2),
        (machine_pb2.Probe(liveness=machine_pb2.Liveness(failures=9)), 10, 9),
        (machine_pb2.Probe(log=LOG), 0, 3),
        (machine_pb2.Probe(log=LOG, liveness=HEARTBEAT), 3, 2),
    ],
    ids=["default", "all", "failures", "log", "heartbeat"],
)
def test_a_probe_goes_on_as_its_machine_says(
    probe: machine_pb2.Probe, seconds: float, failures: int
) -> None:
    machine = machine_of(machine_pb2.Machine(name="machines/a", command=["a"], probe=probe))
    plan = machine.plan(LIMITS)
    kept = plan_of(orjson.loads(orjson.dumps(plan_document(plan))))
    assert kept == plan
    spec = kept.spec(PROCESSES, (), (), ())
    assert (spec.liveness_seconds, spec.liveness_failures) == (seconds, failures)
    assert machine.restart_unhealthy is probe.liveness.restart


@pytest.mark.parametrize("policy", ["NEVER", "ON_FAILURE", "ALWAYS"])
def test_what_becomes_of_a_program_is_its_machines_to_say(policy: str) -> None:
    said = machine_pb2.Machine(
        name="machines/a",
        command=["a"],
        restart_policy=machine_pb2.Machine.RestartPolicy.Value(policy),
    )
    assert machine_of(said).restart_policy.value == policy
    assert machine_of(machine_pb2.Machine(command=["a"])).restart_policy.value == "NEVER"


def test_a_plan_from_before_signals_volumes_and_liveness_is_read() -> None:
    plan = MACHINE.plan(LIMITS)
    document = plan_document(plan)
    for later in ("stop_signal", "volumes", "liveness_seconds", "liveness_failures"):
        del document[later]
    assert plan_of(document) == plan
