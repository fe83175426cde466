"""How notifier is wired; the only place that knows concrete classes."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from pathlib import Path

from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql.leases import SqlLeases
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.mail_channel.mailbox import MailboxMailChannel
from notifier.adapters.mail_channel.smtp import SmtpMailChannel
from notifier.adapters.templates.files import FileTemplates
from notifier.domain.delivery import Delivery, Persistence
from notifier.domain.kind import Letters
from notifier.domain.mail_server import SmtpServer, read_mail_url
from notifier.ports import MailChannel
from notifier.schema.tables import LEASES
from notifier.settings import Settings
from notifier.transport.servicer import DeliveryServicer
from notifier.usecases.delivering import Delivering
from notifier.usecases.posting import Posting

MAILBOX = "mailbox"
"""The folder of mails in the data folder, where no mail server is set."""

_SPREAD = 0.3
_STEPS_OF_A_CONVERSATION = 8


PUBLISHES: tuple[str, ...] = ()
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store(
            "notifications",
            "notifier.schema",
            settings.of(Settings).database_url.get_secret_value(),
        ),
    )


async def compose(platform: Platform) -> Service:
    """Wires the service."""
    settings = platform.settings(Settings)
    log = platform.log()

    # store and channel
    database = await platform.database(stores(platform.loaded)[0])
    store = SqlDeliveryStore(database, platform.vault)
    leadership = platform.leadership(None if database.is_sqlite else SqlLeases(database, LEASES))
    channel = _channel(settings, platform.process.data_dir)

    templates = FileTemplates(
        resources.files("notifier.templates"),
        [kind.value for kind in Letters],
        settings.public_url,
    )

    # what it does
    def told(outcome: str, delivery: Delivery, reason: str) -> None:
        # Neither the address nor what the message says.
        log.info(
            "delivery", outcome=outcome, delivery=delivery.id, attempt=delivery.attempts, why=reason
        )

    persistence = Persistence(
        settings.most_attempts,
        timedelta(seconds=settings.first_pause_seconds),
        timedelta(seconds=settings.longest_pause_seconds),
        _SPREAD,
    )
    delivering = Delivering(
        store,
        channel,
        persistence=persistence,
        most_waiting=settings.most_waiting,
        at_once=settings.sent_at_once,
        lease=timedelta(seconds=settings.mail_seconds * _STEPS_OF_A_CONVERSATION),
        clock=platform.clock,
        told=told,
        waits=leadership.wake,
    )
    leadership.on_wake(lambda _keys: delivering.wake())
    return Service(
        name="notifier",
        servicers={
            "allocator.notifications.v1.DeliveryService": DeliveryServicer(
                Posting(delivering, templates, platform.clock)
            )
        },
        tasks=led(leadership, Task("notifier.delivering", delivering.run)),
        notes={"mail": _where_mail_goes(settings, platform.process.data_dir)},
    )


def _channel(settings: Settings, data_dir: Path) -> MailChannel:
    """The channel that the mail URL chooses."""
    where = _where(settings, data_dir)
    if isinstance(where, Path):
        return MailboxMailChannel(where, settings.mail_from)
    return SmtpMailChannel(where, settings.mail_from, settings.mail_seconds)


def _where(settings: Settings, data_dir: Path) -> SmtpServer | Path:
    url = settings.mail_url.get_secret_value()
    return read_mail_url(url) if url else data_dir / MAILBOX


def _where_mail_goes(settings: Settings, data_dir: Path) -> str:
    """For the person who starts it; without the password that the URL may have."""
    where = _where(settings, data_dir)
    if isinstance(where, Path):
        return f"{where}  (no mail server is set: mails are files here)"
    return f"by {where.host}:{where.port}"
