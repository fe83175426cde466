"""Adapters of Templates."""
