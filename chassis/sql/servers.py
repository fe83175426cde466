"""SQLAlchemy engines on database servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from chassis.sql.translation import breaks_a_rule

CONNECT_SECONDS = 5
"""How long a server may take to accept a connection, by default."""

READ_SECONDS = 10
"""How long a server may say nothing while it is waited for, by default."""

LOCK_SECONDS = 5
"""How long a statement waits for somebody else's lock; at most half of what it may take."""

_PATIENT_SECONDS = 3600
_PATIENT_LOCK_SECONDS = 60
_SHARE_OF_SERVER = 0.8

_YES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _bool(value: str) -> bool:
    return _YES[value.lower()]


def _seconds(value: str) -> int:
    seconds = int(value)
    if not 1 <= seconds <= _PATIENT_SECONDS:
        raise ValueError
    return seconds


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "ssl_ca": str,
    "ssl_cert": str,
    "ssl_key": str,
    "ssl_disabled": _bool,
    "ssl_verify_cert": _bool,
    "ssl_verify_identity": _bool,
    "unix_socket": str,
}


def server_engine(url: str, *, patient: bool = False) -> Engine:
    """An engine on a MySQL or MariaDB server. It has no pool: who connects keeps the connection.

    Its statements each end within the time that the URL gives the server, and a broken CHECK is an
    `IntegrityError` on every server. It imports the driver.

    Args:
        url: `mysql://user:password@host:port/name?option=…`, with the options of docs/howto/databases.md.
        patient: for migrations, whose statements may take an hour.

    Raises:
        ValueError: the URL is of another kind, names no database, or has a wrong option.
        RuntimeError: the driver is not installed.
    """
    login = login_of(make_url(url))
    read_seconds = login["read_timeout"]
    if patient:
        login["read_timeout"] = login["write_timeout"] = _PATIENT_SECONDS
    try:
        from chassis.sql.mysql_driver import connect
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "The driver of MySQL is not installed; install the extra `mysql` of this program."
        ) from error

    def new_connection() -> Any:
        return connect(
            login,
            # So that mostly the server ends what takes too long, and the connection lives on.
            statement_seconds=0 if patient else read_seconds * _SHARE_OF_SERVER,
            lock_seconds=_PATIENT_LOCK_SECONDS
            if patient
            else min(LOCK_SECONDS, read_seconds // 2 or 1),
        )

    engine = create_engine("mysql+mysqlconnector://", creator=new_connection, poolclass=NullPool)
    # An event of the dialect: unlike those of connections it slows no statement that succeeds.
    event.listen(engine, "handle_error", _as_integrity_error)
    return engine


def login_of(url: URL) -> dict[str, Any]:
    """What the driver needs to connect, of a URL.

    Raises:
        ValueError: it is of another kind, names no database, or has a wrong option.
    """
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() not in ("mysql", "mariadb"):
        raise ValueError(f"{shown} is neither sqlite:///path/to/file.sqlite3 nor mysql://host/name")
    if not url.database:
        raise ValueError(f"{shown} names no database; use mysql://user:password@host:port/name")
    login: dict[str, Any] = {
        "host": url.host or "127.0.0.1",
        "port": url.port or 3306,
        "user": url.username or "",
        "password": url.password or "",
        "database": url.database,
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
    }
    for name, value in url.query.items():
        if name not in _OPTIONS or not isinstance(value, str):
            raise ValueError(
                f"{shown}: {name!r} is not an option, or is there twice; there are "
                f"{', '.join(_OPTIONS)}"
            )
        try:
            login[name] = _OPTIONS[name](value)
        except (KeyError, ValueError):
            raise ValueError(f"{shown}: {value!r} is no value of {name}") from None
    login["connection_timeout"] = login.pop("connect_timeout")
    login["write_timeout"] = login["read_timeout"]
    if login.get("ssl_ca") and "ssl_verify_cert" not in login:
        login["ssl_verify_cert"] = True
    return login


def _as_integrity_error(context: ExceptionContext) -> BaseException | None:
    """A broken CHECK is a general error to the driver on MySQL, but not on MariaDB and SQLite."""
    error = context.sqlalchemy_exception
    if (
        not isinstance(error, DBAPIError)
        or isinstance(error, IntegrityError)
        or not breaks_a_rule(context.original_exception)
    ):
        return None
    return IntegrityError(error.statement, error.params, context.original_exception)
