"""The schema of the allocations' store: tables, and the migrations that make them."""

HEAD = "0003"
"""The newest revision."""
