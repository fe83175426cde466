"""Who is let in by whom, while certificates are wrong, end, are renewed, and change their authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from allocator.machines.v1 import machine_service_pb2, machine_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from peers import ADA, MACHINES, REPLICAS, TOKENS, Peers, Replica, get, serving, wake

from allocctl.authority import Authority
from chassis.faults import Forbidden, Unauthenticated, Unavailable, Unimplemented
from chassis.identity import Certificates, CertificatesUnusable
from chassis.rpc.client import SERVICE_TOKEN_KEY


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    made = Peers(tmp_path / "tls")
    yield made
    await made.close()


def plain(
    peers: Peers, replica: Replica, service: str = "", authorities: bytes = b""
) -> grpc.aio.Channel:
    """A channel that adds nothing, with the certificate of a folder, or with none."""
    folder = peers.folder / (service or "edge")
    pair = ((folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes())
    trusted = authorities or (folder / "ca.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(trusted, *(pair if service else (None, None)))
    options = (("grpc.ssl_target_name_override", "machines_svc"),)
    return grpc.aio.secure_channel(replica.address, credentials, options=options)


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    """With what a call of a plain channel ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def title(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> str:
    """Whom the peer takes the caller for."""
    stub = machine_service_pb2_grpc.MachineServiceStub(channel)
    request = machine_service_pb2.GetMachineRequest(name="machines/a")
    return str((await stub.GetMachine(request, timeout=5, metadata=metadata)).title)


async def test_a_service_may_do_what_the_contract_names_it_for(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("allocation_svc", replica)
    assert (await get(channel)).title == "allocation_svc"
    await wake(channel)
    # interact_svc is named for neither; what anybody may, it may for the person it works for.
    other = peers.channel("interact_svc", replica)
    with pytest.raises(Forbidden, match="interact_svc may not call"):
        await get(other)
    with pytest.raises(Forbidden):
        await wake(other)
    async with serving(replica, ADA):
        assert (await get(other)).title == "users/ada"
        with pytest.raises(Forbidden):
            await wake(other)


async def test_a_service_cannot_speak_with_the_token_of_another(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("notifier", replica, token_of="allocation_svc")
    for call in (get, wake):
        with pytest.raises(Unauthenticated, match="allocation_svc's, and the certificate notifier"):
            await call(channel)
    async with plain(peers, replica, "allocation_svc") as without:
        assert await code_of(title(without)) is grpc.StatusCode.UNAUTHENTICATED


async def test_the_edge_may_do_what_anybody_may_and_nothing_else(peers: Peers) -> None:
    replica = await peers.replica()
    proof = (SERVICE_TOKEN_KEY, TOKENS.mint("allocation_svc"))
    async with plain(peers, replica, "edge") as edge:
        assert await title(edge) == ""
        assert await title(edge, proof) == ""
        assert await title(edge, ("authorization", "Bearer ada")) == "users/ada"
        inner = edge.unary_unary(f"/{REPLICAS}/Wake")
        assert await code_of(inner(b"", timeout=5)) is grpc.StatusCode.UNIMPLEMENTED
        assert await code_of(inner(b"", timeout=5, metadata=(proof,))) is (
            grpc.StatusCode.UNIMPLEMENTED
        )
        large = edge.unary_unary(f"/{MACHINES}/GetMachine")
        assert await code_of(large(b"x" * 5000, timeout=5)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(Unimplemented):
        await wake(peers.channel("edge", replica))
    assert replica.replicas.woken == 0


async def test_the_address_that_the_edge_says_is_believed_and_no_others(peers: Peers) -> None:
    replica = await peers.replica()
    forwarded = ("x-forwarded-for", "6.6.6.6, 198.51.100.1")
    async with plain(peers, replica, "edge") as edge:
        await title(edge, forwarded)
        await title(edge)
    async with plain(peers, replica, "allocation_svc") as inner:
        await title(inner, forwarded, (SERVICE_TOKEN_KEY, TOKENS.mint("allocation_svc")))
    assert [call.address for call in replica.machines.calls] == [
        "198.51.100.1",
        "127.0.0.1",
        "127.0.0.1",
    ]
    assert "x-forwarded-for" not in replica.machines.calls[-1].metadata


async def test_nobody_comes_in_without_a_certificate_of_our_authority(
    peers: Peers, tmp_path: Path
) -> None:
    replica = await peers.replica()
    async with plain(peers, replica) as bare:
        assert await code_of(title(bare)) is grpc.StatusCode.UNAVAILABLE
    async with plain(peers, replica, "public") as public:
        assert await code_of(title(public)) is grpc.StatusCode.UNAVAILABLE
    # The certificates of another installation: each side refuses the other's.
    stranger = Peers(tmp_path / "stranger")
    with pytest.raises(Unavailable, match="machines_svc cannot be reached"):
        await get(stranger.channel("allocation_svc", replica))
    ours = (peers.folder / "edge" / "ca.pem").read_bytes()
    async with plain(stranger, replica, "allocation_svc", ours) as forged:
        assert await code_of(title(forged)) is grpc.StatusCode.UNAVAILABLE
    await stranger.close()
    assert replica.machines.calls == []


async def test_a_server_must_be_the_service_that_is_called(peers: Peers) -> None:
    impostor = Replica(peers.certificates("notifier"))
    await impostor.start()
    with pytest.raises(Unavailable, match="machines_svc cannot be reached"):
        await get(peers.channel("allocation_svc", impostor))
    assert impostor.machines.calls == []
    await impostor.server.stop(0)


async def test_a_certificate_that_has_ended_opens_nothing(peers: Peers) -> None:
    replica = await peers.replica()
    then = datetime.now(UTC) - timedelta(days=10)
    Authority(peers.folder, then).issue("allocation_svc", lifetime=timedelta(days=9))
    with pytest.raises(CertificatesUnusable, match=r"has ended on .* run `allocctl certs renew`"):
        peers.certificates("allocation_svc")
    ended = Certificates(peers.folder / "allocation_svc", clock=then.timestamp)
    with pytest.raises(Unavailable):
        await get(peers.channel("allocation_svc", replica, certificates=ended))
    assert replica.machines.calls == []
    assert peers.authority.renew() == ["allocation_svc"]
    assert await get(peers.channel("allocation_svc", replica))


class Callers:
    """Reads and does more than reads, again and again; every failure is raised at the end."""

    def __init__(self, *calls: Callable[[], Awaitable[object]]) -> None:
        self.done = 0
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run(call)) for call in calls]

    async def some_more(self) -> None:
        until = self.done + 30
        async with asyncio.timeout(20):
            while self.done < until and not any(task.done() for task in self._tasks):
                self._news.clear()
                await self._news.wait()

    async def stop(self) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _run(self, call: Callable[[], Awaitable[object]]) -> None:
        while not self._stopping.is_set():
            await call()
            self.done += 1
            self._news.set()


async def certificate_shown(peers: Peers, replica: Replica) -> bytes:
    """The certificate that the server shows to whoever connects now."""
    folder = peers.folder / "edge"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", replica.server.port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return bytes(shown)


async def test_no_call_fails_while_certificates_are_renewed(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("allocation_svc", replica)
    slow = asyncio.create_task(get(channel, "machines/slow", timeout=60))
    callers = Callers(lambda: get(channel), lambda: wake(channel), lambda: get(channel))
    await replica.machines.asked.wait()
    shown = {await certificate_shown(peers, replica)}
    for _ in range(3):
        await callers.some_more()
        peers.authority.renew(everything=True)
        await callers.some_more()
        shown.add(await certificate_shown(peers, replica))
    await callers.stop()
    assert len(shown) == 4
    # One that had begun before goes on on the connection that it has.
    replica.machines.let_go.set()
    assert (await slow).name == "machines/slow"


async def test_no_call_fails_while_the_authority_is_replaced(peers: Peers) -> None:
    replica = await peers.replica()
    channel = peers.channel("allocation_svc", replica)
    callers = Callers(lambda: get(channel), lambda: wake(channel))
    for step in (
        peers.authority.rotate_add,
        peers.authority.rotate_reissue,
        peers.authority.rotate_drop,
    ):
        await callers.some_more()
        step()
        await callers.some_more()
        # Whoever connects only now is let in as well.
        assert await get(peers.channel("broker", replica))
    await callers.stop()


async def test_one_side_may_have_its_new_certificate_long_before_the_other(
    peers: Peers, tmp_path: Path
) -> None:
    former = tmp_path / "former"
    peers.authority.rotate_add()
    former.mkdir()
    for file in (peers.folder / "allocation_svc").iterdir():
        (former / file.name).write_bytes(file.read_bytes())
    peers.authority.rotate_reissue()
    replica = await peers.replica()
    behind = Certificates(former)
    assert await get(peers.channel("allocation_svc", replica, certificates=behind))
    peers.authority.rotate_drop()
    await certificate_shown(peers, replica)
    with pytest.raises(Unavailable):
        await get(peers.channel("allocation_svc", replica, certificates=behind))


async def test_health_can_be_asked_and_watched_with_any_certificate(peers: Peers) -> None:
    replica = await peers.replica()
    serving_now = health_pb2.HealthCheckResponse.SERVING
    async with plain(peers, replica, "edge") as edge:
        health = health_pb2_grpc.HealthStub(edge)
        asked = health_pb2.HealthCheckRequest(service="machines_svc")
        assert (await health.Check(asked, timeout=5)).status == serving_now
        listed = await health.List(health_pb2.HealthListRequest(), timeout=5)
        assert set(listed.statuses) == {"", "machines_svc", MACHINES, REPLICAS}
        unknown = health_pb2.HealthCheckRequest(service="feed_svc")
        assert await code_of(health.Check(unknown, timeout=5)) is grpc.StatusCode.NOT_FOUND
        seen = []
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for answer in health.Watch(asked, timeout=20):
                seen.append(answer.status)
                await (replica.drain() if len(seen) > 1 else replica.server.set_ready(()))
        assert seen == [serving_now, health_pb2.HealthCheckResponse.NOT_SERVING]
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_reflection_shows_internal_services_to_our_own_alone(peers: Peers) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    replica = await peers.replica()
    listed = {}
    for service in ("edge", "broker"):
        async with plain(peers, replica, service) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            answer = await stub.ServerReflectionInfo(iter([request]), timeout=5).read()
            listed[service] = {one.name for one in answer.list_services_response.service}
    assert MACHINES in listed["edge"]
    assert listed["broker"] - listed["edge"] == {REPLICAS}
