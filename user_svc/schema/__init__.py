"""The tables of user_svc and their migrations."""

HEAD = "0002"
"""The newest revision."""
