"""The settings of notifier."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ServiceSettings
from notifier.domain.mail_server import check_sender, read_mail_url


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

    @field_validator("mail_url")
    @classmethod
    def _is_a_mail_url(cls, value: SecretStr) -> SecretStr:
        """Says at the start, not at the first mail, that the URL is none."""
        if value.get_secret_value():
            read_mail_url(value.get_secret_value())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        """Says at the start, not at the first mail, that the sender is none."""
        check_sender(value)
        return value
