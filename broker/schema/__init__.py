"""The schema of the broker: tables, and the migrations that make them."""

HEAD = "0002"
"""The newest revision."""
