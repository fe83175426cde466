"""The kinds of messages; each has a template of its name, in lower case, in `notifier/templates`."""

from __future__ import annotations

from enum import Enum


class Letters(Enum):
    """What services have told by DeliveryService: never in the inbox, never subject to preferences."""

    CODE_SIGN_UP = "CODE_SIGN_UP"
    CODE_NEW_CONTACT = "CODE_NEW_CONTACT"
    CODE_PASSWORD_RESET = "CODE_PASSWORD_RESET"  # noqa: S105 - the name of a kind
    ADDRESS_TAKEN = "ADDRESS_TAKEN"
    ADDRESS_CHANGED = "ADDRESS_CHANGED"
