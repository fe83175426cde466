"""A schema for the tests: books on a shelf."""

HEAD = "0002"
