"""Kafka's errors as faults."""

# ruff: noqa: SLF001 - the names of the driver's own errors begin with an underscore

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from chassis.faults import Unavailable

TIMED_OUT = KafkaError._TIMED_OUT
"""No answer in time."""

AT_END = KafkaError._PARTITION_EOF
"""There is nothing more in a partition at present."""

_RETRY_AFTER = 1.0

_NO_TOPIC = frozenset({
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
})  # fmt: skip
_REFUSED = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
})  # fmt: skip


def error_of(exception: KafkaException) -> KafkaError:
    """The error that an exception of the driver carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)
    return error


def unavailable(error: KafkaError | None) -> Unavailable:
    """What the caller can be told; None where no answer came in time.

    All of them are waited out: none is the fault of a record, which was checked before.
    """
    code = None if error is None else error.code()
    name = "" if error is None else error.name()
    if code in _NO_TOPIC:
        message = "A topic of the bus does not exist; run `allocctl migrate`."
    elif code in _REFUSED:
        message = "The bus refuses this process; look at its name, password and rights there."
    elif code == KafkaError.MSG_SIZE_TOO_LARGE:
        message = "A topic of the bus takes no record of this size; run `allocctl migrate`."
    elif code == KafkaError._QUEUE_FULL:
        return overloaded()
    else:
        message = "The bus is away; try again."
    return Unavailable(message, retry_after=_RETRY_AFTER, error=name)


def overloaded() -> Unavailable:
    """More waits to be published than this process may hold."""
    return Unavailable(
        "The bus has too much to do at present; try again in a moment.",
        reason="OVERLOADED",
        retry_after=_RETRY_AFTER,
    )
