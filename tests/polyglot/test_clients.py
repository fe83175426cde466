"""Clients in Go, Node and Java do what docs/howto/clients.md says, without TLS and through the edge."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from allocator_process import PASSWORD, ROOT
from visitor import Visitor

from tests.polyglot.conftest import Opening, needed

pytestmark = [pytest.mark.real_mesh, pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).resolve().parent
TOOLCHAINS = {
    "Go": {"go": "install Go 1.26 or newer"},
    "Node": {"node": "install Node 20 or newer", "npm": "install npm"},
    "Java": {"java": "install a JDK 17 or newer", "mvn": "install Maven 3.8 or newer"},
}
# buf is installed with the tests.
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass
class Client:
    """A client that was built.

    Attributes:
        folder: where it is.
        command: runs it; its arguments follow.
    """

    folder: Path
    command: list[str]

    def run(
        self, visitor: Visitor, email: str, password: str = PASSWORD, authority: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs it against an allocator, which its own authority vouches for by default."""
        trusts = authority or visitor.ca
        given = [visitor.grpc, email, password, *([str(trusts)] if trusts else [])]
        return subprocess.run(
            [*self.command, *given],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=180,
        )


def documented(language: str) -> list[str]:
    """The commands that the page shows for a language."""
    page = (ROOT / "docs/howto/clients.md").read_text()
    section = page.partition(f"\n## {language}\n")[2].partition("\n## ")[0]
    block = re.search(r"^```sh\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)
    assert block, language
    return block[1].splitlines()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, contracts: Path) -> Callable[[str], Client]:
    """Builds a client by the commands of the page, once."""
    made: dict[str, Client] = {}

    def build(language: str) -> Client:
        if language not in made:
            for program, how in TOOLCHAINS[language].items():
                needed(program, how)
            folder = tmp_path_factory.mktemp(language.lower())
            source = HERE / language.lower()
            listed = subprocess.run(
                ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
                cwd=source,
                check=True,
                capture_output=True,
                text=True,
                timeout=30,
            )
            for name in listed.stdout.split():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, folder / name)
            shutil.copy(contracts, folder / "allocator.binpb")
            *building, running = documented(language)
            done = subprocess.run(
                ["bash", "-euc", "\n".join(building)],
                cwd=folder,
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=800,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            *command, address, email, password, authority = shlex.split(running)
            assert (email, password, authority) == ("ada@example.org", PASSWORD, "ca.pem")
            assert address == "127.0.0.1:50051"
            made[language] = Client(folder, command)
        return made[language]

    return build


@pytest.fixture(params=["Go", "Node", "Java"])
def client(request: pytest.FixtureRequest, built: Callable[[str], Client]) -> Client:
    """A client in a language."""
    return built(request.param)


@pytest.fixture(params=["alone", "edge"])
def visitor(request: pytest.FixtureRequest, installation: Opening) -> Visitor:
    """An allocator in one process without TLS, or a mesh behind an edge with TLS."""
    found = installation(request.param)
    assert (found.ca is None) == (request.param == "alone")
    return found


def test_it_logs_in_rents_follows_the_log_and_removes(client: Client, visitor: Visitor) -> None:
    email = f"{client.folder.name}@example.org"
    token = visitor.person(email)
    done = client.run(visitor, email)
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.fullmatch(
        r"logged in as users/\w+\n"
        r"rented machines/ticker as (?P<name>allocations/\w+)\n"
        r"ready (?P=name)\n"
        r"line 1: ticker begins: every 1 s\n"
        r"line 2: [^\n]*tick[^\n]*1[^\n]*\n"
        r"line 3: [^\n]*tick[^\n]*2[^\n]*\n"
        r"(line \d+: [^\n]*\n)*"
        r"removed (?P=name)\n",
        done.stdout,
    )
    assert said, done.stdout
    gone = visitor.call("GET", f"/v1/{said['name']}", token).json()
    assert gone["state"] == "DELETED"


def test_it_fails_and_says_why_where_the_password_is_wrong(
    client: Client, visitor: Visitor
) -> None:
    done = client.run(visitor, "nobody@example.org", "a wrong password")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The address or the password is wrong." in done.stderr
    assert "a wrong password" not in done.stderr


def test_it_trusts_nobody_but_the_authority_that_it_was_given(
    client: Client, installation: Opening, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "allocctl", "certs", "init", "--dir", str(tmp_path / "certs")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    stranger = tmp_path / "certs/public/ca.pem"
    done = client.run(installation("edge"), "ada@example.org", authority=stranger)
    assert (done.returncode, done.stdout) == (1, "")


def test_it_says_how_it_is_used(client: Client) -> None:
    done = subprocess.run(
        client.command, cwd=client.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "HOST:PORT EMAIL PASSWORD [CA.pem]" in done.stderr
