"""Adapters of the port `Readiness`."""
