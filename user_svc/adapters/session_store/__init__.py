"""Adapters of SessionStore."""
