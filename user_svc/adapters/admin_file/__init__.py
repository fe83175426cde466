"""Adapters of AdminFile."""
