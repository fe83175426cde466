"""What people say of machines and make of them, and what admins see of it, done in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess
from pictures import png
from playwright.sync_api import Browser, Locator, Page, expect
from web_steps import Picture, button, log_in, log_in_as_admin, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def named(running: AllocatorProcess, email: str, name: str) -> str:
    """Somebody with a given name: their access token."""
    token = running.person(email)
    path = "/v1/users/me?updateMask=givenName"
    assert running.call("PATCH", path, token, json={"givenName": name}).status_code == 200
    return token


def item(page: Page, text: str) -> Locator:
    """What somebody has said."""
    return page.locator(".said > li", has_text=text)


def test_people_who_rented_a_machine_review_it_and_vote(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "ada@example.org")
    token = running.log_in("ada@example.org")
    page.goto("/machines/ticker")
    button(page, "Write a review").click()
    page.get_by_label("4 stars").check(force=True)
    page.get_by_label("Why").fill("It **ticks**.")
    button(page, "Publish").click()
    expect(page.get_by_role("alert")).to_contain_text("rent")
    rented = running.rent(token, "ticker")
    running.wait(token, rented["name"], "READY")
    # The feed hears of the rent a moment later.
    written = page.get_by_role("article", name="Your review")
    for _ in range(100):
        button(page, "Publish").click()
        expect(written.or_(page.get_by_role("alert"))).to_be_visible()
        if written.is_visible():
            break
    expect(written.locator("strong", has_text="ticks")).to_be_visible()
    rating = page.get_by_role("region", name="What people think")
    expect(rating).to_contain_text("4.0")
    button(page, "Edit").click()
    page.get_by_label("2 stars").check(force=True)
    button(page, "Publish").click()
    expect(rating).to_contain_text("2.0")

    like = rating.get_by_role("button", name=re.compile("^Like"))
    dislike = rating.get_by_role("button", name=re.compile("^Dislike"))
    like.click()
    expect(like).to_have_accessible_name("Like: 1 so far")
    dislike.click()
    expect(dislike).to_have_attribute("aria-pressed", "true")
    expect(like).to_have_accessible_name("Like: 0 so far")
    expect(dislike).to_be_enabled()
    picture("review")
    page.reload()
    expect(rating).to_contain_text("2.0")
    expect(dislike).to_have_attribute("aria-pressed", "true")


def test_people_comment_reply_edit_and_delete(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "alan@example.org")
    page.goto("/machines/ticker")
    page.get_by_role("button", name=re.compile("^Comments")).click()
    page.get_by_label("Ask or say something").fill("Does it <b>stop</b>?")
    button(page, "Comment").click()
    comment = item(page, "Does it <b>stop</b>?")
    expect(comment).to_be_visible()
    grace = named(running, "grace@example.org", "Grace")
    comments = running.call("GET", "/v1/machines/ticker/comments").json()["comments"]
    reply = {"text": "When you stop it.", "replyTo": comments[0]["name"]}
    said = running.call("POST", "/v1/machines/ticker/comments", grace, json=reply)
    assert said.status_code == 200, said.text
    page.reload()
    page.get_by_role("button", name=re.compile("^Comments")).click()
    button(page, "1 reply").click()
    expect(page.locator(".replies")).to_contain_text("When you stop it.")
    comment.get_by_role("button", name="Edit").first.click()
    page.get_by_label("Your comment").fill("Does it end?")
    page.keyboard.press("Control+Enter")
    expect(item(page, "Does it end?").first).to_be_visible()
    picture("comments")
    item(page, "Does it end?").first.get_by_role("button", name="Delete").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("This comment was deleted.")).to_be_visible()
    expect(page.locator(".replies")).to_contain_text("When you stop it.")


def test_the_search_is_in_the_address(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    page.goto("/")
    page.get_by_label("Search machines").fill("ticker log")
    expect(page.locator(".card")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/\?q=ticker\+log$"))
    page.reload()
    expect(page.get_by_label("Search machines")).to_have_value("ticker log")
    page.get_by_role("link", name="Log ticker").click()
    page.get_by_role("link", name="demonstration").click()
    expect(page).to_have_url(re.compile(r"category=demonstration"))
    expect(button(page, "demonstration")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Order").select_option("Newest first")
    expect(page).to_have_url(re.compile(r"order=new"))
    picture("search")
    page.get_by_label("Search machines").fill("zebra")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("link", name="Redis")).to_be_visible()


def test_a_machine_is_forked_submitted_rejected_submitted_again_and_published(
    page: Page, running: AllocatorProcess, chromium: Browser, picture: Picture, tmp_path: Path
) -> None:
    sign_up(page, running, "edsger@example.org")
    page.goto("/machines/nginx")
    button(page, "Fork").click()
    page.get_by_label("Title").fill("My store")
    expect(page.get_by_label("Name in addresses")).to_have_value("my-store")
    picture("fork")
    button(page, "Make a draft").click()
    expect(page.locator("h1 .chip[data-state=DRAFT]")).to_be_visible()
    page.get_by_label("Tags").fill("keys, values")
    button(page, "Save").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    icon = {"name": "icon.png", "mimeType": "image/png", "buffer": png(64, 64)}
    page.get_by_label("A file for the icon").set_input_files(icon)
    expect(page.get_by_text("The icon is set.")).to_be_visible()
    expect(page.locator("h1 img.tile")).to_be_visible()
    picture("draft")
    button(page, "Submit").click()
    expect(page.get_by_text("it waits for an admin")).to_be_visible()

    theirs = chromium.new_context(base_url=f"http://{running.http}")
    admin = theirs.new_page()
    log_in_as_admin(admin, running, "/login?to=/admin/machines%3Fshow=waiting")
    row = admin.locator("tr[data-name='machines/my-store']")
    row.get_by_role("button", name="Reject…").click()
    admin.get_by_label("Why").fill("Say what it is.")
    admin.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("Say what it is.")

    page.reload()
    expect(page.get_by_text("Say what it is.")).to_be_visible()
    page.get_by_label("Description").fill("It keeps keys.")
    button(page, "Save").click()
    expect(page.get_by_text("Submit it again")).to_be_visible()
    button(page, "Submit").click()
    expect(page.get_by_text("it waits for an admin")).to_be_visible()
    admin.reload()
    row.get_by_role("button", name="Publish").click()
    expect(row).to_contain_text("In the catalogue")
    theirs.close()

    page.goto("/machines/my-store")
    expect(page.get_by_text("Made from")).to_be_visible()
    with page.expect_download() as saved:
        button(page, "YAML").click()
    text = Path(saved.value.path()).read_text()
    assert "It keeps keys." in text
    again = tmp_path / "again.yaml"
    again.write_text(text.replace("my-store", "our-store"))
    page.goto("/mine")
    page.get_by_label("A machine as a YAML file").set_input_files(again)
    expect(page).to_have_url(re.compile("/mine/our-store$"))


def test_an_allocation_tells_what_happened_to_it(
    page: Page, running: AllocatorProcess, picture: Picture
) -> None:
    sign_up(page, running, "barbara@example.org")
    page.goto("/machines/ticker")
    page.get_by_role("button", name=re.compile("^Rent")).click()
    timeline = page.get_by_role("region", name="What happened")
    expect(timeline.locator("[data-type$=AllocationReady]")).to_be_visible()
    button(page, "Stop").click()
    newest = timeline.locator("li").first
    expect(newest).to_have_attribute("data-type", re.compile("AllocationStopped$"))
    expect(newest).to_contain_text("Its owner stopped it")
    picture("timeline")


def test_an_admin_disables_a_person_and_the_audit_trail_tells_of_it(
    page: Page, running: AllocatorProcess, chromium: Browser, picture: Picture
) -> None:
    sign_up(page, running, "linus@example.org")
    theirs = chromium.new_context(base_url=f"http://{running.http}", accept_downloads=True)
    admin = theirs.new_page()
    log_in_as_admin(admin, running, "/login?to=/admin/people")
    admin.get_by_label("Search e-mail addresses").fill("linus@")
    row = admin.locator("tbody tr")
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Disable…").click()
    admin.get_by_label("Why").fill("Too loud.")
    admin.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Too loud.")
    page.goto("/account")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, "linus@example.org")
    expect(page.get_by_role("alert")).to_contain_text("Too loud.")
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("active")
    log_in(page, "linus@example.org")
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()

    admin.get_by_role("link", name="Audit trail").click()
    expect(admin.locator("tbody tr", has_text="disable").first).to_be_visible()
    admin.get_by_label("Of what").select_option("People")
    expect(admin.locator("tbody tr").first).to_contain_text("users/")
    with admin.expect_download() as saved:
        button(admin, "Export").click()
    events = [json.loads(line) for line in Path(saved.value.path()).read_text().splitlines()]
    assert {"DisableUser", "EnableUser"} <= {e["method"].rpartition("/")[2] for e in events}
    admin.get_by_role("link", name="Dead letters").click()
    expect(admin.get_by_text("There are no dead letters")).to_be_visible()
    theirs.close()
