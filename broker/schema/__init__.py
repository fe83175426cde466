"""The schema of the directory: tables, and the migrations that make them."""

HEAD = "0001"
"""The newest revision."""
