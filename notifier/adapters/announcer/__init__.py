"""Adapters of Announcer."""
