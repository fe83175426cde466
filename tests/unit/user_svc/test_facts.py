"""What the bus is told of people."""

from __future__ import annotations

from allocator.users.v1 import user_facts_pb2, user_pb2
from sqlalchemy import select

from chassis.bus import Record
from chassis.bus.facts import decode
from chassis.identity import Caller
from user_svc.domain.account import Role
from user_svc.domain.contact import phone
from user_svc.schema.tables import OUTBOX

FACTS = (
    user_facts_pb2.UserRegistered,
    user_facts_pb2.UserVerified,
    user_facts_pb2.UserUpdated,
    user_facts_pb2.UserRolesChanged,
    user_facts_pb2.UserDisabled,
    user_facts_pb2.UserEnabled,
    user_facts_pb2.UserContactChanged,
)


async def told(world) -> list[Record]:
    """The records that wait to be published, in their order."""
    return await world.database.read(
        lambda connection: [
            Record(row.topic, row.key, bytes(row.value), row.headers)
            for row in connection.execute(select(OUTBOX).order_by(OUTBOX.c.id))
        ]
    )


async def test_every_change_is_a_fact_and_a_state_in_order(world) -> None:
    ada = await world.person()
    admin = await world.admin()
    await world.keeping.update(admin, ada.name, {"given_name": "Ada"}, None)
    await world.keeping.grant(admin, ada.name, Role.ADMIN)
    await world.keeping.disable(admin, ada.name)
    await world.keeping.enable(admin, ada.name)
    me, number = Caller(user=ada.name, verified=True), phone("+4930123456")
    await world.mail()
    await world.contacts.change(me, ada.name, number, "a fine long password", "192.0.2.1")
    [letter] = await world.mail()
    await world.contacts.confirm(me, ada.name, letter.digits)
    records = [one for one in await told(world) if one.key == ada.name]
    facts = [one for one in records if one.topic == "allocator.users.facts.v1"]
    states = [one for one in records if one.topic == "allocator.users.state.v1"]
    assert [type(decode(one, *FACTS)) for one in facts] == list(FACTS)
    assert [one.headers["version"] for one in facts] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [one.headers["version"] for one in states] == ["1", "2", "3", "4", "5", "6", "7"]
    last = decode(states[-1], user_pb2.User)
    assert last is not None
    assert last.name == ada.name
    assert last.roles == [user_pb2.User.ADMIN]
    assert last.state == user_pb2.User.ACTIVE
    assert (last.phone_number, last.phone_verified) == ("+4930123456", True)


async def test_nothing_that_proves_who_one_is_is_on_the_bus(world) -> None:
    letter = await world.registered()
    account = await world.accounts.by_email(letter.email)
    for record in await told(world):
        for secret in (letter.digits, account.password_hash, "a fine long password"):
            assert secret.encode() not in record.value
