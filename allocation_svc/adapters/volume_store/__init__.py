"""Adapters of the store of volumes."""
