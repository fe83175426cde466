"""What people do with what they have rented: plan, change, make anew, keep; done in a real browser."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from allocator_process import AllocatorProcess
from playwright.sync_api import Page, expect
from web_steps import Picture, button, log_in_as_admin, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TICKS = [
    "python3",
    "-u",
    "-c",
    "import time\nwhile True:\n print('tick', flush=True); time.sleep(.2)",
]


def publish(running: AllocatorProcess, name: str, **fields: Any) -> None:
    """Puts a machine into the catalogue."""
    admin = running.admin()
    body = {"title": name.capitalize(), "command": TICKS, **fields}
    made = running.call("POST", f"/v1/machines?machineId={name}", admin, json=body)
    assert made.status_code == 200, made.text
    published = running.call("POST", f"/v1/machines/{name}:publish", admin, json={})
    assert published.status_code == 200, published.text


def expect_state(page: Page, state: str) -> None:
    expect(page.locator(f"h1 .chip[data-state={state}]")).to_be_visible(timeout=30_000)


def archive(**files: str) -> bytes:
    """A tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def test_an_end_is_planned_put_off_and_taken_back(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "planner@example.org")
    rented = running.rent(running.log_in("planner@example.org"), "ticker")
    page.goto(f"/{rented['name']}")
    expect_state(page, "READY")
    planned = page.locator("[data-planned]")
    expect(planned).to_be_hidden()

    button(page, "Edit").click()
    form = page.get_by_role("dialog")
    form.get_by_label("It ends").select_option("In 1 hour")
    form.get_by_label("Your name for it").fill("Ends soon")
    form.get_by_role("button", name="Add a label").click()
    form.get_by_label("Key of label 1").fill("team")
    form.get_by_label("Value of label 1").fill("blue")
    picture("edit")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    expect(page.get_by_role("heading", name="Ends soon")).to_be_visible()
    expect(page.locator(".side")).to_contain_text("team=blue")
    expect(planned).to_contain_text("Will stop")
    before = planned.locator("strong").inner_text()
    picture("planned")
    button(page, "+ 1 hour").click()
    expect(planned.locator("strong")).not_to_have_text(before)

    page.get_by_role("link", name="Allocations").click()
    expect(page.locator(f"tr[data-name='{rented['name']}']")).to_contain_text("Will stop")
    page.goto(f"/{rented['name']}")
    button(page, "Edit").click()
    form.get_by_label("It ends").select_option("Never")
    form.get_by_role("button", name="Save").click()
    expect(planned).to_be_hidden()


def test_a_schedule_is_made_with_two_clicks(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "weekly@example.org")
    page.goto("/machines/ticker")
    page.get_by_text("When it ends, rests and wakes").click()
    page.get_by_role("button", name="Mon–Fri, 9 to 18").click()
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Stop it when it is idle").select_option("After 1 hour")
    picture("schedule")
    page.get_by_role("button", name=re.compile("^Rent")).click()
    details = page.locator(".side")
    expect(details).to_contain_text("starts Mon–Fri at 09:00")
    expect(details).to_contain_text("stops Mon–Fri at 18:00")
    expect(details).to_contain_text("Europe/Berlin")
    expect(details).to_contain_text("is stopped after 1 hour")


def test_an_allocation_is_made_anew_from_a_newer_version(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    publish(running, "growing")
    sign_up(page, running, "newer@example.org")
    rented = running.rent(running.log_in("newer@example.org"), "growing")
    page.goto(f"/{rented['name']}")
    expect_state(page, "READY")
    changed = {"command": [*TICKS[:3], TICKS[3].replace("tick", "tock")]}
    admin = running.admin()
    there = running.call("PATCH", "/v1/machines/growing?updateMask=command", admin, json=changed)
    assert there.status_code == 200, there.text
    page.reload()
    banner = page.get_by_label("A newer version")
    banner.get_by_role("button", name="Recreate…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What changes")
    picture("recreate")
    dialog.get_by_role("button", name="Recreate", exact=True).click()
    expect(banner).to_be_hidden()
    expect_state(page, "READY")
    expect(page.locator(".log-row", has_text="tock").first).to_be_attached()


def test_how_it_fared_is_drawn_and_downloaded(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "faring@example.org")
    token = running.log_in("faring@example.org")
    rented = running.rent(token, "ticker")
    page.goto(f"/{rented['name']}")
    expect_state(page, "READY")
    button(page, "Stop").click()
    expect_state(page, "STOPPED")
    kinds = page.locator(".usage-kinds")
    expect(kinds).to_contain_text("Ready")
    expect(kinds).to_contain_text("Stopped")
    expect(page.locator("[data-availability]")).to_contain_text("%")
    assert page.locator(".usage-line rect").count() >= 3
    picture("usage")
    with page.expect_download() as came:
        button(page, "CSV").click()
    assert rented["name"] in Path(came.value.path()).read_text()


def test_a_volume_comes_in_is_used_goes_out_and_stays(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    publish(running, "keeper", volumes=[{"path": "/data", "sizeMib": 16, "title": "notes"}])
    sign_up(page, running, "keeper@example.org")
    page.goto("/volumes")
    expect(page.get_by_text("No volumes")).to_be_visible()
    button(page, "Upload").click()
    dialog = page.get_by_role("dialog")
    file = {"name": "notes.tar", "mimeType": "application/x-tar", "buffer": archive(a="hello")}
    dialog.get_by_label("Archive").set_input_files([file])
    expect(dialog.get_by_label("What you call it")).to_have_value("notes")
    picture("upload")
    dialog.get_by_role("button", name="Upload").click()
    row = page.locator("tbody tr", has_text="notes")
    expect(row).to_contain_text("detached")
    picture("volumes")

    page.goto("/machines/keeper")
    page.get_by_label(re.compile("^Files in")).select_option(index=1)
    picture("rent-with-volume")
    page.get_by_role("button", name=re.compile("^Rent")).click()
    expect_state(page, "READY")
    with page.expect_download() as came:
        page.get_by_role("button", name="Download /data").click()
    with tarfile.open(came.value.path()) as packed:
        found = {Path(entry.name).name: entry for entry in packed.getmembers()}
        read = packed.extractfile(found["a"])
        assert read is not None
        assert read.read() == b"hello"
    with page.expect_download() as came:
        button(page, "Download everything").click()
    assert Path(came.value.path()).read_bytes().startswith(b"PK")

    button(page, "Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep its volumes").click()
    expect_state(page, "DELETED")
    page.goto("/volumes")
    expect(row).to_contain_text("detached")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_be_hidden()


def test_an_admin_sees_nodes_and_takes_one_out_and_in(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/admin/nodes")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("answers")
    picture("nodes")
    row.get_by_role("button", name="Drain…").click()
    page.get_by_role("dialog").get_by_label("Why").fill("It gets more memory.")
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(row).to_contain_text("drained")
    row.get_by_role("button", name="Activate").click()
    expect(row).not_to_contain_text("drained")
