"""Adapters of AdminList."""
