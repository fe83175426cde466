"""What people do on many pages of the web console."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from allocator_process import PASSWORD, AllocatorProcess
from playwright.sync_api import Locator, Page, expect

Picture = Callable[[str], None]
"""Writes a picture of the page under a name."""


def sign_up(
    page: Page, running: AllocatorProcess, email: str, picture: Picture | None = None
) -> None:
    """Signs up and verifies; the page is then logged in, at the catalogue."""
    page.goto("/signup")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Given name").fill("Ada")
    page.get_by_label("Password").fill(PASSWORD)
    if picture:
        picture("sign-up")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Verify your address")).to_be_visible()
    if picture:
        picture("verify")
    page.get_by_label("Code").fill(running.mailed_code(email))
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()


def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fills in the log-in page and sends it."""
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_in_as_admin(page: Page, running: AllocatorProcess, path: str) -> None:
    """Logs the first admin in, from a path that may say where to go then."""
    credentials = json.loads((running.data_dir / "admin.json").read_text())
    page.goto(path)
    log_in(page, credentials["email"], credentials["password"])
    expect(page.get_by_role("button", name=re.compile("^Account of"))).to_be_visible()


def log_out(page: Page) -> None:
    """Logs out by the menu; the log-in page is shown then."""
    page.get_by_role("button", name=re.compile("^Account of")).click()
    page.locator(".menu").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def button(page: Page, name: str) -> Locator:
    """The button of exactly that name."""
    return page.get_by_role("button", name=name, exact=True)
