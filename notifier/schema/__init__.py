"""The tables of notifier and their migrations."""

HEAD = "0004"
"""The newest revision."""
