"""A Swarm that loses nodes: what ran there comes back elsewhere, and nothing is doubled or made up.

What runs is counted on the engines of the nodes, not in our tables.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from allocator_process import AllocatorProcess

from tests.faults.reconciliation_host import Cable
from tests.servers import swarm_engines, swarm_manager
from tests.swarm_nodes import (
    PATIENCE,
    all_well,
    bring_back,
    containers_on,
    held_up,
    kill,
    standing_of,
    until,
)

pytestmark = [pytest.mark.real_swarm, pytest.mark.slow, pytest.mark.timeout(400)]

TICKS = (
    "mkdir -p /www; echo hello > /www/index.html; httpd -p 8080 -h /www; "
    'i=0; while :; do echo "tick $i"; i=$((i+1)); sleep 0.2; done'
)
WORKS = "while :; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; sleep 0.1; done"
# It goes on after its node has looked a first time.
FILLS = """
sleep 5
dd if=/dev/zero of=/keeps/big bs=1048576 count=3 2>/dev/null
while :; do sleep 1; done
"""
FULL = {"path": "/keeps", "sizeMib": 1}
MACHINE = {
    "title": "Ticks",
    "image": "busybox:latest",
    "command": ["sh", "-c", TICKS],
    "ports": [{"number": 8080, "protocol": "TCP"}],
    "probe": {"http": {"port": 8080, "path": "/"}},
    "stopGrace": "1s",
}


class Cluster:
    """An allocator on the Swarm, and what is asked of it."""

    def __init__(self, running: AllocatorProcess) -> None:
        self.running = running
        self.token = running.admin()
        chosen = json.loads((running.data_dir / "runtime.json").read_text())
        self.installation = chosen["installation"]

    def call(self, verb: str, path: str, **options: Any) -> dict[str, Any]:
        """One request, which must succeed."""
        answer = self.running.call(verb, path, self.token, **options)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def publish(self, name: str, **others: object) -> None:
        """Makes a machine and puts it into the catalogue."""
        self.call("POST", "/v1/machines", params={"machine_id": name}, json={**MACHINE, **others})
        self.call("POST", f"/v1/machines/{name}:publish", json={})

    def rent(self, machine: str, *nodes: str) -> dict[str, Any]:
        """Rents a machine until it is on one of some nodes; those elsewhere go on."""
        for _ in range(8):
            name = self.running.rent(self.token, machine)["name"]
            found = self.running.wait(self.token, name, "READY", "FAILED", within=PATIENCE)
            assert found["state"] == "READY", found["stateReason"]
            if found["node"].removeprefix("nodes/") in nodes:
                return found
        raise AssertionError(f"nothing was placed on {nodes}")

    def get(self, name: str) -> dict[str, Any]:
        """An allocation, or another resource, now."""
        return self.call("GET", f"/v1/{name}")

    def node(self, name: str) -> dict[str, Any]:
        """A node as the allocator tells it."""
        return self.get(f"nodes/{name}")

    def answers(self, allocation: dict[str, Any]) -> bool:
        """Whether the program answers at the address of its allocation."""
        try:
            url = f"http://{allocation['host']}:{allocation['port']}/"
            return httpx2.get(url, timeout=2, trust_env=False).text == "hello\n"
        except httpx2.HTTPError:
            return False

    def moved(self, name: str, away_from: str) -> dict[str, Any]:
        """The allocation once it is READY on another node."""

        def elsewhere() -> dict[str, Any] | None:
            found = self.get(name)
            is_so = found["state"] == "READY" and found["node"] != f"nodes/{away_from}"
            return found if is_so else None

        return dict(until(elsewhere))

    def lines(self, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All lines and gaps of a log."""
        lines: list[dict[str, Any]] = []
        gaps: list[dict[str, Any]] = []
        cursor = "1"
        while True:
            page = self.call("GET", f"/v1/{name}/lines", params={"cursor": cursor})
            lines += page["lines"]
            gaps += page["gaps"]
            if page["nextCursor"] == cursor:
                return lines, gaps
            cursor = page["nextCursor"]


class States:
    """Every state that an allocation is seen in, by somebody who asks all the time."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self._cluster, self._name = cluster, name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with self._cluster.running.open_client() as client:
            headers = {"authorization": f"Bearer {self._cluster.token}"}
            while not self._over.wait(0.1):
                found = client.get(f"/v1/{self._name}", headers=headers).json()
                if not self.seen or self.seen[-1]["state"] != found["state"]:
                    self.seen.append(found)

    @property
    def names(self) -> list[str]:
        """The states, one after another."""
        return [each["state"] for each in self.seen]


@pytest.fixture(scope="module")
def cable() -> Iterator[tuple[Path, Cable]]:
    """The way to the manager, which can be cut."""
    path = Path(tempfile.mkdtemp(prefix="s-")) / "manager.sock"
    made = Cable(path, lambda: Path(swarm_manager().removeprefix("unix://")))
    yield path, made
    made.close()
    path.unlink(missing_ok=True)
    path.parent.rmdir()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, cable: tuple[Path, Cable]
) -> Iterator[AllocatorProcess]:
    bring_back()
    all_well()
    made = AllocatorProcess(
        Path(tmp_path_factory.mktemp("swarm")) / "data",
        runtime="swarm",
        DOCKER_HOST=f"unix://{cable[0]}",
        ALLOCATOR_DOCKER_SWARM_ENGINES=json.dumps(swarm_engines()),
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="2",
        ALLOCATOR_ALLOCATION_NODE_SECONDS="0.3",
        ALLOCATOR_ALLOCATION_NODE_FAILURES="3",
        ALLOCATOR_ALLOCATION_SHORTEST_IDLE_SECONDS="5",
        ALLOCATOR_ALLOCATION_IDLE_LOOK_SECONDS="1",
        ALLOCATOR_ALLOCATION_VOLUME_SWEEP_SECONDS="1",
        ALLOCATOR_DOCKER_VOLUME_MEASURE_SECONDS="1",
    )
    made.start(within=PATIENCE)
    cluster = Cluster(made)
    cluster.publish("ticks")
    cluster.publish("keeps", volumes=[{"path": "/keeps", "sizeMib": 16}])
    quiet = {"ports": [], "probe": None}
    cluster.publish("rests", command=["sleep", "86400"], **quiet)
    cluster.publish("works", command=["sh", "-c", WORKS], **quiet)
    cluster.publish("fills", command=["sh", "-c", FILLS], **quiet, volumes=[FULL])
    yield made
    made.close()


@pytest.fixture
def cluster(running: AllocatorProcess) -> Iterator[Cluster]:
    """The allocator; afterwards nothing of it is left on any node, and all nodes are well."""
    cluster = Cluster(running)
    yield cluster
    bring_back()
    all_well()
    for node in ("node1", *swarm_engines()):
        until(
            lambda node=node: (
                running.call("GET", f"/v1/nodes/{node}", cluster.token).status_code == 200
            )
        )
        cluster.call("POST", f"/v1/nodes/{node}:activate", json={})
    running.remove_everything()
    for node in ("node1", *swarm_engines()):
        until(lambda node=node: not containers_on(node, cluster.installation, running=False))


def test_what_a_killed_node_ran_comes_back_elsewhere_once_with_its_address(
    cluster: Cluster,
) -> None:
    """And nothing of it lives on when the node is back."""
    before = cluster.rent("ticks", *swarm_engines())
    name, lost = before["name"], before["node"].removeprefix("nodes/")
    until(lambda: cluster.answers(before))
    until(lambda: len(cluster.lines(name)[0]) > 5)
    with States(cluster, name) as states:
        kill(lost)
        after = cluster.moved(name, lost)
    assert set(states.names) <= {"READY", "UNKNOWN", "STARTING"}, states.names
    unknown = next(each for each in states.seen if each["state"] == "UNKNOWN")
    assert unknown["stateReason"]["reason"] == "NODE_AWAY"
    heard, told = (datetime.fromisoformat(unknown[f]) for f in ("observedTime", "stateTime"))
    assert heard <= told
    assert after["port"] == before["port"]
    assert after["host"] != before["host"]
    assert after["generation"] == before["generation"]
    until(lambda: cluster.answers(after))
    until(lambda: cluster.node(lost)["state"] == "DOWN")

    # One copy where the cluster can see; the log goes on, and says what it does not have.
    others = [node for node in ("node1", *swarm_engines()) if node != lost]
    running = {node: len(containers_on(node, cluster.installation)) for node in others}
    allocations = cluster.call("GET", "/v1/allocations", params={"parent": "users/-"})[
        "allocations"
    ]
    assert sum(running.values()) == len(allocations)

    def second_run() -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
        lines, gaps = cluster.lines(name)
        return (lines, gaps) if any(line["incarnation"] == 2 for line in lines) else None

    lines, gaps = until(second_run)
    _is_whole(lines, gaps)
    assert {gap["cause"] for gap in gaps} <= {"NODE_LOST"}
    for run in (1, 2):
        ticks = [line["text"] for line in lines if line["incarnation"] == run]
        assert ticks == [f"tick {n}" for n in range(len(ticks))]

    bring_back()
    until(lambda: cluster.node(lost)["state"] == "READY")
    until(lambda: not containers_on(lost, cluster.installation))
    final = cluster.get(name)
    assert (final["state"], final["node"]) == ("READY", after["node"])
    assert cluster.answers(final)
    assert cluster.call("GET", f"/v1/{name}:inspect")["incarnation"] == 2
    _is_whole(*cluster.lines(name))


def test_what_was_on_a_node_that_hangs_is_fenced_when_it_goes_on(cluster: Cluster) -> None:
    """Its copy runs on meanwhile, and is ended then: never the new one."""
    before = cluster.rent("ticks", *swarm_engines())
    name, lost = before["name"], before["node"].removeprefix("nodes/")
    with held_up(lost):
        after = cluster.moved(name, lost)
        assert cluster.answers(before), "the old copy runs on where nobody can end it"
    until(lambda: not containers_on(lost, cluster.installation))
    assert cluster.get(name)["node"] == after["node"]
    assert cluster.answers(after)


def test_files_of_a_node_wait_for_it(cluster: Cluster) -> None:
    """An instance with a volume runs where its files are, and nowhere else: UNKNOWN until then."""
    before = cluster.rent("keeps", *swarm_engines())
    name, lost = before["name"], before["node"].removeprefix("nodes/")
    with held_up(lost), States(cluster, name) as states:
        cluster.running.wait(cluster.token, name, "UNKNOWN", within=PATIENCE)
        until(lambda: cluster.node(lost)["state"] == "DOWN")
        assert cluster.get(name)["state"] == "UNKNOWN"
    assert set(states.names) <= {"READY", "UNKNOWN"}
    back = cluster.running.wait(cluster.token, name, "READY", within=PATIENCE)
    assert (back["node"], back["host"]) == (before["node"], before["host"])
    until(lambda: cluster.answers(cluster.get(name)))


def test_a_newer_version_goes_where_its_files_are_and_so_do_its_new_volumes(
    cluster: Cluster,
) -> None:
    """Whatever their order: each volume is where the cluster keeps that it is."""
    kept, more = ({"path": path, "sizeMib": 16} for path in ("/keeps", "/more"))
    cluster.publish("grows", volumes=[kept])
    before = cluster.rent("grows", *swarm_engines())
    name = before["name"]
    newer = {"ports": [{"number": 8080}, {"number": 9090}], "volumes": [more, kept]}
    mask = {"updateMask": "ports,volumes"}
    cluster.call("PATCH", "/v1/machines/grows", params=mask, json=newer)
    for generation in (2, 3):
        cluster.call("POST", f"/v1/{name}:recreate", json={})

        def made(of: int = generation) -> dict[str, Any] | None:
            found = cluster.get(name)
            is_so = found["generation"] == of and found["state"] in ("READY", "FAILED")
            return found if is_so else None

        after = until(made)
        assert after["state"] == "READY", after
        assert (after["node"], after["host"]) == (before["node"], before["host"])
        assert after["port"] == before["port"]
        assert len({endpoint["port"] for endpoint in after["endpoints"]}) == 2
        until(lambda: cluster.answers(cluster.get(name)))
    had = {volume["path"]: volume["volume"] for volume in after["volumes"]}
    assert list(had) == ["/more", "/keeps"]
    assert had["/keeps"] == before["volumes"][0]["volume"]


def test_a_stop_while_the_node_is_away_is_done_and_not_said_too_early(cluster: Cluster) -> None:
    """Its files are there, so it is not made anew elsewhere; and STOPPED only once that is known."""
    before = cluster.rent("keeps", *swarm_engines())
    name, lost = before["name"], before["node"].removeprefix("nodes/")
    with held_up(lost):
        until(lambda: standing_of(lost).startswith("down"))
        cluster.call("POST", f"/v1/{name}:stop", json={})
        cluster.running.wait(cluster.token, name, "UNKNOWN", within=PATIENCE)
    cluster.running.wait(cluster.token, name, "STOPPED", within=PATIENCE)
    for node in ("node1", *swarm_engines()):
        until(lambda node=node: not containers_on(node, cluster.installation, allocation=name))
    cluster.call("POST", f"/v1/{name}:start", json={})
    again = cluster.running.wait(cluster.token, name, "READY", within=PATIENCE)
    assert again["port"] == before["port"]


def test_a_manager_that_is_away_makes_nothing_stopped_or_new(
    cluster: Cluster, cable: tuple[Path, Cable]
) -> None:
    """UNKNOWN with the age of what is known; then as before, without another start."""
    before = cluster.rent("ticks", "node1", *swarm_engines())
    name = before["name"]
    with States(cluster, name) as states:
        cable[1].pull()
        try:
            unknown = cluster.running.wait(cluster.token, name, "UNKNOWN", within=PATIENCE)
            assert unknown["stateReason"]["reason"] == "ENGINE_UNAVAILABLE"
        finally:
            cable[1].plug()
        cluster.running.wait(cluster.token, name, "READY", within=PATIENCE)
    assert set(states.names) <= {"READY", "UNKNOWN"}
    assert cluster.call("GET", f"/v1/{name}:inspect")["incarnation"] == 1


def test_a_drained_node_is_left_and_takes_nothing_until_it_is_activated(cluster: Cluster) -> None:
    """What ran there runs elsewhere, and the node says why it takes nothing."""
    before = cluster.rent("ticks", *swarm_engines())
    name, drained = before["name"], before["node"].removeprefix("nodes/")
    told = cluster.call("POST", f"/v1/nodes/{drained}:drain", json={"reason": "new disks"})
    assert told["availability"] == "DRAINED"
    assert told["stateReason"]["reason"] == "NODE_DRAINED"
    assert "new disks" in told["stateReason"]["message"]
    assert told["allocations"] >= 1
    after = cluster.moved(name, drained)
    until(lambda: cluster.answers(after))
    until(lambda: not containers_on(drained, cluster.installation))
    others = [cluster.running.rent(cluster.token, "ticks")["name"] for _ in range(2)]
    for other in others:
        found = cluster.running.wait(cluster.token, other, "READY", within=PATIENCE)
        assert found["node"] != f"nodes/{drained}"
    active = cluster.call("POST", f"/v1/nodes/{drained}:activate", json={})
    assert active["availability"] == "ACTIVE"
    assert standing_of(drained) == "ready active"
    assert cluster.get(name)["node"] == after["node"], "what has moved stays"


def test_what_is_used_is_known_on_whichever_node_it_is(cluster: Cluster) -> None:
    """One that works goes on, one that nobody uses is stopped: on another node than the manager's."""
    names = {}
    for machine in ("works", "rests"):
        name = names[machine] = cluster.rent(machine, *swarm_engines())["name"]
        cluster.call("PATCH", f"/v1/{name}", json={"idlePolicy": {"timeout": "6s"}})
    rests = cluster.running.wait(cluster.token, names["rests"], "STOPPED", within=PATIENCE)
    assert "idle for 6 seconds" in rests["stateReason"]["message"]
    assert cluster.get(names["works"])["state"] == "READY"


def test_a_volume_that_holds_too_much_stops_its_allocation_on_whichever_node_it_is(
    cluster: Cluster,
) -> None:
    name = cluster.rent("fills", *swarm_engines())["name"]
    stopped = cluster.running.wait(cluster.token, name, "STOPPED", within=PATIENCE)
    assert stopped["stateReason"]["reason"] == "VOLUME_FULL"
    assert "3.0 MiB" in stopped["stateReason"]["message"]


def test_a_node_that_is_lost_again_and_again_is_taken_out(cluster: Cluster) -> None:
    """With its reason, at the third time within the hour; an admin puts it in again."""
    failing = next(iter(swarm_engines()))
    cluster.call("POST", f"/v1/nodes/{failing}:activate", json={})
    for _ in range(3):
        with held_up(failing):
            until(lambda: cluster.node(failing)["state"] == "DOWN")
        until(lambda: cluster.node(failing)["state"] == "READY")
    told = cluster.node(failing)
    assert told["availability"] == "DRAINED"
    assert told["stateReason"]["reason"] == "NODE_FAILING"
    assert standing_of(failing) == "ready drain"
    cluster.call("POST", f"/v1/nodes/{failing}:activate", json={})
    assert cluster.node(failing)["failures"] == 0


def _is_whole(lines: list[dict[str, Any]], gaps: list[dict[str, Any]]) -> None:
    """Lines and declared gaps together are every number from the first to the last."""
    known = {int(line["seq"]) for line in lines}
    for gap in gaps:
        known |= set(range(int(gap["firstSeq"]), int(gap["lastSeq"]) + 1))
    assert known == set(range(1, max(known) + 1))
