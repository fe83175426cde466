"""Adapters of what runs instances."""
