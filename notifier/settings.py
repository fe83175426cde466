"""The settings of notifier."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import ServiceSettings
from notifier.domain.mail_server import check_sender, read_mail_url
from notifier.domain.sms_gateway import HttpGateway, TwilioGateway, read_sms_url


class Settings(ServiceSettings, prefix="ALLOCATOR_NOTIFIER_"):
    """What can be set, each with a default that works embedded."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where deliveries are kept, mysql://user:password@host/name; by default a file "
        "in the data folder.",
    )
    mail_url: SecretStr = Field(
        default=SecretStr(""),
        description="The mail server: smtp://user:password@host:587, or smtps://… where the "
        "connection begins with TLS; or file:///folder, where each mail is a file. By default that is "
        "the folder mailbox of the data folder.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$",
        description="Where people reach the web console, https://allocator.example.org: messages have "
        "links to it. Empty for messages without links.",
    )
    mail_from: str = Field(
        default="Allocator <no-reply@allocator.local>",
        description="Whom mails come from: an address, with a name if wished.",
    )
    mail_seconds: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="How long each step of the conversation with the mail server may take, seconds.",
    )
    sms_url: SecretStr = Field(
        default=SecretStr(""),
        description="The SMS gateway: https://gateway.example.org/path for one that takes JSON, "
        "twilio://SID:token@api.twilio.com for Twilio, or file:///folder, where each message is a file. "
        "By default that is the folder sms of the data folder.",
    )
    sms_from: str = Field(
        default="",
        max_length=100,
        description="Whom text messages come from, as the gateway knows it: a number, a name, or the "
        "SID of a messaging service of Twilio.",
    )
    sms_fields: str = Field(
        default="",
        max_length=4000,
        description="The JSON that the gateway takes, with {to}, {from}, {text} and {id} in it; by "
        'default {"to": "{to}", "from": "{from}", "text": "{text}"}.',
    )
    sms_user: str = Field(
        default="",
        max_length=200,
        description="The user that the gateway knows us by, if it needs one.",
    )
    sms_password: SecretStr = Field(
        default=SecretStr(""), description="The password of that user: basic authentication."
    )
    sms_token: SecretStr = Field(
        default=SecretStr(""),
        description="The token that the gateway wants instead: bearer authentication.",
    )
    sms_seconds: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="How long the gateway may take for an answer, seconds.",
    )
    sms_at_once: int = Field(
        default=4, ge=1, le=100, description="How many text messages are sent at the same moment."
    )
    webhook_seconds: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="How long the server of a webhook may take for an answer, seconds.",
    )
    webhooks_at_once: int = Field(
        default=32, ge=2, le=1000, description="How many webhooks are called at the same moment."
    )
    webhook_at_once: int = Field(
        default=2,
        ge=1,
        le=100,
        description="How many calls of one webhook go on at the same moment.",
    )
    webhook_most_waiting: int = Field(
        default=1000,
        ge=1,
        description="How many notices may wait for one webhook; what is too much has failed, and can "
        "be replayed.",
    )
    webhooks_each: int = Field(
        default=10, ge=1, le=1000, description="How many webhooks a person may have."
    )
    webhook_calls_at_once: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="How often a person may have webhooks tested or deliveries replayed before they have "
        "to wait: each is a call to a server of somebody's.",
    )
    webhook_call_pause_seconds: float = Field(
        default=6.0, gt=0, description="How long they then wait for each further one, seconds."
    )
    webhook_first_pause_seconds: float = Field(
        default=5.0,
        gt=0,
        description="The pause after the first attempt at a webhook, seconds; it doubles, up to two "
        "hours, and ends after a day.",
    )
    webhook_suspended_after_days: float = Field(
        default=5.0,
        gt=0,
        description="A webhook that has failed for so long is switched off, days.",
    )
    webhook_allow_http: bool = Field(
        default=False,
        description="Whether webhooks may be http://, which anybody on the way can read.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="Whether webhooks may lead into private networks and to this host. Whoever may have "
        "a webhook can then reach what listens there.",
    )
    most_attempts: int = Field(
        default=10, ge=1, description="After so many attempts a message has failed."
    )
    first_pause_seconds: float = Field(
        default=1.0, gt=0, description="The pause after the first attempt, seconds; it doubles."
    )
    longest_pause_seconds: float = Field(
        default=120.0,
        gt=0,
        description="The longest pause, seconds: a code is of no use after ten minutes.",
    )
    sent_at_once: int = Field(
        default=4, ge=1, le=100, description="How many mails are sent at the same moment."
    )
    most_waiting: int = Field(
        default=10_000,
        ge=1,
        description="How many messages of a channel may wait; more are refused, so that a flood of sign-ups "
        "fills no disk.",
    )

    directory_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="How long the directory may take to say who somebody is, seconds.",
    )
    digest_after: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="How many mails of a kind a person gets singly within digest_span_seconds; those "
        "beyond are put together into one.",
    )
    digest_span_seconds: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="In how short a time more than digest_after mails are too many, and how long what "
        "comes then is gathered, seconds.",
    )
    inbox_size: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="How many of the newest entries each person's inbox keeps.",
    )
    inbox_days: float = Field(
        default=90.0, gt=0, description="For how long an inbox keeps an entry, days."
    )

    @field_validator("mail_url")
    @classmethod
    def _is_a_mail_url(cls, value: SecretStr) -> SecretStr:
        """Says at the start, not at the first mail, that the URL is none."""
        if value.get_secret_value():
            read_mail_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _is_a_gateway(self) -> Self:
        """Says at the start, not at the first text message, that the gateway is none."""
        self.sms_gateway()
        return self

    def sms_gateway(self) -> HttpGateway | TwilioGateway | Path | None:
        """Where text messages go; None where nothing is set."""
        url = self.sms_url.get_secret_value()
        if not url:
            return None
        return read_sms_url(
            url,
            sender=self.sms_from,
            fields=self.sms_fields,
            user=self.sms_user,
            password=self.sms_password.get_secret_value(),
            token=self.sms_token.get_secret_value(),
        )

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        """Says at the start, not at the first mail, that the sender is none."""
        check_sender(value)
        return value
