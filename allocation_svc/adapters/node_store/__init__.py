"""Adapters of `NodeStore`."""
