"""What of the web console is made or pinned is as it should be."""

from __future__ import annotations

import json
import subprocess
import sys

from allocator_process import ROOT

WEB = ROOT / "web"


def test_the_generated_client_is_fresh() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "web_client.py"), "--check"]
    ran = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_lock_file_names_no_host_to_download_from() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert packages
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_the_lock_file_has_the_packages_of_every_platform() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    locked = {name.rpartition("node_modules/")[2] for name in packages}
    wanted = {one for p in packages.values() for one in p.get("optionalDependencies", {})}
    assert wanted
    assert wanted <= locked


def test_every_dependency_is_pinned() -> None:
    wanted = json.loads((WEB / "package.json").read_text())
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert [name for name, version in versions.items() if not version[0].isdigit()] == []
