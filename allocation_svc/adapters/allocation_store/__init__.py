"""Adapters of the store of allocations."""
