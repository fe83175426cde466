"""Accounts, one-time codes, sessions and keys, in pure Python."""
