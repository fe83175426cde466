"""Adapters of TotpStore."""
