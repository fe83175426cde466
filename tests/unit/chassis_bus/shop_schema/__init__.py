"""A schema for the tests: nothing but an outbox."""

HEAD = "0001"
