"""What the owner of a webhook is told when it is switched off."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from notifier.domain.kind import Kind
from notifier.domain.notice import Draft, Event, ToPerson
from notifier.domain.webhook import Webhook


def of_suspension(webhook: Webhook, why: str, now: datetime) -> Event:
    """The event that a webhook is switched off; of one version of it always the same.

    Args:
        webhook: as it was before.
        why: what became of the last attempt.
        now: when.
    """
    called = webhook.title or urlsplit(webhook.url).hostname or webhook.name
    draft = Draft(
        ToPerson(webhook.owner),
        Kind.WEBHOOK_SUSPENDED,
        {"webhook": called, "reason": why},
        resource=webhook.name,
        path="/account",
    )
    return Event(f"{webhook.name}/suspended/{webhook.version}", now, drafts=(draft,))
