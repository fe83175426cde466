"""The tables of the feed's store, and the migrations that make them."""

HEAD = "0001"
"""The newest revision."""
