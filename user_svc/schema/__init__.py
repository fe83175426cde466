"""The tables of user_svc and their migrations."""

HEAD = "0005"
"""The newest revision."""
