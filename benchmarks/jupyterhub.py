"""Renting, against JupyterHub with DockerSpawner that spawns the same image on the same engine.

Three times: by default, with every server on the engine's default bridge, where each reaches all others; as
in its reference deployment (jupyterhub-deploy-docker), on a network of its own, where the hub reaches them
without published ports; and on the network that ours are on, which keeps them apart as ours are. The engine
takes longer for any network but its default bridge, whoever asks it.

JupyterHub is no dependency of ours: where `ALLOCATOR_BENCH_JUPYTERHUB` does not name a Python that has it,
nothing is measured. `python3 -m venv hub && hub/bin/pip install jupyterhub dockerspawner` makes one.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiodocker
import httpx2
from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc

from benchmarks.creating import PORT, ROOM, Renting, config_of
from benchmarks.figures import Figure, percentile
from benchmarks.machines import publish
from benchmarks.running import Visitor, allocator, free_port

PAIRS = 20
MANY = 64
AT_ONCE = 16
ROUNDS = 2
PYTHON = "ALLOCATOR_BENCH_JUPYTERHUB"
NETWORK = "benchmark-jupyterhub"
PATIENCE = 60.0

# As its documentation says, but for the proxy in front: nobody opens what is spawned here.
CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    routes = {{}}
    async def start(self):
        pass
    async def stop(self):
        pass
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {{"routespec": routespec, "target": target, "data": data}}
    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
    async def get_all_routes(self):
        return dict(self.routes)

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = "http://127.0.0.1:{front}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": {patience}}}
c.JupyterHub.services = [{{"name": "benchmark", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "benchmark", "services": ["benchmark"], "scopes": ["admin:users", "admin:servers"],
}}]
c.Authenticator.allow_all = True
c.DockerSpawner.image = "{image}"
c.DockerSpawner.cmd = {command}
c.DockerSpawner.port = {inside}
c.DockerSpawner.host_ip = "127.0.0.1"
c.DockerSpawner.network_name = "{network}"
c.DockerSpawner.use_internal_ip = {internal}
c.DockerSpawner.remove = True
c.DockerSpawner.cpu_limit = {cpus}
c.DockerSpawner.mem_limit = {memory}
c.DockerSpawner.extra_host_config = {host}
"""
_SNAKE = {
    "Init": "init",
    "CapDrop": "cap_drop",
    "CapAdd": "cap_add",
    "SecurityOpt": "security_opt",
    "PidsLimit": "pids_limit",
    "MemorySwap": "memswap_limit",
}


def run() -> list[Figure]:
    python = os.environ.get(PYTHON, "")
    if not python:
        print(
            f"jupyterhub: not measured. Install it apart from the allocator, `python3 -m venv hub && "
            f"hub/bin/pip install jupyterhub dockerspawner`, and set {PYTHON}=hub/bin/python",
            file=sys.stderr,
        )
        return []
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(Path(scratch) / "data", runtime="docker", **ROOM) as running,
    ):
        publish(
            running,
            "httpd",
            image="busybox:latest",
            command=["httpd", "-f", "-p", str(PORT)],
            ports=[{"number": PORT}],
            resourceClass="small",
        )
        return asyncio.run(compare(running, python, Path(scratch)))


async def compare(running: Visitor, python: str, scratch: Path) -> list[Figure]:
    """Rents and spawns in turn, one at a time and several at a time."""
    token = running.person("jupyter@example.org")
    async with running.aio_channel() as channel, aiodocker.Docker() as engine:
        metadata = (("authorization", f"Bearer {token}"),)
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        renting = Renting(stub, metadata)
        await renting.one()
        listed = await stub.ListAllocations(
            allocation_service_pb2.ListAllocationsRequest(), metadata=metadata
        )
        config = await config_of(engine, listed.allocations[0].name)
        await renting.clear()
        figures = []
        own = await engine.networks.create({"Name": NETWORK, "Driver": "bridge"})
        try:
            ways = {
                "by default": ("bridge", False),
                "as in its reference deployment": (NETWORK, True),
                "kept apart": (config["HostConfig"]["NetworkMode"], False),
            }
            for where, (network, internal) in ways.items():
                with hub(python, scratch / where, config, network, internal) as (
                    address,
                    its_token,
                ):
                    figures += await against(renting, address, its_token, where)
        finally:
            await own.delete()
    return figures


async def against(renting: Renting, address: str, hub_token: str, where: str) -> list[Figure]:
    """Rents, and spawns with a hub, in turn.

    Args:
        renting: ours.
        address: of the hub.
        hub_token: for its API.
        where: how its servers are connected, for the names of the figures.
    """
    async with httpx2.AsyncClient(
        base_url=address,
        headers={"authorization": f"token {hub_token}"},
        timeout=PATIENCE,
        limits=httpx2.Limits(max_connections=AT_ONCE),
    ) as client:
        spawning = Spawning(client)
        await spawning.one()
        await spawning.clear()
        ours, yard = [], []
        for number in range(PAIRS):
            pair: list[tuple[list[float], Any]] = [(ours, renting), (yard, spawning)]
            for measured, work in pair if number % 2 else reversed(pair):
                measured.append(await work.one())
                await work.clear()
        rates = [(await rate(renting), await rate(spawning)) for _ in range(ROUNDS)]
    best, yard_best = (max(column) for column in zip(*rates, strict=True))
    yardstick = f"JupyterHub and DockerSpawner, {where}"
    return [
        Figure(
            "rent until READY, median",
            yardstick,
            median(ours) / median(yard),
            "< 1",
            "×",
            f"{median(ours) * 1000:.0f} against {median(yard) * 1000:.0f} ms",
        ),
        Figure(
            "rent until READY, p95",
            yardstick,
            percentile(ours, 0.95) / percentile(yard, 0.95),
            "< 1",
            "×",
            f"{percentile(ours, 0.95) * 1000:.0f} against {percentile(yard, 0.95) * 1000:.0f} ms",
        ),
        Figure(
            f"{MANY} rented, {AT_ONCE} at a time",
            yardstick,
            best / yard_best,
            "≥ 1",
            "×",
            f"{best:.2f}/s against {yard_best:.2f}/s",
        ),
    ]


async def rate(work: Any) -> float:
    """How many a second, several at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            await work.one()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(MANY)))
    took = time.perf_counter() - began
    await work.clear()
    return MANY / took


class Spawning:
    """The yardstick: a server for a person each, until the hub says that it answers."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.people = 0
        self.spawned: list[str] = []

    async def one(self) -> float:
        person = f"person{self.people}"
        self.people += 1
        made = await self.client.post(f"/hub/api/users/{person}")
        assert made.status_code == 201, made.text
        began = time.perf_counter()
        answer = await self.client.post(f"/hub/api/users/{person}/server")
        assert answer.status_code == 201, (answer.status_code, answer.text)
        took = time.perf_counter() - began
        self.spawned.append(person)
        return took

    async def clear(self) -> None:
        for person in self.spawned:
            answer = await self.client.delete(f"/hub/api/users/{person}/server")
            assert answer.status_code in (202, 204), answer.text
            async with asyncio.timeout(PATIENCE):
                while (await self.client.delete(f"/hub/api/users/{person}")).status_code == 400:
                    # It is still stopping.
                    await asyncio.sleep(0.1)
        self.spawned.clear()


@contextmanager
def hub(
    python: str, folder: Path, config: dict[str, Any], network: str, internal: bool
) -> Iterator[tuple[str, str]]:
    """Runs a hub; gives its address and a token for its API.

    Args:
        python: which has it.
        folder: of its own.
        config: of one of our containers, for its image and limits.
        network: of the engine, that its servers are on.
        internal: whether it reaches them there, and not at published ports.
    """
    token, port = secrets.token_hex(16), free_port()
    host = {
        name: config["HostConfig"][key]
        for key, name in _SNAKE.items()
        if config["HostConfig"][key] is not None
    }
    folder.mkdir()
    file = folder / "jupyterhub_config.py"
    file.write_text(
        CONFIG.format(
            token=token,
            port=port,
            front=free_port(),
            patience=PATIENCE,
            image=config["Image"],
            command=json.dumps(config["Cmd"]),
            inside=PORT,
            network=network,
            internal=internal,
            cpus=config["HostConfig"]["NanoCpus"] / 1e9,
            memory=config["HostConfig"]["Memory"],
            host=repr(host),
        )
    )
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [python, "-m", "jupyterhub", "-f", str(file)],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if httpx2.get(f"{address}/hub/api/").status_code == 200:
                    break
            except httpx2.TransportError:
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise AssertionError(f"no hub: {log.read()[-2000:]}") from None
            time.sleep(0.1)
        yield address, token
    except BaseException:
        log.seek(0)
        print(log.read()[-4000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()
