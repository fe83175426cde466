"""Adapters of TokenSigner."""
