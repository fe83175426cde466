"""The schema of the allocations' store: tables, and the migrations that make them."""

HEAD = "0001"
"""The newest revision."""
