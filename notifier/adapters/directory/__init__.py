"""Adapters of Directory."""
