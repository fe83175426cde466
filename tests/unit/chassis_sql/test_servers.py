"""URLs of database servers."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from chassis.clock import ManualClock
from chassis.sql import open_database
from chassis.sql.servers import login_of

SCHEMA = "tests.unit.chassis_sql.shelf_schema"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+mysqlconnector"])
def test_a_url_says_where_and_who(scheme: str) -> None:
    login = login_of(make_url(f"{scheme}://ada:p%40ss%2Fword@db.example.org:3307/users"))
    assert login == {
        "host": "db.example.org",
        "port": 3307,
        "user": "ada",
        "password": "p@ss/word",
        "database": "users",
        "connection_timeout": 5,
        "read_timeout": 10,
        "write_timeout": 10,
    }
    assert login_of(make_url("mysql://db/users"))["port"] == 3306
    assert login_of(make_url("mysql://[::1]:1/users"))["host"] == "::1"


def test_options_stand_at_its_end() -> None:
    login = login_of(
        make_url(
            "mysql://db/users?ssl_ca=/etc/ca.pem&ssl_verify_identity=true&ssl_disabled=false"
            "&read_timeout=3&connect_timeout=2&unix_socket=/run/db.sock"
        )
    )
    assert login["ssl_ca"] == "/etc/ca.pem"
    # Who names an authority wants it to be asked.
    assert login["ssl_verify_cert"] is True
    assert login["ssl_verify_identity"] is True
    assert login["ssl_disabled"] is False
    assert (login["connection_timeout"], login["read_timeout"], login["write_timeout"]) == (2, 3, 3)
    assert login["unix_socket"] == "/run/db.sock"
    unchecked = login_of(make_url("mysql://db/users?ssl_ca=/etc/ca.pem&ssl_verify_cert=no"))
    assert unchecked["ssl_verify_cert"] is False


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:secret@db/users", "neither sqlite"),
        ("mysql://u:secret@db", "names no database"),
        ("mysql://u:secret@db/", "names no database"),
        ("mysql://u:secret@db/users?charset=latin1", "'charset' is not an option"),
        ("mysql://u:secret@db/users?allow_local_infile=1", "not an option"),
        ("mysql://u:secret@db/users?ssl_ca=a&ssl_ca=b", "or is there twice"),
        ("mysql://u:secret@db/users?read_timeout=0", "'0' is no value of read_timeout"),
        ("mysql://u:secret@db/users?read_timeout=long", "'long' is no value"),
        ("mysql://u:secret@db/users?ssl_disabled=perhaps", "'perhaps' is no value"),
    ],
)
async def test_a_url_that_is_wrong_is_refused_without_its_password(
    url: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        await open_database(url, SCHEMA, ManualClock())
    assert "secret" not in str(refused.value)
