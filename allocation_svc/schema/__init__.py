"""The schema of the allocations' store: tables, and the migrations that make them."""

HEAD = "0006"
"""The newest revision."""
