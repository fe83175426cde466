"""The schema of the machines' store: tables, and the migrations that make them."""

HEAD = "0003"
"""The newest revision."""
