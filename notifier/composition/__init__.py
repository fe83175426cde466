"""How notifier is wired; the only place that knows concrete classes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from chassis.limits import open_limits
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql.leases import SqlLeases
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.mail_channel.mailbox import MailboxMailChannel
from notifier.adapters.mail_channel.smtp import SmtpMailChannel
from notifier.adapters.sms_channel.folder import FolderSmsChannel
from notifier.adapters.sms_channel.http import HttpSmsChannel
from notifier.adapters.sms_channel.twilio import TwilioSmsChannel
from notifier.adapters.templates.files import FileTemplates
from notifier.adapters.webhook_channel.http import HttpWebhookChannel
from notifier.adapters.webhook_store.sql import SqlWebhookStore
from notifier.composition.notices import compose_notices
from notifier.domain.delivery import Channel, Delivery, Persistence
from notifier.domain.kind import KINDS, Kind
from notifier.domain.mail_server import SmtpServer, read_mail_url
from notifier.domain.pacing import Bounds
from notifier.domain.sms_gateway import HttpGateway, TwilioGateway
from notifier.domain.suspension import of_suspension
from notifier.domain.webhook import Webhook
from notifier.ports import MailChannel, SmsChannel
from notifier.schema.tables import LEASES
from notifier.settings import Settings
from notifier.transport.consumer import AWAITED
from notifier.transport.metrics import count_attempt
from notifier.transport.servicer import DeliveryServicer
from notifier.transport.webhook_servicer import WebhookServicer
from notifier.usecases.accepting import Accepting
from notifier.usecases.delivering import Delivering
from notifier.usecases.posting import Posting
from notifier.usecases.sending import MailSending, Sending, SmsSending, WebhookSending
from notifier.usecases.sweeping import Sweeping
from notifier.usecases.webhooks import Pace, Webhooks

MAILBOX = "mailbox"
"""The folder of mails in the data folder, where no mail server is set."""

SMS = "sms"
"""The folder of text messages in the data folder, where no gateway is set."""

_SPREAD = 0.3
_STEPS_OF_A_CONVERSATION = 8
# One request has a limit of its own; a lease is twice what an attempt may take, and a little more.
_ONE_REQUEST = 3
# A day ends it before.
_WEBHOOK_ATTEMPTS = 100
_LONGEST_WEBHOOK_PAUSE = timedelta(hours=2)


PUBLISHES: tuple[str, ...] = ("notifications",)
"""The nouns of the topics that it publishes to."""

AWAITS = AWAITED
"""The nouns of topics that it consumes, also where nobody publishes to them."""


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

    # store
    database = await platform.database(stores(platform.loaded)[0])
    store = SqlDeliveryStore(database, platform.vault)
    leadership = platform.leadership(None if database.is_sqlite else SqlLeases(database, LEASES))
    templates = FileTemplates(
        resources.files("notifier.templates"),
        KINDS,
        settings.public_url,
    )

    # what it does
    def told(outcome: str, delivery: Delivery, reason: str) -> None:
        count_attempt(delivery.channel, outcome)
        # Neither the address nor what the message says.
        log.info(
            "delivery", outcome=outcome, delivery=delivery.id, attempt=delivery.attempts, why=reason
        )

    def waits() -> None:
        leadership.wake()

    webhook_store = SqlWebhookStore(database, platform.vault)
    notices = compose_notices(
        platform,
        database,
        leadership,
        templates=templates,
        deliveries=store,
        webhooks=webhook_store,
    )

    async def suspended(webhook: Webhook, why: str) -> None:
        await notices.notifying.tell(of_suspension(webhook, why, platform.clock.now()))
        log.warning("webhook suspended", webhook=webhook.name, why=why)

    web = HttpWebhookChannel(
        settings.webhook_seconds,
        platform.clock,
        allow_http=settings.webhook_allow_http,
        allow_private=settings.webhook_allow_private,
    )
    sms = _sms_channel(settings, platform)
    for one in (web, sms):
        platform.exits.push_async_callback(one.close)
    accepting = Accepting(store, most_waiting=settings.most_waiting, waits=waits)
    limits = open_limits(
        platform.process.cache_url.get_secret_value(), platform.clock, platform.service
    )
    platform.exits.push_async_callback(limits.close)
    webhooks = Webhooks(
        webhook_store,
        store,
        web,
        kinds=[kind.value for kind in Kind],
        most_each=settings.webhooks_each,
        most_waiting=settings.webhook_most_waiting,
        limiter=limits.limiter,
        pace=Pace(
            settings.webhook_calls_at_once,
            timedelta(seconds=settings.webhook_call_pause_seconds),
        ),
        clock=platform.clock,
        waits=waits,
    )
    sendings: dict[Channel, Sending] = {
        Channel.EMAIL: MailSending(_mail_channel(settings, platform.data_dir), platform.clock),
        Channel.SMS: SmsSending(sms, platform.clock),
        Channel.WEBHOOK: WebhookSending(
            web,
            webhook_store,
            suspended_after=timedelta(days=settings.webhook_suspended_after_days),
            clock=platform.clock,
            suspended=suspended,
        ),
    }
    pace = _pace(settings)
    workers = {
        channel: Delivering(
            store,
            channel,
            sending,
            persistence=pace[channel].persistence,
            bounds=pace[channel].bounds,
            lease=timedelta(seconds=pace[channel].lease_seconds),
            clock=platform.clock,
            told=told,
        )
        for channel, sending in sendings.items()
    }
    for worker in workers.values():
        leadership.on_wake(lambda _keys, worker=worker: worker.wake())  # type: ignore[misc]
    return Service(
        name="notifier",
        servicers={
            "allocator.notifications.v1.DeliveryService": DeliveryServicer(
                Posting(accepting, templates, platform.clock)
            ),
            "allocator.notifications.v1.WebhookService": WebhookServicer(webhooks),
            "allocator.notifications.v1.NotificationService": notices.servicer,
        },
        tasks=[
            *notices.tasks,
            *(Task("notifier.limits", watch) for watch in limits.watches),
            *led(
                leadership,
                *notices.led,
                *(
                    Task(f"notifier.{channel.value.lower()}", worker.run)
                    for channel, worker in workers.items()
                ),
                Task("notifier.sweeping", Sweeping(store, platform.clock).run),
            ),
        ],
        checks={"limits": limits.problem} if limits.watches else {},
        notes={
            "mail": _where_mail_goes(settings, platform.data_dir),
            "sms": _where_sms_go(settings, platform.data_dir),
        },
    )


@dataclass(frozen=True, slots=True)
class _Pace:
    """How a channel is sent over."""

    persistence: Persistence
    bounds: Bounds
    lease_seconds: float


def _pace(settings: Settings) -> dict[Channel, _Pace]:
    messages = Persistence(
        settings.most_attempts,
        timedelta(seconds=settings.first_pause_seconds),
        timedelta(seconds=settings.longest_pause_seconds),
        _SPREAD,
    )
    webhooks = Persistence(
        _WEBHOOK_ATTEMPTS,
        timedelta(seconds=settings.webhook_first_pause_seconds),
        _LONGEST_WEBHOOK_PAUSE,
        _SPREAD,
    )
    return {
        Channel.EMAIL: _Pace(
            messages,
            Bounds(settings.sent_at_once),
            settings.mail_seconds * _STEPS_OF_A_CONVERSATION,
        ),
        Channel.SMS: _Pace(
            messages, Bounds(settings.sms_at_once), settings.sms_seconds * _ONE_REQUEST
        ),
        Channel.WEBHOOK: _Pace(
            webhooks,
            Bounds(settings.webhooks_at_once, settings.webhook_at_once),
            settings.webhook_seconds * _ONE_REQUEST,
        ),
    }


def _sms_channel(settings: Settings, platform: Platform) -> SmsChannel:
    """The channel that the SMS URL chooses."""
    gateway = settings.sms_gateway() or platform.data_dir / SMS
    match gateway:
        case Path():
            return FolderSmsChannel(gateway)
        case TwilioGateway():
            return TwilioSmsChannel(gateway, settings.sms_seconds, platform.clock)
        case HttpGateway():
            return HttpSmsChannel(gateway, settings.sms_seconds, platform.clock)


def _where_sms_go(settings: Settings, data_dir: Path) -> str:
    """For the person who starts it; without what the gateway is shown."""
    match settings.sms_gateway():
        case None:
            return f"{data_dir / SMS}  (no gateway is set: text messages are files here)"
        case Path() as folder:
            return f"{folder}  (text messages are files here)"
        case gateway:
            return f"by {urlsplit(gateway.url).netloc}"


def _mail_channel(settings: Settings, data_dir: Path) -> MailChannel:
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
