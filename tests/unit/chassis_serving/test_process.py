"""The life of a process, with a service of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import sys
from pathlib import Path

import grpc
import httpx2
import pytest
from allocator.access.v1 import trust_service_pb2
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from allocctl.authority import Authority
from chassis.identity import Certificates, CertificatesUnusable
from chassis.probe import DEFAULT_ADDRESS
from chassis.serving import Platform, Process, Service, Task
from chassis.serving.data_folder import DataFolder, DataFolderBusy
from chassis.serving.process import Running
from chassis.settings import ProcessSettings, load_settings


class Trust:
    """Sends one sign of life, then waits for the drain."""

    def __init__(self, draining: asyncio.Event) -> None:
        self.draining = draining

    async def WatchTrust(self, request, call):
        yield trust_service_pb2.TrustUpdate()
        await self.draining.wait()

    async def NoteAccessTokenUse(self, request, call):
        return Empty()


class World:
    """A process in this one, and what its service went through."""

    def __init__(self, folder: Path, **settings: str) -> None:
        environment = {
            "ALLOCATOR_DATA_DIR": str(folder),
            "ALLOCATOR_HTTP_ADDRESS": "127.0.0.1:0",
            "ALLOCATOR_GRPC_ADDRESS": "127.0.0.1:0",
            "ALLOCATOR_DRAIN_SECONDS": "2",
            "ALLOCATOR_WEB_DIR": str(folder / "web"),
            **settings,
        }
        self.settings = load_settings(environment, [ProcessSettings])
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.running: Running | None = None
        self.seen: list[str] = []
        self.let_go = asyncio.Event()
        self.asked = asyncio.Event()
        self.failing: Exception | None = None

    async def compose(self, platform: Platform) -> Service:
        platform.exits.callback(self.seen.append, "closed")

        async def slow(_request):
            self.asked.set()
            await self.let_go.wait()
            self.seen.append("answered")
            return PlainTextResponse("done")

        async def whose(request):
            return PlainTextResponse(request.scope["state"]["certificate"])

        async def work() -> None:
            self.seen.append("working")
            if self.failing is not None:
                raise self.failing
            try:
                await asyncio.Event().wait()
            finally:
                self.seen.append("work ended")

        return Service(
            name="tests",
            servicers={"allocator.access.v1.TrustService": Trust(platform.draining)},
            routes=[Route("/slow", slow), Route("/whose", whose)],
            tasks=[Task("tests.work", work)],
            checks={"store": lambda: "is away"},
        )

    def on_ready(self, running: Running) -> None:
        self.running = running
        self.ready.set()

    async def run(self) -> None:
        async def compose(platform: Platform) -> Service:
            return await self.compose(platform)

        # The package of the function is the name of the service: one that may watch trust.
        compose.__module__ = "user_svc.composition"
        await Process([compose], self.settings, self.on_ready).run(self.stop)

    async def until_ready(self, process: asyncio.Task[None]) -> Running:
        waiting = asyncio.ensure_future(self.ready.wait())
        await asyncio.wait({waiting, process}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        waiting.cancel()
        if process.done():
            process.result()
        assert self.running is not None
        return self.running


async def test_a_process_serves_drains_and_closes(tmp_path: Path) -> None:
    world = World(tmp_path)
    process = asyncio.create_task(world.run())
    running = await world.until_ready(process)
    async with httpx2.AsyncClient(base_url=f"http://{running.http}", trust_env=False) as client:
        assert (await client.get("/livez")).text == "ok\n"
        ready = await client.get("/readyz")
        assert ready.json() == {"ready": True, "degraded": {"user_svc.store": "is away"}} or (
            ready.json()["degraded"] == {"tests.store": "is away"}
        )
        assert "allocator_tasks_running" in (await client.get("/metrics")).text
        slow = asyncio.create_task(client.get("/slow"))
        await world.asked.wait()
        world.stop.set()
        world.let_go.set()
        assert (await slow).text == "done"
    async with asyncio.timeout(20):
        await process
    assert world.seen == ["working", "answered", "work ended", "closed"]


async def test_health_follows_the_life_of_the_process(tmp_path: Path) -> None:
    world = World(tmp_path)
    process = asyncio.create_task(world.run())
    running = await world.until_ready(process)
    async with grpc.aio.insecure_channel(running.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    world.stop.set()
    async with asyncio.timeout(20):
        await process


async def test_a_task_that_fails_stops_the_process_and_is_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.failing = RuntimeError("broken")
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="broken")):
        async with asyncio.timeout(20):
            await world.run()
    assert world.seen[-1] == "closed"


async def test_a_data_folder_has_one_holder_who_is_named(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as held:
        held.say(pid=4711, http="127.0.0.1:8080")
        assert json.loads((tmp_path / "data" / "run.json").read_text())["pid"] == 4711
        with pytest.raises(DataFolderBusy, match=r"process 4711, which serves http://127\.0\.0\.1"):
            DataFolder(tmp_path / "data")
    with DataFolder(tmp_path / "data"):
        pass


def test_a_data_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderBusy, match="cannot be used"):
        DataFolder(tmp_path / "file" / "data")


async def test_the_console_is_served_with_one_page_for_every_path(tmp_path: Path) -> None:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>page</title>")
    (web / "assets" / "a.js").write_text("1")
    (tmp_path / "secret").write_text("hidden")
    world = World(tmp_path / "data", ALLOCATOR_WEB_DIR=str(web))
    process = asyncio.create_task(world.run())
    running = await world.until_ready(process)
    async with httpx2.AsyncClient(base_url=f"http://{running.http}", trust_env=False) as client:
        assert "page" in (await client.get("/")).text
        assert "page" in (await client.get("/allocations/abcd")).text
        asset = await client.get("/assets/a.js")
        assert "immutable" in asset.headers["cache-control"]
        for path in ("/assets/none.js", "/v1/nothing"):
            assert (await client.get(path)).status_code == 404
        for path in ("/..%2fsecret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret"):
            assert "hidden" not in (await client.get(path)).text
    world.stop.set()
    async with asyncio.timeout(20):
        await process


def shown(folder: Path) -> ssl.SSLContext:
    """For a client that shows the certificate in a folder, of whom it trusts there too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def ends_of(folder: Path) -> float:
    """When the certificate in a folder ends, in seconds since 1970."""
    return Certificates(folder).current().ends.timestamp()


async def serial_at(http: str, context: ssl.SSLContext) -> bytes:
    """The certificate that whoever connects now is shown."""
    host, _, port = http.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return bytes(found)


async def probed(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """How the health check of a container ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chassis.probe",
        *arguments,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_health_check_waits_for_a_process_that_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    environment = {"ALLOCATOR_HTTP_ADDRESS": address}
    code, said = await probed(environment, "--within", "1")
    assert (code, "does not answer" in said) == (1, True)
    asking = asyncio.create_task(probed(environment, "--within", "15"))
    await asyncio.sleep(1)
    assert not asking.done()
    world = World(tmp_path / "data", **environment)
    process = asyncio.create_task(world.run())
    await world.until_ready(process)
    assert await asking == (0, "")
    world.stop.set()
    async with asyncio.timeout(20):
        await process


async def test_with_a_certificate_everybody_must_show_one(tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    Authority(tls).init(["localhost"])
    own = tls / "user_svc"
    world = World(tmp_path / "data", ALLOCATOR_TLS_DIR=str(own))
    process = asyncio.create_task(world.run())
    running = await world.until_ready(process)
    at = f"https://{running.http}"

    async with httpx2.AsyncClient(verify=shown(tls / "edge"), trust_env=False) as edge:
        assert (await edge.get(f"{at}/livez")).text == "ok\n"
        assert "certificate" not in (await edge.get(f"{at}/readyz")).json()["degraded"]
        metrics = (await edge.get(f"{at}/metrics")).text
        (line,) = [one for one in metrics.splitlines() if one.startswith("allocator_certificate_")]
        assert float(line.split()[1]) == ends_of(own)
        assert (await edge.get(f"{at}/whose")).text == "edge"
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(own / "ca.pem")
    async with httpx2.AsyncClient(verify=bare, trust_env=False) as stranger:
        with pytest.raises(httpx2.HTTPError):
            await stranger.get(f"{at}/livez")

    # gRPC: one listener for all, and the socket for calls to oneself goes on.
    credentials = grpc.ssl_channel_credentials(
        *((tls / "edge" / name).read_bytes() for name in ("ca.pem", "key.pem", "cert.pem"))
    )
    named = (("grpc.ssl_target_name_override", "user_svc"),)
    async with grpc.aio.secure_channel(running.grpc, credentials, options=named) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="tests"), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    environment = {"ALLOCATOR_HTTP_ADDRESS": running.http, "ALLOCATOR_TLS_DIR": str(own)}
    assert await probed(environment) == (0, "")
    file = tmp_path / "settings.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    assert await probed({}, "--live", "--settings", str(file)) == (0, "")
    code, said = await probed({"ALLOCATOR_HTTP_ADDRESS": running.http})
    assert code == 1
    assert "does not answer" in said

    # Renewed while it runs, and replaced with its authority.
    before = await serial_at(running.http, shown(tls / "edge"))
    authority = Authority(tls)
    for step in (authority.rotate_add, authority.rotate_reissue, authority.rotate_drop):
        step()
    async with asyncio.timeout(20):
        while await new_certificate(running.http, tls) == before:
            pass
    world.stop.set()
    async with asyncio.timeout(20):
        await process
    assert (await probed(environment))[0] == 1


async def new_certificate(http: str, tls: Path) -> bytes:
    """The certificate of the server, once it trusts whom the edge trusts."""
    while True:
        try:
            return await serial_at(http, shown(tls / "edge"))
        except ssl.SSLError:
            continue


async def test_a_process_does_not_start_with_the_certificate_of_another(tmp_path: Path) -> None:
    Authority(tmp_path / "tls").init(["localhost"])
    world = World(tmp_path / "data", ALLOCATOR_TLS_DIR=str(tmp_path / "tls" / "notifier"))
    with pytest.raises(CertificatesUnusable, match=r"notifier's, and this process runs user_svc"):
        await world.run()
    world = World(tmp_path / "data", ALLOCATOR_TLS_DIR=str(tmp_path / "none"))
    with pytest.raises(CertificatesUnusable, match="allocctl certs init"):
        await world.run()


def test_the_probe_knows_the_address_that_is_the_default() -> None:
    assert ProcessSettings.model_fields["http_address"].default == DEFAULT_ADDRESS
