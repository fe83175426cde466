"""The URL of Kafka."""

from __future__ import annotations

import pytest

from chassis.bus.kafka.address import parse_address

SECRET = "correct-horse"


def test_a_url_names_servers_a_prefix_and_settings() -> None:
    address = parse_address(
        f"kafka://a:9092,b:9092/lab?security.protocol=SASL_SSL&sasl.password={SECRET}%26"
    )
    assert address.servers == "a:9092,b:9092"
    assert address.name("allocator.books.facts.v1") == "lab.allocator.books.facts.v1"
    assert address.own("lab.allocator.books.facts.v1") == "allocator.books.facts.v1"
    for config in (
        address.for_admin(),
        address.for_producer(),
        address.for_reader("x"),
        address.for_group("x"),
    ):
        assert config["bootstrap.servers"] == "a:9092,b:9092"
        assert config["sasl.password"] == f"{SECRET}&"
    assert address.for_group("readers")["group.id"] == "lab.readers"


def test_without_a_prefix_names_are_as_they_are() -> None:
    address = parse_address("kafka://a:9092")
    assert address.name("allocator.books.facts.v1") == "allocator.books.facts.v1"
    assert address.own("allocator.books.facts.v1") == "allocator.books.facts.v1"


def test_each_client_gets_the_settings_that_are_its_own() -> None:
    address = parse_address("kafka://a:9092?linger.ms=7&fetch.min.bytes=9&client.rack=r")
    producer, member, admin = address.for_producer(), address.for_group("g"), address.for_admin()
    assert (producer["linger.ms"], "fetch.min.bytes" in producer) == ("7", False)
    assert (member["fetch.min.bytes"], "linger.ms" in member) == ("9", False)
    assert "linger.ms" not in admin
    assert "fetch.min.bytes" not in admin
    assert {one["client.rack"] for one in (producer, member, admin)} == {"r"}


def test_the_older_group_protocol_moves_partitions_one_by_one_too() -> None:
    newer = parse_address("kafka://a:9092").for_group("g")
    assert newer["group.protocol"] == "consumer"
    assert "partition.assignment.strategy" not in newer
    older = parse_address("kafka://a:9092?group.protocol=classic&session.timeout.ms=9000")
    assert older.for_group("g")["partition.assignment.strategy"] == "cooperative-sticky"
    assert older.for_group("g")["session.timeout.ms"] == "9000"


@pytest.mark.parametrize(
    "url",
    [
        "kafka://",
        "kafka:a:9092",
        "http://a:9092",
        f"kafka://user:{SECRET}@a:9092",
        f"kafka://a:9092/Not%20A%20Prefix?sasl.password={SECRET}",
        f"kafka://a:9092?enable.idempotence=false&sasl.password={SECRET}",
        f"kafka://a:9092?plugin.library.paths=x&sasl.password={SECRET}",
        f"kafka://a:9092?sasl.password={SECRET}#x",
    ],
)
def test_a_wrong_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="Kafka") as refused:
        parse_address(url)
    assert SECRET not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(parse_address(f"kafka://a:9092?sasl.password={SECRET}"))
