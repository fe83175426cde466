"""Images that the engine does not have yet."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx2
import pytest
from allocator_process import AllocatorProcess

pytestmark = pytest.mark.real_docker


def test_an_image_is_fetched_with_progress(tmp_path: Path) -> None:
    for tag in ("nginx:1.27", "nginx:1.27-alpine"):
        subprocess.run(["docker", "rmi", "-f", tag], capture_output=True)
    running = AllocatorProcess(tmp_path / "data", runtime="docker").start()
    try:
        token = running.person("images@example.org")
        name = running.rent(token, "nginx")["name"]
        headers = {"authorization": f"Bearer {token}", "accept": "application/x-ndjson"}
        url = f"http://{running.http}/v1/allocations:watch"
        progress = []
        with httpx2.stream("GET", url, headers=headers, timeout=120, trust_env=False) as stream:
            for line in stream.iter_lines():
                allocation = json.loads(line).get("allocation") or {}
                if allocation.get("name") != name:
                    continue
                progress.append(allocation["progress"])
                assert allocation["state"] != "FAILED", allocation
                if allocation["state"] == "READY":
                    break
        assert any("nginx:1.27-alpine" in said for said in progress), progress
    finally:
        running.close()
        subprocess.run(["docker", "tag", "nginx:1.27-alpine", "nginx:1.27"], capture_output=True)
