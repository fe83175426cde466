"""What is trusted, from the wire."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

from allocator.access.v1 import trust_service_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import instant_of
from chassis.serving.trusting import _trust_update
from user_svc.adapters.token_signer.joserfc import JoseTokenSigner
from user_svc.domain.account import Account
from user_svc.domain.session import open_session
from user_svc.transport.mapping import timestamp

SIGNER = JoseTokenSigner()
KEY = SIGNER.new_key(datetime(2026, 1, 1, tzinfo=UTC))


@given(st.integers(0, 4_000_000_000_000))
def test_a_token_that_is_as_of_a_change_is_not_older_than_the_change(millis: int) -> None:
    time = instant_of(millis)
    account = Account("ada", "uid", "ada@example.org", "", time, time)
    session, _ = open_session("ada", time, timedelta(days=1), "", "")
    token = SIGNER.sign(KEY, account, session, now=time, end=time, as_of=time)
    claims = token.split(".")[1]
    as_of = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["asof"]
    update = trust_service_pb2.TrustUpdate(
        revocations=[trust_service_pb2.Revocation(user="users/ada", issued_before=timestamp(time))]
    )
    [revocation] = _trust_update(update).revocations
    assert as_of == revocation.issued_before
