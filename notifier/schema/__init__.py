"""The tables of notifier and their migrations."""

HEAD = "0001"
"""The newest revision."""
