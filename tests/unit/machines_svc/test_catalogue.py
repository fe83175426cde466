"""MachineService over real calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from allocator.machines.v1 import machine_facts_pb2, machine_pb2, machine_service_pb2
from google.protobuf.duration_pb2 import Duration

from chassis.bus.facts import decode
from chassis.faults import Fault, Unavailable
from chassis.identity import Caller

ADMIN = Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root")
PERSON = Caller(user="users/ada", verified=True, token="ada")
Machine = machine_pb2.Machine
Begin = Callable[..., Any]


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


async def test_a_new_machine_is_a_draft_of_its_maker(world: Any) -> None:
    made = await world.create(ports=[machine_pb2.Port(number=6379)])
    assert (made.name, made.state, made.version) == ("machines/redis", Machine.DRAFT, 1)
    assert made.publisher == "users/root"
    assert made.resource_class == "small"
    assert made.ports[0].protocol == machine_pb2.Port.TCP
    assert made.create_time == made.update_time
    assert made.uid
    assert made.etag
    assert await world.get() == made


async def test_everything_that_is_said_of_a_machine_is_kept(world: Any) -> None:
    said = {
        "description": "# words",
        "command": ["sh", "-c", "exec sleep 1"],
        "needs_image": True,
        "ports": [
            machine_pb2.Port(number=80, protocol="TCP", title="web", scheme="http"),
            machine_pb2.Port(number=53, protocol="UDP"),
        ],
        "variables": [
            machine_pb2.Variable(key="A", title="t", description="d", required=True),
            machine_pb2.Variable(key="B", default_value="x", choices=["x", "y"], pattern="[xy]"),
            machine_pb2.Variable(key="C", secret=True),
        ],
        "resource_class": "large",
        "probe": machine_pb2.Probe(
            http=machine_pb2.HttpProbe(port=80, path="/healthz"),
            timeout=Duration(seconds=5),
            liveness=machine_pb2.Liveness(restart=True, period=Duration(seconds=3), failures=2),
        ),
        "price_per_hour": machine_pb2.Money(currency_code="EUR", minor_units=12),
        "stock": 3,
        "labels": {"team": "lab"},
        "run_as": "1000:1000",
        "stop_grace": Duration(seconds=2, nanos=500_000_000),
        "stop_signal": machine_pb2.Machine.SIGQUIT,
        "restart_policy": machine_pb2.Machine.ALWAYS,
        "volumes": [
            machine_pb2.Volume(path="/data", size_mib=1024, title="all of it"),
            machine_pb2.Volume(path="/var/lib/x", size_mib=1),
        ],
    }
    await world.create(**said)
    kept = await world.get()
    for field, value in said.items():
        found = getattr(kept, field)
        assert (list(found) if isinstance(value, list) else found) == value, field


async def test_a_draft_is_seen_by_admins_and_peers_only(world: Any) -> None:
    await world.create()
    for caller in (Caller(), PERSON):
        with refused("MACHINE_NOT_FOUND"):
            await world.get(caller=caller)
        assert not (await world.listed(caller)).machines
    assert (await world.get(caller=ADMIN)).state == Machine.DRAFT
    assert (await world.get(caller=Caller(), service="broker")).state == Machine.DRAFT
    assert len((await world.listed(ADMIN)).machines) == 1
    # A peer that works for a person sees what the person may see.
    with refused("MACHINE_NOT_FOUND"):
        await world.get(caller=PERSON, service="allocation_svc")


async def test_a_retired_machine_is_read_by_name_and_not_listed(world: Any) -> None:
    await world.create()
    await world.publish()
    assert len((await world.listed(PERSON)).machines) == 1
    await world.retire()
    assert (await world.get(caller=PERSON)).state == Machine.RETIRED
    assert not (await world.listed(PERSON)).machines
    assert not (await world.listed(PERSON, filter="state = RETIRED")).machines
    assert len((await world.listed(ADMIN, filter="state = RETIRED")).machines) == 1


async def test_only_admins_decide_what_is_in_the_catalogue(world: Any) -> None:
    await world.create()
    service = machine_service_pb2
    requests = {
        "PublishMachine": service.PublishMachineRequest(name="machines/redis"),
        "RetireMachine": service.RetireMachineRequest(name="machines/redis"),
        "RejectMachine": service.RejectMachineRequest(name="machines/redis", rejection="no"),
    }
    for method, request in requests.items():
        with refused("TOKEN_MISSING"):
            await world.call(method, request)
        with refused("CALLER_NOT_ALLOWED"):
            await world.call(method, request, PERSON)
        with refused("TOKEN_MISSING"):
            await world.call(method, request, service="broker")


async def test_a_name_is_taken_once(world: Any) -> None:
    await world.create()
    with refused("MACHINE_EXISTS"):
        await world.create()


async def test_a_request_sent_twice_adds_one_machine(world: Any) -> None:
    request = machine_service_pb2.CreateMachineRequest(
        machine=Machine(title="t", image="i"), machine_id="a", request_id=str(uuid4())
    )
    first = await world.call("CreateMachine", request, ADMIN)
    assert await world.call("CreateMachine", request, ADMIN) == first
    request.machine.title = "other"
    with refused("REQUEST_ID_REUSED"):
        await world.call("CreateMachine", request, ADMIN)


async def test_an_update_changes_what_the_mask_names(world: Any) -> None:
    made = await world.create(description="kept", stock=1)
    changed = await world.update("title", "stock", title="New", description="not named")
    assert (changed.title, changed.stock, changed.description) == ("New", 0, "kept")
    assert changed.version == 2
    assert changed.etag != made.etag
    assert (changed.uid, changed.create_time) == (made.uid, made.create_time)


async def test_an_update_without_a_mask_changes_what_is_not_empty(world: Any) -> None:
    await world.create(description="kept", stock=1)
    changed = await world.update(title="New", state=Machine.ACTIVE)
    assert (changed.title, changed.stock, changed.description) == ("New", 1, "kept")
    assert changed.state == Machine.DRAFT


async def test_an_update_of_everything_replaces_everything(world: Any) -> None:
    await world.create(description="gone", stock=1, labels={"a": "b"}, resource_class="large")
    changed = await world.update("*", title="New", command=["x"])
    assert (changed.description, changed.image, changed.stock) == ("", "", 0)
    assert not changed.labels
    assert changed.resource_class == "small"


async def test_an_update_that_changes_nothing_is_no_change(world: Any) -> None:
    made = await world.create()
    assert await world.update("title", title="Redis") == made


async def test_an_update_from_an_older_version_is_refused(world: Any) -> None:
    made = await world.create()
    await world.update("title", title="New", etag=made.etag)
    for change in (
        world.update("title", title="Newer", etag=made.etag),
        world.publish(etag=made.etag),
    ):
        with refused("ETAG_STALE"):
            await change
    with refused("ETAG_STALE"):
        await world.update("title", title="Newer", etag="not one of ours")
    assert (await world.get()).title == "New"


async def test_updates_without_an_etag_are_all_applied(world: Any) -> None:
    await world.create()
    labels = [world.update("labels", labels={"a": str(i)}) for i in range(3)]
    await asyncio.gather(
        world.update("title", title="New"), world.update("stock", stock=9), *labels
    )
    kept = await world.get()
    assert (kept.title, kept.stock, kept.version) == ("New", 9, 6)


@pytest.mark.parametrize(
    ("paths", "parts", "reason", "field"),
    [
        (["title"], {"title": ""}, "REQUEST_INVALID", "machine.title"),
        (["stock"], {"stock": -1}, "REQUEST_INVALID", "machine.stock"),
        (["image"], {"image": "NOT VALID"}, "REQUEST_INVALID", "machine.image"),
        (["image"], {}, "REQUEST_INVALID", "machine.image"),
        (["state"], {"state": 2}, "FIELD_NOT_UPDATABLE", "update_mask"),
        (["name"], {}, "FIELD_NOT_UPDATABLE", "update_mask"),
        (["probe.timeout"], {}, "FIELD_NOT_UPDATABLE", "update_mask"),
        (["nonsense"], {}, "FIELD_NOT_UPDATABLE", "update_mask"),
        (
            ["variables"],
            {"variables": [machine_pb2.Variable(key="1")]},
            "REQUEST_INVALID",
            "machine.variables[0].key",
        ),
        (
            ["variables"],
            {"variables": [machine_pb2.Variable(key="A"), machine_pb2.Variable(key="PATH")]},
            "VARIABLE_INVALID",
            "machine.variables[1].key",
        ),
    ],
)
async def test_an_update_that_breaks_the_contract_names_the_field(
    world: Any, paths: list[str], parts: dict[str, Any], reason: str, field: str
) -> None:
    made = await world.create()
    with refused(reason) as caught:
        await world.update(*paths, **parts)
    assert [violation.field for violation in caught.value.fields] == [field]
    assert await world.get() == made


async def test_a_field_that_is_not_chosen_is_not_checked(world: Any) -> None:
    await world.create()
    assert (await world.update("stock", stock=1, image="NOT VALID")).stock == 1


async def test_publishing_twice_is_publishing_once(world: Any) -> None:
    await world.create()
    first = await world.publish()
    assert (first.state, first.version) == (Machine.ACTIVE, 2)
    assert await world.publish() == first


async def test_a_retired_machine_may_be_published_again(world: Any) -> None:
    await world.create()
    await world.publish()
    assert (await world.retire()).state == Machine.RETIRED
    with refused("MACHINE_NOT_ACTIVE"):
        await world.retire()
    assert (await world.publish()).state == Machine.ACTIVE


async def test_a_draft_cannot_be_retired(world: Any) -> None:
    await world.create()
    with refused("MACHINE_NOT_ACTIVE"):
        await world.retire()


async def test_a_machine_in_the_catalogue_is_not_deleted(world: Any) -> None:
    await world.create()
    await world.publish()
    with refused("MACHINE_ACTIVE"):
        await world.delete()
    retired = await world.retire()
    with refused("ETAG_STALE"):
        await world.delete(etag=(await world.create("other")).etag)
    await world.delete(etag=retired.etag)
    with refused("MACHINE_NOT_FOUND"):
        await world.get()


async def test_what_is_not_there_is_not_found(world: Any) -> None:
    for change in (
        world.get(),
        world.update("title", title="x"),
        world.publish(),
        world.retire(),
        world.delete(),
    ):
        with refused("MACHINE_NOT_FOUND"):
            await change


async def test_pages_lead_through_the_catalogue(world: Any) -> None:
    for i in range(5):
        await world.create(f"m{i}", title=f"T{4 - i}")
    names: list[str] = []
    token = ""
    while True:
        page = await world.listed(ADMIN, page_size=2, page_token=token, order_by="title desc")
        names += [m.name for m in page.machines]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"machines/m{i}" for i in range(5)]
    first = await world.listed(ADMIN, page_size=2)
    for other in ({"filter": 'title = "x"'}, {"order_by": "title desc"}, {"caller": PERSON}):
        caller = other.pop("caller", ADMIN)
        with refused("PAGE_TOKEN_INVALID"):
            await world.listed(caller, page_token=first.next_page_token, **other)


async def test_what_cannot_be_listed_by_is_refused(world: Any) -> None:
    with refused("FILTER_INVALID"):
        await world.listed(ADMIN, filter="description = x")
    with refused("FILTER_INVALID"):
        await world.listed(ADMIN, filter="state = SOLD")
    with refused("ORDER_INVALID"):
        await world.listed(ADMIN, order_by="uid")


async def test_each_change_is_published_as_a_fact(world: Any) -> None:
    world.begin("relay")
    await world.create()
    await world.update("title", title="New")
    published = await world.publish()
    await world.retire()
    await world.delete()
    facts = await world.records("allocator.machines.facts.v1", 5)
    assert [fact.headers["ce-type"].rpartition(".")[2] for fact in facts] == [
        "MachineCreated",
        "MachineUpdated",
        "MachinePublished",
        "MachineRetired",
        "MachineDeleted",
    ]
    assert [fact.headers["version"] for fact in facts] == ["1", "2", "3", "4", "5"]
    assert all(fact.headers["traceparent"] for fact in facts)
    fact = decode(facts[2], machine_facts_pb2.MachinePublished)
    assert fact is not None
    published.ClearField("availability")
    assert fact.machine == published
    states = await world.records("allocator.machines.state.v1", 1)
    assert states[-1].key == "machines/redis"


async def test_availability_follows_the_runtime(world: Any) -> None:
    for machine_id, parts in {
        "image": {"image": "i"},
        "command": {"image": "", "command": ["x"]},
        "both": {"image": "i", "command": ["x"]},
        "inside": {"image": "i", "command": ["x"], "needs_image": True},
    }.items():
        await world.create(machine_id, **parts)
    assert (await world.get("image")).availability == Machine.AVAILABILITY_UNSPECIFIED
    world.begin("runtime_view")
    await world.until_available("image", Machine.RUNNABLE)
    names = Machine.Availability.Name
    listed = (await world.listed(ADMIN)).machines
    assert {m.name.partition("/")[2]: names(m.availability) for m in listed} == {
        "image": "RUNNABLE",
        "command": "NEEDS_PROCESS_RUNTIME",
        "both": "RUNNABLE",
        "inside": "RUNNABLE",
    }


async def test_availability_where_only_commands_run(begin: Begin) -> None:
    world = await begin(starter_catalogue="false", runtime_refresh_seconds="0.01")
    await world.create("both", command=["x"])
    await world.create("inside", command=["x"], needs_image=True)
    world.engine.node.runs_images, world.engine.node.runs_commands = False, True
    world.begin("runtime_view")
    await world.until_available("both", Machine.RUNNABLE)
    assert (await world.get("inside")).availability == Machine.NEEDS_CONTAINER_RUNTIME
    world.engine.node.runs_images = True
    await world.until_available("inside", Machine.RUNNABLE)


async def test_a_silent_runtime_is_asked_again_and_delays_nothing(begin: Begin) -> None:
    world = await begin(starter_catalogue="false", runtime_retry_seconds="0.01")
    await world.create()
    world.engine.fault = Unavailable("The engine is away.", reason="ENGINE_UNAVAILABLE")
    world.begin("runtime_view")
    check = world.service.checks["docker_svc"]
    async with asyncio.timeout(20):
        while check() != "The engine is away.":
            assert (await world.get()).availability == Machine.AVAILABILITY_UNSPECIFIED
    world.engine.fault = None
    await world.until_available("redis", Machine.RUNNABLE)
    assert check() is None


async def test_the_image_of_a_published_machine_is_fetched(world: Any) -> None:
    world.begin("image_prefetch")
    world.engine.pulling["slow"] = asyncio.Event()
    for machine_id, image in (("a", "absent"), ("b", "slow"), ("c", "slow"), ("d", "redis:7")):
        await world.create(machine_id, image=image)
        await world.publish(machine_id)
    await world.create("e", image="", command=["x"])
    await world.publish("e")
    async with asyncio.timeout(20):
        assert await world.engine.pulled.get() == "absent"
        assert await world.engine.pulled.get() == "slow"
        world.engine.pulling["slow"].set()
        assert await world.engine.pulled.get() == "redis:7"
    assert world.engine.pulled.empty()


async def test_more_images_than_may_wait_are_not_fetched_ahead(begin: Begin) -> None:
    world = await begin(starter_catalogue="false", prefetch_queue="1")
    for i in range(3):
        await world.create(f"m{i}", image=f"image-{i}")
        assert (await world.publish(f"m{i}")).state == Machine.ACTIVE
    world.begin("image_prefetch")
    async with asyncio.timeout(20):
        assert await world.engine.pulled.get() == "image-0"
    await world.create("last", image="last")
    await world.publish("last")
    async with asyncio.timeout(20):
        assert await world.engine.pulled.get() == "last"


async def test_a_new_installation_begins_with_the_starter_catalogue_once(begin: Begin) -> None:
    world = await begin()
    names = [m.name for m in (await world.listed(PERSON, order_by="title")).machines]
    assert {"machines/http-files", "machines/ticker", "machines/echo", "machines/redis"} <= set(
        names
    )
    await world.retire("ticker")
    await world.delete("ticker")
    again = await begin()
    assert len((await again.listed(ADMIN)).machines) == len(names) - 1
