"""The tables of notifier and their migrations."""

HEAD = "0003"
"""The newest revision."""
