"""The tables of user_svc and their migrations."""

HEAD = "0004"
"""The newest revision."""
