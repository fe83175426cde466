"""A browser, and an allocator that serves it the web console.

`ALLOCATOR_TEST_BROWSER` names the Chromium to use; `ALLOCATOR_TEST_SCREENSHOTS` a folder that
pictures are written to, if any are wanted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from allocator_process import ROOT, AllocatorProcess
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

# So that the tests of this folder share their steps.
sys.path.insert(0, str(Path(__file__).resolve().parent))

CHROMIUM = os.environ.get("ALLOCATOR_TEST_BROWSER", "/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Answers that a page is meant to get: the browser writes a line for each.
EXPECTED = ("Failed to load resource", "WebSocket connection to", "net::ERR_")


# As long as steps may take: a machine that does much else at once is slow, and not wrong.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator on the process runtime, with the console as it was last built."""
    page = ROOT / "web" / "dist" / "index.html"
    assert page.is_file(), "the web console is not built: run `make web`"
    made = AllocatorProcess(tmp_path_factory.mktemp("allocator") / "data")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    assert Path(CHROMIUM).is_file(), f"there is no browser at {CHROMIUM}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, running: AllocatorProcess) -> Iterator[BrowserContext]:
    """A browser's profile without cookies."""
    made = chromium.new_context(
        base_url=f"http://{running.http}", viewport={"width": 1360, "height": 860}
    )
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page. Errors of its scripts, and breaches of its security policy, fail the test."""
    made = context.new_page()
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            wrong.append(message.text)

    made.on("console", listen)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    yield made
    made.close()
    assert not wrong, wrong


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    """Writes a picture of the page under a name, where pictures are wanted."""
    folder = os.environ.get("ALLOCATOR_TEST_SCREENSHOTS", "")

    def take(name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
