"""The schema of the machines' store: tables, and the migrations that make them."""

HEAD = "0001"
"""The newest revision."""
