"""Mail through a real server."""

from __future__ import annotations

import os
import re
import time
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from allocator_process import PASSWORD, AllocatorProcess

pytestmark = pytest.mark.real_smtp


def newest_to(address: str, within: float = 20.0, kind: str = "plain") -> str:
    maildir = Path(os.environ["ALLOCATOR_TEST_SMTP_MAILDIR"]) / "new"
    until = time.monotonic() + within
    while time.monotonic() < until:
        for file in sorted(maildir.iterdir(), key=lambda one: -one.stat().st_mtime_ns):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            if address in str(mail["To"]):
                body = mail.get_body((kind,))
                assert body is not None
                return str(body.get_content())
        time.sleep(0.05)
    raise AssertionError(f"no mail came to {address}")


def test_a_code_comes_by_mail_and_verifies_the_address(tmp_path: Path) -> None:
    running = AllocatorProcess(
        tmp_path / "data", ALLOCATOR_NOTIFIER_MAIL_URL=os.environ["ALLOCATOR_TEST_SMTP_URL"]
    ).start()
    email = f"smtp{time.time_ns()}@example.org"
    try:
        signed_up = running.call(
            "POST", "/v1/users", json={"user": {"email": email}, "password": PASSWORD}
        )
        assert signed_up.status_code == 200, signed_up.text
        code = re.search(r"\b(\d{6})\b", newest_to(email))
        assert code is not None
        shown = newest_to(email, kind="html")
        assert "<html" in shown
        assert code[1] in shown
        verified = running.call("POST", "/v1/users:verify", json={"email": email, "code": code[1]})
        assert verified.status_code == 200, verified.text
        assert running.log_in(email)
        assert not list((tmp_path / "data").glob("mailbox/*.eml"))
    finally:
        running.close()
