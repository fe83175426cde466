"""What allocations were, and for how long, by every way in."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from allocator.allocations.v1 import allocation_service_pb2_grpc, usage_pb2
from allocator_process import AllocatorProcess

TIMES = ("uptime", "downtime", "unknownTime", "offTime")


def millis(text: str) -> int:
    """A span as JSON has it: `12.345s`."""
    return round(float(text.removesuffix("s")) * 1000)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def own_email(who: str) -> str:
    """An address of one test: modules share an installation."""
    return f"{who}-{uuid.uuid4().hex[:8]}@example.org"


def lived(running: AllocatorProcess, token: str) -> str:
    """An allocation that ran, was stopped, ran again, and was removed."""
    name = str(running.rent(token, "http-files")["name"])
    running.wait(token, name, "READY")
    running.call("POST", f"/v1/{name}:stop", token, json={})
    running.wait(token, name, "STOPPED")
    running.call("POST", f"/v1/{name}:start", token, json={})
    running.wait(token, name, "READY")
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")
    return name


def usage_of(running: AllocatorProcess, token: str, name: str, **query: str) -> dict[str, Any]:
    answer = running.call("GET", f"/v1/{name}/usage", token, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_life_is_told_to_the_millisecond(running: AllocatorProcess) -> None:
    token = running.person(own_email("usage"))
    name = lived(running, token)
    gone = running.call("GET", f"/v1/{name}", token).json()
    told = usage_of(running, token, name)
    total, intervals = told["total"], told["intervals"][::-1]
    assert (told["name"], told["machine"]) == (f"{name}/usage", "machines/http-files")

    life = (instant(gone["deleteTime"]) - instant(gone["createTime"])) // timedelta(milliseconds=1)
    assert instant(total["startTime"]) == instant(gone["createTime"])
    assert instant(total["endTime"]) == instant(gone["deleteTime"])
    assert millis(total["life"]) == life
    assert sum(millis(total[time]) for time in TIMES) == life
    assert sum(millis(kind["duration"]) for kind in total["kinds"]) == life
    assert sum(millis(one["duration"]) for one in intervals) == life
    assert all(one["endTime"] == after["startTime"] for one, after in pairwise(intervals))
    up, down = millis(total["uptime"]), millis(total["downtime"])
    assert up > 0
    assert total["availability"] == up / (up + down)

    kinds = [one["kind"] for one in intervals]
    assert kinds[0] == "STARTING"
    assert next(kind for kind in kinds if kind in ("READY", "STOPPED")) == "READY"
    assert "STOPPED" in kinds
    # What its owner had not asked for is no downtime.
    stopped = next(one for one in intervals if one["kind"] == "STOPPED")
    assert not stopped.get("askedToRun")
    assert millis(total["offTime"]) >= millis(stopped["duration"])


def test_windows_and_pages_fit_together(running: AllocatorProcess) -> None:
    token = running.person(own_email("windows"))
    name = lived(running, token)
    whole = usage_of(running, token, name)
    numbers = len(whole["intervals"])
    paged, page_token = [], ""
    while True:
        page = usage_of(running, token, name, pageSize="2", pageToken=page_token)
        assert page["total"] == whole["total"]
        paged += page["intervals"]
        page_token = page.get("nextPageToken", "")
        if not page_token:
            break
    assert paged == whole["intervals"]
    assert len(paged) == numbers

    middle = whole["intervals"][numbers // 2]["startTime"]
    first = usage_of(running, token, name, endTime=middle)["total"]
    rest = usage_of(running, token, name, startTime=middle)["total"]
    for time in ("life", *TIMES):
        assert millis(first[time]) + millis(rest[time]) == millis(whole["total"][time])
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert millis(usage_of(running, token, name, startTime=later)["total"]["life"]) == 0

    answer = running.call(
        "GET", f"/v1/{name}/usage", token, params={"startTime": middle, "endTime": middle}
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "REQUEST_INVALID")
    token_of_other = usage_of(running, token, name, pageSize="1")["nextPageToken"]
    answer = running.call(
        "GET",
        f"/v1/{name}/usage",
        token,
        params={"startTime": middle, "pageToken": token_of_other},
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "PAGE_TOKEN_INVALID")


def test_usage_is_for_owners_and_admins(running: AllocatorProcess) -> None:
    owner, stranger = running.person(own_email("mine")), running.person(own_email("not-mine"))
    name = lived(running, owner)
    answer = running.call("GET", f"/v1/{name}/usage", stranger)
    assert (answer.status_code, answer.json()["reason"]) == (404, "ALLOCATION_NOT_FOUND")
    answer = running.call(
        "GET", "/v1/allocations:downloadUsageReport", stranger, params={"allocation": name}
    )
    assert (answer.status_code, answer.json()["reason"]) == (404, "ALLOCATION_NOT_FOUND")
    answer = running.call(
        "GET", "/v1/allocations:downloadUsageReport", stranger, params={"parent": "users/-"}
    )
    assert (answer.status_code, answer.json()["reason"]) == (403, "PARENT_FOREIGN")
    assert running.call("GET", f"/v1/{name}/usage").status_code == 401
    assert usage_of(running, running.admin(), name) == usage_of(running, owner, name)


def test_a_machine_is_told_of_to_whom_it_belongs(running: AllocatorProcess) -> None:
    person, admin = running.person(own_email("rents")), running.admin()
    path = "/v1/machines/http-files/usage"
    before = running.call("GET", path, admin).json()
    lived(running, person)
    answer = running.call("GET", path, admin)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["name"] == "machines/http-files/usage"
    assert told["allocationCount"] == before.get("allocationCount", 0) + 1
    total = told["total"]
    assert sum(millis(total[time]) for time in TIMES) == millis(total["life"])
    assert 0 < total["availability"] <= 1

    answer = running.call("GET", path, person)
    assert (answer.status_code, answer.json()["reason"]) == (403, "MACHINE_USAGE_NOT_YOURS")
    answer = running.call("GET", "/v1/machines/nowhere/usage", person)
    assert (answer.status_code, answer.json()["reason"]) == (404, "MACHINE_NOT_FOUND")
    answer = running.call("GET", "/v1/machines/nowhere/usage", admin)
    assert (answer.status_code, answer.json()["reason"]) == (404, "MACHINE_NOT_FOUND")


def test_publishers_see_the_usage_of_their_machines(running: AllocatorProcess) -> None:
    publisher = running.person(own_email("publishes"))
    name = f"own-{uuid.uuid4().hex[:8]}"
    body = {"title": "Own", "image": "busybox:latest", "resourceClass": "small"}
    answer = running.call("POST", "/v1/machines", publisher, params={"machine_id": name}, json=body)
    assert answer.status_code == 200, answer.text
    told = running.call("GET", f"/v1/machines/{name}/usage", publisher).json()
    assert told["name"] == f"machines/{name}/usage"
    assert millis(told["total"]["life"]) == 0
    assert "availability" not in told["total"]


def test_a_report_is_a_table_for_spreadsheets_and_a_document_for_programs(
    running: AllocatorProcess,
) -> None:
    token = running.person(own_email("report"))
    names = [lived(running, token) for _ in range(2)]
    evil = '=HYPERLINK("x"),"\n🦊'
    rented = running.rent(token, "ticker")["name"]
    running.call("PATCH", f"/v1/{rented}", token, json={"displayName": evil})

    answer = running.call("GET", "/v1/allocations:downloadUsageReport", token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert "usage.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {row["allocation"] for row in rows} == {*names, rented}
    by_name = {row["allocation"]: row for row in rows}
    assert by_name[rented]["display_name"] == f"'{evil}"
    told = usage_of(running, token, names[0])["total"]
    row = by_name[names[0]]
    assert round(float(row["life_seconds"]) * 1000) == millis(told["life"])
    assert float(row["availability"]) == told["availability"]
    assert row["state"] == "DELETED"

    answer = running.call(
        "GET",
        "/v1/allocations:downloadUsageReport",
        token,
        params={"format": "JSON", "allocation": names[1]},
    )
    assert answer.headers["content-type"] == "application/json"
    document = json.loads(answer.content)
    [one] = document["allocations"]
    assert one["allocation"] == names[1]
    assert one["lifeSeconds"] == document["total"]["lifeSeconds"]
    assert document["endTime"]

    everybody = running.call(
        "GET", "/v1/allocations:downloadUsageReport", running.admin(), params={"parent": "users/-"}
    )
    assert all(name in everybody.text for name in names)
    running.call("DELETE", f"/v1/{rented}", token)


def test_the_same_by_grpc(running: AllocatorProcess) -> None:
    token = running.person(own_email("usage-grpc"))
    name = lived(running, token)
    metadata = (("authorization", f"Bearer {token}"),)
    with running.channel() as channel:
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        told = stub.GetAllocationUsage(
            usage_pb2.GetAllocationUsageRequest(name=f"{name}/usage"), metadata=metadata, timeout=10
        )
        total = told.total
        parts = (total.uptime, total.downtime, total.unknown_time, total.off_time)
        assert sum(part.ToMilliseconds() for part in parts) == total.life.ToMilliseconds()
        spans = [one.duration.ToMilliseconds() for one in told.intervals]
        assert sum(spans) == total.life.ToMilliseconds()
        assert not any(one.open for one in told.intervals)
        request = usage_pb2.DownloadUsageReportRequest(
            format=usage_pb2.DownloadUsageReportRequest.JSON
        )
        parts_of_report = list(stub.DownloadUsageReport(request, metadata=metadata, timeout=10))
        document = json.loads(b"".join(part.data for part in parts_of_report))
        assert [one["allocation"] for one in document["allocations"]] == [name]
