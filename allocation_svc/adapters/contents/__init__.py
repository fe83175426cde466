"""Adapters of what allocations hold."""
