"""Adapters of the queue for room."""
