"""The schema of the allocations' store: tables, and the migrations that make them."""

HEAD = "0002"
"""The newest revision."""
