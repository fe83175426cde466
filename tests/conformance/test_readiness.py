"""Looking whether an instance answers, as the port promises it, at real servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from docker_svc.adapters.readiness.network import NetworkReadiness
from docker_svc.domain import HttpCheck, Target, TcpCheck
from docker_svc.ports.readiness import Readiness

HOST = "127.0.0.1"
AT_MOST = 5.0
"""Seconds for one look: about one, and what a busy machine adds."""
TCP = TcpCheck(80)
HTTP = HttpCheck(80, "/healthy")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["network"])
def readiness(request: pytest.FixtureRequest) -> Readiness:
    """The adapter, with the times of production."""
    assert request.param == "network"
    return NetworkReadiness()


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port that nobody listens at, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


class Program:
    """What listens in an instance.

    Attributes:
        port: where.
        requests: what was asked, whole heads.
        left: one entry for each connection that has ended.
    """

    def __init__(self, talk: Talk) -> None:
        """Keeps what it does with a connection."""
        self.port = 0
        self.requests: list[bytes] = []
        self.left: asyncio.Queue[None] = asyncio.Queue()
        self._talk = talk
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, host: str = HOST) -> AsyncIterator[Program]:
        """Listens until the block ends."""
        server = await asyncio.start_server(self._accept, host, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._talks.add(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # The probe has hung up.
        finally:
            writer.transport.abort()
            self.left.put_nowait(None)


async def until_left(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Says nothing until the other side hangs up."""
    while await reader.read(4096):
        pass


async def close_at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Hangs up at once."""


def silent() -> Program:
    """Accepts, and says nothing."""
    return Program(until_left)


def saying(answer: bytes) -> Program:
    """Answers each request with these bytes, and keeps the connection until the other leaves."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        program.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        await until_left(reader, writer)

    program = Program(talk)
    return program


def answering(status: int) -> Program:
    """An HTTP server that always answers with the status."""
    return saying(f"HTTP/1.1 {status} Words\r\nContent-Length: 2\r\n\r\nok".encode())


def at(port: int, *, direct: bool = False, host: str = HOST) -> Target:
    """Where to look."""
    return Target(host, port, direct)


async def look(readiness: Readiness, check: TcpCheck | HttpCheck, *targets: Target) -> bool:
    """One look, which must end in time."""
    async with asyncio.timeout(AT_MOST):
        return await readiness.answers(check, targets)


@pytest.mark.parametrize("direct", [True, False])
async def test_a_program_that_accepts_is_ready(readiness: Readiness, direct: bool) -> None:
    async with silent().listening() as program:
        assert await look(readiness, TCP, at(program.port, direct=direct))


async def test_a_program_that_speaks_first_is_ready(readiness: Readiness) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        await until_left(reader, writer)

    async with Program(greet).listening() as program:
        assert await look(readiness, TCP, at(program.port))


@pytest.mark.parametrize("check", [TCP, HTTP], ids=["tcp", "http"])
@pytest.mark.parametrize("direct", [True, False])
async def test_a_port_that_refuses_is_not_ready(
    readiness: Readiness, refused_port: int, check: TcpCheck | HttpCheck, direct: bool
) -> None:
    assert not await look(readiness, check, at(refused_port, direct=direct))


async def test_a_published_port_that_accepts_and_hangs_up_is_not_ready(
    readiness: Readiness,
) -> None:
    async with Program(close_at_once).listening() as program:
        assert not await look(readiness, TCP, at(program.port))


async def test_a_program_itself_that_accepts_and_hangs_up_is_ready(readiness: Readiness) -> None:
    async with Program(close_at_once).listening() as program:
        assert await look(readiness, TCP, at(program.port, direct=True))


@pytest.mark.parametrize("status", [200, 204, 301, 399])
async def test_a_status_below_400_is_ready(readiness: Readiness, status: int) -> None:
    async with answering(status).listening() as program:
        assert await look(readiness, HTTP, at(program.port))
        [request] = program.requests
    line, *headers = request.split(b"\r\n")
    assert line == b"GET /healthy HTTP/1.1"
    assert f"Host: {HOST}:{program.port}".encode() in headers


@pytest.mark.parametrize("status", [400, 404, 499, 500, 503])
@pytest.mark.parametrize("direct", [True, False])
async def test_a_status_from_400_is_not_ready(
    readiness: Readiness, status: int, direct: bool
) -> None:
    async with answering(status).listening() as program:
        assert not await look(readiness, HTTP, at(program.port, direct=direct))


async def test_an_empty_path_asks_for_the_root(readiness: Readiness) -> None:
    async with answering(200).listening() as program:
        assert await look(readiness, HttpCheck(80, ""), at(program.port))
        assert program.requests[0].startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 okay\r\n\r\n",
        b"\r\n",
        b"\xff\x00\xfe\n",
        b"x" * 300_000,
    ],
    ids=["another protocol", "no status", "no number", "nothing", "bytes", "no end of line"],
)
async def test_an_answer_that_is_not_http_is_not_ready(readiness: Readiness, answer: bytes) -> None:
    async with saying(answer).listening() as program:
        assert not await look(readiness, HTTP, at(program.port))


async def test_a_server_that_hangs_up_without_an_answer_is_not_ready(
    readiness: Readiness,
) -> None:
    async with Program(close_at_once).listening() as program:
        assert not await look(readiness, HTTP, at(program.port, direct=True))


async def test_a_server_that_hangs_is_given_up_in_time(readiness: Readiness) -> None:
    async with silent().listening() as program:
        assert not await look(readiness, HTTP, at(program.port))
        async with asyncio.timeout(AT_MOST):
            await program.left.get()


async def test_a_server_that_answers_forever_byte_by_byte_is_given_up_in_time(
    readiness: Readiness,
) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)  # Its pace; the test waits for the answer of the look.

    async with Program(drip).listening() as program:
        assert not await look(readiness, HTTP, at(program.port))


async def test_a_host_that_never_takes_a_connection_is_given_up_in_time(
    readiness: Readiness,
) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((HOST, 0))
        full.listen(0)
        # Nobody accepts, and these fill the queue: the kernel answers nobody else.
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        assert not await look(readiness, TCP, at(port, direct=True))
        # Where one cannot be reached at all, the next is tried.
        async with silent().listening() as program:
            assert await look(readiness, TCP, at(port, direct=True), at(program.port))


async def test_the_answer_of_the_best_place_counts(readiness: Readiness, refused_port: int) -> None:
    async with silent().listening() as program, answering(500).listening() as failing:
        assert not await look(readiness, TCP, at(refused_port, direct=True), at(program.port))
        assert not await look(readiness, HTTP, at(failing.port, direct=True), at(program.port))
        assert program.left.empty()


async def test_without_a_target_nothing_answers(readiness: Readiness) -> None:
    assert not await look(readiness, TCP)


@pytest.mark.parametrize("check", [TCP, HTTP], ids=["tcp", "http"])
async def test_a_look_leaves_no_connection_behind(
    readiness: Readiness, check: TcpCheck | HttpCheck
) -> None:
    async with answering(200).listening() as program, asyncio.timeout(AT_MOST):
        assert await readiness.answers(check, [at(program.port)])
        await program.left.get()


async def test_a_program_becomes_ready_between_two_looks(
    readiness: Readiness, refused_port: int
) -> None:
    assert not await look(readiness, TCP, at(refused_port))
    async with silent().listening() as program:
        assert await look(readiness, TCP, at(program.port))


async def test_many_looks_at_once_are_told_apart(readiness: Readiness) -> None:
    async with answering(200).listening() as good, answering(500).listening() as bad:
        found = await asyncio.gather(
            *(look(readiness, HTTP, at((good, bad)[n % 2].port)) for n in range(20))
        )
    assert found == [True, False] * 10


async def test_a_look_that_is_called_off_hangs_up(readiness: Readiness) -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await until_left(reader, writer)

    async with Program(hang).listening() as program, asyncio.timeout(AT_MOST):
        looking = asyncio.create_task(readiness.answers(HTTP, [at(program.port)]))
        await asked.wait()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        await program.left.get()
