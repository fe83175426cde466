"""Letters on their way from user_svc to notifier, over gRPC."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allocator.notifications.v1 import delivery_service_pb2

from chassis.clock import ManualClock
from chassis.faults import Exhausted, Fault, Unavailable
from chassis.identity import ServiceTokens, Trust, Vault
from chassis.rpc import Chain, PeerChannel
from chassis.rpc.server import RpcServer
from chassis.sql import open_database
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.code_delivery.grpc import GrpcCodeDelivery
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.domain.code import (
    Addressee,
    Letter,
    LetterKind,
    Purpose,
    address_changed_letter,
    address_taken_letter,
    new_code,
)
from user_svc.domain.contact import email, phone
from user_svc.transport.mapping import user_records
from user_svc.usecases.letters import LetterDispatch

LIFETIME = timedelta(minutes=10)
ADA = Addressee(email("ada@example.org"))


class Notifier:
    """What stands in for notifier at the other end of the wire."""

    def __init__(self) -> None:
        self.had: list[delivery_service_pb2.DeliverRequest] = []
        self.fails: Fault | None = None

    async def Deliver(self, request: Any, call: Any) -> delivery_service_pb2.DeliverResponse:
        """Takes a message, or fails as it is told to."""
        if self.fails is not None:
            raise self.fails
        self.had.append(request)
        return delivery_service_pb2.DeliverResponse()


@pytest.fixture
async def notifier() -> AsyncIterator[tuple[Notifier, PeerChannel]]:
    """The other end, and a channel to it as user_svc."""
    tokens = ServiceTokens(b"s" * 32)
    served = Notifier()
    chain = Chain({"allocator.notifications.v1.DeliveryService": served}, Trust(tokens))
    with tempfile.TemporaryDirectory(prefix="allocator-") as folder:
        address = f"unix:{folder}/n.sock"
        server = RpcServer(chain, address=address, internal=True, max_request_bytes=1 << 20)
        await server.start()
        channel = PeerChannel("notifier", address, lambda: tokens.mint("user_svc"))
        yield served, channel
        await channel.close()
        await server.stop(0)


@pytest.fixture
def delivery(notifier: tuple[Notifier, PeerChannel]) -> GrpcCodeDelivery:
    """The adapter."""
    return GrpcCodeDelivery(notifier[1], 5.0)  # type: ignore[arg-type]


async def test_a_code_arrives_with_the_time_that_is_left(
    notifier: tuple[Notifier, PeerChannel], delivery: GrpcCodeDelivery
) -> None:
    now = ManualClock().now()
    to = Addressee(email("ada@example.org"), "users/ada", "de")
    _, letter = new_code(to, Purpose.PASSWORD_RESET, now, LIFETIME)
    await delivery.deliver(letter, now + timedelta(minutes=1))
    [request] = notifier[0].had
    assert request.delivery_id == letter.delivery_id
    assert request.email == "ada@example.org"
    assert (request.user, request.language_code) == ("users/ada", "de")
    assert request.verification_code.code == letter.digits
    assert request.verification_code.purpose == request.verification_code.PASSWORD_RESET
    assert request.verification_code.lifetime.ToTimedelta() == timedelta(minutes=9)


async def test_a_note_arrives(
    notifier: tuple[Notifier, PeerChannel], delivery: GrpcCodeDelivery
) -> None:
    now = ManualClock().now()
    await delivery.deliver(address_taken_letter(ADA, now, LIFETIME), now)
    assert notifier[0].had[0].WhichOneof("content") == "address_taken"


async def test_a_message_goes_to_a_phone(
    notifier: tuple[Notifier, PeerChannel], delivery: GrpcCodeDelivery
) -> None:
    now = ManualClock().now()
    to = Addressee(phone("+4930123456"))
    await delivery.deliver(address_changed_letter(to, phone("+4930999999"), now, LIFETIME), now)
    [request] = notifier[0].had
    assert request.WhichOneof("recipient") == "phone_number"
    assert request.phone_number == "+4930123456"
    assert request.address_changed.new_address == "+49******99"


async def test_what_notifier_says_is_what_user_svc_hears(
    notifier: tuple[Notifier, PeerChannel], delivery: GrpcCodeDelivery
) -> None:
    now = ManualClock().now()
    notifier[0].fails = Exhausted("Too many wait.", reason="DELIVERY_QUEUE_FULL")
    with pytest.raises(Exhausted) as full:
        await delivery.deliver(address_taken_letter(ADA, now, LIFETIME), now)
    assert full.value.reason == "DELIVERY_QUEUE_FULL"


async def test_a_notifier_that_is_away_is_unavailable() -> None:
    tokens = ServiceTokens(b"s" * 32)
    channel = PeerChannel("notifier", "unix:/nonexistent/n.sock", lambda: tokens.mint("user_svc"))
    now = ManualClock().now()
    with pytest.raises(Unavailable):
        await GrpcCodeDelivery(channel, 5.0).deliver(  # type: ignore[arg-type]
            address_taken_letter(ADA, now, LIFETIME), now
        )
    await channel.close()


async def test_no_letter_is_lost_while_notifier_is_away(
    notifier: tuple[Notifier, PeerChannel], delivery: GrpcCodeDelivery, tmp_path: Path
) -> None:
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/users.sqlite3", "user_svc.schema", clock)
    vault = Vault(b"k" * 32)
    accounts = SqlAccountStore(database, vault, user_records, lambda: None)
    refused: list[tuple[Letter, Fault]] = []
    dispatch = LetterDispatch(
        SqlLetterStore(database, vault), delivery, clock, lambda *what: refused.append(what)
    )
    letter = Letter(
        str(uuid.uuid4()),
        ADA,
        LetterKind.VERIFICATION_CODE,
        clock.now() + LIFETIME,
        "123456",
    )
    await accounts.send(letter, None, clock.now())
    notifier[0].fails = Unavailable("Away.")
    for pause in (1, 2, 4):
        assert await dispatch.dispatch() == 1
        assert await dispatch.dispatch() == 0
        clock.advance(pause)
    assert [one for one, _ in refused] == [letter] * 3
    notifier[0].fails = None
    running = asyncio.create_task(dispatch.run())
    await clock.until_sleepers()
    assert [one.delivery_id for one in notifier[0].had] == [letter.delivery_id]
    # One that has outlived its use is not handed over.
    old = Letter(str(uuid.uuid4()), ADA, LetterKind.ADDRESS_TAKEN, clock.now())
    await accounts.send(old, None, clock.now())
    assert await dispatch.dispatch() == 1
    assert len(notifier[0].had) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await database.close()
