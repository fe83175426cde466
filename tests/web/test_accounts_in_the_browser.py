"""What people do with their accounts in the web console, done in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from allocator_process import PASSWORD, AllocatorProcess
from http_endpoint import HttpEndpoint
from playwright.sync_api import Page, expect
from web_steps import Picture, button, log_in, log_out, sign_up
from webhook_receiver import verified

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator whose webhooks may lead to this host, and which sends a code each second."""
    made = AllocatorProcess(
        tmp_path_factory.mktemp("allocator") / "data",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP="true",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE="true",
        ALLOCATOR_USER_CODE_PAUSE_SECONDS="1",
    )
    made.start()
    yield made
    made.close()


def later_code(running: AllocatorProcess, email: str, mails: int) -> str:
    """The code of a mail that came after the first so many of the mailbox."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if len(list(running.mailbox.glob("*.eml"))) > mails:
            return running.mailed_code(email)
        time.sleep(0.02)
    raise AssertionError(f"no further mail came for {email}")


def settled_mails(page: Page, running: AllocatorProcess, email: str) -> int:
    """How many mails there are once the greeting of a new account is among them."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        texts = [file.read_text() for file in running.mailbox.glob("*.eml")]
        if any(f"To: {email}" in text and "Subject: Welcome" in text for text in texts):
            return len(texts)
        page.wait_for_timeout(20)
    raise AssertionError(f"no greeting came for {email}")


def test_a_forgotten_password_is_replaced_by_a_mailed_code(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    email = "ada@example.org"
    sign_up(page, running, email)
    before = settled_mails(page, running, email)
    log_out(page)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("link", name="Forgotten your password?").click()
    expect(page.get_by_label("E-mail address")).to_have_value(email)
    send = button(page, "Send a code")
    code = page.get_by_label("Code", exact=True)
    while not code.is_visible():
        # Where the code of the sign-up is not a second old, the page says how long to wait.
        expect(send.or_(code).first).to_be_enabled()
        if send.is_visible():
            send.click()
        page.wait_for_timeout(20)
    code.fill("000000")
    page.get_by_label("New password").fill("another horse battery")
    picture("reset")
    button(page, "Set the password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Code").fill(later_code(running, email, before))
    button(page, "Set the password").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, email)
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, email, "another horse battery")
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()


def test_a_second_factor_is_set_up_asked_for_and_removed(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    email = "grace@example.org"
    sign_up(page, running, email)
    page.goto("/account/security")
    button(page, "Set it up").click()
    page.get_by_label("Your password").fill("not the password")
    button(page, "Go on").click()
    expect(page.get_by_label("Your password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Your password").fill(PASSWORD)
    button(page, "Go on").click()
    qr = page.get_by_role("img", name=re.compile("QR code"))
    expect(qr).to_be_visible()
    assert qr.evaluate("image => image.naturalWidth") > 50, "the picture is shown"
    secret = page.locator("[data-secret]").inner_text().replace(" ", "")
    picture("second-factor")
    page.get_by_label("Code of the app").fill(pyotp.TOTP(secret).now())
    button(page, "Turn it on").click()
    codes = page.locator("[data-recovery] li")
    expect(codes).to_have_count(10)
    picture("recovery-codes")
    with page.expect_download() as kept:
        button(page, "Download").click()
    lines = Path(kept.value.path()).read_text().split()
    assert lines == codes.all_inner_texts()
    button(page, "I have kept them").click()
    expect(page.get_by_text("10 recovery codes are left.")).to_be_visible()

    log_out(page)
    log_in(page, email)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    button(page, "Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    picture("second-factor-asked")
    button(page, "Use a recovery code").click()
    page.get_by_label("Recovery code").fill(lines[0])
    button(page, "Log in").click()
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()

    page.goto("/account/security")
    expect(page.get_by_text("9 recovery codes are left.")).to_be_visible()
    button(page, "Remove…").click()
    page.get_by_label("Your password").fill(PASSWORD)
    button(page, "Remove it").click()
    expect(button(page, "Set it up")).to_be_visible()


def test_another_address_counts_once_its_code_is_entered(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "edsger@example.org")
    page.goto("/account")
    page.get_by_label("Family name").fill("Dijkstra")
    page.get_by_label("Language of what we write to you").select_option("de")
    button(page, "Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    button(page, "Change the e-mail address").click()
    page.get_by_label("New e-mail address").fill("ewd@example.org")
    page.get_by_label("Your password").fill(PASSWORD)
    button(page, "Send a code").click()
    expect(page.get_by_text("A code of six digits was sent to ewd@example.org.")).to_be_visible()
    picture("contact")
    page.get_by_label("Code").fill(running.mailed_code("ewd@example.org"))
    button(page, "Confirm").click()
    contacts = page.get_by_role("region", name="How we reach you")
    expect(contacts).to_contain_text("ewd@example.org verified")
    log_out(page)
    log_in(page, "ewd@example.org")
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()


def test_an_access_token_does_what_its_scopes_say_until_it_is_deleted(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "barbara@example.org")
    page.goto("/account/tokens")
    button(page, "New token").click()
    page.get_by_label("What it is for").fill("nightly")
    expect(button(page, "Make the token")).to_be_disabled()
    page.get_by_label("Allocations: read", exact=True).check()
    picture("token-new")
    button(page, "Make the token").click()
    token = page.locator("[data-token]").inner_text()
    picture("token-made")
    assert running.call("GET", "/v1/allocations", token).status_code == 200
    assert running.call("GET", "/v1/users/me", token).status_code == 403
    page.reload()
    expect(page.get_by_text("allocations:read")).to_be_visible()
    expect(page.locator("[data-token]")).to_have_count(0)
    button(page, "Delete nightly").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No access tokens")).to_be_visible()
    until = time.monotonic() + 10
    while running.call("GET", "/v1/allocations", token).status_code != 401:
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def test_a_webhook_is_added_tested_and_sent_to_again(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "katherine@example.org")
    page.goto("/account/webhooks")
    with HttpEndpoint() as endpoint:
        button(page, "New webhook").click()
        page.get_by_label("Address").fill("ftp://example.org/")
        button(page, "Add it").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Address").fill(f"{endpoint.url}/told")
        page.get_by_label("What you call it").fill("mine")
        button(page, "Add it").click()
        secret = page.locator("[data-secret]").inner_text()
        button(page, "Test").click()
        asked = endpoint.next()
        assert verified(secret, asked.headers, asked.body)
        deliveries = page.locator(".deliveries")
        expect(deliveries.locator(".tag.good")).to_have_text("sent")
        picture("webhook")
        deliveries.get_by_role("button", name="Send again").click()
        again = endpoint.next()
        assert again.headers["webhook-id"] == asked.headers["webhook-id"]
        expect(deliveries.get_by_role("button", name="Send again")).to_be_visible()
        button(page, "Switch off").click()
        expect(button(page, "Test")).to_be_disabled()


def test_what_happens_comes_into_the_inbox_while_one_looks(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    email = "radia@example.org"
    sign_up(page, running, email)
    bell = page.get_by_role("button", name=re.compile("^Inbox"))
    expect(bell).to_have_accessible_name("Inbox: 1 unread")
    bell.click()
    page.get_by_role("button", name="Mark all read").click()
    expect(bell).to_have_accessible_name("Inbox: nothing new")
    page.keyboard.press("Escape")
    expect(bell).to_be_focused()

    token = running.log_in(email)
    rented = running.rent(token, "ticker")
    expect(page.locator(".toast", has_text="Log ticker is ready")).to_be_visible()
    expect(bell).to_have_accessible_name(re.compile(r"[12] unread"))
    bell.click()
    picture("inbox-bell")
    page.get_by_role("region", name="Inbox").get_by_role(
        "link", name=re.compile("Log ticker is ready")
    ).click()
    expect(page).to_have_url(re.compile(f"/{rented['name']}$"))

    # What one does not want to be told does not come.
    page.goto("/account/notifications")
    picture("preferences")
    box = page.get_by_label("Allocation ready: Inbox")
    with page.expect_response(re.compile("notificationPreferences")) as saved:
        box.uncheck()
    assert saved.value.status == 200
    page.reload()
    expect(box).not_to_be_checked()


def test_an_account_is_deleted_with_its_password(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "hedy@example.org")
    page.goto("/account")
    button(page, "Delete…").click()
    page.get_by_label("Your password").fill(PASSWORD)
    expect(button(page, "Delete my account")).to_be_disabled()
    page.get_by_label("I understand that this cannot be undone.").check()
    picture("delete-account")
    button(page, "Delete my account").click()
    expect(page.get_by_role("link", name="Sign up")).to_be_visible()
    page.goto("/login")
    log_in(page, "hedy@example.org")
    expect(page.get_by_role("alert")).to_be_visible()
