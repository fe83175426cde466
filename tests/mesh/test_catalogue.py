"""The catalogue as people and admins use it, from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from allocator.machines.v1 import machine_service_pb2, machine_service_pb2_grpc
from allocator_process import AllocatorProcess
from pictures import png
from visitor import Visitor

ROOT = Path(__file__).resolve().parent.parent.parent


def someone(running: Visitor) -> tuple[str, str]:
    """A verified person: their token and their name."""
    token = running.person(f"{uuid4().hex[:12]}@example.org")
    return token, running.call("GET", "/v1/users/me", token).json()["name"]


def reason(answer: Any) -> str:
    return str(answer.json()["reason"])


def until(check: Any, within: float = 20.0) -> Any:
    end = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found


def test_a_person_submits_a_machine_and_an_admin_decides(running: Visitor) -> None:
    admin = running.admin()
    ada, name = someone(running)
    bob, _ = someone(running)
    machine = f"m-{uuid4().hex[:8]}"
    path = f"/v1/machines/{machine}"
    body = {"title": "My server", "image": "nginx:1", "tags": ["mine"], "category": "web"}

    with_command = {**body, "command": ["sh"]}
    refused = running.call("POST", f"/v1/machines?machineId={machine}", ada, json=with_command)
    assert (refused.status_code, reason(refused)) == (403, "COMMAND_ADMINS_ONLY")
    without_image = {"title": "t", "command": ["sh"]}
    refused = running.call("POST", f"/v1/machines?machineId={machine}", ada, json=without_image)
    assert (refused.status_code, reason(refused)) == (403, "COMMAND_ADMINS_ONLY")
    made = running.call("POST", f"/v1/machines?machineId={machine}", ada, json=body)
    assert made.status_code == 200, made.text
    assert (made.json()["state"], made.json()["publisher"]) == ("DRAFT", name)

    # A draft is its publisher's and the admins'.
    for stranger in ("", bob):
        assert running.call("GET", path, stranger).status_code == 404
    assert running.call("PATCH", path, bob, json={"title": "x"}).status_code == 404
    assert running.call("DELETE", path, bob).status_code == 404
    assert running.call("POST", f"{path}:submit", bob, json={}).status_code == 404
    assert running.call("GET", path, ada).json()["title"] == "My server"
    own = running.call("GET", "/v1/machines", ada, params={"filter": 'publisher = "users/me"'})
    assert [one["name"] for one in own.json()["machines"]] == [f"machines/{machine}"]
    assert f"machines/{machine}" not in running.call("GET", "/v1/machines", ada).text
    assert running.call("POST", f"{path}:publish", ada, json={}).status_code == 403

    # Submitted, changed (which takes it back), submitted again, rejected, and published in the end.
    assert "submitTime" in running.call("POST", f"{path}:submit", ada, json={}).json()["submission"]
    changed = running.call("PATCH", path, ada, json={"title": "My web server"})
    assert "submission" not in changed.json()
    again = running.call("POST", f"{path}:reject", admin, json={"rejection": "no"})
    assert (again.status_code, reason(again)) == (400, "MACHINE_NOT_SUBMITTED")
    running.call("POST", f"{path}:submit", ada, json={})
    waiting = running.call("GET", "/v1/machines", admin, params={"filter": "submitted = true"})
    assert f"machines/{machine}" in [one["name"] for one in waiting.json()["machines"]]
    running.call("POST", f"{path}:reject", admin, json={"rejection": "Say what it is for."})
    told = running.call("GET", path, ada).json()["submission"]
    assert told["rejection"] == "Say what it is for."
    running.call("PATCH", path, ada, json={"description": "For pages."})
    running.call("POST", f"{path}:submit", ada, json={})
    published = running.call("POST", f"{path}:publish", admin, json={})
    assert published.json()["state"] == "ACTIVE"
    assert "submission" not in published.json()

    # From then on it is the admins'.
    late = running.call("PATCH", path, ada, json={"title": "x"})
    assert (late.status_code, reason(late)) == (400, "MACHINE_NOT_DRAFT")
    found = running.call("GET", "/v1/machines", "", params={"query": "web ser"}).json()
    assert f"machines/{machine}" in [one["name"] for one in found["machines"]]
    running.call("POST", f"{path}:retire", admin, json={})
    assert running.call("DELETE", path, admin).status_code == 200


def test_versions_are_kept_and_gone_back_to_and_forked(running: Visitor) -> None:
    admin = running.admin()
    ada, name = someone(running)
    machine, fork = f"m-{uuid4().hex[:8]}", f"f-{uuid4().hex[:8]}"
    path = f"/v1/machines/{machine}"
    body = {"title": "One", "image": "redis:7", "command": ["redis-server"], "needsImage": True}
    running.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    running.call("POST", f"{path}:publish", admin, json={})
    running.call("PATCH", path, admin, json={"title": "Two", "command": ["redis-server", "-x"]})
    versions = running.call("GET", f"{path}/versions", ada).json()["versions"]
    assert [(one["version"], one["title"]) for one in versions] == [(3, "Two"), (2, "One")]
    assert running.call("GET", path, ada, params={"version": "2"}).json()["title"] == "One"
    hidden = running.call("GET", path, ada, params={"version": "1"})
    assert (hidden.status_code, reason(hidden)) == (404, "MACHINE_VERSION_NOT_FOUND")
    assert running.call("GET", path, admin, params={"version": "1"}).json()["state"] == "DRAFT"
    none = running.call("POST", f"{path}:rollback", admin, json={"version": 9})
    assert reason(none) == "MACHINE_VERSION_NOT_FOUND"
    assert running.call("POST", f"{path}:rollback", ada, json={"version": 2}).status_code == 404
    back = running.call("POST", f"{path}:rollback", admin, json={"version": 2}).json()
    assert (back["version"], back["title"], back["state"]) == (4, "One", "ACTIVE")

    forked = running.call(
        "POST", f"{path}:fork", ada, json={"machineId": fork, "version": 3, "title": "Mine"}
    )
    assert forked.status_code == 200, forked.text
    mine = forked.json()
    assert mine["forkedFrom"] == {"machine": f"machines/{machine}", "version": 3}
    assert (mine["publisher"], mine["state"], mine["title"]) == (name, "DRAFT", "Mine")
    assert mine["command"] == ["redis-server", "-x"]
    other = running.call("PATCH", f"/v1/machines/{fork}", ada, json={"command": ["sh"]})
    assert reason(other) == "COMMAND_ADMINS_ONLY"
    assert running.call("DELETE", f"/v1/machines/{fork}", ada).status_code == 200
    running.call("POST", f"{path}:retire", admin, json={})
    running.call("DELETE", path, admin)


def test_a_machine_has_pictures(running: Visitor) -> None:
    admin = running.admin()
    ada, _ = someone(running)
    machine = f"m-{uuid4().hex[:8]}"
    path = f"/v1/machines/{machine}"
    body = {"title": "Pictured", "image": "nginx:1"}
    running.call("POST", f"/v1/machines?machineId={machine}", ada, json=body)
    for content in (
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
        png(8, 8),
        png(64, 64)[:-9],
    ):
        refused = running.call("PUT", f"{path}/icon", ada, content=content)
        assert (refused.status_code, reason(refused)) == (400, "PICTURE_INVALID"), content[:9]
    headers = {"content-type": "image/png"}
    icon = png(64, 64)
    given = running.call("PUT", f"{path}/icon", ada, content=icon, headers=headers)
    assert given.status_code == 200, given.text
    said = given.json()["icon"]
    assert (said["mediaType"], said["width"], said["sizeBytes"]) == ("image/png", 64, len(icon))
    given = running.call("PUT", f"{path}/banner", ada, content=png(300, 100), headers=headers)
    assert given.json()["banner"]["width"] == 300

    # Of a draft, whoever knows the address sees it: a browser sends no token with a picture.
    assert running.call("GET", f"{path}/icon").status_code == 404
    assert running.call("GET", f"{path}/icon", ada).content == icon
    shown = running.call("GET", said["uri"])
    assert (shown.status_code, shown.content) == (200, icon)
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in shown.headers["cache-control"]
    assert shown.headers["etag"] == f'"{said["digest"]}"'
    known = {"if-none-match": shown.headers["etag"]}
    again = running.call("GET", said["uri"], headers=known)
    assert (again.status_code, again.content) == (304, b"")
    head = running.call("HEAD", said["uri"])
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(icon)))
    wrong = running.call("GET", f"{path}/icon", params={"digest": "0" * 64})
    assert wrong.status_code == 404

    running.call("POST", f"{path}:publish", admin, json={})
    shown = running.call("GET", f"{path}/icon")
    assert shown.headers["cache-control"] == "public, no-cache"
    assert reason(running.call("PUT", f"{path}/icon", ada, content=icon)) == "MACHINE_NOT_DRAFT"
    gone = running.call("DELETE", f"{path}/icon", admin)
    assert "icon" not in gone.json()
    assert reason(running.call("DELETE", f"{path}/icon", admin)) == "PICTURE_NOT_FOUND"
    assert reason(running.call("GET", f"{path}/icon")) == "PICTURE_NOT_FOUND"
    running.call("POST", f"{path}:retire", admin, json={})
    running.call("DELETE", path, admin)


def test_a_machine_travels_as_a_document(running: Visitor) -> None:
    admin = running.admin()
    starters = {"filter": "state = ACTIVE AND publisher = ''"}
    listed = running.call("GET", "/v1/machines", admin, params=starters).json()["machines"]
    assert len(listed) >= 8
    for one in listed:
        answer = running.call("GET", f"/v1/{one['name']}:export")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/yaml"
        name = f"copy-{uuid4().hex[:8]}"
        text = answer.text.replace(f"name: {one['name']}\n", f"name: machines/{name}\n")
        made = running.call("POST", "/v1/machines:import", admin, content=text.encode())
        assert made.status_code == 200, made.text
        kept = made.json()
        for field in ("title", "description", "command", "variables", "ports", "image", "tags"):
            assert kept[field] == one[field], (one["name"], field)
        taken = running.call("POST", "/v1/machines:import", admin, content=text.encode())
        assert reason(taken) == "MACHINE_EXISTS"
        changed = text.replace("title: ", "title: Other ", 1).encode()
        path = "/v1/machines:import?replaceExisting=true"
        assert running.call("POST", path, admin, content=changed).json()["version"] == 2
        assert running.call("DELETE", f"/v1/machines/{name}", admin).status_code == 200
    broken = running.call("POST", "/v1/machines:import", admin, content=b"a: [")
    assert (broken.status_code, reason(broken)) == (400, "DEFINITION_INVALID")


def test_what_is_rented_most_is_counted_and_a_newer_version_is_told(running: Visitor) -> None:
    admin = running.admin()
    ada, _ = someone(running)
    machine = f"m-{uuid4().hex[:8]}"
    path = f"/v1/machines/{machine}"
    body = {
        "title": "Ticks",
        "image": "python:3.11-slim",
        "command": ["python3", "-c", "import os, time; assert os.environ['KEY']; time.sleep(999)"],
        "variables": [{"key": "KEY", "secret": True, "required": True, "generatedLength": 20}],
    }
    running.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    running.call("POST", f"{path}:publish", admin, json={})

    first = running.rent(ada, machine)
    (made,) = first["variables"]
    assert made["secret"]
    assert len(made["value"]) == 20
    assert made["value"].isalnum()
    second = running.rent(ada, machine, KEY="a value of my own")
    assert second["variables"] == [{"key": "KEY", "value": "", "secret": True}]
    for one in (first, second):
        found = running.wait(ada, one["name"], "READY")
        assert found["variables"][0]["value"] == ""
        assert found["newerMachineVersion"] == 0
    until(lambda: running.call("GET", path, admin).json()["rents"] == 2)
    most = running.call("GET", "/v1/machines", admin, params={"orderBy": "rents desc"}).json()
    counts = [one["rents"] for one in most["machines"]]
    assert counts == sorted(counts, reverse=True)

    running.call("PATCH", path, admin, json={"description": "Newer."})
    until(
        lambda: running.call("GET", f"/v1/{first['name']}", ada).json()["newerMachineVersion"] == 3
    )
    listed = running.call("GET", "/v1/allocations", ada).json()["allocations"]
    assert {one["newerMachineVersion"] for one in listed} == {3}
    running.call("POST", f"{path}:retire", admin, json={})
    until(
        lambda: running.call("GET", f"/v1/{first['name']}", ada).json()["newerMachineVersion"] == 0
    )
    for one in (first, second):
        running.call("DELETE", f"/v1/{one['name']}", ada)
        running.wait(ada, one["name"], "DELETED")


def test_the_catalogue_by_the_command_line(embedded: AllocatorProcess, tmp_path: Path) -> None:
    environment = {
        **embedded.environment,
        "XDG_CONFIG_HOME": str(tmp_path),
        "ALLOCATOR_CLI_SERVER": embedded.grpc,
    }

    def allocctl(*arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "allocctl", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert (done.returncode != 0) == fails, (arguments, done.stdout, done.stderr)
        return done.stdout + done.stderr

    allocctl("login", "--admin-file", str(embedded.admin_file))
    assert "redis" in allocctl("machines", "-q", "key val")
    assert "REDIS_PASSWORD" in allocctl("machines", "redis")
    assert "postgres" not in allocctl("machines", "--filter", "tags : nosql")
    file, name = tmp_path / "redis.yaml", f"r-{uuid4().hex[:8]}"
    allocctl("machines", "export", "redis", "--file", str(file))
    text = file.read_text()
    assert text == allocctl("machines", "export", "machines/redis")
    file.write_text(text.replace("name: machines/redis", f"name: machines/{name}"))
    assert "is draft, version 1" in allocctl("machines", "import", str(file))
    assert "already" in allocctl("machines", "import", str(file), fails=True)
    file.write_text(file.read_text().replace("title: Redis", "title: Other"))
    assert "version 2" in allocctl("machines", "import", "--replace", str(file))
    assert "version 3" in allocctl("machines", "rollback", name, "1")
    assert "Other" in allocctl("machines", "versions", name)
    assert "waits" in allocctl("machines", "submit", name)
    assert "is draft" in allocctl("machines", "reject", name, "--why", "no")
    assert "is draft" in allocctl("machines", "fork", name, f"{name}-too", "--title", "Too")
    assert "is active" in allocctl("machines", "publish", name)
    assert "is retired" in allocctl("machines", "retire", name)
    assert '"$schema"' in allocctl("machines", "schema")
    for one in (name, f"{name}-too"):
        embedded.call("DELETE", f"/v1/machines/{one}", embedded.admin())


def test_an_answer_from_the_cache_says_so_and_none_outlives_a_change(running: Visitor) -> None:
    admin = running.admin()
    machine = f"m-{uuid4().hex[:8]}"
    path = f"/v1/machines/{machine}"
    body = {"title": "Zebra crossing", "image": "nginx:1"}
    running.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    running.call("POST", f"{path}:publish", admin, json={})
    params = {"query": "zebra cross"}

    def titles() -> list[str]:
        found = running.call("GET", "/v1/machines", params=params).json()["machines"]
        return [one["title"] for one in found if one["name"].endswith(machine)]

    until(lambda: titles() == ["Zebra crossing"])
    until(lambda: "age" in running.call("GET", "/v1/machines", params=params).headers)
    running.call("PATCH", path, admin, json={"title": "Zebra crossroads"})
    until(lambda: titles() == ["Zebra crossroads"], within=10)
    running.call("POST", f"{path}:retire", admin, json={})
    until(lambda: titles() == [], within=10)
    running.call("DELETE", path, admin)


def test_bad_questions_are_refused_with_what_would_be_right(running: Visitor) -> None:
    admin = running.admin()
    wrong = [
        ({"orderBy": "relevance desc"}, "ORDER_INVALID"),
        ({"orderBy": "title,relevance desc", "query": "x"}, "ORDER_INVALID"),
        ({"orderBy": "relevance", "query": "x"}, "ORDER_INVALID"),
        ({"filter": "tags = web"}, "FILTER_INVALID"),
        ({"filter": "price = cheap"}, "FILTER_INVALID"),
        ({"filter": "rating > 4"}, "FILTER_INVALID"),
        ({"query": "x" * 201}, "REQUEST_INVALID"),
    ]
    for params, expected in wrong:
        answer = running.call("GET", "/v1/machines", admin, params=params)
        assert (answer.status_code, reason(answer)) == (400, expected), params
    for query in ("'", '"', "%", "\\", "*", "(", "a" * 200, "🦊", "\u202e", "ǅ ß ﬁ"):
        answer = running.call("GET", "/v1/machines", admin, params={"query": query})
        assert answer.status_code == 200, query
    with running.channel() as channel:
        stub = machine_service_pb2_grpc.MachineServiceStub(channel)
        page = stub.ListMachines(
            machine_service_pb2.ListMachinesRequest(query="red", page_size=1), timeout=20
        )
        assert [one.name for one in page.machines] == ["machines/redis"]
