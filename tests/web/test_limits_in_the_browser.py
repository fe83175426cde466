"""What limits people, and how they wait; done in a real browser."""

from __future__ import annotations

import re

import pytest
from allocator_process import AllocatorProcess
from playwright.sync_api import Page, expect
from test_lives_in_the_browser import expect_state, publish
from web_steps import Picture, button, log_in_as_admin, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_one_waits_for_room_cancels_and_gets_it(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    publish(running, "single", stock=1)
    admin = running.admin()
    held = running.rent(admin, "single")
    sign_up(page, running, "waiting@example.org")
    page.goto("/machines/single")
    estimate = page.get_by_label("Estimate")
    expect(estimate).to_contain_text("No room for it now")
    expect(estimate).to_contain_text("You would be next in the queue")
    expect(page.get_by_label("Wait in the queue")).to_be_checked()
    picture("estimate-full")
    rent = page.get_by_role("button", name=re.compile("^Rent when there is room"))
    rent.click()
    expect_state(page, "PENDING")
    place = page.get_by_label("Its place in the queue")
    expect(place).to_contain_text("Next in the queue")
    picture("queued")
    place.get_by_role("button", name="Cancel").click()
    expect_state(page, "DELETED")

    page.goto("/machines/single")
    rent.click()
    expect_state(page, "PENDING")
    running.call("DELETE", f"/v1/{held['name']}", admin)
    expect_state(page, "READY")
    expect(place).to_be_hidden()


def test_who_does_not_wish_to_wait_is_told_why_not(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    publish(running, "rare", stock=1)
    admin = running.admin()
    held = running.rent(admin, "rare")
    sign_up(page, running, "hasty@example.org")
    page.goto("/machines/rare")
    page.get_by_label("Do not wait").check()
    page.get_by_role("button", name=re.compile("^Rent")).click()
    expect(page).to_have_url(re.compile("/machines/rare$"))
    expect(page.locator("[data-reason=STOCK_EXHAUSTED]")).to_be_visible()
    running.call("DELETE", f"/v1/{held['name']}", admin)
    expect(page.get_by_label("Estimate")).to_contain_text("It can run now")


def test_an_admin_reorders_the_queue(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    publish(running, "scarce", stock=1)
    running.rent(running.admin(), "scarce")
    waiting = []
    for who in ("first@example.org", "second@example.org"):
        token = running.person(who)
        body = {"machine": "machines/scarce", "displayName": who}
        made = running.call("POST", "/v1/allocations?whenFull=WAIT", token, json=body)
        assert made.json()["state"] == "PENDING", made.text
        waiting.append(made.json()["name"])
    log_in_as_admin(page, running, "/login?to=/admin/queue")
    rows = page.locator("tbody tr")
    expect(rows.nth(0)).to_have_attribute("data-name", waiting[0])
    expect(rows.nth(1)).to_have_attribute("data-name", waiting[1])
    picture("queue")
    rows.nth(1).get_by_role("button", name="Move to the front").click()
    expect(rows.nth(0)).to_have_attribute("data-name", waiting[1])
    for _ in waiting:
        rows.nth(0).get_by_role("button", name="Cancel…").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("Nobody waits")).to_be_visible()


def test_an_admin_sets_a_quota_and_the_person_sees_it(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    token = running.person("limited@example.org")
    log_in_as_admin(page, running, "/login?to=/admin/people")
    row = page.locator("tr", has_text="limited@example.org")
    row.get_by_role("button", name="Quota").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Allocations", exact=True).fill("1")
    dialog.get_by_label("Memory", exact=True).fill("much")
    expect(dialog).to_contain_text("Write a number")
    dialog.get_by_label("Memory", exact=True).fill("2 GB")
    picture("quota")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    limits = running.call("GET", "/v1/users/me/quota", token).json()["limits"]
    assert limits["instances"] == 1
    assert limits["memoryBytes"] == str(2 << 30)

    page.context.clear_cookies()
    page.goto("/login?to=/account/quota")
    running.rent(token, "ticker")
    page.get_by_label("E-mail address").fill("limited@example.org")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[data-amount=instances]")).to_contain_text("1 of 1")
    picture("own-quota")
    page.goto("/machines/ticker")
    expect(page.locator("[data-reason=QUOTA_EXCEEDED]")).to_be_visible()


def test_an_admin_makes_edits_and_deletes_a_size(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/admin/classes")
    button(page, "New size").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name in machines").fill("tiny")
    dialog.get_by_label("Title").fill("Tiny")
    dialog.get_by_label("Processor, cores").fill("0.1")
    dialog.get_by_label("Memory").fill("64 MB")
    dialog.get_by_role("button", name="Save").click()
    row = page.locator("tr[data-name='resourceClasses/tiny']")
    expect(row).to_contain_text("0.1 cores")
    picture("sizes")

    row.get_by_role("button", name="Edit").click()
    # Somebody else changes it meanwhile: the page says so, and asks.
    path = "/v1/resourceClasses/tiny?updateMask=pids"
    theirs = running.call("PATCH", path, running.admin(), json={"pids": 99})
    assert theirs.status_code == 200, theirs.text
    dialog.get_by_label("Memory").fill("96 MB")
    dialog.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("dialog", name="This size was changed meanwhile")
    expect(conflict).to_contain_text("99 processes")
    conflict.get_by_role("button", name="Save mine over it").click()
    expect(row).to_contain_text("96 MB")

    row.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_be_hidden()
