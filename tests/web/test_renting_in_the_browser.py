"""What people do with the web console, done in a real browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from allocator_process import PASSWORD, AllocatorProcess
from playwright.sync_api import Page, WebSocketRoute, expect
from web_steps import Picture, button, log_in, log_in_as_admin, log_out, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def expect_state(page: Page, state: str) -> None:
    expect(page.locator(f"h1 .chip[data-state={state}]")).to_be_visible(timeout=30_000)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Lets the browser's events come in until something is true."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(10)


def watch_pause_follow_and_filter(page: Page, picture: Picture) -> None:
    """The log of a ticker that says hello: what comes, and what one does with it."""
    lines = page.locator(".log-row[data-seq]")
    # More of them than are in sight at once.
    expect(page.locator("[data-seq='80']")).to_contain_text("hello")
    picture("allocation")

    # Scrolling up pauses; what comes meanwhile is counted, and one click leads to it.
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, -400)
    expect(button(page, "Follow")).to_be_visible()
    newest = page.get_by_role("button", name=re.compile(r"^\d+ new lines$"))
    expect(newest).to_be_visible()
    first = lines.first.get_attribute("data-seq")
    expect(newest).not_to_have_text(newest.inner_text())
    assert lines.first.get_attribute("data-seq") == first, "what is in sight stays where it is"
    picture("paused")
    newest.click()
    expect(button(page, "Pause")).to_be_visible()
    expect(newest).to_be_hidden()

    page.get_by_label("Filter lines").fill("begins")
    expect(page.locator("mark")).to_have_text("begins")
    expect(lines).to_have_count(1)
    page.get_by_label("Filter lines").fill("")


def test_a_newcomer_rents_watches_stops_starts_restarts_and_removes(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "ada@example.org", picture)
    log_out(page)
    log_in(page, "ada@example.org", PASSWORD)
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()
    picture("catalogue")

    page.get_by_label("Search machines").fill("ticker")
    page.get_by_role("link", name="Log ticker").click()
    page.get_by_label("Seconds between two lines").fill("0.05")
    page.get_by_label("What each line says").fill("hello")
    page.get_by_label("Your name for it").fill("My ticker")
    picture("rent")
    page.get_by_role("button", name=re.compile("^Rent")).click()

    expect(page.get_by_role("heading", name="My ticker")).to_be_visible()
    expect_state(page, "READY")
    expect(page.locator(".log-link")).to_have_attribute("data-link", "live")
    watch_pause_follow_and_filter(page, picture)

    button(page, "Stop").click()
    expect_state(page, "STOPPED")
    expect(button(page, "Restart")).to_be_disabled()
    picture("stopped")
    button(page, "Start").click()
    expect_state(page, "READY")
    expect(page.locator(".log-row.start")).to_be_attached()
    page.get_by_text("Inspect the instance").click()
    expect(page.locator(".inspect dl")).to_contain_text("process")
    button(page, "Restart").click()
    page.get_by_label("Filter lines").fill("started again")
    expect(page.locator(".log-row.start")).to_have_count(2)
    expect_state(page, "READY")

    page.get_by_role("link", name="Allocations").click()
    row = page.locator("tr", has_text="My ticker")
    expect(row).to_contain_text("Ready")
    picture("allocations")
    row.get_by_role("button", name="Remove").click()
    picture("remove")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_be_hidden()
    button(page, "History").click()
    expect(row).to_contain_text("Removed")


def test_what_is_wrong_with_a_variable_is_said_at_its_field(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "grace@example.org", picture)
    page.goto("/machines/ticker")
    field = page.get_by_label("Seconds between two lines")
    field.fill("often")
    page.get_by_role("button", name=re.compile("^Rent")).click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page).to_have_url(re.compile("/machines/ticker$"))


def test_an_address_can_be_opened_and_the_table_follows_without_a_reload(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "edsger@example.org", picture)
    page.goto("/allocations")
    expect(page.get_by_text("You rent nothing yet")).to_be_visible()
    token = running.log_in("edsger@example.org")
    rented = running.rent(token, "http-files")
    row = page.locator(f"tr[data-name='{rented['name']}']")
    expect(row).to_contain_text("Ready")
    address = row.get_by_role("link", name=f"{rented['host']}:{rented['port']}")
    expect(address).to_have_attribute("href", f"http://{rented['host']}:{rented['port']}")
    running.call("POST", f"/v1/{rented['name']}:stop", token, json={})
    expect(row).to_contain_text("Stopped")


def test_a_session_outlives_a_reload_and_ends_in_every_tab(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "barbara@example.org", picture)
    page.goto("/account")
    expect(page.get_by_text("barbara@example.org")).to_be_visible()
    picture("account")
    with page.context.expect_page() as opened:
        page.evaluate("open('/allocations')")
    other = opened.value
    expect(other.get_by_role("heading", name="Allocations")).to_be_visible()
    assert "eyJ" not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    log_out(page)
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_an_admin_adds_edits_publishes_and_retires_a_machine(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/admin/machines/new")
    page.get_by_label("Title", exact=True).fill("My machine")
    expect(page.get_by_label("Name in addresses")).to_have_value("my-machine")
    page.get_by_label("Description").fill("It **waits**, and says so.")
    page.get_by_role("button", name="Add a command").click()
    for at, argument in enumerate(["python3", "-c", "import time\ntime.sleep(1e6)"]):
        if at:
            page.get_by_role("button", name="Add an argument").click()
        page.get_by_label(f"Argument {at}" if at else "Program", exact=True).fill(argument)
    page.get_by_role("button", name="Add a variable").click()
    page.get_by_label("Key", exact=True).fill("TOKEN")
    page.get_by_label("Secret: stored encrypted").check()
    page.get_by_label("Required").check()
    picture("machine-new")
    page.get_by_role("button", name="Add as a draft").click()
    expect(page.locator("h1 .chip[data-state=DRAFT]")).to_be_visible()

    # Somebody else changes it meanwhile: the page says so, and asks.
    token = running.admin()
    there = running.call("GET", "/v1/machines/my-machine", token).json()
    theirs = {"stock": 7, "etag": there["etag"]}
    changed = running.call("PATCH", "/v1/machines/my-machine?updateMask=stock", token, json=theirs)
    assert changed.status_code == 200, changed.text
    page.get_by_label("Title", exact=True).first.fill("Our machine")
    button(page, "Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Changed there: stock")
    picture("machine-conflict")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_text("Saved as version 3.")).to_be_visible()
    expect(page.get_by_label("Stock")).to_have_value("7")
    expect(page.get_by_role("heading", name="Our machine")).to_be_visible()

    button(page, "Publish").click()
    expect(page.locator("h1 .chip[data-state=ACTIVE]")).to_be_visible()
    picture("machine-published")
    page.get_by_role("link", name="See it").click()
    expect(page.locator(".prose strong")).to_have_text("waits")
    secret = page.get_by_label("TOKEN", exact=False).first
    expect(secret).to_have_attribute("type", "password")
    page.get_by_role("button", name="Make one up").click()
    expect(secret).to_have_value(re.compile(r"^\w{24}$"))
    page.get_by_role("button", name=re.compile("^Rent")).click()
    expect_state(page, "READY")
    expect(page.get_by_text("secret, not shown")).to_be_visible()

    page.get_by_role("link", name="Admin").click()
    row = page.locator("tr[data-name='machines/my-machine']")
    row.get_by_role("button", name="Retire").click()
    expect(row).to_contain_text("Retired")
    picture("machines")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_be_hidden()


def test_the_log_goes_on_where_it_was_after_the_allocator_was_killed(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/allocations")
    rented = running.rent(running.admin(), "ticker", INTERVAL="0.05")
    page.goto(f"/{rented['name']}")
    expect_state(page, "READY")
    expect(page.locator(".log-row[data-seq]").nth(20)).to_be_attached()
    running.kill()
    expect(page.locator(".log-link")).to_have_attribute("data-link", "waiting")
    picture("reconnecting")
    running.start()
    expect(page.locator(".log-link")).to_have_attribute("data-link", "live", timeout=40_000)
    last = int(page.locator(".log-row[data-seq]").last.get_attribute("data-seq") or 0)
    page.wait_for_function(
        "last => Number([...document.querySelectorAll('[data-seq]')].at(-1).dataset.seq) > last",
        arg=last,
    )
    # Every number is there once: as many lines as the last one's number.
    missing = page.evaluate(
        """() => {
          const rows = [...document.querySelectorAll('[data-seq]')].map((r) => +r.dataset.seq);
          return rows.filter((seq, at) => at > 0 && seq !== rows[at - 1] + 1);
        }"""
    )
    assert missing == []
    assert page.locator(".log-row.gap").count() == 0


@pytest.mark.slow
def test_a_hundred_thousand_lines_are_few_elements(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    log_in_as_admin(page, running, "/login?to=/allocations")
    rented = running.rent(running.admin(), "chatty", LINES="100000", RATE="20000")
    page.goto(f"/{rented['name']}")
    expect(page.locator(".log-text", has_text="00099999")).to_be_attached(timeout=60_000)
    picture("many-lines")
    assert page.locator(".log-row").count() < 120
    log, head = page.get_by_role("log"), page.locator(".log-row.head")
    until = time.monotonic() + 60
    while head.inner_text() != "The log begins here.":
        assert time.monotonic() < until, head.inner_text()
        log.press("Home")
    page.get_by_label("Filter lines").fill("00004999")
    expect(page.locator("mark")).to_have_count(1)
    picture("filtered")


def test_gaps_are_told_and_an_ending_token_is_renewed_on_the_socket(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sockets: list[WebSocketRoute] = []
    said: list[str] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda frame: (said.append(str(frame)), server.send(frame)))
        server.on_message(socket.send)
        sockets.append(socket)

    page.route_web_socket(re.compile("/console$"), between)
    log_in_as_admin(page, running, "/login?to=/allocations")
    rented = running.rent(running.admin(), "ticker", INTERVAL="900")
    page.goto(f"/{rented['name']}")
    expect(page.locator("[data-seq='2']")).to_be_attached()

    gap = {"firstSeq": "3", "lastSeq": "1202", "cause": "SLOW_READER"}
    sockets[-1].send(json.dumps({"gap": gap}))
    expect(page.locator(".log-row.gap")).to_have_text(
        "1,200 lines are missing: this page read too slowly"
    )
    picture("gap")

    before = len(said)
    with page.expect_response(re.compile("sessions:refresh$")) as renewed:
        sockets[-1].send(json.dumps({"authExpiring": {"expireTime": "2030-01-01T00:00:00Z"}}))
    token = renewed.value.json()["accessToken"]
    until(page, lambda: len(said) > before)
    assert [json.loads(frame) for frame in said[before:]] == [{"auth": {"token": token}}]

    farewell = {"reason": "SERVICE_STOPPING", "message": "It stops", "retryAfter": "1s"}
    sockets[-1].send(json.dumps({"bye": farewell}))
    expect(page.locator(".log-link")).to_contain_text("It stops. Trying again")
    picture("reconnecting")
    until(page, lambda: "resume" in said[-1])
    assert json.loads(said[-1]) == {"resume": {"cursor": "1203"}}, "it goes on after what it has"
