"""Adapters of the port `NodeLock`."""
