"""Sessions and trust between the wire and the domain."""

from __future__ import annotations

from allocator.access.v1 import trust_service_pb2
from allocator.users.v1 import session_pb2

from user_svc.domain.session import Session
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
            )
            for one in change.revocations
        ],
    )
