"""The services in processes of their own, two replicas of docker_svc and interact_svc on one node."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from allocator_process import FAST, ROOT
from free_ports import free_port, free_range

from allocctl.authority import Authority
from tests.faults.reconciliation_host import until

ALONE = ("user_svc", "machines_svc", "allocation_svc")
DOUBLED = ("docker_svc", "interact_svc")
_READY_SECONDS = 60.0


class ServiceProcess:
    """One replica of one service: `python -m docker_svc`."""

    def __init__(self, service: str, replica: str, settings: dict[str, str], folder: Path) -> None:
        self.service = service
        self.replica = replica
        self.grpc = f"127.0.0.1:{free_port()}"
        self.http = f"127.0.0.1:{free_port()}"
        self.output = folder / f"{replica}.out"
        self.settings = {
            **settings,
            "ALLOCATOR_DATA_DIR": str(folder / replica),
            "ALLOCATOR_REPLICA": replica,
            "ALLOCATOR_GRPC_ADDRESS": self.grpc,
            "ALLOCATOR_HTTP_ADDRESS": self.http,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._said = 0

    def start(self, peers: dict[str, str]) -> None:
        """Starts it; `ready` waits for it."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")}
        self._said = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.service],
                env={**ours, **self.settings, "ALLOCATOR_PEERS": json.dumps(peers)},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self) -> str:
        """What it has said since it was started last."""
        return self.output.read_bytes()[self._said :].decode(errors="replace")

    def has_said(self, event: str) -> bool:
        """Whether it has written something down since it was started last."""
        return f'"event":"{event}"' in self.log()

    def ready(self) -> None:
        """Waits until it is ready."""
        until(lambda: self.has_said("ready") or not self.lives, within=_READY_SECONDS)
        assert self.lives, self.log()

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it with a signal, and waits for that."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout=40)


class NodeProcesses:
    """user_svc, machines_svc and allocation_svc once, docker_svc and interact_svc twice."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        certificates = folder / "certificates"
        Authority(certificates).init(["127.0.0.1"])
        self.edge = ssl.create_default_context(cafile=str(certificates / "edge" / "ca.pem"))
        self.edge.load_cert_chain(
            certificates / "edge" / "cert.pem", certificates / "edge" / "key.pem"
        )
        # Their certificates name services, not addresses.
        self.edge.check_hostname = False
        common = {
            **FAST,
            "ALLOCATOR_RUNTIME": "process",
            "ALLOCATOR_SERVICE_SECRET": "c2VydmljZXMta25vdy1lYWNoLW90aGVyLWJ5LXRoaXM",
            "ALLOCATOR_VAULT_KEY": "c2VjcmV0cy1hdC1yZXN0LWFyZS1zZWFsZWQtYnktaXQ",
            "ALLOCATOR_DOCKER_STATE_DIR": str(self.state_dir),
            "ALLOCATOR_ALLOCATION_PORT_RANGE": free_range(),
            "ALLOCATOR_DRAIN_SECONDS": "5",
            **settings,
        }
        self.all: dict[str, list[ServiceProcess]] = {}
        for service in (*ALONE, *DOUBLED):
            others = tuple(_prefix(one) for one in (*ALONE, *DOUBLED) if one != service)
            # A process refuses the settings of a service that is not in it.
            own = {name: value for name, value in common.items() if not name.startswith(others)}
            own["ALLOCATOR_TLS_DIR"] = str(certificates / service)
            names = [service] if service in ALONE else [f"{service}-{n}" for n in "ab"]
            self.all[service] = [ServiceProcess(service, name, own, folder) for name in names]
        self.peers = {
            service: "ipv4:" + ",".join(replica.grpc for replica in replicas)
            for service, replicas in self.all.items()
        }
        self._clients: dict[str, httpx2.Client] = {}

    @property
    def nodes(self) -> Sequence[ServiceProcess]:
        """The replicas of docker_svc."""
        return self.all["docker_svc"]

    @property
    def consoles(self) -> Sequence[ServiceProcess]:
        """The replicas of interact_svc."""
        return self.all["interact_svc"]

    @property
    def replicas(self) -> Sequence[ServiceProcess]:
        """Every process."""
        return [one for replicas in self.all.values() for one in replicas]

    def start(self) -> None:
        """Starts everything, and waits until all are ready and one works on the node."""
        for one in self.replicas:
            one.start(self.peers)
        for one in self.replicas:
            one.ready()
        self.on_duty()

    def begin(self, one: ServiceProcess) -> None:
        """Starts one replica again, and waits until it serves, or waits for its turn to."""
        one.start(self.peers)
        said = ("standing by", "ready")
        until(lambda: any(map(one.has_said, said)) or not one.lives, within=_READY_SECONDS)
        assert one.lives, one.log()

    def holder(self) -> str:
        """The replica that has said last that it works on the node; empty while none does."""
        with contextlib.suppress(OSError, ValueError):
            said = json.loads((self.state_dir / "node.lock").read_bytes() or b"{}")
            return str(said.get("replica", ""))
        return ""

    def on_duty(self, within: float = 30.0) -> ServiceProcess:
        """The replica of docker_svc that works on the node, once there is one."""

        def found() -> ServiceProcess | None:
            for one in self.nodes:
                if one.replica == self.holder() and one.lives and one.has_said("taken over"):
                    return one
            return None

        working = until(found, within)
        assert isinstance(working, ServiceProcess)
        return working

    def call(
        self, service: str, verb: str, path: str, token: str = "", **options: Any
    ) -> httpx2.Response:
        """One request to the first replica of a service, as the edge passes it on."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = httpx2.Client(
                base_url=f"https://{self.all[service][0].http}",
                verify=self.edge,
                timeout=30,
                trust_env=False,
            )
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return client.request(verb, path, headers=headers, **options)

    def admin(self) -> str:
        """The first admin's access token."""
        folder = Path(self.all["user_svc"][0].settings["ALLOCATOR_DATA_DIR"])
        credentials = json.loads((folder / "admin.json").read_text())
        answer = self.call("user_svc", "POST", "/v1/sessions", json=credentials)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accessToken"])

    def rent(self, token: str, machine: str, **variables: str) -> str:
        """Rents a machine, as soon as what that needs is there; the allocation's name."""
        asked = {
            "machine": f"machines/{machine}",
            "variables": [{"key": k, "value": v} for k, v in variables.items()],
        }

        def rented() -> str:
            answer = self.call("allocation_svc", "POST", "/v1/allocations", token, json=asked)
            assert answer.status_code in (200, 503), answer.text
            return str(answer.json()["name"]) if answer.status_code == 200 else ""

        return str(until(rented))

    def look(self, token: str, name: str) -> dict[str, Any]:
        """An allocation as it is."""
        answer = self.call("allocation_svc", "GET", f"/v1/{name}", token)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, token: str, name: str, *states: str, within: float = 60.0) -> dict[str, Any]:
        """An allocation once it is in one of the states."""
        end = time.monotonic() + within
        while (found := self.look(token, name))["state"] not in states:
            assert time.monotonic() < end, f"{name} is not {states} after {within} s but {found}"
            time.sleep(0.05)
        return found

    def act(self, token: str, name: str, verb: str = "") -> None:
        """Stops, starts or restarts an allocation; removes it where no verb is given.

        While no replica works on the node, the answer is that it is noted: that is enough.
        """
        path, how = (f"/v1/{name}:{verb}", "POST") if verb else (f"/v1/{name}", "DELETE")
        options = {"json": {}} if verb else {}
        answer = self.call("allocation_svc", how, path, token, **options)
        noted = answer.status_code == 503 and answer.json()["metadata"].get("noted") == "true"
        assert answer.status_code == 200 or noted, answer.text

    def close(self) -> None:
        """Ends everything; who works on the node tidies up there."""
        for client in self._clients.values():
            client.close()
        # Those first who stand by, or they would take over.
        for one in sorted(self.nodes, key=lambda one: one.replica == self.holder()):
            one.end()
        for one in reversed(self.replicas):
            one.end(signal.SIGKILL)


def _prefix(service: str) -> str:
    """What the names of a service's settings begin with."""
    return f"ALLOCATOR_{service.removesuffix('_svc').upper()}_"
