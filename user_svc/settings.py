"""The settings of user_svc."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_USER_"):
    """What can be set, each with a default that works embedded."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where accounts are kept, mysql://user:password@host/name; by default a file in "
        "the data folder.",
    )
    sign_up: Literal["open", "invite", "closed"] = Field(
        default="open",
        description="Who can sign up: open for everybody, invite for who has the code of an invitation by "
        "an admin, closed for nobody.",
    )
    invitations: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="How many invitations can be open at once.",
    )
    first_admin: Literal["auto", "yes", "no"] = Field(
        default="auto",
        description="Whether the start makes the first admin and writes admin.json. auto: where "
        "accounts are in the data folder; elsewhere a one-shot job makes it.",
    )
    admin_file: Path | None = Field(
        default=None,
        description="The file of the first admin's credentials, which goes when that password is "
        "changed; by default admin.json in the data folder.",
    )
    origins: str = Field(
        default="",
        description="Origins of web pages, joined by commas (https://console.example.org), that may "
        "use the refresh cookie beside the host that a request is for.",
    )
    secure_cookie: Literal["auto", "yes"] = Field(
        default="auto",
        description="Whether the refresh cookie is for https only. auto: where the page that asks "
        "for it came by https, as the browser says in Origin.",
    )
    access_token_seconds: int = Field(
        default=900,
        ge=10,
        le=3600,
        description="How long an access token lives, seconds: short, because it carries the roles.",
    )
    session_days: float = Field(
        default=30.0,
        gt=0,
        le=365,
        description="How long a session lives that is not refreshed, days.",
    )
    refresh_grace_seconds: float = Field(
        default=10.0,
        ge=0,
        le=60,
        description="How long a used refresh token still gets the same next one, seconds: for two "
        "tabs, a reloaded page and answers that were lost on the way.",
    )
    sessions_per_user: int = Field(
        default=50, ge=1, le=1000, description="How many sessions of a person are open at once."
    )
    access_tokens_per_user: int = Field(
        default=50, ge=1, le=1000, description="How many access tokens a person has at once."
    )
    free_wrong_totp_codes: int = Field(
        default=5,
        ge=1,
        description="Wrong codes of the second factor of one account that cost no wait.",
    )
    longest_wait_totp_seconds: float = Field(
        default=900.0,
        ge=1,
        description="The longest wait for the next code, seconds. It starts at one second and "
        "doubles; only somebody who has the password can cause it.",
    )
    key_rotation_days: float = Field(
        default=90.0,
        gt=0,
        description="How old the newest signing key gets before the next one is made, days.",
    )
    code_seconds: int = Field(
        default=600,
        ge=60,
        le=86_400,
        description="How long a one-time code can be used, seconds: mail may be slow.",
    )
    code_pause_seconds: int = Field(
        default=60,
        ge=1,
        description="The shortest time between two codes for one e-mail address or phone number, "
        "seconds.",
    )
    sign_ups_at_once: int = Field(
        default=30,
        ge=1,
        description="Sign-ups, codes that are asked for, and password resets, each from one network "
        "address before it has to wait: a class signs up from behind one.",
    )
    sign_up_pause_seconds: float = Field(
        default=60.0, gt=0, description="How long it then waits for each further one, seconds."
    )
    sign_up_mails_at_once: int = Field(
        default=3,
        ge=1,
        description="Sign-ups with one e-mail address or phone number before it has to wait: each sends "
        "it a message.",
    )
    sign_up_mail_pause_seconds: float = Field(
        default=600.0, gt=0, description="How long it then waits for each further one, seconds."
    )
    free_failures_per_user: int = Field(
        default=10, ge=1, description="Wrong passwords for one account that cost no wait."
    )
    longest_wait_per_user_seconds: float = Field(
        default=60.0,
        ge=1,
        description="The longest wait for an account, seconds. It starts at one second and doubles; "
        "short, because a stranger can cause it.",
    )
    free_failures_per_address: int = Field(
        default=50, ge=1, description="Wrong passwords from one network address that cost no wait."
    )
    longest_wait_per_address_seconds: float = Field(
        default=900.0, ge=1, description="The longest wait for a network address, seconds."
    )
    argon2_memory_kib: int = Field(
        default=19_456,
        ge=8,
        description="Memory of one password hash, KiB: what OWASP's Password Storage Cheat Sheet "
        "asks for at least, so that small hosts bear several at once.",
    )
    argon2_passes: int = Field(
        default=2, ge=1, description="How often a password hash goes over its memory."
    )
    argon2_threads: int = Field(
        default=2, ge=1, le=64, description="How many password hashes are made at once."
    )
    argon2_waiting: int = Field(
        default=64, ge=0, description="How many more wait before callers are told to come again."
    )
    trust_poll_seconds: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="How often the store is asked for revocations by other replicas, seconds; one's "
        "own are told at once.",
    )
    delivery_seconds: float = Field(
        default=5.0, gt=0, description="How long notifier may take to accept a letter, seconds."
    )
