"""The tables of user_svc and their migrations."""

HEAD = "0001"
"""The newest revision."""
