"""Adapters of Authenticator."""
