"""The mesh: two replicas of each service on real servers, behind the edge, on a Docker engine.

Needs the servers of `make test-real`; where they are not set it measures nothing, and says so.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.calls import http_rate
from benchmarks.changes import seen
from benchmarks.creating import PORT, compare
from benchmarks.figures import Figure, alternating, percentile
from benchmarks.machines import publish
from benchmarks.running import free_port  # noqa: F401 - makes the tests' modules importable

PAIRS = 7
FACTS = 200
NEEDED = ("MYSQL_URL", "MONGODB_URL", "REDIS_URL", "KAFKA")


def run() -> list[Figure]:
    if missing := [name for name in NEEDED if not os.environ.get(f"ALLOCATOR_TEST_{name}")]:
        print(f"mesh: not measured, ALLOCATOR_TEST_{missing[0]} is not set", file=sys.stderr)
        return []
    from mesh_processes import MeshProcesses

    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        mesh = MeshProcesses(
            Path(scratch) / "mesh",
            replicas=2,
            runtime="docker",
            ALLOCATOR_ALLOCATION_QUOTA="500",
        )
        try:
            mesh.start()
            print(f"mesh: up after {time.monotonic() - began:.0f} s", file=sys.stderr)
            publish(
                mesh,
                "httpd",
                image="busybox:latest",
                command=["httpd", "-f", "-p", str(PORT)],
                ports=[{"number": PORT}],
                resourceClass="small",
            )
            token = mesh.person("mesh@example.org")
            return [
                *reads(mesh, token),
                facts(mesh, token),
                *asyncio.run(
                    compare(mesh, token, reach=1.25, where=" through the mesh", rates=False)
                ),
                *asyncio.run(seen(mesh, token, reach=500, where=", through the mesh")),
            ]
        finally:
            mesh.close()


def reads(mesh: Any, token: str) -> list[Figure]:
    name = mesh.rent(token, "httpd")["name"]
    mesh.wait(token, name, "READY")
    own = mesh.certificates / "edge"
    as_edge = ssl.create_default_context(cafile=str(own / "ca.pem"))
    as_edge.load_cert_chain(own / "cert.pem", own / "key.pem")
    as_edge.check_hostname = False
    direct = [f"127.0.0.1:{http}" for http, _ in mesh.ports["allocation_svc"]]
    edge = mesh.http.replace("localhost", "127.0.0.1")
    ours, yard, ratio = alternating(
        lambda: http_rate(edge, f"/v1/{name}", token, mesh.trusts),
        lambda: http_rate(direct, f"/v1/{name}", token, as_edge),
        PAIRS,
    )
    mesh.call("DELETE", f"/v1/{name}", token)
    mesh.wait(token, name, "DELETED")
    return [
        Figure(
            "REST GetAllocation through nginx, over TLS",
            "the same directly at both replicas, over TLS",
            ratio,
            "≥ 0.7",
            "×",
            f"{max(ours):.0f}/s against {max(yard):.0f}/s",
        )
    ]


def facts(mesh: Any, token: str) -> Figure:
    """From the answer to a write until the directory of the broker has it."""
    import pymongo

    url = mesh.stores.settings["ALLOCATOR_BROKER_DATABASE_URL"]
    me = mesh.call("GET", "/v1/users/me", token).json()["name"]
    waits = []
    with pymongo.MongoClient(url) as client:
        known = client[urlsplit(url).path.strip("/")]["entries"]
        for number in range(FACTS):
            answer = mesh.call("PATCH", f"/v1/{me}", token, json={"givenName": f"Ada {number}"})
            assert answer.status_code == 200, answer.text
            committed = time.perf_counter()
            while f"Ada {number}" not in str(known.find_one({"name": me})):
                assert time.perf_counter() - committed < 10
                time.sleep(0.001)
            waits.append(time.perf_counter() - committed)
    return Figure(
        "fact from commit to read model through Kafka, p99",
        "",
        percentile(waits, 0.99) * 1000,
        "< 500",
        "ms",
        f"median {percentile(waits, 0.5) * 1000:.0f} ms",
    )
