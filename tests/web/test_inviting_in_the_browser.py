"""Inviting and signing up, volumes of machines, and comments on lines, done in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from allocator_process import PASSWORD, AllocatorProcess
from playwright.sync_api import Page, expect
from web_steps import Picture, button, log_in_as_admin, log_out

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator where people sign up by invitation."""
    made = AllocatorProcess(
        tmp_path_factory.mktemp("allocator") / "data", ALLOCATOR_USER_SIGN_UP="invite"
    )
    made.start()
    yield made
    made.close()


def texted_code(running: AllocatorProcess, number: str, within: float = 15.0) -> str:
    """The code of the text message to a number."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        for file in sorted((running.data_dir / "sms").glob("*.txt"), reverse=True):
            text = file.read_text(encoding="utf-8")
            found = re.search(r"\b(\d{6})\b", text)
            if number in file.name and found:
                return found[1]
        time.sleep(0.02)
    raise AssertionError(f"no text message came to {number}")


def invited(page: Page, uses: int) -> str:
    """The link of a new invitation for as many as that."""
    page.goto("/admin/invitations")
    button(page, "Invite").click()
    page.get_by_label("Whom it is for").fill("the course")
    page.get_by_label("How many can sign up with it").fill(str(uses))
    button(page, "Make the invitation").click()
    return page.locator("[data-invitation]").inner_text()


def test_who_is_invited_signs_up_by_mail_and_by_phone(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/admin/invitations")
    expect(page.get_by_text("People sign up by invitation here.")).to_be_visible()
    expect(page.get_by_text("Nobody is invited")).to_be_visible()
    button(page, "Invite").click()
    picture("invite")
    button(page, "Cancel").click()
    link = invited(page, 2)
    picture("invited")
    log_out(page)

    page.goto("/signup")
    code = page.get_by_label("Code of your invitation")
    expect(code).to_have_value("")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    code.fill("abcde-abcde-abcde-abcde")
    button(page, "Sign up").click()
    expect(page.get_by_role("alert")).to_contain_text("no invitation with this code")
    picture("not-invited")

    page.goto("about:blank")
    page.goto(link)
    expect(code).to_have_value(link.rpartition("=")[2])
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Send me the code").select_option("PHONE")
    page.get_by_label("Phone number").fill("+49 30 123-456")
    picture("sign-up-by-phone")
    button(page, "Sign up").click()
    expect(page.get_by_role("heading", name="Verify your number")).to_be_visible()
    picture("verify-number")
    page.get_by_label("Code", exact=True).fill(texted_code(running, "+4930123456"))
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()
    log_out(page)

    page.goto("about:blank")
    page.goto(link)
    page.get_by_label("E-mail address").fill("bob@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Sign up").click()
    page.get_by_label("Code", exact=True).fill(running.mailed_code("bob@example.org"))
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()
    log_out(page)

    log_in_as_admin(page, running, "/login?to=/admin/invitations")
    row = page.locator("tr", has_text="the course")
    expect(row).to_contain_text("2 of 2")
    picture("invitations")
    button(page, "Withdraw the course").click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    expect(row).to_have_count(0)


def test_a_machine_gets_volumes_in_its_form(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/admin/machines/new")
    page.get_by_label("Title", exact=True).first.fill("Keeper")
    page.get_by_label("Image", exact=False).first.fill("busybox:latest")
    volumes = page.get_by_role("region", name="Volumes")
    volumes.get_by_role("button", name="Add a volume").click()
    volumes.get_by_label("Path").fill("relative")
    volumes.get_by_label("What it is for").fill("what it keeps")
    volumes.get_by_label("Room").fill("20")
    picture("volumes")
    send = button(page, "Add as a draft")
    send.click()
    expect(volumes.locator(".field.wrong").first).to_be_visible()
    volumes.get_by_label("Path").fill("/var/keep")
    send.click()
    expect(page).to_have_url(re.compile(r"/admin/machines/keeper$"))
    machine = running.call("GET", "/v1/machines/keeper", running.admin()).json()
    assert machine["volumes"] == [
        {"path": "/var/keep", "sizeMib": 20 * 1024, "title": "what it keeps"}
    ]
    page.reload()
    expect(volumes.get_by_label("Room")).to_have_value("20")
    expect(volumes.get_by_label("Unit")).to_have_value("GiB")


def test_a_line_of_the_log_is_commented_on(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    admin = running.admin()
    rented = running.rent(admin, "ticker")
    running.wait(admin, rented["name"], "READY")
    log_in_as_admin(page, running, f"/login?to=/{rented['name']}")
    line = page.locator(".log-row[data-seq='2']")
    line.click()
    menu = page.get_by_role("toolbar", name="Line 2")
    expect(menu).to_be_visible()
    picture("line-menu")
    menu.get_by_role("link", name="Comment on it").click()
    expect(page).to_have_url(re.compile(r"/machines/ticker\?line=[a-z0-9]+%3A2$"))
    expect(page.locator("[data-line='2']")).to_be_visible()
    page.get_by_label("Ask or say something").or_(
        page.get_by_label("Tell people what is new")
    ).fill("What does this mean?")
    picture("comment-on-line")
    button(page, "Comment").click()
    said = page.locator("ul.said li", has_text="What does this mean?")
    expect(said).to_contain_text("About line 2")
    expect(page.locator("[data-line='2']")).to_have_count(0)
