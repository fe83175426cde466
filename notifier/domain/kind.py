"""The kinds of messages; each has a template of its name, in lower case, in `notifier/templates`."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What people are told in their inbox, and over the channels that they prefer.

    A new kind is a line here, a template, and what makes it of a fact (`transport/occurrences.py`).
    """

    WELCOME = "WELCOME"
    LOGGED_IN_FROM_NEW_PLACE = "LOGGED_IN_FROM_NEW_PLACE"
    ALLOCATION_READY = "ALLOCATION_READY"
    ALLOCATION_FAILED = "ALLOCATION_FAILED"
    ALLOCATION_STOPPED = "ALLOCATION_STOPPED"
    ALLOCATION_REMOVED = "ALLOCATION_REMOVED"
    ALLOCATION_EXPIRING = "ALLOCATION_EXPIRING"
    ALLOCATION_UNHEALTHY = "ALLOCATION_UNHEALTHY"
    BALANCE_LOW = "BALANCE_LOW"
    INVOICE = "INVOICE"
    COMMENT_ON_MY_MACHINE = "COMMENT_ON_MY_MACHINE"
    REPLY_TO_MY_COMMENT = "REPLY_TO_MY_COMMENT"
    REVIEW_OF_MY_MACHINE = "REVIEW_OF_MY_MACHINE"
    MACHINE_SUBMITTED = "MACHINE_SUBMITTED"
    MACHINE_PUBLISHED = "MACHINE_PUBLISHED"
    MACHINE_REJECTED = "MACHINE_REJECTED"
    NODE_AWAY = "NODE_AWAY"
    NODE_RETURNED = "NODE_RETURNED"
    NODE_DRAINING = "NODE_DRAINING"
    DEAD_LETTER = "DEAD_LETTER"
    WEBHOOK_SUSPENDED = "WEBHOOK_SUSPENDED"


class LetterKind(Enum):
    """What is only sent: never in the inbox, and not subject to preferences."""

    CODE_SIGN_UP = "CODE_SIGN_UP"
    CODE_NEW_CONTACT = "CODE_NEW_CONTACT"
    CODE_PASSWORD_RESET = "CODE_PASSWORD_RESET"  # noqa: S105 - the name of a kind
    ADDRESS_TAKEN = "ADDRESS_TAKEN"
    ADDRESS_CHANGED = "ADDRESS_CHANGED"
    INVITATION = "INVITATION"
    DIGEST = "DIGEST"


KINDS = tuple(kind.value for kind in (*Kind, *LetterKind))
"""Every kind that has a template."""
