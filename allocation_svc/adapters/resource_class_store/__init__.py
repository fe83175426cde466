"""Adapters of the store of resource classes."""
