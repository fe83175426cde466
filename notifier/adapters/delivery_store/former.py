"""What deliveries of the first versions say: a code or a note, which were put into words when sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chassis.clock import instant_of
from notifier.domain.delivery import Content


def former_content(said: Mapping[str, Any]) -> tuple[Content, datetime]:
    """The words of such a delivery, and until when it is of use."""
    until = instant_of(said["useful_until"])
    if said["code"]:
        code = said["code"]
        text = f"Your code is\n\n    {code}\n\nIt can be used once.\n"
        return Content(subject=f"{code} is your code", text=text), until
    return Content(subject="You have an account already", text=_ADDRESS_TAKEN), until


_ADDRESS_TAKEN = """\
Somebody tried to sign up with this address, which has an account already.

If that was you, log in with the password that you chose then.

If it was not, you need not do anything. Your account is as it was, and nobody was told that it exists.
"""
