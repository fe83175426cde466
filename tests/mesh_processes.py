"""A whole mesh: every service in processes of its own, with certificates, an edge before them.

On files, which need no server and take one replica of each service; or on real servers, with as many
replicas as are wanted.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

import httpx2
from allocator_process import FAST, ROOT
from free_ports import free_port, free_range
from servers import (
    cassandra_keyspace,
    drop_cassandra,
    drop_mongodb,
    drop_mysql,
    kafka_bootstrap,
    mongodb_url,
    mysql_url,
    own_name,
    redis_url,
)
from visitor import Visitor

from allocctl.commands.running import SERVICES

PUBLIC = (
    "user_svc",
    "machines_svc",
    "allocation_svc",
    "interact_svc",
    "feed_svc",
    "broker",
    "notifier",
)
PATIENCE = 60.0


class Child:
    """A process with its own log, started and ended by tests."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path):
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Starts it, or starts it again."""
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, where it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 30.0) -> int:
        """Ends it; its exit code."""
        self.send(number)
        try:
            return self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(timeout=10)


class Replica(Child):
    """One process of one service."""

    def __init__(self, service: str, number: int, ports: tuple[int, int], **rest: object) -> None:
        self.service = service
        self.number = number
        self.http, self.grpc = ports
        super().__init__(f"{service}-{number}", **rest)  # type: ignore[arg-type]


class Stores:
    """Where the services keep what they own."""

    def __init__(self, folder: Path, *, on_servers: bool) -> None:
        self._made_mysql: list[str] = []
        self._made_mongodb: list[str] = []
        self._made_cassandra: list[str] = []
        self._topics = ""
        if not on_servers:
            self.settings = {"ALLOCATOR_BUS_URL": f"sqlite:///{folder / 'bus.sqlite3'}"}
            return
        name = own_name("mesh")
        self._made_mysql = [mysql_url(f"{name}_{store}") for store in ("u", "n", "a")]
        self._made_mongodb = [mongodb_url(f"{name}_{store}") for store in ("m", "b")]
        self._made_cassandra = [cassandra_keyspace(f"{name}_f")]
        self._topics = name
        self.settings = {
            "ALLOCATOR_USER_DATABASE_URL": self._made_mysql[0],
            "ALLOCATOR_NOTIFIER_DATABASE_URL": self._made_mysql[1],
            "ALLOCATOR_ALLOCATION_DATABASE_URL": self._made_mysql[2],
            "ALLOCATOR_MACHINES_DATABASE_URL": self._made_mongodb[0],
            "ALLOCATOR_BROKER_DATABASE_URL": self._made_mongodb[1],
            "ALLOCATOR_FEED_DATABASE_URL": self._made_cassandra[0],
            "ALLOCATOR_BUS_URL": f"kafka://{kafka_bootstrap()}/{name}",
            "ALLOCATOR_BUS_PARTITIONS": "2",
            "ALLOCATOR_CACHE_URL": redis_url(1 + secrets.randbelow(15)),
        }

    def move(self, setting: str, address: str) -> None:
        """Has a server reached at another address: through a proxy that can fail."""
        url = self.settings[setting]
        scheme, _, rest = url.partition("://")
        login, at, place = rest.rpartition("@")
        self.settings[setting] = f"{scheme}://{login}{at}{address}/{place.partition('/')[2]}"

    def drop(self) -> None:
        """Removes everything that was made on the servers."""
        for url in self._made_mysql:
            drop_mysql(url)
        for url in self._made_mongodb:
            drop_mongodb(url)
        for url in self._made_cassandra:
            drop_cassandra(url)
        if self._topics:
            from kafka_topics import remove

            remove(kafka_bootstrap(), self._topics)


class Edge(Child):
    """nginx with our configuration on ports of its own."""

    def __init__(self, folder: Path, certificates: Path, peers: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.https, self.http = free_port(), free_port()
        home = folder / "home"
        home.mkdir(exist_ok=True)
        for file in (ROOT / "nginx").iterdir():
            _link(home / file.name, file)
        _link(home / "web", _built_page(folder))
        site = folder.parent / "site"
        if not site.exists():
            run("tools/edge.py", "--site", str(site))
        _link(home / "site", site)
        environment = {
            "PATH": os.environ["PATH"],
            "EDGE_HOME": str(home),
            "EDGE_RUN": str(folder / "run"),
            "EDGE_MESH_TLS": str(certificates / "edge"),
            "EDGE_CERTIFICATE": str(certificates / "public/cert.pem"),
            "EDGE_CERTIFICATE_KEY": str(certificates / "public/key.pem"),
            "EDGE_HTTPS_PORT": str(self.https),
            "EDGE_HTTP_PORT": str(self.http),
            "EDGE_PUBLIC_PORT": str(self.https),
            "EDGE_PEERS": peers,
            "EDGE_WORKERS": "1",
            "EDGE_RESOLVE_SECONDS": "1",
            # Everybody here comes from one address.
            "EDGE_REQUESTS_PER_SECOND": "100000",
            "EDGE_REQUESTS_AT_ONCE": "100000",
            "EDGE_CONNECTIONS": "10000",
            **settings,
        }
        command = ["sh", str(home / "entrypoint.sh")]
        super().__init__(folder.name, command, environment, folder / "edge.log")


class MeshProcesses(Visitor):
    """All services apart, reached through an edge.

    Args:
        folder: of everything that they write.
        replicas: of each service; one where nothing is said.
        on_servers: whether the stores are real servers; with files there is one replica of each.
        runtime: what runs instances.
        stores: the stores, where they were made before.
        skews: by how many seconds the clock of a replica is off, by its name (`user_svc-0`).
        settings: for every process besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: Mapping[str, int] | int = 1,
        on_servers: bool = True,
        runtime: str = "process",
        stores: Stores | None = None,
        skews: Mapping[str, int] | None = None,
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data_dir = folder
        self.banner = ""
        self.counts = {
            name: replicas if isinstance(replicas, int) else replicas.get(name, 1)
            for name in SERVICES
        }
        self.certificates = folder / "certs"
        run("-m", "allocctl", "certs", "init", "--dir", str(self.certificates))
        self.ca = self.certificates / "public/ca.pem"
        self.stores = stores or Stores(folder, on_servers=on_servers)
        self.ports = {
            name: [(free_port(), free_port()) for _ in range(count)]
            for name, count in self.counts.items()
        }
        # With files, the accounts are user_svc's own, which makes the first admin when it starts.
        self.has_servers = "ALLOCATOR_USER_DATABASE_URL" in self.stores.settings
        self.admin_file = folder / ("admin.json" if self.has_servers else "user_svc-0/admin.json")
        self.mailbox = folder / "mailbox"
        self.port_range = free_range()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")},
            **FAST,
            **self.stores.settings,
            "ALLOCATOR_SERVICE_SECRET": secrets.token_urlsafe(32),
            "ALLOCATOR_VAULT_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "ALLOCATOR_RUNTIME": runtime,
            "ALLOCATOR_DOCKER_STATE_DIR": str(folder / "node"),
            "ALLOCATOR_ALLOCATION_PORT_RANGE": self.port_range,
            "ALLOCATOR_NOTIFIER_MAIL_URL": f"file://{self.mailbox}",
            **settings,
        }
        self._skews = dict(skews or {})
        self.replicas: list[Replica] = []
        self.edges: list[Edge] = []

    # its life

    def prepare(self) -> None:
        """Migrates the stores and makes the first admin, as an operator does."""
        keeping = {**self.environment, "ALLOCATOR_DATA_DIR": str(self.folder / "keeping")}
        run("-m", "allocctl", "migrate", environment=keeping)
        run(
            *("-m", "allocctl", "admin", "create", "--once", "--file", str(self.admin_file)),
            environment=keeping,
        )

    def start(self) -> MeshProcesses:
        """Starts every process and returns once a request through the edge is answered."""
        if self.has_servers and not self.admin_file.exists():
            self.prepare()
        for service, count in self.counts.items():
            for number in range(count):
                self._start(service, number)
        edge = Edge(self.folder / "edge", self.certificates, self._edge_peers())
        self.edges.append(edge)
        self.http = self.grpc = f"localhost:{edge.https}"
        self.client = self.open_client()
        for replica in self.replicas:
            self.wait_ready(replica)
        for replica in self.replicas:
            self.wait_ready(replica, well=True)
        self._wait_edge()
        return self

    def replica(self, service: str, number: int = 0) -> Replica:
        """One process."""
        return next(r for r in self.replicas if (r.service, r.number) == (service, number))

    def wait_ready(self, replica: Replica, within: float = PATIENCE, *, well: bool = False) -> None:
        """Waits until a process says that calls may come; `well`: and that it lacks nothing."""
        until = time.monotonic() + within
        with self.open_direct(replica) as client:
            while time.monotonic() < until:
                if replica.process.poll() is not None:
                    raise AssertionError(
                        f"{replica.name} has ended: {replica.log.read_text()[-3000:]}"
                    )
                with contextlib.suppress(httpx2.HTTPError):
                    answer = client.get("/readyz")
                    if answer.status_code == 200 and not (well and answer.json()["degraded"]):
                        return
                time.sleep(0.05)
        raise AssertionError(f"{replica.name} is not ready: {replica.log.read_text()[-3000:]}")

    def ask(self, replica: Replica, path: str) -> httpx2.Response:
        """Asks a process directly, as the edge does."""
        with self.open_direct(replica) as client:
            return client.get(path)

    def open_direct(self, replica: Replica) -> httpx2.Client:
        """A client that goes around the edge, with its certificate."""
        import ssl

        own = self.certificates / "edge"
        context = ssl.create_default_context(cafile=str(own / "ca.pem"))
        context.load_cert_chain(own / "cert.pem", own / "key.pem")
        context.check_hostname = False
        return httpx2.Client(
            base_url=f"https://127.0.0.1:{replica.http}",
            verify=context,
            trust_env=False,
            timeout=10,
        )

    def restart(self, replica: Replica, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends a process and starts it again."""
        replica.stop(number)
        replica.start()
        self.wait_ready(replica)

    def logs(self) -> str:
        """The end of each log, for a test that has failed."""
        return "\n".join(
            f"== {one.name}\n{one.log.read_text()[-3000:]}" for one in (*self.replicas, *self.edges)
        )

    def close(self) -> None:
        """Removes every instance, ends every process, and removes what was made on servers."""
        try:
            if self.edges and all(r.process.poll() is None for r in self.replicas):
                self.remove_everything()
        finally:
            if self.edges:
                self.client.close()
            for one in (*self.edges, *self.replicas):
                one.send(signal.SIGTERM)
            for one in (*self.edges, *self.replicas):
                one.stop()
            self.stores.drop()

    # where they are

    def target(self, service: str) -> str:
        """The gRPC target of all replicas of a service."""
        return "ipv4:" + ",".join(f"127.0.0.1:{grpc}" for _, grpc in self.ports[service])

    def _edge_peers(self) -> str:
        return " ".join(
            f"{name}=" + ",".join(f"127.0.0.1:{http}:{grpc}" for http, grpc in self.ports[name])
            for name in PUBLIC
        )

    def _start(self, service: str, number: int) -> None:
        http, grpc = self.ports[service][number]
        of_others = tuple(
            f"ALLOCATOR_{other.removesuffix('_svc').upper()}_"
            for other in SERVICES
            if other != service
        )
        environment = {
            **{k: v for k, v in self.environment.items() if not k.startswith(of_others)},
            "ALLOCATOR_PEERS": json.dumps(
                {name: self.target(name) for name in SERVICES if name != service}
            ),
            "ALLOCATOR_DATA_DIR": str(self.folder / f"{service}-{number}"),
            "ALLOCATOR_REPLICA": f"{service}-{number}",
            "ALLOCATOR_HTTP_ADDRESS": f"127.0.0.1:{http}",
            "ALLOCATOR_GRPC_ADDRESS": f"127.0.0.1:{grpc}",
            "ALLOCATOR_ADVERTISED_ADDRESS": f"127.0.0.1:{grpc}",
            "ALLOCATOR_TLS_DIR": str(self.certificates / service),
        }
        self.replicas.append(
            Replica(
                service,
                number,
                (http, grpc),
                command=[sys.executable, *self._program(service, number)],
                environment=environment,
                log=self.folder / f"{service}-{number}.log",
            )
        )

    def _program(self, service: str, number: int) -> list[str]:
        off = self._skews.get(f"{service}-{number}", 0)
        return [str(ROOT / "tests/skewed.py"), str(off), service] if off else ["-m", service]

    def _wait_edge(self, within: float = PATIENCE) -> None:
        waiting = ["/v1/users/me", "/v1/machines", "/v1/allocations", "/v1/allocations/x/lines"]
        until = time.monotonic() + within
        while waiting:
            if time.monotonic() > until:
                raise AssertionError(f"{waiting[0]} is not answered: {self.logs()}")
            with contextlib.suppress(httpx2.HTTPError):
                if self.call("GET", waiting[0]).status_code < 500:
                    waiting.pop(0)
                    continue
            time.sleep(0.05)


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Runs Python to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment) if environment else None,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def _link(at: Path, to: Path) -> None:
    if not at.is_symlink():
        at.symlink_to(to)


def _built_page(folder: Path) -> Path:
    """The built web console, or a page in its place: what is tested here is how it is served."""
    built = ROOT / "web/dist"
    if (built / "index.html").exists():
        return built
    made = folder / "page"
    (made / "assets").mkdir(parents=True, exist_ok=True)
    (made / "index.html").write_text('<!doctype html><script src="/assets/a-1.js"></script>')
    (made / "assets/a-1.js").write_text("// " + "x" * 2000)
    return made
