"""Accounts, sessions and roles, and the keys that everybody else trusts."""
