"""The tables of notifier and their migrations."""

HEAD = "0002"
"""The newest revision."""
