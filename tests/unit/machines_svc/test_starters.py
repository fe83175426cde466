"""The starter catalogue: what it says is valid, and what needs only Python really runs."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO

import pytest

from machines_svc.adapters.starter_catalogue.files import FileStarterCatalogue
from machines_svc.domain.availability import Availability, RuntimeAbilities, availability_of
from machines_svc.domain.machine import MachineSpec
from machines_svc.domain.rules import check_spec
from machines_svc.transport.definition import read

PATIENCE = 20.0
STARTERS = dict(FileStarterCatalogue(resources.files("machines_svc.catalogue"), read).machines())


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_keeps_the_rules(name: str) -> None:
    spec = STARTERS[name]
    check_spec(spec)
    assert re.fullmatch("machines/[a-z-]+", name)
    assert len(spec.description) > 40
    assert spec.image


def test_the_process_runtime_runs_those_that_need_only_python() -> None:
    abilities = RuntimeAbilities(runs_images=False, runs_commands=True)
    runnable = {
        name
        for name, spec in STARTERS.items()
        if availability_of(spec, abilities) is Availability.RUNNABLE
    }
    assert runnable == {f"machines/{n}" for n in ("http-files", "ticker", "echo", "chatty")}
    assert all(STARTERS[name].command[0] == "python3" for name in runnable)


class Running:
    """The program of a starter, and the lines that it writes."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def line(self) -> str:
        """The next line of its standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self) -> int:
        """Asks it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(name: str, folder: Path, **variables: str) -> Iterator[Running]:
    spec: MachineSpec = STARTERS[f"machines/{name}"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    defaults = {v.key: v.default_value for v in spec.variables if v.default_value}
    process = subprocess.Popen(
        [sys.executable, *spec.command[1:]],
        env={
            "PATH": os.defpath,
            "PORT": str(port),
            "ALLOCATOR_BIND_ADDRESS": "127.0.0.1",
            **defaults,
            **variables,
        },
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    overdue = threading.Timer(PATIENCE, process.kill)
    overdue.start()
    try:
        yield Running(process, port)
    finally:
        overdue.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_http_files_serves_what_is_put_there(tmp_path: Path) -> None:
    with running("http-files", tmp_path, TITLE="<b>Mine</b>") as server:
        assert "serving" in server.line()
        address = f"http://127.0.0.1:{server.port}/"
        put = urllib.request.Request(f"{address}report.txt", data=b"words", method="PUT")
        with urllib.request.urlopen(put) as answer:
            assert answer.status == 201
        with urllib.request.urlopen(f"{address}report.txt") as answer:
            assert answer.read() == b"words"
        with urllib.request.urlopen(address) as answer:
            page = answer.read().decode()
        assert "report.txt" in page
        assert "machines/http-files" in page
        assert "&lt;b&gt;Mine" in page
        assert "<b>Mine" not in page
        for path in ("../escaped.txt", "%2e%2e%2fescaped.txt", ".hidden", "a/b"):
            put = urllib.request.Request(f"{address}{path}", data=b"x", method="PUT")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(put)
            assert caught.value.code == 400
            caught.value.close()
        assert server.stop() == 0
    assert [file.name for file in (tmp_path / "files").iterdir()] == ["report.txt"]


def test_http_files_takes_nothing_where_nobody_may_add(tmp_path: Path) -> None:
    with running("http-files", tmp_path, WRITERS="nobody") as server:
        server.line()
        put = urllib.request.Request(f"http://127.0.0.1:{server.port}/a", data=b"x", method="PUT")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(put)
        assert caught.value.code == 403
        caught.value.close()


def test_ticker_ticks(tmp_path: Path) -> None:
    with running("ticker", tmp_path, INTERVAL="0.01", MESSAGE="tock") as ticker:
        assert re.search(probe_of("ticker"), ticker.line())
        lines = [ticker.line() for _ in range(3)]
        assert all("\x1b[" in line and "tock" in line for line in lines)
        assert ticker.stop() == 0


def talk(server: Running) -> tuple[socket.socket, IO[bytes]]:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    return connection, connection.makefile("rwb", buffering=0)  # type: ignore[return-value]


def test_echo_greets_and_sends_back(tmp_path: Path) -> None:
    with running("echo", tmp_path, GREETING="hello") as server:
        server.line()
        connection, lines = talk(server)
        with connection, lines:
            assert lines.readline() == b"hello\r\n"
            lines.write(b"one\n")
            assert lines.readline() == b"one\n"
        assert server.stop() == 0


def test_echo_lets_nobody_in_without_the_password(tmp_path: Path) -> None:
    with running("echo", tmp_path, GREETING="hello", PASSWORD="pässword") as server:
        server.line()
        for password, answer in (("wrong", b"wrong\r\n"), ("pässword", b"hello\r\n")):
            connection, lines = talk(server)
            with connection, lines:
                assert lines.readline() == b"password?\r\n"
                lines.write(f"{password}\n".encode())
                assert lines.readline() == answer


def test_chatty_writes_as_many_lines_as_it_is_told(tmp_path: Path) -> None:
    with running("chatty", tmp_path, LINES="2500", WIDTH="40", AFTERWARDS="end") as chatty:
        assert re.search(probe_of("chatty"), chatty.line())
        lines = [chatty.line() for _ in range(2500)]
        assert [int(line[:8]) for line in lines] == list(range(1, 2501))
        assert {len(line) for line in lines} == {41}
        assert "ends" in chatty.line()
        assert chatty.process.wait(PATIENCE) == 0


def test_chatty_stays_after_the_last_line(tmp_path: Path) -> None:
    with running("chatty", tmp_path, LINES="3", RATE="1000") as chatty:
        lines = [chatty.line() for _ in range(5)]
        assert "ends" in lines[-1]
        assert chatty.stop() == 0


def probe_of(name: str) -> str:
    probe = STARTERS[f"machines/{name}"].probe
    assert probe is not None
    assert probe.check is not None
    return probe.check.pattern  # type: ignore[union-attr]
