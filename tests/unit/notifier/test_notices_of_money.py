"""What people are told of money: by the facts that whoever keeps it will publish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from allocator.billing.v1 import billing_facts_pb2
from allocator.machines.v1 import machine_pb2
from allocator.notifications.v1 import notification_pb2, notification_service_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from notifier.domain.spoken import Amount, Day, Moment, Span
from tests.unit.notifier.conftest import World

NAME = "users/ada/wallet"
PREFERENCES = "users/me/notificationPreferences"


def low(euros: int, left: timedelta | None = None) -> billing_facts_pb2.WalletBalanceLow:
    """A wallet of ada's that is nearly empty."""
    fact = billing_facts_pb2.WalletBalanceLow(
        user="users/ada",
        balance=machine_pb2.Money(currency_code="EUR", minor_units=euros * 100 + 5),
    )
    if left is not None:
        span = Duration()
        span.FromTimedelta(left)
        fact.time_left.CopyFrom(span)
    return fact


async def test_a_low_balance_is_told_with_how_long_it_lasts(world: World) -> None:
    await world.publish("wallets", low(1234, timedelta(hours=5)), NAME, 3)
    [told] = await world.told("BALANCE_LOW")
    assert told.title == "Your balance is low: 1,234.05 EUR"
    assert "uses it up in about 5 hours" in told.text
    assert told.resource == NAME
    [mail] = await world.mails(1)
    assert "To: ada@example.org" in mail
    assert "1,234.05 EUR" in mail
    # What came late is overtaken; what has no end in sight says none.
    await world.publish("wallets", low(2000), NAME, 2)
    await world.publish("wallets", low(3), NAME, 4)
    [_, told] = await world.told("BALANCE_LOW", "BALANCE_LOW")
    assert told.title == "Your balance is low: 3.05 EUR"
    assert "uses it up" not in told.text


async def test_amounts_and_times_are_written_as_the_language_writes_them(world: World) -> None:
    world.person("ada", language_code="de-AT")
    await world.publish("wallets", low(1234, timedelta(days=3)), NAME)
    [told] = await world.told("BALANCE_LOW")
    assert told.title == "Ihr Guthaben geht zu Ende: 1.234,05 EUR"
    assert "in etwa 3 Tagen" in told.text


async def test_an_invoice_is_told_once(world: World) -> None:
    time = Timestamp()
    time.FromDatetime(datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    fact = billing_facts_pb2.InvoiceIssued(
        user="users/ada",
        order="orders/o1",
        number="2026-0007",
        total=machine_pb2.Money(currency_code="EUR", minor_units=1990),
        issue_time=time,
    )
    record = await world.publish("orders", fact, "orders/o1")
    await world.bus.publish([record])
    [told] = await world.told("INVOICE")
    assert told.title == "Your invoice 2026-0007: 19.90 EUR"
    assert "2026-0007 of 2026-03-01" in told.text
    assert told.resource == "orders/o1"
    await world.marker()
    mails = await world.mails(2)
    assert sum("Subject: Your invoice 2026-0007" in mail for mail in mails) == 1


async def test_who_does_not_want_to_hear_of_money_does_not(world: World) -> None:
    chosen = notification_pb2.NotificationPreferences(
        name=PREFERENCES,
        preferences=[
            notification_pb2.NotificationPreference(kind="BALANCE_LOW", email=False),
            notification_pb2.NotificationPreference(kind="INVOICE", in_page=False, email=False),
        ],
    )
    request = notification_service_pb2.UpdateNotificationPreferencesRequest(
        notification_preferences=chosen
    )
    await world.ask("UpdateNotificationPreferences", request)
    await world.publish("wallets", low(1), NAME)
    invoice = billing_facts_pb2.InvoiceIssued(user="users/ada", order="orders/o1", number="1")
    await world.publish("orders", invoice, "orders/o1")
    await world.marker()
    await world.told("BALANCE_LOW")
    assert len(await world.mails(1)) == 1


@pytest.mark.parametrize("world", [{"ALLOCATOR_NOTIFIER_DIGEST_SPAN_SECONDS": "3"}], indirect=True)
async def test_many_invoices_are_put_into_one_mail(world: World) -> None:
    for number in range(9):
        name = f"orders/o{number}"
        fact = billing_facts_pb2.InvoiceIssued(user="users/ada", order=name, number=str(number))
        await world.publish("orders", fact, name)
    await world.told(*["INVOICE"] * 9)
    count = 6
    while not any("more notices" in mail for mail in await world.mails(count)):
        count += 1
    assert count < 9


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        (Amount("EUR", 0), "0.00 EUR", "0,00 EUR"),
        (Amount("EUR", 5), "0.05 EUR", "0,05 EUR"),
        (Amount("EUR", -123456), "-1,234.56 EUR", "-1.234,56 EUR"),
        (Amount("JPY", 1500), "1,500 JPY", "1.500 JPY"),
        (Amount("KWD", 1500), "1.500 KWD", "1,500 KWD"),
        (Span(timedelta(0)), "1 minute", "1 Minute"),
        (Span(timedelta(minutes=10)), "10 minutes", "10 Minuten"),
        (Span(timedelta(minutes=119)), "119 minutes", "119 Minuten"),
        (Span(timedelta(hours=2)), "2 hours", "2 Stunden"),
        (Span(timedelta(hours=47)), "47 hours", "47 Stunden"),
        (Span(timedelta(days=2)), "2 days", "2 Tagen"),
        (
            Moment(datetime(2026, 3, 1, 9, 5, tzinfo=UTC)),
            "2026-03-01 09:05 UTC",
            "01.03.2026, 09:05 UTC",
        ),
        (Day(datetime(2026, 3, 1, 9, 5, tzinfo=UTC)), "2026-03-01", "01.03.2026"),
    ],
    ids=str,
)
def test_values_in_both_languages(value, english: str, german: str) -> None:
    assert value.in_language("en") == english
    assert value.in_language("de") == german
