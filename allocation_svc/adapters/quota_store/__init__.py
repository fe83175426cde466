"""Adapters of the store of quotas."""
