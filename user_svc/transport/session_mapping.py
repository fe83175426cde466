"""Sessions, their factors and trust between the wire and the domain."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.access.v1 import trust_service_pb2
from allocator.users.v1 import (
    access_token_pb2,
    session_facts_pb2,
    session_pb2,
    totp_service_pb2,
)

from chassis.bus import Record
from chassis.bus.facts import fact_records
from user_svc.domain.access_token import AccessToken
from user_svc.domain.names import user_name
from user_svc.domain.session import Session
from user_svc.domain.totp import Totp
from user_svc.transport.mapping import timestamp
from user_svc.usecases.trust_feed import TrustChange


def session_message(session: Session, current: str) -> session_pb2.Session:
    """A session on the wire, without tokens.

    Args:
        session: the session.
        current: the name of the session that asks.
    """
    return session_pb2.Session(
        name=session.name,
        create_time=timestamp(session.create_time),
        refresh_time=timestamp(session.refresh_time),
        user_agent=session.user_agent,
        address=session.address,
        current=session.name == current,
        device=session.device,
    )


def trust_message(change: TrustChange) -> trust_service_pb2.TrustUpdate:
    """What is new to a watcher, on the wire."""
    return trust_service_pb2.TrustUpdate(
        send_time=timestamp(change.time),
        keys=[
            trust_service_pb2.SigningKey(id=key.id, public_key=key.public_key)
            for key in change.keys
        ],
        revocations=[
            trust_service_pb2.Revocation(
                user=one.user,
                session=one.session,
                issued_before=timestamp(one.issued_before),
                expire_time=timestamp(one.expire_time),
                access_token=one.access_token,
            )
            for one in change.revocations
        ],
        more=change.more,
    )


def access_token_message(token: AccessToken, text: str = "") -> access_token_pb2.AccessToken:
    """A personal access token on the wire; with its text only in the answer that makes it."""
    message = access_token_pb2.AccessToken(
        name=token.name,
        title=token.title,
        scopes=token.scopes,
        expire_time=timestamp(token.expire_time),
        create_time=timestamp(token.create_time),
        token=text,
    )
    if token.last_use_time is not None:
        message.last_use_time.CopyFrom(timestamp(token.last_use_time))
    return message


def totp_message(user: str, totp: Totp | None) -> totp_service_pb2.Totp:
    """How far a second factor is, on the wire: never its secret."""
    message = totp_service_pb2.Totp(name=f"{user}/totp", state=totp_service_pb2.Totp.NONE)
    if totp is not None:
        message.state = totp_service_pb2.Totp.UNCONFIRMED
        message.recovery_codes_left = totp.recovery_codes_left
        if totp.confirm_time is not None:
            message.state = totp_service_pb2.Totp.ACTIVE
            message.confirm_time.CopyFrom(timestamp(totp.confirm_time))
    return message


def new_place_records(session: Session) -> Sequence[Record]:
    """A log-in from a new place as a record of the bus; it changes no state."""
    fact = session_facts_pb2.UserLoggedInFromNewPlace(
        user=user_name(session.user_id),
        session=session.name,
        user_agent=session.device,
        address=session.address,
        time=timestamp(session.create_time),
    )
    return fact_records(
        noun="users",
        source="user_svc",
        fact=fact,
        resource=None,
        key=fact.user,
        version=0,
        now=session.create_time,
    )[:1]
