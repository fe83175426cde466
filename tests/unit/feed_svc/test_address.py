"""Where a keyspace is, read from its URL."""

from __future__ import annotations

import pytest

from feed_svc.adapters.cassandra.address import read_address


def test_everything_that_can_be_said_is_read() -> None:
    found = read_address(
        "cassandra://ada:p%40ss@a.example:9043,10.0.0.2:9043/feed?datacenter=dc1&replication=3&tls=yes"
    )
    assert found.hosts == ("a.example", "10.0.0.2")
    assert (found.port, found.keyspace) == (9043, "feed")
    assert (found.user, found.password) == ("ada", "p@ss")
    assert (found.datacenter, found.replication, found.tls) == ("dc1", 3, True)
    assert "ss" not in found.shown.replace("cassandra", "")
    assert "p@ss" not in repr(found)


def test_what_is_left_out_has_a_default() -> None:
    found = read_address("cassandra://[::1]/feed")
    assert (found.hosts, found.port, found.user, found.replication) == (("::1",), 9042, "", 0)
    assert not found.tls


@pytest.mark.parametrize(
    "url",
    [
        "cassandra://host",
        "cassandra:///feed",
        "cassandra://host/",
        "cassandra://host/Feed",
        "cassandra://host/feed;drop",
        "cassandra://a:1,b:2/feed",
        "cassandra://a:x/feed",
        "cassandra://host/feed?replicas=3",
        "cassandra://host/feed?replication=many",
        "cassandra://host/feed?tls=maybe",
        "mysql://host/feed",
    ],
)
def test_what_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    secret = url.replace("://", "://ada:secret@")
    with pytest.raises(ValueError, match="cannot be read") as caught:
        read_address(secret)
    assert "secret" not in str(caught.value)
