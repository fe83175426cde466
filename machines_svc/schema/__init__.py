"""The schema of the machines' store: tables, and the migrations that make them."""

HEAD = "0002"
"""The newest revision."""
